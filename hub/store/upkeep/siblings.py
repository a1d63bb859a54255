"""Rows of the store's other lives: what a restored card had lost, what another hub of the store has sold. Passed on by the cloud.

A fact whose key is unknown here takes effect on the cached stock. Under a known key one of the two stands (sync.store.facts): the
row of an ended life, else that of the smaller rep. Where ours does not, we publish a `duplicate` fact, that takes its effects out
of our levels, once.

Also here: what this hub passes on itself, to a cloud that has lost it. Source: the design, 3.1 and 3.3 (Sale).
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.store.people.point_balance import apply_points
from hub.store.replica.confirmed import adopt, differs, mark, mark_of, move_mark
from hub.store.stock.stock import apply_effects
from sync.batch import START, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.effects import effects_of, sum_effects, sum_points
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.kinds import Entity, PassedOn
from sync.merge import FactDot
from sync.model import Feed, Replica, Stream
from sync.retail.lives.duplicate_fact import DuplicateFact, FactName
from sync.retail.selling.sales import StockEffect
from sync.scope_rows import base_of
from sync.store.cursors import check_room, receive_to, received_to
from sync.store.facts import Duplicate
from sync.store.reading import rows_after
from sync.store.replicas import known_id, replica_id
from sync.store.rows import Taken, apply_rows
from sync.store.streams import append_fact

KEY_CHARS_MAX = 300  # of a duplicate's key: an entity, a key of 200 at most, a rep and a seq


RELAYED = REGISTRY.passed_on(PassedOn.LIVES, PassedOn.BESIDE)  # between two hubs of a store
PASSED_ON = frozenset(name for name, feed in REGISTRY.feeds.items() if feed is Feed.LOG)


def is_passed_on(stream: str, feed: Feed) -> bool:
    """Whether rows of this stream are passed on among the lives of a store: also logs of a later version, whatever they are."""
    return stream in PASSED_ON or (stream not in REGISTRY.streams and feed is Feed.LOG)


def is_taken(stream: str, feed: Feed) -> bool:
    """Whether a hub takes this of its store's other lives: also the grants of ended ones, of which the cloud has its right."""
    return stream == Stream.GRANTS or is_passed_on(stream, feed)


class Joined(Struct, frozen=True):
    """What became of a batch of another life: where the cursor is, what it brought, figures on hand that changed by SKU."""

    end: Boundary | Gap
    taken: Taken = Taken()
    stock: dict[str, int] = {}


def take_batch(tx: Connection, own: Replica, batch: Batch, *, now_ms: int, is_beside: bool = False) -> Joined:
    """Take rows of another life of this store with their cursor; `is_beside`: they come from the other hub itself.

    Raise ForkError when it has written others over those that are known: nothing that follows from them is taken.
    """
    owner = replica_id(tx, batch.rep, now_ms=now_ms)
    confirmed = mark_of(tx, owner, batch.stream)
    stock: dict[str, int] = {}
    if confirmed is not None and not is_beside:
        if batch.after > confirmed.last:
            return Joined(Gap(confirmed))
        if differs(tx, owner, batch, confirmed):
            stock = settle(tx, own, adopt(tx, own, owner, batch.stream))
    cursor = received_to(tx, owner, batch.stream)
    check_room(tx, owner, batch.stream)
    rows = new_rows(cursor, batch, is_relayed=True)
    if isinstance(rows, Gap):
        return Joined(rows, stock=stock)
    if not rows and is_beside and differs(tx, owner, batch, START):
        raise ForkError(f"{batch.rep} {batch.stream}: {batch.last} and what follows from it are of another past of it")
    if rows and is_beside:
        mark(tx, owner, batch.stream, cursor)
    joined = Joined(cursor, stock=stock)
    if rows:
        taken = apply_rows(tx, batch.stream, rows, replica=owner, rep=batch.rep, feed=batch.feed)
        if batch.stream == Stream.DUPLICATES:  # the tallies of its writer need it; here a second row never counted
            taken = msgspec.structs.replace(taken, counted=(), fallen=())
        joined = Joined(cursor, taken, stock | settle(tx, own, taken))
    if batch.last > cursor.last:
        receive_to(tx, owner, batch.stream, batch.end)
    if confirmed is not None and not is_beside:
        move_mark(tx, owner, batch.stream, batch.end)
        return msgspec.structs.replace(joined, end=batch.end)
    return msgspec.structs.replace(
        joined, end=batch.end if batch.feed is Feed.STATE or batch.last > cursor.last else cursor
    )


def settle(tx: Connection, own: Replica, taken: Taken) -> dict[str, int]:
    """Bring cached stock and points in line with what counts now, and compensate facts of ours that gave way; return figures."""
    _give_way(tx, own, taken.duplicates)
    apply_points(tx, sum_points(taken.counted, taken.fallen))
    changed = sum_effects(taken.counted, taken.fallen)
    return apply_effects(tx, [StockEffect(*place, qty) for place, qty in changed.items()])


def passed_on(read: Connection, own: Replica) -> list[Head]:
    """Return what this hub can tell a cloud that has lost it: facts of the store's lives that are not sealed, and the catalogue
    of the cloud's former lives.
    """
    rows = read.execute(
        """
        SELECT replica.store, replica.store || ':' || replica.incarnation, received.stream, received.last
        FROM received JOIN replica ON replica.id = received.replica
        WHERE received.last > 0 AND (NOT EXISTS (
          SELECT 1 FROM former_life WHERE former_life.replica = received.replica AND seal_place IS NOT NULL
        ) OR EXISTS (SELECT 1 FROM confirmed WHERE (confirmed.replica, confirmed.stream) = (received.replica, received.stream)))
        ORDER BY replica.id
        """
    ).fetchall()
    heads: dict[tuple[str, str], Head] = {}
    for store, rep, received, last in rows:
        stream = base_of(received)  # the catalogue's scopes have the seqs of the whole
        feed = REGISTRY.feeds.get(stream, Feed.LOG)  # what is not known came as a log, or was not taken
        if is_passed_on(stream, feed) if store == own.store else stream == Stream.CATALOGUE:
            known = heads.get((rep, stream))
            heads[rep, stream] = Head(rep, stream, feed, max(last, known.last if known else 0))
    order = {stream: place for place, stream in enumerate(REGISTRY.streams)}
    return sorted(heads.values(), key=lambda head: order.get(head.stream, len(order)))  # causes before their effects


def relay_batch(read: Connection, head: Head, after: Boundary, rows_max: int) -> Batch | None:
    """Return the next rows of another's stream as held here; raise ForkError when a log's digest is not the known one."""
    replica, last, digest = read.execute(
        """
        SELECT replica.id, received.last, received.digest
        FROM replica LEFT JOIN received ON received.replica = replica.id AND received.stream = ?
        WHERE replica.incarnation = ?
        """,
        (head.stream, head.rep.rpartition(":")[2]),
    ).fetchone()
    rows = rows_after(read, replica, head.stream, after.last, rows_max)
    if not rows:
        return None
    batch = batch_of(head.rep, head.stream, head.feed, after, rows)
    if head.feed is Feed.LOG and batch.last == last and batch.digest != digest:
        raise ForkError(f"{head.rep} {head.stream}: the peer holds another past of it than we do")
    return batch


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
        publish(tx, own, Stream.DUPLICATES, msgspec.json.encode(fact))


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


def publish(tx: Connection, own: Replica, stream: Stream, body: bytes) -> None:
    """Append a fact of our own to its log and its table; one whose key is known is not written again."""
    dot = append_fact(tx, own, stream, body)
    apply_rows(tx, stream, [(dot.seq, body)], replica=own.local_id, rep=own.rep)
