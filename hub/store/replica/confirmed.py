"""Rows that came straight from the store's other hub: up to where the cloud is known to hold the same. Functions of a write job.

    the cloud holds the same           the mark moves on; at the end of what is held here it goes
    the cloud holds another past       of a restored machine that spoke with it first: what came here and never to the cloud is
                                       *adopted*, that is written again as ours, same keys, new dots; the cloud's rows follow
    sealed without these rows          the same: nobody else takes them any more

A log without a mark came from the cloud as far as it goes. Source: the design, 3.1 (What a standby holds is gathered).
"""

from sqlite3 import Connection

from hub.store.replica.lives import sealed_lives, settled_beside, write_again
from sync.batch import START, Batch, Boundary, new_rows
from sync.entities import REGISTRY
from sync.model import Replica
from sync.store.cursors import receive_to, received_to
from sync.store.digests import digest_at
from sync.store.reading import rows_after
from sync.store.replicas import known_id
from sync.store.retention import floor_of
from sync.store.rows import Taken

Key = tuple[str, str]


def marks(read: Connection) -> dict[Key, Boundary]:
    """Return every mark, by (rep, stream)."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation, stream, last, digest
        FROM confirmed JOIN replica ON replica.id = confirmed.replica
        """
    ).fetchall()
    return {(rep, stream): Boundary(last, digest) for rep, stream, last, digest in rows}


def mark_of(read: Connection, replica: int, stream: str) -> Boundary | None:
    """Return the mark of a log, None where all of it came from the cloud."""
    row = read.execute(
        "SELECT last, digest FROM confirmed WHERE replica = ? AND stream = ?", (replica, stream)
    ).fetchone()
    return Boundary(*row) if row else None


def mark(tx: Connection, replica: int, stream: str, at: Boundary) -> None:
    """Note that rows behind a boundary come from the other hub itself; an earlier mark stays."""
    tx.execute(
        "INSERT INTO confirmed (replica, stream, last, digest) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (replica, stream, at.last, at.digest),
    )


def differs(read: Connection, replica: int, batch: Batch, after: Boundary) -> bool:
    """Whether rows of a batch behind a boundary are held here as something else; raise ProtocolError when they are not proved."""
    rows = [row for row in batch.rows if row[0] > after.last]
    there = dict(rows_after(read, replica, batch.stream, rows[0][0] - 1, len(rows))) if rows else {}
    if all(there.get(seq, body) == body for seq, body in rows):
        return False
    new_rows(after, batch)
    return True


def move_mark(tx: Connection, replica: int, stream: str, at: Boundary) -> None:
    """The cloud holds the same up to here."""
    before = mark_of(tx, replica, stream)
    if before is None or at.last <= before.last:
        return
    if at.last >= received_to(tx, replica, stream).last:
        tx.execute("DELETE FROM confirmed WHERE replica = ? AND stream = ?", (replica, stream))
    else:
        tx.execute(
            "UPDATE confirmed SET last = ?, digest = ? WHERE replica = ? AND stream = ?",
            (at.last, at.digest, replica, stream),
        )


def prove_mark(tx: Connection, rep: str, stream: str, floor: Boundary) -> None:
    """The cloud has no rows up to here any more: it has held what is here where these rows give its digest.

    Where that cannot be told, because some of them are gone here as well, the mark stays.
    """
    replica = known_id(tx, rep)
    before = mark_of(tx, replica, stream) if replica is not None else None
    if replica is None or before is None:
        return
    at = max(before, floor_of(tx, replica, stream), key=lambda each: each.last)
    if at.last <= floor.last and digest_at(tx, replica, stream, at, floor.last) == floor.digest:
        move_mark(tx, replica, stream, floor)


def compare(tx: Connection, own: Replica, rep: str, stream: str, at: Boundary) -> Taken:
    """Take the cloud's word on how far it holds another life's log; return what an adoption has changed."""
    replica = known_id(tx, rep)
    before = mark_of(tx, replica, stream) if replica is not None else None
    if replica is None or before is None:
        return Taken()
    held = received_to(tx, replica, stream)
    if at.last > held.last:
        return Taken()  # the rows between will come, and are compared one by one
    common = before
    if at.last > before.last:
        if digest_at(tx, replica, stream, before, at.last) != at.digest:
            return adopt(tx, own, replica, stream)
        move_mark(tx, replica, stream, at)
        common = at
    if common.last < held.last and rep in sealed_lives(tx):
        return adopt(tx, own, replica, stream)
    return Taken()


def adopt(tx: Connection, own: Replica, replica: int, stream: str) -> Taken:
    """Write again as ours what of another life's log the cloud does not hold; the cursor falls back to the mark."""
    common = mark_of(tx, replica, stream) or START
    entities = REGISTRY.of(stream)
    write_again(tx, replica, own, stream, entities=entities, after=common)
    receive_to(tx, replica, stream, common)
    tx.execute("DELETE FROM confirmed WHERE replica = ? AND stream = ?", (replica, stream))
    return settled_beside(tx, own, entities)
