"""Webhooks on real sockets: each order of a shop becomes one order here, whatever comes twice, late, forged or unreadable."""

import asyncio
import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sync.cloud.channels.signatures import sign
from sync.cloud.migrations import MIGRATIONS
from sync.migrate import migrations
from tests.cloud.channels.conftest import SECRETS, TEA, Office, shopify_order, woo_order


async def test_a_shopify_order_becomes_an_order_with_its_goods_and_its_label(office: Any) -> None:
    answer = await office.shopify("orders/create", shopify_order())

    (made,) = await office.orders()
    shown = await office.order("taipei", 5001)
    assert (answer.status, answer.json) == (200, {"result": "taken"})
    assert (made["order_id"], made["kind"], made["state"]) == ("taipei.5001", "ship_from_store", "created")
    assert made["lines"] == [{"line": 1, "sku": TEA, "qty": 2}]
    assert (made["name"], "信義路五段7號" in made["address"]) == ("王小明", True)
    assert (shown["order_id"], shown["currency"], shown["total"]) == ("taipei.5001", "TWD", 256_000)
    assert shown["received"]["invented_later"] == [1]


async def test_a_woocommerce_order_becomes_one_in_its_own_currency(office: Any) -> None:
    pickup = [{"method_id": "local_pickup", "method_title": "Shop"}]
    answer = await office.woo("order.created", woo_order(shipping_lines=pickup))

    (made,) = await office.orders()
    shown = await office.order("kowloon", 727)
    assert answer.json == {"result": "taken"}
    assert (made["order_id"], made["kind"], made["name"], made["address"]) == (
        *("kowloon.727", "click_and_collect", "Tai Man Chan"),
        "",
    )
    assert (shown["currency"], shown["total"], shown["received"]["meta_data"]) == (
        "HKD",
        1280,
        [{"key": "x", "value": 1}],
    )


async def test_an_amount_that_is_none_is_kept_for_a_person_and_answered_200(office: Any) -> None:
    for n, told in enumerate(("12.805", "1,280.00", "NaN", "1e99", "", None)):
        answer = await office.shopify("orders/create", shopify_order(n, total_price=told))
        assert (answer.status, answer.json["result"]) == (200, "kept")

    raised = await office.exceptions()
    assert {each["code"] for each in raised} == {"channel_amount", "channel_shape"}
    assert (len(raised), await office.orders()) == (6, [])


async def test_only_the_shop_can_sign_and_two_secrets_are_good_while_one_is_changed(
    start_cloud: Any, sections: Any, tmp_path: Any
) -> None:
    (tmp_path / "next.secret").write_text("the-next-secret")
    sections["taipei"]["secret_files"] += ["next.secret"]
    end = await start_cloud(channels=sections)
    sender = Office(end)
    answers = [
        await sender.shopify("orders/create", shopify_order(), secret=secret)
        for secret in ("shopify-secret-1", "the-next-secret", "another-secret", "woo-secret-12")
    ]
    unsigned = await end.post("/cloud/v1/channels/taipei/webhook", b"{}", token="")
    nowhere = await end.post("/cloud/v1/channels/none/webhook", b"{}", token="")
    to_files = await end.post("/cloud/v1/channels/momo/webhook", b"{}", token="")

    knocked = 'storehub_cloud_channel_deliveries_total{channel="taipei",result="unsigned"} 3.0'
    assert knocked in (await end.get("/metrics")).body.decode()
    assert [each.status for each in answers] == [200, 200, 401, 401]
    assert answers[2].json["code"] == "channel_signature"
    assert [unsigned.status, nowhere.status, to_files.status] == [401, 404, 404]


async def test_a_webhook_replayed_a_thousand_times_for_a_deleted_product_is_one_line_and_then_one_order(
    office: Any, sql: Any
) -> None:
    """Out of order, under a thousand delivery ids: the newest version stands, nothing is lost, nothing is 500."""
    versions = [shopify_order(changed=f"2026-09-21T10:00:{second:02}+08:00", note=str(second)) for second in range(20)]
    for order in versions:
        order["line_items"][0] |= {"sku": "GONE-1", "product_exists": False}
    deliveries = [versions[n * 7 % 20] for n in range(1000)]
    statuses = set()
    for batch in (deliveries[n : n + 50] for n in range(0, 1000, 50)):
        answers = await asyncio.gather(*(office.shopify("orders/updated", order) for order in batch))
        statuses |= {each.status for each in answers}
    (raised,) = await office.exceptions()
    kept = await office.order("taipei", 5001)
    rows = sql("SELECT (SELECT count(*) FROM channel_order), (SELECT count(*) FROM channel_exception)")
    assigned = await office.end.post("/cloud/v1/channels/taipei/skus", {"item": raised["items"][0], "sku": TEA})
    await office.shopify("orders/updated", versions[3])

    assert statuses == {200}
    assert (raised["code"], raised["items"], rows) == ("channel_item", ["variant:39072856"], [(1, 1)])
    assert (kept["state"], kept["received"]["note"]) == ("waiting", "19")
    assert assigned.json == {"tried": 1, "closed": 1}
    assert [(each["order_id"], each["lines"][0]["sku"]) for each in await office.orders()] == [("taipei.5001", TEA)]
    assert await office.exceptions() == []


async def test_the_same_delivery_is_answered_without_a_look_and_the_same_words_under_another_id_change_nothing(
    office: Any,
) -> None:
    first = await office.shopify("orders/create", shopify_order(), delivery="a")
    again = await office.shopify("orders/create", shopify_order(), delivery="a")
    other = await office.shopify("orders/updated", shopify_order(), delivery="b")
    older = await office.shopify("orders/updated", shopify_order(changed="2026-09-21T09:59:59+08:00", name="#old"))

    assert [each.json["result"] for each in (first, again, other, older)] == ["taken", "repeated", "repeated", "stale"]
    assert (await office.order("taipei", 5001))["number"] == "#5001"


async def test_a_cancellation_before_its_order_leaves_no_order(office: Any) -> None:
    gone = shopify_order(changed="2026-09-21T10:05:00+08:00", cancelled_at="2026-09-21T10:05:00+08:00")
    await office.shopify("orders/cancelled", gone)
    late = await office.shopify("orders/create", shopify_order())

    assert (late.json["result"], await office.orders()) == ("stale", [])
    assert (await office.order("taipei", 5001))["state"] == "cancelled"


async def test_a_deleted_order_is_called_off_and_stays_so_when_older_words_come_late(office: Any) -> None:
    await office.woo("order.created", woo_order())
    await office.woo("order.deleted", {"id": 727})
    await office.woo("order.deleted", {"id": 728})
    late = [await office.woo("order.updated", woo_order(order_id)) for order_id in (727, 728)]
    restored = await office.woo("order.restored", woo_order(changed="2030-01-01T00:00:00"))

    states = {each["order_id"]: each["state"] for each in await office.orders()}
    assert [each.json["result"] for each in late] == ["stale", "stale"]
    assert restored.json["result"] == "taken"
    assert states == {"kowloon.727": "cancelled", "kowloon.727.r2": "created"}


async def test_a_cancelled_order_gives_its_goods_back(office: Any) -> None:
    await office.grant(5)
    await office.shopify("orders/create", shopify_order())
    await office.end.post("/cloud/v1/orders/taipei.5001/allocate", {"store": "hk01"})
    held = (await office.end.get("/cloud/v1/rights", sku=TEA, store="hk01")).json["open_promises"]
    gone = shopify_order(changed="2026-09-21T11:00:00+08:00", cancelled_at="2026-09-21T11:00:00+08:00")
    await office.shopify("orders/cancelled", gone)

    told = (await office.end.get("/cloud/v1/orders/taipei.5001")).json
    assert len(held) == 1
    assert [(each["wants"], each["answer"]) for each in told["requests"]] == [("cancelled", "open")]


async def test_an_edit_makes_the_order_anew_while_it_is_ours_and_is_for_a_person_afterwards(office: Any) -> None:
    await office.grant(9)
    await office.shopify("orders/create", shopify_order())
    more = shopify_order(changed="2026-09-21T10:01:00+08:00")
    more["line_items"][0]["current_quantity"] = 1
    await office.shopify("orders/updated", more)
    states = {each["order_id"]: (each["state"], each["lines"][0]["qty"]) for each in await office.orders()}
    await office.end.post("/cloud/v1/orders/taipei.5001.r2/allocate", {"store": "hk01"})
    late = shopify_order(changed="2026-09-21T10:02:00+08:00")
    await office.shopify("orders/updated", late)

    (raised,) = await office.exceptions()
    assert states == {"taipei.5001": ("cancelled", 2), "taipei.5001.r2": ("created", 1)}
    assert (raised["subject"], raised["code"]) == ("order:5001", "channel_edited")
    done = await office.end.post(
        "/cloud/v1/channels/taipei/exceptions/dismiss", {"subject": "order:5001", "reason": "called"}
    )
    assert (done.status, await office.exceptions()) == (200, [])


async def test_refunds_are_noted_once_whatever_they_come_in(office: Any) -> None:
    refund = {"id": 509, "order_id": 5001, "created_at": "2026-09-22T10:00:00Z"}
    refund["transactions"] = [{"amount": "1280.00", "kind": "refund", "status": "success", "currency": "TWD"}]  # type: ignore[assignment]
    refund["refund_line_items"] = [{"line_item_id": 50010, "quantity": 1, "restock_type": "return"}]  # type: ignore[assignment]
    await office.shopify("refunds/create", refund)
    await office.shopify("orders/create", shopify_order(refunds=[refund]))
    await office.shopify("refunds/create", refund)
    await office.woo("order.updated", woo_order(refunds=[{"id": 9, "reason": "", "total": "-2.80"}]))

    (noted,) = (await office.order("taipei", 5001))["refunds"]
    (woo,) = (await office.order("kowloon", 727))["refunds"]
    assert (noted["amount"], noted["currency"]) == (128_000, "TWD")
    assert noted["lines"] == [{"line_id": "50010", "qty": 1, "comes_back": True}]
    assert (woo["amount"], woo["currency"]) == (280, "HKD")


async def test_trials_unpaid_orders_and_what_somebody_else_has_sent_are_kept_and_not_picked(office: Any) -> None:
    wishes: list[dict[str, Any]] = [{"test": True}, {"financial_status": "voided"}, {"fulfillment_status": "fulfilled"}]
    for n, wish in enumerate(wishes):
        await office.shopify("orders/create", shopify_order(n, **wish))

    shown = (await office.end.get("/cloud/v1/channels/taipei/orders")).json["items"]
    assert ([each["state"] for each in shown], await office.orders()) == (["test", "unpaid", "fulfilled"], [])


async def test_what_is_no_goods_is_not_picked(office: Any) -> None:
    order = shopify_order()
    order["line_items"] += [
        dict(order["line_items"][0], id=1, gift_card=True),
        dict(order["line_items"][0], id=2, quantity=0),
    ]
    await office.shopify("orders/create", order)
    card = shopify_order(5002)
    card["line_items"][0]["requires_shipping"] = False
    await office.shopify("orders/create", card)

    assert [each["lines"] for each in await office.orders()] == [[{"line": 1, "sku": TEA, "qty": 2}]]
    assert (await office.order("taipei", 5002))["state"] == "no_goods"


async def test_whatever_is_signed_is_answered_200_and_nothing_is_lost(office: Any) -> None:
    kept = [b"[1,", b"{}", b'{"id":' + b"9" * 400 + b"}", b"[" * 5000, b"\xff\xfe", b'{"id":1,"order_id":"\\u0000"}']
    said = [
        ("orders/edited", b'{"order_edit":{}}'),
        ("app/uninstalled", b"{}"),
        ("", b"{}"),
        ("products/update", b'{"id":1}'),
    ]
    answers = [await office.shopify("orders/create", None, raw=raw) for raw in kept]
    others = [await office.shopify(topic, None, raw=raw) for topic, raw in said]
    odd = await office.end.post(
        "/cloud/v1/channels/taipei/webhook",
        b"{}",
        token="",
        headers={"X-Shopify-Topic": "orders/\u00e9", "X-Shopify-Hmac-Sha256": sign(b"{}", SECRETS["taipei"])},
    )

    assert {(each.status, each.json["result"]) for each in answers} == {(200, "kept")}
    assert [each.json["result"] for each in others] == ["ignored", "ignored", "ignored", "taken"]
    assert (odd.status, len(await office.exceptions())) == (200, len(kept) + 1)


async def test_a_new_woocommerce_webhook_greets_and_is_answered(office: Any) -> None:
    assert (await office.woo("", None, raw=b"webhook_id=12")).json == {"result": "ignored"}


async def test_what_was_received_of_a_customer_who_wants_to_be_forgotten_is_emptied(office: Any) -> None:
    await office.shopify("orders/create", shopify_order())
    await office.shopify("customers/redact", {"shop_id": 1, "customer": {"id": 2}, "orders_to_redact": [5001]})

    assert "received" not in await office.order("taipei", 5001)
    again = await office.end.post("/cloud/v1/channels/taipei/exceptions/replay", {"subject": "order:5001"})
    assert (again.status, again.json["code"]) == (404, "channel_subject")


async def test_all_that_waits_for_an_item_is_worked_off_in_small_jobs(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.cloud.channels.channels.REPLAYS_AT_ONCE", 2)
    for n in range(1, 6):
        order = shopify_order(n)
        order["line_items"][0] |= {"variant_id": 9, "sku": "NEW"}
        order["line_items"] += [dict(order["line_items"][0], id=7, variant_id=8, sku="ELSE")] * (n == 3)
        await office.shopify("orders/create", order)
    done = await office.end.post("/cloud/v1/channels/taipei/skus", {"item": "variant:9", "sku": TEA})

    assert done.json == {"tried": 5, "closed": 4}
    assert [each["items"] for each in await office.exceptions()] == [["variant:8"]]
    assert len(await office.orders()) == 4


async def test_a_shop_is_asked_to_send_again_where_nothing_can_be_written(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.db.WRITER_JOBS_MAX", 0)
    busy = await office.shopify("orders/create", shopify_order(), delivery="a")
    monkeypatch.undo()
    again = await office.shopify("orders/create", shopify_order(), delivery="a")

    assert (busy.status, "Retry-After" in busy.headers, again.json) == (503, True, {"result": "taken"})


async def test_an_unknown_sku_cannot_be_assigned_and_stores_may_ask_nothing(office: Any) -> None:
    wrong = await office.end.post("/cloud/v1/channels/taipei/skus", {"item": "sku:X", "sku": "NONE"})
    store = await office.end.get("/cloud/v1/channels", token="hk01-token-0123456789")
    shown = (await office.end.get("/cloud/v1/channels")).json["items"]

    assert (wrong.status, wrong.json["pointer"], store.status) == (422, "/sku", 403)
    assert [(each["channel"], each["kind"], each["exceptions"]) for each in shown] == [
        ("taipei", "shopify", 0),
        ("kowloon", "woocommerce", 0),
        ("momo", "file", 0),
    ]


async def test_every_order_of_arrival_comes_to_the_same(start_cloud: Any, sections: Any, tmp_path: Any) -> None:
    """Law: created, edited, cancelled and a twin of one second, in all their orders: one state, one number of live orders."""
    office = Office(await start_cloud(channels=sections))
    await office.products(TEA)
    ends = set()
    for n, order in enumerate(itertools.permutations(range(4))):
        order_id = 6000 + n
        edited = shopify_order(order_id, changed="2026-09-21T10:01:00+08:00", name="#edited")
        twin = shopify_order(order_id, changed="2026-09-21T10:01:00+08:00", name="#twin", financial_status="voided")
        versions = [shopify_order(order_id), edited, twin, shopify_order(order_id, cancelled_at="2026-09-21T10:00:00Z")]
        for index in order:
            await office.shopify("orders/updated", versions[index])
        shown = await office.order("taipei", order_id)
        mine = [each for each in await office.orders() if each["order_id"].startswith(f"taipei.{order_id}")]
        ends.add((shown["state"], shown["number"], sum(each["state"] == "created" for each in mine)))

    assert len(ends) == 1, ends


async def test_a_cloud_of_the_version_before_takes_channels_up_and_keeps_its_orders(
    start_cloud: Any, sections: Any, tmp_path: Path
) -> None:
    """A file of every step before the channels', with an order in it, is opened as it is."""
    steps = migrations(MIGRATIONS)
    number = next(number for number, sql in steps if "CREATE TABLE channel_order" in sql)
    with closing(sqlite3.connect(tmp_path / "cloud.db", isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        for each, sql in steps:
            if each < number:
                file.executescript(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {each}; COMMIT;")
        body = b'{"order_id":"w1","kind":"click_and_collect","lines":[{"line":1,"sku":"TEA-01","qty":1}],'
        body += b'"made_by":"cloud:1","made_at":"2026-09-21T10:00:00Z"}'
        file.execute("INSERT INTO web_order (order_id, store, state, body) VALUES ('w1', '', '', ?)", (body,))
    office = Office(await start_cloud(channels=sections))
    await office.products(TEA)
    answer = await office.shopify("orders/create", shopify_order())

    with closing(sqlite3.connect(tmp_path / "cloud.db")) as file:
        names = file.execute("SELECT order_id FROM web_order ORDER BY order_id").fetchall()
    assert (answer.json, names) == ({"result": "taken"}, [("taipei.5001",), ("w1",)])
