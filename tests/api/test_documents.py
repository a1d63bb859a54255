"""Documents of stock by HTTP: whole or not at all, once, and what was found is told the same whenever it is asked."""

from typing import Any

import pytest
from msgspec.structs import replace

from hub.api.staff.persons import SESSION_HEADER
from hub.client import new_id
from hub.store.catalogue.products import put_products


def delivery(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"document_id": new_id(), "kind": "receive", "lines": list(lines), "reference": "DN-7"} | fields


async def on_hand(till: Any, sku: str) -> int:
    return int((await till.get(f"/v1/stock/{sku}")).json["stock"]["on_hand"])


async def test_a_delivery_is_booked_as_it_came_and_what_differs_is_flagged(till: Any) -> None:
    said = delivery(
        {"sku": "TEA-01", "qty": 12, "expected": 10},
        {"sku": "SHIRT-M", "qty": 0, "expected": 3},
        {"sku": "PLUM", "qty": 600, "expected": 600},
        {"sku": "NEW-1", "qty": 4},
        {"sku": "BAG", "qty": 100},
    )

    first = await till.post("/v1/stock/documents", said)
    again = await till.post("/v1/stock/documents", {**said, "lines": said["lines"][::-1]})

    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert [(flag["code"], flag["sku"]) for flag in first.json["flags"]] == [
        ("unknown_sku", "NEW-1"),
        ("not_stocked", "BAG"),
        ("not_expected", "BAG"),
        ("not_expected", "NEW-1"),
        ("fewer_than_expected", "SHIRT-M"),
        ("more_than_expected", "TEA-01"),
    ]
    assert first.json["stock"] == [["TEA-01", "shop", 12], ["PLUM", "shop", 600], ["NEW-1", "shop", 4]]
    assert [await on_hand(till, sku) for sku in ("TEA-01", "SHIRT-M", "PLUM")] == [32, 5, 5600]
    seen = (await till.get(f"/v1/stock/documents/{said['document_id']}")).json
    assert (seen["booked"], seen["said"]["reference"], len(seen["said"]["lines"])) == (first.json, "DN-7", 5)


async def test_goods_that_the_catalogue_learns_of_later_are_there(hub: Any, till: Any, catalogue: Any) -> None:
    await till.post("/v1/stock/documents", delivery({"sku": "NEW-1", "qty": 4}))
    entry = replace(catalogue[1], product=replace(catalogue[1].product, sku="NEW-1"), stock=None)
    hub = hub.runtime
    await hub.db.write(lambda tx: put_products(tx, hub.replica, [entry], location="shop", now_ms=1))

    assert await on_hand(till, "NEW-1") == 4


async def test_other_content_under_a_known_id_moves_nothing(till: Any) -> None:
    said = delivery({"sku": "TEA-01", "qty": 1})
    await till.post("/v1/stock/documents", said)

    other = await till.post("/v1/stock/documents", {**said, "note": "other"})

    assert (other.status, other.json["code"]) == (409, "other_content")
    assert await on_hand(till, "TEA-01") == 21


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"lines": []}, "document_empty", "/lines"),
        ({"lines": [{"sku": "TEA-01", "qty": 1}, {"sku": "SHIRT-M", "qty": 0}]}, "quantity_zero", "/lines/1/qty"),
        ({"lines": [{"sku": "TEA-01", "qty": 1}, {"sku": "SHIRT-M", "qty": -1}]}, "quantity_negative", "/lines/1/qty"),
        ({"lines": [{"sku": "TEA-01", "qty": 1}, {"sku": "TEA-01", "qty": 1}]}, "sku_twice", "/lines/1/sku"),
        ({"kind": "transfer_out"}, "document_incomplete", "/to"),
        ({"kind": "transfer_out", "to": "hk01"}, "transfer_to_self", "/to"),
        ({"kind": "transfer_in"}, "document_incomplete", "/transfer"),
        ({"kind": "transfer_in", "transfer": "no colon"}, "invalid_field", "/transfer"),
        ({"kind": "adjust"}, "document_incomplete", "/cause"),
        ({"kind": "adjust", "cause": "theft"}, "cause_sign", "/lines/0/qty"),
        ({"cause": "theft"}, "document_field", "/cause"),
        ({"to": "hk02"}, "document_field", "/to"),
        ({"partial": True}, "document_field", "/partial"),
    ],
)
async def test_a_document_that_is_refused_moves_nothing_of_it(
    till: Any, change: dict[str, Any], code: str, pointer: str
) -> None:
    said = delivery({"sku": "TEA-01", "qty": 1}) | change

    refused = await till.post("/v1/stock/documents", said)

    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, code, pointer)
    assert set(refused.json["remedy"]) == {"en", "zh-Hant"}
    assert await on_hand(till, "TEA-01") == 20
    assert (await till.get(f"/v1/stock/documents/{said['document_id']}")).json["code"] == "document"


async def test_an_adjustment_says_why_and_may_go_below_nothing(till: Any) -> None:
    lines = {"sku": "SHIRT-M", "qty": -6}
    stolen = await till.post("/v1/stock/documents", delivery(lines, kind="adjust", cause="theft", by="ann"))

    assert (stolen.status, [flag["code"] for flag in stolen.json["flags"]]) == (201, ["stock_below_zero"])
    assert await on_hand(till, "SHIRT-M") == -1
    flagged = (await till.get("/v1/stock/documents")).json["items"]
    assert [item["document_id"] for item in flagged] == [stolen.json["document_id"]]


async def test_goods_sent_to_another_branch_are_on_the_road(till: Any) -> None:
    said = delivery({"sku": "TEA-01", "qty": 4}, kind="transfer_out", to="hk02")
    sent = (await till.post("/v1/stock/documents", said)).json
    back = await till.post("/v1/stock/documents", said)

    assert sent["transfer_id"] == back.json["transfer_id"] == f"hk01:{said['document_id']}"
    (view,) = (await till.get("/v1/stock/transfers", direction="out")).json["items"]
    assert (view["state"], view["receiver"], view["lines"]) == (
        "on_the_road",
        "hk02",
        [{"sku": "TEA-01", "sent": 4, "came": 0}],
    )
    assert (await till.get("/v1/stock/transfers", direction="in")).json["items"] == []
    assert (await till.get(f"/v1/stock/transfers/{sent['transfer_id']}")).json == view
    assert (await till.get("/v1/stock/transfers/hk01:none")).json["code"] == "transfer"


async def test_pages_of_flagged_documents_and_transfers_name_each_once(till: Any) -> None:
    for n in range(5):
        await till.post("/v1/stock/documents", delivery({"sku": f"X{n}", "qty": 1}, document_id=f"d{n}"))
        sent = delivery({"sku": "TEA-01", "qty": 1}, kind="transfer_out", to="hk02", document_id=f"t{n}")
        await till.post("/v1/stock/documents", sent)
    for path, key in (("/v1/stock/documents", "document_id"), ("/v1/stock/transfers", "transfer_id")):
        whole = [item[key] for item in (await till.get(path)).json["items"]]
        found: list[str] = []
        after = ""
        while True:
            page = (await till.get(path, limit="2", after=after)).json
            found += [item[key] for item in page["items"]]
            after = page["next"]
            if not after:
                break

        assert len(whole) == 5
        assert found == whole


async def test_a_screen_is_told_of_what_a_document_moved(till: Any) -> None:
    async with till.events() as events:
        await events.receive_json()
        await till.post("/v1/stock/documents", delivery({"sku": "TEA-01", "qty": 1}, {"sku": "SHIRT-M", "qty": 2}))
        event = await events.receive_json()

    assert (event["type"], event["data"]) == ("stock", {"TEA-01": 21, "SHIRT-M": 7})


async def test_a_movement_of_one_sku_is_no_document(till: Any) -> None:
    await till.post("/v1/stock/movements", {"movement_id": "m1", "sku": "TEA-01", "qty": 1, "reason": "receive"})

    assert (await till.get("/v1/stock/documents/m1")).json["code"] == "document"
    taken = await till.post("/v1/stock/documents", delivery({"sku": "TEA-01", "qty": 1}, document_id="m1"))
    assert (taken.status, taken.json["code"]) == (409, "other_content")


async def test_no_document_puts_another_name_into_the_trail(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    enrolled = {"cashier_id": "c7", "number": "7", "name": "Kit 陳", "role": "cashier", "pin": "6093"}
    assert (await manager.post("/v1/cashiers", enrolled)).status == 201
    signed = await till.post("/v1/cashiers/sign-in", {"cashier_id": "c7", "pin": "6093"})
    broken = delivery({"sku": "TEA-01", "qty": -2}, document_id="d1", kind="adjust", cause="theft", by="cashier:c1")

    said = await till.request("POST", "/v1/stock/documents", broken, **{SESSION_HEADER: signed.json["session"]})

    assert said.status == 201
    assert (await till.get("/v1/stock/documents/d1")).json["said"]["by"] == "cashier:c1"
    (line,) = (await manager.get("/v1/trail", action="stock_adjusted")).json["items"]
    assert line["actor"] == "cashier:c7"


async def test_a_correction_of_one_sku_is_in_the_trail_once_and_a_delivery_is_not(till: Any, pair_till: Any) -> None:
    manager = await pair_till(till.hub, scope="manager")
    broken = {"movement_id": "m1", "sku": "TEA-01", "qty": -3, "reason": "adjust", "note": "box fell"}
    for said in (broken, broken, {"movement_id": "m2", "sku": "TEA-01", "qty": 9, "reason": "receive"}):
        assert (await till.post("/v1/stock/movements", said)).status in (200, 201)

    (line,) = (await manager.get("/v1/trail", action="stock_adjusted")).json["items"]
    assert (line["actor"], line["subject"], line["reason"]) == (f"till:{till.till_id}", "m1", "-3 TEA-01: box fell")


async def test_who_adjusted_counted_and_closed_stands_in_the_trail(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    await till.post("/v1/stock/documents", delivery({"sku": "TEA-01", "qty": 1}, document_id="d0"))
    broken = delivery({"sku": "TEA-01", "qty": -2}, document_id="d1", kind="adjust", cause="damage", by="ann")
    for _ in range(2):
        await till.post("/v1/stock/documents", broken | {"note": "box fell"})
    await till.post("/v1/stock/counts", {"count_id": "c1", "lines": [{"sku": "TEA-01", "counted": 7}]})
    await manager.request("PUT", "/v1/stock/TEA-01/safety-stock", {"qty": 3})
    note = {"note_id": "n1", "text": "counted again", "close": True, "by": "bob"}
    await manager.post("/v1/attention/document:c1/notes", note)

    lines = (await manager.get("/v1/trail")).json["items"]
    told = [(line["actor"], line["action"], line["subject"], line["reason"]) for line in lines[:4][::-1]]
    assert told == [
        (f"till:{till.till_id}", "stock_adjusted", "d1", "damage: box fell"),
        (f"till:{till.till_id}", "stock_counted", "c1", "1 of 1 products differ"),
        (f"till:{manager.till_id}", "safety_stock_set", "TEA-01", "3"),
        (f"till:{manager.till_id}", "attention_closed", "document:c1", "counted again"),
    ]
