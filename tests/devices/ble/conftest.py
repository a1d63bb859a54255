"""The beacon driver on a private bus with a bluetoothd of our own."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from devices.drivers import _beacon_floor, ble_beacons
from devices.drivers.ble_beacons import DRIVER, Options, ZoneOptions
from devices.errors import WireError
from devices.testing.bluez import FakeBlueZ
from devices.testing.context import RecordingContext
from devices.testing.private_bus import has_dbus_daemon, private_bus

NEEDS_BUS = pytest.mark.skipif(not has_dbus_daemon(), reason="dbus-daemon is not installed")
BRAND = UUID("5b8e2d7a-91c4-4f0e-a3d6-127c9e50f4b8")
APPLE = 0x004C
EDDYSTONE = "0000feaa-0000-1000-8000-00805f9b34fb"
BAND = "C0:00:00:00:00:01"
WAIT_S = 60.0
QUICK = {"enter_s": 0.5, "leave_s": 0.5, "gone_s": 2.0}


def ibeacon(major: int, minor: int, power: int = -59) -> dict[int, bytes]:
    return {APPLE: b"\x02\x15" + BRAND.bytes + struct.pack(">HHb", major, minor, power)}


def options(**more: Any) -> Options:
    given = {"zones": {"entrance": ZoneOptions(enter_dbm=-65)}, "visitors": (f"ibeacon:{BRAND}",)} | QUICK
    return Options(**(given | more))


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with private_bus() as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        monkeypatch.setattr(ble_beacons, "CHECK_S", 0.1)
        monkeypatch.setattr(_beacon_floor, "TICK_S", 0.1)
        yield address


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBlueZ]:
    async with FakeBlueZ(bus) as service:
        yield service


@pytest.fixture
def ctx() -> RecordingContext:
    return RecordingContext("radio")


@asynccontextmanager
async def listening(bluez: FakeBlueZ, ctx: RecordingContext, given: Options) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(DRIVER.run(ctx, given))
    try:
        await ctx.wait_for(lambda: bool(ctx.statuses) or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def say(bluez: FakeBlueZ, until: Callable[[], bool], **advertisement: Any) -> None:
    """Advertise ten times a second until it holds."""
    advertisement = {"address": BAND, "manufacturer": ibeacon(1, 1), "rssi": -50} | advertisement
    async with asyncio.timeout(WAIT_S):
        while not until():
            bluez.advertise(**advertisement)
            await asyncio.sleep(0.1)


async def failure(ctx: RecordingContext, **more: Any) -> str:
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(WireError) as caught:
            await DRIVER.run(ctx, options(**more))
    assert str(caught.value), "a remedy"
    return caught.value.reason


async def soon(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - a state is no event
            await asyncio.sleep(0.02)
