"""Who wants to be forgotten at a shop is forgotten at head office and in every shop, once; who asks waits for an answer."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.channels.buying_world import MEMBERS, SCOPES, STORES, WANG
from tests.cloud.channels.conftest import TEA, Office, shopify_order, woo_order
from tests.cloud.channels.test_buying import CLEAR, who, who_ids
from tests.cloud_engines import Engine

REDACT = {"shop_id": 1, "shop_domain": "x", "customer": {"id": 9001, "email": WANG["email"], "phone": WANG["phone"]}}
NO = {"state": "unsubscribed", "consent_updated_at": None}


@pytest.fixture
async def office(start_cloud: Any, sections: dict[str, Any]) -> Office:
    """Head office of shops that share their members, whose web shop's customers earn points."""
    sections["taipei"]["points"] = {"points": 1, "per": 10_000}
    sections["kowloon"]["points"] = {"points": 1, "per": 100}
    office = Office(await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS, channels=sections))
    await office.products(TEA)
    return office


async def test_a_customer_who_wants_to_be_forgotten_is_erased_as_head_office_erases_one_and_only_once(
    office: Any, sql: Any, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="sync")
    to = {"name": "王小明", "address1": "信義路五段7號", "city": "台北市", "country_code": "TW"}
    order = shopify_order(customer=WANG, shipping_address=to, fulfillment_status="fulfilled")
    await office.shopify("orders/create", order)
    await office.shopify("orders/create", order | {"id": 5002, "line_items": [[]]})  # kept: nobody can read it
    await office.shopify("orders/create", shopify_order(5003, customer={"id": 2, "email": "lin@example.org"}))
    wang = (await who(office, of="taipei_id", value="9001"))["member_id"]
    await office.end.post(f"/cloud/v1/members/{wang}/tags", {"tag": "vip"})
    said = REDACT | {"orders_to_redact": [5001, 5002]}
    before = [word for word in CLEAR if any(word.encode() in text for text in engine.said(tmp_path).values())]
    first = await office.shopify("customers/redact", said, delivery="r1")
    stood = sql("SELECT count(*) FROM fact"), sql("SELECT body FROM tally ORDER BY stream, n")
    again = [await office.shopify("customers/redact", said, delivery=each) for each in ("r1", "r2")]
    late = await office.shopify("orders/updated", order)
    edited = await office.shopify("orders/updated", order | {"updated_at": "2026-09-25T10:00:00Z", "email": "x@y.zz"})

    assert before and (first.status, first.json) == (200, {"result": "taken"})
    assert [each.json["result"] for each in again] == ["repeated", "taken"]
    assert stood == (sql("SELECT count(*) FROM fact"), sql("SELECT body FROM tally ORDER BY stream, n"))
    assert (late.json["result"], edited.json["result"]) == ("repeated", "taken")
    assert (await office.end.get(f"/cloud/v1/members/{wang}")).status == 404
    assert await who_ids(office, phone="+886912000111") == await who_ids(office, of="taipei_id", value="9001") == []
    assert sql("SELECT count(*) FROM member_tag") == [(0,)]
    assert sql("SELECT member_id, amount FROM purchase WHERE purchase_id = ?", "5001") == [(wang, 256_000)]
    assert sql("SELECT sum(points) FROM member_points WHERE member_id = ?", wang) == [(25,)]  # a ledger stays
    assert len(await who_ids(office, email="lin@example.org")) == 1
    logged = caplog.text + str([vars(record) for record in caplog.records])
    assert not [word for word in (*CLEAR, "'9001'", '"9001"') if word in logged]
    assert "a channel's customer was forgotten" in logged


async def test_nothing_clear_of_a_forgotten_customer_is_left_in_the_files(
    office: Any, engine: Engine, tmp_path: Path
) -> None:
    to = {"name": "王小明", "address1": "信義路五段7號", "city": "台北市", "country_code": "TW"}
    order = shopify_order(customer=WANG, shipping_address=to, fulfillment_status="fulfilled")
    await office.shopify("orders/create", order)
    await office.shopify("orders/create", order | {"id": 5002, "line_items": [[]]})
    await office.shopify("customers/data_request", REDACT | {"orders_requested": [5001], "data_request": {"id": 77}})
    await office.shopify("customers/redact", REDACT | {"orders_to_redact": [5001, 5002]})

    assert not [word for word in CLEAR for text in engine.said(tmp_path).values() if word.encode() in text]
    assert [each["subject"].partition(":")[0] for each in await office.exceptions()] == ["delivery"]


async def test_a_guest_is_forgotten_by_the_orders_and_nobody_by_an_order_of_another_customer(
    office: Any, sql: Any
) -> None:
    await office.shopify("orders/create", shopify_order(1, customer=None, email="guest@example.org", phone=None))
    await office.shopify("orders/create", shopify_order(2, customer={"id": 2, "email": "lin@example.org"}))
    await office.shopify("customers_marketing_consent/update", {"id": 404, "sms_marketing_consent": NO})
    told: list[dict[str, Any]] = [
        {"customer": {"id": 404}, "orders_to_redact": [1, 2]},
        {"customer": {"id": 405, "email": "lin@example.org"}, "orders_to_redact": []},
        {"customer": None, "orders_to_redact": None},
    ]
    answers = [await office.shopify("customers/redact", each) for each in told]

    assert [each.json for each in answers] == [{"result": "taken"}] * 3
    assert await who_ids(office, email="guest@example.org") == []
    assert len(await who_ids(office, email="lin@example.org")) == 1  # an address alone names nobody
    assert sql("SELECT count(*) FROM channel_word") == [(0,)]


async def test_a_customer_who_asks_is_one_line_until_head_office_has_answered(office: Any) -> None:
    await office.shopify("orders/create", shopify_order(customer=WANG))
    asked = REDACT | {"orders_requested": [5001], "data_request": {"id": 77}}
    answer = await office.shopify("customers/data_request", asked)
    await office.shopify("customers/data_request", asked)
    (raised,) = await office.exceptions()
    done = {"subject": raised["subject"], "reason": "sent by post"}
    await office.end.post("/cloud/v1/channels/taipei/exceptions/dismiss", done)
    await office.shopify("customers/data_request", asked)
    after = await office.exceptions()
    await office.shopify("customers/data_request", asked | {"data_request": {"id": 78}})
    await office.shopify("customers/data_request", {"customer": None})

    assert answer.json == {"result": "taken"}
    assert (raised["subject"], raised["code"]) == ("data_request:9001", "channel_data_request")
    assert raised["detail"] == "request 77: customer 9001, orders 5001"
    assert after == []
    assert [each["subject"] for each in await office.exceptions()] == ["data_request:", "data_request:9001"]
    assert len(await who_ids(office, of="taipei_id", value="9001")) == 1


async def test_of_a_shop_that_has_gone_nothing_that_was_received_is_kept_and_its_customers_are_members_still(
    office: Any, sql: Any
) -> None:
    await office.shopify("orders/create", shopify_order(customer=WANG))
    await office.shopify("orders/create", None, raw=b'{"email": "kept@example.org"}')
    await office.shopify("customers_marketing_consent/update", {"id": 404, "sms_marketing_consent": NO})
    answers = [await office.shopify("shop/redact", {"shop_id": 1, "shop_domain": "x"}) for _ in range(2)]

    assert [each.json for each in answers] == [{"result": "taken"}] * 2
    assert "received" not in await office.order("taipei", 5001)
    assert sql("SELECT sum(length(body)) FROM channel_exception") == [(0,)]
    assert sql("SELECT count(*) FROM channel_word") == [(0,)]
    assert [each["code"] for each in await office.exceptions()] == ["channel_shape", "channel_shop_redact"]
    assert len(await who_ids(office, email="wang@example.org")) == 1


async def test_what_was_kept_of_a_delivery_goes_when_a_person_has_seen_to_it(office: Any, sql: Any) -> None:
    await office.shopify("orders/create", None, raw=b'{"email": "kept@example.org"}')
    (raised,) = await office.exceptions()
    seen = {"subject": raised["subject"], "reason": "seen"}
    await office.end.post("/cloud/v1/channels/taipei/exceptions/dismiss", seen)

    assert sql("SELECT sum(length(body)) FROM channel_exception") == [(0,)]


@pytest.mark.parametrize(
    "mark",
    [
        {"billing": {"first_name": "[deleted]", "last_name": "[deleted]", "email": "deleted@site.invalid"}},
        {"billing": {"email": "", "phone": "0000-000-000"}, "meta_data": [7, {"key": "_anonymized", "value": "yes"}]},
    ],
)
async def test_an_order_whose_customer_a_shop_has_overwritten_is_nobody_new_and_whose_it_was_it_stays(
    office: Any, sql: Any, mark: dict[str, Any]
) -> None:
    """WordPress does so on request, and by itself with old orders: no reason to take a member's points away."""
    bill = {"first_name": "Tai Man", "last_name": "Chan", "email": "chan@example.org", "country": "HK"}
    await office.woo("order.created", woo_order(customer_id=31, billing=bill))
    (member,) = await who_ids(office, email="chan@example.org")
    await office.woo("order.updated", woo_order(changed="2026-10-21T02:00:00", customer_id=0, **mark))
    await office.woo("order.updated", woo_order(728, customer_id=0, **mark))

    bought = sql("SELECT purchase_id, member_id FROM purchase ORDER BY purchase_id")
    assert (bought, sql("SELECT count(*) FROM person_member")) == ([("727", member), ("728", "")], [(1,)])
    assert (await who(office, email="chan@example.org"))["points"] == 12
