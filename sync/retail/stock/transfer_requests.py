"""The transfer request: head office asks a branch to send goods to another one; the branch sends them, or says why it does not.

    request    head office    so many pieces of these SKUs are to go to a branch; open, withdrawn, or done when they have left
    refusal    the branch     they will not go, and why

A request moves nothing and promises nothing: the transfer does that the branch books, with the request's id as its document's
(sync.retail.stock.transfers). What leaves is what was there: it may be more or less than was asked, and leave after it was
withdrawn. It is booked and noted. Pure. Not here: storage, what is proposed (sync.cloud.allocation).
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Priority, Shape
from sync.retail.selling.sales import Id, ShortText
from sync.retail.stock.movements import Flag, MovementLine
from sync.retail.stock.transfers import Key, Lines, Store, TransferLine

RequestState = Literal["open", "withdrawn", "done"]
RefusalReason = Literal["not_found", "damaged", "needed_here", "other"]
Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_000)]


class TransferRequestRow(Struct, frozen=True, kw_only=True):
    """A version of a request; one that is over names no lines. `until_ms`: by when they should leave, 0 where nobody said."""

    v: int = field(default_factory=lambda: 1)
    request_id: Id
    store: Store
    receiver: Store
    n: int
    gone: bool = False
    state: RequestState
    lines: Lines
    asked_ms: Ms
    until_ms: Ms
    note: ShortText


class RefusalFact(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="refusal"):
    """`sender` does not send what it was asked to. `refusal_id` is the name that the transfer would have had."""

    v: int = 1
    refusal_id: Key
    request_id: Id
    sender: Store
    reason: RefusalReason
    note: ShortText = ""
    by: Id | None = None
    refused_at: datetime


def differences_from(asked: Iterable[TransferLine], sent: Iterable[MovementLine]) -> tuple[Flag, ...]:
    """Return a flag for each SKU of which more or fewer leave than were asked for, or that nobody asked for."""
    wanted: Counter[str] = Counter()
    for line in asked:
        wanted[line.sku] += line.qty
    left = {line.sku: line.qty for line in sent}
    flags = []
    for sku in sorted({*wanted, *left}):
        went = left.get(sku, 0)
        if sku not in wanted:
            flags.append(Flag("not_asked", sku, f"{went} left, none was asked for"))
        elif went > wanted[sku]:
            flags.append(Flag("more_than_asked", sku, f"{went} left, {wanted[sku]} were asked for"))
        elif went < wanted[sku]:
            flags.append(Flag("fewer_than_asked", sku, f"{went} left, {wanted[sku]} were asked for"))
    return tuple(flags)


TRANSFER_REQUEST = Entity(
    name="transfer_request",
    stream="transfer_requests",
    kind=Kind.REGISTER,
    table="transfer_request",
    row=TransferRequestRow,
    doc="Goods that head office asks a branch to send to another one.",
    key=(Column("request_id", path="request_id"),),
    columns=(
        Column("store", path="store"),
        Column("receiver", path="receiver"),
        Column("state", path="state", choices=("open", "withdrawn", "done"), is_indexed=True),
        Column("lines", path="lines", shape=Shape.JSON),
        Column("asked_ms", "INTEGER", path="asked_ms"),
        Column("until_ms", "INTEGER", path="until_ms"),
        Column("note", path="note"),
    ),
    authority=Authority.CLOUD,
    priority=Priority.SOON,
)

REFUSAL = Entity(
    name="transfer_refusal",
    stream="transfers",
    kind=Kind.FACT,
    table="transfer_refusal",
    row=RefusalFact,
    doc="A branch does not send what head office asked it for, and why.",
    key=(Column("refusal_id", path="refusal_id"),),
    dated="refused_at",
    priority=Priority.SOON,
)
