"""The writer of sync.db on a real file: group commit, neighbours, cancelled callers, bounds, readers, jobs that may wait."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hub.errors import RefusedError
from hub.migrations import MIGRATIONS
from sync import db as hub_db
from sync.connections import connect_reader
from sync.db import WRITER_JOBS_MAX, Database, open_database
from sync.errors import BusyError, OutcomeUnknownError
from sync.groups import WRITES_FOR
from tests.sync.db.conftest import Tx, full_disk, note, notes, refused


async def test_jobs_that_wait_together_share_one_commit(db: Database) -> None:
    commits, jobs = db.commits, db.jobs

    ids = await asyncio.gather(*(db.write(note(str(n))) for n in range(50)))

    assert ids == list(range(1, 51))
    assert (db.commits - commits, db.jobs - jobs) == (1, 50)


async def test_jobs_that_come_during_a_commit_share_the_next_one(db: Database) -> None:
    commits = db.commits
    late: list[asyncio.Task[int]] = []

    async with asyncio.TaskGroup() as group:

        def more(_: int) -> None:
            late.extend(group.create_task(db.write(note(f"late {n}"))) for n in range(10))

        await db.write(note("first"), then=more)

    assert db.commits - commits == 2
    assert notes(db) == ["first", *(f"late {n}" for n in range(10))]


async def test_who_was_answered_goes_on_before_the_next_group_begins(db: Database) -> None:
    order: list[str] = []

    async def write(n: int) -> None:
        await db.write(lambda _tx: order.append(f"job {n}"), is_brief=True)
        order.append(f"answer {n}")

    async with asyncio.TaskGroup() as group:

        def first(_: object) -> None:
            order.append("job 1")
            group.create_task(write(2))  # it waits before the COMMIT's end is heard of

        await db.write(first, is_brief=True)
        order.append("answer 1")

    assert order == ["job 1", "answer 1", "job 2", "answer 2"]


async def test_a_group_is_run_on_the_loop_where_all_of_it_is_brief_and_in_the_thread_where_one_is_not(
    tmp_path: Path,
) -> None:
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        brief = partial(db.write, lambda _tx: threading.get_ident(), is_brief=True)
        long = partial(db.write, lambda _tx: threading.get_ident())

        alone, together, beside = [
            await asyncio.gather(*group) for group in ([brief()], [brief(), brief()], [brief(), long()])
        ]

    here = threading.get_ident()
    assert (alone, together) == ([here], [here, here])
    assert here not in beside and len(set(beside)) == 1


async def test_nothing_comes_between_the_jobs_of_a_group_and_its_commit(db: Database) -> None:
    results = await asyncio.gather(
        db.write(note("a")), db.empty_log(), db.write(note("b")), db.save_room(is_scarce=True), db.write(note("c"))
    )

    assert (results[1], notes(db), db.fault) == (True, ["a", "b", "c"], None)


async def test_a_job_that_has_nobody_beside_it_and_raises_leaves_nothing(db: Database) -> None:
    with pytest.raises(RefusedError):
        await db.write(refused)

    assert await db.write(note("after")) == 1
    assert (notes(db), db.fault) == (["after"], None)


async def test_a_job_that_raises_is_undone_alone(db: Database) -> None:
    commits = db.commits
    results = await asyncio.gather(
        db.write(note("before")), db.write(refused), db.write(note("after")), return_exceptions=True
    )

    assert (results[0], type(results[1]), results[2]) == (1, RefusedError, 2)
    assert notes(db) == ["before", "after"]
    assert db.commits - commits == 1


async def test_a_job_with_wrong_sql_is_undone_alone(db: Database) -> None:
    twice = note("twice", note_id=1)

    results = await asyncio.gather(*(db.write(job) for job in (twice, twice, note("after"))), return_exceptions=True)

    assert [type(result) for result in results] == [int, sqlite3.IntegrityError, int]
    assert notes(db) == ["twice", "after"]


async def test_a_cancelled_callers_job_still_commits_and_is_announced(db: Database) -> None:
    told: list[int] = []
    caller = asyncio.create_task(db.write(note("kept"), then=told.append))
    loop = asyncio.get_running_loop()
    loop.call_soon(caller.cancel)

    with pytest.raises(asyncio.CancelledError):
        await caller
    await db.write(note("next"))

    assert (notes(db), told) == (["kept", "next"], [1])


async def test_a_crowd_of_one_clients_jobs_does_not_make_anothers_wait_for_all_of_it(db: Database) -> None:
    done: list[str] = []

    async def write(client: str) -> None:
        WRITES_FOR.set(client)
        await db.write(note(client))
        done.append(client)

    async with asyncio.TaskGroup() as group:
        for client in (*["a"] * 16, *["b"] * 16, "honest"):
            group.create_task(write(client))

    assert done[:5] == ["a", "a", "b", "b", "honest"]
    assert sorted(notes(db)) == sorted(done)


async def test_callbacks_come_after_the_commit_in_its_order(db: Database, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    other = connect_reader(tmp_path / "hub.db")

    def count(n: int) -> None:
        seen.append((n, other.execute("SELECT count(*) FROM note").fetchone()[0]))

    await asyncio.gather(*(db.write(note(str(n)), then=count) for n in range(5)))
    other.close()

    assert seen == [(n, 5) for n in range(1, 6)]


async def test_callbacks_of_failed_jobs_are_not_called(db: Database) -> None:
    told: list[object] = []

    with pytest.raises(sqlite3.OperationalError):
        await db.write(lambda tx: tx.execute("nonsense"), then=told.append)
    with pytest.raises(OutcomeUnknownError):
        await db.write(full_disk, then=told.append)

    assert told == []


async def test_more_jobs_than_the_bound_are_refused_and_the_others_done(db: Database) -> None:
    answers = await asyncio.gather(
        *(db.write(note(str(n))) for n in range(WRITER_JOBS_MAX + 10)), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, BusyError)]
    assert (len(refused), len(notes(db))) == (10, WRITER_JOBS_MAX)
    assert await db.write(note("again")) == WRITER_JOBS_MAX + 1


async def test_draining_finishes_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        waiting = [asyncio.ensure_future(db.write(note(str(n)))) for n in range(20)]
        db_turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(db_turn.set)
        await db_turn.wait()
        db.drain()
        with pytest.raises(BusyError):
            await db.write(note("late"))

    assert [await each for each in waiting] == list(range(1, 21))
    with sqlite3.connect(tmp_path / "hub.db") as file:
        assert file.execute("SELECT count(*) FROM note").fetchone() == (20,)
    file.close()


async def test_a_reader_sees_what_is_committed_and_nothing_else(db: Database) -> None:
    seen: list[int] = []

    def spy(tx: Tx) -> None:
        tx.execute("INSERT INTO note (text) VALUES ('x')")
        other = connect_reader(db._path)
        seen.append(other.execute("SELECT count(*) FROM note").fetchone()[0])
        other.close()

    await db.write(spy)

    assert (seen, notes(db)) == ([0], ["x"])


async def test_what_is_read_in_a_snapshot_is_of_one_moment(db: Database, tmp_path: Path) -> None:
    await db.write(note("before"))

    with db.snapshot() as read:
        seen = [read.execute("SELECT text FROM note").fetchall()]
        with closing(sqlite3.connect(tmp_path / "hub.db", isolation_level=None)) as other:
            other.execute("INSERT INTO note (text) VALUES ('meanwhile')")
        seen.append(read.execute("SELECT text FROM note").fetchall())

    assert seen == [[("before",)]] * 2
    assert notes(db) == ["before", "meanwhile"]


async def test_a_snapshot_ends_with_the_error_of_its_block(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="nothing"), db.snapshot() as read:
        read.execute("SELECT 1 FROM nothing")
    await db.write(note("after"))

    assert notes(db) == ["after"]


@pytest.mark.parametrize("sql", ["INSERT INTO note (text) VALUES ('x')", "DELETE FROM note", "CREATE TABLE t (x)"])
async def test_readers_cannot_write(db: Database, sql: str) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.read.execute(sql)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.search(sql, {})


async def test_a_search_that_takes_too_long_is_refused_and_the_next_one_works(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_db, "SEARCH_TIMEOUT_S", 0.1)
    endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"

    with pytest.raises(BusyError) as refused:
        await db.search(endless, {})

    assert refused.value.code == "search_too_slow"
    assert await db.search("SELECT :x", {"x": 1}) == [(1,)]


async def test_the_file_is_durable_by_its_settings(db: Database) -> None:
    settings = await db.write(
        lambda tx: [
            tx.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )

    assert settings == ["wal", 2, 1]


async def test_a_job_that_may_wait_rides_with_the_next_group(db: Database) -> None:
    commits, told = db.commits, []
    db.write_soon(note("may wait"), then=told.append)

    await db.write(note("may not"))

    assert (db.commits - commits, notes(db), told) == (1, ["may wait", "may not"], [1])


async def test_a_job_that_may_wait_goes_alone_when_nobody_comes(db: Database) -> None:
    done = asyncio.Event()
    db.write_soon(note("may wait"), then=lambda _: done.set())

    async with asyncio.timeout(30):
        await done.wait()

    assert notes(db) == ["may wait"]


async def test_what_may_wait_longest_goes_with_what_waits_less(db: Database) -> None:
    done, commits = asyncio.Event(), db.commits
    db.write_soon(note("may wait an hour"), then=lambda _: None, within_s=3_600)
    db.write_soon(note("may wait"), then=lambda _: done.set())

    async with asyncio.timeout(30):
        await done.wait()

    assert (notes(db), db.commits - commits) == (["may wait an hour", "may wait"], 1)


async def test_what_comes_during_a_commit_and_may_wait_does_wait(db: Database) -> None:
    told: list[int] = []

    def come_meanwhile(_: int) -> None:
        db.write_soon(note("may wait"), then=told.append, within_s=3_600)

    commits = db.commits
    await db.write(note("first"), then=come_meanwhile)
    await asyncio.to_thread(lambda: None)
    await db.write(note("second"))

    assert (notes(db), db.commits - commits, told) == (["first", "may wait", "second"], 2, [2])


async def test_whoever_may_wait_is_told_when_it_raises(db: Database) -> None:
    told: list[str] = []
    db.write_soon(
        lambda tx: tx.execute("INSERT INTO note (id) VALUES ('x')"),
        then=lambda _: told.append("written"),
        otherwise=lambda: told.append("raised"),
    )

    await db.write(note("beside"))

    assert (told, notes(db)) == (["raised"], ["beside"])


async def test_what_may_wait_is_done_before_the_file_is_closed(tmp_path: Path) -> None:
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        db.write_soon(note("last"), then=lambda _: None)

    reader = connect_reader(tmp_path / "hub.db")
    assert reader.execute("SELECT text FROM note").fetchall() == [("last",)]
    reader.close()
