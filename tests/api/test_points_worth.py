"""What points are worth by [members]: told to tills, asked of a sale that burns some, noted on one that has happened."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.client import new_id
from sync.errors import ConfigError

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


async def test_a_misspelt_rule_is_no_rule(start_hub: StartHub) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'members\.points_worth\.maximum'; known: max_pct"):
        await start_hub(members={"points_worth": {"points": 1, "minor": 10, "maximum": 5}})
