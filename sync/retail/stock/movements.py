"""The stock movement: goods in or out that no sale moved, as a client says it and as a fact. Source: the design, 3.2 and 4.

A movement is of one SKU (`sku`, `qty`), or a document of `lines`, whole in one fact: a delivery, a transfer, an adjustment, a
count. What the numbers of a line mean depends on the reason, see sync.retail.stock.documents; the effects on stock stand beside
them.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from sync.kinds import Column, Entity, Keep, Kind, Priority, Shape
from sync.retail.selling.sales import LINES_MAX, QTY_MAX, Id, ShortText, Sku, StockEffect

TRANSFER_CHARS_MAX = 128

Reason = Literal["receive", "adjust", "transfer_out", "transfer_in", "count"]
Cause = Literal["damage", "theft", "sample", "expired", "own_use", "found", "correction"]
Qty = Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]
Expected = Annotated[int, Meta(ge=0, le=QTY_MAX)]
TransferId = Annotated[
    str, Meta(max_length=TRANSFER_CHARS_MAX, pattern=r"^([a-z0-9][a-z0-9-]*:[A-Za-z0-9][A-Za-z0-9._:-]*)?\Z")
]
"""`<store>:<document_id>` of the document by which the goods left."""
Vector = dict[Annotated[str, Meta(max_length=128)], dict[Annotated[str, Meta(max_length=64)], int]]
"""Replica -> stream -> the last seq that was seen."""


class MovementLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A SKU of a document. `expected`: what the delivery note says. `seen`: of a count, what had been booked at that moment."""

    sku: Sku
    qty: Qty
    expected: Expected | None = None
    seen: Vector = field(default_factory=dict)


Lines = Annotated[tuple[MovementLine, ...], Meta(max_length=LINES_MAX)]


class Movement(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Goods in (positive) or out (negative) in the product's unit, or a document. `movement_id` is made by the client.

    `transfer` names the document by which goods came, `store` the branch to which they go. `is_partial`: more of it is to come.
    `seen` is what a count's lines had seen that do not say it themselves.
    """

    movement_id: Id
    sku: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\Z")] = ""
    qty: Qty = 0
    reason: Reason = field(default_factory=lambda: "adjust")  # never left out: known movements keep their hash
    note: ShortText = ""
    lines: Lines = ()
    cause: Cause | None = None
    reference: ShortText = ""
    transfer: TransferId = ""
    store: Annotated[str, Meta(max_length=40, pattern=r"^([a-z0-9][a-z0-9-]*)?\Z")] = ""
    by: Id | None = None
    is_partial: bool = False
    seen: Vector = field(default_factory=dict)
    is_blind: bool = False
    recount_of: Id | None = None


class Flag(Struct, frozen=True, omit_defaults=True):
    """Something about a document that a person may want to know; the document stands."""

    code: str
    sku: str = ""
    detail: str = ""


class MovementFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A movement as it is stored and shipped, its effect as numbers. `flags` is what the hub found."""

    v: int = 1
    movement: Movement
    committed_at: datetime
    stock: tuple[StockEffect, ...]
    flags: tuple[Flag, ...] = ()


def content_hash(movement: Movement) -> bytes:
    """Return the hash of what the client said: equal for equal meaning, whatever the order of the lines."""
    if movement.lines:
        lines = tuple(sorted(movement.lines, key=lambda line: line.sku))
        movement = msgspec.structs.replace(movement, lines=lines)
    return blake2b(msgspec.json.encode(movement, order="deterministic"), digest_size=16).digest()


MOVEMENT = Entity(
    name="movement",
    stream="stock",
    kind=Kind.FACT,
    table="stock_movement",
    row=MovementFact,
    doc="Everything that moves stock and is no sale: deliveries, transfers, corrections, counts, the opening stock.",
    key=(Column("movement_id", path="movement.movement_id"),),
    columns=(
        Column("content_hash", "BLOB", compute=lambda fact: content_hash(fact.movement), default=b""),
        Column("flags", path="flags", shape=Shape.JSON, default="[]"),
    ),
    dated="committed_at",
    keep=Keep(days=90),  # two stocktakes back; their sum stays as the opening balance
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
