"""The hub's clock by its API: who may ask, who may confirm, what tills say of theirs, what is measured."""

import asyncio
import json
from typing import Any

import pytest

from tests.hub.clock_world import DAY, NOW, YEAR, Machine


@pytest.fixture
async def unsure(start_hub: Any) -> Any:
    """A hub whose machine nobody has told the time, at the moment when its clock is set forward by hand."""
    hub = await start_hub(cloud={"mode": "pull"})
    hub.runtime.clock._machine = Machine(wall_ms=NOW + YEAR).clock
    assert not hub.runtime.clock.is_sure
    return hub


async def test_everybody_may_ask_and_a_clock_that_is_told_needs_no_confirmation(till: Any, pair_till: Any) -> None:
    manager = await pair_till(till.hub, scope="manager")
    view = (await till.get("/v1/clock")).json
    refused = await manager.post("/v1/clock/confirm", {})

    assert (view["sure"], view["source"], view["offset_ms"], view["tills"]) == (True, "machine", 0, [])
    assert view["now"] == "2026-09-21T14:13:20Z"
    assert (refused.status, refused.json["code"]) == (409, "clock_is_sure")
    assert (await till.post("/v1/clock/confirm", {})).status == 403


async def test_sales_are_marked_until_the_manager_confirms(unsure: Any, pair_till: Any) -> None:
    till, manager = await pair_till(unsure), await pair_till(unsure, scope="manager")
    marked = (await till.post("/v1/sales", till.sale())).json
    for wrong in ("1970-01-01T00:00:00Z", "2300-01-01T00:00:00Z"):
        refused = await manager.post("/v1/clock/confirm", {"now": wrong})
        assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "clock_range", "/now")
    async with till.events() as ws, asyncio.timeout(30):
        confirmed = await manager.post("/v1/clock/confirm", {"now": "2026-09-22T09:00:00+08:00"})
        async for message in ws:
            event = json.loads(message.data)
            if event["type"] == "alarm":
                break
    sold = (await till.post("/v1/sales", till.sale())).json

    assert marked["warnings"] == [{"code": "clock_unsure"}] and "warnings" not in sold
    assert confirmed.status == 200 and confirmed.json["source"] == "manager"
    assert event["data"] == {"code": "clock_sure", "source": "manager"}
    assert sold["committed_at"].startswith("2026-09-22T01:00:0")


async def test_tills_say_what_their_clocks_show_when_they_connect(unsure: Any, pair_till: Any) -> None:
    tills = [await pair_till(unsure) for _ in range(3)]
    for till in tills:
        protocols = ("storehub.v1", f"storehub.bearer.{till.token}")
        params = {"now": str(NOW + DAY)}
        async with till.session.ws_connect("/v1/events", params=params, protocols=protocols) as ws:
            await ws.receive()
        for nonsense in ("soon", "-5", "9" * 40, "１２"):
            async with till.session.ws_connect("/v1/events", params={"now": nonsense}, protocols=protocols) as ws:
                assert json.loads((await ws.receive()).data)["type"] == "hello"
    view = (await tills[0].get("/v1/clock")).json

    assert (view["sure"], view["source"]) == (False, "tills")
    assert view["now"].startswith("2026-09-22T14:13:20")
    assert [each["till_id"] for each in view["tills"]] == [till.till_id for till in tills]


async def test_a_cloud_that_pulls_ends_the_doubt_and_figures_say_so(unsure: Any, pair_till: Any) -> None:
    cloud, ops = await pair_till(unsure, scope="cloud"), await pair_till(unsure, scope="ops")
    before = await (await ops.session.get("/metrics")).text()
    hello = {"rep": "cloud:00000000000000cc", "vector": [], "now_ms": NOW + 2 * YEAR}
    answer = await cloud.post("/sync/v1/hello", hello)
    after = await (await ops.session.get("/metrics")).text()

    assert answer.status == 200
    assert "storehub_clock_sure 0.0" in before and "storehub_clock_sure 1.0" in after
    assert (
        f"storehub_clock_offset_seconds {float(YEAR / 1000)!r}" in after
        or "storehub_clock_offset_seconds 3.1536e+07" in after
    )
    for odd in (0, 2**62, -(2**62)):
        assert (await cloud.post("/sync/v1/hello", hello | {"now_ms": odd})).status == 200
    assert unsure.runtime.clock.is_sure and unsure.runtime.clock.now_ms() == NOW + 2 * YEAR
