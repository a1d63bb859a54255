"""What a sale or return says of its drawer, its cashier and its till's clock, over real HTTP: noted, and never refused."""

from typing import Any

import pytest

AMY = {"cashier_id": "amy", "number": "2", "name": "Amy", "role": "cashier", "pin": "4819"}


@pytest.fixture
async def manager(till: Any, pair_till: Any) -> Any:
    return await pair_till(till.hub, scope="manager")


def codes(answer: Any) -> list[str]:
    assert answer.status == 201, answer.body
    return [each["code"] for each in answer.json.get("warnings", [])]


def back(till: Any, **fields: Any) -> dict[str, Any]:
    said = {
        "return_id": "r1",
        "till_id": till.till_id,
        "sale_id": "s1",
        "reason": "x",
        "lines": [{"line": 1, "qty": 1}],
    }
    return said | fields


async def test_a_drawer_session_that_nobody_opened_is_noted(till: Any, manager: Any) -> None:
    sold = await till.post("/v1/sales", till.sale(sale_id="s1", session_id="sesion-1"))
    returned = await till.post("/v1/returns", back(till, session_id="sesion-1"))

    assert (codes(sold), codes(returned)) == (["session_unknown"], ["session_unknown"])


async def test_a_session_that_is_open_is_not_noted_and_one_that_is_closed_names_its_report(
    till: Any, manager: Any
) -> None:
    await manager.post("/v1/drawer-sessions", {"session_id": "w1", "till_id": till.till_id, "float_amount": 0})
    sold = await till.post("/v1/sales", till.sale(session_id="w1"))
    closed = await manager.post("/v1/drawer-sessions/w1/close", {"counted": []})
    late = await till.post("/v1/sales", till.sale(session_id="w1"))

    assert (codes(sold), codes(late)) == ([], ["session_closed"])
    assert closed.json["z_report"]["z_no"] in late.json["warnings"][0]["detail"]


async def test_a_cashier_whom_nobody_knows_is_noted_where_there_are_cashiers(till: Any, manager: Any) -> None:
    without = await till.post("/v1/sales", till.sale(cashier_id="ghost"))
    await manager.post("/v1/cashiers", AMY)
    ghost = await till.post("/v1/sales", till.sale(cashier_id="ghost"))
    amy = await till.post("/v1/sales", till.sale(cashier_id="amy"))

    assert (codes(without), codes(ghost), codes(amy)) == ([], ["cashier_unknown"], [])


@pytest.mark.parametrize(
    ("ahead", "day", "noted"),
    [
        ("2026-09-21T22:23:20+08:00", "2026-09-21", []),
        ("2026-09-21T22:23:21+08:00", "2026-09-21", ["till_clock"]),
        ("2026-09-22T12:00:00+08:00", "2026-09-21", ["till_clock"]),
        ("2027-09-21T22:13:20+08:00", "2026-09-21", ["till_clock"]),
    ],
)
async def test_what_is_sold_in_a_time_to_come_is_dated_by_the_hub(
    till: Any, ahead: str, day: str, noted: list[str]
) -> None:
    """A trading day that has not come would be in no report until then. The hub's clock is sure, and says 22:13:20."""
    sold = await till.post("/v1/sales", till.sale(sale_id="s1", sold_at=ahead))
    again = await till.post("/v1/sales", till.sale(sale_id="s1", sold_at=ahead))
    returned = await till.post("/v1/returns", back(till, returned_at=ahead))
    trained = await till.post("/v1/sales", till.sale(sold_at=ahead, training=True))

    assert [answer.json["business_date"] for answer in (sold, again, returned, trained)] == [day] * 4
    assert (codes(sold), codes(returned), codes(trained)) == (noted, noted, noted) and again.status == 200


async def test_a_price_list_of_tomorrow_is_not_sold_at_by_a_clock_that_runs_ahead(till: Any, manager: Any) -> None:
    rows = {
        "lists": [{"list_id": "l", "name": {"en": "L"}, "valid_from": "2026-09-22"}],
        "prices": [{"list_id": "l", "sku": "TEA-01", "amount": 1}],
    }
    await manager.post("/v1/pricing", rows)
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1}

    sold = await till.post("/v1/sales", till.sale(line, sold_at="2026-09-22T09:00:00+08:00"))

    assert codes(sold) == ["till_clock", "price_differs"]
