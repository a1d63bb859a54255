"""Signs of life, each with something behind it, to whoever started the hub.

    start   EXTEND_TIMEOUT_USEC   every EXTEND_EVERY_S, when the process worked since the last look: a long migration, a slow card
    sells   READY, WATCHDOG       every quarter of the watchdog's time, when a job has gone the way of a sale: loop, queue,
                                  writer's thread, a transaction, its end, loop
    stop    STOPPING

A job that writes nothing is not written: the card is not touched. So it shows that the writer serves, and nothing of the disk: a
commit that the disk refuses is answered too, and starting again mends no disk. One that hangs in the kernel starves the watchdog,
as a loop that hangs does. Not here: the wire (hub.service.notify).
"""

import asyncio
import resource
from sqlite3 import Connection
from typing import NamedTuple

from hub.service.notify import Manager
from sync.db import Database
from sync.errors import BusyError, OutcomeUnknownError

EXTEND_EVERY_S = 10.0
EXTEND_S = 120.0  # without any work: a card that collects its garbage is silent for half a minute
START_MAX_S = 3600.0  # a start that goes round in circles works too; a migration of years of sales takes minutes
WORK_CPU_S = 0.1  # in EXTEND_EVERY_S: looking costs a hundredth of it
FEEDS = 4  # of the watchdog's time: one that comes late by two is no hang


class _Work(NamedTuple):
    cpu_s: float
    blocks: int

    def is_beyond(self, before: "_Work") -> bool:
        return self.cpu_s - before.cpu_s >= WORK_CPU_S or self.blocks != before.blocks


class Life:
    """What the hub's manager is told, from its start to its stop."""

    def __init__(
        self, manager: Manager, *, extend_every_s: float = EXTEND_EVERY_S, start_max_s: float = START_MAX_S
    ) -> None:
        self._manager = manager
        self._extend_every_s, self._looks = extend_every_s, int(start_max_s / extend_every_s)

    async def start(self) -> None:
        """Ask for more time while the start works, at most START_MAX_S; cancelled when the hub is ready."""
        before = _work()
        for _ in range(self._looks):
            await asyncio.sleep(self._extend_every_s)
            after = _work()
            if after.is_beyond(before):
                self._manager.tell(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1e6:.0f}", "STATUS=starting: at work on the books")
            before = after

    def ready(self, port: int) -> None:
        """Tills are answered from now on."""
        self._manager.tell("READY=1", f"STATUS=selling on port {port}")

    async def feed(self, db: Database) -> None:
        """Feed the watchdog while the writer serves and the loop turns, until cancelled; nothing where there is none."""
        limit_s, served = self._manager.watchdog_s, db.jobs
        while limit_s is not None:
            if await _is_served(db) or db.jobs != served:
                self._manager.tell("WATCHDOG=1")
            served = db.jobs
            await asyncio.sleep(limit_s / FEEDS)

    def stopping(self) -> None:
        """What is under way is brought to its end."""
        self._manager.tell("STOPPING=1", "STATUS=stopping: finishing what is under way")


async def _is_served(db: Database) -> bool:
    """Whether the writer decided about a job that does nothing. One that hangs never answers."""
    try:
        await db.write(_nothing)
    except OutcomeUnknownError:
        return True  # the disk refused what was beside it: the writer said so
    except BusyError:
        return False  # not let in; others may be served
    return True


def _nothing(_tx: Connection) -> None:
    """A job's whole way, and nothing to write."""


def _work() -> _Work:
    """Return what the process has done: processor time, and blocks asked of a disk. getrusage(2)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return _Work(used.ru_utime + used.ru_stime, used.ru_inblock + used.ru_oublock)
