"""Counts in the books: what of the facts a counting device had not seen, and the movement that brings the shelf's figure right.

A count is a movement of its own reason: its lines say what was counted, its effects what that adds to the books. One write job; a
known count_id answers as before. Not here: the rule (sync.retail.stock.counts), HTTP.
"""

from collections import defaultdict
from collections.abc import Iterable
from sqlite3 import Connection

from hub.errors import RefusedError
from hub.store.staff.audit_trail import MACHINE, note
from hub.store.stock.documents import known_skus, overdraws
from hub.store.stock.rights import Place, Rule, note_counted
from hub.store.stock.stock import Booked, book, known_movement, on_hand
from sync.entities import REGISTRY
from sync.errors import RuleError
from sync.model import Replica, Stream
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.counts import Since, check_count, check_vector, count_difference, differs
from sync.retail.stock.movements import Movement, MovementLine, Vector
from sync.store.replicas import known_id

_COUNTING = {stream: tables for stream, tables in REGISTRY.tables_with_effects.items() if stream != Stream.DUPLICATES}


def seen_now(read: Connection, own: Replica) -> Vector:
    """Return how far everything that moves stock is booked here: what a device has seen that counts now."""
    rows = read.execute(
        """
        SELECT ?1, name, seq FROM stream WHERE replica = ?2 AND seq > 0
        UNION ALL
        SELECT replica.store || ':' || replica.incarnation, stream, last
        FROM received JOIN replica ON replica.id = received.replica WHERE replica.store = ?3 AND replica.id <> ?2 AND last > 0
        """,
        (own.rep, own.local_id, own.store),
    ).fetchall()
    found: Vector = {}
    for rep, stream, last in sorted(rows):
        if stream in _COUNTING:
            found.setdefault(rep, {})[stream] = last
    return found


def book_count(
    tx: Connection, own: Replica, said: Movement, *, location: str, rule: Rule | None, now_ms: int, actor: str = MACHINE
) -> Booked:
    """Book a count once; raise ConflictError for a known id with other content, RefusedError for one that cannot be compared."""
    known = known_movement(tx, said)
    if known is not None:
        return known
    try:
        check_count(said)
        _check_vectors(tx, own, said)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    unstocked, flags = known_skus(tx, said)
    lines = [line for line in said.lines if line.sku not in unstocked]
    found = _differences(tx, own, said, lines, location)
    flags += tuple(differs(line.sku, line.qty, found[line.sku]) for line in lines if found[line.sku])
    effects = tuple(StockEffect(line.sku, location, found[line.sku]) for line in lines if found[line.sku])
    flags += overdraws(tx, own, said, effects, rule)
    for line in lines:
        note_counted(tx, own, Place(line.sku, location))
    found_in = f"{len(effects)} of {len(lines)} products differ"
    note(tx, actor=actor, action="stock_counted", subject=said.movement_id, reason=found_in, now_ms=now_ms)
    return book(tx, own, said, effects, now_ms=now_ms, flags=flags)


def _check_vectors(tx: Connection, own: Replica, said: Movement) -> None:
    known = seen_now(tx, own)
    ended = {rep for (rep,) in tx.execute(f"SELECT {_REP} FROM former_life JOIN replica ON replica.id = replica")}
    pruned: dict[str, dict[str, int]] = defaultdict(dict)
    for rep, stream, last in tx.execute(
        f"SELECT {_REP}, stream, last FROM floor JOIN replica ON replica.id = floor.replica WHERE store = ?",
        (own.store,),
    ):
        if stream in _COUNTING:
            pruned[rep][stream] = last
    for seen in [said.seen, *(line.seen for line in said.lines)]:
        if seen:
            check_vector(seen, store=own.store, known=known, ended=ended, pruned=pruned)


def _differences(
    tx: Connection, own: Replica, said: Movement, lines: Iterable[MovementLine], location: str
) -> dict[str, int]:
    """Return SKU -> what its count adds to the figure of now. Lines that have seen the same are looked at together."""
    together: dict[str, tuple[Vector, list[MovementLine]]] = {}
    for line in lines:
        seen = line.seen or said.seen
        together.setdefault(repr(sorted(seen.items())), (seen, []))[1].append(line)
    found: dict[str, int] = {}
    for seen, group in together.values():
        since = _since(tx, own, seen, location, frozenset(line.sku for line in group)) if seen else {}
        for line in group:
            here = on_hand(tx, line.sku, location)
            found[line.sku] = count_difference(line.qty, on_hand=here, since=since.get(line.sku, ()))
    return found


def _since(tx: Connection, own: Replica, seen: Vector, location: str, skus: frozenset[str]) -> dict[str, list[Since]]:
    """Return SKU -> what facts have done to it that are not in the vector, of all lives of this store."""
    found: dict[str, list[Since]] = defaultdict(list)
    writers = tx.execute(f"SELECT id, {_REP} FROM replica WHERE store = ?", (own.store,)).fetchall()
    for stream, tables in _COUNTING.items():
        again = _written_again(tx, seen, stream)
        facts = " UNION ALL ".join([*(f"SELECT replica, seq, body FROM {table}" for table in tables), _UNREAD])
        for replica, rep in writers:
            rows = tx.execute(
                f"""
                SELECT fact.seq, fact.body ->> '$.movement.reason' IS 'count', effect.value ->> 0, effect.value ->> 2
                FROM ({facts}) AS fact, json_each(fact.body, '$.stock') AS effect
                WHERE fact.replica = :replica AND fact.seq > :after AND effect.value ->> 1 = :location
                """,
                {
                    "stream": stream,
                    "replica": replica,
                    "after": seen.get(rep, {}).get(stream, 0),
                    "location": location,
                },
            )
            for seq, is_count, sku, qty in rows:
                if sku in skus and (replica, seq) not in again:
                    found[sku].append(Since(qty, bool(is_count)))
    return found


def _written_again(tx: Connection, seen: Vector, stream: str) -> set[tuple[int, int]]:
    """Return the new dots of facts that a device had seen in a life that has ended since."""
    again: set[tuple[int, int]] = set()
    for rep, streams in seen.items():
        replica = known_id(tx, rep)
        if replica is not None:
            again.update(
                tx.execute(
                    "SELECT new_replica, new_seq FROM former_dot WHERE replica = ? AND stream = ? AND seq <= ?",
                    (replica, stream, streams.get(stream, 0)),
                ).fetchall()
            )
    return again


_REP = "replica.store || ':' || replica.incarnation"
_UNREAD = """
    SELECT replica, seq, CAST(body AS TEXT) FROM unknown_row
    WHERE stream = :stream AND key IS NULL AND json_valid(CAST(body AS TEXT))
"""
