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


class ChannelOrder(Struct, frozen=True, kw_only=True):
    """A version of an order. `total`, `amount`: minor units of `currency`; `changed_ms`: the shop's clock.

    `is_undated`: a file's, that says when it was placed and not when it was changed.
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


class RefundLine(Struct, frozen=True, kw_only=True):
    """How much of an order's line was refunded, and whether the goods come back."""

    line_id: str
    qty: int
    comes_back: bool


class ChannelRefund(Struct, frozen=True, kw_only=True):
    """Money that a shop has given back."""

    refund_id: str
    channel_order_id: str
    currency: str
    amount: int
    refunded_ms: int
    lines: tuple[RefundLine, ...] = ()


class OrderGone(Struct, frozen=True):
    """An order was deleted at the shop: as good as cancelled."""

    channel_order_id: str


class ItemsChanged(Struct, frozen=True):
    """Goods were added, changed or deleted at the shop: its list is read again."""


class Forget(Struct, frozen=True):
    """A customer wants to be forgotten: what was received of these orders is emptied; none named: of all."""

    channel_order_ids: tuple[str, ...]


Said = ChannelOrder | ChannelRefund | OrderGone | ItemsChanged | Forget


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
