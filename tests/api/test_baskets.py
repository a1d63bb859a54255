"""Parking a basket and taking it up over real HTTP: once, by one till, on its day."""

from collections.abc import Awaitable, Callable
from typing import Any

from hub.client import new_id
from hub.store.selling.baskets import PARKED_MAX

PairTill = Callable[..., Awaitable[Any]]
DAY_MS = 24 * 3600 * 1000


def basket(till: Any, **fields: Any) -> dict[str, Any]:
    lines = [{"line": 1, "sku": "TEA-01", "qty": 2, "unit_price": 1090}]
    return {"basket_id": new_id(), "till_id": till.till_id, "lines": lines, "note": "紅帽子 red hat"} | fields


async def test_a_basket_is_taken_up_at_another_till_and_by_nobody_else(till: Any, pair_till: PairTill) -> None:
    other, late = await pair_till(till.hub), await pair_till(till.hub)
    parked = basket(till)

    first, again = await till.post("/v1/baskets", parked), await till.post("/v1/baskets", parked)
    listed = (await other.get("/v1/baskets")).json["items"]
    path = f"/v1/baskets/{parked['basket_id']}"
    taken = await other.request("DELETE", path)

    assert (first.status, again.status, first.body) == (201, 200, again.body)
    assert [view["basket"] for view in listed] == [parked]
    assert (taken.status, taken.json["state"], taken.json["basket"]) == (200, "taken", parked)
    assert (await other.request("DELETE", path)).body == taken.body
    refused = await late.request("DELETE", path)
    assert (refused.status, refused.json["code"], refused.json["holder"]) == (409, "basket_taken", other.till_id)
    assert (await till.get("/v1/baskets")).json["items"] == []


async def test_parking_that_is_repeated_late_brings_no_basket_back(till: Any) -> None:
    parked = basket(till)
    await till.post("/v1/baskets", parked)
    await till.request("DELETE", f"/v1/baskets/{parked['basket_id']}")

    again = await till.post("/v1/baskets", parked)

    assert (again.status, again.json["state"]) == (200, "taken")
    assert (await till.get("/v1/baskets")).json["items"] == []


async def test_other_content_under_a_known_id_is_refused(till: Any) -> None:
    parked = basket(till)
    await till.post("/v1/baskets", parked)

    answer = await till.post("/v1/baskets", parked | {"note": "another"})

    assert (answer.status, answer.json["code"]) == (409, "other_content")
    assert (await till.get(f"/v1/baskets/{parked['basket_id']}")).json["basket"] == parked


async def test_a_basket_holds_no_stock(till: Any) -> None:
    await till.post("/v1/baskets", basket(till))

    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 20


async def test_at_the_days_end_it_leaves_the_list_for_the_managers(till: Any, pair_till: PairTill) -> None:
    manager = await pair_till(till.hub, scope="manager")
    parked = basket(till)
    await till.post("/v1/baskets", parked)
    today = (await manager.get("/v1/attention")).json["items"]

    till.hub.clock.now_ms += DAY_MS

    assert today == []
    assert (await till.get("/v1/baskets")).json["items"] == []
    (line,) = (await manager.get("/v1/attention")).json["items"]
    assert (line["kind"], line["key"]) == ("left_basket", parked["basket_id"])
    assert line["said"]["en"] == f"Parked at {till.till_id} on 2026-09-21 and never taken up"
    await till.request("DELETE", f"/v1/baskets/{parked['basket_id']}")
    assert (await manager.get("/v1/attention")).json["items"] == []


async def test_a_day_has_room_for_so_many_and_the_next_is_refused(till: Any) -> None:
    for _ in range(PARKED_MAX):
        assert (await till.post("/v1/baskets", basket(till))).status == 201

    full = await till.post("/v1/baskets", basket(till))

    assert (full.status, full.json["code"]) == (422, "baskets_full")


async def test_an_unknown_basket_and_another_tills_name_are_refused(till: Any) -> None:
    assert (await till.request("DELETE", "/v1/baskets/nothing")).json["code"] == "basket"
    assert (await till.post("/v1/baskets", basket(till, till_id="t99"))).json["code"] == "not_your_till"
