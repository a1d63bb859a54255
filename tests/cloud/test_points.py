"""Points on real sockets: two shops and a cloud in this process; a member's points are burned once while the lines are up.

Goal: with lines, what two shops burn never exceeds what the member has; without, the cap of a day is all that is overdrawn, and
it is told. Method: tills by HTTP, at real hubs.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.client import new_id
from hub.store.people.point_asks import ask_points, give_all_back
from tests.cloud.looking import looking

TOKENS = {store: f"{store}-token-0123456789" for store in ("hk01", "hk02")}
STORES: dict[str, dict[str, Any]] = {store: {"token": token, "members": "hk"} for store, token in TOKENS.items()}
SCOPES = {"members": {"hk": {"stores": ["hk01", "hk02"]}}}
RULE = {"points": {"points": 1, "per": 100}, "burn_off_line_max": 40}
DECLARED = RULE | {"points_worth": {"points": 1, "minor": 10}}


class Region:
    """A cloud, two tills of two shops, and a member with 218 points of the first shop, known in both."""

    def __init__(self, cloud: Any, tills: list[Any], until: Any) -> None:
        self.cloud, self.tills, self.until = cloud, tills, until
        self.member = new_id()

    async def begin(self) -> None:
        one = self.tills[0]
        assert (await one.post("/v1/members", {"member_id": self.member, "phone": "9123 4567"})).status == 201
        line = {"sku": "TEA-01", "qty": 20, "unit_price": 1090}
        assert (await one.post("/v1/sales", one.sale(line, member_id=self.member))).json["points"] == 218
        for till in self.tills:
            await self.until(lambda till=till: self.points(till), lambda points: points == 218)

    async def points(self, till: Any) -> int | None:
        answer = await till.get(f"/v1/members/{self.member}")
        return int(answer.json["points"]) if answer.status == 200 else None

    def burning(self, till: Any, points: int, **fields: Any) -> Any:
        """A sale of a tea that costs its points and earns none."""
        parts = [{"amount": 1090, "kind": "points"}]
        line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 1090, "discounts": parts}
        return till.sale(line, member_id=self.member, points_burned=points, **fields)

    async def burn(self, till: Any, points: int, **fields: Any) -> Any:
        return await till.post("/v1/sales", self.burning(till, points, **fields))

    async def line(self, up: bool) -> None:
        await self.cloud.post("/cloud/v1/demo/line", {"up": up})
        for till in self.tills:
            await self.until(lambda till=till: till.get("/v1/sync"), lambda got: got.json["up"] is up)

    def holds(self) -> list[Any]:
        read = self.cloud.cloud.books.db.read
        return read.execute("SELECT points FROM point_hold ORDER BY points").fetchall()


@pytest.fixture
async def region(  # noqa: PLR0917 - fixtures
    start_cloud: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any, request: pytest.FixtureRequest
) -> AsyncIterator[Region]:
    cloud = await start_cloud(stores=STORES, scopes=SCOPES)
    tills = []
    for store, token in TOKENS.items():
        (tmp_path / store).mkdir()
        hub = await start_hub(
            cloud={"url": cloud.url, "token": token, "reconnect_max_s": 0.1},
            store={"id": store, "name_zh_hant": "店", "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"},
            data={"dir": store},
            members=getattr(request, "param", RULE),
        )
        tills.append(await pair_till(hub, "manager"))
    region = Region(cloud, tills, until)
    async with looking(cloud):
        await region.begin()
        yield region


async def test_two_shops_with_lines_burn_the_same_points_once(region: Region) -> None:
    answers = await asyncio.gather(*(region.burn(till, 218) for till in region.tills))
    assert sorted(answer.status for answer in answers) == [201, 422]
    (refused,) = [answer for answer in answers if answer.status == 422]
    assert (refused.json["code"], refused.json["pointer"]) == ("points_balance", "/points_burned")
    for till in region.tills:
        await region.until(lambda till=till: region.points(till), lambda points: points == 0)


async def test_more_than_the_cap_is_burned_with_a_line_and_the_exposure_stays_nothing(region: Region) -> None:
    one, two = region.tills
    assert [(await region.burn(till, 100)).status for till in (one, two)] == [201, 201]
    assert (await region.burn(one, 19)).json["code"] == "points_balance"
    assert (await region.burn(one, 18)).status == 201
    assert (await one.get("/v1/points/exposure")).json["points"] == 0


async def test_what_a_refused_sale_had_set_aside_is_free_again(region: Region) -> None:
    one, two = region.tills
    wrong = region.burning(one, 218) | {"total": 5}
    assert (await one.post("/v1/sales", wrong)).status == 422
    await region.until(_now(region.holds), lambda held: held == [])
    assert (await region.burn(two, 218)).status == 201


async def test_a_hold_ends_when_its_sale_has_come(region: Region) -> None:
    one, _ = region.tills
    for _ in range(3):
        assert (await region.burn(one, 10)).status == 201
    assert (await region.until(_now(region.holds), lambda held: len(held) <= 1)) is not None
    slots = one.hub.runtime.db.read.execute("SELECT count(*) FROM point_ask").fetchone()
    assert slots == (1,), "a slot whose sale is in the books is used again"


@pytest.mark.parametrize("region", [DECLARED], indirect=True)
async def test_a_quote_sets_nothing_aside_and_says_who_is_asked_with_a_line_and_without(region: Region) -> None:
    one, two = region.tills
    lines = [{"line": 1, "sku": "TEA-01", "qty": 2}]

    async def quoted(till: Any) -> Any:
        body = {"lines": lines, "member_id": region.member, "points": 109}
        return (await till.post("/v1/quotes", body)).json

    async def sold(till: Any, quote: Any) -> Any:
        burned = {"member_id": region.member, "points_burned": quote["points"]["burned"]}
        return await till.post("/v1/sales", till.sale(*quote["lines"], total=quote["total"], **burned))

    first, second = await quoted(one), await quoted(two)
    for each in (first, second):
        assert [each["points"][name] for name in ("burned", "amount", "verdict", "against")] == [109, 1090, "ask", []]
    assert region.holds() == []
    assert (await sold(one, first)).status == (await sold(two, second)).status == 201, "of 218 points"
    for till in region.tills:
        await region.until(lambda till=till: region.points(till), lambda points: points == 20)
    await region.line(up=False)

    capped = await quoted(one)
    assert (capped["points"]["burned"], capped["points"]["against"]) == (20, ["balance", "cap"])
    assert capped["points"]["verdict"] == "conditional"
    assert (await sold(one, capped)).status == 201


async def test_without_a_line_the_cap_holds_and_an_overdraft_is_told_until_it_is_earned(region: Region) -> None:
    one, two = region.tills
    assert (await region.burn(one, 200)).status == 201
    await region.until(lambda: region.points(two), lambda points: points == 18)
    await region.line(up=False)
    for till in region.tills:
        capped = await region.burn(till, 18)
        assert capped.status == 201
        assert (await region.burn(till, 1)).json["code"] == "points_balance"

    await region.line(up=True)

    for till in region.tills:
        await region.until(lambda till=till: region.points(till), lambda points: points == -18)
        items = (await till.get("/v1/attention")).json["items"]
        (line,) = [each for each in items if each["kind"] == "points"]
        assert (line["key"], line["amount"], line["currency"]) == (region.member, 18, "points")
        assert (await region.burn(till, 1)).json["code"] == "points_balance"
    entry = {"entry_id": new_id(), "points": 18, "why": "goodwill"}
    assert (await one.post(f"/v1/members/{region.member}/points", entry)).status == 201
    for till in region.tills:
        await region.until(lambda till=till: till.get("/v1/attention"), lambda got: not _kinds(got, "points"))


async def test_a_cloud_that_does_not_answer_leaves_the_cap(region: Region) -> None:
    one, _ = region.tills
    one.hub.runtime.point_holds._timeout_s = 0.05
    region.cloud.cloud.contact.look = _never
    assert (await region.burn(one, 41)).json["code"] == "points_cap"
    assert (await region.burn(one, 40)).status == 201


async def test_what_a_process_that_died_had_asked_for_is_given_back_at_the_next_start(region: Region) -> None:
    one, two = region.tills
    hub = one.hub.runtime
    await hub.db.write(lambda tx: ask_points(tx, hub.replica, "never", [region.member], 218, unheard=0))
    await region.until(_now(region.holds), lambda held: held == [(218,)])
    assert (await region.burn(two, 100)).json["code"] == "points_balance"
    await hub.db.write(lambda tx: give_all_back(tx, hub.replica))
    await region.until(_now(region.holds), lambda held: held == [])
    assert (await region.burn(two, 100)).status == 201


def _kinds(got: Any, kind: str) -> list[Any]:
    return [each for each in got.json["items"] if each["kind"] == kind]


def _now(look: Any) -> Any:
    async def found() -> Any:
        return look()

    return found


async def _never() -> None:
    await asyncio.Event().wait()
