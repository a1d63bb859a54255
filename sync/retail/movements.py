"""The stock movement: goods in or out that no sale moved, as a client says it and as a fact. Source: the design, 3.2 and 4."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Keep, Kind, Priority
from sync.retail.sales import QTY_MAX, Id, ShortText, Sku, StockEffect

Reason = Literal["receive", "adjust"]


class Movement(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Goods in (positive) or out (negative) in the product's unit. `movement_id` is made by the client."""

    movement_id: Id
    sku: Sku
    qty: Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]
    reason: Reason
    note: ShortText = ""


class MovementFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A movement as it is stored and shipped, its effect as numbers."""

    v: int = 1
    movement: Movement
    committed_at: datetime
    stock: tuple[StockEffect, ...]


def content_hash(movement: Movement) -> bytes:
    """Return the hash of what the client said."""
    return blake2b(msgspec.json.encode(movement), digest_size=16).digest()


MOVEMENT = Entity(
    name="movement",
    stream="stock",
    kind=Kind.FACT,
    table="stock_movement",
    row=MovementFact,
    doc="Everything that moves stock and is no sale: receipts, corrections, the opening stock.",
    key=(Column("movement_id", path="movement.movement_id"),),
    columns=(Column("content_hash", "BLOB", compute=lambda fact: content_hash(fact.movement), default=b""),),
    dated="committed_at",
    keep=Keep(days=90),  # two stocktakes back; their sum stays as the opening balance
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
