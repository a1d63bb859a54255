"""Voiding a sale over real HTTP: all of it, on its day, once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def till(start_hub: Any, pair_till: PairTill) -> Any:
    """A till of a shop where anybody may void."""
    return await pair_till(await start_hub(approvals={"void": "none"}))


def void(till: Any, **fields: Any) -> dict[str, Any]:
    return {"void_id": "v1", "till_id": till.till_id, "reason": "wrong customer"} | fields


async def test_stock_and_tenders_come_back_and_the_return_says_that_it_is_a_void(till: Any) -> None:
    lines = ({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, {"sku": "PLUM", "qty": 250, "unit_price": 2500})
    lines[1]["unit"] = "g"
    tenders = [{"type": "card", "amount": 1000}, {"type": "cash", "amount": 2220, "tendered": 3000}]
    sale = till.sale(*lines, tenders=tenders, total=3220, rounding=-2)
    booked = await till.post("/v1/sales", sale)
    assert booked.status == 201, booked.body

    answer = await till.post(f"/v1/sales/{booked.json['receipt_no']}/void", void(till))
    again = await till.post(f"/v1/sales/{booked.json['receipt_no']}/void", void(till))

    assert (answer.status, again.status, answer.body) == (201, 200, again.body)
    assert (answer.json["refund"], answer.json["stock"]) == (3222, {"TEA-01": 20, "PLUM": 5000})
    fact = (await till.get("/v1/returns/v1")).json["fact"]
    assert fact["return"]["void"] is True and fact["return"]["reason"] == "wrong customer"
    assert fact["return"]["tenders"] == [{"type": "card", "amount": 1000}, {"type": "cash", "amount": 2220}]


async def test_a_voided_sale_has_nothing_left_to_return_or_void(till: Any) -> None:
    await till.post("/v1/sales", sale := till.sale())
    path = f"/v1/sales/{sale['sale_id']}/void"
    await till.post(path, void(till))

    again = await till.post(path, void(till, void_id="v2"))
    more = {"return_id": "r1", "till_id": till.till_id, "sale_id": sale["sale_id"], "reason": "x"}
    returned = await till.post("/v1/returns", more | {"lines": [{"line": 1, "qty": 1}]})

    assert (again.status, again.json["code"]) == (422, "void_returned")
    assert (returned.status, returned.json["code"]) == (422, "more_than_sold")


async def test_a_sale_of_another_day_is_returned_and_not_voided(till: Any) -> None:
    await till.post("/v1/sales", sale := till.sale())
    path = f"/v1/sales/{sale['sale_id']}/void"
    first = await till.post(path, void(till))
    await till.post("/v1/sales", late := till.sale())
    till.hub.clock.now_ms += DAY_MS

    answer = await till.post(f"/v1/sales/{late['sale_id']}/void", void(till, void_id="v2"))
    repeat = await till.post(path, void(till))

    assert (answer.status, answer.json["code"]) == (422, "void_day")
    assert (repeat.status, repeat.body) == (200, first.body)


async def test_other_content_under_a_known_id_and_an_unknown_sale_are_refused(till: Any) -> None:
    await till.post("/v1/sales", sale := till.sale())
    path = f"/v1/sales/{sale['sale_id']}/void"
    await till.post(path, void(till))

    assert (await till.post(path, void(till, reason="other"))).json["code"] == "other_content"
    assert (await till.post("/v1/sales/nothing/void", void(till))).json["code"] == "sale"
    assert (await till.post(path, void(till, till_id="t99"))).json["code"] == "not_your_till"


async def test_a_void_needs_what_the_approvals_say_and_stands_in_the_audit_trail(
    start_hub: Any, pair_till: PairTill
) -> None:
    till = await pair_till(hub := await start_hub())
    manager = await pair_till(hub, scope="manager")
    await till.post("/v1/sales", sale := till.sale())
    path = f"/v1/sales/{sale['sale_id']}/void"

    bare = await till.post(path, void(till))
    wrong = await till.post(path, void(till, approval_id="a1"))
    alone = await manager.post(path, void(till))

    assert (bare.status, bare.json["code"]) == (422, "approval_needed")
    assert (wrong.status, wrong.json["code"]) == (422, "approval")
    assert alone.status == 201
    (line,) = (await manager.get("/v1/trail", action="voided")).json["items"]
    assert (line["subject"], line["reason"]) == (sale["sale_id"], "wrong customer")
