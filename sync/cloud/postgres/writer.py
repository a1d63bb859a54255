"""The writer's connection: what a write job need not wait for, it does not wait for. The rules see the answers of sqlite3.

    a write that returns no rows   its request leaves; the answer is taken by the next statement, or by who reads `rowcount`
    rows of an INSERT              kept, and written for all jobs of the group together: before a statement that names their
                                   table, else before the COMMIT; many also while nothing else is on its way. By COPY, where
                                   no more than nothing is to follow from a conflict: `rowcount` says that none was met
    SAVEPOINT of a job             nothing: jobs seldom fail

Where one of these was wrong (a row did meet another; a job failed, or something that it wrote) the server undoes the group, and
it is run again the slow way: that INSERT as it stands and at once; each job in its savepoint, answered to its end. So it stays
for CAREFUL_FOR times. Tables that foreign keys name are written at once. Not here: how a statement is said and sent (connection).
"""

import re
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from sync.cloud.postgres.connection import SCRIPTS, PostgresConnection, Rows, Values
from sync.cloud.postgres.dialect import SetInsert, set_insert
from sync.cloud.postgres.flight import Flight
from sync.cloud.postgres.link import ServerError

COPY_MIN = 16  # rows; fewer are an INSERT, one round trip
SEND_AT = 100  # rows; where nothing else is on its way so many are sent while the rules go on
CAREFUL_FOR = 64  # times of an INSERT, groups after a job that failed
_PARENTS = """
SELECT child.relname, parent.relname FROM pg_constraint AS f
JOIN pg_class AS child ON child.oid = f.conrelid JOIN pg_class AS parent ON parent.oid = f.confrelid
WHERE f.contype = 'f' AND child.relnamespace = current_schema()::regnamespace
"""
T = TypeVar("T")


class _Sent(Rows):
    """What a statement comes to whose answer is still on its way."""

    def __init__(self, flight: Flight) -> None:
        super().__init__([])
        self._flight = flight

    @property
    def rowcount(self) -> int:
        """How many rows were written; waits for it."""
        rows: Rows = self._flight.land()
        return rows.rowcount


class PostgresWriter(PostgresConnection):
    """See the module."""

    def __init__(self, dsn: str, **settings: str) -> None:
        super().__init__(dsn, **settings)
        self._is_job = self._is_beside = False
        self._flight: Flight | None = None
        self._kept: dict[str, tuple[SetInsert, list[tuple[Any, ...]]]] = {}
        self._parents: dict[str, set[str]] | None = None  # by table: those that its foreign keys name
        self._is_careful = False  # this group: nothing is kept
        self._careful: dict[str, int] = {}  # INSERTs that are not kept, and how many times more
        self._apart_for = 0  # groups whose jobs have savepoints

    def execute(self, sql: str, values: Values = (), /) -> Rows:
        """Run a statement; see sqlite3."""
        if sql in SCRIPTS:
            return self._mark(sql)
        if not self._is_job:
            return super().execute(sql, values)
        insert = set_insert(sql)
        if insert is not None and insert.is_upsert and self._may_keep(sql, insert):
            return self._keep(sql, insert, [tuple(values)])
        self._write_kept(sql)
        return self._send(lambda: self._ask(sql, values)) if _is_unheard(sql) else super().execute(sql, values)

    def executemany(self, sql: str, many: Iterable[Values], /) -> Rows:
        """Run a statement for each row of values; see the module."""
        if not self._is_job:
            return super().executemany(sql, many)
        rows = [tuple(each) for each in many]
        if not rows:
            return Rows([], 0)
        insert = set_insert(sql)
        if insert is not None and (insert.is_plain or insert.is_upsert) and self._may_keep(sql, insert):
            return self._keep(sql, insert, rows)
        self._write_kept(sql)
        return self._send(lambda: self._ask_many(sql, rows))

    def run_job(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write job inside a transaction; where it is not beside others, all of it has been answered when it ends."""
        self._is_job = True
        try:
            result = job(self)
            if not self._is_loose:
                self._settle()
        finally:
            self._is_job = False
        return result

    @property
    def _is_loose(self) -> bool:
        """Whether jobs of this group have no savepoints: an error of theirs may come up later, and has it run again."""
        return self._is_beside and not self._apart_for

    def _mark(self, sql: str) -> Rows:
        """Begin, end or undo a transaction, or a job's part of it."""
        if sql.startswith("BEGIN"):
            self._is_beside = False
        elif sql == "SAVEPOINT job":
            self._is_beside = True
        elif sql.startswith("ROLLBACK"):
            self._kept.clear()
            with suppress(sqlite3.Error):  # what was on its way is undone
                self._land()
        if self._is_loose and sql == "ROLLBACK TO job":
            raise self._apart("a job failed beside others")
        if self._is_loose and sql in ("SAVEPOINT job", "RELEASE job"):
            return Rows([])
        if sql == "COMMIT":
            self._settle_group()
        rows = super().execute(sql)
        if sql == "COMMIT":
            self._is_careful, self._apart_for = False, max(self._apart_for - 1, 0)
        return rows

    def _settle_group(self) -> None:
        try:
            self._settle()
        except ServerError:
            raise
        except sqlite3.Error as err:
            raise self._apart(str(err)) from err

    def _apart(self, why: str) -> ServerError:
        self._apart_for = CAREFUL_FOR
        return ServerError(f"{why}: each job is run apart", code=sqlite3.SQLITE_BUSY, is_again=True)

    def _may_keep(self, sql: str, insert: SetInsert) -> bool:
        if self._is_careful:
            return False
        if sql in self._careful:
            self._careful[sql] -= 1
            if not self._careful[sql]:
                del self._careful[sql]
            return False
        if self._parents is None:
            self._parents = {}
            for child, parent in super().execute(_PARENTS):
                self._parents.setdefault(child, set()).add(parent)
        return not any(insert.table in parents for parents in self._parents.values())

    def _keep(self, sql: str, insert: SetInsert, rows: list[tuple[Any, ...]]) -> Rows:
        self._write_kept(sql)
        kept = self._kept.setdefault(sql, (insert, []))[1]
        kept.extend(rows)
        if len(kept) >= SEND_AT and (self._flight is None or self._flight.glance()):
            self._write_kept_of(max(self._kept, key=lambda each: len(self._kept[each][1])))
        return Rows([], len(rows))

    def _write_kept(self, before: str | None = None) -> None:
        """Send the rows that are kept: of the tables that a statement names, which keeps no more of them itself; or all."""
        for sql, (insert, _) in list(self._kept.items()):
            if before is None or (before != sql and self._is_named(insert.table, before)):
                self._write_kept_of(sql)

    def _is_named(self, table: str, sql: str) -> bool:
        """Whether a statement has to do with a table: names it, or deletes where its foreign keys point."""
        words = _words(sql)
        if table in words:
            return True
        return "DELETE" in words and self._parents is not None and not words.isdisjoint(self._parents.get(table, ()))

    def _write_kept_of(self, sql: str) -> None:
        insert, rows = self._kept.pop(sql)
        self._send(lambda: self._put(sql, insert, rows))

    async def _put(self, sql: str, insert: SetInsert, rows: list[tuple[Any, ...]]) -> Rows:
        if insert.is_upsert:
            return await self._ask_many(sql, rows)
        if len(rows) < COPY_MIN:
            entered = await self._ask_many(sql, rows)
            if entered.rowcount < len(rows):
                raise self._met(sql, "a row met another")
            return entered
        link = await self._prepared_line()
        try:
            self._written += await link.copy(insert.table, insert.columns, chain(rows, self._note_sent()))
        except sqlite3.IntegrityError as err:
            if insert.tail:
                raise self._met(sql, str(err)) from err
            raise
        return Rows([], len(rows))

    def _met(self, sql: str, why: str) -> ServerError:
        self._careful[sql], self._is_careful = CAREFUL_FOR, True
        return ServerError(f"{why}: the group is run again", code=sqlite3.SQLITE_BUSY, is_again=True)

    def _note_sent(self) -> Iterator[tuple[Any, ...]]:
        """No row: behind the last one all of the request is there to be sent."""
        self._is_sent = True
        yield from ()

    def _settle(self) -> None:
        self._write_kept()
        self._land()

    def _send(self, work: Callable[[], Coroutine[Any, Any, Rows]]) -> Rows:
        self._land()
        self._is_sent = False
        self._flight = Flight(self._loop, work())
        self._flight.depart(lambda: self._is_sent)
        return _Sent(self._flight)

    def _land(self) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.land()

    def _run(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """In a job nothing dials, and nothing needs a task."""
        if not self._is_job:
            return super()._run(job)
        self._land()
        flight = Flight(self._loop, job())
        flight.depart(lambda: False)
        result: T = flight.land()
        return result


@lru_cache(maxsize=2048)
def _is_unheard(sql: str) -> bool:
    """Whether a statement writes, or notifies, and returns no rows that anybody reads."""
    is_write = sql.split(None, 1)[0].upper() in ("INSERT", "UPDATE", "DELETE") and "RETURNING" not in sql.upper()
    return is_write or sql.startswith("SELECT pg_notify(")


@lru_cache(maxsize=2048)
def _words(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sql))
