"""A database for deterministic tests: the writer of sync.db without threads, tasks or a file of its own.

The groups, savepoints, failpoints and answers are the very code of sync.db; only who calls it is new. With no `later`, a write
commits before it returns its awaitable's result; with one, a commit is put off to a moment of virtual time, jobs that come
meanwhile share it, and whoever awaits is carried on by `drive`. A `Crash` that is raised anywhere in a commit leaves the
connection as the last COMMIT left it and nobody is told anything, as after a power cut.

Not here: where the connection comes from, its faults (tests/sim/disk.py), the order of events (tests/sim/world.py).
"""

import sqlite3
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, Generic, TypeVar

from sync.db import WRITER_JOBS_MAX, Database, _Job
from sync.errors import BusyError, SyncError
from sync.transaction import Outcome

SOON_S = 0.05  # as sync.db: a job that may wait goes alone after this
SOON_AGAIN_S = 1.0

T = TypeVar("T")
Later = Callable[[float, Callable[[], None]], None]
"""Call an action after so many seconds, unless the machine has died meanwhile."""


class Crash(BaseException):
    """The machine dies here, at a failpoint or before a statement. Nobody handles it, as nobody handles a power cut."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class Answer(Generic[T]):
    """What asyncio.Future is to the writer: settled once; whoever awaits it goes on when the writer says `resume`."""

    def __init__(self) -> None:
        self._outcome: Outcome | None = None
        self._resume: Callable[[], None] | None = None

    def cancelled(self) -> bool:
        """Nobody hangs up here: a client that has lost interest is the client's matter."""
        return False

    def set_result(self, result: T) -> None:
        """Settle."""
        self._outcome = Outcome(result)

    def set_exception(self, error: Exception) -> None:
        """Settle."""
        self._outcome = Outcome(error=error)

    def when_resumed(self, action: Callable[[], None]) -> None:
        """Say who awaits."""
        self._resume = action

    def resume(self) -> None:
        """Let whoever awaits go on."""
        if self._resume is not None:
            self._resume()

    def __await__(self) -> Generator["Answer[T]", None, T]:
        if self._outcome is None:
            yield self
        assert self._outcome is not None, "carried on before it was settled"
        if self._outcome.error is not None:
            raise self._outcome.error
        result: T = self._outcome.result
        return result


class SimDatabase(Database):
    """Owner of a connection that is open already; see sync.db.Database for what its methods promise."""

    def __init__(
        self, connection: sqlite3.Connection, *, later: Later | None = None, commit_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`commit_s` says how long each commit takes to come about; without `later` all happens at once."""
        super().__init__(Path(":memory:"), migrations="")
        self._connection = connection
        self._writer = _Inline(connection)  # type: ignore[assignment]  # all that _commit asks of an aiosqlite connection
        self._later = later
        self._commit_s = commit_s
        self._is_due = False
        self._soon_within_s = SOON_S

    @property
    def read(self) -> sqlite3.Connection:
        """The same connection: between commits it shows what is committed, and a job has no business with it."""
        assert not self._connection.in_transaction, "a job reads through what it was given"
        return self._connection

    async def write(
        self,
        job: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None] | None = None,
        otherwise: Callable[[], None] | None = None,
        is_brief: bool = False,
    ) -> T:
        """See sync.db.Database.write."""
        if len(self._waiting) >= WRITER_JOBS_MAX or self._closing:
            if otherwise is not None:
                otherwise()
            raise BusyError("busy", f"{len(self._waiting)} writes are waiting")
        answer: Answer[T] = Answer()
        self._waiting.append(_Job(job, then, answer, otherwise, is_brief=is_brief))  # type: ignore[arg-type]  # all that _settle asks
        if self._later is None:
            self.commit()
        elif not self._is_due:
            self._is_due = True
            self._later(self._commit_s(), self.commit)
        return await answer

    def write_soon(
        self,
        job: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None],
        otherwise: Callable[[], None] | None = None,
        within_s: float = SOON_S,
        is_brief: bool = False,
    ) -> None:
        """See sync.db.Database.write_soon; without `later` it waits for the next write or `commit`."""
        if self._later is not None and (not self._soon or within_s < self._soon_within_s):
            self._later(within_s, self.commit)
            self._soon_within_s = within_s
        self._soon.append(_Job(job, then, Answer(), otherwise, is_brief=is_brief))  # type: ignore[arg-type]  # as above

    async def search(self, sql: str, parameters: dict[str, Any]) -> list[Any]:
        """Fetch all rows."""
        return self.read.execute(sql, parameters).fetchall()

    def commit(self) -> None:
        """Commit what waits as one group, tell everybody, and let them go on."""
        self._is_due = False
        soon, waiting = self._soon, list(self._waiting)
        self._soon = []
        self._waiting.clear()
        if soon or waiting:
            run_now(self._commit(soon, waiting))
        for job in waiting:
            assert isinstance(job.answer, Answer)
            job.answer.resume()

    def _put_off(self, soon: list[_Job[Any]]) -> None:
        if soon:
            self._soon = [*soon, *self._soon]
            if self._later is not None:
                self._later(SOON_AGAIN_S, self.commit)


class _Inline:
    """What the writer needs of its thread, without one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn = connection

    @property
    def total_changes(self) -> int:
        return self._conn.total_changes

    async def _execute(self, function: Callable[..., T], *args: Any) -> T:  # Any: as aiosqlite
        return function(*args)


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that waits for nothing."""
    try:
        _first_wait(coroutine)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits for what does not come about by itself")


def drive(coroutine: Coroutine[Any, Any, T], *, done: Callable[[T], None], failed: Callable[[SyncError], None]) -> None:
    """Run a coroutine until it waits for a commit, carry it on after that; `failed` gets what the store says of itself."""
    try:
        answer = _first_wait(coroutine)
    except StopIteration as stop:
        done(stop.value)
    except SyncError as err:
        failed(err)
    else:
        answer.when_resumed(lambda: drive(coroutine, done=done, failed=failed))


def _first_wait(coroutine: Coroutine[Any, Any, T]) -> "Answer[Any]":
    """Return what a coroutine waits for; where it only lets others go first it goes on: nothing takes time here."""
    while True:
        answer: Answer[Any] | None = coroutine.send(None)
        if answer is not None:
            return answer
