"""A writer of sync.db on a real file with a table of notes."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hub.errors import RefusedError
from hub.migrations import MIGRATIONS
from sync import db as hub_db
from sync.db import Database, open_database

Tx = sqlite3.Connection


@pytest.fixture(params=[False, True], ids=["jobs in the thread", "brief jobs on the loop"])
async def db(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database with a table of the test's own; what it promises, it promises wherever jobs are run."""
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        db.write = partial(db.write, is_brief=request.param)  # type: ignore[method-assign]
        await db.write(lambda tx: tx.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        yield db


@pytest.fixture
def temporary_files_in() -> Iterator[Callable[[Path], None]]:
    """Tell SQLite where its temporary files go, for all of this process, as SQLITE_TMPDIR does when it starts."""
    with closing(sqlite3.connect(":memory:")) as asked:
        yield lambda folder: asked.execute(f"PRAGMA temp_store_directory = '{folder}'").close()
        asked.execute("PRAGMA temp_store_directory = ''")


def note(text: str, *, note_id: int | None = None) -> "hub_db.Callable[[Tx], int]":
    """Return a job that writes a note and returns its id."""
    return lambda tx: tx.execute("INSERT INTO note (id, text) VALUES (?, ?) RETURNING id", (note_id, text)).fetchone()[
        0
    ]


def notes(db: Database) -> list[str]:
    return [text for (text,) in db.read.execute("SELECT text FROM note ORDER BY id")]


def refused(tx: Tx) -> None:
    tx.execute("INSERT INTO note (text) VALUES ('half')")
    raise RefusedError("unknown_sku", "no")


def full_disk(tx: Tx) -> None:
    """A job that finds no room: the file may not grow any more."""
    tx.execute(f"PRAGMA max_page_count = {tx.execute('PRAGMA page_count').fetchone()[0]}")
    tx.execute("INSERT INTO note (text) VALUES (?)", ("x" * 1_000_000,))
