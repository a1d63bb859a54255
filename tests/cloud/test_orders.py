"""Orders on real sockets: a cloud and hubs in this process, a till that picks by scan and hands over, with and without a line.

Goal: an order of the web shop is made at the cloud, picked, packed and handed over at the shop, and the cloud sees it; goods
leave the shelf once, promises end once, rights agree with what is there. Method: real hubs over their HTTP; what the cloud says
is read by its own HTTP.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from hub.client import new_id

RIGHTS = {"online_share_pct": 50, "single_item": False}
STORES: dict[str, dict[str, Any]] = {
    store: {"token": f"{store}-token-0123456789", "rights": RIGHTS} for store in ("hk01", "hk02")
}
TEA, SHIRT = "04890000000010", "SHIRT-M"


@asynccontextmanager
async def looking(cloud: Any) -> AsyncIterator[None]:
    """The cloud looks at what arrives, as it does when it runs by itself."""
    task = asyncio.create_task(cloud.cloud.contact.run())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def head_office(start_cloud: Any) -> AsyncIterator[Any]:
    cloud = await start_cloud(stores=STORES)
    async with looking(cloud):
        yield cloud


@pytest.fixture
def shop_of(head_office: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any) -> Any:
    """Start a shop that has granted half its goods to the cloud: `hub, till = await shop_of("hk01")`."""

    async def start(store: str, *, copy_of: str = "", url: str = "") -> Any:
        folder = f"{store}-copy" if copy_of else store
        (tmp_path / folder).mkdir()
        if copy_of:
            with (
                closing(connect(tmp_path / copy_of / "hub.db")) as card,
                closing(connect(tmp_path / folder / "hub.db")) as to,
            ):
                card.backup(to)
        name = {"name_zh_hant": store, "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"}
        hub = await start_hub(
            cloud={"url": url or head_office.url, "token": STORES[store]["token"], "reconnect_max_s": 0.1},
            store={"id": store} | name,
            data={"dir": folder},
            rights=RIGHTS,
        )
        till = await pair_till(hub, scope="manager")
        if not copy_of:
            await until(lambda: rights(head_office, store), lambda got: cloud_right(got) >= 10)
        return hub, till

    return start


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def way_to(cloud: Any, port: int) -> AsyncIterator[None]:
    """A second way to the cloud, open while inside."""

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", cloud.port)
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))

    async with await asyncio.start_server(through, "127.0.0.1", port):
        yield


async def rights(cloud: Any, store: str = "hk01", sku: str = "TEA-01") -> Any:
    return (await cloud.get("/cloud/v1/rights", sku=sku, store=store)).json


def cloud_right(account: Any) -> int:
    return sum(each["right"] for each in account["holders"] if each["rep"].startswith("cloud:"))


def web_order(order_id: str, *lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    numbered = [{"line": n, "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines or (("TEA-01", 2),), 1)]
    return {"order_id": order_id, "kind": "click_and_collect", "lines": numbered, "name": "Chan 陳"} | fields


async def allocated(cloud: Any, till: Any, until: Any, order: dict[str, Any], store: str = "hk01") -> Any:
    """Create an order, give it to a store, wait until its till sees it."""
    path = f"/cloud/v1/orders/{order['order_id']}"
    assert (await cloud.post("/cloud/v1/orders", order)).status == 201
    given = await cloud.post(f"{path}/allocate", {"store": store})
    assert (given.status, given.json["status"]) == (200, "allocated"), given.body
    here = f"/v1/orders/{order['order_id']}"
    await until(lambda: till.get(here), lambda got: got.status == 200 and got.json["state"] == "allocated")
    return here


async def step(till: Any, path: str, state: str, **more: str) -> Any:
    return await till.post(f"{path}/steps", {"step_id": new_id(), "state": state} | more)


async def scan(till: Any, path: str, label: str, qty: int | None = None, scan_id: str = "") -> Any:
    said = {"scan_id": scan_id or new_id(), "label": label} | ({"qty": qty} if qty is not None else {})
    return await till.post(f"{path}/scans", said)


async def picking(till: Any, path: str, until: Any) -> None:
    """Begin to pick, once the promises have come."""
    await until(lambda: step(till, path, "picking"), lambda got: got.status == 201)


async def on_hand(till: Any, sku: str = "TEA-01") -> int:
    return int((await till.get(f"/v1/products/{sku}")).json["stock"]["on_hand"])


async def seen(cloud: Any, order_id: str, until: Any, state: str) -> Any:
    got = await until(lambda: cloud.get(f"/cloud/v1/orders/{order_id}"), lambda got: got.json.get("state") == state)
    return got.json


async def line_up(cloud: Any, up: bool, till: Any, until: Any) -> None:
    await cloud.post("/cloud/v1/demo/line", {"up": up})
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] is up)


async def at_rest(
    cloud: Any, until: Any, sku: str = "TEA-01", store: str = "hk01", *, on_hand: int | None = None
) -> Any:
    """Rights and promises come to what is there, as the cloud's own audit says; levels come behind what the steps say."""
    return await until(
        lambda: rights(cloud, store, sku),
        lambda got: got["difference"] is None and not got["open_promises"] and on_hand in (None, got["on_hand"]),
    )


async def test_a_web_order_is_picked_by_scan_and_handed_over_and_the_cloud_sees_it(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    before = await on_hand(till)
    path = await allocated(head_office, till, until, web_order("w1"))
    view = (await till.get(path)).json
    assert (view["ours"], view["name"], view["lines"][0]["qty"]) == (True, "Chan 陳", 2)

    await picking(till, path, until)
    assert [(await scan(till, path, TEA)).json["missing"] for _ in range(2)] == [1, 0]
    assert (await step(till, path, "ready")).status == 201
    assert await on_hand(till) == before
    code = (await seen(head_office, "w1", until, "ready"))["code"]
    handed = await step(till, path, "collected", code=code)

    assert (handed.status, handed.json["order"]["state"], handed.json["order"]["name"]) == (201, "collected", "")
    assert await on_hand(till) == before - 2
    told = await seen(head_office, "w1", until, "collected")
    assert (told["code"], told["name"], [each["state"] for each in told["steps"]]) == (
        "",
        "",
        ["created", "allocated", "picking", "ready", "collected"],
    )
    await at_rest(head_office, until, on_hand=before - 2)


async def test_a_pick_is_verified_and_what_is_wrong_counts_nothing(head_office: Any, shop_of: Any, until: Any) -> None:
    _, till = await shop_of("hk01")
    path = await allocated(head_office, till, until, web_order("w1", ("TEA-01", 2), (SHIRT, 1)))
    early = await scan(till, path, TEA)
    assert (early.status, early.json["code"]) == (409, "order_not_picking")
    await picking(till, path, until)
    async with till.events() as ws, asyncio.timeout(30):
        await ws.receive()
        first = await scan(till, path, TEA, scan_id="s1")
        again = await scan(till, path, TEA, scan_id="s1")
        wrong = await scan(till, path, "PLUM", 100)
        many = await scan(till, path, TEA, 2)
        back = await scan(till, path, TEA, -2)
        nothing = await scan(till, path, "9999999999")
        other = await scan(till, path, SHIRT, scan_id="s1")
        markers = [json.loads((await ws.receive()).data) for _ in range(6)]
    assert (first.status, again.status, again.json["picked"], again.json["missing"]) == (201, 200, 1, 2)
    assert [each.json["code"] for each in (wrong, many, back, nothing, other)] == [
        *("order_wrong_item", "order_too_many", "order_not_picked", "order_wrong_item", "other_content"),
    ]
    assert [each["type"] for each in markers] == ["marker"] * 6
    assert [each["data"]["verdict"] for each in markers] == ["right", *["wrong"] * 5]
    assert [line["picked"] for line in (await till.get(path)).json["lines"]] == [1, 0]
    missing = await step(till, path, "ready")
    assert (missing.status, missing.json["code"], missing.json["pointer"]) == (422, "order_missing", "/reason")
    assert "line 1: 1, line 2: 1" in missing.json["detail"]


async def test_a_partial_order_gives_back_what_was_not_there(head_office: Any, shop_of: Any, until: Any) -> None:
    _, till = await shop_of("hk01")
    tea, shirt = await on_hand(till), await on_hand(till, SHIRT)
    path = await allocated(head_office, till, until, web_order("w1", ("TEA-01", 3), (SHIRT, 1)))
    await picking(till, path, until)
    empty = await step(till, path, "ready", reason="nowhere")
    assert (empty.status, empty.json["code"]) == (422, "order_empty")
    await scan(till, path, TEA, 2)
    assert (await step(till, path, "ready", reason="not on the shelf")).status == 201
    told = await seen(head_office, "w1", until, "ready")
    assert told["short"] == [{"line": 1, "qty": 1}, {"line": 2, "qty": 1}]
    await step(till, path, "collected", code=told["code"])

    assert (await on_hand(till), await on_hand(till, SHIRT)) == (tea - 2, shirt)
    await seen(head_office, "w1", until, "collected")
    for sku in ("TEA-01", SHIRT):
        await at_rest(head_office, until, sku)


async def test_a_shop_without_a_line_goes_on_with_the_orders_that_it_has(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    before = await on_hand(till)
    path = await allocated(head_office, till, until, web_order("w1", deadline="2026-09-30T12:00:00Z"))
    await picking(till, path, until)
    await line_up(head_office, False, till, until)
    await scan(till, path, TEA, 2)
    ready = await step(till, path, "ready")
    shown = await till.post(f"{path}/code", {"reason": "no telephone"})
    assert (ready.status, shown.status) == (201, 200) and "<svg" in shown.json["qr_svg"]
    wished = await head_office.post("/cloud/v1/orders/w1/cancel", {"request_id": "r1", "reason": "changed my mind"})
    assert (wished.status, wished.json["status"]) == (202, "requested")
    handed = await step(till, path, "collected", code=f"w1/{shown.json['code']}")
    assert handed.status == 201

    await line_up(head_office, True, till, until)
    told = await seen(head_office, "w1", until, "collected")
    assert [each["answer"] for each in told["requests"]] == ["refused"]
    assert await on_hand(till) == before - 2
    await at_rest(head_office, until)


async def test_an_order_is_called_off_by_the_cloud_and_the_hub_gives_the_goods_back(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    before, free = await on_hand(till), cloud_right(await rights(head_office))
    path = await allocated(head_office, till, until, web_order("w1"))
    await picking(till, path, until)
    await scan(till, path, TEA, 2)
    said = {"request_id": "r1", "reason": "changed my mind"}
    first, again = [await head_office.post("/cloud/v1/orders/w1/cancel", said) for _ in range(2)]
    assert (first.status, again.status) == (202, 202)

    told = await seen(head_office, "w1", until, "cancelled")
    assert ([each["answer"] for each in told["requests"]], told["name"]) == (["done"], "")
    assert (await till.get(path)).json["steps"][-1]["reason"] == "changed my mind"
    assert await on_hand(till) == before
    assert cloud_right(await at_rest(head_office, until)) == free
    late = await step(till, path, "ready")
    assert (late.status, late.json["code"]) == (409, "order_closed")


async def test_an_order_that_nobody_has_yet_is_cancelled_at_once(head_office: Any, shop_of: Any) -> None:
    await shop_of("hk01")
    await head_office.post("/cloud/v1/orders", web_order("w1", ("TEA-01", 1), (SHIRT, 500)))
    waits = await head_office.post("/cloud/v1/orders/w1/allocate", {"store": "hk01"})
    assert (waits.status, waits.json["status"], waits.json["waiting"]) == (202, "waiting", [2])
    assert len((await rights(head_office))["open_promises"]) == 1
    gone = await head_office.post("/cloud/v1/orders/w1/cancel", {"request_id": "r1"})
    assert (gone.status, gone.json["order"]["state"]) == (200, "cancelled")
    late = await head_office.post("/cloud/v1/orders/w1/allocate", {"store": "hk01"})
    assert (late.status, late.json["code"]) == (409, "order_closed")


async def test_a_wrong_code_is_refused_and_after_some_the_order_waits_for_a_manager(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    path = await allocated(head_office, till, until, web_order("w1"))
    await picking(till, path, until)
    await scan(till, path, TEA, 2)
    await step(till, path, "ready")
    code = (await seen(head_office, "w1", until, "ready"))["code"]
    wrong = f"{(int(code) + 1) % 10**8:08}"
    tries = [await step(till, path, "collected", code=wrong) for _ in range(6)]
    right = await step(till, path, "collected", code=code)

    assert [each.json["code"] for each in tries] == [*["order_code"] * 5, "order_code_locked"]
    assert (right.status, right.json["code"]) == (409, "order_code_locked")
    await till.post(f"{path}/code", {"reason": "the customer read it wrong"})
    assert (await step(till, path, "collected", code=code)).status == 201


async def test_steps_are_taken_once_and_in_their_order(head_office: Any, shop_of: Any, until: Any) -> None:
    _, till = await shop_of("hk01")
    path = await allocated(head_office, till, until, web_order("w1"))
    early = await step(till, path, "ready", reason="x")
    assert (early.status, early.json["code"], early.json["pointer"]) == (409, "order_step", "/state")
    await picking(till, path, until)
    await scan(till, path, TEA, 2)
    said = {"step_id": "x1", "state": "ready"}
    first, again = [await till.post(f"{path}/steps", said) for _ in range(2)]
    other = await till.post(f"{path}/steps", said | {"state": "cancelled"})
    shipped = await step(till, path, "shipped")
    assert (first.status, first.json["status"], again.status, again.json["status"]) == (201, "taken", 200, "repeated")
    assert [(each.status, each.json["code"]) for each in (other, shipped)] == [
        (409, "other_content"),
        (422, "order_kind"),
    ]


async def test_a_hub_that_begins_anew_goes_on_with_its_orders(head_office: Any, shop_of: Any, until: Any) -> None:
    hub, till = await shop_of("hk01")
    before = await on_hand(till)
    path = await allocated(head_office, till, until, web_order("w1"))
    await picking(till, path, until)
    await scan(till, path, TEA, 2)
    await step(till, path, "ready")
    code = (await seen(head_office, "w1", until, "ready"))["code"]
    await hub.runtime.replication.books.forked("a card was copied")

    assert (await till.get(path)).json["ours"]
    assert (await step(till, path, "collected", code=code)).status == 201
    await seen(head_office, "w1", until, "collected")
    assert await on_hand(till) == before - 2
    await at_rest(head_office, until)


async def test_an_order_that_a_copied_card_took_as_well_is_flagged_and_counts_once(
    head_office: Any, shop_of: Any, until: Any, free_port: Callable[[], int]
) -> None:
    """The card is copied while nobody hears of it: one machine hands the goods over, the other one calls the order off.

    The one that handed them over is heard first, and its pick stands; the other way round it falls (docs/orders.md).
    """
    _, till = await shop_of("hk01")
    before = await on_hand(till)
    path = await allocated(head_office, till, until, web_order("w1"))
    await picking(till, path, until)
    await scan(till, path, TEA, 2)
    await step(till, path, "ready")
    code = (await seen(head_office, "w1", until, "ready"))["code"]
    await line_up(head_office, False, till, until)
    port = free_port()
    _, other = await shop_of("hk01", copy_of="hk01", url=f"http://127.0.0.1:{port}")
    assert (await step(till, path, "collected", code=code)).status == 201
    assert (await step(other, path, "cancelled", reason="nobody came")).status == 201
    assert (await on_hand(till), await on_hand(other)) == (before - 2, before)

    await line_up(head_office, True, till, until)
    await seen(head_office, "w1", until, "collected")
    async with way_to(head_office, port):
        told = await until(lambda: head_office.get("/cloud/v1/orders/w1"), lambda got: got.json["flags"])
        assert (told.json["state"], told.json["flags"]) == ("collected", ["refund", "two_owners"])
        for side in (till, other):
            shown = await until(lambda at=side: at.get(path), lambda got: got.json["flags"])
            assert (shown.json["state"], shown.json["flags"]) == ("collected", ["refund", "two_owners"])
            lines = (await side.get("/v1/attention")).json["items"]
            assert [line["key"] for line in lines if line["kind"] == "order"] == ["w1"]
            await until(lambda at=side: on_hand(at), lambda got: got == before - 2)
        await at_rest(head_office, until, on_hand=before - 2)


async def test_an_order_made_in_the_shop_without_a_line_goes_up_when_it_is_back(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    before = await on_hand(till)
    await line_up(head_office, False, till, until)
    said = web_order("h1", kind="home_delivery", address="1 Nathan Road")
    assert (await till.post("/v1/orders", said)).status == 201
    await line_up(head_office, True, till, until)
    told = await seen(head_office, "h1", until, "allocated")
    assert (told["store"], told["name"], told["address"]) == ("hk01", "Chan 陳", "1 Nathan Road")
    assert told["owner"].startswith("hk01:")

    path = "/v1/orders/h1"
    assert (await step(till, path, "picking")).status == 201
    await scan(till, path, TEA, 2)
    await step(till, path, "ready")
    assert (await step(till, path, "shipped")).status == 201
    told = await until(lambda: head_office.get("/cloud/v1/orders/h1"), lambda got: not got.json["name"])
    assert (told.json["state"], told.json["address"]) == ("shipped", "")
    account = await until(lambda: rights(head_office), lambda got: got["on_hand"] == before - 2)
    assert account["difference"] is None


async def test_what_one_store_has_not_is_given_to_another_and_the_first_keeps_nothing(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    hub, other = await shop_of("hk02")
    receive = {"movement_id": "m1", "sku": SHIRT, "qty": 40, "reason": "receive"}
    assert (await other.post("/v1/stock/movements", receive)).status == 201
    await until(lambda: rights(head_office, "hk02", SHIRT), lambda got: cloud_right(got) >= 20)
    assert (await head_office.post("/cloud/v1/orders", web_order("w1", ("TEA-01", 2), (SHIRT, 20)))).status == 201
    path = "/cloud/v1/orders/w1"
    waits = await head_office.post(f"{path}/allocate", {"store": "hk01"})
    assert (waits.status, waits.json["waiting"]) == (202, [2])
    given = await head_office.post(f"{path}/allocate", {"store": "hk02"})
    again = await head_office.post(f"{path}/allocate", {"store": "hk02"})
    back = await head_office.post(f"{path}/allocate", {"store": "hk01"})
    assert (given.json["status"], again.json["status"]) == ("allocated", "repeated")
    assert (given.json["order"]["owner"], back.status, back.json["code"]) == (hub.runtime.replica.rep, 409, "not_owner")

    await at_rest(head_office, until)
    assert (await rights(head_office, "hk01", SHIRT))["difference"] is None
    shown = await until(lambda: other.get("/v1/orders/w1"), lambda got: got.status == 200)
    assert shown.json["ours"] and (await till.get("/v1/orders/w1")).status == 404


async def test_an_order_whose_promises_have_not_come_waits_for_them(head_office: Any, shop_of: Any, until: Any) -> None:
    """The order's rows are there, those of its promises are not: as when the line goes between two streams."""
    hub, till = await shop_of("hk01")
    path = await allocated(head_office, till, until, web_order("w1"))

    def promised() -> Any:
        return hub.runtime.db.read.execute("SELECT promise_id FROM promise").fetchall()

    async def come() -> Any:
        await till.get("/healthz")  # the loop turns
        return promised()

    await until(come, bool)
    await hub.runtime.db.write(lambda tx: tx.execute("UPDATE promise SET order_id = 'on its way'"))
    early = await step(till, path, "picking")
    await hub.runtime.db.write(lambda tx: tx.execute("UPDATE promise SET order_id = 'w1'"))
    later = await step(till, path, "picking")

    assert (early.status, early.json["code"], later.status) == (409, "order_incomplete", 201)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (web_order("w1", ("TEA-01", 9)), 409, "other_content"),
        (web_order("w2", kind="ship_from_store"), 422, "order_address"),
        (web_order("w2") | {"lines": [{"line": 1, "sku": "TEA-01", "qty": 1}] * 2}, 422, "line_twice"),
        (web_order("w2") | {"lines": []}, 422, "invalid_field"),
        (web_order("a/b"), 422, "invalid_field"),
    ],
)
async def test_what_head_office_cannot_order_is_refused(head_office: Any, said: Any, status: int, code: str) -> None:
    first, again = [await head_office.post("/cloud/v1/orders", web_order("w1")) for _ in range(2)]
    refused = await head_office.post("/cloud/v1/orders", said)

    assert (first.status, again.status) == (201, 200)
    assert (refused.status, refused.json["code"]) == (status, code)
    assert [each["order_id"] for each in (await head_office.get("/cloud/v1/orders")).json["items"]] == ["w1"]


async def test_head_office_lists_orders_and_names_what_is_not_there(head_office: Any) -> None:
    for name in ("w1", "w2", "w3"):
        await head_office.post("/cloud/v1/orders", web_order(name, note="ring 9123 4567"))
    await head_office.post("/cloud/v1/orders/w2/cancel", {"request_id": "r2", "reason": "mail me@example.org"})

    async def ids(**query: Any) -> list[str]:
        return [each["order_id"] for each in (await head_office.get("/cloud/v1/orders", **query)).json["items"]]

    assert (await ids(state="created"), await ids(state="cancelled")) == (["w1", "w3"], ["w2"])
    assert (await ids(limit=2), await ids(after="w2"), await ids(store="hk01")) == (["w1", "w2"], ["w3"], [])
    assert (await head_office.get("/cloud/v1/orders/w2")).json["steps"][-1]["reason"] == "mail […]"
    gone = [
        await head_office.get("/cloud/v1/orders/none"),
        await head_office.post("/cloud/v1/orders/none/allocate", {"store": "hk01"}),
        await head_office.post("/cloud/v1/orders/none/cancel", {"request_id": "r9"}),
        await head_office.post("/cloud/v1/orders/w1/allocate", {"store": "nowhere"}),
        await head_office.post("/cloud/v1/orders/w1/allocate", {"store": "hk01"}),
    ]
    assert [(each.status, each.json["code"]) for each in gone] == [
        *[(404, "order")] * 3,
        (404, "store"),
        (409, "no_hub"),
    ]
    store = await head_office.get("/cloud/v1/orders", token=STORES["hk01"]["token"])
    assert store.status == 403


async def test_what_a_store_says_in_anothers_name_or_nobody_can_read_changes_nothing(
    head_office: Any, shop_of: Any, new_writer: Any
) -> None:
    await head_office.post("/cloud/v1/orders", web_order("w1"))
    liar = new_writer("hk02:bbbbbbbbbbbbbbbb")
    closed = {"order_id": "w1", "n": 2, "state": "collected", "rep": "cloud:1", "at": "2026-09-21T10:00:00Z"}
    liar.write("order_steps", {"step_id": "w1/2/x/collected", "step": closed})
    liar.write("order_steps", {"step_id": "w1/2", "step": {"order_id": "w1"}})
    liar.write("orders", b'{"order_id": 1}')
    liar.write("order_requests", b"no JSON")
    for stream in liar.logs:
        await head_office.books("hk02").apply(liar.batch(stream))
    await head_office.cloud.contact.look()

    told = (await head_office.get("/cloud/v1/orders/w1")).json
    assert (told["state"], len(told["steps"])) == ("created", 1)


async def test_a_card_of_before_the_pick_is_told_how_far_it_was_and_the_customers_code_is_good(
    head_office: Any, shop_of: Any, until: Any, tmp_path: Path
) -> None:
    _, till = await shop_of("hk01")
    before = await on_hand(till)
    path = await allocated(head_office, till, until, web_order("w1"))
    await until(lambda: step(till, path, "picking"), lambda got: got.status == 201)
    (tmp_path / "old").mkdir()
    with closing(connect(tmp_path / "hk01" / "hub.db")) as card, closing(connect(tmp_path / "old" / "hub.db")) as to:
        card.backup(to)
    await scan(till, path, TEA, 2)
    assert (await step(till, path, "ready")).status == 201
    code = (await seen(head_office, "w1", until, "ready"))["code"]
    _, other = await shop_of("hk01", copy_of="old")

    shown = await until(lambda: other.get(path), lambda got: got.json["state"] == "ready")
    assert shown.json["ours"]
    assert (await step(other, path, "collected", code=code)).status == 201
    await seen(head_office, "w1", until, "collected")
    await at_rest(head_office, until, on_hand=before - 2)
