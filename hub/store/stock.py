"""Stock: movements are facts, the figure on hand is their cached sum, both written in one transaction."""

import json
from collections.abc import Iterable
from sqlite3 import Connection

from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from sync.model import Dot, Replica, Stream
from sync.retail.movements import MOVEMENT, Movement, MovementFact, content_hash
from sync.retail.sales import StockEffect
from sync.store.pruned_keys import known_before
from sync.store.writing import record_fact

__all__ = ["Moved", "Movement", "apply_effects", "move", "on_hand"]


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
    fingerprint = content_hash(movement)
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
        return _repeated(tx, movement, Dot(f"{known[3]}:{known[2]}", Stream.STOCK, known[1]), location)
    left = known_before(tx, MOVEMENT.name, movement.movement_id)
    if left is not None:
        if left.content_hash != fingerprint:
            raise ConflictError("other_content", f"movement {movement.movement_id} is known with other content")
        return _repeated(tx, movement, Dot(left.rep, Stream.STOCK, left.seq), location)
    is_stocked = tx.execute("SELECT 1 FROM product WHERE sku = ? AND stocked = 1", (movement.sku,)).fetchone()
    if must_be_known and is_stocked is None:
        raise RefusedError("unknown_sku", f"no stocked product {movement.sku}", pointer="/sku")
    effects = (StockEffect(movement.sku, location, movement.qty),)
    dot = record_fact(tx, replica, MOVEMENT, MovementFact(movement=movement, committed_at=utc(now_ms), stock=effects))
    return Moved(movement.movement_id, movement.sku, apply_effects(tx, effects)[movement.sku], dot)


def _repeated(tx: Connection, movement: Movement, dot: Dot, location: str) -> Moved:
    return Moved(movement.movement_id, movement.sku, on_hand(tx, movement.sku, location), dot, True)


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
