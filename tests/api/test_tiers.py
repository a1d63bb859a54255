"""Tiers at a till by real HTTP, in a shop without a cloud: what a coupon and the points' rate make of them."""

from typing import Any

import pytest

from hub.client import new_id
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.store.writing import put_version

GOLD = CouponRow(
    coupon_id="GOLDOFF",
    name=Name(en="For gold"),
    currency="HKD",
    valid_from="2026-01-01",
    valid_until="2026-12-31",
    amount_max=1000,
    tiers=["gold"],
)
RULES = {"points": {"points": 1, "per": 100}, "points_by_tier": {"gold": {"points": 3, "per": 100}}}


@pytest.fixture
async def shop(start_hub: Any, pair_till: Any) -> Any:
    """A hub, its till and its manager."""
    hub = await start_hub(members=RULES)

    def job(tx: Any) -> None:
        put_version(tx, hub.runtime.replica, COUPON, GOLD)
        batch = CouponBatchRow(batch_id="B1", coupon_id="GOLDOFF", prefix="GOLD", digits=2, count=10)
        put_version(tx, hub.runtime.replica, COUPON_BATCH, batch)

    await hub.runtime.db.write(job)
    return await pair_till(hub), await pair_till(hub, "manager")


async def enrol(till: Any, phone: str = "9123 4567") -> str:
    member = {"member_id": new_id(), "phone": phone}
    assert (await till.post("/v1/members", member)).status == 201
    return member["member_id"]


def with_coupon(till: Any, serial: str, **fields: Any) -> Any:
    part = {"amount": 500, "kind": "coupon", "reference": serial}
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 500, "discounts": [part]}
    return till.sale(line, coupons=[{"serial": serial, "amount": 500}], **fields)


async def test_a_coupon_for_a_tier_asks_the_register_and_not_the_till(shop: Any) -> None:
    till, manager = shop
    member = await enrol(till)
    plain = await till.post("/v1/sales", with_coupon(till, "GOLD00", member_id=member))
    assert (plain.status, plain.json["code"]) == (422, "coupon_member")
    basket = {"currency": "HKD", "lines": [["TEA-01", 1090]], "member_id": member}
    told = {"redemption_id": "r1", "amount": 500, "basket": basket}
    assert (await till.post("/v1/coupons/GOLD00/redemptions", told)).json["code"] == "coupon_member"
    claimed = await till.post("/v1/coupons/GOLD00/redemptions", told | {"basket": basket | {"tier": "gold"}})
    assert (claimed.status, claimed.json["pointer"]) == (422, "/basket/tier")

    given = await manager.post(f"/v1/members/{member}/tier", {"tier_id": "t1", "tier": "gold"})
    assert (given.status, given.json["member"]["tier"]) == (201, "gold")

    assert (await till.post("/v1/sales", with_coupon(till, "GOLD00", member_id=member))).status == 201
    nobody = await till.post("/v1/sales", with_coupon(till, "GOLD01"))
    assert (nobody.status, nobody.json["code"]) == (422, "coupon_member")


async def test_a_tier_is_the_persons_and_earns_at_its_own_rate(shop: Any) -> None:
    till, manager = shop
    first, second = await enrol(till), await enrol(till, "9123 4568")
    assert (await till.post("/v1/sales", till.sale(member_id=first))).json["points"] == 10
    await manager.post(f"/v1/members/{max(first, second)}/tier", {"tier_id": "t1", "tier": "gold"})
    await till.post(f"/v1/members/{first}/links", {"link_id": "l1", "other": second})
    for member in (first, second):
        sold = await till.post("/v1/sales", till.sale(member_id=member))
        assert sold.json["points"] == 32, "1090 at three points for 100"
    await manager.post(f"/v1/members/{first}/tier", {"tier_id": "t2", "tier": ""})
    assert (await till.post("/v1/sales", till.sale(member_id=second))).json["points"] == 10


async def test_a_manager_gives_a_tier_once_and_a_till_gives_none(shop: Any) -> None:
    till, manager = shop
    path, wish = f"/v1/members/{await enrol(till)}/tier", {"tier_id": "t1", "tier": "gold"}
    assert (await till.post(path, wish)).status == 403
    assert [(await manager.post(path, wish)).status for _ in range(2)] == [201, 200]
    other = await manager.post(path, wish | {"tier": "silver"})
    assert (other.status, other.json["code"]) == (409, "other_content")


async def test_a_shop_with_a_cloud_leaves_tiers_to_head_office(start_hub: Any, pair_till: Any) -> None:
    hub = await start_hub(cloud={"mode": "pull"})
    manager = await pair_till(hub, "manager")
    member = await enrol(manager)
    refused = await manager.post(f"/v1/members/{member}/tier", {"tier_id": "t1", "tier": "gold"})
    assert (refused.status, refused.json["code"]) == (422, "tier_is_head_offices")
    assert set(refused.json["remedy"]) == {"en", "zh-Hant"}
