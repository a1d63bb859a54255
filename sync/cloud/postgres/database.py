"""The cloud's database on a PostgreSQL server: three connections in the place of SQLite's, one writer task, group commit.

A group that the server undid for another's sake (a deadlock, a serialisation failure) is run again: nothing of it was written.
One whose COMMIT was not answered is not: its jobs are answered `outcome_unknown`, and the same again settles them.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sync.cloud.postgres.connection import PostgresReader
from sync.cloud.postgres.link import ServerError, shown
from sync.cloud.postgres.migrating import migrate
from sync.cloud.postgres.writer import PostgresWriter
from sync.db import SEARCH_TIMEOUT_S, Database
from sync.errors import StartError
from sync.transaction import Outcome

AGAIN_MAX = 5  # of one group; more would be two workers that fight, and then the hub asks again


class PostgresDatabase(Database):
    """See sync.db.Database; `folder` is where the cloud's other files are."""

    def __init__(self, dsn: str, *, folder: Path, migrations: str) -> None:
        super().__init__(folder / "cloud.db", migrations=migrations)
        self.dsn = dsn

    def connect_writer(self) -> sqlite3.Connection:
        """Dial and bring the schema to the newest; raise StartError with the remedy."""
        connection = PostgresWriter(self.dsn)
        try:
            migrate(connection, self._migrations)
        except sqlite3.Error as err:
            connection.close()
            raise StartError(
                f"{shown(self.dsn)}: {err}; see that PostgreSQL runs, that [cloud] database names it, "
                "and that its user may create tables"
            ) from err
        except StartError:
            connection.close()
            raise
        return connection

    def connect_reader(self) -> sqlite3.Connection:
        """A connection for point reads; it dials when it is asked first."""
        return PostgresReader(self.dsn)

    def connect_searcher(self) -> sqlite3.Connection:
        """A connection for searches, which the server ends itself."""
        timeout_ms = str(round(SEARCH_TIMEOUT_S * 1000))
        return PostgresReader(self.dsn, statement_timeout=timeout_ms)

    def connect_aside(self) -> sqlite3.Connection:
        """A connection for one long read."""
        return PostgresReader(self.dsn)

    async def empty_log(self) -> bool:
        """The server keeps its own log and cuts it itself."""
        return True

    async def save_room(self, *, is_scarce: bool) -> None:
        """The server's disk is its own affair."""

    def _check_promise(self) -> None:
        """The server says itself where its disk takes nothing."""

    async def _run(self, jobs: list[Callable[[sqlite3.Connection], Any]], *, are_brief: bool) -> list[Outcome]:
        """None is brief: each statement goes to the server."""
        del are_brief
        jobs = [partial(_run_job, job) for job in jobs]
        for _ in range(AGAIN_MAX):
            try:
                return await super()._run(jobs, are_brief=False)
            except sqlite3.Error as err:
                if not _is_undone(err):
                    raise
        return await super()._run(jobs, are_brief=False)


@asynccontextmanager
async def open_postgres(dsn: str, *, folder: Path, migrations: str) -> AsyncIterator[Database]:
    """Open the database and run its writer; at the end the waiting jobs are done before the lines are closed."""
    async with PostgresDatabase(dsn, folder=folder, migrations=migrations) as db, asyncio.TaskGroup() as group:
        group.create_task(db.run_writer(), name="writer")
        try:
            yield db
        finally:
            db.drain()


def _run_job(job: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    assert isinstance(connection, PostgresWriter)
    return connection.run_job(job)


def _is_undone(err: sqlite3.Error) -> bool:
    """Whether the server undid the group itself, so that it may run again; a job's error is wrapped."""
    return any(isinstance(each, ServerError) and each.is_again for each in (err, err.__cause__))
