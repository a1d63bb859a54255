"""What only a server can do to a cloud: transactions open beside each other, several workers, a server that dies or is old.

Real server, real sockets; the judge asks by asyncpg.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.postgres import Server
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.postgres.connection import PostgresConnection
from sync.cloud.postgres.database import open_postgres
from sync.db import Database, open_database
from sync.errors import BusyError, OutcomeUnknownError, RuleError
from tests.cloud_engines import OnPostgres


@pytest.fixture
def engine(postgres_server: Server) -> Any:
    """These are about the server."""
    one = OnPostgres(dsn=postgres_server.dsn)
    yield one
    one.end()


async def test_no_reader_skips_a_row_of_a_transaction_that_is_open_while_another_commits(
    cloud: Any, engine: Any, tmp_path: Path, writer: Any, new_writer: Any
) -> None:
    """A number is given and committed before the next one is: what a reader has not seen lies behind its cursor."""
    other = new_writer("hk02:bbbbbbbbbbbbbbbb")
    writer.sell("first")
    other.sell("second")
    slow = await asyncpg.connect(engine.dsn_of(tmp_path))
    await slow.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('storehub turn'))")
    feed = await slow.fetchrow(
        "INSERT INTO feed (stream, kind, n) VALUES ('sales', 'log', 1) RETURNING id, n"
    )  # a worker that has taken a number and hangs before its COMMIT
    applying = asyncio.create_task(cloud.books("hk02").apply(other.batch()))
    imported = asyncio.create_task(cloud.get("/cloud/v1/stores"))

    assert (await imported).status == 200, "reading goes on"
    await asyncio.wait({applying}, timeout=0.3)
    seen, _ = await cloud.feed("sales")
    assert not applying.done() and seen == []
    await slow.execute("INSERT INTO replica (store, incarnation, began_ms, own) VALUES ('hk01', 'a', 1, 0)")
    body = writer.logs["sales"][0]
    await slow.execute(
        "INSERT INTO fact (stream, n, replica, seq, received_ms, body) "
        "SELECT $1, $2, id, 1, 1, $3 FROM replica WHERE incarnation = 'a'",
        feed["id"],
        feed["n"],
        body,
    )
    await slow.execute("COMMIT")
    await slow.close()
    await applying

    rows, _ = await cloud.feed("sales", after=0)
    assert [row["n"] for row in rows] == [1, 2]
    assert [row["row"]["sale"]["sale_id"] for row in rows] == ["first", "second"]


async def test_a_server_that_is_killed_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing(
    *, cloud: Any, engine: Any, postgres_server: Server, tmp_path: Path, writer: Any, sql: Any
) -> None:
    for n in range(300):
        writer.sell(f"s{n}", 1)
    await cloud.books().apply(writer.batch("sales", 0, 50))
    slow = await asyncpg.connect(engine.dsn_of(tmp_path))
    await slow.execute("BEGIN; LOCK TABLE receipt IN EXCLUSIVE MODE")
    applying = asyncio.create_task(cloud.books().apply(writer.batch("sales", 50, 300)))
    await asyncio.wait({applying}, timeout=0.3)  # its rows are written, its receipts wait: the batch is half done
    assert not applying.done()

    await asyncio.to_thread(postgres_server.crash)
    with pytest.raises(OutcomeUnknownError):
        await applying
    slow.terminate()
    await asyncio.to_thread(postgres_server.start)
    end = await _until_applied(cloud, writer)

    assert end.last == 300
    counted = "SELECT count(*), count(DISTINCT key) FROM fact_key", "SELECT row_count, amount FROM store_sum"
    assert sql(counted[0]) == [(300, 300)] and sql(counted[1]) == [(300, 300)]
    assert (await cloud.get("/readyz")).status == 200


async def _until_applied(cloud: Any, writer: Any) -> Any:
    async with asyncio.timeout(60):
        while True:
            try:
                return await cloud.books().apply(writer.batch("sales", 50, 300))
            except (OutcomeUnknownError, BusyError):
                await asyncio.sleep(0.05)


async def test_two_workers_take_one_store_and_each_row_counts_once(
    start_cloud: Any, writer: Any, new_writer: Any, sql: Any
) -> None:
    one, other = await start_cloud(), await start_cloud()
    beside = new_writer("hk02:bbbbbbbbbbbbbbbb")
    for n in range(400):
        writer.sell(f"s{n}", 1)
        beside.sell(f"t{n}", 1)
    batches = [writer.batch("sales", at, at + 50) for at in range(0, 400, 50)]

    async def send(cloud: Any) -> None:
        for place, batch in enumerate(batches):
            cursor = await cloud.books().apply(batch)
            assert cursor in [each.end for each in batches[place:]]  # the other worker may be ahead
        await cloud.books("hk02").apply(beside.batch())

    await asyncio.gather(send(one), send(other))
    assert sql("SELECT store, row_count, amount FROM store_sum ORDER BY store") == [
        ("hk01", 400, 400),
        ("hk02", 400, 400),
    ]
    assert sql("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM fact") == [(800, 800, 1, 800)]
    assert one.cloud.books.replica == other.cloud.books.replica


async def test_a_hub_at_one_worker_hears_what_was_written_at_another(
    start_cloud: Any, writer: Any, talking: Any, tokens: Any
) -> None:
    one, other = await start_cloud(), await start_cloud()
    hub = talking.hub(writer)
    async with talking(one, hub, tokens["hk01"]):
        await other.post(
            "/cloud/v1/products",
            {"entries": [{"product": {"sku": "A", "name": {"en": "A"}}, "price": {"amount": 1, "currency": "HKD"}}]},
        )
        await hub.until(lambda: len(hub.catalogue) == 2)


async def test_a_new_life_begun_by_one_worker_is_taken_up_by_the_other(start_cloud: Any) -> None:
    one, other = await start_cloud(), await start_cloud()
    before = other.cloud.books.replica
    heard = asyncio.Event()
    cut_all, other.cloud.line.cut_all = other.cloud.line.cut_all, heard.set
    await one.cloud.books.begin_anew("restored")
    async with asyncio.timeout(60):
        await heard.wait()
    other.cloud.line.cut_all = cut_all
    assert other.cloud.books.replica != before
    assert other.cloud.books.replica == one.cloud.books.replica


async def test_a_database_of_yesterday_gets_from_the_stores_what_it_has_lost(
    *, start_cloud: Any, engine: Any, tmp_path: Path, writer: Any, talking: Any, tokens: Any, sql: Any
) -> None:
    first = await start_cloud()
    entry = {"product": {"sku": "A", "name": {"en": "A"}}, "price": {"amount": 1, "currency": "HKD"}}
    writer.sell("yesterday", 1)
    hub = talking.hub(writer)
    await first.cloud.books.db.write(lambda tx: None)
    engine.copy(tmp_path, tmp_path / "yesterday")
    writer.sell("today", 1)
    await first.post("/cloud/v1/products", {"entries": [entry]})
    async with talking(first, hub, tokens["hk01"]):
        await hub.until(lambda: hub.safe.get("sales") == 2 and len(hub.catalogue) == 2)
    life = first.cloud.books.replica.rep

    restored = await start_cloud(folder=tmp_path / "yesterday")
    assert restored.cloud.books.replica.rep == life
    async with talking(restored, hub, tokens["hk01"]) as talk:
        await talk
    assert restored.cloud.books.replica.rep != life, "it has begun a new life: the store holds more of it than it knows"
    hub.safe.clear()
    async with talking(restored, hub, tokens["hk01"]):
        await hub.until(lambda: hub.safe.get("sales") == 2)
    assert sql("SELECT count(*) FROM fact_key", folder=tmp_path / "yesterday") == [(2,)]


def test_a_job_whose_line_is_lost_writes_nothing_outside_its_transaction(engine: Any, tmp_path: Path) -> None:
    dsn = engine.settings(tmp_path)["database"]
    mine, other = PostgresConnection(dsn), PostgresConnection(dsn)
    mine.executescript("CREATE TABLE kept (n bigint)")
    mine.execute("BEGIN IMMEDIATE")
    mine.execute("INSERT INTO kept (n) VALUES (?)", (1,))
    pid = mine.execute("SELECT pg_backend_pid()").fetchone()[0]
    other.execute("SELECT pg_terminate_backend(CAST(? AS integer))", (pid,))

    with pytest.raises(sqlite3.OperationalError):
        for n in range(3):
            mine.execute("INSERT INTO kept (n) VALUES (?)", (2 + n,))
    assert mine.in_transaction
    with pytest.raises(sqlite3.OperationalError):
        mine.execute("COMMIT")
    mine.execute("ROLLBACK")
    assert mine.execute("SELECT count(*) FROM kept").fetchall() == [(0,)]
    mine.close()
    other.close()


ENTER = "INSERT INTO fact_key (stream, key, n) VALUES (?, ?, ?) ON CONFLICT (stream, key) DO NOTHING"
LATE = "INSERT INTO duplicate (stream, key, n) VALUES (?, ?, ?)"
SUM = """
INSERT INTO store_sum (store, measure, unit, row_count, amount) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (store, measure, unit) DO UPDATE SET
  row_count = row_count + excluded.row_count, amount = amount + excluded.amount
"""


async def test_groups_of_jobs_come_to_the_same_as_on_sqlite(engine: Any, tmp_path: Path) -> None:
    """Law: whatever the writer does not wait for, each job has SQLite's answers and leaves SQLite's rows."""
    rng = random.Random(7)
    groups = [[_job(rng, number) for _ in range(rng.choice((1, 3, 8)))] for number in range(60)]
    dsn = engine.settings(tmp_path)["database"]
    async with (
        open_postgres(dsn, folder=tmp_path, migrations=MIGRATIONS) as server,
        open_database(tmp_path / "cloud.db", migrations=MIGRATIONS) as file,
    ):
        for jobs in groups:
            assert await _answers(server, jobs) == await _answers(file, jobs)
        for table in ("fact_key", "duplicate", "store_sum", "receipt"):
            asked = (
                f"SELECT * FROM {table} ORDER BY 1, 2, 3"
                if table != "receipt"
                else "SELECT * FROM receipt ORDER BY 1, 2"
            )
            assert server.read.execute(asked).fetchall() == file.read.execute(asked).fetchall(), table


def _job(rng: random.Random, number: int) -> Callable[[sqlite3.Connection], Any]:
    """A job of some writes and reads; it is run again where its group is, and does the same then."""
    seed, is_refused = rng.random(), rng.random() < 0.03
    keys = 10_000 if number % 3 else 60  # of every third group many are known

    def job(tx: sqlite3.Connection) -> Any:
        draw, said = random.Random(seed), []
        for _ in range(draw.randint(1, 4)):
            rows = [(1, f"k{draw.randrange(keys)}", draw.randrange(9)) for _ in range(draw.choice((1, 5, 40)))]
            rows = list({key: row for row in rows for key in [row[1]]}.values())
            store = f"s{draw.randrange(3)}"
            match draw.randrange(6):
                case 0:
                    said.append(tx.executemany(ENTER, rows).rowcount)
                case 1:
                    said.append(tx.execute("SELECT count(*), sum(n) FROM fact_key").fetchone())
                case 2:
                    tx.execute(SUM, (store, "sales", "HKD", len(rows), draw.randrange(100)))
                    tx.executemany(SUM, [(store, "sales", unit, 1, 1) for unit in ("HKD", "HKD", "TWD")])
                case 3:
                    tx.executemany(
                        "INSERT INTO receipt (receipt_no, n) VALUES (?, ?) ON CONFLICT DO NOTHING",
                        [row[1:] for row in rows],
                    )
                case 4:
                    tx.executemany(LATE, [(number, key, draw.randrange(10**6)) for _, key, _ in rows])
                case 5:
                    said.append(
                        tx.execute("UPDATE store_sum SET amount = amount + 1 WHERE store = ?", (store,)).rowcount
                    )
                    said.append(tx.execute("SELECT amount FROM store_sum ORDER BY store, measure, unit").fetchall())
        if is_refused:
            raise RuleError("no", "not this one")
        if draw.random() < 0.03:
            tx.executemany(LATE, [(0, "twice", 0)] * 2)
        return said

    return job


async def _answers(db: Database, jobs: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    found = await asyncio.gather(*map(db.write, jobs), return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in found]


async def test_a_job_whose_rows_the_server_refuses_fails_alone(engine: Any, tmp_path: Path) -> None:
    """What is written behind the jobs' backs and refused is one job's error, and the others' rows stand."""
    dsn = engine.settings(tmp_path)["database"]
    rows = [(1, f"k{n}", n) for n in range(40)]
    async with open_postgres(dsn, folder=tmp_path, migrations=MIGRATIONS) as server:
        for bad in ((2, "nul\0", 1), (2, "much", 2**70)):
            answers = await _answers(
                server,
                [
                    lambda tx: tx.executemany(ENTER, rows).rowcount,
                    lambda tx, bad=bad: tx.executemany(ENTER, [*((3, key, n) for _, key, n in rows), bad]).rowcount,
                    lambda tx: tx.execute("SELECT count(*) FROM fact_key").fetchone(),
                ],
            )
            assert isinstance(answers[1], type) and issubclass(answers[1], sqlite3.Error | OverflowError), answers
            assert answers[2] == (40,)
        assert server.fault is None
