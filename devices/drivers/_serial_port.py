"""A serial port for drivers: opened exclusively, read with a time-out, its troubles in words with their remedy.

RS-232, USB converters and USB-CDC alike; the layer is serialx, which reads without polling. Not here: what the bytes mean.
"""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from devices.driver import DriverOptions
from devices.errors import WireError

if TYPE_CHECKING:
    from serialx import AsyncSerial

StatusLine = Literal["cts", "dsr", "cd"]
Baudrate = Annotated[int, Meta(ge=300, le=4_000_000)]

READ_MAX_BYTES = 4096
OPEN_TIMEOUT_S = 5.0  # opening and setting up a tty is immediate; a dead USB bridge can hold it
CLOSE_TIMEOUT_S = 2.0
WRITE_TIMEOUT_S = 5.0  # a device that holds its handshake line so long takes nothing any more

_REMEDIES = {
    errno.ENOENT: "is not there: plug the {device} in, or correct `port`",
    errno.ENXIO: "is not there: plug the {device} in, or correct `port`",
    errno.ENODEV: "is not there: plug the {device} in, or correct `port`",
    errno.EACCES: "may not be opened: add the hub's user to the port's group (mostly `dialout`)",
    errno.EPERM: "may not be opened: add the hub's user to the port's group (mostly `dialout`)",
    errno.EBUSY: "is in use by another program or device section: stop that one (`fuser` names it)",
    errno.ENOTTY: "is no serial port: correct `port`",
}


class SerialOptions(DriverOptions, frozen=True):
    """`port` is best a stable name such as /dev/serial/by-id/…; the line as the device's own settings say."""

    port: str
    baudrate: Baudrate = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    handshake: Literal["none", "rts_cts", "xon_xoff"] = "none"


@asynccontextmanager
async def opened(options: SerialOptions, device: str) -> AsyncIterator["SerialPort"]:
    """Open the port for a `device` (the word of the remedies); raise WireError when it does not open."""
    import serialx  # here: the registry reads drivers on machines without a serial library

    # serialx logs every byte it receives at DEBUG, and a label may be somebody's member card.
    logging.getLogger("serialx").setLevel(logging.INFO)
    try:
        port = serialx.async_serial_for_url(
            options.port,
            baudrate=options.baudrate,
            byte_size=options.data_bits,
            parity=serialx.Parity[options.parity.upper()],
            stopbits=options.stop_bits,
            rtscts=options.handshake == "rts_cts",
            xonxoff=options.handshake == "xon_xoff",
            exclusive=True,
        )
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await port.open()
    except TimeoutError as err:
        raise WireError(f"{options.port} did not open within {OPEN_TIMEOUT_S:g} s: unplug the {device}") from err
    except OSError as err:
        remedy = _REMEDIES.get(err.errno or 0, f"does not open: {err.strerror}").format(device=device)
        raise WireError(f"{options.port} {remedy}") from err
    except (serialx.SerialException, ValueError) as err:
        raise WireError(f"{options.port} does not open: {err}") from err
    try:
        yield SerialPort(port, options.port)
    finally:
        port.abort()
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await port.wait_closed()


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
                raise WireError(f"{self._path} is gone: unplugged, or its power failed") from err
            if not chunk:
                raise WireError(f"{self._path} is gone: end of file")
            return chunk
        return b""

    async def write(self, sent: bytes) -> None:
        """Send all of it; raise WireError when the port is gone or takes nothing any more."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._port.write(sent)
        except TimeoutError as err:
            raise WireError(f"{self._path} takes no bytes: switch the device on, check cable and `handshake`") from err
        except OSError as err:
            raise WireError(f"{self._path} is gone: unplugged, or its power failed") from err

    async def line_is_high(self, line: StatusLine) -> bool:
        """Return the level of a handshake line; raise WireError where the port has none, or is gone."""
        try:
            pins = await self._port.get_modem_pins()
        except OSError as err:
            raise WireError(f"{self._path} is gone: unplugged, or its power failed") from err
        is_high = {"cts": pins.cts, "dsr": pins.dsr, "cd": pins.car}[line].to_bool()
        if is_high is None:
            raise WireError(f"{self._path} has no line {line}: set `status_line` to none")
        return is_high


@asynccontextmanager
async def beside(watch: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `watch` beside the block, which waits for the hub: what `watch` raises, the block raises."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch, name=name)
            yield
            task.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
