"""Orders of channels as purchases of persons: whoever bought, whatever came first, once, and nothing of anybody in a log."""

import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sync.cloud.channels.taking import keep_short
from sync.cloud.config import parse_cloud_config
from sync.errors import ConfigError
from tests.cloud.channels.buying_world import BUYERS, MEMBERS, SCOPES, STORES, WANG, refund, story_of
from tests.cloud.channels.conftest import TEA, Office, shopify_order, woo_order

CLEAR = ("ang@", "912000111", "王小明", "小明王", "912345678", "信義路")
CONSENTING = ("wang", "lin", "mei", "tan")
ONLINE_ONLY = {
    "all": [
        {"purchases": {"where": "online", "cities": ["台北市"]}},
        {"not": {"purchases": {"where": "store"}}},
    ]
}


@pytest.fixture
async def office(start_cloud: Any, sections: dict[str, Any], tmp_path: Path) -> Office:
    """Head office of shops that share their members."""
    (tmp_path / "momo.toml").write_text(BUYERS, encoding="utf-8")
    office = Office(await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS, channels=sections))
    await office.products(TEA, "SHIRT-M", "BAG")
    return office


@pytest.fixture
def bought(sql: Any) -> Any:
    """All purchases, without their members: (channel, id, city, currency, amount, refunded, is_kept)."""
    columns = "channel, purchase_id, city, currency, amount, refunded, is_kept"
    return lambda: sql(f"SELECT {columns} FROM purchase ORDER BY channel, purchase_id")


async def who(office: Office, **identity: str) -> Any:
    """The person who is known by an identity."""
    (found,) = await who_ids(office, **identity)
    return (await office.end.get(f"/cloud/v1/members/{found}")).json


async def who_ids(office: Office, **identity: str) -> list[str]:
    """The persons who are known by an identity."""
    items = (await office.end.get("/cloud/v1/members", **identity)).json["items"]
    return [each["member_id"] for each in items]


async def import_file(office: Office, *rows: str, channel: str = "momo") -> Any:
    header = "訂單編號,訂單日期,商品編號,品名,數量,小計,收件人,地址,訂單狀態,買家,買家電話,買家信箱,買家帳號,縣市"
    form = aiohttp.FormData()
    form.add_field("file", "\n".join((header, *rows)).encode(), filename="orders.csv")
    path = f"/cloud/v1/channels/{channel}/files"
    return await office.end.request(
        "POST", path, token="office-token-0123456789", data=form(), params={"dry_run": "false"}
    )


async def test_who_bought_on_line_only_is_found_by_city_and_is_one_person_with_the_customer_of_another_channel(
    office: Any, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="sync")
    segment = {"segment": "online", "name": {"zh-Hant": "僅網購", "en": "on line only"}, "filter": ONLINE_ONLY}
    await office.end.post("/cloud/v1/segments", segment)
    first = await office.shopify("orders/create", shopify_order(customer=WANG, email="wang@example.org"))
    other = {"id": 9002, "email": "lin@example.org", "phone": None, "first_name": "美", "last_name": "林"}
    await office.shopify("orders/create", shopify_order(5002, customer=other))
    billing = {"first_name": "Ming", "last_name": "Wang", "email": "wang@example.org", "phone": "", "country": "HK"}
    await office.woo("order.created", woo_order(customer_id=31, billing=billing))
    lin = await who(office, email="lin@example.org")
    line = {"line": 1, "sku": TEA, "qty": 1, "unit_price": 100, "per": 1}
    sale = {"sale_id": "s1", "till_id": "t1", "currency": "TWD", "lines": [line], "total": 100, "tenders": []}
    writer.write("sales", {"sale": sale | {"member_id": lin["member_id"]}, "receipt_no": "r", "business_date": "x"})
    await office.end.books("hk01").apply(writer.batch("sales"))
    done = await office.end.post("/cloud/v1/segments/online/evaluation", {})
    inside = (await office.end.get("/cloud/v1/segments/online/members")).json["items"]

    wang = await who(office, phone="0912 000 111")
    assert (first.json, done.json["count"]) == ({"result": "taken"}, 1)
    assert [each["member_id"] for each in inside] == [wang["member_id"]]
    assert (len(wang["ids"]), wang["shown"]["name"] in {"王小明", "Ming Wang"}) == (2, True)
    sums = [(each["channel"], each["currency"], each["count"], each["amount"]) for each in wang["purchases"]]
    assert sums == [("kowloon", "HKD", 1, 1280), ("taipei", "TWD", 1, 256_000)]
    assert {(each["city"], each["bought_at"]) for each in wang["latest"]} == {
        ("Kowloon", "2026-09-21T02:00:00Z"),
        ("台北市", "2026-09-21T02:00:00Z"),
    }
    assert wang["consents"]["marketing"] == "unknown"
    logged = caplog.text + str([vars(record) for record in caplog.records])
    assert not [word for word in CLEAR if word in logged]


async def test_an_edit_changes_the_purchase_a_refund_takes_its_part_and_a_cancellation_the_rest(
    office: Any, bought: Any, sql: Any
) -> None:
    order = shopify_order(customer=WANG)
    order["line_items"].append(dict(order["line_items"][0], id=7, sku="BAG", variant_id=5, price="100.00", quantity=3))
    order["line_items"][1]["discount_allocations"] = [{"amount": "30.00"}]
    await office.shopify("orders/create", order)
    ends = [bought()[0][4:]]
    await office.shopify("refunds/create", refund(1, paid="1280.00", qty=1, subtotal=1280.0))
    ends.append(bought()[0][4:])
    order |= {"updated_at": "2026-09-23T10:00:00+08:00", "refunds": [refund(1, paid="1280.00", qty=1, subtotal=1280.0)]}
    order["line_items"][0]["current_quantity"] = 1  # the refunded one
    order["line_items"][1]["current_quantity"] = 2  # one taken out by an edit
    await office.shopify("orders/updated", order)
    ends.append(bought()[0][4:])
    await office.shopify("refunds/create", refund(2, paid="80.00"))
    ends.append(bought()[0][4:])
    shown = sql("SELECT line, sku, qty, amount, back_qty, back_amount FROM purchase_line ORDER BY line")
    await office.shopify("orders/cancelled", order | {"cancelled_at": "2026-09-24T10:00:00Z"})

    assert ends == [(283_000, 0, 1), (283_000, 128_000, 1), (283_000, 137_000, 1), (283_000, 145_000, 1)]
    assert shown == [(1, TEA, 2, 256_000, 1, 128_000), (2, "BAG", 3, 27_000, 1, 9_000)]
    assert bought() == [("taipei", "5001", "台北市", "TWD", 283_000, 283_000, 0)]
    assert (await who(office, email="wang@example.org"))["purchases"][0]["count"] == 0


async def test_money_alone_is_taken_off_once_shipping_is_not_goods_and_all_money_is_all_goods(
    office: Any, bought: Any
) -> None:
    shipping = refund(1, paid="60.00") | {"order_adjustments": [{"kind": "shipping_refund", "amount": "-60.00"}]}
    await office.shopify("orders/create", shopify_order(refunds=[shipping]))
    part, whole = {"id": 9, "total": "-2.80"}, {"id": 10, "total": "-99.00"}
    await office.woo("order.updated", woo_order(refunds=[part]))
    partly = bought()
    await office.woo("order.updated", woo_order(refunds=[part, whole], changed="2026-09-22T02:00:00"))

    assert [each[4:] for each in partly] == [(1280, 280, 1), (256_000, 0, 1)]
    assert [each[4:] for each in bought()] == [(1280, 1280, 0), (256_000, 0, 1)]


async def test_trials_unpaid_and_deleted_orders_are_nobodys_purchase_and_what_others_have_sent_is(
    office: Any, bought: Any, sql: Any
) -> None:
    wishes: list[dict[str, Any]] = [
        {"test": True, "cancelled_at": "2026-09-21T10:00:00Z"},
        {"financial_status": "voided"},
        {"fulfillment_status": "fulfilled"},
    ]
    for n, wish in enumerate(wishes, 1):
        await office.shopify("orders/create", shopify_order(n, customer=WANG, **wish))
    await office.woo("order.created", woo_order())
    counted = [each[:2] for each in bought()]
    await office.woo("order.deleted", {"id": 727})
    await office.woo("order.updated", woo_order())
    gone = [each[:2] for each in bought()]
    await office.woo("order.restored", woo_order(changed="2030-01-01T00:00:00"))

    assert (counted, gone) == ([("kowloon", "727"), ("taipei", "3")], [("taipei", "3")])
    assert [each[:2] for each in bought()] == counted
    assert sql("SELECT count(*) FROM purchase_line") == [(2,)]


async def test_guests_buy_as_nobody_and_who_leaves_a_telephone_is_known_by_it(
    office: Any, bought: Any, sql: Any
) -> None:
    guest = shopify_order(1, customer=None, email="", phone=None, contact_email=None)
    guest["shipping_address"]["phone"] = "09******12"
    await office.shopify("orders/create", guest)
    await office.shopify("orders/create", shopify_order(2, customer=None))  # the one who gets it is all we know
    gift = shopify_order(3, customer=None, billing_address={"name": "林美", "phone": None, "country_code": "TW"})
    await office.shopify("orders/create", gift)
    await office.woo("order.created", woo_order(1, customer_id=0))
    await office.woo("order.created", woo_order(2, customer_id=0, billing={"email": "w***@example.org"}))

    known = sql("SELECT channel, purchase_id FROM purchase WHERE member_id <> '' ORDER BY channel, purchase_id")
    assert (len(bought()), known) == (5, [("kowloon", "1"), ("taipei", "2")])
    assert (await who(office, phone="+85291234567"))["shown"]["name"] == "Tai Man Chan"  # by the country of the address
    assert (await who(office, phone="0912345678"))["shown"]["name"] == "王小明"


@pytest.mark.parametrize("customer", [[], "x", {"id": {}}, {"id": None, "email": 5}, {"id": True}, 7])
async def test_a_customer_of_no_shape_refuses_no_order_and_is_one_line_for_a_person(
    office: Any, bought: Any, customer: Any
) -> None:
    odd = {"email": {"a": 1}, "phone": [], "contact_email": 3, "created_at": "soon", "processed_at": {}}
    order = shopify_order(customer=customer, **odd)
    order["shipping_address"] |= {"city": 7, "province": [], "phone": {"no": 1}}
    answer = await office.shopify("orders/create", order)
    (raised,) = await office.exceptions()
    billing = {"email": [], "phone": {}, "city": None, "state": 3, "country": "HK", "first_name": "A", "last_name": "B"}
    woo = await office.woo("order.created", woo_order(customer_id={}, billing=billing))
    await office.shopify("orders/updated", shopify_order(customer=WANG, changed="2026-09-22T10:00:00Z"))

    assert (answer.json, woo.json) == ({"result": "taken"}, {"result": "taken"})
    assert (raised["subject"], raised["code"], raised["detail"]) == ("customer:5001", "channel_customer", "customer")
    assert [each["subject"] for each in await office.exceptions("kowloon")] == ["customer:727"]
    assert (len(bought()), await office.exceptions()) == (2, [])


async def test_a_word_is_what_the_shop_knows_of_it_and_a_no_is_not_undone_by_an_older_yes(office: Any) -> None:
    yes = {"state": "subscribed", "consent_updated_at": "2026-09-20T10:00:00Z"}
    no = {"state": "unsubscribed", "consent_updated_at": None}
    said: dict[str, dict[str, Any]] = {
        "quiet": {},
        "not": {"email_marketing_consent": {"state": "not_subscribed"}, "sms_marketing_consent": None},
        "pending": {"email_marketing_consent": {"state": "pending"}},
        "odd": {"email_marketing_consent": "subscribed", "sms_marketing_consent": {"state": ["subscribed"]}},
        "yes": {"email_marketing_consent": yes},
        "no": {"email_marketing_consent": no},
        "both": {"email_marketing_consent": yes, "sms_marketing_consent": no},
    }
    for n, (name, consents) in enumerate(said.items(), 1):
        customer = {"id": n, "email": f"{name}@example.org"} | consents
        await office.shopify("orders/create", shopify_order(n, customer=customer))
    ticked = shopify_order(50, customer={"id": 50, "email": "box@example.org"}, buyer_accepts_marketing=True)
    await office.shopify("orders/create", ticked)  # perhaps not confirmed yet
    words = {name: (await who(office, email=f"{name}@example.org"))["consents"]["marketing"] for name in (*said, "box")}
    member = (await who(office, email="yes@example.org"))["member_id"]
    out = {"consent_id": "o1", "purpose": "marketing", "choice": "out", "how": "telephone"}
    await office.end.post(f"/cloud/v1/members/{member}/consents", out)
    again = {"id": 5, "email": "yes@example.org", "email_marketing_consent": yes}
    await office.shopify("orders/create", shopify_order(60, customer=again))
    after = (await who(office, email="yes@example.org"))["consents"]["marketing"]
    again["email_marketing_consent"] = yes | {"consent_updated_at": "2030-01-01T00:00:00Z"}
    await office.shopify("orders/create", shopify_order(61, customer=again))

    silent = dict.fromkeys(("quiet", "not", "pending", "odd", "box"), "unknown")
    assert words == silent | {"yes": "in", "no": "out", "both": "out"}
    assert after == "out"
    assert (await who(office, email="yes@example.org"))["consents"]["marketing"] == "in"


async def test_a_word_that_comes_without_an_order_is_heard_and_waits_for_who_is_not_known_yet(
    office: Any, sql: Any
) -> None:
    yes = {"state": "subscribed", "consent_updated_at": "2026-09-21T10:00:00Z"}
    no = {"state": "unsubscribed", "consent_updated_at": "2026-09-22T10:00:00Z"}
    by_email, by_sms = "customers_email_marketing_consent/update", "customers_marketing_consent/update"
    await office.shopify("orders/create", shopify_order(1, customer=WANG))
    told: list[tuple[str, dict[str, Any]]] = [
        (by_email, {"customer_id": 9001, "email_address": "wang@example.org", "email_marketing_consent": no}),
        (by_email, {"customer_id": 2, "email_address": "lin@example.org", "email_marketing_consent": yes}),
        (by_sms, {"id": 3, "phone": "+886912000222", "sms_marketing_consent": no}),
        (by_email, {"customer_id": 3, "email_address": "mei@example.org", "email_marketing_consent": yes}),
        (by_sms, {"id": 4, "sms_marketing_consent": {"state": "pending"}}),
        (by_sms, {"id": [], "sms_marketing_consent": []}),
    ]
    results = [(await office.shopify(*each)).json["result"] for each in told]
    for n, name in ((2, "lin"), (3, "mei"), (4, "tan")):
        await office.shopify("orders/create", shopify_order(n, customer={"id": n, "email": f"{name}@example.org"}))
    words = [(await who(office, email=f"{name}@example.org"))["consents"]["marketing"] for name in CONSENTING]

    assert results == ["taken"] * 4 + ["ignored"] * 2
    assert (words, sql("SELECT count(*) FROM channel_word")) == (["out", "in", "out", "unknown"], [(0,)])


async def test_a_word_of_who_never_orders_is_forgotten_after_a_month(office: Any, sql: Any) -> None:
    no = {"state": "unsubscribed", "consent_updated_at": None}
    await office.shopify("customers_marketing_consent/update", {"id": 404, "sms_marketing_consent": no})
    cloud, counts = office.end.cloud, []
    for days in (29, 31):
        at_ms = office.end.clock.now_ms + days * 86_400_000
        await cloud.books.db.write(lambda tx, at_ms=at_ms: keep_short(tx, cloud.channels.all["taipei"], now_ms=at_ms))
        counts += sql("SELECT count(*) FROM channel_word")

    assert counts == [(1,), (0,)]


async def test_a_refund_that_was_noted_by_the_version_before_counts_by_all_its_money(office: Any, bought: Any) -> None:
    await office.shopify("refunds/create", refund(1, paid="60.00"))
    await office.end.cloud.books.db.write(lambda tx: tx.execute("UPDATE channel_refund SET goods = NULL"))
    await office.shopify("orders/create", shopify_order(customer=WANG))

    assert bought()[0][4:] == (256_000, 6_000, 1)


async def test_goods_that_nobody_knows_are_bought_too_and_have_their_sku_once_it_is_assigned(
    office: Any, sql: Any
) -> None:
    order = shopify_order(customer=WANG)
    order["line_items"][0] |= {"sku": "NEW"}
    await office.shopify("orders/create", order)
    before = sql("SELECT sku FROM purchase_line")
    await office.end.post("/cloud/v1/channels/taipei/skus", {"item": "variant:39072856", "sku": TEA})

    assert (before, sql("SELECT sku FROM purchase_line")) == ([("variant:39072856",)], [(TEA,)])


async def test_who_was_erased_is_not_enrolled_again_by_an_edit_and_the_purchase_stays(office: Any, sql: Any) -> None:
    await office.shopify("orders/create", shopify_order(customer=WANG))
    member = (await who(office, email="wang@example.org"))["member_id"]
    await office.end.post(f"/cloud/v1/members/{member}/erasure", {})
    await office.shopify("orders/updated", shopify_order(customer=WANG, changed="2026-09-25T10:00:00Z"))

    assert (await office.end.get(f"/cloud/v1/members/{member}")).status == 404
    assert sql("SELECT member_id FROM purchase") == [(member,)]
    assert not [row for (row,) in sql("SELECT body FROM tally") if b"wang@" in bytes(row).lower()]


async def test_buyers_of_a_marketplaces_file_are_the_mapped_columns_and_masked_ones_are_nobody(
    office: Any, bought: Any
) -> None:
    rows = [
        "M1,2026/11/23 14:05,TEA-01,茶,2,2560,王小明,信義路,處理中,林美,０９１２－０００－１１１,lin@example.org,shop88,台北市",
        "M2,2026/11/23 14:05,TEA-01,烏龍茶,1,1280,陳大,中山路,處理中,陳＊大,09******12,c***@example.org,c***8,台中市",
        "M3,2026/11/23 14:05,TEA-01,烏龍茶,1,1280,陳大,中山路,處理中,陳大,09xxxxxx12,＊＊@example.org,,台中市",
    ]
    taken = await import_file(office, *rows)
    again = await import_file(office, *rows)
    lin = await who(office, of="momo_id", value="shop88")
    await import_file(office, rows[0].replace("處理中", "取消"))

    assert (taken.json["results"], again.json["results"]) == ({"taken": 3}, {"repeated": 3})
    assert (lin["shown"]["phone"], lin["shown"]["email"], lin["shown"]["name"]) == (
        *("+886912000111", "lin@example.org"),
        "林美",
    )
    assert lin["latest"][0]["bought_at"] == "2026-11-23T06:05:00Z"
    assert bought() == [
        ("momo", "M1", "台北市", "TWD", 256_000, 256_000, 0),
        ("momo", "M2", "台中市", "TWD", 128_000, 0, 1),
        ("momo", "M3", "台中市", "TWD", 128_000, 0, 1),
    ]
    assert await who_ids(office, phone="0999999912") == []


async def test_customers_of_a_channel_are_known_by_its_number_of_them_whatever_it_is_called(
    start_cloud: Any, sections: Any, tmp_path: Path, sql: Any
) -> None:
    (tmp_path / "momo.toml").write_text(BUYERS, encoding="utf-8")
    named = {"line": sections["momo"], "shop-tw": sections["momo"]}
    office = Office(await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS, channels=named))
    row = "M1,2026/11/23 14:05,TEA-01,烏龍茶,2,2560,王小明,信義路,處理中,林美,,,shop88,台北市"
    answers = [await import_file(office, row, channel=name) for name in named]

    assert [each.json["results"] for each in answers] == [{"waiting": 1}, {"waiting": 1}]
    assert len(await who_ids(office, of="shop_tw_id", value="shop88")) == 1
    assert sql("SELECT count(*) FROM person_identity WHERE kind = 'line_id'") == [(0,)]
    assert sql("SELECT count(DISTINCT member_id) FROM purchase WHERE member_id <> ''") == [(2,)]


def test_no_channel_is_called_as_tills_are() -> None:
    with pytest.raises(ConfigError, match="what tills sell"):
        parse_cloud_config({"channels": {"store": {"kind": "file", "currency": "TWD"}}}, base=Path())


async def test_every_order_of_arrival_comes_to_one_purchase(office: Any, sql: Any) -> None:
    """A few arrivals of the very words, over HTTP and on each database; the law itself is tried in test_buying_arrivals."""
    ends = set()
    for n, order in enumerate(((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (3, 0, 3, 2, 4, 1, 2), (2, 4, 0, 1, 3, 0))):
        story = story_of(100 + n)
        for index in order:
            await office.shopify(*story[index])
        key = (f"{100 + n}",)
        line = sql(
            "SELECT line, sku, qty, amount, back_qty, back_amount FROM purchase_line WHERE purchase_id = ?", *key
        )
        whole = sql("SELECT member_id, amount, refunded, is_kept FROM purchase WHERE purchase_id = ?", *key)
        ends.add((tuple(line), tuple(whole)))

    assert len(ends) == 1, ends
