"""The demo's scale and display behind a real hub: goods are weighed whatever the scale does first; the line is read."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.demo import counter_top
from hub.demo.counter_top import FAULTS, CounterTop, Fault
from hub.demo.till_client import TillClient
from tests.api.attached import Attached, attached


@pytest.fixture
async def counter() -> AsyncIterator[Attached]:
    async with attached() as counter:
        yield counter


@pytest.fixture
async def top(
    start_hub: Any, pair_till: Any, counter: Attached, until: Any
) -> AsyncIterator[tuple[TillClient, CounterTop]]:
    """A till of the demo at a hub whose devices are ready, and what stands beside it."""
    named = {"s1": "lane2-scanner", "w1": counter_top.SCALE, "d1": counter_top.DISPLAY}
    hub = await start_hub(devices={named[name]: section for name, section in counter.sections.items()})
    till = await pair_till(hub)
    await until(lambda: till.get("/v1/devices"), lambda at: {each["health"] for each in at.json["items"]} == {"ready"})
    async with TillClient(hub.url, till.token) as client:
        yield client, CounterTop(counter.scale, counter.display, rng=random.Random(1))


@pytest.mark.parametrize("fault", FAULTS)
async def test_goods_weigh_what_they_weigh_whatever_the_scale_does_first(
    top: tuple[TillClient, CounterTop], counter: Attached, fault: Fault
) -> None:
    till, beside = top
    beside.fault = fault
    assert await beside.weigh(till, 345) == 345
    await beside.clear(till)
    assert counter.scale.load_g == 0 and beside.fault is None


async def test_the_customer_reads_the_line_and_a_display_that_is_away_stops_nobody(
    top: tuple[TillClient, CounterTop], counter: Attached
) -> None:
    till, beside = top
    await beside.show(till, "凍頂烏龍茶", "HKD 10.90")
    async with asyncio.timeout(30):
        await counter.display.shows("凍頂烏龍茶", "HKD 10.90")
    counter.display.line.unplug()
    await beside.show(till, "TOTAL", "HKD 10.90")
    assert await beside.weigh(till, 80) == 80
