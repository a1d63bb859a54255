"""A feed copy, put back into the books of a backup. The hub is stopped, the database lies in a folder of its own.

    records of the backup's life, and of lives that came after it     in the order in which they were written
    records of other lives                                            passed over: of before the backup, of another hub
    a hole                                                            refused, or all that stands before it is taken

Not here: what becomes of a row (hub.store.upkeep.replayed).
"""

import sqlite3
from pathlib import Path

from msgspec import Struct

from hub.backup.age import Identity
from hub.medium.record import Body, Record, read_body, read_records
from hub.medium.segments import segments_in
from hub.store.upkeep.replayed import note_held, putting_back, replay
from sync.batch import Batch, Gap
from sync.errors import ProtocolError, StartError
from sync.model import Replica
from sync.store.replicas import own_replica


class Replayed(Struct, frozen=True):
    """What a copy has brought: rows that were not in the backup, when the newest record was written; what it does
    not hold.

    `unread`: bytes that are no whole record; a power cut leaves some.
    """

    rows: int = 0
    upto: str = ""
    lost: str = ""
    unread: int = 0


def replay_feed(database: Path, folder: Path, key: Identity, *, is_whole: bool, now_ms: int) -> Replayed:
    """Put back what a copy has in one transaction; `is_whole`: a hole is refused. Raise StartError, and nothing has
    changed."""
    try:
        with putting_back(database) as tx:
            own = own_replica(tx)
            if own is None:
                raise StartError("this backup is of a hub that never ran: it has no life to go on")
            return _replay_all(tx, own, folder, key, is_whole=is_whole, now_ms=now_ms)
    except (ProtocolError, sqlite3.Error) as err:
        raise StartError(f"{folder}: this copy does not follow on this backup: {err}") from err


def _replay_all(
    tx: sqlite3.Connection, own: Replica, folder: Path, key: Identity, *, is_whole: bool, now_ms: int
) -> Replayed:
    records, unread = _records(folder, own.store)
    rows, upto = 0, ""
    for name, record in records:
        if record.head.rep != own.rep and own.rep not in record.head.former:
            continue
        body, upto = _open(record, key, name), record.head.at
        for batch in body.batches:
            came = replay(tx, own, batch, now_ms=now_ms)
            if isinstance(came, Gap):
                lost = _hole(batch, came, name)
                if is_whole:
                    raise StartError(
                        f"{lost}: choose a newer backup, or take what stands before it (--feed-with-holes)"
                    )
                return Replayed(rows, upto, lost, unread)
            rows += came
        if record.head.rep == own.rep:
            note_held(tx, own, body.held)
    if not upto:
        raise StartError(f"{folder}: nothing in it is of {own.rep}, which this backup is of, or of what came after it")
    return Replayed(rows, upto, "", unread)


def _records(folder: Path, store: str) -> tuple[list[tuple[str, Record]], int]:
    """Return all whole records with their files' names, and how many bytes are in none."""
    found, unread = [], 0
    try:
        segments = segments_in(folder, store)
        for each in segments:
            records = list(read_records(each.path.read_bytes()))
            unread += each.bytes - sum(record.end - record.begin for record in records)
            found += [(each.path.name, record) for record in records]
    except OSError as err:
        raise StartError(f"{err.filename or folder}: {err.strerror}; is the medium mounted?") from err
    if not segments:
        raise StartError(f"{folder}: there is no feed copy of store {store} in it")
    return found, unread


def _open(record: Record, key: Identity, name: str) -> Body:
    try:
        return read_body(key.open(record.sealed))
    except StartError as err:
        raise StartError(f"{name}: {err}") from err


def _hole(batch: Batch, gap: Gap, name: str) -> str:
    return (
        f"{name}: the copy has a hole: {batch.stream} {gap.cursor.last + 1} to {batch.after} of {batch.rep} are neither in it "
        "nor in the backup"
    )
