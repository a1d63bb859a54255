"""Who has sent how much: the replicas of the stores and how far their streams are held. Functions of a write job.

Not here: the rows (facts, tallies, catalogue), which are written in the same job.
"""

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.batch import SEQ_MAX, START, Batch, Boundary
from sync.entities import FEED_OF_STREAM
from sync.errors import ProtocolError
from sync.model import Feed, Replica, Stream
from sync.store.cursors import STREAMS_MAX, check_room

STREAM_CHARS_MAX = 64
INCARNATION_CHARS_MAX = 64


class FeedNumbers(Struct, frozen=True):
    """Consecutive numbers of a feed: its local id and the first number given."""

    feed_id: int
    first: int


class Writer(Struct, frozen=True):
    """A writer's short name, whether its life was sealed, how far one of its streams is held."""

    replica: int
    is_sealed: bool = False
    cursor: Boundary = START


def check_writer(store: str, batch: Batch, *, cloud: Replica) -> None:
    """Raise ProtocolError unless a store may send this stream, and sends it as what it is.

    Beside its own streams it may tell a restored cloud what a former life of the cloud had written to the catalogue.
    """
    rep, stream, feed = batch.rep, batch.stream, batch.feed
    owner, _, incarnation = rep.rpartition(":")
    is_recovery = owner == cloud.store and rep != cloud.rep and stream == Stream.CATALOGUE
    if (
        (owner != store and not is_recovery)
        or not 0 < len(incarnation) <= INCARNATION_CHARS_MAX
        or not incarnation.isprintable()
    ):
        raise ProtocolError(f"{store} may send its own streams only, not those of {rep[:80]!r}")
    if not 0 < len(stream) <= STREAM_CHARS_MAX or not stream.isprintable():
        raise ProtocolError(f"a stream's name has 1 to {STREAM_CHARS_MAX} printable characters")
    if stream in FEED_OF_STREAM and FEED_OF_STREAM[stream] is not feed:
        raise ProtocolError(f"{stream} is no {feed} stream")
    if batch.last > SEQ_MAX:
        raise ProtocolError(f"{stream}: {batch.last} is no seq")


def writers_at(tx: Connection, wanted: Sequence[tuple[str, str]], *, now_ms: int) -> list[Writer]:
    """Return who writes each (rep, stream) and how far it is held, in one look-up. Writers that are new are entered.

    Raise ProtocolError for an incarnation of another store's.
    """
    known = _known_writers(tx, wanted)
    if new := {rep for rep, _ in wanted if rep not in known}:
        tx.executemany(
            "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 0) "
            "ON CONFLICT (incarnation) DO NOTHING",
            [(rep.rpartition(":")[0], rep.rpartition(":")[2], now_ms) for rep in sorted(new)],
        )
        known = _known_writers(tx, wanted)
    if strangers := new - known.keys():
        raise ProtocolError(f"{min(strangers)}: this incarnation belongs to another store")
    return [known[rep].get(stream) or known[rep][""] for rep, stream in wanted]


def _known_writers(read: Connection, wanted: Sequence[tuple[str, str]]) -> dict[str, dict[str, Writer]]:
    """Those of the writers that are known, by rep and by stream; "" is a stream of which nothing is held."""
    rows = read.execute(
        """
        SELECT replica.store || ':' || replica.incarnation, replica.id, ended_life.sealed_ms IS NOT NULL,
               received.stream, received.last, received.digest
        FROM replica LEFT JOIN ended_life ON ended_life.replica = replica.id
        LEFT JOIN received
          ON received.replica = replica.id AND received.stream IN (SELECT value FROM json_each(?))
        WHERE replica.incarnation IN (SELECT value FROM json_each(?))
        """,
        (_listed(stream for _, stream in wanted), _listed(rep.rpartition(":")[2] for rep, _ in wanted)),
    ).fetchall()
    known: dict[str, dict[str, Writer]] = {}
    for rep, replica, is_sealed, stream, last, digest in rows:
        by_stream = known.setdefault(rep, {"": Writer(replica, bool(is_sealed))})
        if stream is not None:
            by_stream[stream] = Writer(replica, bool(is_sealed), Boundary(last, digest))
    return known


def check_rooms(tx: Connection, new: Sequence[tuple[int, str]]) -> None:
    """Raise ProtocolError where a stream is new, and its writer has more of them than any version of it."""
    if not new:
        return
    rows = tx.execute(
        "SELECT replica, count(*) FROM received "
        "WHERE replica IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) GROUP BY replica",
        (json.dumps([replica for replica, _ in new]),),
    ).fetchall()
    full = {replica for replica, streams in rows if streams >= STREAMS_MAX}
    for replica, stream in new:
        if replica in full:
            check_room(tx, replica, stream)


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(set(names)))


def cursor_of(tx: Connection, replica: int, stream: str) -> Boundary:
    """Return how far a stream is held."""
    row = tx.execute("SELECT last, digest FROM received WHERE replica = ? AND stream = ?", (replica, stream)).fetchone()
    return Boundary(*row) if row else START


def move_cursor(tx: Connection, replica: int, stream: str, end: Boundary, *, rows: int, now_ms: int) -> None:
    """Note that a stream is held up to `end`, `rows` of it new."""
    tx.execute(
        """
        INSERT INTO received (replica, stream, last, digest, row_count, received_ms) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET
          last = excluded.last, digest = excluded.digest, received_ms = excluded.received_ms,
          row_count = row_count + excluded.row_count
        """,
        (replica, stream, end.last, end.digest, rows, now_ms),
    )


def cursors(read: Connection, store: str) -> dict[tuple[str, str], Boundary]:
    """Return how far each (rep, stream) of a store is held."""
    rows = read.execute(
        """
        SELECT replica.store || ':' || replica.incarnation, received.stream, received.last, received.digest
        FROM received JOIN replica ON replica.id = received.replica
        WHERE replica.store = ?
        """,
        (store,),
    ).fetchall()
    return {(rep, stream): Boundary(last, digest) for rep, stream, last, digest in rows}


def recovered_as(stream: str, *, by: str) -> str:
    """Return under which name it is noted how far a hub has told us what a former life of the cloud had written.

    Each hub tells all it has: after a copy was put back, the same seqs of that life mean one thing here and another there.
    """
    return f"{stream}~{by}"


def recovered(read: Connection, cloud: str, *, by: str) -> dict[tuple[str, str], Boundary]:
    """Return how far a hub has told us of each former life of the cloud."""
    mark = recovered_as("", by=by)
    return {
        (rep, stream.removesuffix(mark)): at
        for (rep, stream), at in cursors(read, cloud).items()
        if stream.endswith(mark)
    }


def number_rows(tx: Connection, stream: str, kind: Feed, count: int) -> FeedNumbers:
    """Take `count` numbers of a stream's feed; raise ProtocolError when it is known as of the other kind."""
    feed_id, known, n = tx.execute(
        """
        INSERT INTO feed (stream, kind, n) VALUES (?, ?, ?)
        ON CONFLICT (stream) DO UPDATE SET n = n + excluded.n
        RETURNING id, kind, n
        """,
        (stream, kind, count),
    ).fetchone()
    if known != kind:
        raise ProtocolError(f"{stream} is known as a {known} stream, not as a {kind} stream")
    return FeedNumbers(feed_id, n - count + 1)


def add_sum(tx: Connection, store: str, measure: str, unit: str, *, rows: int, amount: int) -> None:
    """Add to a sum of a store."""
    tx.execute(
        """
        INSERT INTO store_sum (store, measure, unit, row_count, amount) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (store, measure, unit) DO UPDATE SET
          row_count = row_count + excluded.row_count, amount = amount + excluded.amount
        """,
        (store, measure, unit, rows, amount),
    )
