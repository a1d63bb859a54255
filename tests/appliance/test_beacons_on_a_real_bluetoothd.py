"""iBeacons in the air of a software radio, heard by the kernel, bluetoothd, bleak and the hub: zones entered and left."""

import pytest

from devices.model import Health
from tests.appliance.guest_hub import guest_hub, heard
from tests.appliance.machine import Machine
from tests.appliance.plugs import BEACONS, radio

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECTION = """
[devices.radio]
kind = "ble_beacons"
visitors = ["ibeacon:f7826da6-4fa2-4e98-8024-bc5b71e0893e:1"]
enter_s = 1
gone_s = 5
leave_s = 2

[devices.radio.zones.desk]
enter_dbm = -90
"""


async def test_beacons_come_and_go_through_bluez(machine: Machine) -> None:
    async with radio(machine), guest_hub(machine, SECTION) as hub:
        await hub.reaches("radio", Health.READY)
        async with hub.till.events() as events:
            await machine.run("touch /run/beacons")
            entered: set[str] = set()
            while len(entered) < BEACONS:
                event = await heard(events, lambda each: each["type"] == "zone" and each["data"]["entered"] == "desk")
                entered.add(event["data"]["visitor"])
            await machine.run("rm /run/beacons")
            left: set[str] = set()
            while len(left) < BEACONS:
                event = await heard(events, lambda each: each["type"] == "zone" and each["data"]["left"] == "desk")
                left.add(event["data"]["visitor"])
            assert left == entered


async def test_a_radio_that_is_not_there_is_said_with_its_remedy(machine: Machine) -> None:
    async with guest_hub(machine, SECTION) as hub:
        gone = await hub.reaches(
            "radio", Health.OFFLINE, "_"
        )  # as adapter_missing, and not as it was before it started
        assert gone.reason in ("adapter_missing", "bluetoothd_absent") and gone.detail
