"""Scanners that type on a kernel of their own: grabbed, pulled out, put back, twins, a thousand scans."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from devices.model import Health
from tests.appliance.guest_hub import PATIENCE_S, GuestHub, guest_hub, heard, is_scan
from tests.appliance.machine import Machine
from tests.appliance.plugs import GADGET

pytestmark = pytest.mark.asyncio(loop_scope="session")
LABELS = [f"{number}" for number in range(1_000_000, 1_001_000)]
TWINS = """
[devices.lane1]
kind = "hid_scanner"
usb = { vendor = "05e0", product = "1200", port_path = "dummy_hcd.0-usb-1" }

[devices.lane2]
kind = "hid_scanner"
usb = { vendor = "05e0", product = "1200", port_path = "dummy_hcd.1-usb-1" }
"""
SPY = """
import evdev, select, sys, time
seen = 0
devices = [evdev.InputDevice(path) for path in evdev.list_devices()]
print("listening", flush=True)
ends = time.monotonic() + 3
while (left := ends - time.monotonic()) > 0:
    for device in select.select(devices, [], [], left)[0]:
        seen += sum(event.type == evdev.ecodes.EV_KEY for event in device.read())
print("keys", seen)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twins(machine: Machine) -> AsyncIterator[GuestHub]:
    """Two scanners that are alike to their serial numbers, and a hub that tells them apart by their plug."""
    for port in ("0", "1"):
        await machine.run(f"{GADGET} up lane{port} {port} S1 hid")
    async with guest_hub(machine, TWINS) as hub:
        for lane in ("lane1", "lane2"):
            await hub.reaches(lane, Health.READY)
            await hub.till.claim(lane)
        yield hub
    for port in ("0", "1"):
        await machine.run(f"{GADGET} down lane{port}")


async def test_twins_scan_for_their_own_lane_and_nobody_else_reads_along(twins: GuestHub, machine: Machine) -> None:
    async with twins.till.events() as events:
        await machine.run(f"{GADGET} type lane0 8 4006381333931")
        assert (await heard(events, is_scan("lane1", "4006381333931")))["data"]["gtin"] == "04006381333931"
        await machine.run(f"{GADGET} type lane1 8 96385074")
        await heard(events, is_scan("lane2", "96385074"))
    spied, _ = await asyncio.gather(
        machine.run("python3 -", given=SPY.encode()), machine.run(f"sleep 1; {GADGET} type lane0 8 4006381333931")
    )
    assert "keys 0" in spied, "a grabbed scanner types into nobody else's prompt"


async def test_a_scanner_pulled_out_is_said_and_scans_again_when_it_is_back(twins: GuestHub, machine: Machine) -> None:
    await machine.run(f"{GADGET} unplug lane0")
    gone = await twins.reaches("lane1", Health.OFFLINE)
    assert gone.detail, "in words"
    assert (await twins.reaches("lane2", Health.READY)).health is Health.READY
    async with twins.till.events() as events:
        await machine.run(f"{GADGET} type lane1 8 96385074")
        await heard(events, is_scan("lane2", "96385074"))
        await machine.run(f"{GADGET} plug lane0 0")
        await twins.reaches("lane1", Health.READY)
        await machine.run(f"{GADGET} type lane0 8 4006381333931")
        await heard(events, is_scan("lane1", "4006381333931"))


async def test_of_a_thousand_scans_none_is_lost_or_torn(twins: GuestHub, machine: Machine) -> None:
    got: list[str] = []
    async with twins.till.events() as events:
        typing = asyncio.create_task(machine.run(f"{GADGET} type lane0 8 {' '.join(LABELS)}", timeout_s=600))
        async with asyncio.timeout(600):
            async for event in events:
                if event["type"] == "scan":
                    got.append(event["data"]["label"])
                if len(got) == len(LABELS):
                    break
        await typing
    assert got == LABELS


async def test_what_comes_faster_than_it_is_read_is_refused_and_never_torn(twins: GuestHub, machine: Machine) -> None:
    """While the hub stands still the kernel's own queue overflows: a real SYN_DROPPED."""
    labels = [f"4006381333{number:03}" for number in range(100, 112)]
    seen: list[dict[str, Any]] = []
    async with twins.till.events() as events:
        await machine.run(
            f"systemctl kill -s STOP storehub; {GADGET} type lane0 0 {' '.join(labels)}; systemctl kill -s CONT storehub"
        )
        await asyncio.sleep(1)  # what was held up in the kernel's queue ends by itself
        await machine.run(f"{GADGET} type lane0 8 96385074")
        async with asyncio.timeout(PATIENCE_S):
            async for event in events:
                if event["type"] == "scan":
                    seen.append(event["data"])
                    if event["data"]["label"] == "96385074":
                        break
    assert {scan["label"] for scan in seen if not scan.get("error")} <= {*labels, "96385074"}, "torn"
    assert any(scan.get("error") == "cut" for scan in seen), "the queue did not overflow: nothing was shown"
