"""A stocktake by HTTP while tills sell: what is sold between counting and posting stays sold, what is missing is missing once."""

from typing import Any

import pytest

from hub.client import new_id


async def sell(till: Any, qty: int) -> None:
    line = {"sku": "TEA-01", "qty": qty, "unit_price": 1090}
    assert (await till.post("/v1/sales", till.sale(line))).status == 201


async def on_hand(till: Any, sku: str = "TEA-01") -> int:
    return int((await till.get(f"/v1/stock/{sku}")).json["stock"]["on_hand"])


async def seen(till: Any) -> dict[str, Any]:
    return dict((await till.get("/v1/stock/seen")).json["seen"])


def count(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"count_id": new_id(), "lines": list(lines)} | fields


async def test_what_is_sold_between_counting_and_posting_is_not_corrected_away(till: Any) -> None:
    """Twenty are on the books, two are gone without a record; the till sells before, while and after it is counted."""
    await sell(till, 3)
    vector = await seen(till)
    await sell(till, 4)
    said = count({"sku": "TEA-01", "counted": 15, "seen": vector}, {"sku": "SHIRT-M", "counted": 5, "seen": vector})
    await sell(till, 1)

    first, again = await till.post("/v1/stock/counts", said), await till.post("/v1/stock/counts", said)

    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert first.json["stock"] == [["TEA-01", "shop", -2]]
    assert [(flag["code"], flag["detail"]) for flag in first.json["flags"]] == [
        ("count_differs", "15 counted, -2 booked")
    ]
    assert await on_hand(till) == 15 - 4 - 1
    assert await on_hand(till, "SHIRT-M") == 5


async def test_two_who_count_the_same_shelf_book_the_difference_once(till: Any) -> None:
    vector = await seen(till)
    for _ in range(2):
        await till.post("/v1/stock/counts", count({"sku": "TEA-01", "counted": 17}, seen=vector))

    assert await on_hand(till) == 17


async def test_without_a_vector_it_was_counted_just_now(till: Any) -> None:
    await sell(till, 3)
    answer = (await till.post("/v1/stock/counts", count({"sku": "TEA-01", "counted": 20}))).json

    assert answer["stock"] == [["TEA-01", "shop", 3]]
    assert await on_hand(till) == 20


async def test_deliveries_and_returns_after_the_count_stay_as_well(till: Any) -> None:
    sale = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090})
    await till.post("/v1/sales", sale)
    vector = await seen(till)
    back = {"return_id": new_id(), "till_id": till.till_id, "sale_id": sale["sale_id"], "reason": "x"}
    await till.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})
    document = {"document_id": new_id(), "kind": "receive", "lines": [{"sku": "TEA-01", "qty": 10}]}
    await till.post("/v1/stock/documents", document)
    await till.post("/v1/stock/counts", count({"sku": "TEA-01", "counted": 18}, seen=vector))

    assert await on_hand(till) == 18 + 1 + 10


async def test_a_blind_count_tells_the_one_who_counts_nothing_and_the_manager_all(
    hub: Any, till: Any, pair_till: Any
) -> None:
    manager = await pair_till(hub, scope="manager")
    said = count({"sku": "TEA-01", "counted": 12}, blind=True)
    answer = (await till.post("/v1/stock/counts", said)).json
    path = f"/v1/stock/documents/{said['count_id']}"
    at_till, at_manager = (await till.get(path)).json["booked"], (await manager.get(path)).json["booked"]
    listed = [(await each.get("/v1/stock/documents")).json["items"][0] for each in (till, manager)]

    for told in (answer, at_till, listed[0]):
        assert "stock" not in told
        assert "flags" not in told
    for told in (at_manager, listed[1]):
        assert told["stock"] == [["TEA-01", "shop", -8]]
        assert told["flags"][0]["code"] == "count_differs"
    recount = count({"sku": "TEA-01", "counted": 19}, recount_of=said["count_id"])
    assert (await till.post("/v1/stock/counts", recount)).json["stock"] == [["TEA-01", "shop", 7]]


async def test_goods_that_nobody_knows_are_counted_and_a_fee_is_not(till: Any) -> None:
    lines = ({"sku": "NEW-1", "counted": 3}, {"sku": "BAG", "counted": 9})
    answer = (await till.post("/v1/stock/counts", count(*lines))).json

    assert answer["stock"] == [["NEW-1", "shop", 3]]
    assert [flag["code"] for flag in answer["flags"]] == ["unknown_sku", "not_stocked", "count_differs"]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"lines": []}, "count_empty", "/lines"),
        ({"lines": [{"sku": "TEA-01", "counted": 1}] * 2}, "sku_counted_twice", "/lines/1/sku"),
        ({"seen": {"hk02:1": {"sales": 1}}}, "count_elsewhere", "/seen"),
        ({"seen": {"hk01:1": {"sales": 1}}}, "count_ahead", "/seen"),
        ({"location": "attic"}, "location", "/location"),
        ({"lines": [{"sku": "TEA-01", "counted": -1}]}, "invalid_field", "/lines/0/counted"),
    ],
)
async def test_a_count_that_is_refused_moves_nothing(till: Any, change: Any, code: str, pointer: str) -> None:
    refused = await till.post("/v1/stock/counts", count({"sku": "TEA-01", "counted": 1}) | change)

    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, code, pointer)
    assert await on_hand(till) == 20


async def test_other_content_under_a_known_count_is_a_conflict(till: Any) -> None:
    said = count({"sku": "TEA-01", "counted": 18})
    await till.post("/v1/stock/counts", said)

    other = await till.post("/v1/stock/counts", said | {"lines": [{"sku": "TEA-01", "counted": 17}]})

    assert (other.status, other.json["code"]) == (409, "other_content")
    assert await on_hand(till) == 18
