"""Rows of a feed copy, put back into books that were restored, before a new life begins. Functions of a write job.

    facts of the books' own life        written again at their own dots, where the books end: as if the backup had
                                        been made later
    of a life that came after it        taken as from the store's other hub, and told to the cloud as one that has ended

So no rule of its own says what becomes of them: the new life that every restored database begins
(hub.store.replica.lives) is of books that go further. Effects that others' duplicates took back are said anew by
whoever meets them.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection

from hub.holders import PEER
from hub.migrations import MIGRATIONS
from hub.store.people.arrivals import members_arrived
from hub.store.replica.lives import note_ended
from hub.store.replica.settling import settle
from hub.store.upkeep.beside_registers import members_in
from hub.store.upkeep.siblings import take_batch
from sync.batch import Batch, Boundary, Gap, new_rows
from sync.connections import connect_writer
from sync.errors import ProtocolError
from sync.model import Feed, Replica
from sync.retail.catalogue.price_lists import STORE_PRICE
from sync.retail.people.identities import IDENTITY_KEY
from sync.retail.people.members import MEMBER
from sync.retail.stock.safety import SAFETY_STOCK
from sync.store.cursors import note_acked
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.store.streams import follow

REGISTERS = frozenset((IDENTITY_KEY.stream, MEMBER.stream, SAFETY_STOCK.stream, STORE_PRICE.stream))
"""What a shop writes that is no fact and that nobody can tell it again; a catalogue can be imported again."""


@contextmanager
def putting_back(database: Path) -> Iterator[Connection]:
    """One transaction of a database that no hub has open, of this version's schema; it is one file afterwards."""
    with closing(connect_writer(database, MIGRATIONS)) as tx:
        tx.execute("BEGIN IMMEDIATE")
        yield tx
        tx.execute("COMMIT")
        tx.execute("PRAGMA journal_mode = DELETE")


def replay(tx: Connection, own: Replica, batch: Batch, *, now_ms: int) -> int | Gap:
    """Put a batch back; return how many rows were not here. Raise ProtocolError where it does not follow on these
    books."""
    if batch.rep != own.rep:
        return _replay_later_life(tx, own, batch, now_ms=now_ms)
    if batch.feed is Feed.STATE:
        return _replay_registers(tx, own, batch)
    rows = new_rows(_end_of(tx, own, batch.stream), batch)
    if isinstance(rows, Gap):
        return rows
    if rows:
        taken = apply_rows(tx, batch.stream, rows, replica=own.local_id, rep=own.rep, feed=batch.feed)
        follow(tx, own, batch.stream, batch.end)
        settle(tx, own, taken)
    return len(rows)


def note_held(tx: Connection, own: Replica, held: Mapping[str, Boundary]) -> None:
    """Note how far the cloud was known to hold these books when they were lost: what it has need not be written
    again."""
    for stream, at in held.items():
        if at.last <= _end_of(tx, own, stream).last:
            note_acked(tx, own, stream, at, peer=PEER)


def _replay_registers(tx: Connection, own: Replica, batch: Batch) -> int | Gap:
    """Registers merge by their versions; rows that were overwritten since have moved on, and leave holes that are
    none."""
    end = _end_of(tx, own, batch.stream)
    if batch.stream not in REGISTERS:
        raise ProtocolError(f"{batch.stream[:64]!r} is not put back")
    if batch.after > end.last:
        return Gap(end)
    _apply_registers(tx, batch, own.local_id)
    if batch.last > end.last:
        follow(tx, own, batch.stream, Boundary(batch.last, end.digest))
    return sum(seq > end.last for seq, _ in batch.rows)


def _apply_registers(tx: Connection, batch: Batch, writer: int) -> int:
    taken = apply_rows(tx, batch.stream, batch.rows, replica=writer, rep=batch.rep, feed=Feed.STATE)
    if batch.stream == MEMBER.stream:
        members_arrived(tx, members_in(batch.rows))
    return taken.changed


def _replay_later_life(tx: Connection, own: Replica, batch: Batch, *, now_ms: int) -> int | Gap:
    if batch.feed is Feed.STATE and batch.stream in REGISTERS:
        return _apply_registers(tx, batch, replica_id(tx, batch.rep, now_ms=now_ms))
    joined = take_batch(tx, own, batch, now_ms=now_ms, is_beside=True)
    note_ended(tx, replica_id(tx, batch.rep, now_ms=now_ms), why="its machine was lost", now_ms=now_ms)
    return joined.end if isinstance(joined.end, Gap) else joined.taken.changed


def _end_of(tx: Connection, own: Replica, stream: str) -> Boundary:
    row = tx.execute("SELECT seq, digest FROM stream WHERE replica = ? AND name = ?", (own.local_id, stream)).fetchone()
    return Boundary(*row) if row else Boundary()
