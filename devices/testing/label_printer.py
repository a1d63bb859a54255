"""A network label printer without the hardware: TCP, ~HS, labels; and faults to switch on.

Source: Zebra, ZPL II Programming Guide (~HS). The meaning of formats is devices.testing.zpl_reader's. It owns no task.
"""

import asyncio
import re
from collections.abc import Callable
from types import TracebackType
from typing import Self

from devices.testing.zpl_reader import ZplLabel, read_labels

WAIT_TIMEOUT_S = 10.0  # a test that waits longer than this waits for nothing


class SimulatedLabelPrinter:
    """`async with SimulatedLabelPrinter() as printer:` listens on `printer.address`; `labels` are the formats printed.

    Faults: `paper_out`, `head_open`, `paused` (it holds what it has), `is_silent` (answers nothing, as a Zebra without media
    may), `close_after_bytes`.
    """

    def __init__(self) -> None:
        self.labels: list[ZplLabel] = []
        self.is_silent = False
        self.close_after_bytes: int | None = None
        self._paper_out = self._head_open = self._paused = False
        self._held: list[ZplLabel] = []
        self._server: asyncio.Server | None = None
        self._connections: list[_Connection] = []
        self._changed = asyncio.Event()
        self._port = 0

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def held(self) -> int:
        """Formats received and not printed."""
        return len(self._held)

    def set(self, *, paper_out: bool = False, head_open: bool = False, paused: bool = False) -> None:
        """Put it into this state; what is not named is well."""
        self._paper_out, self._head_open, self._paused = paper_out, head_open, paused
        self._work()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()

    async def wait_for(self, holds: Callable[[], bool], timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Return when `holds()`, which is asked after each thing that happens; raise TimeoutError after timeout_s."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def hang_up(self) -> None:
        """Drop all connections."""
        for connection in tuple(self._connections):
            connection.close()

    def host_status(self) -> bytes:
        """Return the three strings of ~HS."""
        first = f"030,{self._paper_out:d},{self._paused:d},0320,{len(self._held):03d},0,0,0,000,0,0,0"
        second = f"000,0,{self._head_open:d},0,0,2,6,0,{0:08d},1,000"
        return "".join(f"\x02{line}\x03\r\n" for line in (first, second, "1234,0")).encode()

    def _take(self, formats: bytes) -> None:
        self._held += read_labels(formats)
        self._work()

    def _work(self) -> None:
        if not (self._paper_out or self._head_open or self._paused):
            self.labels += self._held
            self._held = []
        self._changed.set()


class _Connection(asyncio.Protocol):
    def __init__(self, printer: SimulatedLabelPrinter) -> None:
        self._printer = printer
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._printer._connections.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._printer._connections.remove(self)

    def data_received(self, data: bytes) -> None:
        printer = self._printer
        if printer.close_after_bytes is not None and b"^XA" in data:
            self.close()
            return
        self._received += data
        while (found := re.search(rb"~HS|\^XZ", self._received)) is not None:
            is_format = found[0] == b"^XZ"
            before = bytes(self._received[: found.end()])
            del self._received[: found.end()]
            if is_format:
                printer._take(before)
            elif not printer.is_silent and self._transport is not None:
                self._transport.write(printer.host_status())

    def close(self) -> None:
        """Drop the connection without a farewell."""
        if self._transport is not None:
            self._transport.abort()
