"""A machine's database file, in memory: copied as an image, filled up, failing at a COMMIT, cut off before a statement."""

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sync.connections import connect_writer
from sync.testing.sim_database import Crash

PAGES_MAX = 2**30


class Connection(sqlite3.Connection):
    """A connection that asks `before` about every statement."""

    before: Callable[[str], None] | None = None

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As sqlite3."""
        if self.before is not None:
            self.before(sql)
        return super().execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As sqlite3."""
        if self.before is not None:
            self.before(sql)
        return super().executemany(sql, *parameters)


class Disk:
    """The file. Faults stay until they are taken back, but a cut, which comes once."""

    def __init__(self, image: bytes) -> None:
        self.connection = sqlite3.connect(":memory:", factory=Connection, isolation_level=None, cached_statements=1024)
        self.connection.deserialize(image)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA journal_mode = MEMORY")
        self._statements_left = 0
        self._reserve = 0
        self.gave = 0  # how often the reserve did
        self.is_scarce = False  # since it gave

    def image(self) -> bytes:
        """Return the file as the last commit left it: a backup, or a card that is copied."""
        return self.connection.serialize()

    def settle(self) -> None:
        """After a power cut: what was not committed is gone, and so are the traps."""
        self.connection.before = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def cut_after(self, statements: int) -> None:
        """Die before the statement behind so many more."""
        self._statements_left = statements
        self.connection.before = self._count

    def fail_commits(self) -> None:
        """From now on COMMIT says that the disk has an I/O error."""
        self.connection.before = _fail_commit

    def fill(self, pages: int, *, reserve: int = 0) -> None:
        """Leave room for so many pages more, and for as many as `reserve` once somebody asks for them."""
        count = self.value("PRAGMA page_count")
        self._reserve = reserve
        self.rows(f"PRAGMA max_page_count = {count + pages}")

    def give(self) -> bool:
        """Give the reserve; False where there is none. The product's `make_room`."""
        pages, self._reserve = self._reserve, 0
        if pages:
            self.gave += 1
            self.is_scarce = True
            count = self.value("PRAGMA page_count")
            self.rows(f"PRAGMA max_page_count = {count + pages}")
        return pages > 0

    def free(self) -> None:
        """The disk is well again."""
        self.connection.before = None
        self._reserve, self.is_scarce = 0, False
        self.rows(f"PRAGMA max_page_count = {PAGES_MAX}")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What an auditor sees: committed rows, read without any code of the product."""
        assert not self.connection.in_transaction
        return sqlite3.Connection.execute(self.connection, sql, parameters).fetchall()

    def value(self, sql: str, *parameters: Any) -> Any:
        """The first column of the only row."""
        return self.rows(sql, *parameters)[0][0]

    def _count(self, sql: str) -> None:
        self._statements_left -= 1
        if self._statements_left < 0:
            self.connection.before = None
            raise Crash("a statement")


def _fail_commit(sql: str) -> None:
    if sql == "COMMIT":
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error


@cache
def new_file(migrations: str) -> bytes:
    """Return a file of the newest schema with nothing in it."""
    connection = connect_writer(Path(":memory:"), migrations)
    image = connection.serialize()
    connection.close()
    return image
