"""The demo's air: who wanders there is heard by the driver under the very section that the demo's hub gets."""

import asyncio
import random
import tomllib

import pytest

from devices import registry
from devices.drivers.ble_beacons import DRIVER
from devices.model import Health, ZoneChange
from devices.testing.context import RecordingContext
from devices.testing.private_bus import has_dbus_daemon
from hub.demo.radio import SECTION, SPOTS, THINGS, VISITORS, open_air


@pytest.mark.skipif(not has_dbus_daemon(), reason="dbus-daemon is not installed")
async def test_a_wandering_shopper_enters_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    section = tomllib.loads(SECTION)["devices"]["radio"]
    options, ctx = registry.options_for("ble_beacons", section, device_id="radio"), RecordingContext("radio")
    async with open_air(random.Random(2)) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        task = asyncio.create_task(DRIVER.run(ctx, options))
        await ctx.wait_for(lambda: bool(ctx.events), timeout_s=60)
        task.cancel()
        await asyncio.wait({task})
    [first, *_] = ctx.events
    assert isinstance(first, ZoneChange)
    assert first.beacon.startswith(VISITORS if first.carrier == "visitor" else THINGS)
    assert first.entered in SPOTS
    assert ctx.statuses[0].health is Health.READY
