"""Streams and replicas in SQLite: who we are, the next dot, the rolling digest, what was offered, acknowledged and received.

A function that takes `tx` runs inside a write job, one that takes `read` on any connection. The tables are the same at both ends.

Not here: the domain rows, which carry the dot they were given.
"""

from sqlite3 import Connection

from sync.batch import START, Boundary
from sync.digest import EMPTY, roll
from sync.errors import ConfigError, ProtocolError
from sync.model import FEED_OF_STREAM, Dot, Feed, Replica, Stream

STREAMS_MAX = 64  # of one writer; ours has seven, a later version some more
OFFERED_KEPT = (
    100_000  # rows behind the ack whose boundaries are kept: a peer restored from a copy may come back to them
)


def own_replica(tx: Connection) -> Replica | None:
    """Return the replica that this database writes as, or None before the first start."""
    row = tx.execute("SELECT id, store, incarnation FROM replica WHERE own = 1").fetchone()
    return Replica(*row) if row else None


def begin_incarnation(tx: Connection, store: str, *, incarnation: str, now_ms: int) -> Replica:
    """Start a new life: the former own replica becomes a former one, all streams of the new one are empty."""
    tx.execute("UPDATE replica SET own = 0 WHERE own = 1")
    local_id = tx.execute(
        "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 1) RETURNING id",
        (store, incarnation, now_ms),
    ).fetchone()[0]
    tx.executemany(
        "INSERT INTO stream (replica, name, feed, seq, digest) VALUES (?, ?, ?, 0, ?)",
        [(local_id, stream, FEED_OF_STREAM[stream], EMPTY) for stream in Stream],
    )
    return Replica(local_id, store, incarnation)


def identify(tx: Connection, name: str, *, incarnation: str, now_ms: int) -> Replica:
    """Return our replica, begun with `incarnation` at the first start; raise ConfigError for another's database."""
    replica = own_replica(tx)
    if replica is None:
        return begin_incarnation(tx, name, incarnation=incarnation, now_ms=now_ms)
    if replica.store != name:
        raise ConfigError(
            f"this database belongs to {replica.store!r}, the configuration says {name!r}: "
            "correct the id, or choose another data folder"
        )
    return replica


def touch(tx: Connection) -> None:
    """Write something that changes nothing: the proof that the disk takes a commit."""
    tx.execute("UPDATE replica SET own = own WHERE own = 1")


def append_fact(tx: Connection, replica: Replica, stream: Stream, row: bytes) -> Dot:
    """Give the next dot of a log stream to a fact and roll its bytes into the digest."""
    assert FEED_OF_STREAM[stream] is Feed.LOG
    seq, digest = tx.execute(
        "SELECT seq, digest FROM stream WHERE replica = ? AND name = ?", (replica.local_id, stream)
    ).fetchone()
    tx.execute(
        "UPDATE stream SET seq = ?, digest = ? WHERE replica = ? AND name = ?",
        (seq + 1, roll(digest, row), replica.local_id, stream),
    )
    return Dot(replica.rep, stream, seq + 1)


def reserve_state_seqs(tx: Connection, replica: Replica, stream: Stream, count: int) -> int:
    """Take `count` consecutive seqs of a state stream; return the first. Holes are allowed there."""
    assert FEED_OF_STREAM[stream] is Feed.STATE
    last: int = tx.execute(
        "UPDATE stream SET seq = seq + ? WHERE replica = ? AND name = ? RETURNING seq",
        (count, replica.local_id, stream),
    ).fetchone()[0]
    return last - count + 1


def replica_id(tx: Connection, rep: str, *, now_ms: int) -> int:
    """Return the short name of a peer's replica, given when it is first seen."""
    store, _, incarnation = rep.rpartition(":")
    tx.execute(
        "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 0) ON CONFLICT (incarnation) DO NOTHING",
        (store, incarnation, now_ms),
    )
    found: tuple[int, str] = tx.execute(
        "SELECT id, store FROM replica WHERE incarnation = ?", (incarnation,)
    ).fetchone()
    if found[1] != store:
        raise ProtocolError(f"{rep}: this incarnation belongs to {found[1]}")
    return found[0]


def stream_heads(read: Connection, replica: Replica) -> dict[str, int]:
    """Return the last seq of each stream of an own replica."""
    return dict(read.execute("SELECT name, seq FROM stream WHERE replica = ?", (replica.local_id,)).fetchall())


def stream_digest(read: Connection, replica: Replica, stream: str, last: int) -> bytes | None:
    """Return the digest of an own stream when `last` is its newest seq, None when it has grown since."""
    row = read.execute(
        "SELECT digest FROM stream WHERE replica = ? AND name = ? AND seq = ?", (replica.local_id, stream, last)
    ).fetchone()
    return row[0] if row else None


def offer(tx: Connection, replica: Replica, stream: str, end: Boundary) -> None:
    """Write down the end of a range before it is offered to anybody."""
    tx.execute(
        "INSERT INTO offered (replica, stream, last, digest) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (replica.local_id, stream, end.last, end.digest),
    )


def nearest_offered(read: Connection, replica: Replica, stream: str, last: int) -> Boundary:
    """Return the newest boundary that is written down at or before `last`, the start when there is none."""
    row = read.execute(
        """
        SELECT last, digest FROM offered WHERE replica = ? AND stream = ? AND last <= ? ORDER BY last DESC LIMIT 1
        """,
        (replica.local_id, stream, last),
    ).fetchone()
    return Boundary(*row) if row else START


def offered_digest(read: Connection, replica: Replica, stream: str, last: int) -> bytes | None:
    """Return the digest that was offered with a boundary, EMPTY for the start, None when it never was one."""
    if last == 0:
        return EMPTY
    row = read.execute(
        "SELECT digest FROM offered WHERE replica = ? AND stream = ? AND last = ?", (replica.local_id, stream, last)
    ).fetchone()
    return row[0] if row else None


def note_acked(tx: Connection, replica: Replica, stream: str, at: Boundary, *, peer: str) -> None:
    """Keep how far a peer holds an own stream, and forget the boundaries far behind it.

    A peer that was restored from a copy holds less than it once did: then this goes back.
    """
    tx.execute(
        """
        INSERT INTO acked (peer, replica, stream, last, digest) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (peer, replica, stream) DO UPDATE SET last = excluded.last, digest = excluded.digest
        """,
        (peer, replica.local_id, stream, at.last, at.digest),
    )
    offer(tx, replica, stream, at)
    tx.execute(
        "DELETE FROM offered WHERE replica = ? AND stream = ? AND last < ?",
        (replica.local_id, stream, at.last - OFFERED_KEPT),
    )


def acked(read: Connection, replica: Replica, *, peer: str) -> dict[str, int]:
    """Return how far a peer holds each own stream."""
    return dict(
        read.execute(
            "SELECT stream, last FROM acked WHERE peer = ? AND replica = ?", (peer, replica.local_id)
        ).fetchall()
    )


def received(read: Connection) -> dict[tuple[str, str], Boundary]:
    """Return how far the streams of others are held here, by (rep, stream)."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation, stream, last, digest
        FROM received JOIN replica ON replica.id = received.replica
        """
    ).fetchall()
    return {(rep, stream): Boundary(last, digest) for rep, stream, last, digest in rows}


def received_to(tx: Connection, replica: int, stream: str) -> Boundary:
    """Return how far one stream of another replica is held here."""
    row = tx.execute("SELECT last, digest FROM received WHERE replica = ? AND stream = ?", (replica, stream)).fetchone()
    return Boundary(*row) if row else START


def check_room(tx: Connection, replica: int, stream: str) -> None:
    """Raise ProtocolError when a writer begins more streams than any version of it has."""
    streams = tx.execute(
        "SELECT count(*), coalesce(sum(stream = ?), 0) FROM received WHERE replica = ?", (stream, replica)
    ).fetchone()
    if streams[0] >= STREAMS_MAX and not streams[1]:
        raise ProtocolError(f"{stream}: this writer has {STREAMS_MAX} streams already")


def receive_to(tx: Connection, replica: int, stream: str, at: Boundary) -> None:
    """Move the cursor of another's stream, in the transaction that writes its rows."""
    tx.execute(
        """
        INSERT INTO received (replica, stream, last, digest) VALUES (?, ?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET last = excluded.last, digest = excluded.digest
        """,
        (replica, stream, at.last, at.digest),
    )
