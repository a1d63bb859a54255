"""Stock: movements are facts, the figure on hand is their cached sum, both written in one transaction.

`book` is how every movement is written: of one SKU (`move`), a document (hub.store.stock.documents), a count
(hub.store.stock.counts).
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from hub.store.staff.audit_trail import note
from sync.model import Dot, Replica, Stream
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.movements import MOVEMENT, Flag, Movement, MovementFact, content_hash
from sync.store.pruned_keys import known_before
from sync.store.writing import record_fact

__all__ = ["Booked", "Moved", "Movement", "apply_effects", "book", "known_movement", "move", "on_hand"]


class Moved(Struct, frozen=True):
    """What a movement did; `repeated` when this very movement was known already."""

    movement_id: str
    sku: str
    on_hand: int
    dot: Dot
    repeated: bool = False


class Booked(NamedTuple):
    """A movement in the books: the fact (None for one that was pruned), its dot; of one that is new the figures by SKU."""

    fact: MovementFact | None
    dot: Dot
    stock: dict[str, int] = {}
    is_new: bool = False


def move(
    tx: Connection,
    replica: Replica,
    movement: Movement,
    *,
    location: str,
    now_ms: int,
    must_be_known: bool = True,
    actor: str = "",
) -> Moved:
    """Book a movement once; raise ConflictError for a known id with other content, RefusedError for an unknown SKU.

    An adjustment of somebody is in the trail.
    """
    known = known_movement(tx, movement)
    if known is not None:
        return Moved(movement.movement_id, movement.sku, on_hand(tx, movement.sku, location), known.dot, True)
    is_stocked = tx.execute("SELECT 1 FROM product WHERE sku = ? AND stocked = 1", (movement.sku,)).fetchone()
    if must_be_known and is_stocked is None:
        raise RefusedError("unknown_sku", f"no stocked product {movement.sku}", pointer="/sku")
    effects = (StockEffect(movement.sku, location, movement.qty),)
    booked = book(tx, replica, movement, effects, now_ms=now_ms)
    if actor and movement.reason == "adjust":
        said = f"{movement.qty:+} {movement.sku}: {movement.note}".rstrip(": ")
        note(tx, actor=actor, action="stock_adjusted", subject=movement.movement_id, reason=said, now_ms=now_ms)
    return Moved(movement.movement_id, movement.sku, booked.stock[movement.sku], booked.dot)


def known_movement(tx: Connection, movement: Movement) -> Booked | None:
    """Return a movement that is in the books already; raise ConflictError where that one says something else."""
    row = tx.execute(
        """
        SELECT content_hash, body, seq, store || ':' || incarnation
        FROM stock_movement JOIN replica ON replica.id = stock_movement.replica WHERE movement_id = ?
        """,
        (movement.movement_id,),
    ).fetchone()
    fingerprint = content_hash(movement)
    if row is not None:
        expected, body, seq, rep = row
        found = Booked(msgspec.json.decode(body, type=MovementFact), Dot(rep, Stream.STOCK, seq))
    elif left := known_before(tx, MOVEMENT.name, movement.movement_id):
        expected, found = left.content_hash, Booked(None, Dot(left.rep, Stream.STOCK, left.seq))
    else:
        return None
    if expected != fingerprint:
        raise ConflictError("other_content", f"movement {movement.movement_id} is known with other content")
    return found


def book(
    tx: Connection,
    replica: Replica,
    movement: Movement,
    effects: tuple[StockEffect, ...],
    *,
    now_ms: int,
    flags: tuple[Flag, ...] = (),
) -> Booked:
    """Write a movement that is not known yet, with its effects; what falls below nothing is flagged."""
    stock = apply_effects(tx, effects)
    taken = {effect.sku for effect in effects if effect.qty < 0}
    below = [Flag("stock_below_zero", sku, f"{stock[sku]} on hand") for sku in sorted(taken) if stock[sku] < 0]
    noted = (*flags, *below) if movement.lines else ()
    fact = MovementFact(movement=movement, committed_at=utc(now_ms), stock=effects, flags=noted)
    dot = record_fact(tx, replica, MOVEMENT, fact)
    return Booked(fact, dot, stock, is_new=True)


def apply_effects(tx: Connection, effects: Iterable[StockEffect]) -> dict[str, int]:
    """Add effects to the cached sums; return the new figure on hand by SKU."""
    rows = tx.execute(
        """
        INSERT INTO stock (sku, location, on_hand)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE TRUE
        ON CONFLICT (sku, location) DO UPDATE SET on_hand = on_hand + excluded.on_hand
        RETURNING sku, on_hand
        """,
        (msgspec.json.encode(tuple(effects)).decode(),),
    ).fetchall()
    return dict(rows)


def on_hand(read: Connection, sku: str, location: str) -> int:
    """Return the cached sum, 0 for a product that never moved."""
    row = read.execute("SELECT on_hand FROM stock WHERE sku = ? AND location = ?", (sku, location)).fetchone()
    return row[0] if row else 0
