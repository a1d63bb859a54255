"""The line to the PostgreSQL server: the one file that knows asyncpg. A connection opens, is asked, and says what went wrong.

What asyncpg raises is told as sqlite3 tells it, because the rules are written against that: an integrity error is a job's own; a
server that is gone, full or read-only is the group's (sync.storage_faults). The password stands in no message.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.prepared_stmt import PreparedStatement

CONNECT_TIMEOUT_S = 5.0  # a server that is there answers within milliseconds; one that is not is asked again
WAIT_FOR_TURN_MS = (
    60_000  # another worker's commit takes milliseconds; one that hangs is ended by the server after the next
)
IDLE_IN_TRANSACTION_MS = 30_000  # a worker that stops inside its turn loses it: nothing of it was acknowledged
STATEMENTS_MAX = 512  # prepared at once; the one that was asked longest ago is forgotten
_SETTINGS = {
    "application_name": "storehub cloud",
    "jit": "off",
    "timezone": "UTC",
    "lock_timeout": str(WAIT_FOR_TURN_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    "synchronous_commit": "on",
}
_AGAIN = ("40001", "40P01")


class ServerError(sqlite3.OperationalError):
    """The server is gone, full, read-only, or has undone the transaction for another's sake: nothing is known of a COMMIT."""

    def __init__(self, text: str, *, code: int, is_again: bool = False) -> None:
        super().__init__(text)
        self.sqlite_errorcode = code
        self.is_again = is_again


class Link:
    """One connection, used by one task at a time; made by `open_link`."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._prepared: dict[str, PreparedStatement[Any]] = {}

    @property
    def is_closed(self) -> bool:
        """Whether the line is gone."""
        return bool(self._connection.is_closed())

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it one that the server has given up."""
        return not self.is_closed and self._connection.is_in_transaction()

    async def run(self, script: str) -> str:
        """Run statements without values, several at once; return the last one's tag."""
        import asyncpg

        try:
            return str(await self._connection.execute(script))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
            raise _told(err) from err

    async def prepare(self, sql: str) -> None:
        """Have a statement known to the server: `ask` sends it then before it waits."""
        import asyncpg

        try:
            await self._statement(sql)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
            raise _told(err) from err

    async def ask(self, sql: str, values: Sequence[Any]) -> tuple[list[tuple[Any, ...]], str]:
        """Run one statement with values; return its rows and its tag. Any: values of columns."""
        import asyncpg

        try:
            prepared = await self._statement(sql)
            rows = await prepared.fetch(*values)
            return [tuple(row) for row in rows], prepared.get_statusmsg()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
            raise _told(err) from err

    async def ask_many(self, sql: str, many: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of values, without waiting between them."""
        import asyncpg

        try:
            await self._connection.executemany(sql, many)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
            raise _told(err) from err

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write rows by COPY, which knows no ON CONFLICT; return how many."""
        import asyncpg

        try:
            tag = await self._connection.copy_records_to_table(table, columns=columns, records=rows)
        except (ValueError, TypeError, OverflowError) as err:
            raise sqlite3.DataError(f"{table}: {err}") from err
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as err:
            raise _told(err) from err
        return int(str(tag).rpartition(" ")[2])

    async def close(self) -> None:
        """Hang up; a server that does not answer is left."""
        self._prepared.clear()
        try:
            await self._connection.close(timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError):
            self._connection.terminate()

    async def _statement(self, sql: str) -> "PreparedStatement[Any]":
        prepared = self._prepared.pop(sql, None) or await self._connection.prepare(sql)
        self._prepared[sql] = prepared
        if len(self._prepared) > STATEMENTS_MAX:
            self._prepared.pop(next(iter(self._prepared)))
        return prepared


async def open_link(dsn: str, **settings: str) -> Link:
    """Dial; raise ServerError when nobody answers within CONNECT_TIMEOUT_S or the server refuses."""
    import asyncpg

    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_S, statement_cache_size=STATEMENTS_MAX, server_settings=_SETTINGS | settings
        )
        async with _or_hang_up(connection):
            await connection.set_type_codec(  # sums of bigint
                "numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text"
            )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as err:
        raise ServerError(f"{shown(dsn)}: {err or 'no answer'}", code=sqlite3.SQLITE_BUSY) from err
    return Link(connection)


async def listen(dsn: str, channel: str, heard: "asyncio.Queue[str]") -> Link:
    """Dial and put what is told on a channel into a queue that is never full: its reader takes all that is there at once."""
    link = await open_link(dsn)
    async with _or_hang_up(link._connection):
        await link._connection.add_listener(channel, lambda *told: heard.put_nowait(str(told[-1])))
    return link


@asynccontextmanager
async def _or_hang_up(connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Leave no line open behind a start that fails, or is cancelled, half-way."""
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done:
            connection.terminate()


def shown(dsn: str) -> str:
    """Return a DSN as it may stand in a log: without its password."""
    parts = urlsplit(dsn)
    user, _, place = parts.netloc.rpartition("@")
    place = f"{user.partition(':')[0]}@{place}" if user else place
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def _number(said: str) -> int | float:
    number = Decimal(said)
    return int(number) if number == number.to_integral_value() else float(number)


def _told(err: Exception) -> sqlite3.Error:
    import asyncpg

    state = getattr(err, "sqlstate", "") or ""
    if isinstance(err, asyncpg.IntegrityConstraintViolationError):
        return sqlite3.IntegrityError(str(err))
    if state in _AGAIN:
        return ServerError(str(err), code=sqlite3.SQLITE_BUSY, is_again=True)
    if state == "53100":
        return ServerError(str(err), code=sqlite3.SQLITE_FULL)
    if state == "25006":
        return ServerError(str(err), code=sqlite3.SQLITE_READONLY)
    if not state or state[:2] in ("08", "53", "57", "58", "XX") or state in ("25P03", "55P03"):
        return ServerError(str(err), code=sqlite3.SQLITE_BUSY)
    return sqlite3.OperationalError(str(err))
