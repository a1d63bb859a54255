"""What the service manager hears of a hub: on a real socket, of a real database, with a loop and a writer that hang."""

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.migrations import MIGRATIONS
from hub.service.life import FEEDS, WORK_CPU_S, Life
from hub.service.notify import Manager
from sync.db import WRITER_JOBS_MAX, Database
from sync.errors import OutcomeUnknownError
from tests.files import open_fresh

LIMIT_S = 0.08
EVERY_S = LIMIT_S / FEEDS
SILENT_S = LIMIT_S  # four times as long as between two signs of life


class Listener:
    """The manager's end."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.manager = Manager(str(path), LIMIT_S)

    def said(self, *, within_s: float = 0.0) -> list[str]:
        """Return what came; the first may take `within_s`, and no loop turns meanwhile."""
        found: list[str] = []
        self.socket.settimeout(within_s or 1e-6)
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
                self.socket.settimeout(1e-6)
        except (TimeoutError, BlockingIOError):
            return found

    async def next(self) -> str:
        """Wait for the next words."""
        self.socket.setblocking(False)
        async with asyncio.timeout(30):
            return (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "notify.sock")
    yield listener
    listener.socket.close()


@asynccontextmanager
async def feeding(db: Database, listener: Listener) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Life(listener.manager).feed(db), name="watchdog")
        try:
            yield
        finally:
            task.cancel()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_fresh(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        yield db


async def test_a_hub_that_lives_feeds_its_watchdog_again_and_again(db: Database, listener: Listener) -> None:
    async with feeding(db, listener):
        assert {await listener.next() for _ in range(4)} == {"WATCHDOG=1"}


async def test_a_hung_writer_starves_it_though_the_loop_turns(db: Database, listener: Listener) -> None:
    """A job that does not come back is what a commit is that hangs in the kernel."""
    has_begun, may_end = threading.Event(), threading.Event()

    def hang(_tx: sqlite3.Connection) -> None:
        has_begun.set()
        may_end.wait()

    async with feeding(db, listener):
        await listener.next()
        hung = asyncio.ensure_future(db.write(hang))
        await asyncio.to_thread(has_begun.wait)
        listener.said()
        turns = 0
        ends_at_s = time.monotonic() + SILENT_S
        while time.monotonic() < ends_at_s:
            await asyncio.sleep(0)
            turns += 1
        silent = listener.said()
        may_end.set()
        await hung
        again = await listener.next()

    assert turns > 10 and silent == []
    assert again == "WATCHDOG=1", "it lives again"


async def test_a_hung_loop_starves_it_though_the_writer_serves(db: Database, listener: Listener) -> None:
    async with feeding(db, listener):
        await listener.next()
        listener.said()
        silent = listener.said(within_s=SILENT_S)  # a driver's call that blocks: no loop turns in here
        again = await listener.next()

    assert silent == []
    assert again == "WATCHDOG=1"


async def test_signs_of_life_are_not_written_to_the_card(db: Database, listener: Listener, tmp_path: Path) -> None:
    def files() -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.glob("hub.db*")}

    before, commits = files(), db.commits
    async with feeding(db, listener):
        for _ in range(10):
            await listener.next()

    assert db.commits - commits >= 10, "each went all the way"
    assert {"hub.db", "hub.db-wal"} <= before.keys()
    assert files() == before


async def test_a_disk_that_refuses_every_write_is_no_reason_to_start_again(db: Database, listener: Listener) -> None:
    """Till and console are told why; look-ups go on. What hangs is ended, what answers is not."""

    def refuse(_tx: sqlite3.Connection) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise full

    async with feeding(db, listener):
        for _ in range(3):
            listener.said()
            with pytest.raises(OutcomeUnknownError):
                await db.write(refuse)
            assert await listener.next() == "WATCHDOG=1"
    assert db.fault is not None


async def test_a_queue_that_is_full_behind_a_hung_job_starves_it(db: Database, listener: Listener) -> None:
    """No job of ours is let in then."""
    may_end = threading.Event()
    hung = [asyncio.ensure_future(db.write(lambda _: may_end.wait()))]
    while not db._writer.in_transaction:  # noqa: ASYNC110 - a thread has no Event of the loop
        await asyncio.sleep(0)
    hung += [asyncio.ensure_future(db.write(lambda _: None)) for _ in range(WRITER_JOBS_MAX)]
    await asyncio.sleep(0)

    async with feeding(db, listener):
        await asyncio.sleep(SILENT_S)
        unserved = listener.said()
        may_end.set()
        served = await listener.next()
        await asyncio.gather(*hung)

    assert unserved == []
    assert served == "WATCHDOG=1"


async def test_a_start_that_works_is_given_more_time_and_one_that_hangs_is_not(listener: Listener) -> None:
    """What it does is judged by what the process has done: processor time, blocks."""
    async with asyncio.TaskGroup() as group:
        start = group.create_task(Life(listener.manager, extend_every_s=EVERY_S).start(), name="start")
        await asyncio.sleep(EVERY_S * 5)
        idle = listener.said()
        ends_at_s = time.process_time() + 2 * WORK_CPU_S
        while time.process_time() < ends_at_s:
            pass
        worked = await listener.next()
        start.cancel()

    assert idle == []
    assert worked.splitlines()[0] == "EXTEND_TIMEOUT_USEC=120000000"


async def test_a_start_that_goes_round_in_circles_is_given_no_more_time_at_last(listener: Listener) -> None:
    await Life(listener.manager, extend_every_s=EVERY_S, start_max_s=3 * EVERY_S).start()


def test_ready_and_stop_are_said_with_a_line_for_systemctl_status(listener: Listener) -> None:
    life = Life(listener.manager)
    life.ready(8080)
    life.stopping()

    assert [said.splitlines() for said in listener.said()] == [
        ["READY=1", "STATUS=selling on port 8080"],
        ["STOPPING=1", "STATUS=stopping: finishing what is under way"],
    ]


@pytest.mark.parametrize(
    ("said", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_watchdog_is_fed_where_there_is_one_and_it_is_ours(said: dict[str, str], watchdog_s: float | None) -> None:
    assert Manager.of(said, pid=7).watchdog_s == watchdog_s


def test_a_manager_that_has_gone_stops_nobody(tmp_path: Path) -> None:
    Manager(str(tmp_path / "nobody.sock")).tell("WATCHDOG=1")
    Manager().tell("WATCHDOG=1")


def test_an_abstract_address_is_told_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("")  # the kernel chooses an abstract one
        Manager("@" + heard.getsockname()[1:].decode()).tell("READY=1")
        heard.settimeout(5)

        assert heard.recv(64) == b"READY=1"
