"""Orders on real sockets: a cloud and hubs in this process, a till that picks by scan and hands over, with and without a line.

Goal: an order of the web shop is made at the cloud, picked, packed and handed over at the shop, and the cloud sees it; goods
leave the shelf once, promises end once, rights agree with what is there. Method: real hubs over their HTTP; what the cloud says
is read by its own HTTP.
"""

import asyncio
import json
from typing import Any

import pytest

from tests.cloud.orders.conftest import (
    SHIRT,
    STORES,
    TEA,
    allocated,
    at_rest,
    cloud_right,
    on_hand,
    picking,
    rights,
    scan,
    seen,
    step,
    web_order,
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
        markers: list[Any] = []
        while len(markers) < 6:  # others tell of the line, and of what is safe
            event = json.loads((await ws.receive()).data)
            markers += [event] if event["type"] == "marker" else []
    assert (first.status, again.status, again.json["picked"], again.json["missing"]) == (201, 200, 1, 2)
    assert [each.json["code"] for each in (wrong, many, back, nothing, other)] == [
        *("order_wrong_item", "order_too_many", "order_not_picked", "order_wrong_item", "other_content"),
    ]
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
