"""Orders that are made in the shop, over HTTP: goods lie aside and leave once, papers, events, expiry; the pick's law by machine.

Goal: an order without a line is whole at this hub alone. Method: a hub in this process; figures of stock by its own look-up.
"""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hub.client import new_id
from sync.errors import RuleError
from sync.retail.orders.order_rows import OrderLine
from sync.retail.orders.picking import missing, place_scan
from tests.hub.clock_world import NOW, Machine

TEA = "04890000000010"
DAY_MS = 86_400_000


def order(order_id: str, *lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    numbered = [{"line": n, "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines or (("TEA-01", 2),), 1)]
    return {"order_id": order_id, "lines": numbered, "name": "Wong 黃", "address": "1 Nathan Road\nKowloon"} | fields


async def step(till: Any, order_id: str, state: str, **more: str) -> Any:
    return await till.post(f"/v1/orders/{order_id}/steps", {"step_id": new_id(), "state": state} | more)


async def scan(till: Any, order_id: str, label: str, qty: int = 1) -> Any:
    return await till.post(f"/v1/orders/{order_id}/scans", {"scan_id": new_id(), "label": label, "qty": qty})


async def packed(till: Any, order_id: str, *scans: tuple[str, int], reason: str = "") -> None:
    assert (await step(till, order_id, "picking")).status == 201
    for label, qty in scans:
        assert (await scan(till, order_id, label, qty)).status == 201
    assert (await step(till, order_id, "ready", reason=reason)).status == 201


async def stock(till: Any, sku: str = "TEA-01") -> tuple[int, int]:
    """(on hand, available)"""
    shown = (await till.get(f"/v1/products/{sku}")).json["stock"]
    return shown["on_hand"], shown["available"]


async def test_goods_of_an_order_made_here_lie_aside_and_leave_when_it_is_shipped(till: Any) -> None:
    first, again = [await till.post("/v1/orders", order("h1", ("TEA-01", 3), ("PLUM", 600))) for _ in range(2)]
    other = await till.post("/v1/orders", order("h1", ("TEA-01", 4)))
    assert (first.status, again.status, other.status, other.json["code"]) == (201, 200, 409, "other_content")
    assert (first.json["state"], first.json["ours"], first.json["address"]) == (
        "allocated",
        True,
        "1 Nathan Road\nKowloon",
    )
    assert await stock(till) == (20, 17)
    await packed(till, "h1", (TEA, 3), ("PLUM", 500), reason="100 g were bad")
    assert await stock(till) == (20, 17)

    shipped = await step(till, "h1", "shipped", reason="SF 123")
    assert (shipped.status, shipped.json["order"]["state"], shipped.json["order"]["address"]) == (201, "shipped", "")
    assert (await stock(till), await stock(till, "PLUM")) == ((17, 17), (4500, 4500))
    assert [line["short"] for line in shipped.json["order"]["lines"]] == [0, 100]


async def test_goods_of_a_sale_leave_with_the_sale_and_not_again(till: Any) -> None:
    sale = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090})
    await till.post("/v1/sales", sale)
    more = await till.post("/v1/orders", order("h1", ("TEA-01", 3), sale_id=sale["sale_id"]))
    assert (more.status, more.json["code"], more.json["pointer"]) == (422, "order_not_sold", "/lines/0/qty")
    none = await till.post("/v1/orders", order("h1", sale_id="nothing"))
    assert (none.status, none.json["code"]) == (404, "sale")
    assert (await till.post("/v1/orders", order("h1", sale_id=sale["sale_id"]))).status == 201
    await packed(till, "h1", (TEA, 2))
    assert (await step(till, "h1", "shipped")).status == 201

    assert await stock(till) == (18, 18)


async def test_a_cancelled_order_lets_its_goods_go_once(till: Any) -> None:
    await till.post("/v1/orders", order("h1"))
    await packed(till, "h1", (TEA, 2))
    done = {"step_id": "c1", "state": "cancelled", "reason": "moved away, call 9123 4567"}
    first, again = [await till.post("/v1/orders/h1/steps", done) for _ in range(2)]

    assert (first.json["status"], again.json["status"]) == ("taken", "repeated")
    assert first.json["order"]["steps"][-1]["reason"] == "moved away, call […]"
    assert await stock(till) == (20, 20)


@pytest.mark.parametrize(
    ("said", "code", "pointer"),
    [
        (order("h9", ("TEA-01", 21)), "not_available", "/lines/0/qty"),
        (order("h9", ("NONE", 1)), "unknown_sku", "/lines/0/sku"),
        (order("h9", address=""), "order_address", "/address"),
        (order("h9") | {"lines": [{"line": 1, "sku": "TEA-01", "qty": 1}] * 2}, "line_twice", "/lines/1/line"),
    ],
)
async def test_what_cannot_be_ordered_is_refused_and_nothing_is_written(
    till: Any, said: Any, code: str, pointer: str
) -> None:
    refused = await till.post("/v1/orders", said)

    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, code, pointer)
    assert (await till.get("/v1/orders")).json["items"] == []
    assert await stock(till) == (20, 20)


async def test_what_has_happened_is_ordered_beyond_what_is_left(till: Any) -> None:
    assert (await till.post("/v1/orders", order("h1", ("TEA-01", 21), offline=True))).status == 201


async def test_orders_are_listed_by_state_a_page_at_a_time(till: Any) -> None:
    for n in range(5):
        await till.post("/v1/orders", order(f"h{n}", ("TEA-01", 1)))
    await step(till, "h1", "cancelled")
    await step(till, "h2", "picking")

    async def ids(**query: str) -> list[str]:
        return [each["order_id"] for each in (await till.get("/v1/orders", **query)).json["items"]]

    first = (await till.get("/v1/orders", state="allocated", limit="2")).json
    assert ([each["order_id"] for each in first["items"]], first["next"]) == (["h0", "h3"], "h3")
    assert await ids(state="allocated", limit="2", after="h3") == ["h4"]
    assert (await ids(state="picking,cancelled"), await ids(state="cancelled")) == (["h1", "h2"], ["h1"])
    assert await ids() == [f"h{n}" for n in range(5)]
    wrong = await till.get("/v1/orders", state="nowhere")
    assert (wrong.status, wrong.json["code"], wrong.json["pointer"]) == (422, "order_state", "/state")


async def test_the_pick_list_adds_up_what_is_to_be_fetched_in_both_languages(till: Any) -> None:
    await till.post("/v1/orders", order("h1", ("TEA-01", 2), ("SHIRT-M", 1)))
    await till.post("/v1/orders", order("h2", ("TEA-01", 3)))
    await step(till, "h1", "picking")
    await scan(till, "h1", TEA)
    listed = (await till.get("/v1/orders/picklist")).json

    assert [(line["sku"], line["qty"]) for line in listed["lines"]] == [("SHIRT-M", 1), ("TEA-01", 4)]
    assert listed["lines"][1]["orders"] == [
        {"order_id": "h1", "line": 1, "qty": 1},
        {"order_id": "h2", "line": 1, "qty": 3},
    ]
    assert all(word in listed["html"] for word in ("揀貨單", "PICK LIST", "凍頂烏龍茶", "Dong Ding oolong tea"))


async def test_a_label_says_who_gets_the_parcel_and_never_the_code(till: Any, pair_till: Any, hub: Any) -> None:
    said = order("h1", kind="click_and_collect", deadline="2026-09-30T10:00:00Z")
    await till.post("/v1/orders", said)
    await packed(till, "h1", (TEA, 2))
    manager = await pair_till(hub, "manager")
    assert (await till.post("/v1/orders/h1/code", {"reason": "x"})).status == 403
    code = (await manager.post("/v1/orders/h1/code", {"reason": "no telephone"})).json["code"]
    label = await till.get("/v1/orders/h1/label")
    listed = await till.get("/v1/orders")

    assert all(word in label.json["html"] for word in ("Wong 黃", "1 Nathan Road", "h1", "2026-09-30 18:00", "<svg"))
    assert len(code) == 8 and code.encode() not in label.body + listed.body
    lines = (await manager.get("/v1/trail", action="order_code_shown")).json["items"]
    assert [(line["subject"], line["reason"]) for line in lines] == [("h1", "no telephone")]
    assert (await step(till, "h1", "collected", code=code)).status == 201
    gone = await manager.post("/v1/orders/h1/code", {"reason": "again"})
    assert (gone.status, gone.json["code"]) == (409, "order_no_code")


async def test_everybody_is_told_of_each_step(till: Any) -> None:
    async with till.events() as ws, asyncio.timeout(30):
        await ws.receive()
        await till.post("/v1/orders", order("h1"))
        await step(till, "h1", "picking")
        told = [json.loads((await ws.receive()).data) for _ in range(2)]

    assert [(each["type"], each["data"]["state"], each["data"]["n"]) for each in told] == [
        ("order", "allocated", 2),
        ("order", "picking", 3),
    ]


async def test_of_many_orders_at_once_one_event_says_so(till: Any, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.orders.TOLD_MAX", 1)
    runtime = hub.runtime
    announce, runtime.orders.announce = runtime.orders.announce, lambda: None  # as if all had come with one commit
    for name in ("h1", "h2"):
        await till.post("/v1/orders", order(name))
    async with till.events() as ws, asyncio.timeout(30):
        await ws.receive()
        announce()
        told = json.loads((await ws.receive()).data)

    assert (told["type"], told["data"]) == ("order", {"many": 2})


async def test_an_order_expires_after_its_deadline_and_grace_when_the_hub_is_sure_of_the_time(
    start_hub: Any, pair_till: Any
) -> None:
    hub = await start_hub(orders={"expiry_grace_h": 48})
    till = await pair_till(hub)
    until = "2026-09-22T00:00:00+08:00"
    for name in ("h1", "h2", "h3"):
        await till.post("/v1/orders", order(name, deadline=until if name != "h3" else None))
    await step(till, "h2", "picking")
    hub.clock.now_ms += 2 * DAY_MS
    assert await hub.runtime.orders.expire() == 0
    hub.clock.now_ms += DAY_MS
    assert await hub.runtime.orders.expire() == 1

    states = {each["order_id"]: each["state"] for each in (await till.get("/v1/orders")).json["items"]}
    assert states == {"h1": "expired", "h2": "picking", "h3": "allocated"}
    assert await stock(till) == (20, 16)


class Pick(RuleBasedStateMachine):
    """A parcel against plain counting: never more than was ordered of a SKU, never less than nothing, `missing` is the rest."""

    LINES = (("TEA-01", 2), ("SHIRT-M", 1), ("TEA-01", 3))

    def __init__(self) -> None:
        super().__init__()
        self.lines = [OrderLine(line=n, sku=sku, qty=qty) for n, (sku, qty) in enumerate(self.LINES, 1)]
        self.picked: dict[int, int] = {}
        self.parcel: dict[str, int] = {}

    @rule(sku=st.sampled_from(["TEA-01", "SHIRT-M", "BAG"]), qty=st.integers(-6, 6).filter(bool))
    def scans(self, sku: str, qty: int) -> None:
        ordered = sum(n for known, n in self.LINES if known == sku)
        fits = 0 <= self.parcel.get(sku, 0) + qty <= ordered and ordered
        try:
            into = place_scan(self.lines, self.picked, sku, qty)
        except RuleError as err:
            assert not fits, err
            expected = "order_wrong_item" if not ordered else "order_too_many" if qty > 0 else "order_not_picked"
            assert err.code == expected
            return
        assert fits and sum(each.qty for each in into) == qty
        for each in into:
            self.picked[each.line] = self.picked.get(each.line, 0) + each.qty
        self.parcel[sku] = self.parcel.get(sku, 0) + qty

    @invariant()
    def no_line_has_more_than_was_ordered(self) -> None:
        assert all(0 <= self.picked.get(line.line, 0) <= line.qty for line in self.lines)

    @invariant()
    def what_is_missing_is_the_rest(self) -> None:
        left = sum(each.qty for each in missing(self.lines, self.picked))
        assert left == sum(qty for _, qty in self.LINES) - sum(self.parcel.values())

    @precondition(lambda self: not self.parcel)
    @rule()
    def an_empty_parcel_misses_all(self) -> None:
        assert [each.qty for each in missing(self.lines, self.picked)] == [qty for _, qty in self.LINES]


TestPick = Pick.TestCase
TestPick.settings = settings(max_examples=200, stateful_step_count=20)


async def test_a_hub_that_is_unsure_of_the_time_lets_nothing_expire(start_hub: Any, pair_till: Any) -> None:
    hub = await start_hub(orders={"expiry_grace_h": 0})
    till = await pair_till(hub)
    await till.post("/v1/orders", order("h1", deadline="2026-09-21T10:00:00Z"))
    clock = hub.runtime.clock
    told, clock._machine = clock._machine, Machine(wall_ms=NOW + 2 * DAY_MS).clock
    assert hub.runtime.now > datetime.fromisoformat("2026-09-21T10:00:00Z")
    assert (clock.is_sure, await hub.runtime.orders.expire()) == (False, 0)
    clock._machine = told
    assert (clock.is_sure, await hub.runtime.orders.expire()) == (True, 1)


@pytest.fixture
async def beside(hub: Any, start_hub: Any, pair_till: Any) -> Any:
    """A till at the store's other hub, which follows `hub`."""
    paired = await pair_till(hub, scope="standby")
    other = await start_hub(standby={"follows": hub.url, "token": paired.token, "reconnect_max_s": 0.1})
    return await pair_till(other, "manager")


async def test_the_other_hub_of_a_store_asks_the_owner(till: Any, beside: Any, until: Any) -> None:
    for name in ("h1", "h2"):
        await till.post("/v1/orders", order(name))
        await until(lambda at=f"/v1/orders/{name}": beside.get(at), lambda got: got.status == 200)
    shown = (await beside.get("/v1/orders/h1")).json
    assert (shown["ours"], shown["state"]) == (False, "allocated")
    pick, off = [{"step_id": state, "state": state} for state in ("picking", "cancelled")]
    answers = [
        await beside.post(f"/v1/orders/{at}/steps", said) for at, said in (("h1", pick), ("h2", off), ("h2", off))
    ]
    assert [(each.status, each.json["status"]) for each in answers[:2]] == [(202, "requested")] * 2
    assert answers[2].status in {200, 202}

    await until(lambda: till.get("/v1/orders/h2"), lambda got: got.json["state"] == "cancelled")
    await until(lambda: beside.get("/v1/orders/h2"), lambda got: got.json["requests"][0]["answer"] == "done")
    waits = await until(lambda: till.get("/v1/orders/h1"), lambda got: got.json["requests"])
    assert (waits.json["state"], waits.json["requests"][0]["answer"]) == ("allocated", "open")
    assert await stock(till) == (20, 18)
