"""GET /v1/coupons: what this shop can issue or redeem today, and the rights that are left; held against single serials."""

from typing import Any

import msgspec
from msgspec.structs import replace

from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, COUPON_GRANT, WHOLE_BATCH, CouponGrantRow
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.store.writing import put_version
from tests.api.test_coupons import BATCHES, COUPONS, TEN, counter, with_coupon

__all__ = ["counter"]
CLOUD = "cloud:00000000000000c1"


async def offers(till: Any, **query: str) -> dict[str, Any]:
    return {each["coupon_id"]: each for each in (await till.get("/v1/coupons", **query)).json["items"]}


async def test_what_is_left_goes_down_with_sales_and_issues_and_comes_back_with_a_return(counter: Any) -> None:
    before = (await offers(counter))["TENOFF"]
    assert (before["held"], before["unissued"], before["redeem"], before["is_open"]) == (101, 1, "held", True)
    assert (before["amount_max"], before["valid_until"], before["name"]["en"]) == (1000, "2026-12-31", "Ten off")

    sale = with_coupon(counter, "TEN0001")
    await counter.post("/v1/sales", sale)
    await counter.post("/v1/coupons/issues", {"issue_id": "i1", "coupon_id": "TENOFF"})
    sold = (await offers(counter))["TENOFF"]
    assert (sold["held"], sold["unissued"]) == (100, 0)

    void = {"void_id": "v1", "till_id": counter.till_id, "reason": "a mistake"}
    assert (await counter.post(f"/v1/sales/{sale['sale_id']}/void", void)).status == 201
    assert (await offers(counter))["TENOFF"]["held"] == 101
    assert (await counter.get("/v1/coupons/TEN0001")).json["uses_left"] == 1


async def test_a_coupon_of_another_weekday_is_listed_and_not_open(counter: Any) -> None:
    picky = (await offers(counter))["PICKY"]
    assert (picky["weekdays"], picky["is_open"], picky["skus"], picky["members_only"]) == ([7], False, ["PLUM"], True)
    assert (picky["held"], picky["uses"], picky["spend_min"]) == (2, 2, 5000)


async def test_what_is_over_withdrawn_or_in_another_currency_is_not_listed(counter: Any) -> None:
    hub = counter.hub.runtime
    others = (
        replace(TEN, coupon_id="OVER", valid_until="2026-01-31"),
        replace(TEN, coupon_id="LATER", valid_from="2026-12-01"),
        replace(TEN, coupon_id="YEN", currency="JPY"),
        replace(TEN, coupon_id="GONE", gone=True),
        replace(TEN, coupon_id="NONE"),  # there is no serial of it
    )

    def job(tx: Any) -> None:
        for coupon in others:
            put_version(tx, hub.replica, COUPON, coupon)

    await hub.db.write(job)
    assert set(await offers(counter)) == {"TENOFF", "PICKY"}


async def test_pages_have_each_coupon_once(counter: Any) -> None:
    first = (await counter.get("/v1/coupons", limit="1")).json
    second = (await counter.get("/v1/coupons", limit="1", after=first["next"])).json

    assert [each["coupon_id"] for each in first["items"] + second["items"]] == ["PICKY", "TENOFF"]
    assert second["next"] is None


async def test_with_a_cloud_only_what_was_granted_is_held(start_hub: Any, pair_till: Any) -> None:
    """Half a batch came serial by serial, another batch as a whole; what a sale redeems is of either."""
    hub = await start_hub(cloud={"url": "http://127.0.0.1:9", "token": "hk01-token-0123456789"})
    runtime = hub.runtime
    rows = [
        CouponGrantRow(batch_id="B1", serial=f"TEN{n:04}", giver=CLOUD, taker=runtime.replica.rep, n=1)
        for n in (3, 4, 5)
    ]
    rows.append(CouponGrantRow(batch_id="B3", serial=WHOLE_BATCH, giver=CLOUD, taker=runtime.replica.rep, n=1))
    rows.append(CouponGrantRow(batch_id="B1", serial="TEN0009", giver=CLOUD, taker="hk01:00000000000000b2", n=1))

    def job(tx: Any) -> None:
        cloud = replica_id(tx, CLOUD, now_ms=1)
        for coupon in COUPONS:
            put_version(tx, runtime.replica, COUPON, coupon)
        for batch in BATCHES:
            put_version(tx, runtime.replica, COUPON_BATCH, batch)
        sent = [(seq, msgspec.json.encode(row)) for seq, row in enumerate(rows, 1)]
        apply_rows(tx, COUPON_GRANT.stream, sent, replica=cloud, rep=CLOUD)

    await runtime.db.write(job)
    till = await pair_till(hub, scope="manager")
    before = await offers(till)
    assert set(before) == {"TENOFF"}, "of the other nothing is held, and there is no line and no cap"
    assert (before["TENOFF"]["held"], before["TENOFF"]["unissued"], before["TENOFF"]["redeem"]) == (4, 1, "held")
    assert (await till.post("/v1/sales", with_coupon(till, "TEN0004"))).status == 201
    assert (await offers(till))["TENOFF"]["held"] == 3
