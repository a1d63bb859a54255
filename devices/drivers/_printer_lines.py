"""The lines to a printer: TCP, a serial port, `/dev/usb/lp*`. All of them read, write and drain on the asyncio loop.

Lives here: opening and closing, and what goes wrong at it in words. Not here: what is said on a line (devices.escpos_wire),
how a serial port is opened (devices.drivers._serial_port).
Sources: Linux drivers/usb/class/usblp.c (a non-blocking write takes at most a buffer; a read of no bytes is no hang-up;
poll answers EPOLLHUP when the printer is gone).
"""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, SupportsIndex

from msgspec import Meta

from devices.driver import DeviceContext, PrinterOptions
from devices.drivers._addresses import split_address
from devices.drivers._serial_port import Baudrate, Handshake, SerialPort, opened_node
from devices.errors import WireError
from devices.escpos_wire import PrinterLine
from devices.plug.attachment import Match, node_to_open
from devices.remedies import wire_error

DEFAULT_PORT = 9100
SEND_BUFFER_BYTES = 16_384  # of the kernel: what it holds, the printer does not have yet
READ_MAX_BYTES = 256
RETRY_S = 0.1  # usblp says "writable" while it is out of paper, and then takes nothing
PENDING_MAX_BYTES = 65_536  # written and not taken by a USB printer; a writer that drains never comes near it

Seconds = Annotated[float, Meta(gt=0, le=600)]


class HeardReader(asyncio.StreamReader):
    """Hands on what comes as it comes, where somebody listens: to wake one who reads takes another pass of the loop."""

    heard: Callable[[bytes], None] | None = None

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        if self.heard is None:
            super().feed_data(data)
        else:
            self.heard(bytes(data))


class TcpLine:
    """A TCP connection; `drain` returns when the kernel has every byte."""

    def __init__(self, reader: HeardReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, most: int) -> bytes:
        return await self._reader.read(most)

    async def listen(self, heard: Callable[[bytes], None]) -> None:
        self._reader.heard = heard
        while received := await self.read(READ_MAX_BYTES):  # what came before, and the end
            heard(received)

    def write(self, payload: bytes) -> None:
        self._writer.write(payload)

    @property
    def is_drained(self) -> bool:
        return not self._writer.transport.get_write_buffer_size() and not self._writer.transport.is_closing()

    async def drain(self) -> None:
        await self._writer.drain()


class SerialLine:
    """A serial port; `drain` returns when the kernel has every byte, at the printer's speed once that is full."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    async def read(self, most: int) -> bytes:
        return await self._port.receive(most)

    async def listen(self, heard: Callable[[bytes], None]) -> None:
        await _listen(self, heard)

    def write(self, payload: bytes) -> None:
        self._port.begin(payload)

    @property
    def is_drained(self) -> bool:
        return False

    async def drain(self) -> None:
        await self._port.drain()


class NodeLine:
    """A character device opened non-blocking, read and written by the loop's readiness: no thread can hang in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as err:
            raise wire_error(path, err, subsystem="usbmisc") from err
        self._pending = bytearray()
        self._received: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._is_drained = asyncio.Event()
        self._is_drained.set()
        self._error: OSError | None = None
        self._retry: asyncio.TimerHandle | None = None
        try:
            self._loop.add_reader(self._descriptor, self._on_readable)
        except OSError as err:  # a plain file: epoll takes none
            os.close(self._descriptor)
            raise wire_error(path, OSError(errno.ENOTTY, str(err)), subsystem="usbmisc") from err

    async def read(self, most: int) -> bytes:
        """Return what came, READ_MAX_BYTES at most; raise WireError when the device is gone."""
        if self._error is not None and self._received.empty():
            self._raise_error()
        received = await self._received.get()
        if not received:
            self._raise_error()
        if self._error is None:
            self._loop.add_reader(self._descriptor, self._on_readable)
        assert len(received) <= most, "more was read than asked for"
        return received

    async def listen(self, heard: Callable[[bytes], None]) -> None:
        await _listen(self, heard)

    def write(self, payload: bytes) -> None:
        self._raise_error()
        self._pending += payload
        assert len(self._pending) <= PENDING_MAX_BYTES, "a writer drains between its chunks"
        if self._is_drained.is_set():
            self._is_drained.clear()
            self._loop.add_writer(self._descriptor, self._on_writable)

    @property
    def is_drained(self) -> bool:
        return self._is_drained.is_set() and self._error is None

    async def drain(self) -> None:
        await self._is_drained.wait()
        self._raise_error()

    def close(self) -> None:
        self._stop()
        os.close(self._descriptor)

    def _on_readable(self) -> None:
        try:
            received = os.read(self._descriptor, READ_MAX_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as err:
            self._fail(err)
            return
        if received:  # usblp answers with no bytes where the printer sent an empty packet
            self._loop.remove_reader(self._descriptor)
            self._received.put_nowait(received)

    def _on_writable(self) -> None:
        try:
            taken = os.write(self._descriptor, self._pending)
        except InterruptedError:
            return
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EAGAIN):  # ENOSPC: out of paper
                self._fail(err)
                return
            self._loop.remove_writer(self._descriptor)
            self._retry = self._loop.call_later(RETRY_S, self._write_on)
            return
        del self._pending[:taken]
        if not self._pending:
            self._loop.remove_writer(self._descriptor)
            self._is_drained.set()

    def _write_on(self) -> None:
        self._retry = None
        self._loop.add_writer(self._descriptor, self._on_writable)

    def _fail(self, err: OSError) -> None:
        self._error = err
        self._stop()
        self._is_drained.set()
        if self._received.empty():
            self._received.put_nowait(b"")

    def _stop(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise wire_error(self._path, self._error, subsystem="usbmisc") from self._error


class LineOptions(PrinterOptions, frozen=True, forbid_unknown_fields=True):
    """Where a printer is, one of: `address` (host, host:port or [IPv6]:port), `port` (serial, best /dev/serial/by-id/…), `path`
    (/dev/usb/lp0), `usb`; with a `baudrate`, `usb` is a serial converter.
    """

    address: str | None = None
    port: str | None = None
    path: str | None = None
    usb: Match | None = None
    baudrate: Baudrate | None = None
    handshake: Handshake = "rts_cts"
    connect_timeout_s: Annotated[float, Meta(gt=0, le=20)] = 5.0  # below what the supervisor takes for stuck

    def __post_init__(self) -> None:
        places = [name for name in ("address", "port", "path", "usb") if getattr(self, name) is not None]
        if len(places) != 1:
            said = " and ".join(places) or "none"
            raise ValueError(f"say where the printer is by one of address, port, path and usb, not by {said}")
        if self.address is not None and self.baudrate is not None:
            raise ValueError(
                "a printer on the network has no baudrate: leave it out, or give its `port` instead of `address`"
            )
        if self.address is not None:
            split_address(self.address, port=DEFAULT_PORT)


@asynccontextmanager
async def printer_line(ctx: DeviceContext, options: LineOptions, *, baudrate: int) -> AsyncIterator[PrinterLine]:
    """Open the line that the options name; `baudrate` is that of a serial port where they name none."""
    if options.address is not None:
        async with tcp_line(options.address, options.connect_timeout_s) as tcp:
            yield tcp
    elif options.port is not None or options.baudrate is not None:
        node = node_to_open(ctx, options.port or options.path, options.usb, subsystem="tty")
        async with opened_node(node, baudrate=options.baudrate or baudrate, handshake=options.handshake) as port:
            yield SerialLine(port)
    else:
        node = node_to_open(ctx, options.path, options.usb, subsystem="usbmisc")
        async with node_line(node) as usb:
            yield usb


@asynccontextmanager
async def tcp_line(address: str, connect_timeout_s: float) -> AsyncIterator[TcpLine]:
    """Connect to a printer on the network."""
    host, port = split_address(address, port=DEFAULT_PORT)
    try:
        async with asyncio.timeout(connect_timeout_s):
            reader, writer = await _connected(host, port)
    except (OSError, TimeoutError) as err:
        raise WireError(f"no printer answers at {address}: {err}; is it on, and on this network?") from err
    try:
        wire_socket = writer.get_extra_info("socket")
        wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        writer.transport.set_write_buffer_limits(high=0)  # drain then means: the kernel has taken every byte
        yield TcpLine(reader, writer)
    finally:
        writer.transport.abort()  # not close(): that would wait for bytes the printer no longer takes


async def _connected(host: str, port: int) -> tuple[HeardReader, asyncio.StreamWriter]:
    """Do what asyncio.open_connection does, with a reader of our own."""
    loop = asyncio.get_running_loop()
    reader = HeardReader(loop=loop)
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), host, port
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _listen(line: "SerialLine | NodeLine", heard: Callable[[bytes], None]) -> None:
    while received := await line.read(READ_MAX_BYTES):
        heard(received)


@asynccontextmanager
async def node_line(path: str) -> AsyncIterator[NodeLine]:
    """Open a USB printer's node."""
    line = NodeLine(path)
    try:
        yield line
    finally:
        line.close()
