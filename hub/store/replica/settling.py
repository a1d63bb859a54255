"""What follows where two lives have written one key: one of the two rows stands (sync.store.facts), that of an ended life, else
that of the smaller rep. Where ours does not, we publish a `duplicate` fact, that takes its effects out of our levels, once.

Source: the design, 3.1 and 3.3 (Sale).
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec

from hub.store.people.point_balance import apply_points
from hub.store.stock.stock import apply_effects
from sync.effects import effects_of, sum_effects, sum_points
from sync.entities import REGISTRY
from sync.kinds import Entity
from sync.merge import FactDot
from sync.model import Replica, Stream
from sync.retail.lives.duplicate_fact import DuplicateFact, FactName
from sync.retail.selling.sales import StockEffect
from sync.store.facts import Duplicate
from sync.store.replicas import known_id
from sync.store.rows import Taken, apply_rows
from sync.store.streams import append_fact

KEY_CHARS_MAX = 300  # of a duplicate's key: an entity, a key of 200 at most, a rep and a seq


def settle(tx: Connection, own: Replica, taken: Taken) -> dict[str, int]:
    """Bring cached stock and points in line with what counts now, and compensate facts of ours that gave way; return figures."""
    _give_way(tx, own, taken.duplicates)
    apply_points(tx, sum_points(taken.counted, taken.fallen))
    changed = sum_effects(taken.counted, taken.fallen)
    return apply_effects(tx, [StockEffect(*place, qty) for place, qty in changed.items()])


def _give_way(tx: Connection, own: Replica, duplicates: Sequence[Duplicate]) -> None:
    for each in _fallen_of(own, duplicates):
        entity = REGISTRY.by_name[each.entity]
        body = _body(tx, entity, each.fell)
        if (
            body is None
        ):  # ours was pruned and has counted; one of two counts when the effects of the other are taken back
            body = _body(tx, entity, each.stands)
        assert body is not None, "one of two rows under a key is kept"
        name = f"{each.entity} {each.key} {own.rep} {each.fell.seq}"[:KEY_CHARS_MAX]
        if tx.execute("SELECT 1 FROM duplicate_fact WHERE duplicate = ?", (name,)).fetchone():
            continue  # said already, whatever stood then
        fact = DuplicateFact(
            duplicate=name,
            entity=each.entity,
            key=each.key,
            loser=FactName(*each.fell),
            standing=FactName(*each.stands),
            stock=tuple(StockEffect(effect.sku, effect.location, -effect.qty) for effect in effects_of(body)),
        )
        _publish(tx, own, Stream.DUPLICATES, msgspec.json.encode(fact))


def _body(tx: Connection, entity: Entity, dot: FactDot) -> bytes | None:
    """Return a row, or as much of it as says what it moved."""
    row: tuple[bytes] | None = tx.execute(
        f"""
        SELECT body FROM second_row WHERE replica = ?1 AND seq = ?2 AND stream = ?3
        UNION ALL SELECT CAST(body AS BLOB) FROM {entity.table} WHERE replica = ?1 AND seq = ?2
        UNION ALL SELECT CAST(json_object('stock', json(stock)) AS BLOB) FROM pruned_second
        WHERE replica = ?1 AND seq = ?2 AND entity = ?4
        LIMIT 1
        """,
        (known_id(tx, dot.rep), dot.seq, entity.stream, entity.name),
    ).fetchone()
    return row[0] if row else None


def _fallen_of(own: Replica, duplicates: Iterable[Duplicate]) -> list[Duplicate]:
    return [each for each in duplicates if not each.column and each.fell.rep == own.rep]


def _publish(tx: Connection, own: Replica, stream: Stream, body: bytes) -> None:
    """Append a fact of our own to its log and its table; one whose key is known is not written again."""
    dot = append_fact(tx, own, stream, body)
    apply_rows(tx, stream, [(dot.seq, body)], replica=own.local_id, rep=own.rep)
