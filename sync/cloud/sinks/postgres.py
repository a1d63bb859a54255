"""A sink: PostgreSQL, a retailer's own warehouse, in a schema of its own. asyncpg is imported here, when the first sink opens.

    place      stream; life, n, rep, seq     in the transaction of the rows
    fact       (stream, rep, seq)            every fact as it came, once
    state      (stream, key, rep)            the last row of each key and writer
    sales, …   see sync.cloud.handing.tables facts that count, as columns; a key that is there stays as it is

`row` is of type json, which keeps what jsonb would refuse; cast it. A row whose columns PostgreSQL cannot hold (U+0000, a number
beyond 64 bits) is in `fact` alone. Tables are made where they are missing; what a retailer adds to them stays.
"""

from collections.abc import Coroutine
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sync.cloud.arrivals.rows import is_json_line
from sync.cloud.handing.tables import KEYS, ORIGIN, TABLES, TABLES_OF, Column, Line, Value, lines_of
from sync.cloud.sinks.sink import Page, Place, SinkError, SinkRow
from sync.model import Stream

if TYPE_CHECKING:
    import asyncpg

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
INT_MAX: Final = 2**63 - 1
T = TypeVar("T")
TYPES = {"text": "text", "int": "bigint", "date": "date", "time": "timestamptz", "flag": "boolean"}


PLACE_SQL = """
INSERT INTO place (stream, life, n, rep, seq) VALUES ($1, '', 0, '', 0)
ON CONFLICT (stream) DO UPDATE SET stream = excluded.stream
RETURNING life, n, rep, seq
"""  # an update of nothing, which takes the row's lock: the next worker waits, and finds the place moved
MOVE_SQL = "UPDATE place SET life = $2, n = $3, rep = $4, seq = $5 WHERE stream = $1"
FACT_SQL = """
INSERT INTO fact (stream, rep, seq, n, store, key, counts, received_at, row, raw)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10)
ON CONFLICT (stream, rep, seq) DO UPDATE SET n = excluded.n
"""
STATE_SQL = """
INSERT INTO state (stream, rep, seq, n, store, key, counts, received_at, row, raw)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10)
ON CONFLICT (stream, key, rep) DO UPDATE SET
  seq = excluded.seq, n = excluded.n, received_at = excluded.received_at, row = excluded.row, raw = excluded.raw
"""
_ROW = """
  stream text NOT NULL, rep text NOT NULL, seq bigint NOT NULL, n bigint NOT NULL, store text NOT NULL, key text NOT NULL,
  counts boolean NOT NULL, received_at timestamptz NOT NULL, row json, raw bytea
"""


class PostgresSink:
    """One connection to one schema."""

    def __init__(self, name: str, dsn: str, schema: str) -> None:
        self.name = name
        self._dsn = dsn
        self._schema = schema
        self._connection: "asyncpg.Connection[Any] | None" = None  # noqa: UP037 - not there at run time

    async def place(self, stream: str) -> Place:
        """Return up to where a stream was taken."""
        return await self._guarded(self._place(stream))

    async def take(self, page: Page) -> bool:
        """Keep a page and its place in one transaction; false where the place is another one."""
        return await self._guarded(self._take(page))

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T:
        """Await, with what asyncpg raises in our words."""
        import asyncpg

        try:
            return await work
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as err:
            raise SinkError(f"{self.name}: {type(err).__name__}: {err}; look at its dsn, rights and log") from err

    async def _open(self) -> "asyncpg.Connection[Any]":
        import asyncpg

        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings={"search_path": f'"{self._schema}"', "application_name": "store-hub"},
            )
            self._connection = connection
            await connection.execute(schema_sql(self._schema))
        return self._connection

    async def _place(self, stream: str) -> Place:
        connection = await self._open()
        row = await connection.fetchrow("SELECT life, n, rep, seq FROM place WHERE stream = $1", stream)
        return Place(*row) if row else Place()

    async def _take(self, page: Page) -> bool:
        connection = await self._open()
        async with connection.transaction():
            begun = await connection.fetchrow(PLACE_SQL, page.stream)
            if Place(*begun) != page.begin:
                return False
            if page.is_log:
                await connection.executemany(FACT_SQL, [_fact(page.stream, each) for each in page.rows])
            else:
                await self._keep_states(connection, page)
            for table, lines in _lines(page).items():
                await connection.executemany(table_sql(table), lines)
            end = page.end
            await connection.execute(MOVE_SQL, page.stream, end.life, end.n, end.rep, end.seq)
        return True

    async def _keep_states(self, connection: "asyncpg.Connection[Any]", page: Page) -> None:
        """Keep the last row of each key and writer; who was erased is in no row of any writer."""
        await connection.executemany(STATE_SQL, [_fact(page.stream, each) for each in page.rows])
        gone = [(page.stream, each.key, each.row.rep) for each in page.rows if each.erases]
        if gone:
            await connection.executemany("DELETE FROM state WHERE stream = $1 AND key = $2 AND rep <> $3", gone)


def schema_sql(schema: str) -> str:
    """Return what makes all tables that are missing."""
    made = [
        f'CREATE SCHEMA IF NOT EXISTS "{schema}"',
        """
        CREATE TABLE IF NOT EXISTS place (
          stream text PRIMARY KEY, life text NOT NULL, n bigint NOT NULL, rep text NOT NULL, seq bigint NOT NULL
        )
        """,
        f"CREATE TABLE IF NOT EXISTS fact ({_ROW}, PRIMARY KEY (stream, rep, seq))",
        f"CREATE TABLE IF NOT EXISTS state ({_ROW}, PRIMARY KEY (stream, key, rep))",
    ]
    for table, columns in TABLES.items():
        said = ", ".join(f'"{column.name}" {TYPES[column.type]}' for column in (*ORIGIN, *columns))
        key = ", ".join(f'"{column.name}"' for column in columns[: KEYS[table]])
        made.append(f'CREATE TABLE IF NOT EXISTS "{table}" ({said}, PRIMARY KEY ({key}))')
    return ";\n".join(made)


def table_sql(table: str) -> str:
    """Return what keeps a line of a table."""
    columns = [column.name for column in (*ORIGIN, *TABLES[table])]
    named, values = ", ".join(f'"{name}"' for name in columns), ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f'INSERT INTO "{table}" ({named}) VALUES ({values}) ON CONFLICT DO NOTHING'


def _lines(page: Page) -> dict[str, list[tuple[Any, ...]]]:
    """Return the lines of the facts that count by table, none of a row that has one that cannot be held. Any: of PostgreSQL."""
    found: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES_OF.get(page.stream, ())}
    for each in page.rows if found else ():
        made = lines_of(page.stream, each.row) if each.counts else None
        try:
            held = [(line.table, _held(line)) for line in made or ()]
        except ValueError:
            continue
        for table, values in held:
            found[table].append(values)
    return {table: lines for table, lines in found.items() if lines}


def _held(line: Line) -> tuple[Any, ...]:
    """Return a line's values as PostgreSQL's; raise ValueError for one that it cannot hold."""
    columns = (*ORIGIN, *TABLES[line.table])
    return tuple(_value(column, value) for column, value in zip(columns, line.values, strict=True))


def _value(column: Column, value: Value) -> Any:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(column.name)
        if column.type == "date":
            return date.fromisoformat(value)
        if column.type == "time":
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    elif isinstance(value, int) and abs(value) > INT_MAX:
        raise ValueError(column.name)
    return value


def _fact(stream: str, each: SinkRow) -> tuple[Any, ...]:
    """Return a row of `fact` or `state`; one that is no JSON as its bytes."""
    row = each.row
    said = (row.body.decode(), None) if is_json_line(row.body) else (None, row.body)
    at = datetime.fromtimestamp(row.received_ms / 1000, UTC)
    rep = "" if stream == Stream.CATALOGUE else row.rep  # the cloud's own, of whichever life
    return (stream, rep, row.seq, row.n, row.store, each.key.replace("\0", "\ufffd"), each.counts, at, *said)
