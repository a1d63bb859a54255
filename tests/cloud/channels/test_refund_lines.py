"""Refunds of WooCommerce come as sums; a shop on a real socket, of the documented shape, names their lines when it is asked."""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from sync.cloud.channels.calls import ShopFaultError
from sync.cloud.channels.refunds import DAY_MS
from sync.cloud.talk.shop_http import ShopHttp
from sync.cloud.talk.shops import LevelPusher, pushers
from tests.cloud.channels.buying_world import MEMBERS, SCOPES, STORES
from tests.cloud.channels.conftest import TEA, TOKEN, Office, woo_order
from tests.cloud.channels.test_buying import who

BILL = {"first_name": "Tai Man", "last_name": "Chan", "email": "chan@example.org", "country": "HK"}
WHAT_CAME_BACK = "SELECT line, back_qty, back_amount FROM purchase_line ORDER BY purchase_id, line"


def named(item: object, qty: int, total: str, tax: str = "0.00") -> dict[str, Any]:
    """A line of a refund: a copy of the order's, with negative numbers."""
    metas = [{"id": 1, "key": "_other", "value": {}}, {"id": 2, "key": "_refunded_item_id", "value": item}]
    return {"id": 900, "quantity": -qty, "total": f"-{total}", "total_tax": f"-{tax}", "meta_data": metas}


def refunded(refund_id: int, amount: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A refund as the shop says it when it is asked."""
    said = {"id": refund_id, "date_created_gmt": "2026-09-22T02:00:00", "amount": amount, "reason": "", "fee_lines": []}
    return said | {"line_items": list(lines), "shipping_lines": [], "refunded_payment": True} | more


def order_of(order_id: int = 727, *sums: tuple[int, str], changed: str = "2026-09-22T02:00:00", **more: Any) -> Any:
    """An order of three TEA-01 for HK$30 and a BAG for HK$10, with refunds as webhooks name them."""
    tea = {
        "id": 315,
        "name": "Oolong",
        "product_id": 93,
        "quantity": 3,
        "sku": TEA,
        "total": "27.00",
        "total_tax": "3.00",
    }
    bag = {
        "id": 316,
        "name": "Bag",
        "product_id": 94,
        "quantity": 1,
        "sku": "BAG",
        "total": "10.00",
        "total_tax": "0.00",
    }
    refunds = [{"id": refund_id, "reason": "", "total": f"-{total}"} for refund_id, total in sums]
    order = woo_order(order_id, changed=changed, line_items=[tea, bag], total="45.00", refunds=refunds)
    return order | {"customer_id": 31, "billing": BILL} | more


@dataclass
class Shop:
    """A shop: what it knows of refunds, and what it does instead of answering."""

    refunds: dict[str, Any] = field(default_factory=dict)
    trouble: list[web.Response] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Basic {b64encode(TOKEN['kowloon'].encode()).decode()}"
        order_id, page = request.match_info["order"], int(request.query["page"])
        self.asked.append(order_id)
        if self.trouble:
            return self.trouble.pop(0)
        if order_id not in self.refunds:
            return web.json_response({"code": "woocommerce_rest_invalid_order_id"}, status=404)
        return web.json_response(self.refunds[order_id][100 * (page - 1) : 100 * page])


async def nothing_new(_: web.Request) -> web.Response:
    """The list of orders that have changed."""
    return web.json_response([])


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop that answers."""
    shop = Shop()
    app = web.Application()
    app.router.add_get("/wp-json/wc/v3/orders/{order}/refunds", shop.answer)
    app.router.add_get("/wp-json/wc/v3/orders", nothing_new)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield shop
    await runner.cleanup()


@dataclass
class Asking:
    """Head office, the shop, and what asks it."""

    office: Office
    shop: Shop
    pusher: LevelPusher
    http: ShopHttp

    async def round(self) -> None:
        await self.pusher.round(self.http)


@pytest.fixture
async def asking(start_cloud: Any, sections: Any, shop: Shop) -> Asking:
    """A cloud with the shop's credentials, which sends no levels."""
    told = {"url": shop.url, "token_file": "kowloon.token", "levels": False, "points": {"points": 1, "per": 100}}
    channels = {"kowloon": sections["kowloon"] | told}
    office = Office(await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS, channels=channels))
    await office.products(TEA, "BAG")
    (pusher,) = pushers(office.end.cloud.channels, rng=random.Random(1))
    http = ShopHttp(office.end.session, pusher.channel, clock_s=asyncio.get_running_loop().time)
    return Asking(office, shop, pusher, http)


async def test_a_refund_takes_back_the_lines_that_the_shop_names_and_is_asked_for_once(
    asking: Asking, shop: Shop, sql: Any
) -> None:
    sending = {"shipping_lines": [{"id": 1, "total": "-5.00", "total_tax": "0.00"}]}
    shop.refunds["727"] = [refunded(9, "25.00", named("315", 2, "18.00", "2.00"), **sending)]
    await asking.office.woo("order.updated", order_of(727, (9, "25.00")))
    before = sql(WHAT_CAME_BACK), sql("SELECT refunded, is_kept FROM purchase")
    for _ in range(3):
        await asking.round()
        await asking.office.woo("order.updated", order_of(727, (9, "25.00")))
    (noted,) = (await asking.office.order("kowloon", 727))["refunds"]
    chan = await who(asking.office, email="chan@example.org")

    assert before == ([(1, 0, 0), (2, 0, 0)], [(2500, 1)])  # by its sum, sending in it
    assert sql(WHAT_CAME_BACK) == [(1, 2, 2000), (2, 0, 0)]
    assert (sql("SELECT refunded, is_kept FROM purchase"), shop.asked) == ([(2000, 1)], ["727"])
    assert noted["lines"] == [{"line_id": "315", "qty": 2, "comes_back": False, "amount": 2000}]
    assert (noted["amount"], noted["refunded_at"]) == (2500, "2026-09-22T02:00:00Z")
    assert (chan["points"], chan["purchases"][0]["amount"]) == (20, 2000)
    tea = {"purchases": {"skus": [TEA]}}, {"purchases": {"skus": [TEA], "amount": {"max": 999}, "currency": "HKD"}}
    found = [(await asking.office.end.post("/cloud/v1/segments/preview", {"filter": each})).json for each in tea]
    assert [each["count"] for each in found] == [1, 0]


async def test_lines_stay_through_edits_and_the_next_refund_is_asked_for_by_itself(
    asking: Asking, shop: Shop, sql: Any
) -> None:
    shop.refunds["727"] = [refunded(9, "20.00", named(315, 2, "20.00"))]
    await asking.office.woo("order.updated", order_of(727, (9, "20.00")))
    await asking.round()
    shop.refunds["727"].append(refunded(10, "10.00", named(315, 1, "10.00")))
    await asking.office.woo("order.updated", order_of(727, (9, "20.00"), (10, "10.00"), changed="2026-09-23T02:00:00"))
    between = sql(WHAT_CAME_BACK)
    await asking.round()
    await asking.office.woo("order.updated", order_of(727, (9, "20.00"), (10, "10.00"), changed="2026-09-24T02:00:00"))
    gone = await asking.office.end.post(
        "/cloud/v1/segments/preview", {"filter": {"not": {"purchases": {"skus": [TEA]}}}}
    )

    assert between == [(1, 2, 2000), (2, 0, 0)]
    assert (sql(WHAT_CAME_BACK), gone.json["count"]) == ([(1, 3, 3000), (2, 0, 0)], 1)
    assert shop.asked == ["727", "727"]


@pytest.mark.parametrize(
    ("said", "back", "money"),
    [
        (refunded(9, "4.00"), [(1, 0, 0), (2, 0, 0)], 400),
        (refunded(9, "9.00", shipping_lines=[{"total": "-5.00"}]), [(1, 0, 0), (2, 0, 0)], 400),
        (refunded(9, "4.00", named(315, 0, "4.00")), [(1, 0, 400), (2, 0, 0)], 400),
        (refunded(9, "5.00", named(315, 1, "10.00")), [(1, 1, 500), (2, 0, 0)], 500),
        (refunded(9, "4.00", {"quantity": -1, "total": "-4.00", "meta_data": "odd"}), [(1, 0, 0), (2, 0, 0)], 400),
        (refunded(8, "1.00", named(315, 1, "1.00")), [(1, 0, 0), (2, 0, 0)], 900),
        (refunded(9, "90.00", named(315, 7, "90.00")), [(1, 3, 3000), (2, 0, 0)], 3000),
    ],
    ids=["a sum", "sending", "money of a line", "less than its goods", "no line named", "not named", "too much"],
)
async def test_what_a_refund_says_is_what_it_takes(asking: Asking, sql: Any, said: Any, back: Any, money: int) -> None:
    asking.shop.refunds["727"] = [said]
    await asking.office.woo("order.updated", order_of(727, (9, "9.00")))
    for _ in range(2):
        await asking.round()

    assert (sql(WHAT_CAME_BACK), sql("SELECT refunded FROM purchase")) == (back, [(money,)])
    assert asking.shop.asked == ["727"]


async def test_an_order_that_the_shop_refuses_or_has_bent_stays_a_sum_and_is_asked_for_a_day_later(
    asking: Asking, shop: Shop, sql: Any
) -> None:
    shop.refunds["728"] = [refunded(10, "1.00", named(315, 1, "1.00", "x"))]
    shop.refunds["729"] = [refunded(11, "10.00", named(315, 1, "10.00"))]
    for order_id, refund_id in ((727, 9), (728, 10), (729, 11)):
        await asking.office.woo("order.updated", order_of(order_id, (refund_id, "10.00")))
    await asking.round()
    await asking.round()
    sums = sql("SELECT refunded FROM purchase ORDER BY purchase_id"), sql(WHAT_CAME_BACK)[::2]
    shop.refunds["727"] = [refunded(9, "10.00", named(315, 1, "10.00"))]
    asking.office.end.clock.now_ms += DAY_MS + 1
    await asking.round()

    assert sums == ([(1000,)] * 3, [(1, 0, 0), (1, 0, 0), (1, 1, 1000)])
    assert shop.asked == ["727", "728", "729", "727", "728"]
    assert sql(WHAT_CAME_BACK)[::2] == [(1, 1, 1000), (1, 0, 0), (1, 1, 1000)]


async def test_a_shop_that_is_away_is_asked_in_the_next_round(asking: Asking, shop: Shop, sql: Any) -> None:
    shop.refunds["727"] = [refunded(9, "10.00", named(315, 1, "10.00"))]
    shop.trouble = [web.Response(status=503), web.Response(status=401)]
    await asking.office.woo("order.updated", order_of(727, (9, "10.00")))
    for code in ("shop_unreachable", "shop_token"):
        with pytest.raises(ShopFaultError) as caught:
            await asking.round()
        assert caught.value.code == code
    await asking.round()

    assert sql(WHAT_CAME_BACK) == [(1, 1, 1000), (2, 0, 0)]


async def test_without_credentials_the_sum_stands_and_what_was_noted_is_asked_for_once_there_are_some(
    start_cloud: Any, sections: Any, shop: Shop, sql: Any
) -> None:
    shared = {"stores": STORES, "scopes": SCOPES, "members": MEMBERS}
    office = Office(await start_cloud(channels={"kowloon": sections["kowloon"]}, **shared))
    await office.products(TEA, "BAG")
    await office.woo("order.updated", order_of(727, (9, "10.00")))
    without = sql(WHAT_CAME_BACK), sql("SELECT refunded FROM purchase")
    nobody = pushers(office.end.cloud.channels, rng=random.Random(1))
    shop.refunds["727"] = [refunded(9, "10.00", named(315, 1, "10.00"))]
    told = {"url": shop.url, "token_file": "kowloon.token", "levels": False}
    later = await start_cloud(channels={"kowloon": sections["kowloon"] | told}, **shared)
    (pusher,) = pushers(later.cloud.channels, rng=random.Random(1))
    await pusher.round(ShopHttp(later.session, pusher.channel, clock_s=asyncio.get_running_loop().time))

    assert (without, nobody) == (([(1, 0, 0), (2, 0, 0)], [(1000,)]), [])
    assert sql(WHAT_CAME_BACK) == [(1, 1, 1000), (2, 0, 0)]
