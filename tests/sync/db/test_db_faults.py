"""The writer of sync.db where the disk or another program stands in its way: outcomes unknown, room made, nothing promised."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hub.migrations import MIGRATIONS
from sync.connections import connect_reader
from sync.db import Database, open_database
from sync.errors import OutcomeUnknownError
from tests.sync.db.conftest import Tx, full_disk, note, notes


async def test_another_program_that_writes_holds_up_writers_and_never_the_loop(tmp_path: Path) -> None:
    """An operator with a shell of sqlite3: what holds the lock here is let go by the loop itself."""
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        with closing(sqlite3.connect(tmp_path / "hub.db", isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            writing = asyncio.gather(
                *(
                    db.write(lambda tx: tx.execute("INSERT INTO note (text) VALUES ('late')").rowcount, is_brief=True)
                    for _ in range(2)
                )
            )
            for _ in range(5):
                await asyncio.sleep(0)
            shell.execute("ROLLBACK")
            assert await writing == [1, 1]


async def test_a_full_disk_is_an_unknown_outcome_for_the_whole_group_and_may_be_repeated(db: Database) -> None:
    groups: list[tuple[int, bool]] = []
    db.on_group = lambda jobs, ok: groups.append((jobs, ok))

    results = await asyncio.gather(db.write(note("a", note_id=7)), db.write(full_disk), return_exceptions=True)
    was_ok = db.fault is None
    await db.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000").fetchone())
    again = await db.write(note("a", note_id=7))

    assert [type(result) for result in results] == [OutcomeUnknownError] * 2
    assert (was_ok, db.fault, again, notes(db)) == (False, None, 7, ["a"])
    assert groups == [(2, False), (1, True), (1, True)]


async def test_what_is_committed_on_a_disk_made_read_only_by_force_is_not_promised(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ext4 then answers fsync and does nothing (seen on the appliance); what is the same again when it writes is a promise."""
    with monkeypatch.context() as forced:
        forced.setattr("sync.db.is_mounted_read_only", lambda _folder: True)
        with pytest.raises(OutcomeUnknownError) as refused:
            await db.write(note("a", note_id=7))
        fault = db.fault
        assert await db.write(lambda tx: tx.execute("SELECT 1").fetchone()) == (1,), (
            "what writes nothing needs no promise"
        )
    assert (refused.value.code, fault) == ("read_only", "read_only")
    await db.write(note("b"))
    assert db.fault is None


async def test_a_disk_that_is_really_full_loses_nothing_that_was_answered(small_disk: Path) -> None:
    answered: list[int] = []
    async with open_database(small_disk / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        with pytest.raises(OutcomeUnknownError):
            for _ in range(1000):
                answered.append(await db.write(note("x" * 5000)))
        kept = db.read.execute("SELECT count(*) FROM note").fetchone()[0]
        with pytest.raises(OutcomeUnknownError):
            await db.write(note("x" * 5000))
        assert db.fault is not None
        await db.write(lambda _tx: None)
        assert db.fault is not None, "a commit that wrote nothing proves nothing of the disk"

    assert len(answered) == kept > 10
    reader = connect_reader(small_disk / "hub.db")
    assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert reader.execute("SELECT count(*) FROM note").fetchone() == (kept,)
    reader.close()


async def test_a_lock_held_by_another_program_is_an_unknown_outcome_and_may_be_repeated(
    db: Database, tmp_path: Path
) -> None:
    await db.write(lambda tx: tx.execute("SELECT 1").fetchone())
    db._writer._conn.execute("PRAGMA busy_timeout = 0")
    intruder = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")

    results = await asyncio.gather(db.write(note("a")), db.write(note("b")), return_exceptions=True)
    intruder.execute("ROLLBACK")
    intruder.close()

    assert [type(result) for result in results] == [OutcomeUnknownError] * 2
    assert await db.write(note("a")) == 1 and notes(db) == ["a"]


async def test_a_group_that_finds_no_room_is_run_again_where_some_can_be_made(small_disk: Path) -> None:
    answered: list[int] = []
    async with open_database(small_disk / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        reserve, ballast = small_disk / "reserve", small_disk / "ballast"
        reserve.write_bytes(bytes(256 * 1024))
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        db.make_room = lambda: reserve.exists() and reserve.unlink() is None
        with pytest.raises(OutcomeUnknownError) as refused:
            for _ in range(1000):
                answered.append(await db.write(note("x" * 5000)))
        made = not reserve.exists()
        kept, fault = db.read.execute("SELECT count(*) FROM note").fetchone()[0], db.fault
        ballast.unlink()
        await db.write(note("again"))

    assert made and len(answered) == kept > 10
    assert (fault, refused.value.code, db.fault) == ("no_space", "no_space", None)


async def test_a_folder_for_temporary_files_that_is_full_stops_no_write(
    small_disk: Path, tmp_path: Path, temporary_files_in: Callable[[Path], None]
) -> None:
    (tmp_path / "books").mkdir()
    with (small_disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    temporary_files_in(small_disk)
    async with open_database(tmp_path / "books" / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        await db.write(lambda tx: tx.executemany("INSERT INTO note (text) VALUES (?)", [("x" * 500,)] * 1000))

        def change_all(tx: Tx) -> int:
            return tx.execute("UPDATE note SET text = 'y' || text").rowcount

        assert await asyncio.gather(db.write(change_all), db.write(change_all)) == [1000, 1000]


async def test_where_room_is_scarce_the_log_is_cut_and_stays_short(tmp_path: Path) -> None:
    log = tmp_path / "hub.db-wal"
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        for _ in range(40):
            await db.write(note("x" * 100_000))
        grown = log.stat().st_size
        with db.snapshot() as read:
            read.execute("SELECT count(*) FROM note").fetchone()
            waits = db._writer._conn.execute("PRAGMA busy_timeout").fetchone()
            await db.save_room(is_scarce=True)
            held = log.stat().st_size
            assert db._writer._conn.execute("PRAGMA busy_timeout").fetchone() == waits
        await db.save_room(is_scarce=True)
        cut = log.stat().st_size
        for _ in range(80):
            await db.write(note("x" * 100_000))
        short = log.stat().st_size
        await db.save_room(is_scarce=False)
        for _ in range(40):
            await db.write(note("x" * 100_000))
        long = log.stat().st_size

    assert held == grown, "a reader needs it, and nobody waits for it"
    assert (cut, grown > 4_000_000, short < 1_400_000, long > 4_000_000) == (0, True, True, True)
