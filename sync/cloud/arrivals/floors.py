"""Logs of which this database has lost the oldest rows, and what the hub that had pruned them has told of them, in its own words.

A cloud that was restored from an old copy finds that a hub has pruned what it lost: the cursor jumps
(sync.cloud.arrivals.retention), the hub's sum is kept, and stands for all rows up to the floor, also for those that are here.
Source: the design, 3.2 (Retention).
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.batch import START, Boundary
from sync.opening import Came, Opening, Place, Said, read


class Floor(Struct, frozen=True):
    """Up to where rows of a log are not all here; `is_told`: what they came to is."""

    at: Boundary = START
    is_told: bool = False


def floor_of(reader: Connection, rep: str, stream: str) -> Floor:
    """Return up to where rows of a log are not all here."""
    row = reader.execute(
        """
        SELECT last, digest, is_told FROM floor JOIN replica ON replica.id = floor.replica
        WHERE incarnation = ? AND stream = ?
        """,
        (rep.rpartition(":")[2], stream),
    ).fetchone()
    return Floor(Boundary(row[0], row[1]), bool(row[2])) if row else Floor()


def take_told(tx: Connection, replica: int, stream: str, to: Boundary, opening: Opening | None) -> None:
    """Keep what a hub has told of rows that it has no more; raise ProtocolError for what says nothing."""
    for _ in read(opening.rows if opening else ()):
        pass
    tx.execute(
        """
        INSERT INTO floor (replica, stream, last, digest, is_told) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET
          last = excluded.last, digest = excluded.digest, is_told = excluded.is_told
        """,
        (replica, stream, to.last, to.digest, opening is not None),
    )
    tx.execute("DELETE FROM opening WHERE replica = ? AND stream = ?", (replica, stream))
    tx.executemany(
        "INSERT INTO opening (replica, stream, n, body) VALUES (?, ?, ?, ?)",
        [(replica, stream, n, row.decode()) for n, row in enumerate(opening.rows if opening else ())],
    )


def told_of(reader: Connection, replica: int, stream: str) -> Iterator[Said]:
    """Yield what was told of a log's rows up to its floor."""
    rows = reader.execute(
        "SELECT body FROM opening WHERE replica = ? AND stream = ? ORDER BY n", (replica, stream)
    ).fetchall()
    yield from read(body.encode() for (body,) in rows)


def add_told(
    reader: Connection, replica: int, sums: dict[Place, list[int]], *, streams: Sequence[str] | None = None
) -> None:
    """Add what was told of a writer's logs to [on_hand, received, issued, picked] by (sku, location); of all but its
    compensations where no streams are named.
    """
    told = "SELECT DISTINCT stream FROM opening WHERE replica = ? AND stream <> 'duplicates' ORDER BY stream"
    for stream in [row[0] for row in reader.execute(told, (replica,))] if streams is None else streams:
        for each in told_of(reader, replica, stream):
            if isinstance(each, Came):
                total = sums.setdefault((each.sku, each.location), [0, 0, 0, 0])
                for at, number in enumerate(each.totals):
                    total[at] += number


def told_by_store(reader: Connection) -> Iterator[tuple[str, Place, list[int]]]:
    """Yield what was told of every log: the writer's store, the place, its totals."""
    logs = reader.execute(
        "SELECT store, replica.id, floor.stream FROM floor JOIN replica ON replica.id = floor.replica WHERE is_told = 1"
    ).fetchall()
    for store, replica, stream in logs:
        sums: dict[Place, list[int]] = {}
        add_told(reader, replica, sums, streams=(stream,))
        yield from ((store, place, totals) for place, totals in sums.items())
