"""The write-ahead log is brought into the file beside the writer, so that no COMMIT has to: one group of sales in a hundred did.

    log at CHECKPOINT_PAGES   in a passing thread, while groups go on, a connection of its own copies what is committed; what they
                              wrote meanwhile it copies next, until little is left or ROUNDS_MAX are over; and the disk has it
    little is left            copied between two groups: the next one begins the log anew
    the disk took a page not  the process ends: at its next start all of the log is copied again
    log at LOG_PAGES          SQLite's own checkpoint, in a COMMIT

Where a copy fails, or nothing is known of the log's length, only the last line is left. How long the log is stands in the
wal-index, which all connections map. Source: https://sqlite.org/walformat.html, section 2.1 (the index's header and the
checkpoint's information). Not here: a log that is cut (sync.db), SQLite's settings (sync.connections).
"""

import asyncio
import logging
import os
import sqlite3
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from sync.connections import CHECKPOINT_PAGES, Synchronous, connect_beside
from sync.errors import StartError

ROUNDS_MAX = 4  # each copies what came during the one before, a tenth of it or less
REST_PAGES = 256  # so few are copied between two groups
_INDEX_VERSION = 3_007_000
_HEADER = struct.Struct("=I12xI76xI")  # version, mxFrame: frames in the log, nBackfill: those that are in the file

log = logging.getLogger(__name__)


class Checkpoints:
    """Of one file. `open` once the writer is connected; `close` when all connections are closed, not before: POSIX takes all
    locks of a process on a file when it closes any descriptor of it. `run` must run in a task group.
    """

    def __init__(self, path: Path, synchronous: Synchronous) -> None:
        self._path, self._synchronous = path, synchronous
        self._file = self._index = -1
        self._due, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._at_work = threading.Lock()
        self._is_over = False
        self.between_groups = asyncio.Lock()  # who holds it has no group beside him

    def open(self) -> None:
        """Look at the wal-index from now on; a database that has none is let alone."""
        with suppress(FileNotFoundError):
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._index = os.open(f"{self._path}-shm", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Look at nothing any more; what is being copied is copied first."""
        with self._at_work:
            for descriptor in (self._index, self._file):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._index = -1

    @property
    def left(self) -> int:
        """How many pages of the log are not in the file; 0 where that is not known."""
        if self._index < 0:
            return 0
        header = os.pread(self._index, _HEADER.size, 0)
        if len(header) < _HEADER.size:
            return 0
        version, frames, copied = _HEADER.unpack(header)
        return max(frames - copied, 0) if version == _INDEX_VERSION else 0

    def see_to_it(self) -> None:
        """After a commit: have the log copied where it is long."""
        if self._idle.is_set() and not self._is_over and self.left >= CHECKPOINT_PAGES:
            self._idle.clear()
            self._due.set()

    async def run(self) -> None:
        """Copy when it is due, until `stop` is called; raise StartError where the disk did not take it."""
        while not self._is_over:
            await self._due.wait()
            self._due.clear()
            if self._idle.is_set():
                continue
            try:
                await asyncio.to_thread(self._copy, ROUNDS_MAX)
                await self.between_groups.acquire()
                await asyncio.to_thread(self._copy, 1)
                self.between_groups.release()  # not where this failed: no group may begin the log anew
            finally:
                self._idle.set()

    def stop(self) -> None:
        """Copy no more than what has begun."""
        self._is_over = True
        self._due.set()

    async def settled(self) -> None:
        """Wait until nothing is being copied."""
        await self._idle.wait()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Between two groups, while nothing is copied: a checkpoint that finds another at work gives up."""
        while True:
            await self.settled()
            async with self.between_groups:
                if self._idle.is_set():
                    yield
                    return

    def _copy(self, rounds: int) -> None:
        with self._at_work:
            self._copy_rounds(rounds)
            self._sync()

    def _copy_rounds(self, rounds: int) -> None:
        try:
            with closing(connect_beside(self._path, self._synchronous)) as connection:
                for _ in range(rounds):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if self.left <= REST_PAGES:
                        return
        except sqlite3.Error as err:  # a COMMIT copies it, or says what is wrong with the disk
            log.debug("the log was not copied beside the writer", extra={"error": str(err)})

    def _sync(self) -> None:
        """Wait for the disk, and hear of every page that it did not take since this was opened or asked last.

        A pass that leaves something waits for nothing, and counts its pages as copied: the last one would wait for all of them,
        and Linux tells an error once to each descriptor that was open before, to later ones perhaps not at all (errseq).
        """
        try:
            if self._file >= 0:
                os.fsync(self._file)
        except OSError as err:
            raise StartError(
                f"{self._path}: the disk did not take what was copied from the log ({err.strerror}); `dmesg` names the disk. "
                "The log has it all, and is copied again at the next start"
            ) from err
