"""Levels out, to shops on real sockets: what is sent is what may be sold, once, whatever the shop does meanwhile.

The shops are played by servers of the documented shapes; what they show at the end is read from them, not from us.
"""

import asyncio
import json
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sync.cloud.channels.calls import ShopAnswer, ShopFaultError
from sync.cloud.talk.shop_http import LeakyBucket, ShopHttp, retry_after_s
from sync.cloud.talk.shops import LevelPusher, backoff_max_s, pushers
from tests.cloud.channels.conftest import TEA, TOKEN, Office, shopify_order, woo_order
from tests.cloud.conftest import TOKENS


@dataclass
class Shop:
    """A shop: what it shows of its items, and what it does next instead of answering."""

    levels: dict[str, int]
    told: dict[str, str]
    calls: list[Any] = field(default_factory=list)
    trouble: list[Any] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    orders: list[Any] = field(default_factory=list)
    url: str = ""

    async def shopify(self, request: web.Request) -> web.Response:
        """The Admin API's GraphQL, as far as levels go."""
        assert request.headers["X-Shopify-Access-Token"] == TOKEN["taipei"]
        assert request.path == "/admin/api/2026-10/graphql.json"
        if self.trouble:
            return self.trouble.pop(0)
        said = json.loads(await request.read())
        query, variables = said["query"], said["variables"]
        if "inventorySetQuantities" in query:
            return self._set(variables)
        if "nodes(ids" in query:
            nodes = [{"id": item, "inventoryLevel": self._quantities(item)} for item in variables["ids"]]
            return web.json_response({"data": {"nodes": nodes}})
        assert variables["location"] == "gid://shopify/Location/77"
        items = sorted(self.levels)
        first = int(variables["after"] or 0)
        page = items[first : first + 2]
        nodes = [{"item": {"id": item, "sku": self.told[item]}, **self._quantities(item)} for item in page]
        info = {"hasNextPage": first + 2 < len(items), "endCursor": str(first + 2)}
        return web.json_response({"data": {"location": {"inventoryLevels": {"nodes": nodes, "pageInfo": info}}}})

    async def shopify_orders(self, request: web.Request) -> web.Response:
        """REST's list, one order a page."""
        if (page := request.query.get("page_info")) is None:
            assert (request.query["status"], request.query["updated_at_min"][-6:]) == ("any", "+00:00")
        n = int(page or 0)
        at = request.url.origin()
        following = f'<{at}/x?page_info=0>; rel="previous", <{at}/x?limit=1&page_info={n + 1}>; rel="next"'
        headers = {"Link": following} if n + 1 < len(self.orders) else {}
        return web.json_response({"orders": self.orders[n : n + 1]}, headers=headers)

    async def woo_orders(self, request: web.Request) -> web.Response:
        """wc/v3's list, a hundred a page."""
        assert (request.query["dates_are_gmt"], request.query["modified_after"][10]) == ("true", "T")
        first = 100 * (int(request.query["page"]) - 1)
        return web.json_response(self.orders[first : first + 100])

    def _quantities(self, item: str) -> dict[str, Any]:
        return {"quantities": [{"name": "available", "quantity": self.levels[item]}]}

    def _set(self, variables: Any) -> web.Response:
        """All or nothing, as the mutation is: one error and nothing is set."""
        assert variables["key"]
        wanted, errors = variables["input"]["quantities"], []
        self.calls.append([(each["inventoryItemId"], each["quantity"]) for each in wanted])
        for index, each in enumerate(wanted):
            item, path = each["inventoryItemId"], ["input", "quantities", str(index)]
            if self.levels[item] != each["changeFromQuantity"]:
                errors.append({"code": "CHANGE_FROM_QUANTITY_STALE", "field": path, "message": "stale"})
            elif item in self.refuses:
                errors.append({"code": "ITEM_NOT_STOCKED_AT_LOCATION", "field": path, "message": "not stocked"})
        if not errors:
            self.levels |= {each["inventoryItemId"]: each["quantity"] for each in wanted}
        return web.json_response({"data": {"inventorySetQuantities": {"userErrors": errors}}})

    async def woo(self, request: web.Request) -> web.Response:
        """wc/v3: products, variations, batches."""
        assert request.headers["Authorization"] == f"Basic {b64encode(TOKEN['kowloon'].encode()).decode()}"
        if self.trouble:
            return self.trouble.pop(0)
        parent = request.match_info.get("parent", "")
        mine = [item for item in sorted(self.levels) if item.startswith("9") == bool(parent)]
        if request.method == "GET":
            items = [{"id": int(item), "sku": self.told[item], "stock_quantity": self.levels[item]} for item in mine]
            items += [] if parent else [{"id": 50, "sku": "", "type": "variable", "stock_quantity": None}]
            return web.json_response(items, headers={"X-WP-TotalPages": "1"})
        done = []
        for each in json.loads(await request.read())["update"]:
            item = str(each["id"])
            if item not in mine or item in self.refuses:
                done.append({"id": each["id"], "error": {"code": "invalid_id", "message": "Invalid ID."}})
                continue
            self.calls.append((parent, item, each["stock_quantity"]))
            self.levels[item] = each["stock_quantity"]
            done.append({"id": each["id"], "stock_quantity": each["stock_quantity"]})
        return web.json_response({"update": done})


@pytest.fixture
async def shop_of() -> AsyncIterator[Any]:
    """Open a shop: `await shop_of("shopify", {item: (sku, level)})`."""
    runners = []

    async def start(kind: str, items: dict[str, tuple[str, int]]) -> Shop:
        shop = Shop(
            {item: level for item, (_, level) in items.items()}, {item: sku for item, (sku, _) in items.items()}
        )
        app = web.Application()
        app.router.add_post("/admin/api/{version}/graphql.json", shop.shopify)
        app.router.add_get("/admin/api/{version}/orders.json", shop.shopify_orders)
        app.router.add_get("/wp-json/wc/v3/orders", shop.woo_orders)
        for path in ("/products", "/products/{parent}/variations"):
            app.router.add_get(f"/wp-json/wc/v3{path}", shop.woo)
            app.router.add_put(f"/wp-json/wc/v3{path}/batch", shop.woo)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        del kind
        return shop

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def selling(start_cloud: Any, sections: Any) -> Any:
    """A cloud that sells at a shop, and what tells it: `office, pusher, http = await selling("taipei", shop)`."""
    sessions: list[aiohttp.ClientSession] = []

    async def start(name: str, shop: Shop, **more: Any) -> tuple[Office, LevelPusher, ShopHttp]:
        section = sections[name] | {"url": shop.url, "token_file": f"{name}.token", "location": "77"} | more
        rights = {"online_share_pct": 100, "single_item": False}
        stores = {store: {"token": token, "rights": rights} for store, token in TOKENS.items()}
        end = await start_cloud(stores=stores, channels={name: section})
        office = Office(end)
        await office.products(TEA, "SHIRT-M", "BAG")
        (pusher,) = pushers(end.cloud.channels, rng=random.Random(1))
        sessions.append(end.session)
        return office, pusher, ShopHttp(end.session, pusher.channel, clock_s=asyncio.get_running_loop().time)

    return start


SHOPIFY = {
    "gid://shopify/InventoryItem/1": (TEA, 99),
    "gid://shopify/InventoryItem/2": ("SHIRT-M", 3),
    "gid://shopify/InventoryItem/3": ("not-ours", 7),
    "gid://shopify/InventoryItem/4": (TEA, 99),
}
ONE, TWO, THREE, FOUR = SHOPIFY


async def test_a_shop_shows_what_may_be_sold_and_is_told_only_what_changes(selling: Any, shop_of: Any) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    taken = [await pusher.round(http), await pusher.round(http)]
    first = dict(shop.levels)
    await office.grant(20, n=2)
    await office.grant(21, n=3)
    taken.append(await pusher.round(http))

    assert first == {ONE: 8, TWO: 0, THREE: 7, FOUR: 0}
    assert (taken, shop.levels[ONE]) == ([3, 0, 1], 21)
    assert shop.calls[-1] == [(ONE, 21)]
    shown = (await office.end.get("/cloud/v1/channels")).json["items"][0]
    assert (shown["items"], shown["fault"], shown["pushed_at"] is not None) == (4, "", True)


async def test_what_was_sold_there_before_we_heard_of_it_is_not_offered_again(selling: Any, shop_of: Any) -> None:
    """The shop has sold two, its webhook is on the way, and a store has just granted more."""
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    await pusher.round(http)
    shop.levels[ONE] -= 2
    await office.grant(9, n=2)
    await pusher.round(http)
    meanwhile = shop.levels[ONE]
    await office.shopify("orders/create", shopify_order())
    await pusher.round(http)
    ordered = shop.levels[ONE]
    await office.end.post("/cloud/v1/orders/taipei.5001/allocate", {"store": "hk01"})
    await pusher.round(http)

    assert (meanwhile, ordered, shop.levels[ONE]) == (6, 7, 7)


async def test_goods_that_are_new_to_the_catalogue_or_assigned_are_shown_without_waiting_for_the_day(
    selling: Any, shop_of: Any
) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await pusher.round(http)
    await office.products("not-ours")
    await pusher.round(http)
    listed = shop.levels[THREE]
    shop.levels[FOUR] = 5
    await office.end.post("/cloud/v1/channels/taipei/skus", {"item": "item:4", "sku": "BAG"})
    await office.grant(2, sku="BAG")
    await pusher.round(http)

    assert (listed, shop.levels[FOUR]) == (0, 2)


async def test_a_cancelled_order_is_offered_again(selling: Any, shop_of: Any) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    await office.shopify("orders/create", shopify_order())
    await pusher.round(http)
    before = shop.levels[ONE]
    gone = shopify_order(changed="2026-09-21T11:00:00+08:00", cancelled_at="2026-09-21T11:00:00+08:00")
    await office.shopify("orders/cancelled", gone)
    await pusher.round(http)

    assert (before, shop.levels[ONE]) == (6, 8)


async def test_an_item_that_is_refused_takes_no_other_with_it(selling: Any, shop_of: Any, caplog: Any) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    shop.refuses = {TWO}
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    assert await pusher.round(http) == 2

    assert (shop.levels[ONE], shop.levels[TWO]) == (8, 3)
    assert [each.first for each in caplog.records if "refuses levels" in each.message] == [TWO]


async def test_a_shop_that_has_enough_is_waited_for_and_no_level_is_lost(selling: Any, shop_of: Any) -> None:
    cost = {"requestedQueryCost": 12, "throttleStatus": {"currentlyAvailable": 11.9, "restoreRate": 100}}
    throttled = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": cost},
    }
    shop = await shop_of("shopify", SHOPIFY)
    shop.trouble = [web.Response(status=429, headers={"Retry-After": "0.01"}), web.json_response(throttled)]
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)

    assert (await pusher.round(http), shop.levels[ONE], shop.trouble) == (3, 8, [])


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        *[(500, "", "shop_unreachable"), (401, "", "shop_token"), (404, "", "shop_refused"), (302, "", "shop_refused")],
        *[(200, "<html>", "shop_answer"), (200, '{"data":{"location":null}}', "shop_refused")],
        (200, '{"errors":[{"message":"Field does not exist"}]}', "shop_refused"),
    ],
)
async def test_a_shop_in_trouble_is_named_and_told_everything_afterwards(
    selling: Any, shop_of: Any, status: int, body: str, code: str
) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    shop.trouble = [web.Response(status=status, text=body)]
    with pytest.raises(ShopFaultError) as raised:
        await pusher.round(http)

    assert (raised.value.code, await pusher.round(http), shop.levels[ONE]) == (code, 3, 8)


async def test_what_somebody_has_changed_at_the_shop_is_found_every_day(selling: Any, shop_of: Any) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    office, pusher, http = await selling("taipei", shop)
    await office.grant(8)
    await pusher.round(http)
    shop.levels[ONE] = 500
    quiet = await pusher.round(http)
    office.end.clock.now_ms += 86_400_000
    daily = await pusher.round(http)
    shop.levels[TWO] = 44
    asked = await office.end.post("/cloud/v1/channels/taipei/reconcile", {})
    await pusher.round(http)

    assert (quiet, daily, asked.status) == (0, 1, 202)
    assert (shop.levels[ONE], shop.levels[TWO]) == (8, 0)
    assert (await office.end.get("/cloud/v1/channels")).json["items"][0]["differing"] == 1


async def test_orders_whose_webhooks_never_came_are_caught_up_with_and_what_was_there_before_is_not(
    selling: Any, shop_of: Any
) -> None:
    shop = await shop_of("shopify", SHOPIFY)
    shop.orders = [shopify_order(1)]
    office, pusher, http = await selling("taipei", shop)
    await pusher.round(http)
    before = await office.orders()
    shop.orders = [shopify_order(2), {"id": "odd"}, shopify_order(3)]
    await office.shopify("orders/create", shopify_order(3))
    for _ in range(2):
        office.end.clock.now_ms += 86_400_000
        await pusher.round(http)

    assert (before, [each["order_id"] for each in await office.orders()]) == ([], ["taipei.2", "taipei.3"])
    assert [each["code"] for each in await office.exceptions()] == ["channel_shape"]


async def test_a_shop_of_which_levels_are_not_ours_is_asked_for_orders_only(selling: Any, shop_of: Any) -> None:
    shop = await shop_of("woo", {"11": (TEA, 5)})
    shop.orders = [woo_order(order_id) for order_id in range(1, 102)]
    office, pusher, http = await selling("kowloon", shop, levels=False)
    await pusher.round(http)
    office.end.clock.now_ms += 86_400_000
    await pusher.round(http)

    assert ((await office.end.get("/cloud/v1/channels")).json["items"][0]["orders"], shop.calls) == ({"made": 101}, [])


async def test_woocommerce_is_told_products_and_variations_and_an_unknown_id_takes_none_with_it(
    selling: Any, shop_of: Any
) -> None:
    shop = await shop_of("woo", {"11": ("BAG", 5), "12": ("SHIRT-M", 2), "91": (TEA, 0), "13": ("other", 1)})
    shop.refuses = {"12"}
    office, pusher, http = await selling("kowloon", shop)
    await office.grant(6)
    shop.trouble = [web.Response(status=429, headers={"Retry-After": "0.01"})]
    taken = [await pusher.round(http), await pusher.round(http)]

    assert taken == [2, 0]
    assert sorted(shop.calls) == [("", "11", 0), ("50", "91", 6)]
    assert shop.levels == {"11": 0, "12": 2, "91": 6, "13": 1}


async def test_it_runs_by_itself_and_says_once_that_a_shop_is_gone_and_once_that_it_is_back(
    selling: Any, shop_of: Any, until: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    shop = await shop_of("shopify", SHOPIFY)
    shop.trouble = [web.Response(status=500) for _ in range(3)]
    office, pusher, _ = await selling("taipei", shop)
    pusher.wait_s = lambda failures: 0.01  # a shop has time, a test waits
    await office.grant(8)
    task = asyncio.create_task(pusher.run())

    async def level() -> int:
        await office.end.get("/healthz")
        return shop.levels[ONE]

    await until(level, lambda got: got == 8)
    await office.grant(9, n=2)
    await until(level, lambda got: got == 9)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    said = [each.message for each in caplog.records if "get to a shop" in each.message]
    assert said == ["levels do not get to a shop", "levels get to a shop again"]


def test_calls_leak_out_of_the_bucket_one_at_a_time_behind_a_burst() -> None:
    bucket = LeakyBucket(2.0, burst=3)
    waits = [bucket.wait_s(100.0) for _ in range(5)]

    assert waits == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert bucket.wait_s(110.0) == 0.0


@pytest.mark.parametrize(
    ("told", "wait_s"), [("7", 7.0), ("0", 0.01), ("9999", 120.0), ("Wed, 21 Oct", 2.0), ("nan", 2.0)]
)
def test_a_shop_says_how_long_to_wait(told: str, wait_s: float) -> None:
    assert retry_after_s(ShopAnswer(b"", {"retry-after": told})) == wait_s


def test_failures_are_waited_out_longer_and_longer_up_to_ten_minutes() -> None:
    assert [backoff_max_s(failures) for failures in (1, 2, 5, 40)] == [4, 8, 64, 600]
