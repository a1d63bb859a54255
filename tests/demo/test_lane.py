"""A lane of the demo on a real hub: what its till counts is what the hub expects, shift after shift and after a new start."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from hub.api.selling.sales import SaleRequest
from hub.api.staff.cashiers import EnrolRequest
from hub.client import HubClient, new_id
from hub.demo.lane import FLOAT, SHIFT_SALES, Lane
from hub.demo.people import CASHIERS
from hub.demo.till_client import TillClient
from sync.retail.selling.sales import SaleLine, Tender

StartHub = Callable[..., Awaitable[Any]]


async def enrol_all(hub: Any) -> None:
    async with HubClient("http://hub", unix_socket=hub.config.control_socket) as control:
        for each in CASHIERS:
            await control.enrol_cashier(EnrolRequest(f"c{each.number}", each.number, each.name, each.role, each.pin))


async def sell(till: TillClient, lane: Lane) -> None:
    """Sell a tea for 10.90, which cash pays to the coin."""
    sale = SaleRequest(
        sale_id=new_id(),
        till_id=till.till_id,
        currency="HKD",
        lines=(SaleLine(1, "TEA-01", 1, 1090),),
        tenders=(Tender("cash", 1090),),
        total=1090,
        session_id=lane.session_id,
    )
    await till.sell(sale)
    lane.count(sale.tenders)


class Careful(random.Random):
    """A cashier who is never a dollar off."""

    def random(self) -> float:
        return 1.0


async def test_a_shift_ends_with_a_count_that_is_right_and_a_new_drawer(start_hub: StartHub, pair_till: Any) -> None:
    hub = await start_hub()
    await enrol_all(hub)
    async with TillClient(hub.url) as till:
        await till.pair(await hub.make_code(), "lane 2")
        lane = Lane(rng=Careful())
        assert await lane.man(till), "a shift has begun"
        first = lane.session_id
        for _ in range(SHIFT_SALES):
            assert not await lane.man(till)
            await sell(till, lane)
        assert await lane.man(till)
        assert lane.session_id != first
    (z,) = (await (await pair_till(hub, "manager")).get("/v1/z-reports")).json["items"]
    assert z["session_id"] == first
    assert z["figures"]["sales"] == SHIFT_SALES
    assert (z["difference"], z["counted_cash"]) == (0, FLOAT + SHIFT_SALES * 1090)


async def test_a_lane_that_starts_again_goes_on_with_the_drawer_and_knows_what_lies_in_it(
    start_hub: StartHub, pair_till: Any
) -> None:
    hub = await start_hub()
    await enrol_all(hub)
    async with TillClient(hub.url) as till:
        paired = await till.pair(await hub.make_code(), "lane 2")
        before = Lane(rng=Careful())
        await before.man(till)
        await sell(till, before)
    async with TillClient(hub.url, paired.token) as known:
        known.till_id = paired.till_id
        again = Lane(rng=Careful())
        assert not await again.man(known)
        assert again.session_id == before.session_id
        for _ in range(SHIFT_SALES - 1):
            await sell(known, again)
        await again.man(known)
    (z,) = (await (await pair_till(hub, "manager")).get("/v1/z-reports")).json["items"]
    assert (z["difference"], z["figures"]["sales"]) == (0, SHIFT_SALES)
