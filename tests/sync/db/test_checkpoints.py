"""The log's way into the file beside the writer: an independent reader of the log says how long it is and when it begins anew."""

import asyncio
import errno
import sqlite3
import struct
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.migrations import MIGRATIONS
from sync import checkpoints as checkpoints_module
from sync.db import Database, open_database
from sync.errors import StartError
from tests.sync.db.conftest import note, notes

LONG = 40  # pages
WAIT_S = 60.0


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database whose log is long with LONG pages."""
    monkeypatch.setattr(checkpoints_module, "CHECKPOINT_PAGES", LONG)
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        await db.empty_log()
        yield db


def log_salt(path: Path) -> bytes:
    """What changes when the log begins anew: bytes 16 to 23 of its header. https://sqlite.org/fileformat2.html, 4.1"""
    return Path(f"{path}-wal").read_bytes()[16:24]


def frames(path: Path) -> int:
    """How many frames of the log are of its present course, and committed: read frame by frame, not by the index."""
    log = Path(f"{path}-wal").read_bytes()
    page_bytes = struct.unpack(">I", log[8:12])[0]
    last = 0
    for count, place in enumerate(range(32, len(log), 24 + page_bytes), start=1):
        if log[place + 8 : place + 16] != log[16:24]:
            break
        if struct.unpack(">I", log[place + 4 : place + 8])[0]:
            last = count
    return last


async def settled(db: Database) -> None:
    async with asyncio.timeout(WAIT_S):
        await db._checkpoints.settled()


async def test_what_is_left_of_the_log_is_what_its_frames_say(db: Database) -> None:
    for n in range(8):
        await db.write(note("x" * 300 * n))
        assert 0 < db._checkpoints.left < LONG
        assert db._checkpoints.left == frames(db.path)


async def test_a_long_log_is_copied_and_begins_anew_with_the_next_group(db: Database) -> None:
    await db.write(note("first"))
    before = log_salt(db.path)
    while frames(db.path) < LONG:
        await db.write(note("x" * 900))
        assert log_salt(db.path) == before

    await settled(db)

    with closing(sqlite3.connect(f"file:{db.path}?immutable=1", uri=True)) as without_the_log:
        assert without_the_log.execute("SELECT text FROM note ORDER BY id").fetchall() == [(n,) for n in notes(db)]
    assert db._checkpoints.left == 0
    await db.write(note("after"))
    assert log_salt(db.path) != before and frames(db.path) == db._checkpoints.left < LONG


async def test_groups_go_on_while_the_log_is_copied_and_nothing_of_them_is_lost(db: Database, tmp_path: Path) -> None:
    wanted = [f"{n} {'x' * 400}" for n in range(1_500)]
    for start in range(0, len(wanted), 10):
        await asyncio.gather(*(db.write(note(text), is_brief=True) for text in wanted[start : start + 10]))

    await settled(db)

    assert notes(db) == wanted
    with closing(sqlite3.connect(db.path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert [text for (text,) in other.execute("SELECT text FROM note ORDER BY id")] == wanted
    assert Path(f"{db.path}-wal").stat().st_size < 20 * LONG * 1_048, "it began anew again and again"


async def test_a_reader_that_stays_keeps_the_log_and_what_it_sees(db: Database, tmp_path: Path) -> None:
    await db.write(note("first"))
    with closing(sqlite3.connect(f"file:{db.path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM note").fetchone() == (1,)
        for n in range(2 * LONG):
            await db.write(note(f"{n} {'x' * 900}"))
        await settled(db)
        assert reader.execute("SELECT count(*) FROM note").fetchone() == (1,)
        reader.execute("COMMIT")

    await db.write(note("last"))
    await settled(db)
    assert len(notes(db)) == 2 * LONG + 2


async def test_a_log_is_cut_when_nothing_is_copied_any_more(db: Database) -> None:
    for n in range(10):
        await asyncio.gather(*(db.write(note("x" * 900)) for _ in range(LONG)), db.empty_log())
        assert await db.empty_log(), n

    assert Path(f"{db.path}-wal").stat().st_size == 0


async def test_a_file_that_is_gone_is_left_to_the_commits_and_not_made_anew(db: Database) -> None:
    gone = db.path.rename(db.path.with_name("elsewhere.db"))
    for _ in range(2 * LONG):
        await db.write(note("x" * 900))
    await settled(db)

    assert db._checkpoints.left >= LONG and db.fault is None and len(notes(db)) == 2 * LONG
    assert gone.exists() and not db.path.exists()


async def test_where_the_disk_took_a_page_not_the_process_ends_and_the_log_is_kept_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk's answer is made up: no test can have a page fail that the kernel writes later."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoints_module, "CHECKPOINT_PAGES", LONG)
    written = 0
    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="did not take"), flatten_subgroups=True):
        async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
            await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
            monkeypatch.setattr(checkpoints_module.os, "fsync", fail)
            salt = log_salt(db.path)
            async with asyncio.timeout(WAIT_S):
                while True:
                    await db.write(note("x" * 900))
                    written += 1
                    assert log_salt(db.path) == salt, "no group begins the log anew"

    monkeypatch.undo()
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as again:
        assert len(notes(again)) in (written, written + 1)


async def test_a_database_without_a_wal_index_is_let_alone(tmp_path: Path) -> None:
    alone = checkpoints_module.Checkpoints(tmp_path / "none.db", "full")
    alone.open()

    alone.see_to_it()
    await alone.settled()
    alone.close()
    assert alone.left == 0
