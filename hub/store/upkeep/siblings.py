"""Rows of the store's other lives: what a restored card had lost, what another hub of the store has sold. Passed on by the cloud.

A fact whose key is unknown here takes effect on the cached stock; what follows where it is known: hub.store.replica.settling.

Also here: what this hub passes on itself, to a cloud that has lost it. Source: the design, 3.1 and 3.3 (Sale).
"""

from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.store.replica.confirmed import adopt, differs, mark, mark_of, move_mark
from hub.store.replica.settling import settle
from sync.batch import START, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.kinds import PassedOn
from sync.model import Feed, Replica, Stream
from sync.scope_rows import base_of
from sync.store.cursors import check_room, receive_to, received_to
from sync.store.reading import rows_after
from sync.store.replicas import replica_id
from sync.store.rows import Taken, apply_rows

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
