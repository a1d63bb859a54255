"""A network receipt printer without the hardware: TCP, status answers, a buffer, paper; and faults to switch on.

Lives here: the behaviour of the box (Epson ESC/POS command reference: DLE EOT answered at once, GS r in order). Not
here: the meaning of bytes (devices.testing.escpos_reader). It owns no task: the protocol's callbacks and timers drive it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from devices.testing.escpos_reader import EscposReader
from devices.testing.paper import Paper, PaperCut, PaperElement, PaperFeed, PaperLine, StatusRequest

BUFFER_BYTES = 65_536  # received and not yet printed; when full, the printer stops reading from the network
WAIT_TIMEOUT_S = 10.0  # a test that waits longer than this waits for nothing
DLE_EOT = b"\x10\x04"

_ALL_WELL = 0x12  # the fixed bits of an answer to DLE EOT


@dataclass(frozen=True, slots=True)
class Receipt:
    """Paper from one cut to the next, and the bytes that made it."""

    paper: Paper
    raw: bytes

    def lines(self) -> list[str]:
        """Return it as plain text."""
        return self.paper.lines()


@dataclass(slots=True)
class _Sheet:
    """The paper since the last cut."""

    elements: list[PaperElement] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)


class SimulatedPrinter:
    """`async with SimulatedPrinter() as printer:` listens on `printer.address`; `printer.receipts` is finished paper.

    `lines_per_s` 0 prints at once. Faults: `go_away`/`come_back`, and the settable attributes `hangs` (accepts, reads
    and answers nothing), `paper_out`, `cover_open` (holds what it has, goes on when mended), `paper_near_end`, `drawer_open`,
    `ignores_ordered_status` (knows no GS r), and, one-shot and counted from when they are set, `paper_out_after_lines`,
    `close_after_bytes`, `hang_after_bytes` (bytes of documents: DLE EOT does not count).
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        encoding: str = "cp950",
        is_multibyte_at_reset: bool = False,
        lines_per_s: float = 0.0,
        on_receipt: Callable[[Receipt], None] | None = None,
    ) -> None:
        self.receipts: list[Receipt] = []
        self.connections_accepted = 0
        self.paper_near_end = False
        self.paper_out_after_lines: int | None = None
        self.close_after_bytes: int | None = None
        self.hang_after_bytes: int | None = None
        self.ignores_ordered_status = False
        self.lines_per_s = lines_per_s
        self._host, self._port = host, port
        self._encoding, self._is_multibyte_at_reset = encoding, is_multibyte_at_reset
        self._on_receipt = on_receipt
        self._hangs = self._paper_out = self._cover_open = self._drawer_open = self._tells = False
        self._server: asyncio.Server | None = None
        self._connections: list[_Connection] = []
        self._sheet = _Sheet()
        self._todo: deque[tuple[PaperElement, bytes]] = deque()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.go_away()

    @property
    def address(self) -> str:
        """`host:port`; the port stays the same while the printer is away."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    @property
    def uncut(self) -> Paper:
        """The paper that has come out since the last cut."""
        return Paper(tuple(self._sheet.elements))

    @property
    def clients(self) -> int:
        """How many are connected now."""
        return len(self._connections)

    @property
    def hangs(self) -> bool:
        """Accepts connections, then reads nothing and answers nothing."""
        return self._hangs

    @hangs.setter
    def hangs(self, is_hanging: bool) -> None:
        self._hangs = is_hanging
        self._work()

    @property
    def paper_out(self) -> bool:
        """No paper: off line, holds its buffer; prints it when paper is back."""
        return self._paper_out

    @paper_out.setter
    def paper_out(self, is_out: bool) -> None:
        self._paper_out = is_out
        self._tell()
        self._work()

    @property
    def cover_open(self) -> bool:
        """Cover open: off line, holds its buffer; prints it when the cover is shut."""
        return self._cover_open

    @cover_open.setter
    def cover_open(self, is_open: bool) -> None:
        self._cover_open = is_open
        self._tell()
        self._work()

    @property
    def drawer_open(self) -> bool:
        """Whether the switch in the drawer holds connector pin 3 high."""
        return self._drawer_open

    @drawer_open.setter
    def drawer_open(self, is_open: bool) -> None:
        self._drawer_open = is_open
        self._tell()

    async def go_away(self) -> None:
        """Switch off: the listener and all connections close; what was not printed is lost."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._connections):
            connection.close()
        self._todo.clear()
        self._held_bytes = 0
        await self.wait_for(lambda: not self._connections)

    async def come_back(self) -> None:
        """Switch on (again), on the same port."""
        loop = asyncio.get_running_loop()
        self._sheet = _Sheet()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def next_receipt(self, timeout_s: float = WAIT_TIMEOUT_S) -> Receipt:
        """Wait for one more receipt than there are now, and return it."""
        number = len(self.receipts)
        await self.wait_for(lambda: len(self.receipts) > number, timeout_s)
        return self.receipts[number]

    async def wait_for(self, holds: Callable[[], bool], timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Return when `holds()`, which is asked after each thing that happens; raise TimeoutError after timeout_s."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def realtime_status(self, number: int) -> int:
        """Return the answer to DLE EOT n, n from 1 to 4."""
        is_offline = self._paper_out or self._cover_open
        return _ALL_WELL | {
            1: 0x08 * is_offline | 0x04 * self._drawer_open,
            2: 0x04 * self._cover_open | 0x20 * self._paper_out,
            3: 0,
            4: 0x0C * (self.paper_near_end or self._paper_out) | 0x60 * self._paper_out,
        }.get(number, 0)

    def automatic_status(self) -> bytes:
        """Return the four bytes of an automatic status (GS a)."""
        is_offline = self._paper_out or self._cover_open
        printer = 0x10 | 0x04 * self._drawer_open | 0x08 * is_offline | 0x20 * self._cover_open
        paper = 0x03 * (self.paper_near_end or self._paper_out) | 0x0C * self._paper_out
        return bytes((printer, 0, paper, 0))

    def ordered_status(self, number: int) -> int:
        """Return the answer to GS r n; only the paper sensors (1) say anything."""
        return (0x03 * (self.paper_near_end or self._paper_out) | 0x0C * self._paper_out) if number == 1 else 0

    def send_unasked(self, answer: bytes) -> None:
        """Send bytes that nobody asked for (an automatic status, noise) to the newest connection."""
        for byte in answer:
            self._connections[-1].answer(byte)

    def _tell(self) -> None:
        """Say how it is to whoever has asked for it by GS a."""
        if self._tells and self._connections and not self._hangs:
            self.send_unasked(self.automatic_status())

    # Called by the connections

    def _connected(self, connection: "_Connection") -> None:
        self._connections.append(connection)
        self.connections_accepted += 1
        asyncio.get_running_loop().call_soon(self._regulate)  # Python 3.11 starts reading after connection_made
        self._changed.set()

    def _disconnected(self, connection: "_Connection") -> None:
        self._connections.remove(connection)
        self._take_in(connection, connection.reader.finish(), b"")  # a command cut off does not eat the next document
        self._tells = self._tells and bool(self._connections)  # the next client may have asked before this one is gone
        self._work()
        self._changed.set()

    def _received(self, data: bytes, requests: int, connection: "_Connection") -> None:
        if self.close_after_bytes is not None:
            left = self.close_after_bytes
            self.close_after_bytes = left - len(data) + requests * 3
            if self.close_after_bytes <= 0:
                self.close_after_bytes = None
                data = data[:left]
                connection.close()
        if self.hang_after_bytes is not None:
            self.hang_after_bytes -= len(data) - requests * 3
            if self.hang_after_bytes <= 0:
                self.hang_after_bytes, self._hangs = None, True
        for byte in data:
            piece = bytes((byte,))
            self._take_in(connection, connection.reader.feed(piece), piece)
        self._work()
        self._changed.set()

    def _take_in(self, connection: "_Connection", elements: list[PaperElement], piece: bytes) -> None:
        connection.raw += piece
        for element in elements:
            self._todo.append((element, bytes(connection.raw)))
            self._held_bytes += len(connection.raw)
            connection.raw.clear()

    # Printing

    def _work(self) -> None:
        """Print what is in the buffer as far as paper, cover and speed allow."""
        while self._todo and self._timer is None and not self._is_held:
            element, raw = self._todo.popleft()
            self._held_bytes -= len(raw)
            self._print(element, raw)
            if self.lines_per_s and isinstance(element, PaperLine | PaperFeed):
                self._timer = asyncio.get_running_loop().call_later(1 / self.lines_per_s, self._line_is_out)
        self._regulate()
        self._changed.set()

    @property
    def _is_held(self) -> bool:
        return self._paper_out or self._cover_open or self._hangs

    def _line_is_out(self) -> None:
        self._timer = None
        self._work()

    def _print(self, element: PaperElement, raw: bytes) -> None:
        self._sheet.raw += raw
        if isinstance(element, StatusRequest):
            if element.command == "GS r" and self._connections and not self.ignores_ordered_status:
                self._connections[-1].answer(self.ordered_status(element.number))
            elif element.command == "GS a":
                self._tells = element.number != 0
                self._tell()
            return
        self._sheet.elements.append(element)
        if isinstance(element, PaperLine) and self.paper_out_after_lines is not None:
            self.paper_out_after_lines -= 1
            if self.paper_out_after_lines <= 0:
                self.paper_out_after_lines, self._paper_out = None, True
                self._tell()
        if isinstance(element, PaperCut):
            self._finish_receipt()

    def _finish_receipt(self) -> None:
        receipt = Receipt(Paper(tuple(self._sheet.elements)), bytes(self._sheet.raw))
        self._sheet = _Sheet()
        self.receipts.append(receipt)
        if self._on_receipt is not None:
            self._on_receipt(receipt)

    def _regulate(self) -> None:
        is_reading = not self._hangs and self._held_bytes <= BUFFER_BYTES
        for connection in self._connections:
            connection.read_on() if is_reading else connection.stop_reading()

    def new_reader(self) -> EscposReader:
        """Return what reads the commands of one connection."""
        return EscposReader(self._encoding, is_multibyte_at_reset=self._is_multibyte_at_reset)


class _Connection(asyncio.Protocol):
    """One client: finds the real-time requests in its bytes, answers them, passes all bytes on."""

    def __init__(self, printer: SimulatedPrinter) -> None:
        self._printer = printer
        self.reader, self.raw = printer.new_reader(), bytearray()
        self._transport: asyncio.Transport | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._printer._connected(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._printer._disconnected(self)

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        requests = [seen[at + 2] for at in range(len(seen) - 2) if seen[at : at + 2] == DLE_EOT]
        self._tail = seen[-2:]
        for number in requests:
            self.answer(self._printer.realtime_status(number))
        self._printer._received(data, len(requests), self)

    def answer(self, status: int) -> None:
        """Send one byte."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(bytes((status,)))

    def close(self) -> None:
        """Drop the connection without a farewell."""
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        """Let the client's bytes wait in the network."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Take bytes again."""
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()
