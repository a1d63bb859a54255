"""A group of jobs in one transaction: one that raises leaves nothing, those beside it stand, and they commit together.

Not here: which jobs make a group (sync.groups), who waits for what came of it (sync.db).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from msgspec import Struct

from sync import failpoints
from sync.storage_faults import is_storage_fault

BUSY_S = 5.0  # as sqlite3.connect has it: for an operator's shell; programs of ours hold the data folder's lock
WAIT = f"PRAGMA busy_timeout = {BUSY_S * 1000:.0f}"


class Outcome(Struct, frozen=True):
    """What a job came to."""

    result: Any = None  # Any: each job has its own result type
    error: Exception | None = None


def run_group(connection: sqlite3.Connection, jobs: list[Callable[[sqlite3.Connection], Any]]) -> list[Outcome]:
    """Run jobs in one transaction: one that fails leaves nothing, those beside it stand."""
    begin(connection)
    outcomes = do_jobs(connection, jobs)
    commit(connection)
    return outcomes


def begin(connection: sqlite3.Connection, *, at_once: bool = False) -> bool:
    """Begin a transaction, `at_once` or not at all: otherwise another program that writes is waited for, up to BUSY_S."""
    if not at_once:
        connection.execute("BEGIN IMMEDIATE")
        return True
    connection.execute("PRAGMA busy_timeout = 0").fetchone()
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as err:
        if err.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.execute(WAIT).fetchone()
    return True


def do_jobs(connection: sqlite3.Connection, jobs: list[Callable[[sqlite3.Connection], Any]]) -> list[Outcome]:
    """Run jobs in a transaction that was begun and leave it open for `commit`; of what is raised nothing is left.

    A SAVEPOINT keeps a copy of each page that changes, in memory: a job that is alone has none.
    """
    run = _run_beside if len(jobs) > 1 else _run_alone
    with _undone_by_what_is_raised(connection):
        return [run(connection, job) for job in jobs]


def commit(connection: sqlite3.Connection) -> None:
    """Make what `do_jobs` has left durable: this is what waits for the disk."""
    with _undone_by_what_is_raised(connection):
        if connection.in_transaction:
            failpoints.hit("commit.before")
            connection.execute("COMMIT")
            failpoints.hit("commit.after")


@contextmanager
def _undone_by_what_is_raised(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _run_beside(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], Any]) -> Outcome:
    connection.execute("SAVEPOINT job")
    outcome = _run_job(connection, job)
    if outcome.error is not None:
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    failpoints.hit("job.done")
    return outcome


def _run_alone(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], Any]) -> Outcome:
    outcome = _run_job(connection, job)
    if outcome.error is not None:
        connection.execute("ROLLBACK")
    failpoints.hit("job.done")
    return outcome


def _run_job(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], Any]) -> Outcome:
    try:
        return Outcome(job(connection))
    except Exception as err:
        if not connection.in_transaction or is_storage_fault(err):  # no job's fault; SQLite may have undone the group
            raise sqlite3.OperationalError(str(err)) from err
        return Outcome(error=err)
