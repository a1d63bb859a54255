"""A broken scanner's replacement over real HTTP and the control socket: listed, in the manager's list, taken over, put back."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from devices.plug.attachment import Attached, AttachmentError, Match
from devices.testing.serial_line import VirtualSerialLine
from hub.commands import devices as command

NEW = Attached(
    subsystem="tty",
    node="/dev/ttyACM1",
    vendor="05e0",
    product="1200",
    serial="S9",
    port_path="usb-1.2",
    label="Zebra DS2208",
)
OLD = Match(vendor="05e0", product="1200", serial="S1")
USB = {"vendor": "05e0", "product": "1200", "serial": "S9"}


@pytest.fixture
async def shop_hub(start_hub: Any, tmp_path: Any) -> Any:
    """A hub whose scanner is away; another one of its model is plugged in."""
    hub = await start_hub(devices={"lane1": {"kind": "serial_scanner", "port": f"{tmp_path}/none"}})
    hub.sockets.plug(NEW)
    with contextlib.suppress(AttachmentError):
        hub.runtime.attachments.attached("lane1", OLD, "tty")
    return hub


async def test_the_replacement_is_in_the_managers_list_until_it_takes_over(shop_hub: Any, pair_till: Any) -> None:
    manager = await pair_till(shop_hub, scope="manager")

    (line,) = (await manager.get("/v1/attention")).json["items"]
    (listed,) = (await manager.get("/v1/devices/attached")).json["items"]
    taken = await manager.post("/v1/devices/lane1/take-over", {"node": "/dev/ttyACM1"})
    after = (await manager.get("/v1/devices/attached")).json

    assert (line["kind"], line["owner"], line["closes"]) == ("replacement", "lane1", "itself")
    assert line["said"]["en"].startswith("/dev/ttyACM1 Zebra DS2208") and set(line["title"]) == {"en", "zh-Hant"}
    assert (listed["usb"], listed["device_id"]) == (USB, None)
    assert listed["replaces"] == [{"device_id": "lane1", "likeness": "same_model"}]
    assert (taken.status, taken.json["usb"], taken.json["instead_of"]) == (200, USB, {**USB, "serial": "S1"})
    assert (after["items"][0]["device_id"], after["items"][0]["replaces"]) == ("lane1", [])
    assert [each["device_id"] for each in after["take_overs"]] == ["lane1"]
    assert (await manager.get("/v1/attention")).json["items"] == []


async def test_undone_it_is_offered_again(shop_hub: Any, pair_till: Any) -> None:
    manager = await pair_till(shop_hub, scope="manager")
    await manager.post("/v1/devices/lane1/take-over", {"node": "/dev/ttyACM1"})

    undone = await manager.request("DELETE", "/v1/devices/lane1/take-over")

    assert (undone.status, undone.json) == (200, {"device_id": "lane1"})
    assert len((await manager.get("/v1/attention")).json["items"]) == 1


async def test_a_till_does_not_decide_and_what_is_not_attached_is_refused(shop_hub: Any, pair_till: Any) -> None:
    till, ops = await pair_till(shop_hub), await pair_till(shop_hub, scope="ops")

    refused = await till.post("/v1/devices/lane1/take-over", {"node": "/dev/ttyACM1"})
    unknown = await ops.post("/v1/devices/lane1/take-over", {"node": "/dev/ttyACM8"})

    assert (refused.status, unknown.status, unknown.json["code"]) == (403, 404, "attached")


async def test_the_same_by_the_command_line(shop_hub: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = shop_hub.config
    await asyncio.to_thread(command.list_devices, config)
    before = capsys.readouterr().out
    await asyncio.to_thread(command.take_over, "lane1", "/dev/ttyACM1", config)
    taken = capsys.readouterr().out
    await asyncio.to_thread(command.list_devices, config)
    after = capsys.readouterr().out
    await asyncio.to_thread(command.put_back, "lane1", config)

    assert "is free" in before and "storehub devices take-over lane1 /dev/ttyACM1" in before
    assert 'usb = {serial = "S9", vendor = "05e0", product = "1200"}' in taken
    assert "is lane1" in after and "storehub devices put-back lane1" in after
    assert capsys.readouterr().out == "lane1 is again what the configuration says\n"


async def test_a_scanner_that_breaks_and_its_replacement_end_to_end(start_hub: Any, pair_till: Any, until: Any) -> None:
    """A real pseudo-terminal behind simulated sockets: plugged in, pulled out, another one plugged in, taken over."""
    async with VirtualSerialLine() as line:
        node = line.device_path
        hub = await start_hub(devices={"lane1": {"kind": "serial_scanner", "usb": {"vendor": "05e0", "serial": "S1"}}})
        manager = await pair_till(hub, scope="manager")

        async def reaches(health: str, reason: str = "") -> Any:
            def holds(answer: Any) -> bool:
                (device,) = answer.json["items"]
                return (device["health"], device["reason"]) == (health, reason)

            return await until(lambda: manager.get("/v1/devices"), holds)

        await reaches("offline", "not_attached")
        old = Attached(subsystem="tty", node=node, vendor="05e0", product="1200", serial="S1")
        hub.sockets.plug(old)
        await reaches("ready")
        line.unplug()
        hub.sockets.pull(node)
        await reaches("offline", "not_attached")
        line.replug()
        async with manager.events() as ws:
            await ws.receive_json(timeout=30)
            hub.sockets.plug(msgspec.structs.replace(old, node=line.device_path, serial="S9"))
            while (event := await ws.receive_json(timeout=30))["type"] != "alarm":
                pass
        assert (event["data"]["code"], event["data"]["device_id"]) == ("replacement", "lane1")
        await manager.post("/v1/devices/lane1/take-over", {"node": line.device_path})
        await reaches("ready")
        await line.write(b"96385074\r")
        await until(
            lambda: manager.get("/v1/devices"), lambda answer: answer.json["items"][0]["counters"].get("labels") == 1
        )

        undone = await manager.request("DELETE", "/v1/devices/lane1/take-over")
        assert undone.status == 200
        await reaches("offline", "not_attached")
