"""Bar code scanner that types (USB HID keyboard, the factory setting of nearly all), category Scanner.

Protocol documents: Linux input events (linux/input.h), HID Usage Tables page 0x07. The device is grabbed (EVIOCGRAB): what it
types reaches nobody else, no console and no log-in prompt. Its file is read here, on the loop; evdev opens and grabs it.
A named pipe may stand for the device where there is none (demo, bench, tests); it is read in the same way.
"""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devices.codecs.gs1 import GROUP_SEPARATOR
from devices.codecs.hid_keys import INPUT_EVENT, HidLabels, Layout, Suffix
from devices.driver import Capture, DeviceContext, Driver, DriverOptions, Read
from devices.drivers._scanner import IdleFlushMs, OneCharacter, Scanner, check_labels
from devices.errors import WireError
from devices.model import Health, StatusUpdate
from devices.plug.attachment import Match, node_to_open, only_one_place
from devices.plug.masking import masked_keys
from devices.remedies import GONE, remedied, wire_error

if TYPE_CHECKING:
    from evdev import InputDevice

READ_MAX_BYTES = 128 * INPUT_EVENT.size  # two labels; what is not read waits in the kernel

_NO_EVDEV = (
    "evdev is not installed: pip install 'store-hub[hid]' (it is built: apt install build-essential python3-dev)"
)


class Options(DriverOptions, frozen=True, kw_only=True):
    """`path` is best a stable name such as /dev/input/by-id/…-event-kbd, or `usb` names the device; `layout` as it is set.

    `f8_is_gs`: the scanner sends F8 for the group separator of GS1 data; Ctrl+] and Alt+029 are always understood.
    """

    path: str | None = None
    usb: Match | None = None
    layout: Layout = "us"
    suffix: Suffix = "enter"
    f8_is_gs: bool = False
    idle_flush_ms: IdleFlushMs = 200
    variable_measures: tuple[str, ...] = ()
    sends_upc_e: bool = False
    gs1_separator: OneCharacter = GROUP_SEPARATOR

    def __post_init__(self) -> None:
        check_labels(self)
        only_one_place(self.path, self.usb, name="path")


async def run(ctx: DeviceContext, options: Options) -> None:
    """Grab the device and hand on labels until it goes away; raise WireError then, or when it cannot be grabbed."""
    path = node_to_open(ctx, options.path, options.usb, subsystem="input")
    with _opened(path) as (file, is_caps):
        scanner = _scanner(ctx, options, is_caps=is_caps)
        read = partial(_read, file, path)
        await scanner.settle(read)
        ctx.status(StatusUpdate(Health.READY))
        await scanner.listen(read)


def _scanner(ctx: DeviceContext, options: Options, *, is_caps: bool) -> Scanner:
    labels = HidLabels(options.layout, suffix=options.suffix, f8_is_gs=options.f8_is_gs, is_caps=is_caps)
    return Scanner(ctx, labels, options, advice="layout and suffix")


async def _replay(ctx: DeviceContext, options: Options, read: Read) -> None:
    await _scanner(ctx, options, is_caps=False).listen(read)


DRIVER = Driver(
    category="Scanner",
    summary="bar code scanner that types as a USB keyboard (HID), grabbed for the hub alone",
    document="Linux input events (linux/input.h); HID Usage Tables page 0x07",
    options=Options,
    run=run,
    evidence="simulated",
    capture=Capture(masked_keys, _replay),
)


@contextmanager
def _opened(path: str) -> Iterator[tuple[int, bool]]:
    """Yield the open file, grabbed, and whether Caps Lock is lit; raise WireError with the remedy."""
    with ExitStack() as undo:
        try:
            is_pipe = stat.S_ISFIFO(Path(path).stat().st_mode)
            file, is_caps = (_open_pipe(path, undo), False) if is_pipe else _grab(path, undo)
        except OSError as err:
            raise wire_error(path, err, subsystem="input") from err
        yield file, is_caps


def _open_pipe(path: str, undo: ExitStack) -> int:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    undo.callback(os.close, file)
    return file


def _grab(path: str, undo: ExitStack) -> tuple[int, bool]:
    try:
        import evdev  # here: an extra, and the registry reads this file on machines without it
    except ImportError as err:
        raise WireError(_NO_EVDEV, reason="no_library") from err
    device = evdev.InputDevice(path)
    undo.callback(_close, device)
    device.grab()
    try:
        return device.fd, evdev.ecodes.LED_CAPSL in device.leds()
    except SystemError as err:  # what evdev 2.0 lets out where this ioctl fails, in place of an OSError
        raise remedied(path, GONE, subsystem="input") from err


def _close(device: "InputDevice[str]") -> None:
    with suppress(OSError):  # it may be unplugged
        device.close()


async def _read(file: int, path: str, silence_s: float) -> bytes:
    """Return events, or nothing after `silence_s`; raise WireError when the device is gone."""
    loop, has_come = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file, has_come.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(silence_s):
                await has_come.wait()
    finally:
        loop.remove_reader(file)
    try:  # after a time-out too: where the hub itself was late, events are waiting and it was no silence
        chunk = os.read(file, READ_MAX_BYTES)
    except BlockingIOError:
        return b""
    except OSError as err:
        raise wire_error(path, err, subsystem="input") from err
    if not chunk:
        raise remedied(path, GONE, subsystem="input")
    return chunk
