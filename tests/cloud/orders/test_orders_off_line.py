"""Orders where a line is down, a card is copied or a hub begins anew: they go on, and goods leave the shelf once."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

from tests.cloud.orders.conftest import (
    TEA,
    allocated,
    at_rest,
    line_up,
    on_hand,
    picking,
    rights,
    scan,
    seen,
    step,
    way_to,
    web_order,
)


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
