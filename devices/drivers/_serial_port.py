"""A serial port for drivers: opened exclusively, read with a time-out, its troubles in words with their remedy.

RS-232, USB converters and USB-CDC alike; the layer is serialx, which reads without polling. Not here: what the bytes mean.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from devices.driver import DeviceContext, DriverOptions
from devices.errors import WireError
from devices.plug.attachment import Match, node_to_open, only_one_place
from devices.remedies import GONE, NOT_OPENING, remedied, wire_error

if TYPE_CHECKING:
    from serialx import AsyncSerial

StatusLine = Literal["cts", "dsr", "cd"]
Handshake = Literal["none", "rts_cts", "xon_xoff"]
Baudrate = Annotated[int, Meta(ge=300, le=4_000_000)]

READ_MAX_BYTES = 4096
OPEN_TIMEOUT_S = 5.0  # opening and setting up a tty is immediate; a dead USB bridge can hold it
CLOSE_TIMEOUT_S = 2.0
WRITE_TIMEOUT_S = 5.0  # a device that holds its handshake line so long takes nothing any more; printers may

log = logging.getLogger(__name__)


class SerialOptions(DriverOptions, frozen=True, kw_only=True):
    """`port` is best a stable name such as /dev/serial/by-id/…, or `usb` names the device; the line as the device is set."""

    port: str | None = None
    usb: Match | None = None
    baudrate: Baudrate = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    handshake: Handshake = "none"

    def __post_init__(self) -> None:
        only_one_place(self.port, self.usb, name="port")


@asynccontextmanager
async def opened(ctx: DeviceContext, options: SerialOptions) -> AsyncIterator["SerialPort"]:
    """Open the port, wherever the device is plugged in now; raise WireError when it does not open."""
    node = node_to_open(ctx, options.port, options.usb, subsystem="tty")
    async with opened_node(
        node,
        baudrate=options.baudrate,
        handshake=options.handshake,
        data_bits=options.data_bits,
        parity=options.parity,
        stop_bits=options.stop_bits,
    ) as port:
        yield port


@asynccontextmanager
async def opened_node(
    node: str,
    *,
    baudrate: int,
    handshake: Handshake,
    data_bits: int = 8,
    parity: str = "none",
    stop_bits: int = 1,
) -> AsyncIterator["SerialPort"]:
    """Open this port; raise WireError when it does not open."""
    await asyncio.to_thread(import_module, "serialx")  # a slow card takes seconds for it, and nobody else shall wait
    import serialx  # here: the registry reads drivers on machines without a serial library

    # serialx logs every byte it receives at DEBUG, and a label may be somebody's member card.
    logging.getLogger("serialx").setLevel(logging.INFO)
    try:
        port = serialx.async_serial_for_url(
            node,
            baudrate=baudrate,
            byte_size=data_bits,
            parity=serialx.Parity[parity.upper()],
            stopbits=stop_bits,
            rtscts=handshake == "rts_cts",
            xonxoff=handshake == "xon_xoff",
            exclusive=True,
        )
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await port.open()
    except TimeoutError as err:
        raise remedied(node, NOT_OPENING) from err
    except OSError as err:
        raise wire_error(node, err) from err
    except (serialx.SerialException, ValueError) as err:
        raise WireError(f"{node} does not open: {err}", reason="io_error") from err
    try:
        port.transport.set_write_buffer_limits(high=0)  # drain then means: the kernel has taken every byte
        yield SerialPort(port, node)
    finally:
        await _close(port, node)


async def _close(port: "AsyncSerial", node: str) -> None:
    """Let the port go; one that hangs at it (bytes that a device with its handshake line down does not take) is said, no more."""
    port.abort()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await port.wait_closed()
    except TimeoutError:
        log.warning("a port is slow to close", extra={"detail": f"{node}, more than {CLOSE_TIMEOUT_S:g} s"})


class SerialPort:
    """An open port. One reader and one writer at a time."""

    def __init__(self, port: "AsyncSerial", path: str) -> None:
        self._port = port
        self._path = path

    async def read(self, silence_s: float) -> bytes:
        """Return bytes, or nothing after `silence_s`; raise WireError when the port is gone."""
        for wait_s in (silence_s, 0):  # once more: where the hub was late, bytes are waiting and it was no silence
            try:
                async with asyncio.timeout(wait_s) as deadline:
                    chunk = await self._port.read(READ_MAX_BYTES)
            except OSError as err:
                if deadline.expired():
                    continue
                raise wire_error(self._path, err) from err
            if not chunk:
                raise remedied(self._path, GONE)
            return chunk
        return b""

    async def write(self, sent: bytes) -> None:
        """Send all of it; raise WireError when the port is gone or takes nothing any more."""
        self.begin(sent)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self.drain()
        except TimeoutError as err:
            detail = f"{self._path} takes no bytes: switch the device on, check cable and `handshake`"
            raise WireError(detail, reason="no_answer") from err

    async def receive(self, most: int) -> bytes:
        """Wait for bytes without an end; nothing when the port has hung up. Raise WireError when it is gone."""
        try:
            return await self._port.read(most)
        except OSError as err:
            raise wire_error(self._path, err) from err

    def begin(self, sent: bytes) -> None:
        """Begin to send, for `drain`; raise WireError when the port is gone."""
        try:
            self._port.write_nowait(sent)
        except OSError as err:
            raise wire_error(self._path, err) from err

    async def drain(self) -> None:
        """Return when the kernel has every byte, however long the device makes it wait; raise WireError when it is gone."""
        try:
            await self._port.drain()
        except OSError as err:
            raise wire_error(self._path, err) from err

    async def line_is_high(self, line: StatusLine) -> bool:
        """Return the level of a handshake line; raise WireError where the port has none, or is gone."""
        try:
            pins = await self._port.get_modem_pins()
        except OSError as err:
            raise wire_error(self._path, err) from err
        is_high = {"cts": pins.cts, "dsr": pins.dsr, "cd": pins.car}[line].to_bool()
        if is_high is None:
            raise WireError(f"{self._path} has no line {line}: set `status_line` to none")
        return is_high
