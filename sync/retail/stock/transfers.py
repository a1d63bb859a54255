"""The transfer: the document by which goods leave one branch for another, and what the other one says has come.

Both are facts that travel: the cloud hands a transfer to its receiver and an arrival to its sender, so that either sees what the
other wrote and what does not agree. Neither moves stock: the movements of the two stores do, each in the transaction that writes
the fact beside it. Between the two the goods are on the road: on nobody's shelf, nobody's right. Source: the design, 3.3.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, Named, Priority
from sync.retail.selling.sales import LINES_MAX, ShortText, Sku
from sync.retail.stock.documents import differences
from sync.retail.stock.movements import TRANSFER_CHARS_MAX, Flag, Movement

TransferState = Literal["on_the_road", "partly_here", "arrived", "differs"]
Key = Annotated[str, Meta(min_length=3, max_length=TRANSFER_CHARS_MAX)]
Store = Annotated[str, Meta(min_length=1, max_length=40)]


class TransferLine(Struct, frozen=True, array_like=True):
    """How much of a SKU is in a transfer, in the product's unit."""

    sku: Sku
    qty: int


Lines = Annotated[tuple[TransferLine, ...], Meta(max_length=LINES_MAX)]


class TransferFact(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="transfer"):
    """Goods have left `sender` for `receiver`."""

    v: int = 1
    transfer_id: Key
    sender: Store
    receiver: Store
    lines: Lines
    sent_at: datetime
    reference: ShortText = ""


class ArrivalFact(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="arrival"):
    """What has come of a transfer, by the receiver's document `arrival_id`; `is_partial`: more is expected."""

    v: int = 1
    arrival_id: Key
    transfer_id: Key
    sender: Store
    receiver: Store
    lines: Lines
    arrived_at: datetime
    is_partial: bool = False


def transfer_id(store: str, document_id: str) -> str:
    """Return the name under which a store's document travels."""
    return f"{store}:{document_id}"


def sender_of(transfer: str) -> str:
    """Return the store that wrote a transfer, by its name: it may be known before the document is."""
    return transfer.partition(":")[0]


def lines_of(said: Movement) -> tuple[TransferLine, ...]:
    """Return the lines of a document as they travel."""
    return tuple(TransferLine(line.sku, line.qty) for line in said.lines)


def travelling(store: str, said: Movement, at: datetime) -> TransferFact | ArrivalFact | None:
    """Return what travels of a store's document beside its movement; nothing of one that is no transfer."""
    name = transfer_id(store, said.movement_id)
    if said.reason == "transfer_out":
        return TransferFact(
            transfer_id=name,
            sender=store,
            receiver=said.store,
            lines=lines_of(said),
            sent_at=at,
            reference=said.reference,
        )
    if said.reason == "transfer_in":
        return ArrivalFact(
            arrival_id=name,
            transfer_id=said.transfer,
            sender=sender_of(said.transfer),
            receiver=store,
            lines=lines_of(said),
            arrived_at=at,
            is_partial=said.is_partial,
        )
    return None


def came_of(arrivals: Iterable[ArrivalFact]) -> Counter[str]:
    """Return SKU -> all that has come."""
    came: Counter[str] = Counter()
    for arrival in arrivals:
        for line in arrival.lines:
            came[line.sku] += line.qty
    return came


def state_of(transfer: TransferFact | None, arrivals: Iterable[ArrivalFact]) -> tuple[TransferState, tuple[Flag, ...]]:
    """Return how a transfer stands and what does not agree; nothing is judged while some of it is on its way."""
    known = list(arrivals)
    if not known:
        return "on_the_road", ()
    if transfer is None or all(arrival.is_partial for arrival in known):
        return "partly_here", ()
    sent: Counter[str] = Counter()
    for line in transfer.lines:
        sent[line.sku] += line.qty
    found = differences(sent, came_of(known))
    return ("differs" if found else "arrived"), found


TRANSFER = Entity(
    name="transfer",
    stream="transfers",
    kind=Kind.FACT,
    table="transfer",
    row=TransferFact,
    doc="Goods that have left one branch for another: what the other one expects.",
    key=(Column("transfer_id", path="transfer_id"),),
    columns=(Column("sender", path="sender"), Column("receiver", path="receiver")),
    dated="sent_at",
    priority=Priority.SOON,
)

ARRIVAL = Entity(
    name="arrival",
    stream="transfers",
    kind=Kind.FACT,
    table="arrival",
    row=ArrivalFact,
    doc="What has come of a transfer, as the receiving branch counted it.",
    key=(Column("arrival_id", path="arrival_id"),),
    columns=(Column("transfer_id", path="transfer_id", is_indexed=True),),
    dated="arrived_at",
    names=(Named("transfer_id", "transfer"),),
    priority=Priority.SOON,
)
