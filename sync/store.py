"""Streams and replicas in SQLite: who we are, the next dot, the rolling digest. Every function runs inside a write job.

Not here: the domain rows, which carry the dot they were given.
"""

from sqlite3 import Connection

from sync.digest import EMPTY, roll
from sync.model import FEED_OF_STREAM, Dot, Feed, Replica, Stream


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
