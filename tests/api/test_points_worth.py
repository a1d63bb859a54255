"""What points are worth by [members]: told to tills, asked of a sale that burns some, and quoted."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.client import new_id
from sync.errors import ConfigError
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.store.writing import put_version

PairTill = Callable[..., Awaitable[Any]]
StartHub = Callable[..., Awaitable[Any]]
WORTH = {"points": 100, "minor": 1000, "min": 20, "step": 10, "max_pct": 50}


async def a_member(till: Any, manager: Any, points: int = 200) -> str:
    """Somebody who has these points."""
    member = {"member_id": new_id(), "phone": "9123 4567"}
    assert (await till.post("/v1/members", member)).status == 201
    entry = {"entry_id": new_id(), "points": points, "why": "goodwill"}
    assert (await manager.post(f"/v1/members/{member['member_id']}/points", entry)).status in (200, 201)
    return str(member["member_id"])


def burning(till: Any, member: str, points: int, amount: int, **fields: Any) -> dict[str, Any]:
    """A tea, of which points pay an amount."""
    parts = [{"amount": amount, "kind": "points"}] if amount else []
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": amount, "discounts": parts}
    whole: dict[str, Any] = till.sale(line, member_id=member, points_burned=points, **fields)
    return whole


@pytest.fixture
async def worth(start_hub: StartHub, pair_till: PairTill) -> Any:
    """A till of a shop that says what points are worth, and a member."""
    hub = await start_hub(members={"points_worth": WORTH})
    till = await pair_till(hub)
    return till, await a_member(till, await pair_till(hub, "manager"))


async def test_a_till_is_told_what_points_are_worth_or_that_it_knows_itself(worth: Any, till: Any) -> None:
    assert (await worth[0].get("/v1/shop")).json["points_worth"] == WORTH | {"tender": None}
    assert (await till.get("/v1/shop")).json["points_worth"] is None


async def test_a_sale_takes_off_what_its_points_are_worth(worth: Any) -> None:
    till, member = worth
    sold = await till.post("/v1/sales", burning(till, member, 50, 500))
    assert (sold.status, sold.json["points"]) == (201, -50)
    assert "warnings" not in sold.json


@pytest.mark.parametrize(
    ("points", "amount", "code"),
    [
        (50, 499, "points_worth"),
        (50, 501, "points_worth"),
        (50, 0, "points_worth"),
        (10, 100, "points_min"),
        (55, 550, "points_step"),
        (60, 600, "points_share"),
    ],
)
async def test_what_is_not_their_worth_is_refused_and_booked_with_a_note_where_it_has_happened(
    worth: Any, points: int, amount: int, code: str
) -> None:
    till, member = worth
    refused = await till.post("/v1/sales", sale := burning(till, member, points, amount))
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, code, "/points_burned")
    assert set(refused.json["remedy"]) == {"en", "zh-Hant"}
    assert (await till.get(f"/v1/members/{member}")).json["points"] == 200

    booked = await till.post("/v1/sales", sale | {"offline": True})
    assert (booked.status, booked.json["points"]) == (201, -points)
    assert code in [each["code"] for each in booked.json["warnings"]]


async def test_training_is_held_against_their_worth_and_burns_none(worth: Any) -> None:
    till, member = worth
    refused = await till.post("/v1/sales", burning(till, member, 50, 400, training=True))
    assert (refused.status, refused.json["code"]) == (422, "points_worth")
    assert (await till.post("/v1/sales", burning(till, member, 50, 500, training=True))).status == 201
    assert (await till.get(f"/v1/members/{member}")).json["points"] == 200


async def test_without_a_word_a_till_takes_off_what_it_says(start_hub: StartHub, pair_till: PairTill) -> None:
    hub = await start_hub()
    till = await pair_till(hub)
    member = await a_member(till, await pair_till(hub, "manager"))
    sold = await till.post("/v1/sales", burning(till, member, 7, 1090))
    assert sold.status == 201 and "warnings" not in sold.json


async def test_a_tender_may_carry_them(start_hub: StartHub, pair_till: PairTill) -> None:
    tenders = {
        "cash": {"kind": "cash", "name_en": "Cash"},
        "points": {"kind": "other", "name_zh_hant": "點數", "name_en": "Points"},
    }
    hub = await start_hub(members={"points_worth": {"points": 1, "minor": 10, "tender": "points"}}, tenders=tenders)
    till = await pair_till(hub)
    member = await a_member(till, await pair_till(hub, "manager"))

    def paying(amount: int, points: int = 50) -> Any:
        rest = [{"type": "cash", "amount": 1090 - amount}, {"type": "points", "amount": amount}]
        return till.sale(member_id=member, points_burned=points, tenders=rest)

    sold = await till.post("/v1/sales", paying(500))
    assert (sold.status, sold.json["points"]) == (201, -50)
    for wrong in (paying(490), paying(500, points=0)):
        refused = await till.post("/v1/sales", wrong)
        assert (refused.status, refused.json["code"]) == (422, "points_worth")


@pytest.mark.parametrize("tender", ["nothing", "cash", "exchange"])
async def test_a_tender_that_cannot_carry_them_is_said_at_the_start(start_hub: StartHub, tender: str) -> None:
    said = f"members.points_worth.tender '{tender}' is no tender of this shop that is not cash: card, octopus"
    with pytest.raises(ConfigError, match=said):
        await start_hub(members={"points_worth": {"points": 1, "minor": 10, "tender": tender}})


async def test_points_that_come_back_with_the_goods_are_not_paid_out_beside(start_hub: StartHub) -> None:
    tenders = {"points": {"kind": "other", "name_en": "Points", "refund_in_cash": True}}
    with pytest.raises(ConfigError, match=r"tenders\.points\.refund_in_cash: points come back with the goods"):
        await start_hub(members={"points_worth": {"points": 1, "minor": 10, "tender": "points"}}, tenders=tenders)


async def test_a_misspelt_rule_is_no_rule(start_hub: StartHub) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'members\.points_worth\.maximum'; known: max_pct"):
        await start_hub(members={"points_worth": {"points": 1, "minor": 10, "maximum": 5}})


async def quoted(till: Any, member: str, points: Any, qty: int = 1, **fields: Any) -> Any:
    asked = {"lines": [{"line": 1, "sku": "TEA-01", "qty": qty}], "member_id": member, "points": points} | fields
    answer = await till.post("/v1/quotes", asked)
    assert answer.status == 200, answer.body
    return answer.json


async def sell(till: Any, member: str, quote: Any, **fields: Any) -> Any:
    """Sell what was quoted, as it was quoted."""
    burned = {"member_id": member, "points_burned": quote["points"]["burned"], "total": quote["total"]}
    return await till.post("/v1/sales", till.sale(*quote["lines"], **(burned | fields)))


async def test_a_quote_takes_off_what_may_be_burned_and_its_lines_sell_as_they_are(worth: Any) -> None:
    till, member = worth
    quote = await quoted(till, member, "max", qty=2)
    assert quote["points"] == {
        "burned": 100,
        "amount": 1000,
        "goods": 2180,
        "balance": 200,
        "verdict": "allowed",
        "tender": None,
        "against": ["share", "step"],
    }
    assert (quote["total"], quote["cash_rounding"]) == (1180, 0)
    assert quote["lines"][0]["discounts"] == [{"amount": 1000, "kind": "points"}]
    assert (await till.get(f"/v1/members/{member}")).json["points"] == 200, "a quote burns none"

    sold = await sell(till, member, quote)
    assert (sold.status, sold.json["points"]) == (201, -100) and "warnings" not in sold.json
    left = (await quoted(till, member, 150, qty=4))["points"]
    assert (left["burned"], left["balance"], left["against"]) == (100, 100, ["balance"])


@pytest.mark.parametrize(
    ("points", "burned", "against"),
    [(50, 50, []), (59, 50, ["share", "step"]), (49, 40, ["step"]), (19, 0, ["step", "min"]), (10, 0, ["min"])],
)
async def test_a_wish_is_met_or_it_is_said_why_not(worth: Any, points: int, burned: int, against: list[str]) -> None:
    till, member = worth
    quote = await quoted(till, member, points)
    assert (quote["points"]["burned"], quote["points"]["against"]) == (burned, against)
    assert quote["points"]["verdict"] == ("allowed" if burned else "refused")
    assert (await sell(till, member, quote)).status == 201


async def test_somebody_without_points_burns_none(worth: Any) -> None:
    till, _ = worth
    quote = await quoted(till, "ghost", "max")
    assert (quote["total"], quote["points"]["burned"], quote["points"]["against"]) == (1090, 0, ["balance"])


async def test_a_contested_person_is_quoted_none(worth: Any) -> None:
    till, member = worth
    await till.post(f"/v1/members/{member}/edits", {"edit_id": "e1", "birth_month": 5})
    other = {"member_id": new_id(), "phone": "6123 4567", "birth_month": 6}
    await till.post("/v1/members", other)
    await till.post(f"/v1/members/{member}/links", {"link_id": "l1", "other": other["member_id"]})
    said = (await quoted(till, member, 20))["points"]
    assert (said["burned"], said["verdict"], said["against"]) == (0, "refused", ["contested"])


async def test_without_the_clouds_word_no_more_than_the_cap_of_the_day_is_quoted(
    start_hub: StartHub, pair_till: PairTill
) -> None:
    rules = {"points_worth": {"points": 1, "minor": 10}, "burn_off_line_max": 60}
    hub = await start_hub(members=rules, cloud={"mode": "pull"})
    till = await pair_till(hub)
    member = await a_member(till, await pair_till(hub, "manager"))
    first = await quoted(till, member, "max")
    assert [first["points"][name] for name in ("burned", "verdict", "against")] == [
        60,
        "conditional",
        ["cap", "goods", "share"],
    ]
    assert (await sell(till, member, await quoted(till, member, 40))).status == 201
    assert (await quoted(till, member, "max"))["points"]["burned"] == 20
    assert (await sell(till, member, await quoted(till, member, "max"))).status == 201
    assert (await quoted(till, member, "max"))["points"]["verdict"] == "refused"


async def test_points_leave_a_coupon_the_minimum_that_it_asks_for(worth: Any) -> None:
    till, member = worth
    own = till.hub.runtime.replica
    coupon = CouponRow(
        coupon_id="LARGE",
        name=Name(en="Large"),
        currency="HKD",
        valid_from="2026-01-01",
        valid_until="2026-12-31",
        amount_max=500,
        spend_min=4000,
    )

    def job(tx: Any) -> None:
        put_version(tx, own, COUPON, coupon)
        put_version(tx, own, COUPON_BATCH, CouponBatchRow(batch_id="B1", coupon_id="LARGE", prefix="LARGE-1"))

    await till.hub.runtime.db.write(job)
    quote = await quoted(till, member, 50, qty=4, coupons=["LARGE-1"])
    assert (quote["coupons"][0]["amount"], quote["points"]["goods"]) == (500, 3860)
    assert (quote["points"]["burned"], quote["points"]["against"]) == (30, ["coupons"])
    taken = [{"serial": "LARGE-1", "amount": 500}]
    assert (await sell(till, member, quote, coupons=taken)).status == 201


async def test_a_quote_names_the_tender_that_carries_them(start_hub: StartHub, pair_till: PairTill) -> None:
    hub = await start_hub(members={"points_worth": {"points": 1, "minor": 10, "tender": "voucher"}})
    till = await pair_till(hub)
    member = await a_member(till, await pair_till(hub, "manager"))
    quote = await quoted(till, member, "max")
    assert (quote["total"], "discounts" in quote["lines"][0]) == (1090, False)
    assert [quote["points"][name] for name in ("burned", "amount", "tender")] == [109, 1090, "voucher"]
    assert (await sell(till, member, quote, tenders=[{"type": "voucher", "amount": 1090}])).status == 201


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        ({"member_id": None}, "points_member", "/points"),
        ({"points": 0}, "invalid_field", "/points"),
        ({"points": "all"}, "invalid_field", "/points"),
        (
            {"lines": [{"line": 1, "sku": "BAG", "qty": 1, "discounts": [{"amount": 5, "kind": "points"}]}]},
            "points_twice",
            "/lines/0/discounts",
        ),
    ],
)
async def test_points_that_cannot_be_quoted_are_refused_with_their_pointer(
    worth: Any, changed: dict[str, Any], code: str, pointer: str
) -> None:
    till, member = worth
    asked = {"lines": [{"line": 1, "sku": "BAG", "qty": 1}], "member_id": member, "points": 20}
    answer = await till.post("/v1/quotes", asked | changed)
    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, code, pointer)
    assert set(answer.json["remedy"]) == {"en", "zh-Hant"}


async def test_a_shop_that_does_not_say_what_they_are_worth_quotes_no_points(till: Any) -> None:
    asked = {"lines": [{"line": 1, "sku": "BAG", "qty": 1}], "member_id": "m1"}
    refused = await till.post("/v1/quotes", asked | {"points": "max"})
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "points_undeclared", "/points")
    assert (await till.post("/v1/quotes", asked)).json["points"] is None
