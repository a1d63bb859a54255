"""How fast the cloud end takes batches on PostgreSQL, beside plain asyncpg on the same server: part of benchmark `cloud`.

Rows are sales as a hub wrote them. The cloud gets them through the books of its stores, all at once, each a batch after the
other as a link hands them on: decoded, numbered, keyed, summed. Plain asyncpg writes the same bytes under their ids in batches
of the same size by one connection, each batch a commit: by executemany, and by one INSERT … SELECT FROM unnest. Each has taken
one batch before: what a connection prepares once in days is nobody's rate.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.figures import Figures
from sync.batch import START, Batch, batch_of
from sync.cloud.config import parse_cloud_config
from sync.cloud.databases import open_books
from sync.cloud.main import open_cloud
from sync.cloud.store import CloudBooks
from sync.model import Feed, Stream

BATCH = 250  # as a hub sends facts
LOG_FILES = 4  # of 16 MiB: more than a round fills
FIRST_STORE = "first"
NOW_MS = 1_790_000_000_000
_INSERT = "INSERT INTO plain (id, body) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
_INSERT_SET = (
    "INSERT INTO plain_set (id, body) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Sales by store: their ids and bytes. `first` is one batch that both have taken before anything is measured."""

    by_store: dict[str, list[tuple[str, bytes]]]
    first: list[tuple[str, bytes]]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(map(len, self.by_store.values()))


async def ingest_round(folder: Path, dsn: str, rows: Rows) -> Figures:
    """Take all rows by plain asyncpg in both ways and by the cloud end, in turn, a batch of each store; then all again."""
    raw = {
        "cloud": {"database": dsn},
        "stores": {store: {"token": f"{store}-token-0123456789"} for store in (*rows.by_store, FIRST_STORE)},
    }
    config = parse_cloud_config(raw, base=folder)
    await _run_in(dsn)
    took = {"executemany": 0.0, "unnest": 0.0, "first": 0.0, "again": 0.0}
    async with open_books(config) as db, _plain(dsn) as plain:
        cloud = await open_cloud(config, db, now_ms=lambda: NOW_MS)
        batches = {CloudBooks(cloud.books, store): _batches(store, each) for store, each in rows.by_store.items()}
        await _write(plain, [rows.first], is_set=False)
        await _write(plain, [rows.first], is_set=True)
        await _deliver(CloudBooks(cloud.books, FIRST_STORE), _batches(FIRST_STORE, rows.first))
        gc.freeze()  # as a cloud does when it is ready: what a benchmark has made is not walked with each of its commits
        for at in range(max(map(len, batches.values()))):
            turn = {books: each[at : at + 1] for books, each in batches.items()}
            flat = [rows.by_store[store][at * BATCH : (at + 1) * BATCH] for store in rows.by_store]
            took["executemany"] += await _timed(_write(plain, flat, is_set=False))
            took["unnest"] += await _timed(_write(plain, flat, is_set=True))
            took["first"] += await _timed(_deliver_all(turn))
        took["again"] = await _timed(_deliver_all(batches))
        gc.unfreeze()
        held = db.read.execute("SELECT sum(row_count) FROM received WHERE stream = ?", (Stream.SALES,)).fetchone()
        sent = rows.count + len(rows.first)
        assert held == (sent,), f"the cloud holds {held}, not {sent}"
    return {
        "rows_per_s": rows.count / took["first"],
        "asyncpg_rows_per_s": rows.count / took["executemany"],
        "unnest_rows_per_s": rows.count / took["unnest"],
        "ratio_to_asyncpg": took["executemany"] / took["first"],
        "ratio_to_unnest": took["unnest"] / took["first"],
        "redelivery_ratio": took["again"] / took["first"],
    }


async def _run_in(dsn: str) -> None:
    """Have the server's log files made, as those of one that runs for days are: it makes each once and uses it again.

    A file costs as much as three batches, whoever's commit it is that comes to its end.
    """
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(LOG_FILES):
            await connection.execute("SELECT pg_logical_emit_message(true, 'run in', '')")
            await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@asynccontextmanager
async def _plain(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    try:
        for table in ("plain", "plain_set"):
            await connection.execute(f"CREATE TABLE {table} (id text PRIMARY KEY, body bytea NOT NULL)")
        yield connection
    finally:
        await connection.close()


async def _write(
    connection: "asyncpg.Connection[asyncpg.Record]", batches: Sequence[Sequence[tuple[str, bytes]]], *, is_set: bool
) -> None:
    """Each batch is a commit of its own."""
    for batch in batches:
        if is_set:
            await connection.execute(_INSERT_SET, *(list(column) for column in zip(*batch, strict=True)))
        else:
            await connection.executemany(_INSERT, batch)


async def _timed(work: Coroutine[None, None, None]) -> float:
    began_s = time.perf_counter()
    await work
    return time.perf_counter() - began_s


async def _deliver_all(batches: Mapping[CloudBooks, Sequence[Batch]]) -> None:
    async with asyncio.TaskGroup() as group:
        for books, each in batches.items():
            group.create_task(_deliver(books, each), name="store")


def _batches(store: str, rows: list[tuple[str, bytes]]) -> list[Batch]:
    found, at = [], START
    for first in range(0, len(rows), BATCH):
        numbered = [(seq, body) for seq, (_, body) in enumerate(rows[first : first + BATCH], first + 1)]
        found.append(batch_of(f"{store}:{store:0>16}", Stream.SALES, Feed.LOG, at, numbered))
        at = found[-1].end
    return found


async def _deliver(books: CloudBooks, batches: Sequence[Batch]) -> None:
    for batch in batches:
        await books.apply(batch)
