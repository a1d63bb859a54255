"""A group of jobs in one transaction: one that raises leaves nothing, those beside it stand, and they commit together.

Not here: which jobs make a group (sync.groups), who waits for what came of it (sync.db).
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Struct

from sync import failpoints
from sync.storage_faults import is_storage_fault


class Outcome(Struct, frozen=True):
    """What a job came to."""

    result: Any = None  # Any: each job has its own result type
    error: Exception | None = None


def run_group(connection: sqlite3.Connection, jobs: list[Callable[[sqlite3.Connection], Any]]) -> list[Outcome]:
    """Run jobs in one transaction: one that fails leaves nothing, those beside it stand.

    A SAVEPOINT keeps a copy of each page that changes, in memory: a job that is alone has none.
    """
    run = _run_beside if len(jobs) > 1 else _run_alone
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [run(connection, job) for job in jobs]
        if connection.in_transaction:
            failpoints.hit("commit.before")
            connection.execute("COMMIT")
            failpoints.hit("commit.after")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return outcomes


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
