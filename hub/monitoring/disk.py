"""What lies on the disk, for a scrape: asked in a thread, because a dying card answers late or never.

Not here: what becomes of the figures (hub.monitoring.scrape), what to do about them (hub.doctor).
"""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from msgspec import Struct

from hub.config import Config

LOOK_TIMEOUT_S = 2.0  # a healthy medium answers in a millisecond, and Prometheus gives a scrape ten seconds


class DiskFacts(Struct, frozen=True):
    """Bytes."""

    free: int = 0
    total: int = 0
    database: int = 0
    log: int = 0


def look_at_disk(config: Config) -> DiskFacts:
    """Ask the file systems; raise OSError where one does not answer."""
    room, database = shutil.disk_usage(config.data_dir), config.database
    log = database.with_name(f"{database.name}-wal")
    return DiskFacts(room.free, room.total, _bytes(database), _bytes(log))


class DiskLook:
    """Asks at most once at a time, and waits no longer than `timeout_s`: whoever hangs there is not asked a second time."""

    def __init__(self, look: Callable[[], DiskFacts], *, timeout_s: float = LOOK_TIMEOUT_S) -> None:
        self._look = look
        self._timeout_s = timeout_s
        self._asked: Future[DiskFacts | None] | None = None

    async def facts(self) -> DiskFacts | None:
        """Return what there is now, None where the disk does not answer."""
        if self._asked is None or self._asked.done():
            self._asked = Future()
            # a daemon: a stop of the hub does not wait for a medium that hangs
            threading.Thread(target=self._ask, args=(self._asked,), name="disk look", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(asyncio.wrap_future(self._asked))
        except TimeoutError:
            return None

    def _ask(self, answer: "Future[DiskFacts | None]") -> None:
        try:
            answer.set_result(self._look())
        except OSError:
            answer.set_result(None)


def _bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a stat, never an open: closing the hub's own file would drop its locks
    except FileNotFoundError:
        return 0
