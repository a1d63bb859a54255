"""POST /v1/returns over real HTTP: what is booked, what is refused, what is repeated, what other screens hear."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.client import HubClient, new_id
from sync.retail.selling.returns import Return, ReturnLine

PairTill = Callable[..., Awaitable[Any]]


@pytest.fixture
async def sale(till: Any) -> Any:
    """A sale of three teas for 30.00 after discount, and one bag, with what the till was told of it."""
    tea = {"sku": "TEA-01", "qty": 3, "unit_price": 1090, "discount": 270}
    sale = till.sale(tea, {"sku": "BAG", "qty": 1, "unit_price": 100})
    answer = await till.post("/v1/sales", sale)
    assert answer.status == 201
    return sale | {"receipt_no": answer.json["receipt_no"]}


def back(till: Any, sale: Any, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the body of a return of one tea, or of these lines."""
    whole = {
        "return_id": new_id(),
        "till_id": till.till_id,
        "sale_id": sale["sale_id"],
        "lines": list(lines) or [{"line": 1, "qty": 1}],
        "reason": "too dark",
    }
    return whole | fields


async def test_goods_come_back_with_refund_stock_and_dot(till: Any, sale: Any) -> None:
    answer = await till.post("/v1/returns", back(till, sale, {"line": 1, "qty": 2}, {"line": 2, "qty": 1}))

    assert answer.status == 201
    assert (answer.json["sale_id"], answer.json["refund"], answer.json["currency"]) == (sale["sale_id"], 2100, "HKD")
    assert answer.json["lines"] == [
        {"line": 1, "sku": "TEA-01", "qty": 2, "amount": 2000},
        {"line": 2, "sku": "BAG", "qty": 1, "amount": 100},
    ]
    assert answer.json["stock"] == {"TEA-01": 19}
    assert answer.json["dot"] == {"rep": till.hub.runtime.replica.rep, "stream": "returns", "seq": 1}
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 19


async def test_a_repeated_return_is_told_the_same_bytes_and_counted_once(till: Any, sale: Any) -> None:
    asked = back(till, sale)
    first = await till.post("/v1/returns", asked)
    other_bytes = json.dumps(dict(reversed(asked.items())) | {"tenders": []}, indent=1).encode()

    again = [await till.post("/v1/returns", body) for body in (asked, other_bytes)]
    by_receipt = await till.post("/v1/returns", asked | {"sale_id": sale["receipt_no"]})

    assert [(a.status, a.body) for a in (*again, by_receipt)] == [(200, first.body)] * 3
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 18


async def test_other_content_under_a_known_id_is_a_conflict(till: Any, sale: Any) -> None:
    await till.post("/v1/returns", asked := back(till, sale))

    answer = await till.post("/v1/returns", asked | {"reason": "too light"})

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (409, "other_content", "/return_id")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lines": [{"line": 1, "qty": 4}]}, (422, "more_than_sold", "/lines/0/qty")),
        ({"lines": [{"line": 5, "qty": 1}]}, (422, "sale_line", "/lines/0/line")),
        ({"lines": [{"line": 1, "qty": 1}] * 2}, (422, "line_named_twice", "/lines/1/line")),
        ({"lines": [{"line": 1, "qty": 0}]}, (422, "invalid_field", "/lines/0/qty")),
        ({"lines": [{"line": 1, "qty": 1.5}]}, (422, "invalid_field", "/lines/0/qty")),
        ({"lines": [{"line": 1, "qty": 10**30}]}, (422, "invalid_field", "/lines/0/qty")),
        ({"lines": []}, (422, "invalid_field", "/lines")),
        ({"reason": ""}, (422, "invalid_field", "/reason")),
        ({"reason": "a\nb"}, (422, "invalid_field", "/reason")),
        ({"tenders": [{"type": "cash", "amount": 1}]}, (422, "refund_tenders", "/tenders")),
        ({"returned_at": "9999-12-31T23:59:59Z"}, (422, "invalid_field", None)),
        ({"returned_at": "2026-09-21T10:00:00"}, (422, "invalid_field", "/returned_at")),
        ({"sale_id": "no-such-sale"}, (404, "sale", "/sale_id")),
        ({"till_id": "t99"}, (403, "not_your_till", "/till_id")),
        ({"surprise": 1}, (422, "invalid_field", "/surprise")),
    ],
)
async def test_a_wrong_return_is_refused_with_its_pointer_and_changes_nothing(
    till: Any, sale: Any, change: dict[str, Any], said: tuple[int, str, str | None]
) -> None:
    answer = await till.post("/v1/returns", back(till, sale) | change)

    assert (answer.status, answer.json["code"], answer.json.get("pointer")) == said
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 17
    assert "returned" not in (await till.get(f"/v1/sales/{sale['sale_id']}")).json


async def test_a_return_that_has_happened_is_never_refused_for_what_is_left(till: Any, sale: Any) -> None:
    """Posted again after its hub was restored, or for the first time after a night without one."""
    body = back(till, sale, {"line": 1, "qty": 4})
    answer = await till.post("/v1/returns", body | {"offline": True})
    again = await till.post("/v1/returns", body)

    assert (answer.status, again.status) == (201, 200)
    assert answer.json["warnings"] == [{"code": "more_than_sold", "line": 1, "detail": "4 of 3 are back"}]
    assert again.body == answer.body


async def test_a_line_returned_in_three_parts_refunds_its_amount_and_no_more(till: Any) -> None:
    """20.00 for three: 6.67, 6.66, 6.67; then nothing is left, and the answer says so."""
    discounts = [{"amount": 1270, "kind": "promotion"}]
    sale = till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090, "discount": 1270, "discounts": discounts})
    await till.post("/v1/sales", sale)

    refunds = [(await till.post("/v1/returns", back(till, sale))).json["refund"] for _ in range(3)]
    none_left = await till.post("/v1/returns", back(till, sale))

    assert refunds == [667, 666, 667]
    assert (none_left.status, none_left.json["detail"]) == (422, "line 1: 0 of 3 are left to return, not 1")


async def test_cash_rounding_is_not_refunded_but_cash_may_go_out_rounded(till: Any) -> None:
    line = {"sku": "PLUM", "qty": 250, "unit_price": 2500, "unit": "g"}
    sale = till.sale(line, total=1040, rounding=-2)
    await till.post("/v1/sales", sale)

    paid = [{"type": "cash", "amount": 1040}]
    answer = await till.post("/v1/returns", back(till, sale, {"line": 1, "qty": 250}, tenders=paid))

    assert (answer.status, answer.json["refund"], answer.json["stock"]) == (201, 1042, {"PLUM": 5000})


async def test_a_sale_tells_what_is_back_of_its_lines(till: Any, sale: Any) -> None:
    for qty in (1, 2):
        await till.post("/v1/returns", back(till, sale, {"line": 1, "qty": qty}))

    assert (await till.get(f"/v1/sales/{sale['receipt_no']}")).json["returned"] == {"1": 3}


async def test_a_return_is_found_by_its_id(till: Any, sale: Any) -> None:
    asked = back(till, sale, cashier_id="c1")
    booked = (await till.post("/v1/returns", asked)).json

    found = await till.get(f"/v1/returns/{asked['return_id']}")

    assert (found.status, found.json["dot"]) == (200, booked["dot"])
    assert (found.json["fact"]["return"], found.json["fact"]["refund"]) == (asked, booked["refund"])
    assert (await till.get("/v1/returns/nothing")).json["code"] == "return"


async def test_other_screens_hear_of_a_return_once_after_its_commit(till: Any, sale: Any) -> None:
    asked = back(till, sale)
    async with till.events() as ws:
        await ws.receive_json(timeout=30)
        for _ in range(2):
            await till.post("/v1/returns", asked)
        await till.post("/v1/sales", till.sale())
        events = [await ws.receive_json(timeout=30) for _ in range(3)]

    assert [event["type"] for event in events] == ["return", "stock", "sale"]
    assert events[0]["data"] == {
        "return_id": asked["return_id"],
        "sale_id": sale["sale_id"],
        "till_id": till.till_id,
        "refund": 1000,
        "currency": "HKD",
    }
    assert events[1]["data"] == {"TEA-01": 18}


async def test_returns_are_counted_by_how_they_ended(till: Any, sale: Any) -> None:
    asked = back(till, sale)
    for _ in range(3):
        await till.post("/v1/returns", asked)

    async with till.session.get("/metrics") as response:
        text = await response.text()

    assert 'storehub_returns_total{status="created"} 1.0' in text
    assert 'storehub_returns_total{status="repeated"} 2.0' in text


async def test_a_manager_takes_back_in_the_name_of_a_till(hub: Any, till: Any, sale: Any, pair_till: PairTill) -> None:
    manager = await pair_till(hub, scope="manager")

    assert (await manager.post("/v1/returns", back(till, sale))).status == 201


async def test_the_client_takes_goods_back(hub: Any, till: Any, sale: Any) -> None:
    async with HubClient(hub.url, till.token) as client:
        content = Return(
            return_id="r1", till_id=till.till_id, sale_id=sale["sale_id"], lines=(ReturnLine(1, 3),), reason="gift"
        )
        answer = await client.take_back(content)

    assert (answer.refund, answer.stock, answer.dot.seq) == (3000, {"TEA-01": 20}, 1)
