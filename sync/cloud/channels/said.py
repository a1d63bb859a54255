"""What a channel says, whatever its kind: an order's version, a refund, something that is gone. Values only.

    order      open        wanted: goods are to be picked
               unpaid      kept until it is paid
               fulfilled   was sent by somebody else before we heard of it
               cancelled   called off
               test        the shop's own trial: kept, never picked

Not here: how a kind writes it (sync.cloud.channels.shopify and its neighbours), what follows from it
(sync.cloud.channels.taking).
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from sync.errors import SyncError
from sync.retail.orders.order_rows import OrderKind


class ChannelError(SyncError):
    """What a channel said cannot be read as what it claims to be; nothing was changed. `code` is a key of the texts."""


class Wish(StrEnum):
    """What an order's version wants; of two versions of one moment the one further down stands."""

    UNPAID = "unpaid"
    TEST = "test"
    OPEN = "open"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


RANK = {wish: rank for rank, wish in enumerate(Wish)}


class ChannelLine(Struct, frozen=True, kw_only=True):
    """Goods of an order. `items`: the names under which the channel knows them, the most exact one first."""

    line_id: str
    items: tuple[str, ...]
    title: str
    qty: int
    amount: int


class Buyer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who bought, as far as the channel says. `region`: of telephone numbers without a country.

    `choice`: the word on marketing that the channel knows, given at `chosen_ms`; 0: nobody knows when.
    """

    customer_id: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    region: str = ""
    choice: Literal["", "in", "out"] = ""
    chosen_ms: int = 0


class BoughtLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Goods as they were bought. `gone`: how many of them the order has no more, refunded ones among them."""

    line_id: str
    items: tuple[str, ...]
    qty: int
    amount: int
    gone: int = 0


class Bought(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as somebody's purchase. `bought_ms` 0: not said; `unread`: what of the customer is not of its shape.

    `is_anonymous`: the shop has overwritten its customer; whose it was it stays. `in_shop`: sold by the channel's own till, which
    stands at `location`, by the channel's number of it.
    """

    bought_ms: int
    lines: tuple[BoughtLine, ...]
    city: str = ""
    buyer: Buyer | None = None
    unread: tuple[str, ...] = ()
    is_anonymous: bool = False
    in_shop: bool = False
    location: str = ""


class ChannelOrder(Struct, frozen=True, kw_only=True):
    """A version of an order. `total`, `amount`: minor units of `currency`; `changed_ms`: the shop's clock.

    `is_undated`: a file's, that says when it was placed and not when it was changed. `bought`: None for what nobody buys.
    """

    channel_order_id: str
    number: str
    changed_ms: int
    wish: Wish
    kind: OrderKind
    currency: str
    total: int
    lines: tuple[ChannelLine, ...]
    name: str
    address: str
    is_undated: bool = False
    bought: Bought | None = None


class RefundLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of an order's line was refunded, and whether the goods come back. `amount` None: their part of the line."""

    line_id: str
    qty: int
    comes_back: bool
    amount: int | None = None


class ChannelRefund(Struct, frozen=True, kw_only=True):
    """Money that a shop has given back. `goods`: what of it was for goods, where no line is named.

    `is_sum`: the shop has said its sum alone, and may know its lines.
    """

    refund_id: str
    channel_order_id: str
    currency: str
    amount: int
    refunded_ms: int
    goods: int
    lines: tuple[RefundLine, ...] = ()
    is_sum: bool = False


class OrderGone(Struct, frozen=True):
    """An order was deleted at the shop: as good as cancelled."""

    channel_order_id: str


class ItemsChanged(Struct, frozen=True):
    """Goods were added, changed or deleted at the shop: its list is read again."""


class ConsentSaid(Struct, frozen=True):
    """A customer has said yes or no to marketing there, at `chosen_ms`; 0: nobody knows when."""

    customer_id: str
    choice: Literal["in", "out"]
    chosen_ms: int


class Forget(Struct, frozen=True):
    """A customer wants to be forgotten, and these orders with them. `customer_id`: the channel's, empty where none is said."""

    customer_id: str
    channel_order_ids: tuple[str, ...]


class ForgetShop(Struct, frozen=True):
    """The shop has gone: nothing that was received of it may be kept."""


class DataAsked(Struct, frozen=True):
    """A customer wants to know what is held of them; what is empty was not said."""

    request_id: str
    customer_id: str
    channel_order_ids: tuple[str, ...]


Said = ChannelOrder | ChannelRefund | OrderGone | ItemsChanged | ConsentSaid | Forget | ForgetShop | DataAsked


class Level(Struct, frozen=True):
    """What a shop shows of an item. `told`: what it calls its SKU; `parent`: what it is a variation of, empty for none."""

    item: str
    parent: str
    told: str
    shown: int


class Wanted(Struct, frozen=True):
    """What a shop is to show of an item, and what we believe that it shows."""

    item: str
    parent: str
    shown: int
    wanted: int
    sku: str


class SetResult(Struct, frozen=True):
    """How it ended for one item. `code`: empty where it was taken; `stale`: the shop shows another number, `shown`; `refused`."""

    item: str
    code: str = ""
    detail: str = ""
    shown: int | None = None
