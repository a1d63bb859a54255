"""A line between two ends that is as bad as a test says: slow, lossy, cut one way, or with something else in the cloud's place.

TCP makes of lost packets pauses, and that is what is made here: a piece waits `stall_s` longer, and what follows waits behind it.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext

PIECE = 16 * 1024
LOGIN = b"<html><body><form>Welcome to the mall's Wi-Fi, please log in</form></body></html>"
PORTAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
    len(LOGIN),
    LOGIN,
)
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class BadLine:
    """`delay_s` each way, `loss` of the pieces stalled. `cut_up`, `cut_down`: what goes that way vanishes, and nobody is told.

    `answer`: what every connection is answered instead of the other end's words; `half_close_after`: so many bytes down, and the
    side towards the dialler is shut while the other one stays open.
    """

    to_port: int
    rng: random.Random
    delay_s: float = 0.0
    loss: float = 0.0
    stall_s: float = 0.2
    cut_up: bool = False
    cut_down: bool = False
    answer: bytes = b""
    half_close_after: int | None = None
    port: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: "set[asyncio.Task[None] | None]" = field(default_factory=set)

    def drop(self) -> None:
        """End all connections that there are."""
        for writer in self._open:
            writer.transport.abort()

    async def end(self) -> None:
        """End all connections, and wait until nobody carries one."""
        while self._serving:
            self.drop()
            await asyncio.wait([task for task in self._serving if task is not None], timeout=0.1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.connections += 1
        self._open.add(writer)
        self._serving.add(task := asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            if self.answer:
                await reader.read(PIECE)
                writer.write(self.answer)
                await writer.drain()
            else:
                await self._carry(reader, writer)
        self._open.discard(writer)
        self._serving.discard(task)
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._open.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                ways = [
                    group.create_task(self._pump(reader, far_writer, is_up=True), name="up"),
                    group.create_task(self._pump(far_reader, writer, is_up=False), name="down"),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        finally:
            self._open.discard(far_writer)
            far_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        """Read and write apart: a slow line is long, not narrow."""
        loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]](1024)

        async def deliver() -> None:
            left = self.half_close_after
            while True:
                due_s, piece = await under_way.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                if self.cut_up if is_up else self.cut_down:
                    continue
                writer.write(piece)
                await writer.drain()
                if left is not None and not is_up and (left := left - len(piece)) <= 0:
                    writer.write_eof()
                    await asyncio.Event().wait()  # it goes on reading, and says nothing

        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(deliver(), name="deliver")
            with suppress(OSError):
                while piece := await reader.read(PIECE):
                    stall_s = self.stall_s if self.rng.random() < self.loss else 0.0
                    await under_way.put((loop.time() + self.delay_s + stall_s, piece))
            delivering.cancel()


@asynccontextmanager
async def bad_line(
    to_port: int, *, rng: random.Random, context: SSLContext | None = None, port: int = 0
) -> AsyncIterator[BadLine]:
    """Listen on loopback before the port of the other end; with a `context` as somebody who opens TLS."""
    line = BadLine(to_port, rng)
    server = await asyncio.start_server(line.serve, "127.0.0.1", port, ssl=context)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.end()
