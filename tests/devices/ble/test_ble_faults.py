"""The beacon driver when its radio, bluetoothd or the bus fails, or an operator has something to mend."""

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from devices.drivers import _ble_radio, ble_beacons
from devices.drivers.ble_beacons import DRIVER
from devices.errors import WireError
from devices.model import Dwell, Health
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.supervisor import Supervisor
from devices.testing.bluez import FakeBlueZ
from devices.testing.context import RecordingContext
from devices.testing.private_bus import private_bus
from tests.devices.ble.conftest import BAND, NEEDS_BUS, WAIT_S, failure, ibeacon, listening, options, say, soon

pytestmark = NEEDS_BUS


async def test_an_adapter_that_hears_nothing_any_more_is_switched_off_and_on(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    radio = bluez.adapters["hci0"]
    async with listening(bluez, ctx, options(silence_s=0.5)):
        bluez.advertise(BAND, manufacturer=ibeacon(1, 1))
        bluez.deafen()
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "adapter_silent")
        await bluez.until(lambda: radio.hears)
        assert (radio.power_cycles, ctx.counters["power_cycles"]) == (1, 1)
        await say(bluez, lambda: ctx.last_status is not None and ctx.last_status.health is Health.READY)


async def test_an_adapter_that_stays_deaf_is_cycled_less_and_less_often(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    """After 0.2, 0.4, 0.8, 1.6 s, and not each fifth of a second: so many cycles take their time at least."""
    loop = asyncio.get_running_loop()
    async with listening(bluez, ctx, options(silence_s=0.2)):
        began_s = loop.time()
        bluez.advertise(BAND, manufacturer=ibeacon(1, 1))
        bluez.deafen(for_good=True)
        await soon(lambda: ctx.counters["power_cycles"] >= 4)
        cycles, took_s = ctx.counters["power_cycles"], loop.time() - began_s
    assert took_s >= 0.2 * 2 ** (cycles - 1)
    assert ctx.last_status is not None and ctx.last_status.reason == "adapter_silent"


async def test_a_shop_without_any_beacon_is_no_fault(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options(silence_s=0.2)):
        await asyncio.sleep(1.0)
    assert ctx.counters["power_cycles"] == 0
    assert [update.health for update in ctx.statuses] == [Health.READY]


async def test_other_users_of_an_adapter_may_forbid_switching_it(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options(silence_s=0.2, power_cycles=False)):
        bluez.advertise(BAND, manufacturer=ibeacon(1, 1))
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "adapter_silent")
        await asyncio.sleep(0.5)
    assert bluez.adapters["hci0"].power_cycles == 0


@pytest.mark.parametrize("error", ["InProgress", "NotReady", "Failed"])
async def test_an_adapter_that_does_not_start_is_switched_off_and_on_once(
    bluez: FakeBlueZ, ctx: RecordingContext, error: str
) -> None:
    bluez.refuse("StartDiscovery", f"org.bluez.Error.{error}")
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
    assert ctx.counters["power_cycles"] == 1


async def test_a_start_that_is_never_answered_is_given_up(
    bluez: FakeBlueZ, ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ble_radio, "START_TIMEOUT_S", 0.3)
    bluez.hang("StartDiscovery")
    assert await failure(ctx) == "adapter_stuck"
    bluez.hang("StartDiscovery", does=False)
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))


async def test_an_adapter_that_is_off_is_switched_on(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    bluez.adapters["hci0"].is_powered = False
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
    assert (ctx.counters["powered_on"], ctx.counters["power_cycles"]) == (1, 0)


async def test_an_adapter_that_somebody_switches_off_is_switched_on_again(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
        bluez.adapters["hci0"].switch(False)
        await bluez.until(lambda: bluez.adapters["hci0"].hears)
        await say(bluez, lambda: ctx.counters["adverts"] > 20)
    assert ctx.counters["powered_on"] == 1
    assert [dwell.goes_on for dwell in ctx.readings if isinstance(dwell, Dwell)] == [False], "one stay over the gap"


async def test_what_an_operator_must_mend_is_said_in_words(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    bluez.refuse("StartDiscovery", "org.bluez.Error.Failed", times=9)
    assert await failure(ctx) == "adapter_stuck"
    assert await failure(ctx, adapters=("hci4",)) == "adapter_missing"
    bluez.refuse("GetAll", "org.freedesktop.DBus.Error.AccessDenied")
    assert await failure(ctx) == "permission_denied"
    bluez.block()
    assert await failure(ctx) == "rfkill_blocked"
    bluez.stop()
    assert await failure(ctx) == "bluetoothd_absent"


async def test_a_bus_that_lets_us_not_speak_to_bluez_is_a_matter_of_groups(
    ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with private_bus(denies_bluez=True) as address, FakeBlueZ(address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        assert await failure(ctx) == "permission_denied"


async def test_a_machine_without_d_bus_says_so(ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    assert await failure(ctx) == "no_dbus"


async def test_a_hub_without_bleak_says_what_to_install(ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "devices.drivers._ble_radio")
    monkeypatch.setitem(sys.modules, "bleak", None)
    assert await failure(ctx) == "no_bleak"


Break = Callable[[FakeBlueZ], Any]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (FakeBlueZ.unplug, "adapter_missing"),
        (FakeBlueZ.block, "rfkill_blocked"),
        (FakeBlueZ.stop, "bluetoothd_absent"),
    ],
)
async def test_what_fails_while_it_listens_is_noticed(
    bluez: FakeBlueZ, ctx: RecordingContext, fault: Break, reason: str
) -> None:
    async with listening(bluez, ctx, options()) as task:
        await say(bluez, lambda: bool(ctx.events))
        fault(bluez)
        with pytest.raises(WireError) as caught:
            async with asyncio.timeout(WAIT_S):
                await task
    assert caught.value.reason == reason


async def test_a_bluetoothd_that_dies_while_it_is_asked_is_absent_not_stuck(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    async with listening(bluez, ctx, options()) as task:
        await say(bluez, lambda: bool(ctx.events))
        asked = bluez.calls["GetAll"]
        bluez.hang("GetAll")
        await bluez.until(lambda: bluez.calls["GetAll"] > asked)
        bluez.stop()
        with pytest.raises(WireError) as caught:
            await task
    assert caught.value.reason == "bluetoothd_absent"
    assert [dwell.zone for dwell in ctx.readings if isinstance(dwell, Dwell)] == ["entrance"], "what was, is recorded"


async def test_a_bus_that_dies_is_noticed(ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_beacons, "CHECK_S", 0.1)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(private_bus())
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        bluez = FakeBlueZ(address)
        await bluez.start()
        async with listening(bluez, ctx, options()) as task:
            bluez.stop()
            await stack.aclose()
            with pytest.raises(WireError) as caught:
                async with asyncio.timeout(WAIT_S):
                    await task
    assert caught.value.reason == "no_dbus"


async def test_the_supervisor_brings_it_back_when_bluetoothd_is_back(bluez: FakeBlueZ) -> None:
    states: list[DeviceState] = []
    happened: asyncio.Queue[Any] = asyncio.Queue()

    async def on_event(_device: str, event: Any) -> None:
        await happened.put(event)

    async def on_readings(_device: str, _readings: Any) -> None:
        return

    outside = Outside(
        on_event=on_event,
        on_status=states.append,
        now_ms=lambda: 0,
        monotonic_s=asyncio.get_running_loop().time,
        rng=random.Random(1),
        on_readings=on_readings,
    )
    supervisor = Supervisor([DeviceSpec("radio", "ble_beacons", DRIVER, options())], outside)
    task = asyncio.create_task(supervisor.run())
    await say(bluez, lambda: not happened.empty())
    bluez.stop()
    await soon(lambda: states[-1].reason == "bluetoothd_absent")
    await bluez.start()
    await soon(lambda: states[-1].health is Health.READY)
    await say(bluez, lambda: happened.qsize() >= 2)
    task.cancel()
    await asyncio.wait({task})
