"""A store's SQLite file: one writer task, group commit, read-only connections.

A write is a job, a function of the connection; jobs that wait together run in one transaction, each of several in a SAVEPOINT,
and commit together with synchronous=FULL. Nobody waits for company: a group is what is waiting when the writer is free, of each
client its share (sync.groups); between two groups the loop makes a pass, so that who was answered goes on. Jobs run in the
writer's thread; a group of nothing but brief ones on the loop, and the thread has its COMMIT alone, which waits for the disk:
otherwise the two hand the interpreter over for each statement.

    job ends   job raises   COMMIT     answer to the caller        `then`
    yes        no           done       its result                  called, in commit order
    -          yes          -          its exception               not called; what it wrote is undone
    yes        no           fails      OutcomeUnknownError         not called

Not here: any table, how the file is opened (sync.connections), the log's way into it (sync.checkpoints). Source: the design, 3.5.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from time import perf_counter
from typing import Any, Generic, Self, TypeVar

import aiosqlite

from sync.checkpoints import Checkpoints
from sync.connections import (
    CHECKPOINT_PAGES_SCARCE,
    LOG_PAGES,
    READER_CACHE_KIB,
    Synchronous,
    connect_reader,
    connect_writer,
)
from sync.errors import BusyError, StartError
from sync.groups import WRITES_FOR, take_group
from sync.snapshot import Snapshot
from sync.storage_faults import StorageFault, is_mounted_read_only, refusal, storage_fault
from sync.transaction import WAIT, Outcome, begin, commit, do_jobs, run_group

WRITER_JOBS_MAX = 512  # waiting write jobs; when full a write is refused with 503 and Retry-After, nothing is dropped
SEARCH_TIMEOUT_S = 2.0  # a text search beyond this is interrupted: it must not hold a WAL snapshot open for long
SOON_AGAIN_S = 1.0  # after a commit failed
SOON_S = 0.05  # a job that may wait rides with the next group, or goes alone after this

_START_REMEDIES: dict[StorageFault, str] = {
    "no_space": "the disk is full: make room, then start again",
    "read_only": "the file system is read-only: see `dmesg`, the card may be worn; mount it read-write, or replace it",
    "outcome_unknown": "restore a backup, or move the file away to begin anew",
}
log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    run: Callable[[sqlite3.Connection], T]
    then: Callable[[T], None] | None
    answer: "asyncio.Future[T]"
    otherwise: Callable[[], None] | None = None
    client: str = ""
    is_brief: bool = False


class Database:
    """Owner of the only read-write connection. Use as a context manager; `run_writer` and `run_checkpoints` must run
    in a task group.
    """

    def __init__(self, path: Path, *, migrations: str, synchronous: Synchronous = "full") -> None:
        self._path = path
        self._migrations = migrations
        self._synchronous = synchronous
        self._waiting: deque[_Job[Any]] = deque()
        self._wake = asyncio.Event()
        self._soon: list[_Job[Any]] = []
        self._soon_timer: asyncio.TimerHandle | None = None
        self._is_soon_due = False
        self._closing = False
        self._checkpoints = Checkpoints(path, synchronous)
        self.fault: StorageFault | None = None  # why the last commit failed, where it did
        self.make_room: Callable[[], bool] = lambda: False  # asked when there is none; True: there may be some now
        self._written = 0
        self.commits = 0
        self.jobs = 0
        self.on_group: Callable[[int, bool], None] = lambda _jobs, _ok: None
        self.on_took: Callable[[float], None] = lambda _took_s: None

    async def __aenter__(self) -> Self:
        try:  # in a passing thread: a file that does not open leaves none behind
            connection = await asyncio.to_thread(self.connect_writer)
        except sqlite3.Error as err:
            raise StartError(f"{self._path}: {err}; {_START_REMEDIES[storage_fault(err, self._path)]}") from err
        self._writer = await aiosqlite.Connection(lambda: connection, 64)
        async with AsyncExitStack() as half_open:
            half_open.push_async_callback(self._writer.close)
            self._reader = self.connect_reader()
            self._snapshot = Snapshot(self._reader)
            self._searcher = await aiosqlite.Connection(self.connect_searcher, 64)
            half_open.pop_all()
        self._checkpoints.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.close()
        await self._searcher.close()
        await self._writer.close()
        self._checkpoints.close()

    def connect_writer(self) -> sqlite3.Connection:
        """Open the read-write connection; called in a passing thread."""
        return connect_writer(self._path, self._migrations, self._synchronous)

    def connect_reader(self) -> sqlite3.Connection:
        """Open the connection for point reads on the loop."""
        return connect_reader(self._path, cache_kib=READER_CACHE_KIB)

    def connect_searcher(self) -> sqlite3.Connection:
        """Open the connection of the searching thread."""
        return connect_reader(self._path, other_thread=True)

    def connect_aside(self) -> sqlite3.Connection:
        """Open a connection for one long read; called in the thread that reads."""
        return connect_reader(self._path)

    @property
    def path(self) -> Path:
        """The file, for readers of a thread's own."""
        return self._path

    @property
    def read(self) -> sqlite3.Connection:
        """The read-only connection for point reads on the loop: they cost less than a hop to a thread."""
        return self._reader

    @property
    def waiting(self) -> int:
        """How many write jobs wait for their commit; WRITER_JOBS_MAX are refused."""
        return len(self._waiting)

    @property
    def is_proven(self) -> bool:
        """Whether this process has written something, and the last commit went through."""
        return self.fault is None and self._written > 0

    def snapshot(self) -> Snapshot:
        """Read what is of one moment, in a `with` block without an await; each read outside takes SQLite's locks anew."""
        return self._snapshot

    async def write(
        self,
        job: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None] | None = None,
        otherwise: Callable[[], None] | None = None,
        is_brief: bool = False,
    ) -> T:
        """Run `job` in a group transaction and return its result after the commit; a cancelled caller does not undo it.

        One of `then` and `otherwise` is called, also when the caller is gone. `is_brief`: it takes no longer than a look-up.

        Raise what the job raises, BusyError when WRITER_JOBS_MAX wait, OutcomeUnknownError when the commit fails.
        """
        if len(self._waiting) >= WRITER_JOBS_MAX or self._closing:
            if otherwise is not None:
                otherwise()
            raise BusyError("busy", f"{len(self._waiting)} writes are waiting")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(job, then, answer, otherwise, WRITES_FOR.get(), is_brief))
        self._wake.set()
        return await answer  # a caller that is cancelled cancels this, and not the job

    def write_soon(
        self,
        job: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None],
        otherwise: Callable[[], None] | None = None,
        within_s: float = SOON_S,
        is_brief: bool = False,
    ) -> None:
        """Run `job` with the next group, or alone after `within_s`; `otherwise` is called when it raises.

        For what a crash may forget; callers bound how many there are.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_mark_retrieved)
        self._soon.append(_Job(job, then, answer, otherwise, is_brief=is_brief))
        self._wake_within(within_s)

    async def search(self, sql: str, parameters: dict[str, Any]) -> list[Any]:
        """Fetch all rows in the searching thread; raise BusyError when it takes longer than SEARCH_TIMEOUT_S."""
        return await self.look(lambda read: read.execute(sql, parameters).fetchall())

    async def look(self, find: Callable[[sqlite3.Connection], T]) -> T:
        """Run reads in the searching thread; raise BusyError when they take longer than SEARCH_TIMEOUT_S."""
        run: Callable[..., Awaitable[T]] = self._searcher._execute
        try:
            async with asyncio.timeout(SEARCH_TIMEOUT_S):
                return await run(find, self._searcher._conn)
        except TimeoutError as err:
            await self._searcher.interrupt()
            raise BusyError("search_too_slow", f"the search took longer than {SEARCH_TIMEOUT_S} s") from err

    async def study(self, find: Callable[[sqlite3.Connection], T]) -> T:
        """Run reads that take long in a passing thread, on a connection of their own: they hold up no other reader."""
        return await asyncio.to_thread(_studied, self.connect_aside, find)

    async def empty_log(self) -> bool:
        """Bring all that is committed into the file and cut the write-ahead log; false while a reader still needs it."""
        run: Callable[..., Awaitable[Any]] = self._writer._execute
        async with self._checkpoints.alone():
            row = await run(lambda: self._writer._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        return bool(row[0] == 0)

    async def save_room(self, *, is_scarce: bool) -> None:
        """Keep the write-ahead log short where room is scarce, and cut it now, unless a reader still needs it."""
        run: Callable[..., Awaitable[None]] = self._writer._execute
        async with self._checkpoints.alone():
            await run(_save_room, self._writer._conn, is_scarce)

    async def run_writer(self) -> None:
        """Serve write jobs until `drain` is called and all of them are answered."""
        while not (self._closing and not self._waiting and not self._soon):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or (self._soon and (self._is_soon_due or self._closing)):
                soon, waiting = self._take_soon(), take_group(self._waiting, attrgetter("client"))
                if not await self._commit(soon, waiting) and not self._waiting:
                    break
                await asyncio.sleep(0)  # who was answered goes on; what comes meanwhile is of the next group

    async def run_checkpoints(self) -> None:
        """Bring the log into the file beside the writer until `drain` is called."""
        await self._checkpoints.run()

    def drain(self) -> None:
        """Accept no more jobs; the writer ends when the waiting ones are done."""
        self._closing = True
        self._checkpoints.stop()
        self._wake.set()

    def _take_soon(self) -> list[_Job[Any]]:
        soon, self._soon, self._is_soon_due = self._soon, [], False
        if self._soon_timer is not None:
            self._soon_timer.cancel()
            self._soon_timer = None
        return soon

    def _wake_within(self, within_s: float) -> None:
        """Have the writer take what may wait when the time is over, unless a group takes it before."""
        loop, timer = asyncio.get_running_loop(), self._soon_timer
        at_s = loop.time() + within_s
        if timer is None or at_s < timer.when():
            if timer is not None:
                timer.cancel()
            self._soon_timer = loop.call_at(at_s, self._fall_due)

    def _fall_due(self) -> None:
        self._soon_timer, self._is_soon_due = None, True
        self._wake.set()

    async def _commit(self, soon: list[_Job[Any]], waiting: list[_Job[Any]]) -> bool:
        group, has_failed = [*soon, *waiting], False
        begun_s = perf_counter()
        try:
            outcomes = await self._run([job.run for job in group], are_brief=all(job.is_brief for job in group))
        except sqlite3.Error as err:
            fault = storage_fault(err, self._path)
            if fault != self.fault:
                log.error("commit failed; check the disk", extra={"error": str(err), "why": fault, "jobs": len(group)})
            self.fault = fault
            self._written = self._writer.total_changes  # counts what was undone as well
            has_failed = True
            self._put_off(soon)
            group = waiting
            outcomes = [Outcome(error=refusal(fault, err))] * len(group)
        else:
            self._note_success()
            self._checkpoints.see_to_it()
        self.jobs += len(group)
        self.on_took(perf_counter() - begun_s)
        for job, outcome in zip(group, outcomes, strict=True):
            _settle(job, outcome)
        self.on_group(len(group), not has_failed)  # the line wakes when what was committed has been told in the shop
        return not has_failed

    async def _run(self, jobs: list[Callable[[sqlite3.Connection], Any]], *, are_brief: bool) -> list[Outcome]:
        """Run a group, again where it found no room and some was made: nothing of it was written."""
        # aiosqlite has no public way to run a function in its thread; a hop for each statement would cost more than the sale
        run: Callable[..., Awaitable[Any]] = self._writer._execute
        while True:
            try:
                async with self._checkpoints.between_groups:
                    if are_brief and begin(self._writer._conn, at_once=True):
                        outcomes = do_jobs(self._writer._conn, jobs)
                        await run(commit, self._writer._conn)
                    else:
                        outcomes = await run(run_group, self._writer._conn, jobs)
            except sqlite3.Error as err:
                if storage_fault(err, self._path) != "no_space" or not self.make_room():
                    raise
            else:
                self._check_promise()
                return outcomes

    def _check_promise(self) -> None:
        """Raise where a commit is none: a file system made read-only by force answers fsync at once and writes nothing."""
        if self._writer.total_changes != self._written and is_mounted_read_only(self._path.parent):
            error = sqlite3.OperationalError("the file system was made read-only meanwhile")
            error.sqlite_errorcode = sqlite3.SQLITE_READONLY
            raise error

    def _note_success(self) -> None:
        """A group that wrote nothing proves nothing of the disk."""
        written = self._writer.total_changes
        if self.fault is not None and written != self._written:
            log.info("commits go through again")
            self.fault = None
        self._written = written
        self.commits += 1

    def _put_off(self, soon: list[_Job[Any]]) -> None:
        """Nobody waits for these: they go with the next group, or alone after a while; at the end they are forgotten."""
        if soon and self._closing:
            log.error("writes were given up at the end", extra={"jobs": len(soon)})
        elif soon:
            self._soon = [*soon, *self._soon]
            self._wake_within(SOON_AGAIN_S)


@asynccontextmanager
async def open_database(path: Path, *, migrations: str, synchronous: Synchronous = "full") -> AsyncIterator[Database]:
    """Open the file and run its writer; at the end the waiting jobs are done before the file is closed.

    `migrations` names the package whose numbered SQL files make the schema.
    """
    async with Database(path, migrations=migrations, synchronous=synchronous) as db, asyncio.TaskGroup() as group:
        group.create_task(db.run_writer(), name="writer")
        group.create_task(db.run_checkpoints(), name="checkpoints")
        try:
            yield db
        finally:
            db.drain()


def _mark_retrieved(answer: "asyncio.Future[Any]") -> None:
    if not answer.cancelled():
        answer.exception()  # nobody reads it; asyncio would complain


def _settle(job: _Job[Any], outcome: Outcome) -> None:
    if outcome.error is None and job.then is not None:
        job.then(outcome.result)
    if outcome.error is not None and job.otherwise is not None:
        job.otherwise()
    if job.answer.cancelled():
        return
    if outcome.error is None:
        job.answer.set_result(outcome.result)
    else:
        job.answer.set_exception(outcome.error)


def _studied(connect: Callable[[], sqlite3.Connection], find: Callable[[sqlite3.Connection], T]) -> T:
    with closing(connect()) as read:
        return find(read)


def _save_room(connection: sqlite3.Connection, is_scarce: bool) -> None:
    pages = CHECKPOINT_PAGES_SCARCE if is_scarce else LOG_PAGES
    connection.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchone()
    if is_scarce:
        connection.execute("PRAGMA busy_timeout = 0").fetchone()  # sales wait behind this: no reader is waited for
        with suppress(sqlite3.Error):  # no room to empty it into: the commits will say so
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(WAIT).fetchone()
