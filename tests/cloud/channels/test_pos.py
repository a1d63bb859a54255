"""What a web shop's own till has sold is a purchase in a shop, whatever comes of it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.cloud.config import parse_cloud_config
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.persons.purchases import STORE
from sync.connections import connect_writer
from sync.errors import ConfigError
from sync.migrate import migrations
from tests.cloud.channels.buying_world import MEMBERS, SCOPES, STORES, WANG, refund
from tests.cloud.channels.conftest import TEA, Office, shopify_order, woo_order
from tests.cloud.channels.test_buying import who
from tests.cloud.conftest import TOKENS

ONLINE_ONLY = {"all": [{"purchases": {"where": "online"}}, {"not": {"purchases": {"where": "store"}}}]}
AT_A_TILL = {"source_name": "pos", "fulfillment_status": "fulfilled", "shipping_address": None}


@pytest.fixture
async def office(start_cloud: Any, sections: dict[str, Any]) -> Office:
    """Head office of a web shop with a till of its own, where hk02 stands."""
    sections["taipei"]["pos"] = {"77": "hk02"}
    stores = {name: store | {"city": name.upper()} for name, store in STORES.items()}
    office = Office(await start_cloud(stores=stores, scopes=SCOPES, members=MEMBERS, channels=sections))
    await office.products(TEA)
    return office


@pytest.fixture
def count(office: Any) -> Callable[[Any], Any]:
    """How many persons a filter finds."""

    async def count(wanted: Any) -> int:
        answer = await office.end.post("/cloud/v1/segments/preview", {"filter": wanted})
        return int(answer.json["count"])

    return count


async def test_a_sale_of_shopifys_till_is_a_purchase_in_a_shop_and_its_buyer_did_not_buy_on_line_only(
    office: Any, count: Any
) -> None:
    await office.shopify("orders/create", shopify_order(1, customer=WANG))
    before = await count(ONLINE_ONLY)
    bill = {"name": "王小明", "city": "台中市", "country_code": "TW"}
    sold = shopify_order(2, customer=WANG, location_id=77, billing_address=bill, **AT_A_TILL)
    await office.shopify("orders/create", sold)
    await office.shopify("orders/create", shopify_order(3, customer=WANG, location_id=78, **AT_A_TILL))
    wang = await who(office, email="wang@example.org")

    assert (before, await count(ONLINE_ONLY)) == (1, 0)
    assert [(each["channel"], each["store"], each["where"], each["count"]) for each in wang["purchases"]] == [
        ("taipei", "", "online", 1),
        ("taipei", "", "store", 1),
        ("taipei", "hk02", "store", 1),
    ]
    assert {(each["purchase_id"], each["where"], each["city"]) for each in wang["latest"]} == {
        ("1", "online", "台北市"),
        ("2", "store", ""),
        ("3", "store", ""),
    }
    assert wang["home_store"] == "hk02"
    found = [{"stores": ["hk02"]}, {"cities": ["hk02"]}, {"where": "store", "cities": ["台中市"]}, {"where": "online"}]
    assert [await count({"purchases": each}) for each in found] == [1, 1, 0, 1]
    told = (await office.end.get(f"/cloud/v1/members/{wang['member_id']}/export")).json
    assert {(each["purchase_id"], each["in_shop"]) for each in told["purchases"]} == {("1", 0), ("2", 1), ("3", 1)}


async def test_an_edit_and_a_refund_leave_it_in_the_shop_and_what_came_back_counts_no_more(
    office: Any, sql: Any, count: Any
) -> None:
    sold = shopify_order(customer=WANG, location_id=77, **AT_A_TILL)
    await office.shopify("orders/create", sold)
    await office.shopify("orders/updated", sold | {"updated_at": "2026-09-25T10:00:00Z", "note": "x"})
    part = await count({"purchases": {"where": "store"}})
    await office.shopify("refunds/create", refund(1, paid="2560.00", qty=2))

    assert (part, await count({"purchases": {"where": "store"}})) == (1, 0)
    assert sql("SELECT channel, store, in_shop, refunded FROM purchase") == [("taipei", "hk02", 1, 256_000)]


@pytest.mark.parametrize("via, in_shop", [("pos-rest-api", 1), ("woocommerce-pos", 1), ("checkout", 0), ([], 0)])
async def test_woocommerces_own_till_sells_in_a_shop(office: Any, sql: Any, via: Any, in_shop: int) -> None:
    await office.woo("order.created", woo_order(created_via=via))

    assert sql("SELECT in_shop FROM purchase") == [(in_shop,)]


@pytest.mark.parametrize("odd", [{"source_name": ["pos"]}, {"source_name": 7}, {"source_name": "POS2"}])
async def test_a_source_that_is_none_is_on_line_and_refuses_no_order(office: Any, sql: Any, odd: Any) -> None:
    answer = await office.shopify("orders/create", shopify_order(customer=WANG, location_id={"a": 1}, **odd))

    assert (answer.json, sql("SELECT in_shop, store FROM purchase")) == ({"result": "taken"}, [(0, "")])


def test_a_till_stands_in_a_store_that_the_cloud_knows(sections: Any, tmp_path: Path) -> None:
    sections["taipei"]["pos"] = {"77": "nowhere"}
    with pytest.raises(ConfigError, match=r"channels.taipei: pos names 'nowhere'; known stores: hk01"):
        parse_cloud_config({"channels": sections, "stores": {"hk01": {"token": TOKENS["hk01"]}}}, base=tmp_path)


def test_purchases_of_the_version_before_are_where_they_were_made(tmp_path: Path) -> None:
    steps = migrations(MIGRATIONS)
    number = next(number for number, sql in steps if "in_shop" in sql)
    columns = "channel, purchase_id, member_id, store, city, currency, amount, refunded, is_kept, bought_ms"
    with closing(sqlite3.connect(tmp_path / "cloud.db", isolation_level=None)) as file:
        for each, sql in steps:
            if each < number:
                file.executescript(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {each}; COMMIT;")
        for channel in (STORE, "web"):
            file.execute(
                f"INSERT INTO purchase ({columns}) VALUES (?, 'p', 'm', '', '', 'TWD', 1, 0, 1, 1)", (channel,)
            )
    with closing(connect_writer(tmp_path / "cloud.db", MIGRATIONS, "off")) as tx:
        found = tx.execute("SELECT channel, in_shop FROM purchase ORDER BY 1").fetchall()

    assert found == [(STORE, 1), ("web", 0)]
