"""Members in a shop whose line is cut, on real sockets: the coupon of a new member, and what a tier is good for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.client import new_id

TOKEN = "hk01-token-0123456789"
STORES = {"hk01": {"token": TOKEN, "members": "hk"}}
COUPON = {
    "kind": "coupon",
    "coupon_id": "HELLO",
    "name": {"zh-Hant": "迎新券", "en": "Welcome"},
    "currency": "HKD",
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "amount_max": 1000,
}
GOLD = COUPON | {"coupon_id": "GOLD", "tiers": ["gold"]}
BATCHES = [
    {"kind": "coupon_batch", "batch_id": "B1", "coupon_id": "HELLO", "prefix": "HI", "digits": 2, "count": 10}
    | {"instant": True},
    {"kind": "coupon_batch", "batch_id": "B2", "coupon_id": "GOLD", "prefix": "GOLD", "digits": 2, "count": 10},
]


@pytest.fixture
async def shop(start_cloud: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any) -> AsyncIterator[Any]:
    """(cloud, a manager's till of a shop that holds both batches)"""
    cloud = await start_cloud(stores=STORES, scopes={"members": {"hk": {"stores": ["hk01"]}}})
    put = await cloud.post("/cloud/v1/coupons", {"coupons": [COUPON, GOLD], "batches": BATCHES})
    assert put.status == 200, put.body
    (tmp_path / "hk01").mkdir()
    till = await pair_till(
        await start_hub(
            cloud={"url": cloud.url, "token": TOKEN, "reconnect_max_s": 0.1},
            store={"id": "hk01", "name_zh_hant": "店", "name_en": "hk01", "currency": "HKD", "zone": "Asia/Hong_Kong"},
            data={"dir": "hk01"},
            members={"welcome": "HELLO"},
        ),
        "manager",
    )
    await until(lambda: till.get("/v1/coupons/GOLD00"), lambda got: got.status == 200)
    for batch in ("B1", "B2"):
        wish = {"batch_id": batch, "store": "hk01"}
        await until(lambda wish=wish: cloud.post("/cloud/v1/coupons/grants", wish), lambda got: got.status == 200)
    await until(lambda: till.get("/v1/coupons/GOLD00"), lambda got: got.json["uses_left"] == 1)
    yield cloud, till


def with_coupon(till: Any, serial: str, **fields: Any) -> Any:
    part = {"amount": 500, "kind": "coupon", "reference": serial}
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 500, "discounts": [part]}
    return till.sale(line, coupons=[{"serial": serial, "amount": 500}], **fields)


async def test_who_is_enrolled_without_a_line_has_a_coupon_that_stands(shop: Any, until: Any) -> None:
    cloud, till = shop
    await cloud.post("/cloud/v1/demo/line", {"up": False})
    await until(lambda: till.get("/v1/sync"), lambda got: not got.json["up"])
    member = {"member_id": new_id(), "phone": "9123 4567"}
    first, again = [await till.post("/v1/members", member) for _ in range(2)]
    assert first.json["coupon"]["serial"] == again.json["coupon"]["serial"] == "HI00"
    sold = await till.post("/v1/sales", with_coupon(till, "HI00", member_id=member["member_id"]))
    assert (sold.status, sold.json.get("warnings", [])) == (201, [])

    await cloud.post("/cloud/v1/demo/line", {"up": True})
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["rows_waiting"] == 0)
    await cloud.cloud.contact.look()
    said = (await cloud.get("/cloud/v1/coupons/HI00")).json
    assert (len(said["held"]), said["disputes"]) == (1, [])


async def test_a_tier_that_head_office_gave_is_good_without_a_line(shop: Any, until: Any) -> None:
    cloud, till = shop
    gold, plain = new_id(), new_id()
    for n, member in enumerate((gold, plain)):
        await till.post("/v1/members", {"member_id": member, "phone": f"9123 456{n}"})
    path = f"/cloud/v1/members/{gold}/tier"
    await until(lambda: cloud.post(path, {"tier": "gold"}), lambda got: got.status in (200, 201))
    await until(lambda: till.get(f"/v1/members/{gold}"), lambda got: got.json.get("tier") == "gold")
    await cloud.post("/cloud/v1/demo/line", {"up": False})
    await until(lambda: till.get("/v1/sync"), lambda got: not got.json["up"])

    taken = await till.post("/v1/sales", with_coupon(till, "GOLD00", member_id=gold))
    refused = await till.post("/v1/sales", with_coupon(till, "GOLD01", member_id=plain))

    assert (taken.status, taken.json.get("warnings", [])) == (201, [])
    assert (refused.status, refused.json["code"]) == (422, "coupon_member")
