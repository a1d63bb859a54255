"""A coupon with the enrolment, by real HTTP: once a member, the same to a repeated enrolment, printed once, none left said."""

from typing import Any
from urllib.parse import quote

import pytest

from hub.client import new_id
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.store.writing import put_version

HELLO = CouponRow(
    coupon_id="HELLO",
    name=Name(zh_hant="迎新券", en="Welcome"),
    currency="HKD",
    valid_from="2026-01-01",
    valid_until="2026-12-31",
    amount_max=2000,
    members_only=True,
)


async def counter_of(start_hub: Any, pair_till: Any, **sections: Any) -> Any:
    """A till of a shop that welcomes with two serials."""
    hub = await start_hub(members={"welcome": "HELLO"}, **sections)
    batch = CouponBatchRow(batch_id="B1", coupon_id="HELLO", prefix="HI", digits=2, count=2, instant=True)

    def job(tx: Any) -> None:
        put_version(tx, hub.runtime.replica, COUPON, HELLO)
        put_version(tx, hub.runtime.replica, COUPON_BATCH, batch)

    await hub.runtime.db.write(job)
    return await pair_till(hub)


@pytest.fixture
async def counter(start_hub: Any, pair_till: Any) -> Any:
    return await counter_of(start_hub, pair_till)


def somebody(n: int, **fields: Any) -> dict[str, Any]:
    return {"member_id": new_id(), "phone": f"9123 456{n}"} | fields


async def test_a_new_member_gets_a_serial_that_is_good_at_once(counter: Any) -> None:
    body = somebody(1)
    first, again = [await counter.post("/v1/members", body) for _ in range(2)]
    assert (first.status, again.status, first.json) == (201, 200, again.json)
    coupon = first.json["coupon"]
    assert (coupon["serial"], coupon["amount_max"], coupon["name"]["en"]) == ("HI00", 2000, "Welcome")
    part = {"amount": 500, "kind": "coupon", "reference": coupon["serial"]}
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 500, "discounts": [part]}
    used = [{"serial": coupon["serial"], "amount": 500}]
    sold = await counter.post("/v1/sales", counter.sale(line, coupons=used, member_id=body["member_id"]))
    assert sold.status == 201, sold.body


async def test_a_refused_enrolment_uses_no_serial_and_none_left_refuses_nobody(counter: Any) -> None:
    await counter.post("/v1/members", somebody(1))
    assert (await counter.post("/v1/members", somebody(1))).json["code"] == "identity_taken"
    assert (await counter.post("/v1/members", somebody(2))).json["coupon"]["serial"] == "HI01"
    late = await counter.post("/v1/members", somebody(3))
    assert (late.status, "coupon" in late.json) == (201, False)
    assert [each["code"] for each in late.json["warnings"]] == ["coupon_batch_empty"]


async def test_who_was_a_member_already_is_welcomed_no_second_time(counter: Any) -> None:
    await counter.post("/v1/members", somebody(1))
    joined = await counter.post("/v1/members", somebody(1, join=True))
    assert (joined.status, "coupon" in joined.json) == (201, False)
    assert (await counter.post("/v1/members", somebody(2))).json["coupon"]["serial"] == "HI01"


async def test_the_coupon_is_printed_once_in_both_languages(
    start_hub: Any, pair_till: Any, printer_section: Any, printer: Any, until: Any
) -> None:
    till = await counter_of(start_hub, pair_till, devices={"p1": printer_section}, receipt_printer="p1")
    body = somebody(1, print=True)
    first, again = [await till.post("/v1/members", body) for _ in range(2)]
    assert (first.status, again.status) == (201, 200)
    assert first.json["coupon"] == again.json["coupon"]
    job = first.json["coupon"]["print_job"]
    await until(lambda: till.get(f"/v1/print/{quote(job, safe='')}"), lambda got: got.json["state"] == "printed")
    assert [each["job_id"] for each in (await till.get("/v1/print")).json["items"]] == [job]
    (paper,) = printer.receipts
    said = paper.paper.text()
    assert all(word in said for word in ("迎新券", "Welcome", "HI00"))


async def test_a_shop_without_a_printer_enrols_nobody_who_asks_for_paper(counter: Any) -> None:
    refused = await counter.post("/v1/members", somebody(1, print=True))
    assert (refused.status, refused.json["code"]) == (422, "no_receipt_printer")
    assert (await counter.get("/v1/members", phone="91234561")).json["items"] == []


async def test_an_export_has_the_coupons_that_a_member_was_given(start_hub: Any, pair_till: Any) -> None:
    till = await counter_of(start_hub, pair_till)
    manager = await pair_till(till.hub, "manager")
    body = somebody(1)
    await till.post("/v1/members", body)
    told = (await manager.get(f"/v1/members/{body['member_id']}/export")).json
    assert [each["serial"] for each in told["coupons"]] == ["HI00"]
