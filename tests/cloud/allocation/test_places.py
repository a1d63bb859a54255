"""Places without a hub: a warehouse tells what is there, its goods are the cloud's rights, its steps are told here."""

from typing import Any

import pytest

from sync.cloud.allocation.availability import availability
from sync.cloud.allocation.distances import Destination, distance_km
from sync.cloud.allocation.settings import Location
from sync.cloud.config import parse_cloud_config
from sync.cloud.rights.balance import difference
from sync.cloud.rights.rights import Place
from sync.errors import ConfigError

RULES: dict[str, Any] = {"ask": False}
WAREHOUSE: dict[str, Any] = {"dc": {"kind": "warehouse", "priority": 1}}


async def tell(chain: Any, on_hand: int, *, name: str = "dc", sku: str = "TEA-01", **more: Any) -> Any:
    return await chain.end.post(
        f"/cloud/v1/locations/{name}/stock", {"figures": [{"sku": sku, "on_hand": on_hand}], **more}
    )


async def step(chain: Any, parcel_id: str, state: str, **more: Any) -> Any:
    got = await chain.end.post(f"/cloud/v1/orders/{parcel_id}/steps", {"state": state, **more})
    await chain.look()
    return got


def free(chain: Any, sku: str = "TEA-01") -> int:
    return availability(chain.end.cloud.books.db.read, skus=[sku])[sku]


def account(chain: Any) -> Any:
    return chain.end.cloud.contact.account(Place("TEA-01", "cloud", "dc"))


async def test_a_warehouse_sends_an_order_and_its_goods_leave_with_the_parcel(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    assert (await tell(chain, 10)).json["taken"] == 1
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1", ("TEA-01", 4))
    assert (await chain.parcels("w1"), free(chain)) == ([("w1.1", "dc", "allocated")], 11)
    assert [(await step(chain, "w1.1", state)).status for state in ("picking", "shipped", "shipped")] == [200] * 3

    view = account(chain)
    assert (view.on_hand, view.unpicked, view.difference, free(chain)) == (6, 0, None, 11)
    closed = await chain.seen("w1")
    assert (closed["state"], closed["name"], (await chain.seen("w1.1"))["name"]) == ("shipped", "", "")
    facts, _ = await chain.end.feed("promises")
    assert [each["row"]["stock"] for each in facts if each["row"]["kind"] == "promise_end"] == [[["TEA-01", "dc", -4]]]


async def test_the_same_figures_again_change_nothing_and_older_ones_are_passed_over(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    await tell(chain, 10, as_of="2026-09-21T10:00:00Z")
    await chain.order("w1", ("TEA-01", 4))
    await tell(chain, 10, as_of="2026-09-21T10:00:00Z")
    assert free(chain) == 6
    older = await tell(chain, 99, as_of="2026-09-21T09:00:00Z")
    assert (older.json["taken"], older.json["older"], free(chain)) == (0, 1, 6)
    await step(chain, "w1.1", "shipped")
    await tell(chain, 6)
    assert (free(chain), account(chain).on_hand) == (6, 6)


async def test_figures_come_as_csv_and_a_wrong_line_is_named_and_nothing_is_taken(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    headers = {"Content-Type": "text/csv"}
    path = "/cloud/v1/locations/dc/stock"
    wrong = await chain.end.post(path, b"sku,on_hand\nTEA-01,3\nCUP-01,some\n", headers=headers)
    assert (wrong.status, wrong.json["pointer"], free(chain)) == (422, "/3", 0)
    right = await chain.end.post(path, "\ufeffsku,on_hand,name\r\nTEA-01,3,茶\r\n".encode(), headers=headers)
    assert (right.status, right.json["taken"], free(chain)) == (200, 1, 3)
    big5 = await chain.end.post(path, "sku,on_hand,name\nTEA-01,3,茶".encode("big5"), headers=headers)
    assert (big5.status, big5.json["code"]) == (400, "unreadable")


async def test_fewer_than_are_promised_make_the_newest_promise_give_way_to_another_place(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    await tell(chain, 5)
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1", ("TEA-01", 3))
    await chain.order("w2", ("TEA-01", 2))
    await tell(chain, 3)
    await chain.look()

    assert await chain.parcels("w1") == [("w1.1", "dc", "allocated")]
    assert await chain.parcels("w2") == [("w2.1", "dc", "cancelled"), ("w2.2", "hk01", "allocated")]
    assert [run["why"] for run in (await chain.allocation("w2"))["runs"]] == ["new", "overdraw"]
    assert (account(chain).on_hand, account(chain).difference, free(chain)) == (3, None, 3)


async def test_what_was_short_in_the_warehouse_comes_back_as_a_right_and_is_sent_from_a_shop(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    await tell(chain, 5)
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1", ("TEA-01", 3))
    short = [{"line": 1, "qty": 1}]
    many = await step(chain, "w1.1", "ready", short=[{"line": 1, "qty": 4}])
    none = await step(chain, "w1.1", "ready", short=[{"line": 1, "qty": 3}])
    assert [(got.status, got.json["code"]) for got in (many, none)] == [(422, "short_line"), (422, "order_empty")]
    assert (await step(chain, "w1.1", "ready", short=short)).status == 200
    await step(chain, "w1.1", "shipped")

    assert (await chain.parcels("w1"))[1] == ("w1.2", "hk01", "allocated")
    assert (account(chain).on_hand, account(chain).difference) == (3, None)


async def test_steps_of_a_parcel_in_a_shop_are_taken_by_its_hub_only(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES)
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1")
    refused = await step(chain, "w1.1", "shipped")
    unknown = await step(chain, "w9.1", "shipped")
    hub = await tell(chain, 5, name="hk01")
    nowhere = await tell(chain, 5, name="hk09")

    assert [(got.status, got.json["code"]) for got in (refused, unknown, hub, nowhere)] == [
        *((409, "not_owner"), (404, "order"), (409, "has_hub"), (404, "location")),
    ]
    assert (await step(chain, "w1.1", "cancelled")).status == 409


async def test_a_warehouse_rejects_a_parcel_and_it_goes_elsewhere(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    await tell(chain, 5)
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1")
    assert (await step(chain, "w1.1", "cancelled", reason="damaged")).status == 200

    assert await chain.parcels("w1") == [("w1.1", "dc", "cancelled"), ("w1.2", "hk01", "allocated")]
    assert free(chain) == 8


async def test_what_a_place_keeps_back_is_told_to_no_channel_and_given_to_no_order(chain_of: Any) -> None:
    declared = {"dc": {"kind": "warehouse", "safety_stock": 3}, "shop": {"store": "hk01", "online": False}}
    chain = await chain_of(allocation=RULES, locations=declared)
    await tell(chain, 5)
    await chain.stock("hk01", "TEA-01", 9)
    await chain.look()
    assert (free(chain), (await chain.end.get("/cloud/v1/availability")).json["items"][0]["available"]) == (2, 2)
    await chain.order("w1", ("TEA-01", 3))

    assert await chain.parcels("w1") == []
    codes = {each["place"]: each["code"] for each in (await chain.allocation("w1"))["runs"][0]["candidates"]}
    assert codes == {"dc": "holds_too_little", "shop": "not_on_line", "hk02": "no_hub"}


async def test_places_that_are_declared_another_way_are_told_anew(chain_of: Any, tmp_path: Any) -> None:
    (tmp_path / "one").mkdir()
    first = await chain_of(allocation=RULES, locations=WAREHOUSE, folder=tmp_path / "one")
    await tell(first, 5)
    await first.look()
    later = await chain_of(
        allocation=RULES, locations={"dc": {"kind": "warehouse", "safety_stock": 4}}, folder=tmp_path / "one"
    )
    await later.look()

    assert (await later.end.get("/cloud/v1/availability")).json["items"][-1]["available"] == 1
    assert [each["name"] for each in (await later.end.get("/cloud/v1/locations")).json["items"]] == [
        "dc",
        "hk01",
        "hk02",
    ]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"locations": {"dc": {"store": "hk09"}}}, "no store 'hk09'"),
        ({"locations": {"dc": {"lat": 25.0}}}, "lat and lon"),
        ({"locations": {"a": {"store": "hk01"}, "b": {"store": "hk01"}}}, "the same place"),
        ({"locations": {"hk01": {"kind": "warehouse"}}}, "another place"),
        ({"allocation": {"criteria": ["near"]}}, "near"),
        ({"allocation": {"spilt": True}}, "did you mean 'split'"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_name(sections: Any, said: str, tmp_path: Any) -> None:
    raw = {"stores": {"hk01": {"token": "hk01-token-0123456789", "rights": {}}}, **sections}

    with pytest.raises(ConfigError, match=said):
        parse_cloud_config(raw, base=tmp_path)


@pytest.mark.parametrize(
    ("to", "km"),
    [
        (Destination("110"), 0),
        (Destination("11049"), 0),
        (Destination("100"), 4),
        (Destination("10-A"), 222),
        (Destination("999"), None),
        (Destination("", 22.63, 120.30), 297),
        (Destination("999", 25.036, 121.567), 0),
        (Destination(), None),
    ],
)
def test_a_distance_is_that_of_the_nearest_known_point(to: Destination, km: int | None) -> None:
    """The judge: a degree of latitude is 111.2 km; Taipei and Kaohsiung lie 297 km apart."""
    place = Location(name="xinyi", store="hk01", point=(25.036, 121.567), postal=("110",))
    districts = {"10": (23.036, 121.567), "100": (25.04, 121.527)}

    assert distance_km(to, place, districts) == km


def test_no_more_of_where_a_customer_lives_is_kept_than_a_distance_needs() -> None:
    assert Destination("110a", 25.03614, 121.56678).coarse == Destination("110A", 25.04, 121.57)


async def test_where_a_customer_lives_is_forgotten_when_the_order_is_closed(chain_of: Any, sql: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=WAREHOUSE)
    await tell(chain, 5)
    await chain.order("w1", to={"postal": "11049"})
    assert "11049" in sql("SELECT destination FROM order_allocation")[0][0]
    await step(chain, "w1.1", "shipped")

    assert sql("SELECT destination, state FROM order_allocation") == [("", "done")]
    assert difference(chain.end.cloud.books.db.read, Place("TEA-01", "cloud", "dc")) is None
