"""A scale, a customer display and a drawer of its own behind the API: claimed, told, and away; over real HTTP and real ptys."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devices.testing.scale import SimulatedScale
from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine
from tests.api.attached import Attached, attached

PairTill = Callable[..., Awaitable[Any]]


class Drawer(SerialEnd):
    """Counts what makes it spring open."""

    def __init__(self, line: VirtualSerialLine) -> None:
        super().__init__(line)
        self.kicks = b""

    def heard(self, chunk: bytes) -> None:
        self.kicks += chunk


@pytest.fixture
async def counter() -> AsyncIterator[Attached]:
    async with attached() as counter:
        yield counter


@pytest.fixture
async def till(start_hub: Any, pair_till: PairTill, counter: Attached, until: Any) -> Any:
    """A till of a hub whose devices are ready."""
    till = await pair_till(await start_hub(devices=counter.sections))
    await until(lambda: till.get("/v1/devices"), lambda at: {each["health"] for each in at.json["items"]} == {"ready"})
    return till


async def weight_of(ws: Any, grams: int) -> Any:
    """Return the event that says so."""
    async with asyncio.timeout(30):
        while (frame := await ws.receive_json())["type"] != "weight" or frame["data"].get("weight_g") != grams:
            pass
    return frame


async def test_goods_are_weighed_into_a_sale(till: Any, counter: Attached) -> None:
    assert (await till.post("/v1/devices/w1/claim")).status == 200
    async with till.events() as ws:
        counter.scale.load_g = 600
        frame = await weight_of(ws, 600)
    shown = await till.get("/v1/devices/w1/weight")
    assert (frame["device"], shown.json["state"], shown.json["weight_g"]) == ("w1", "stable", 600)

    weighed = {"line": 1, "sku": "PLUM", "qty": shown.json["weight_g"], "unit": "g"}
    quoted = (await till.post("/v1/quotes", {"lines": [weighed]})).json
    tenders = [{"type": "card", "amount": quoted["total"]}]
    sold = await till.post("/v1/sales", till.sale(lines=quoted["lines"], total=quoted["total"], tenders=tenders))
    assert (sold.status, quoted["total"]) == (201, 2500)
    assert (await till.get("/v1/stock/PLUM")).json["stock"]["on_hand"] == 4400


async def test_only_the_till_that_claims_the_scale_hears_it(till: Any, pair_till: PairTill, counter: Attached) -> None:
    other = await pair_till(till.hub)
    await till.post("/v1/devices/w1/claim")
    async with till.events() as ws, other.events() as others:
        counter.scale.load_g = 750
        await weight_of(ws, 750)
        till.hub.runtime.tell("marker", {})
        async with asyncio.timeout(30):
            heard = []
            while (frame := await others.receive_json())["type"] != "marker":
                heard.append(frame["type"])
    assert "weight" not in heard


async def test_a_bowl_is_zeroed_by_the_till_that_claims_the_scale(
    till: Any, pair_till: PairTill, counter: Attached, until: Any
) -> None:
    other = await pair_till(till.hub)
    counter.scale.load_g = 500
    await until(lambda: till.get("/v1/devices/w1/weight"), lambda at: at.json.get("weight_g") == 500)
    await till.post("/v1/devices/w1/claim")
    refused = await other.post("/v1/devices/w1/zero")
    assert (refused.status, refused.json["code"]) == (409, "claimed")
    assert (await till.post("/v1/devices/w1/zero")).status == 200
    await until(lambda: till.get("/v1/devices/w1/weight"), lambda at: at.json["state"] == "zero")


async def test_what_lay_on_a_scale_before_it_was_unplugged_is_not_told_after(
    start_hub: Any, pair_till: PairTill, until: Any, tmp_path: Path
) -> None:
    line = VirtualSerialLine(tmp_path / "scale", tmp_path / "scale-outside")
    async with line, SimulatedScale(line) as scale:
        scale.load_g = 500
        section = {"kind": "toledo_scale", "port": line.device_path, "poll_ms": 100}
        till = await pair_till(await start_hub(devices={"w1": section}))
        await until(lambda: till.get("/v1/devices/w1/weight"), lambda at: at.json.get("weight_g") == 500)
        scale.is_silent = True
        line.unplug()
        await until(lambda: till.get("/v1/devices/w1/weight"), lambda at: at.status == 503)
        line.replug()
        await until(lambda: till.get("/v1/devices"), lambda at: at.json["items"][0]["health"] != "offline")
        shown = await till.get("/v1/devices/w1/weight")

    assert (shown.status, shown.json["code"]) == (503, "device_offline") or shown.json["state"] == "not_ready"


async def test_the_customer_reads_what_the_till_says(till: Any, counter: Attached) -> None:
    done = await till.request("PUT", "/v1/devices/d1/text", {"lines": ["凍頂烏龍茶", "HK$ 128.00"]})
    assert (done.status, done.json) == (200, {"device_id": "d1"})
    async with asyncio.timeout(30):
        await counter.display.shows("凍頂烏龍茶", "HK$ 128.00")


async def test_a_device_that_is_away_or_another_kind_is_answered_with_its_reason(
    till: Any, counter: Attached, until: Any
) -> None:
    wrong = await till.request("PUT", "/v1/devices/w1/text", {"lines": []})
    assert (wrong.status, wrong.json["code"]) == (422, "wrong_category")
    assert (await till.get("/v1/devices/nothing/weight")).status == 404
    counter.display.line.unplug()
    away = await until(
        lambda: till.request("PUT", "/v1/devices/d1/text", {"lines": ["?"]}), lambda answer: answer.status != 200
    )
    assert (away.status, away.json["code"]) == (503, "device_offline")
    assert "unplugged" in away.json["detail"] or "not there" in away.json["detail"]


async def test_a_drawer_of_its_own_is_opened_once_and_noted(start_hub: Any, pair_till: PairTill, until: Any) -> None:
    async with VirtualSerialLine() as line, Drawer(line) as drawer:
        hub = await start_hub(devices={"drawer1": {"kind": "serial_drawer", "port": line.device_path}})
        manager = await pair_till(hub, scope="manager")
        opened = await until(lambda: manager.post("/v1/drawers/drawer1/open"), lambda answer: answer.status == 200)
        assert opened.json == {"drawer_id": "drawer1"}
        async with asyncio.timeout(30):
            while drawer.kicks != b"\x07":
                await manager.get("/v1/devices")
        (noted,) = (await manager.get("/v1/trail", action="drawer_opened")).json["items"]
        assert noted["subject"] == "drawer1"


async def test_a_tag_names_its_product(start_hub: Any, pair_till: PairTill, until: Any) -> None:
    async with VirtualSerialLine() as line:
        hub = await start_hub(devices={"plate1": {"kind": "line_rfid", "port": line.device_path}})
        till = await pair_till(hub)
        await until(lambda: till.get("/v1/devices"), lambda at: at.json["items"][0]["health"] == "ready")
        await till.post("/v1/devices/plate1/claim")
        async with till.events() as ws:
            await line.write(b"3074257BF7194E4000001A85,1,-50\r\n")
            async with asyncio.timeout(30):
                while (frame := await ws.receive_json())["type"] != "tag":
                    pass
    assert (frame["data"]["gtin"], frame["data"]["serial"]) == ("80614141123458", "6789")
