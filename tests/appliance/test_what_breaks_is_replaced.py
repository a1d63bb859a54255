"""A scanner that broke and the one that takes its place; a scale that is pulled out while it weighs. Real kernel, real udev."""

import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from devices.model import Health
from devices.testing.scale import SimulatedScale
from devices.testing.serial_line import VirtualSerialLine
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from tests.appliance.guest_hub import GuestHub, guest_hub, heard, is_scan
from tests.appliance.machine import Machine
from tests.appliance.plugs import GADGET, converter, gadget

pytestmark = pytest.mark.asyncio(loop_scope="session")
LANE = """
[devices.lane1-scanner]
kind = "hid_scanner"
usb = { vendor = "05e0", product = "1200", serial = "S1" }
"""
SCALE = """
[devices.scale1]
kind = "toledo_scale"
usb = { vendor = "0403", product = "6001" }
"""
PLUM = Entry(Product(sku="PLUM", name=Name(zh_hant="話梅", en="Dried plum"), unit="g"), Price(2500, "HKD", 600), 5000)


async def test_a_scanner_of_another_serial_number_takes_over_and_is_put_back(machine: Machine) -> None:
    take_over = "/v1/devices/lane1-scanner/take-over"
    async with guest_hub(machine, LANE) as hub:
        async with gadget(machine, "old", 0, "S1", "hid"):
            await scans_as_lane1(machine, hub, "old")
        await hub.reaches("lane1-scanner", Health.OFFLINE, "not_attached")
        async with AsyncExitStack() as plugged:
            async with hub.till.events() as events:
                await plugged.enter_async_context(gadget(machine, "new", 0, "S2", "hid"))
                told = (await heard(events, lambda event: event["type"] == "alarm"))["data"]
            assert (told["code"], told["device_id"], told["likeness"]) == ("replacement", "lane1-scanner", "same_model")
            assert told["attached"]["serial"] == "S2"

            offer = re.search(r"storehub devices take-over \S+ \S+", await machine.run("storehub devices list"))
            assert offer, "the list says what to type"
            assert 'serial = "S2"' in await machine.run(offer[0]), "what to write into the configuration"
            await scans_as_lane1(machine, hub, "new")

            assert (await hub.ask("DELETE", take_over))[0] == 200
            await hub.reaches("lane1-scanner", Health.OFFLINE, "not_attached")
            _, listed = await hub.ask("GET", "/v1/devices/attached")
            [node] = [each["attached"]["node"] for each in listed["items"] if each["replaces"]]
            assert (await hub.ask("POST", take_over, {"node": node}))[0] == 200
            await scans_as_lane1(machine, hub, "new")

            await machine.run("storehub devices put-back lane1-scanner")
            await hub.reaches("lane1-scanner", Health.OFFLINE, "not_attached")
            async with gadget(machine, "old", 1, "S1", "hid"):
                await scans_as_lane1(machine, hub, "old")


async def scans_as_lane1(machine: Machine, hub: GuestHub, name: str) -> None:
    """Show that a gadget is lane 1's scanner."""
    await hub.reaches("lane1-scanner", Health.READY)
    async with hub.till.events() as events:
        await machine.run(f"{GADGET} type {name} 8 96385074")
        await heard(events, is_scan("lane1-scanner", "96385074"))


async def test_a_scale_pulled_out_while_it_weighs_comes_back_as_another_tty_and_its_weight_is_sold(
    machine: Machine,
) -> None:
    async with (
        VirtualSerialLine() as line,
        SimulatedScale(line) as scale,
        guest_hub(machine, SCALE) as hub,
        converter(machine, line) as plug,
        plug.name_taken(),
    ):
        await hub.control.put_products([PLUM])
        await hub.reaches("scale1", Health.READY)
        await hub.till.claim("scale1")
        async with hub.till.events() as events:
            scale.load_g = 600
            await heard(events, is_weight("stable", 600))
            scale.load_g, scale.is_moving = 750, True
            await heard(events, is_weight("unstable"))
            await plug.pull_out()
            await hub.reaches("scale1", Health.OFFLINE, "not_attached")
            status, problem = await hub.ask("GET", "/v1/devices/scale1/weight")
            assert (status, problem["code"]) == (503, "device_offline"), "an old weight is no weight"
            scale.is_moving = False
            await plug.put_in()
            await heard(events, is_weight("stable", 750))
        assert "ttyUSB1" in await machine.run("ls /dev")
        _, shown = await hub.ask("GET", "/v1/devices/scale1/weight")
        weighed = {"line": 1, "sku": "PLUM", "qty": shown["weight_g"], "unit": "g"}
        _, quoted = await hub.ask("POST", "/v1/quotes", {"lines": [weighed]})
        sale = {"sale_id": "01-1", "till_id": hub.till.till_id, "currency": "HKD", "lines": quoted["lines"]}
        paid = {"total": quoted["total"], "tenders": [{"type": "card", "amount": quoted["total"]}]}
        status, sold = await hub.ask("POST", "/v1/sales", sale | paid)
        assert (status, quoted["total"]) == (201, 3125)
        assert {each["code"] for each in sold["warnings"]} <= {"clock_unsure"}, "nobody tells the time there"
        _, plum = await hub.ask("GET", "/v1/stock/PLUM")
        assert plum["stock"]["on_hand"] == 4250


def is_weight(state: str, weight_g: int | None = None) -> Any:
    return lambda event: (
        event["type"] == "weight" and (event["data"]["state"], event["data"].get("weight_g")) == (state, weight_g)
    )
