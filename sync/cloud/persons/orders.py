"""What channels have sold, and to whom: a purchase beside the shops' sales, its customer a member by the same rules.

A channel's adapter calls `book_purchase` in the job in which it takes an order; HTTP does the same. An order has happened: an
identity that is none is left out, and who gives none buys as nobody. Functions of a write job.
"""

from contextlib import suppress
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from sync.cloud.persons.joining import Channel, Customer, Taken, take_customer
from sync.cloud.persons.purchases import STORE, Purchase, enter, enter_return, is_entered
from sync.cloud.persons.rules import MembersSection
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.selling.sales import LINES_MAX, QTY_MAX, Amount, Currency, Moment, ShortText, Sku

PurchaseId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
LineNo = Annotated[int, Meta(ge=1, le=9999)]
Qty = Annotated[int, Meta(ge=1, le=QTY_MAX)]


class BoughtLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Goods; `amount` is what all of them cost after discounts."""

    line: LineNo
    sku: Sku
    qty: Qty
    amount: Amount


class ChannelPurchase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purchase under the channel's own number; `city` is where it goes to. No customer, or one without identities: nobody's."""

    channel: Channel
    purchase_id: PurchaseId
    bought_at: Moment
    currency: Currency
    city: ShortText = ""
    lines: Annotated[tuple[BoughtLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    customer: Customer | None = None


class BackLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Goods that came back, and what was given back for them; 0 goods: money alone."""

    line: LineNo
    qty: Annotated[int, Meta(ge=0, le=QTY_MAX)]
    amount: Amount


class ChannelReturn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refund or cancellation under the channel's own number; it may come before its purchase."""

    channel: Channel
    purchase_id: PurchaseId
    return_id: PurchaseId
    lines: Annotated[tuple[BackLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class Booked(Struct, frozen=True):
    """What became of a purchase; `customer` None: nobody's."""

    purchase_id: str
    is_new: bool
    customer: Taken | None


def book_purchase(tx: Connection, own: Replica, rules: MembersSection, said: ChannelPurchase, *, now_ms: int) -> Booked:
    """Enter a channel's purchase, once, with whoever bought it; RuleError (channel) for what only a till sells."""
    _check_channel(said.channel)
    if is_entered(tx, said.channel, said.purchase_id):
        return Booked(said.purchase_id, False, None)
    taken: Taken | None = None
    if said.customer is not None:
        with suppress(RuleError):  # it has happened, whoever it was
            customer = replace(said.customer, channel=said.channel)
            taken = take_customer(tx, own, rules, customer, is_lenient=True, now_ms=now_ms)
    bought = Purchase(
        channel=said.channel,
        purchase_id=said.purchase_id,
        member_id=taken.member_id if taken else "",
        city=said.city,
        currency=said.currency,
        lines=tuple((each.line, each.sku, each.qty, each.amount) for each in said.lines),
        bought_ms=int(said.bought_at.timestamp() * 1000),
    )
    return Booked(said.purchase_id, enter(tx, bought), taken)


def book_return(tx: Connection, said: ChannelReturn) -> bool:
    """Enter what came back, once; say whether it is new."""
    _check_channel(said.channel)
    lines = [(each.line, each.qty, each.amount) for each in said.lines]
    return enter_return(tx, said.channel, said.purchase_id, said.return_id, lines)


def _check_channel(channel: str) -> None:
    if channel == STORE:
        raise RuleError("channel_reserved", "/channel", f"{STORE} is what tills sell; a channel has another name")
