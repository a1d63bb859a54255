"""A disk that forgets: a write stays in its cache until the machine flushes, and a power cut takes some of that away.

It speaks NBD on a Unix socket: fixed newstyle handshake, simple replies, flush, no FUA; so the machine sees an ordinary
disk with a write cache. What a cut leaves of the cache is drawn (`Loss`): a disk keeps its sectors whole (512 bytes) and
promises nothing else about what was not flushed. Source: NetworkBlockDevice/nbd, doc/proto.md.

Not here: qemu, who draws the moment (power.py), what is read afterwards (disk_auditor.py).
"""

import asyncio
import os
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SECTOR_BYTES = 512
KEPT_SHARE = 0.5  # of the writes, or sectors, where each is kept or lost by itself
REQUEST_BYTES_MAX = 32 << 20  # the protocol's own bound

_GREETING, _OPTION, _OPTION_REPLY = b"NBDMAGICIHAVEOPT", 0x49484156454F5054, 0x3E889045565A9
_REQUEST, _REPLY = 0x25609513, 0x67446698
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_HAS_FLAGS, _SEND_FLUSH = 1, 4
_EXPORT_NAME, _ABORT, _INFO, _GO = 1, 2, 6, 7
_ACK, _INFO_REPLY, _UNSUPPORTED = 1, 3, 0x80000001
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_EINVAL = 22


class Loss(StrEnum):
    """What becomes of writes that were not flushed."""

    DROPPED = "all dropped"
    IN_ORDER = "kept up to a moment, the last one torn"
    REORDERED = "each write kept or lost"
    TORN = "each sector kept or lost"


@dataclass(frozen=True, slots=True)
class Cut:
    """What a power cut found in the cache, and how many sectors it left of it."""

    loss: Loss
    writes: int
    sectors: int
    kept: int

    def __str__(self) -> str:
        return f"{self.writes} writes unflushed, {self.loss}: {self.kept} of {self.sectors} sectors kept"


class VolatileDisk:
    """`async with disk.served(socket):` serves an image file; `cut` is the power cut, after which nothing is served."""

    def __init__(self, image: Path) -> None:
        self._image = os.open(image, os.O_RDWR)
        self.size = os.fstat(self._image).st_size
        self.flushes = self.writes = 0
        self.stopped = asyncio.Event()
        self._cache: list[tuple[int, bytes]] = []  # offset and bytes, in the order in which they came
        self._newest: dict[int, bytes] = {}  # the same by sector
        self._stops_after: int | None = None

    @property
    def unflushed(self) -> int:
        """How many writes are in the cache."""
        return len(self._cache)

    def stop_after(self, writes: int) -> None:
        """Answer nothing any more once so many writes more have come, and set `stopped`."""
        self._stops_after = self.writes + writes

    def read(self, offset: int, count: int) -> bytes:
        """Return what the machine has written, flushed or not."""
        found = bytearray(os.pread(self._image, count, offset))
        if self._newest:
            first = offset // SECTOR_BYTES
            for at in range(0, count, SECTOR_BYTES):
                if newer := self._newest.get(first + at // SECTOR_BYTES):
                    found[at : at + SECTOR_BYTES] = newer
        return bytes(found)

    def write(self, offset: int, content: bytes) -> None:
        """Take a write into the cache."""
        self._cache.append((offset, content))
        self._newest.update(_sectors(offset, content))
        self.writes += 1

    def flush(self) -> None:
        """Make durable what is in the cache."""
        for offset, content in self._cache:
            os.pwrite(self._image, content, offset)
        self._forget()
        self.flushes += 1

    def cut(self, rng: random.Random) -> Cut:
        """Lose the cache but for what the drawn `Loss` leaves of it, and serve nothing any more."""
        self.stopped.set()
        loss = rng.choice(list(Loss))
        kept = surviving(self._cache, loss, rng)
        for offset, content in kept:
            os.pwrite(self._image, content, offset)
        counts = (sum(len(content) for _, content in part) // SECTOR_BYTES for part in (self._cache, kept))
        cut = Cut(loss, len(self._cache), *counts)
        self._forget()
        return cut

    @asynccontextmanager
    async def served(self, path: Path) -> AsyncIterator[None]:
        """Serve on a Unix socket until the block ends; the file stays as cuts and flushes left it."""
        clients: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.add(task := asyncio.current_task())
            try:
                # the end of a client is the end of its task: Python 3.11 logs one that was cancelled as a failure
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    if await self._agreed(reader, writer):
                        await self._served(reader, writer)
            finally:
                clients.discard(task)
                writer.transport.abort()

        server = await asyncio.start_unix_server(serve, path, limit=2 * REQUEST_BYTES_MAX)
        try:
            yield
        finally:
            server.close()
            waiting = tuple(clients)
            for client in waiting:
                client.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            os.close(self._image)

    async def _agreed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Haggle over options until the client wants the disk; false when it leaves."""
        writer.write(_GREETING + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES))
        (client_flags,) = struct.unpack(">I", await reader.readexactly(4))
        export = struct.pack(">QH", self.size, _HAS_FLAGS | _SEND_FLUSH)
        while True:
            magic, option, length = struct.unpack(">QII", await reader.readexactly(16))
            assert magic == _OPTION
            await reader.readexactly(length)  # which export: there is one

            def reply(kind: int, content: bytes = b"", option: int = option) -> None:
                writer.write(struct.pack(">QIII", _OPTION_REPLY, option, kind, len(content)) + content)

            if option == _EXPORT_NAME:
                writer.write(export + bytes(0 if client_flags & _NO_ZEROES else 124))
                return True
            if option in (_INFO, _GO):
                reply(_INFO_REPLY, struct.pack(">H", 0) + export)
                reply(_ACK)
                if option == _GO:
                    return True
            elif option == _ABORT:
                reply(_ACK)
                return False
            else:
                reply(_UNSUPPORTED)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client leaves, the task is cancelled, or the power is gone."""
        while not self.stopped.is_set():
            magic, flags, kind, handle, offset, count = struct.unpack(">IHHQQI", await reader.readexactly(28))
            assert magic == _REQUEST and count <= REQUEST_BYTES_MAX
            if kind == _DISCONNECT:
                return
            content = await reader.readexactly(count) if kind == _WRITE else b""
            if self.stopped.is_set():
                break
            error, found = self._done(flags, kind, offset, count, content)
            if self.writes == self._stops_after:
                self.stopped.set()
                break
            writer.write(struct.pack(">IIQ", _REPLY, error, handle) + found)
            await writer.drain()
        await asyncio.get_running_loop().create_future()  # a disk without power hangs up on nobody

    def _done(self, flags: int, kind: int, offset: int, count: int, content: bytes) -> tuple[int, bytes]:
        """Do a request; return its error and what was read."""
        if flags or kind not in (_READ, _WRITE, _FLUSH) or offset + count > self.size:
            return _EINVAL, b""
        if kind == _READ:
            return 0, self.read(offset, count)
        if kind == _WRITE:
            self.write(offset, content)
        else:
            self.flush()
        return 0, b""

    def _forget(self) -> None:
        self._cache.clear()
        self._newest.clear()


def surviving(cache: list[tuple[int, bytes]], loss: Loss, rng: random.Random) -> list[tuple[int, bytes]]:
    """Return what of these writes, in the order in which they came, is on the disk after the power was cut."""
    if loss is Loss.DROPPED or not cache:
        return []
    if loss is Loss.REORDERED:
        return [each for each in cache if rng.random() < KEPT_SHARE]
    if loss is Loss.TORN:
        sectors = (piece for offset, content in cache for piece in _sectors(offset, content).items())
        return [(number * SECTOR_BYTES, piece) for number, piece in sectors if rng.random() < KEPT_SHARE]
    whole = rng.randrange(len(cache))
    offset, content = cache[whole]
    torn_at = rng.randrange(len(content) // SECTOR_BYTES + 1) * SECTOR_BYTES
    return [*cache[:whole], (offset, content[:torn_at])]


def _sectors(offset: int, content: bytes) -> dict[int, bytes]:
    assert offset % SECTOR_BYTES == len(content) % SECTOR_BYTES == 0
    first = offset // SECTOR_BYTES
    return {first + at // SECTOR_BYTES: content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)}
