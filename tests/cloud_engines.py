"""The two databases that a cloud may have, for tests on both: SQLite's file in a folder; a schema of its own on a server.

The judge asks each by its own client (sqlite3, asyncpg), past the code that the cloud asks by; only the words of its questions
are translated as the cloud's are.
"""

import asyncio
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg

from bench.postgres import binaries
from sync.cloud.postgres.dialect import statement


@dataclass
class Engine:
    """SQLite."""

    name: str = "sqlite"

    def settings(self, folder: Path) -> dict[str, Any]:
        """What stands in [cloud] for a cloud of this folder."""
        return {}

    def ask(self, folder: Path, sql: str, values: Sequence[Any]) -> list[Any]:
        """Ask in plain SQL."""
        with closing(sqlite3.connect(folder / "cloud.db")) as file:
            return file.execute(sql, values).fetchall()

    def is_whole(self, folder: Path) -> bool:
        """Whether tables and indexes agree, as the database's own checker says."""
        return self.ask(folder, "PRAGMA integrity_check", ()) == [("ok",)]

    def copy(self, folder: Path, to: Path) -> None:
        """Copy a folder's cloud as it stands, as a backup of this moment that is put back elsewhere."""
        with closing(sqlite3.connect(folder / "cloud.db")) as file, closing(sqlite3.connect(to / "cloud.db")) as copy:
            file.backup(copy)

    def said(self, folder: Path) -> dict[str, bytes]:
        """Return all that is held of a folder's cloud, and of the hubs beside it, by the names of files (and tables)."""
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class OnPostgres(Engine):
    """A schema of a server for each folder."""

    name: str = "postgres"
    dsn: str = ""
    made: set[str] = field(default_factory=set)

    def settings(self, folder: Path) -> dict[str, Any]:
        schema = self._schema(folder)
        if schema not in self.made:
            self.made.add(schema)
            in_its_loop(self._run(f"CREATE SCHEMA {schema}"))
        return {"database": self.dsn_of(folder)}

    def dsn_of(self, folder: Path) -> str:
        """The DSN of a folder's cloud."""
        return f"{self.dsn}&search_path={self._schema(folder)}"

    def ask(self, folder: Path, sql: str, values: Sequence[Any]) -> list[Any]:
        said = statement(sql, tuple(map(type, values)))
        return in_its_loop(self._fetch(folder, said.sql, [values[int(place)] for place in said.places]))

    def is_whole(self, folder: Path) -> bool:
        programs = binaries()
        assert programs is not None, "there is a server"
        check = [programs / "pg_amcheck", "--install-missing", "--heapallindexed", "--schema", self._schema(folder)]
        return subprocess.run([*check, self.dsn], capture_output=True, check=False).returncode == 0

    async def _fetch(self, folder: Path, sql: str, values: Sequence[Any]) -> list[Any]:
        connection = await asyncpg.connect(self.dsn_of(folder))
        try:
            return [tuple(map(_plain, row)) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def _run(self, sql: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def said(self, folder: Path) -> dict[str, bytes]:
        """The tables stand for their files: in those PostgreSQL itself overwrites what nobody sees any more."""
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        names = [name for (name,) in in_its_loop(self._fetch(folder, tables, []))]
        rows = {each: in_its_loop(self._fetch(folder, f'SELECT * FROM "{each}"', [])) for each in names}
        return super().said(folder) | {each: b"\n".join(_bytes(row) for row in found) for each, found in rows.items()}

    def copy(self, folder: Path, to: Path) -> None:
        made, name, programs = self._schema(folder), self._schema(to), binaries()
        assert programs is not None, "there is a server"
        dumped = [programs / "pg_dump", "--schema", made, self.dsn]
        dump = subprocess.run(dumped, check=True, capture_output=True, text=True).stdout
        put_back = [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", self.dsn]
        again = re.sub(rf"\b{made}\b", name, dump)
        subprocess.run(put_back, input=again, check=True, capture_output=True, text=True)
        self.made.add(name)

    def end(self) -> None:
        """Leave nothing to the next test."""
        for schema in self.made:
            in_its_loop(self._run(f"DROP SCHEMA {schema} CASCADE"))

    def _schema(self, folder: Path) -> str:
        return f"t{blake2b(str(folder).encode(), digest_size=6).hexdigest()}"


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) else value


def _bytes(row: tuple[Any, ...]) -> bytes:
    return b"\t".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


def in_its_loop(work: Any) -> Any:  # Any: a coroutine and its result
    """Run work in a thread of its own: a test's own loop goes on, or stands."""
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return found[0]
