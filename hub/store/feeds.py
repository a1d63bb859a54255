"""The hub's own streams as rows: (seq, bytes as they went into the digest), in the order of their seq.

One reader a stream. Not here: cursors and digests (sync.store.cursors), the network (hub.replication).
"""

from collections.abc import Callable
from datetime import datetime
from sqlite3 import Connection

from hub.store.catalogue import catalogue_rows
from hub.store.footfall import footfall_rows
from hub.store.levels import level_rows
from hub.store.print_results import print_rows
from hub.store.returns import return_rows
from sync.batch import BYTES_MAX, Row
from sync.model import FEED_OF_STREAM, Feed, Replica, Stream

Reader = Callable[[Connection, Replica, int, int], list[Row]]


def sale_rows(read: Connection, replica: Replica, after: int, limit: int) -> list[Row]:
    """Return rows of stream `sales`."""
    rows = read.execute(
        "SELECT seq, body FROM sale WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica.local_id, after, limit),
    )
    return [(seq, body.encode()) for seq, body in rows]


def movement_rows(read: Connection, replica: Replica, after: int, limit: int) -> list[Row]:
    """Return rows of stream `stock`."""
    rows = read.execute(
        "SELECT seq, body FROM stock_movement WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica.local_id, after, limit),
    )
    return [(seq, body.encode()) for seq, body in rows]


READERS: dict[Stream, Reader] = {
    Stream.SALES: sale_rows,
    Stream.RETURNS: return_rows,
    Stream.STOCK: movement_rows,
    Stream.PRINTS: print_rows,
    Stream.CATALOGUE: catalogue_rows,
    Stream.LEVELS: level_rows,
    Stream.FOOTFALL: footfall_rows,
}
"""In the order in which they are sent: what was sold first, telemetry last."""


def rows_after(read: Connection, replica: Replica, stream: Stream, after: int, limit: int) -> list[Row]:
    """Return at most `limit` rows and BYTES_MAX bytes of a stream from behind `after`; one larger row comes alone."""
    rows = READERS[stream](read, replica, after, limit)
    size = 0
    for index, (_, row) in enumerate(rows):
        size += len(row)
        if size > BYTES_MAX and index:
            return rows[:index]
    return rows


def waiting_rows(read: Connection, replica: Replica, acked: dict[str, int]) -> dict[str, int]:
    """Return how many rows of each stream the peer does not hold yet; streams with none are left out."""
    heads = dict(read.execute("SELECT name, seq FROM stream WHERE replica = ?", (replica.local_id,)).fetchall())
    waiting = {}
    for stream in READERS:
        held = acked.get(stream, 0)
        if FEED_OF_STREAM[stream] is Feed.LOG:
            rows = heads.get(stream, 0) - held
        else:
            rows = sum(
                read.execute(
                    f"SELECT count(*) FROM {table} WHERE replica = ? AND seq > ?", (replica.local_id, held)
                ).fetchone()[0]
                for table in _STATE_TABLES[stream]
            )
        if rows > 0:
            waiting[str(stream)] = rows
    return waiting


def oldest_waiting(read: Connection, replica: Replica, acked: dict[str, int]) -> datetime | None:
    """Return when the oldest fact was committed that the peer does not hold yet."""
    found = []
    for table, stream, field in _DATED:
        row = read.execute(
            f"SELECT body ->> ? FROM {table} WHERE replica = ? AND seq > ? ORDER BY seq LIMIT 1",
            (field, replica.local_id, acked.get(stream, 0)),
        ).fetchone()
        if row is not None and row[0] is not None:
            found.append(datetime.fromisoformat(row[0]))
    return min(found, default=None)


_STATE_TABLES = {Stream.CATALOGUE: ("product", "price"), Stream.LEVELS: ("level",), Stream.FOOTFALL: ("footfall",)}
_DATED = (
    ("sale", Stream.SALES, "committed_at"),
    ("sale_return", Stream.RETURNS, "committed_at"),
    ("stock_movement", Stream.STOCK, "committed_at"),
    ("print_result", Stream.PRINTS, "at"),
)
