"""How far: what was offered to peers, what they acknowledged, what we hold of theirs.

A function that takes `tx` runs inside a write job, one that takes `read` on any connection.
"""

from sqlite3 import Connection

from sync.batch import START, Boundary
from sync.digest import EMPTY
from sync.errors import ProtocolError
from sync.model import Replica

STREAMS_MAX = 64  # of one writer; ours has seven, a later version some more
OFFERED_KEPT = (
    100_000  # rows behind the ack whose boundaries are kept: a peer restored from a copy may come back to them
)


def offer(tx: Connection, replica: Replica, stream: str, end: Boundary) -> bytes:
    """Write down the end of a range before it is offered to anybody; return the digest to offer it with.

    A range of a state stream may end where an earlier one did that never arrived, with other rows in it: its digest is opaque, so
    that the one which was offered first stands.
    """
    digest: bytes = tx.execute(
        """
        INSERT INTO offered (replica, stream, last, digest) VALUES (?, ?, ?, ?)
        ON CONFLICT (replica, stream, last) DO UPDATE SET digest = offered.digest RETURNING digest
        """,
        (replica.local_id, stream, end.last, end.digest),
    ).fetchone()[0]
    return digest


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
        "SELECT count(*), coalesce(sum(CASE WHEN stream = ? THEN 1 END), 0) FROM received WHERE replica = ?",
        (stream, replica),
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


def acked_boundaries(read: Connection, replica: Replica, *, peer: str) -> dict[str, Boundary]:
    """Return the last boundary of each own stream that a peer is known to hold: the past that both share."""
    rows = read.execute(
        "SELECT stream, last, digest FROM acked WHERE peer = ? AND replica = ?", (peer, replica.local_id)
    ).fetchall()
    return {stream: Boundary(last, digest) for stream, last, digest in rows}
