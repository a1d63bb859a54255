"""Points that are earned on line: burned in a shop, taken back with the goods, told to regions that come later."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import convert

from hub.store.upkeep.audit import audit
from sync.cloud.scopes.scope_definitions import ScopesSection, wanted_of
from sync.cloud.scopes.scope_work import FILL
from sync.cloud.scopes.scopes import settle_scopes
from sync.retail.people.points import PointsRule
from tests.cloud.channels.buying_world import MEMBERS, SCOPES, STORES, WANG, refund
from tests.cloud.channels.conftest import TEA, Office, shopify_order, woo_order
from tests.cloud.channels.test_buying import who
from tests.cloud.conftest import TOKENS
from tests.cloud.looking import looking


@pytest.fixture
async def office(start_cloud: Any, sections: dict[str, Any]) -> Office:
    """Head office of a shop whose customers earn a point for each hundred dollars."""
    sections["taipei"]["points"] = {"points": 1, "per": 10_000}
    office = Office(await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS, channels=sections))
    await office.products(TEA)
    return office


async def test_what_is_kept_earns_and_what_comes_back_takes_its_part_once(office: Any, sql: Any) -> None:
    order = shopify_order(customer=WANG)
    balances = []
    for topic, body in (
        ("orders/create", order),
        ("orders/updated", order),
        ("refunds/create", refund(1, paid="1280.00", qty=1)),
        ("refunds/create", refund(1, paid="1280.00", qty=1)),
        ("orders/cancelled", order | {"updated_at": "2026-09-24T10:00:00Z", "cancelled_at": "2026-09-24T10:00:00Z"}),
    ):
        await office.shopify(topic, body)
        balances.append((await who(office, email="wang@example.org"))["points"])
    wang = await who(office, email="wang@example.org")
    await office.shopify("orders/create", shopify_order(5002, customer=None, shipping_address=None))
    await office.woo("order.created", woo_order())  # a channel without a rule

    assert balances == [25, 25, 12, 12, 0]
    assert sorted((each["points"], each["store"]) for each in wang["points_history"]) == [
        (points, "cloud") for points in (-13, -12, 25)
    ]
    facts = [msgspec.json.decode(body) for (body,) in sql("SELECT body FROM fact ORDER BY n") if b"entry_id" in body]
    assert [(each["reason"], each["why"]) for each in facts] == [
        (reason, "taipei 5001") for reason in ("earn", "return", "return")
    ]


async def test_another_buyer_of_an_edited_order_has_the_points_and_a_deleted_order_none(office: Any) -> None:
    other = {"id": 2, "email": "lin@example.org"}
    await office.shopify("orders/create", shopify_order(customer=WANG))
    await office.shopify("orders/updated", shopify_order(customer=other, changed="2026-09-22T10:00:00Z"))
    moved = [(await who(office, email=f"{name}@example.org"))["points"] for name in ("wang", "lin")]
    await office.shopify("orders/delete", {"id": 5001})

    assert (moved, (await who(office, email="lin@example.org"))["points"]) == ([0, 25], 0)


async def test_points_of_a_web_shop_are_burned_at_a_till_and_no_more_than_there_are(
    office: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any
) -> None:
    (tmp_path / "hk01").mkdir()
    named = {"id": "hk01", "name_zh_hant": "店", "name_en": "hk01", "currency": "HKD", "zone": "Asia/Hong_Kong"}
    line = {"url": office.end.url, "token": TOKENS["hk01"], "reconnect_max_s": 0.1}
    hub = await start_hub(cloud=line, store=named, data={"dir": "hk01"}, members={"points": {"points": 1, "per": 100}})
    till = await pair_till(hub, "manager")

    async def known() -> Any:
        items = (await till.get("/v1/members", phone="+886912000111")).json["items"]
        return items[0] if items else None

    def burning(member: str, points: int) -> Any:
        parts = [{"amount": 1090, "kind": "points"}]
        goods = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 1090, "discounts": parts}
        return till.sale(goods, member_id=member, points_burned=points)

    async with looking(office.end):
        await office.shopify("orders/create", shopify_order(customer=WANG))
        found = await until(known, lambda got: got and got["points"] == 25)
        too_many = await till.post("/v1/sales", burning(found["member_id"], 26))
        burned = await till.post("/v1/sales", burning(found["member_id"], 20))
        await until(known, lambda got: got["points"] == 5)
        await office.shopify("refunds/create", refund(1, paid="2560.00", qty=2))
        await until(known, lambda got: got["points"] == -20)

    assert (too_many.status, too_many.json["code"], burned.status) == (422, "points_balance", 201)
    assert audit(hub.runtime.db.read, hub.runtime.replica) == []


async def test_a_region_that_is_new_is_told_what_its_members_have_on_line(office: Any, sql: Any) -> None:
    await office.shopify("orders/create", shopify_order(customer=WANG))
    scopes = convert({"members": {"own": {"stores": ["hk01"]}}}, ScopesSection)
    alone = wanted_of("hk01", scopes, catalogue="", branches="", members="own")
    own = office.end.cloud.books.replica
    await office.end.cloud.books.db.write(lambda tx: settle_scopes(tx, own, alone, stores=["hk01"], fill=FILL))

    rows = sql("SELECT entity, body FROM scope_row JOIN scope ON scope.id = scope WHERE definition LIKE '%[\"hk01\"]%'")
    told = [msgspec.json.decode(body) for entity, body in rows if entity == "member_points"]
    assert [(each["store"], each["points"]) for each in told] == [("cloud", 25)]


async def test_a_rule_that_is_changed_is_for_orders_to_come(office: Any) -> None:
    channels = office.end.cloud.channels.all
    ruled = channels["taipei"]
    channels["taipei"] = replace(ruled, points=None)
    await office.shopify("orders/create", shopify_order(1, customer=WANG))
    channels["taipei"] = ruled
    await office.shopify("orders/updated", shopify_order(1, customer=WANG, changed="2026-09-22T10:00:00Z"))
    await office.shopify("orders/create", shopify_order(2, customer=WANG))
    channels["taipei"] = replace(ruled, points=PointsRule(9, 10_000))
    await office.shopify("refunds/create", refund(1, 2, paid="1280.00", qty=1))

    assert (await who(office, email="wang@example.org"))["points"] == 12
