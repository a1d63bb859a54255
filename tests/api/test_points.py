"""Points with a sale: earned by the rule, burned under the cap while there is a cloud, taken back with the goods; by HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.client import new_id

PairTill = Callable[..., Awaitable[Any]]
StartHub = Callable[..., Awaitable[Any]]
DAY_MS = 86_400_000
RULE = {"points": {"points": 1, "per": 100}, "burn_off_line_max": 100}


class Counter:
    """A till, a manager, and a member who has earned 218 points with 20 teas (21,800)."""

    def __init__(self, hub: Any, till: Any, manager: Any, member: str) -> None:
        self.hub, self.till, self.manager, self.member = hub, till, manager, member

    async def sell(self, qty: int = 1, **fields: Any) -> Any:
        line = {"sku": "TEA-01", "qty": qty, "unit_price": 1090}
        return await self.till.post("/v1/sales", self.till.sale(line, **({"member_id": self.member} | fields)))

    async def burn(self, points: int, **fields: Any) -> Any:
        """A tea, `points` minor units of it by points."""
        parts = [{"amount": points, "kind": "points"}]
        line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": points, "discounts": parts}
        whole = {"member_id": self.member, "points_burned": points} | fields
        return await self.till.post("/v1/sales", self.till.sale(line, **whole))

    async def points(self) -> int:
        return int((await self.till.get(f"/v1/members/{self.member}")).json["points"])


async def at_the_counter(hub: Any, pair_till: PairTill) -> Counter:
    till, manager = await pair_till(hub), await pair_till(hub, "manager")
    member = {"member_id": new_id(), "phone": "9123 4567"}
    assert (await till.post("/v1/members", member)).status == 201
    counter = Counter(hub, till, manager, member["member_id"])
    assert (await counter.sell(20)).json["points"] == 218
    return counter


@pytest.fixture
async def counter(start_hub: StartHub, pair_till: PairTill) -> Counter:
    """At a shop that has a cloud."""
    return await at_the_counter(await start_hub(members=RULE, cloud={"mode": "pull"}), pair_till)


@pytest.fixture
async def alone(start_hub: StartHub, pair_till: PairTill) -> Counter:
    """At a shop without one."""
    return await at_the_counter(await start_hub(members=RULE), pair_till)


async def test_a_sale_earns_once_and_says_so_again(counter: Counter) -> None:
    body = counter.till.sale(member_id=counter.member)
    first, again = await counter.till.post("/v1/sales", body), await counter.till.post("/v1/sales", body)
    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert first.json["points"] == 10
    assert await counter.points() == 228


async def test_points_are_burned_up_to_the_cap_of_a_members_day(counter: Counter) -> None:
    burned = await counter.burn(60)
    assert (burned.status, burned.json["points"]) == (201, 10 - 60)
    refused = await counter.burn(41)
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "points_cap", "/points_burned")
    assert (await counter.burn(40)).status == 201
    assert await counter.points() == 218 + 10 + 10 - 100
    exposed = (await counter.manager.get("/v1/points/exposure")).json
    assert exposed == {"members": {counter.member: 100}, "points": 100}
    counter.hub.clock.now_ms += DAY_MS
    assert (await counter.burn(100)).status == 201
    assert counter.hub.runtime.replication.status().exposure.points == 200, "head office is told of a week"
    counter.hub.clock.now_ms += 8 * DAY_MS
    assert counter.hub.runtime.replication.status().exposure.points == 0


async def test_a_shop_alone_burns_what_there_is_and_no_more(alone: Counter) -> None:
    assert (await alone.burn(218)).status == 201
    left = await alone.points()
    refused = await alone.burn(left + 1)
    assert (refused.status, refused.json["code"]) == (422, "points_balance")
    assert await alone.points() == left
    assert (await alone.manager.get("/v1/points/exposure")).json["points"] == 0


async def test_a_refused_burn_leaves_the_books_as_they_were(counter: Counter) -> None:
    def books() -> list[Any]:
        read = counter.hub.runtime.db.read
        tables = ("sale", "point_balance", "point_burn", "stock", "receipt_series")
        heads = read.execute("SELECT name, seq FROM stream WHERE name IN ('sales', 'points', 'people')").fetchall()
        return [heads, *(read.execute(f"SELECT * FROM {table}").fetchall() for table in tables)]

    before = books()
    assert (await counter.burn(101)).status == 422
    assert books() == before


async def test_a_sale_that_has_happened_is_booked_whatever_it_burned(counter: Counter) -> None:
    booked = await counter.burn(500, offline=True)
    assert booked.status == 201
    assert "points_balance" in [each["code"] for each in booked.json["warnings"]]
    assert await counter.points() == 218 + 5 - 500


async def test_a_return_takes_back_and_gives_back_and_the_balance_may_be_negative(alone: Counter) -> None:
    sold = (await alone.burn(218)).json
    before = await alone.points()
    back = {"return_id": "r1", "till_id": alone.till.till_id, "sale_id": sold["sale_id"], "reason": "no"}
    answer = await alone.till.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})
    assert (answer.status, answer.json["points"]) == (201, -sold["points"])
    assert await alone.points() == before - sold["points"] == 218
    sold = (await alone.sell(3)).json
    assert (await alone.burn(await alone.points())).status == 201
    negative = back | {"return_id": "r2", "sale_id": sold["sale_id"], "lines": [{"line": 1, "qty": 3}]}
    assert (await alone.till.post("/v1/returns", negative)).json["points"] == -32
    assert await alone.points() == 8 - 32
    refused = await alone.burn(1)
    assert (refused.status, refused.json["code"]) == (422, "points_balance")


async def test_a_joined_person_burns_what_both_have_earned(alone: Counter) -> None:
    other = {"member_id": new_id(), "phone": "6123 4567"}
    await alone.till.post("/v1/members", other)
    await alone.sell(10, member_id=other["member_id"])
    await alone.till.post(f"/v1/members/{alone.member}/links", {"link_id": "l1", "other": other["member_id"]})
    assert await alone.points() == 218 + 109
    assert (await alone.burn(300)).status == 201


async def test_a_contested_person_earns_and_does_not_burn(alone: Counter) -> None:
    await alone.till.post(f"/v1/members/{alone.member}/edits", {"edit_id": "e1", "birth_month": 5})
    other = {"member_id": new_id(), "phone": "6123 4567", "birth_month": 6}
    await alone.till.post("/v1/members", other)
    joined = await alone.till.post(f"/v1/members/{alone.member}/links", {"link_id": "l1", "other": other["member_id"]})
    assert joined.json["member"]["contested"] == ["birth_month"]
    refused = await alone.burn(1)
    assert (refused.status, refused.json["code"]) == (422, "points_contested")
    assert (await alone.sell()).json["points"] == 10


async def test_points_to_a_member_nobody_knows_are_booked_and_noted(counter: Counter) -> None:
    sold = await counter.sell(member_id="ghost")
    assert (sold.status, sold.json["points"]) == (201, 10)
    assert {"code": "member_unknown", "detail": "ghost"} in sold.json["warnings"]
    known = await counter.sell()
    assert "member_unknown" not in [each["code"] for each in known.json.get("warnings", [])]
