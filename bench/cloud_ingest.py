"""How fast the cloud end takes batches on PostgreSQL, beside plain asyncpg on the same server: part of benchmark `cloud`.

Rows are sales as a hub wrote them. The cloud gets them through the books of its stores, all at once, each a batch after the
other as a link hands them on: decoded, numbered, keyed, summed. Plain asyncpg writes the same bytes under their ids in batches
of the same size by one connection, each batch a commit: by executemany, and by one INSERT … SELECT FROM unnest.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.figures import Figures
from sync.batch import START, Batch, batch_of
from sync.cloud.config import parse_cloud_config
from sync.cloud.main import open_books, open_cloud
from sync.cloud.store import CloudBooks
from sync.model import Feed, Stream

BATCH = 250  # as a hub sends facts
NOW_MS = 1_790_000_000_000
_INSERT = "INSERT INTO plain (id, body) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
_INSERT_SET = "INSERT INTO plain (id, body) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (id) DO NOTHING"


@dataclass(frozen=True, slots=True)
class Rows:
    """Sales by store: their ids and bytes."""

    by_store: dict[str, list[tuple[str, bytes]]]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(map(len, self.by_store.values()))


async def ingest_round(folder: Path, dsn: str, rows: Rows) -> Figures:
    """Take all rows by plain asyncpg in both ways and by the cloud end, twice; return rows a second and shares."""
    flat = [row for store in rows.by_store.values() for row in store]
    executemany_s = await _plain(dsn, flat, is_set=False)
    unnest_s = await _plain(dsn, flat, is_set=True)
    first_s, again_s = await _by_cloud(folder, dsn, rows)
    return {
        "rows_per_s": rows.count / first_s,
        "asyncpg_rows_per_s": rows.count / executemany_s,
        "unnest_rows_per_s": rows.count / unnest_s,
        "ratio_to_asyncpg": executemany_s / first_s,
        "ratio_to_unnest": unnest_s / first_s,
        "redelivery_ratio": again_s / first_s,
    }


async def _plain(dsn: str, rows: Sequence[tuple[str, bytes]], *, is_set: bool) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "DROP TABLE IF EXISTS plain; CREATE TABLE plain (id text PRIMARY KEY, body bytea NOT NULL)"
        )
        began_s = time.perf_counter()
        for at in range(0, len(rows), BATCH):
            batch = rows[at : at + BATCH]
            if is_set:
                await connection.execute(_INSERT_SET, *(list(column) for column in zip(*batch, strict=True)))
            else:
                await connection.executemany(_INSERT, batch)
        return time.perf_counter() - began_s
    finally:
        await connection.close()


async def _by_cloud(folder: Path, dsn: str, rows: Rows) -> tuple[float, float]:
    """Return how long a new cloud takes for all batches, and for all of them again."""
    raw = {
        "cloud": {"database": dsn},
        "stores": {store: {"token": f"{store}-token-0123456789"} for store in rows.by_store},
    }
    async with open_books(parse_cloud_config(raw, base=folder)) as db:
        cloud = await open_cloud(parse_cloud_config(raw, base=folder), db, now_ms=lambda: NOW_MS)
        batches = {store: _batches(store, each) for store, each in rows.by_store.items()}
        took = []
        for _ in range(2):
            began_s = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for store, each in batches.items():
                    group.create_task(_deliver(CloudBooks(cloud.books, store), each), name=store)
            took.append(time.perf_counter() - began_s)
        held = db.read.execute("SELECT sum(row_count) FROM received WHERE stream = ?", (Stream.SALES,)).fetchone()
        assert held == (rows.count,), f"the cloud holds {held}, not {rows.count}"
    return took[0], took[1]


def _batches(store: str, rows: list[tuple[str, bytes]]) -> list[Batch]:
    found, at = [], START
    for first in range(0, len(rows), BATCH):
        numbered = [(seq, body) for seq, (_, body) in enumerate(rows[first : first + BATCH], first + 1)]
        found.append(batch_of(f"{store}:{store:0>16}", Stream.SALES, Feed.LOG, at, numbered))
        at = found[-1].end
    return found


async def _deliver(books: CloudBooks, batches: list[Batch]) -> None:
    for batch in batches:
        await books.apply(batch)
