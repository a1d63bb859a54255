"""Any stream as rows: the one place where tables become batches, for every entity.

Rows are the bytes that went or would go into the digest. Not here: rows into tables (sync.store.rows), digests and cursors.
"""

from collections.abc import Iterable
from itertools import chain
from operator import itemgetter
from sqlite3 import Connection

from sync.batch import BYTES_MAX, Row
from sync.entities import REGISTRY, Registry
from sync.kinds import Kind
from sync.store.facts import second_rows
from sync.store.tables import table_of
from sync.store.unknown import unknown_after


def rows_after(
    read: Connection,
    replica: int,
    stream: str,
    after: int,
    limit: int,
    *,
    bytes_max: int = BYTES_MAX,
    registry: Registry = REGISTRY,
) -> list[Row]:
    """Return at most `limit` rows and `bytes_max` bytes of a writer's stream from behind `after`; one larger row comes alone."""
    wanted = (replica, after, limit)
    entities = registry.of(stream)
    sources: list[list[Row]] = []
    for entity in entities:
        table = table_of(entity)
        found = read.execute(table.read, wanted).fetchall()
        if found:
            seqs, *columns = zip(*found, strict=True)
            sources.append(list(zip(seqs, table.write(columns), strict=True)))
    if any(entity.kind is Kind.FACT for entity in entities):
        sources.append(second_rows(read, replica, stream, after, limit))
    sources.append(unknown_after(read, replica, stream, after, limit))
    return _within_bytes(_in_order(sources)[:limit], bytes_max)


_body = itemgetter(1)


def count_after(read: Connection, replica: int, stream: str, after: int, *, registry: Registry = REGISTRY) -> int:
    """Return how many rows of a writer's state stream stand behind a seq."""
    return sum(
        read.execute(f"SELECT count(*) FROM {entity.table} WHERE replica = ? AND seq > ?", (replica, after)).fetchone()[
            0
        ]
        for entity in registry.of(stream)
    )


def oldest_after(
    read: Connection, replica: int, stream: str, after: int, *, registry: Registry = REGISTRY
) -> str | None:
    """Return the date of a writer's first fact behind a seq, as it stands in the row; None where there is none."""
    found = [
        read.execute(
            f"SELECT seq, body ->> ? FROM {entity.table} WHERE replica = ? AND seq > ? ORDER BY seq LIMIT 1",
            (f"$.{entity.dated}", replica, after),
        ).fetchone()
        for entity in registry.of(stream)
        if entity.kind is Kind.FACT and entity.dated
    ]
    first = min((row for row in found if row is not None), default=None)
    return first[1] if first else None


def _in_order(sources: Iterable[list[Row]]) -> list[Row]:
    """Merge rows that are in order by source; of two with one seq the later source's is the whole row."""
    found = [rows for rows in sources if rows]
    return found[0] if len(found) == 1 else sorted(dict(chain.from_iterable(found)).items())


def _within_bytes(rows: list[Row], bytes_max: int) -> list[Row]:
    if sum(map(len, map(_body, rows))) <= bytes_max:
        return rows
    taken: list[Row] = []
    size = 0
    for row in rows:
        size += len(row[1])
        if taken and size > bytes_max:
            break
        taken.append(row)
    return taken
