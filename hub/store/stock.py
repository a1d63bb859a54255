"""Stock: movements are facts, the figure on hand is their cached sum, both written in one transaction."""

import json
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from sync.model import Dot, Replica, Stream
from sync.retail.sales import QTY_MAX, Id, ShortText, Sku, StockEffect
from sync.store.streams import append_fact

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


class Moved(Struct, frozen=True):
    """What a movement did; `repeated` when this very movement was known already."""

    movement_id: str
    sku: str
    on_hand: int
    dot: Dot
    repeated: bool = False


def move(
    tx: Connection, replica: Replica, movement: Movement, *, location: str, now_ms: int, must_be_known: bool = True
) -> Moved:
    """Book a movement once; raise ConflictError for a known id with other content, RefusedError for an unknown SKU."""
    fingerprint = blake2b(msgspec.json.encode(movement), digest_size=16).digest()
    known = tx.execute(
        """
        SELECT content_hash, seq, incarnation, store FROM stock_movement JOIN replica ON replica.id = stock_movement.replica
        WHERE movement_id = ?
        """,
        (movement.movement_id,),
    ).fetchone()
    if known is not None:
        if known[0] != fingerprint:
            raise ConflictError("other_content", f"movement {movement.movement_id} is known with other content")
        dot = Dot(f"{known[3]}:{known[2]}", Stream.STOCK, known[1])
        return Moved(movement.movement_id, movement.sku, on_hand(tx, movement.sku, location), dot, True)
    is_stocked = tx.execute("SELECT 1 FROM product WHERE sku = ? AND stocked = 1", (movement.sku,)).fetchone()
    if must_be_known and is_stocked is None:
        raise RefusedError("unknown_sku", f"no stocked product {movement.sku}", pointer="/sku")
    effects = (StockEffect(movement.sku, location, movement.qty),)
    fact = msgspec.json.encode(MovementFact(movement=movement, committed_at=utc(now_ms), stock=effects))
    dot = append_fact(tx, replica, Stream.STOCK, fact)
    tx.execute(
        "INSERT INTO stock_movement (replica, seq, movement_id, content_hash, body) VALUES (?, ?, ?, ?, ?)",
        (replica.local_id, dot.seq, movement.movement_id, fingerprint, fact.decode()),
    )
    return Moved(movement.movement_id, movement.sku, apply_effects(tx, effects)[movement.sku], dot)


def apply_effects(tx: Connection, effects: Iterable[StockEffect]) -> dict[str, int]:
    """Add effects to the cached sums; return the new figure on hand by SKU."""
    rows = tx.execute(
        """
        INSERT INTO stock (sku, location, on_hand)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE TRUE
        ON CONFLICT (sku, location) DO UPDATE SET on_hand = on_hand + excluded.on_hand
        RETURNING sku, on_hand
        """,
        (json.dumps([(effect.sku, effect.location, effect.qty) for effect in effects]),),
    ).fetchall()
    return dict(rows)


def on_hand(read: Connection, sku: str, location: str) -> int:
    """Return the cached sum, 0 for a product that never moved."""
    row = read.execute("SELECT on_hand FROM stock WHERE sku = ? AND location = ?", (sku, location)).fetchone()
    return row[0] if row else 0
