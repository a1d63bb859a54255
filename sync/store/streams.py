"""Own streams: the next dot, the rolling digest. The domain rows, which carry the dot they were given, are elsewhere."""

from sqlite3 import Connection

from sync.batch import Boundary
from sync.digest import roll
from sync.entities import FEED_OF_STREAM
from sync.errors import BusyError
from sync.model import Dot, Feed, Replica


def append_fact(tx: Connection, replica: Replica, stream: str, *rows: bytes) -> Dot:
    """Give the next dots of a log stream to facts, in their order, and roll their bytes into the digest; return the first."""
    assert FEED_OF_STREAM[stream] is Feed.LOG
    found = tx.execute(
        "SELECT seq, digest FROM stream WHERE replica = ? AND name = ?", (replica.local_id, stream)
    ).fetchone()
    if found is None:
        raise new_life(replica)
    seq, digest = found
    for row in rows:
        digest = roll(digest, row)
    tx.execute(
        "UPDATE stream SET seq = ?, digest = ? WHERE replica = ? AND name = ?",
        (seq + len(rows), digest, replica.local_id, stream),
    )
    return Dot(replica.rep, stream, seq + 1)


def follow(tx: Connection, replica: Replica, stream: str, at: Boundary) -> None:
    """Move an own log to where its rows, which were written before and are put back, come to."""
    tx.execute(
        "UPDATE stream SET seq = ?, digest = ? WHERE replica = ? AND name = ?",
        (at.last, at.digest, replica.local_id, stream),
    )


def reserve_state_seqs(tx: Connection, replica: Replica, stream: str, count: int) -> int:
    """Take `count` consecutive seqs of a state stream; return the first. Holes are allowed there."""
    assert FEED_OF_STREAM[stream] is Feed.STATE
    row = tx.execute(
        "UPDATE stream SET seq = seq + ? WHERE replica = ? AND name = ? RETURNING seq",
        (count, replica.local_id, stream),
    ).fetchone()
    if row is None:
        raise new_life(replica)
    last: int = row[0]
    return last - count + 1


def stream_heads(read: Connection, replica: Replica) -> dict[str, int]:
    """Return the last seq of each stream of an own replica."""
    return dict(read.execute("SELECT name, seq FROM stream WHERE replica = ?", (replica.local_id,)).fetchall())


def stream_digest(read: Connection, replica: Replica, stream: str, last: int) -> bytes | None:
    """Return the digest of an own stream when `last` is its newest seq, None when it has grown since."""
    row = read.execute(
        "SELECT digest FROM stream WHERE replica = ? AND name = ? AND seq = ?", (replica.local_id, stream, last)
    ).fetchone()
    return row[0] if row else None


def new_life(replica: Replica) -> BusyError:
    """A job that was made for a life which has ended meanwhile: made again, it writes in the new one."""
    return BusyError("new_life", f"{replica.rep} has ended while this waited; the same request may be repeated")
