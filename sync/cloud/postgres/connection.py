"""A connection to PostgreSQL that is called as sqlite3's is, so that every rule of the cloud runs on both, word for word.

    execute, executemany   the statement translated (dialect), asked, its rows fetched whole
    BEGIN IMMEDIATE        a transaction that has its turn: one write transaction at a time in a database, of all workers
                           together, by an advisory lock that its end frees. What was written for SQLite's one writer stays
                           true: a number is given and committed before the next one is
    BEGIN                  a reader's: of one moment, read-only

Each connection owns an event loop. Called in a thread without a running loop (the writer's, the searcher's) it runs there and
costs no hop; called on the cloud's own loop (point reads) it runs in a thread beside it and the caller waits for one round trip.
A line that was lost is dialled again by the next statement outside a transaction. Not here: asyncpg (link), opening (database),
what a write job need not wait for (writer).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sync.cloud.postgres.dialect import SetInsert, set_insert, statement
from sync.cloud.postgres.link import Link, ServerError, open_link
from sync.errors import BusyError

AGAIN_S = 0.5  # after a server did not answer; until then those who ask are told so at once
_TURN = "SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('storehub turn'))"
SCRIPTS = {
    "BEGIN IMMEDIATE": f"BEGIN; {_TURN}",
    "BEGIN": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "COMMIT": "COMMIT",
    "ROLLBACK": "ROLLBACK",
    "SAVEPOINT job": "SAVEPOINT job",
    "ROLLBACK TO job": "ROLLBACK TO SAVEPOINT job",
    "RELEASE job": "RELEASE SAVEPOINT job",
}
_LATER = ("SAVEPOINT job", "RELEASE SAVEPOINT job")  # go with the next statement that needs them, in one round trip
_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
"""
T = TypeVar("T")
Values = Any  # a sequence or a mapping of values of columns: sqlite3's own type for it has no name


class Rows(sqlite3.Cursor):
    """What a statement came to."""

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int = -1) -> None:
        self._rows, self._count, self._next = rows, rowcount, 0

    @property
    def rowcount(self) -> int:
        """How many rows were written; -1 for a statement that writes none."""
        return self._count

    def fetchone(self) -> Any:
        """Return the next row, None behind the last."""
        self._next += 1
        return self._rows[self._next - 1] if self._next <= len(self._rows) else None

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        left, self._next = self._rows[self._next :], len(self._rows)
        return left

    def __iter__(self) -> Any:
        return iter(self.fetchall())


class PostgresConnection(sqlite3.Connection):
    """See the module; typed as sqlite3's because the rules ask for that."""

    def __init__(self, dsn: str, **settings: str) -> None:
        self._dsn, self._settings = dsn, settings
        self._loop = asyncio.new_event_loop()
        self._aside: ThreadPoolExecutor | None = None
        self._link: Link | None = None
        self._lost_s = float("-inf")
        self._lost: ServerError | None = None
        self._types: dict[str, dict[str, str]] = {}
        self._written = 0
        self._is_begun = False
        self._later: list[str] = []
        self._is_sent = False  # of what is asked: it leaves before the next answer is waited for

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended, be its line still there or not."""
        return self._is_begun

    @property
    def total_changes(self) -> int:
        """How many rows were written, those that were undone as well."""
        return self._written

    def execute(self, sql: str, values: Values = (), /) -> Rows:
        """Run a statement; see sqlite3."""
        script = SCRIPTS.get(sql)
        return self._run(lambda: self._script(script) if script else self._ask(sql, values))

    def executemany(self, sql: str, many: Iterable[Values], /) -> Rows:
        """Run a statement for each row of values, an INSERT as one statement for all of them."""
        rows = [tuple(each) for each in many]
        return self._run(lambda: self._ask_many(sql, rows)) if rows else Rows([], 0)

    def executescript(self, sql: str, /) -> Rows:
        """Run statements of PostgreSQL's own, untranslated: the schema's steps."""
        return self._run(lambda: self._script(sql))

    def interrupt(self) -> None:
        """Nothing: the server ends what takes too long (statement_timeout of who searches)."""

    def close(self) -> None:
        """Hang up."""
        if self._link is not None:
            self._run(self._hang_up)
        if self._aside is not None:
            self._aside.shutdown()
        self._loop.close()

    def _run(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a job to its end, here or, where a loop runs already, in the thread beside it."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loop.run_until_complete(job())
        self._aside = self._aside or ThreadPoolExecutor(1, thread_name_prefix="postgres")
        return self._aside.submit(lambda: self._loop.run_until_complete(job())).result()

    async def _script(self, script: str) -> Rows:
        if script in _LATER:
            self._put_off(script)
            return Rows([])
        if script in ("COMMIT", "ROLLBACK"):
            self._later.clear()
        if script == "ROLLBACK":
            self._is_begun = False
            if self._link is None or self._link.is_closed:  # the server has undone it
                return Rows([])
        link = await self._line()
        tag = await link.run("; ".join([*self._take_later(), script]))
        if script == "COMMIT":
            self._is_begun = False
            if tag != "COMMIT":
                raise ServerError("the server undid the transaction", code=sqlite3.SQLITE_BUSY)
        self._is_begun = self._is_begun or script.startswith("BEGIN")
        return Rows([])

    async def _ask(self, sql: str, values: Values) -> Rows:
        names = tuple(values) if isinstance(values, Mapping) else ()
        given = tuple(values.values()) if isinstance(values, Mapping) else tuple(values)
        said = statement(sql, tuple(map(type, given)), names)
        by_place: Any = values if isinstance(values, Mapping) else given  # Any: by name or by position
        wanted = [_value(by_place[place]) for place in said.places]
        link = await self._prepared_line()
        try:
            await link.prepare(said.sql)
            self._is_sent = True
            return self._counted(*await link.ask(said.sql, wanted))
        except ServerError:
            if self._is_begun or not link.is_closed:
                raise
        return self._counted(*await (await self._line()).ask(said.sql, wanted))  # a read by itself: asked once more

    async def _ask_many(self, sql: str, many: list[tuple[Any, ...]]) -> Rows:
        link = await self._prepared_line()
        insert = set_insert(sql)
        if insert is not None and not _writes_twice(insert, many):
            asked = insert.sql(await self._types_of(insert))
            arrays = [list(map(_value, column)) for column in zip(*many, strict=True)]
            await link.prepare(asked)
            self._is_sent = True
            return self._counted(*await link.ask(asked, arrays))
        said = statement(sql, tuple(map(type, many[0])))
        await link.ask_many(said.sql, [[_value(row[int(place)]) for place in said.places] for row in many])
        self._written += len(many)
        return Rows([], len(many))

    async def _types_of(self, insert: SetInsert) -> list[str]:
        if insert.table not in self._types:
            rows, _ = await (await self._line()).ask(_COLUMNS, ())
            for table, column, kind in rows:
                self._types.setdefault(table, {})[column] = kind
        if insert.table not in self._types:
            raise sqlite3.OperationalError(f"no such table: {insert.table}")
        known = self._types[insert.table]
        return [known[column] for column in insert.columns]

    def _put_off(self, script: str) -> None:
        """A job that asked nothing needs no savepoint; what is released at the end, COMMIT releases."""
        if script == _LATER[1] and self._later and self._later[-1] == _LATER[0]:
            self._later.pop()
        else:
            self._later.append(script)

    def _take_later(self) -> list[str]:
        later, self._later = self._later, []
        return later

    async def _prepared_line(self) -> Link:
        link = await self._line()
        if later := self._take_later():
            await link.run("; ".join(later))
        return link

    async def _line(self) -> Link:
        if self._link is not None and not self._link.is_closed:
            return self._link
        if self._is_begun:
            raise ServerError("the line to the server was lost inside a transaction", code=sqlite3.SQLITE_BUSY)
        if self._lost is not None and time.monotonic() - self._lost_s < AGAIN_S:
            raise ServerError(str(self._lost), code=sqlite3.SQLITE_BUSY)
        try:
            self._link = await open_link(self._dsn, **self._settings)
        except ServerError as err:
            self._lost, self._lost_s = err, time.monotonic()
            raise
        self._lost = None
        return self._link

    async def _hang_up(self) -> None:
        if self._link is not None:
            await self._link.close()

    def _counted(self, rows: list[tuple[Any, ...]], tag: str) -> Rows:
        word, _, number = tag.rpartition(" ")
        if word.startswith(("INSERT", "UPDATE", "DELETE", "MERGE")):
            self._written += int(number)
            return Rows(rows, int(number))
        return Rows(rows)


class PostgresReader(PostgresConnection):
    """A connection that only reads. Where nobody answers it raises BusyError: nothing was asked to change, all may ask again."""

    def __init__(self, dsn: str, **settings: str) -> None:
        super().__init__(dsn, default_transaction_read_only="on", **settings)

    def _run(self, job: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return super()._run(job)
        except ServerError as err:
            self._is_begun = self._is_begun and self._link is not None and not self._link.is_closed
            raise BusyError("no_database", str(err)) from err


def _writes_twice(insert: SetInsert, many: list[tuple[Any, ...]]) -> bool:
    """Whether an update would meet one row twice: then each row of values is a statement of its own, in its order."""
    return bool(insert.key) and len({tuple(row[at] for at in insert.key) for row in many}) < len(many)


def _value(value: Any) -> Any:
    """Return a value as its column takes it: SQLite has no truth values."""
    return int(value) if isinstance(value, bool) else value
