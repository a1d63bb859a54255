"""Registers that the two hubs of a store tell each other: members and the keys of their identities, by writer and seq.

    held        stream -> life of this store -> the seq of its newest row that is here; rows of a writer come in their order
    behind      what is here of these lives and the other hub does not hold

    adopted     when the cloud seals a life of the other hub: what that one had not told the cloud is written again as ours, its
                cells with the stamps that they have

What other shops have written the cloud tells to both. A row is merged as it is wherever it comes from: twice is once. Functions
of a write job, and reads. Not here: when it is done (hub.standby_registers), the logs of the store's lives (hub.standby.books).
"""

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from hub.store.people.arrivals import members_arrived
from hub.store.replica.lives import note_sealed, sealed_lives, write_versions_again
from sync.batch import SEQ_MAX, Row
from sync.json_errors import NOT_JSON
from sync.model import Feed, Replica
from sync.retail.people.identities import IDENTITY_KEY
from sync.retail.people.members import MEMBER, MemberRow
from sync.store.reading import rows_after
from sync.store.replicas import replica_id
from sync.store.rows import Taken, apply_rows
from sync.store.writing import adopt_cells

ROWS_MAX = 200  # of one message
BYTES_MAX = 256 * 1024
RegisterStream = Literal["members", "identity_keys"]
STREAMS: Final[tuple[RegisterStream, ...]] = get_args(RegisterStream)
Held = Mapping[RegisterStream, Mapping[str, int]]
_TABLES: Final = {"members": MEMBER.table, "identity_keys": IDENTITY_KEY.table}
_member = msgspec.json.Decoder(MemberRow)


class Told(NamedTuple):
    """A row of a life of this store."""

    stream: RegisterStream
    rep: str
    seq: int
    body: bytes


def held_here(read: Connection, own: Replica) -> dict[RegisterStream, dict[str, int]]:
    """Return how far the rows of each life of this store are here; of ours, and of adopted ones, nobody need tell us anything."""
    known = dict.fromkeys((own.rep, *adopted(read)), SEQ_MAX)
    return {stream: _newest(read, own.store, stream) | known for stream in STREAMS}


def rows_behind(read: Connection, own: Replica, held: Held) -> list[Told]:
    """Return the next rows that somebody who holds so much does not have, keys before members."""
    found: list[Told] = []
    room = BYTES_MAX
    for stream in reversed(STREAMS):
        for rep, newest in _newest(read, own.store, stream).items():
            after = held.get(stream, {}).get(rep, 0)
            if after >= newest or room <= 0 or len(found) >= ROWS_MAX:
                continue
            writer = read.execute("SELECT id FROM replica WHERE store || ':' || incarnation = ?", (rep,)).fetchone()[0]
            rows = rows_after(read, writer, stream, after, ROWS_MAX - len(found), bytes_max=room)
            found += [Told(stream, rep, seq, body) for seq, body in rows]
            room -= sum(len(body) for _, body in rows)
    return found


def take_told(tx: Connection, own: Replica, rows: Iterable[Told], *, now_ms: int) -> None:
    """Merge rows of the store's other lives; the caller has seen that they are of this store."""
    grouped: dict[tuple[RegisterStream, str], list[Row]] = {}
    known = {own.rep, *adopted(tx)}
    for row in rows:
        if row.rep not in known:
            grouped.setdefault((row.stream, row.rep), []).append((row.seq, row.body))
    for (stream, rep), found in grouped.items():
        apply_rows(tx, stream, found, replica=replica_id(tx, rep, now_ms=now_ms), rep=rep, feed=Feed.STATE)
        if stream == MEMBER.stream:
            members_arrived(tx, members_in(found))


def note_cloud(tx: Connection, rep: str, held: Mapping[RegisterStream, int]) -> None:
    """Remember how far the cloud holds what the other hub has written, by its own word."""
    tx.executemany(
        """
        INSERT INTO beside_told (rep, stream, last) VALUES (?, ?, ?)
        ON CONFLICT (rep, stream) DO UPDATE SET last = excluded.last WHERE last <> excluded.last AND last < ?
        """,
        [(rep, stream, held.get(stream, 0), SEQ_MAX) for stream in STREAMS],
    )


def cloud_of(read: Connection, rep: str) -> dict[str, int]:
    """Return what is remembered of that."""
    return dict(read.execute("SELECT stream, last FROM beside_told WHERE rep = ?", (rep,)).fetchall())


def adopted(read: Connection) -> list[str]:
    """Return the lives of which what was left is written here as ours: their rows count no more, should they still be told."""
    rows = read.execute("SELECT DISTINCT rep FROM beside_told WHERE last = ?", (SEQ_MAX,)).fetchall()
    return [rep for (rep,) in rows]


def adopt_registers(tx: Connection, own: Replica, reps: Iterable[str]) -> None:
    """Write again as ours what lives that are sealed now had told this hub and not the cloud."""
    for rep in reps:
        for stream, last in cloud_of(tx, rep).items():
            writer = replica_id(tx, rep, now_ms=0)
            if stream == MEMBER.stream:
                rows = tx.execute("SELECT body FROM member WHERE replica = ? AND seq > ? ORDER BY seq", (writer, last))
                for (body,) in rows.fetchall():
                    row = _member.decode(body)
                    adopt_cells(tx, own, MEMBER, row.key, row.cells)
            else:
                write_versions_again(tx, writer, own, stream, entities=(IDENTITY_KEY,), after=last)
        tx.execute("UPDATE beside_told SET last = ? WHERE rep = ?", (SEQ_MAX, rep))


def take_seals(tx: Connection, own: Replica, reps: Sequence[str], *, now_ms: int) -> Taken:
    """Note which lives the cloud has sealed, as hub.store.replica.lives.note_sealed; what they had told this hub alone becomes
    ours."""
    adopt_registers(tx, own, sorted(set(reps) - sealed_lives(tx)))
    return note_sealed(tx, reps, now_ms=now_ms)


def members_in(rows: Iterable[Row]) -> list[str]:
    """Return whose rows these are; what cannot be read is nobody's."""
    found = []
    for _, body in rows:
        try:
            found.append(_member.decode(body).key)
        except NOT_JSON:
            continue
    return found


def _newest(read: Connection, store: str, stream: RegisterStream) -> dict[str, int]:
    rows = read.execute(
        f"""
        SELECT store || ':' || incarnation, (SELECT max(seq) FROM {_TABLES[stream]} WHERE replica = replica.id) AS newest
        FROM replica WHERE store = ? AND newest > 0 ORDER BY id
        """,
        (store,),
    ).fetchall()
    return dict(rows)
