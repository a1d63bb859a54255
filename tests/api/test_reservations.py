"""Holding goods by HTTP: what is held is promised to nobody else, a sale has what was held for it, a clock only ends holds."""

from typing import Any

import pytest

from hub.client import new_id


def held(*lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    said = {"reservation_id": new_id(), "lines": [{"sku": sku, "qty": qty} for sku, qty in lines]}
    return said | (fields or {"basket_id": "b1"})


async def stock(till: Any, sku: str = "TEA-01") -> dict[str, int]:
    seen = (await till.get(f"/v1/products/{sku}")).json["stock"]
    listed = (await till.get("/v1/products", q=sku)).json["items"]
    assert [item["stock"] for item in listed if item["sku"] == sku] in ([seen], [])
    return dict(seen)


def tea(till: Any, qty: int, **fields: Any) -> dict[str, Any]:
    return dict(till.sale({"sku": "TEA-01", "qty": qty, "unit_price": 1090}, **fields))


async def test_what_is_held_may_not_be_promised_again_and_lies_there_still(till: Any) -> None:
    said = held(("TEA-01", 15), ("SHIRT-M", 1))
    first, again = await till.post("/v1/reservations", said), await till.post("/v1/reservations", said)

    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert await stock(till) == {"on_hand": 20, "available": 5, "promised": 15}
    assert await stock(till, "SHIRT-M") == {"on_hand": 5, "available": 4, "promised": 1}
    refused = await till.post("/v1/reservations", held(("SHIRT-M", 4), ("TEA-01", 6), basket_id="b2"))
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "not_available", "/lines/1/qty")
    assert await stock(till, "SHIRT-M") == {"on_hand": 5, "available": 4, "promised": 1}, "nothing of it was held"


@pytest.mark.parametrize("by", ["id", "basket"])
async def test_the_sale_that_it_was_held_for_consumes_it(till: Any, by: str) -> None:
    said = held(("TEA-01", 4))
    await till.post("/v1/reservations", said)
    names = {"reservations": [said["reservation_id"]]} if by == "id" else {"basket_id": "b1"}

    sale = tea(till, 3, **names)
    answers = [await till.post("/v1/sales", sale) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 200]
    assert "warnings" not in answers[0].json
    assert await stock(till) == {"on_hand": 17, "available": 17, "promised": 0}
    view = (await till.get(f"/v1/reservations/{said['reservation_id']}")).json
    assert (view["state"], view["sale_id"]) == ("sold", sale["sale_id"])
    gone = await till.request("DELETE", f"/v1/reservations/{said['reservation_id']}")
    assert (gone.status, gone.json["code"], gone.json["holder"]) == (409, "reservation_sold", sale["sale_id"])


async def test_a_refused_sale_leaves_what_was_held_for_it(till: Any) -> None:
    said = held(("TEA-01", 4))
    await till.post("/v1/reservations", said)

    refused = await till.post("/v1/sales", tea(till, 4, total=1, basket_id="b1"))

    assert refused.status == 422
    assert (await stock(till))["available"] == 16


async def test_a_till_never_refuses_goods_that_are_held_for_others_but_is_told(till: Any) -> None:
    await till.post("/v1/reservations", held(("TEA-01", 15)))

    fitting = (await till.post("/v1/sales", tea(till, 5))).json
    taking = (await till.post("/v1/sales", tea(till, 2, reservations=["r9"]))).json

    assert "warnings" not in fitting
    assert [(warned["code"], warned.get("line")) for warned in taking["warnings"]] == [
        ("reservation_gone", None),
        ("held_for_others", 1),
    ]
    assert taking["warnings"][1]["detail"] == "TEA-01: 13 left, 15 are held"


async def test_what_is_let_go_is_free_at_once(till: Any) -> None:
    said = held(("TEA-01", 15), member_id="m1")
    await till.post("/v1/reservations", said)
    path = f"/v1/reservations/{said['reservation_id']}"

    answers = [await till.request("DELETE", path) for _ in range(2)]

    assert [(answer.status, answer.json["state"]) for answer in answers] == [(200, "released")] * 2
    assert await stock(till) == {"on_hand": 20, "available": 20, "promised": 0}
    assert (await till.request("DELETE", "/v1/reservations/none")).json["code"] == "reservation"


async def test_the_clock_ends_a_hold_and_its_sale_still_consumes_it(hub: Any, till: Any) -> None:
    said = held(("TEA-01", 15), member_id="m1", hold_s=600)
    path = f"/v1/reservations/{said['reservation_id']}"
    made = (await till.post("/v1/reservations", said)).json
    hub.clock.now_ms += 599_000
    almost = await stock(till)
    hub.clock.now_ms += 1_000

    assert (made["left_s"], made["state"]) == (600, "held")
    assert (almost["available"], (await stock(till))["available"]) == (5, 20)
    assert (await till.get(path)).json["state"] == "expired"
    assert (await till.get("/v1/reservations")).json["items"] == []
    sold = (await till.post("/v1/sales", tea(till, 1, reservations=[said["reservation_id"]]))).json
    assert "warnings" not in sold
    assert (await till.get(path)).json["state"] == "sold"


async def test_what_is_held_is_found_by_basket_member_and_product(till: Any) -> None:
    await till.post("/v1/reservations", held(("TEA-01", 1), reservation_id="r1", basket_id="b1"))
    await till.post("/v1/reservations", held(("TEA-01", 1), ("SHIRT-M", 1), reservation_id="r2", member_id="m1"))
    await till.post("/v1/reservations", held(("PLUM", 600), reservation_id="r3", basket_id="b3"))

    async def found(**query: str) -> list[str]:
        page = (await till.get("/v1/reservations", **query)).json
        return [item["reservation_id"] for item in page["items"]]

    assert await found() == ["r1", "r2", "r3"]
    assert await found(basket_id="b1") == ["r1"]
    assert await found(member_id="m1") == ["r2"]
    assert await found(sku="TEA-01") == ["r1", "r2"]
    assert await found(limit="2", after="r1") == ["r2", "r3"]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"basket_id": None}, "reservation_for_nobody", "/basket_id"),
        ({"lines": [{"sku": "TEA-01", "qty": 1}] * 2}, "sku_held_twice", "/lines/1/sku"),
        ({"lines": [{"sku": "NOTHING", "qty": 1}]}, "unknown_sku", "/lines/0/sku"),
        ({"lines": []}, "invalid_field", "/lines"),
        ({"hold_s": 0}, "invalid_field", "/hold_s"),
    ],
)
async def test_what_cannot_be_held_is_refused(till: Any, change: dict[str, Any], code: str, pointer: str) -> None:
    refused = await till.post("/v1/reservations", held(("TEA-01", 1)) | change)

    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, code, pointer)


async def test_other_content_under_a_known_reservation_is_a_conflict(till: Any) -> None:
    said = held(("TEA-01", 1))
    await till.post("/v1/reservations", said)

    other = await till.post("/v1/reservations", said | {"hold_s": 5})

    assert (other.status, other.json["code"]) == (409, "other_content")


async def test_goods_without_stock_are_held_as_often_as_is_asked(till: Any) -> None:
    assert (await till.post("/v1/reservations", held(("BAG", 500)))).status == 201


# safety stock


async def test_safety_stock_stays_on_the_shelf_until_the_manager_says_otherwise(
    hub: Any, till: Any, pair_till: Any
) -> None:
    manager = await pair_till(hub, scope="manager")
    path = "/v1/stock/TEA-01/safety-stock"
    put = await manager.request("PUT", path, {"qty": 8})
    figures = (await till.get("/v1/stock/TEA-01")).json

    assert put.json == {"sku": "TEA-01", "safety_stock": 8}
    assert figures["stock"] == {"on_hand": 20, "available": 12, "promised": 0}
    assert (figures["safety_stock"], figures["held"], figures["right"]) == (8, 0, None)
    assert (await till.request("PUT", path, {"qty": 0})).status == 403
    assert (await manager.request("PUT", "/v1/stock/BAG/safety-stock", {"qty": 1})).json["code"] == "not_stocked"
    again = await manager.request("PUT", path, {"qty": 8})
    default = await manager.request("PUT", path, {"qty": None})
    assert (again.json, default.json["safety_stock"]) == (put.json, 0)
    assert (await stock(till))["available"] == 20
    versions = hub.runtime.db.read.execute("SELECT n, gone FROM safety_stock").fetchall()
    assert versions == [(2, 1)], "what says nothing new is no version"
