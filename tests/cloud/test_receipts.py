"""Goods of another store's sale on real sockets, shops and a cloud: what is sold is looked up, and taken back once in all stores.

Goal: with a line the second return of the same goods is refused wherever it is tried; without one it is taken as a claim, says
that nobody was asked, and stands in the list of the store that sold. Method: real hubs and a real cloud, all over HTTP.
"""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sync.cloud.migrations import MIGRATIONS
from sync.migrate import migrations
from tests.cloud.looking import looking

STORES: dict[str, dict[str, Any]] = {name: {"token": f"{name}-token-0123456789"} for name in ("hk01", "hk02", "hk03")}
ACCEPT = {"elsewhere": "accept", "elsewhere_max_minor": 100_000, "elsewhere_day_max_minor": 500_000}


@pytest.fixture
async def head_office(start_cloud: Any) -> AsyncIterator[Any]:
    cloud = await start_cloud(stores=STORES)
    async with looking(cloud):
        yield cloud


@pytest.fixture
def shop_of(head_office: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any) -> Any:
    """Start a shop: `till = await shop_of("hk01")`, a manager's client."""

    async def start(store: str) -> Any:
        (tmp_path / store).mkdir()
        name = {"name_zh_hant": store, "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"}
        hub = await start_hub(
            cloud={"url": head_office.url, "token": STORES[store]["token"], "reconnect_max_s": 0.1},
            store={"id": store} | name,
            data={"dir": store},
            returns=ACCEPT,
        )
        till = await pair_till(hub, scope="manager")
        await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"])
        return till

    return start


@pytest.fixture
async def sold(head_office: Any, shop_of: Any, until: Any) -> Any:
    """(the till that sold three teas, the sale's answer); the cloud has heard of it."""
    first = await shop_of("hk01")
    sale = first.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090}, sale_id="s1", member_id="m1", cashier_id="amy")
    answer = await first.post("/v1/sales", sale)
    assert answer.status == 201, answer.body
    await until(lambda: head_office.get("/cloud/v1/sales/s1"), lambda got: got.status == 200)
    return first, answer.json


def back(till: Any, name: str, pieces: int, *, return_id: str, **line: Any) -> dict[str, Any]:
    """A return of teas that hk01 sold."""
    claimed = {"line": 1, "sku": "TEA-01", "qty": 3, "unit_price": 1090} | line
    return {
        "return_id": return_id,
        "till_id": till.till_id,
        "sale_id": name,
        "lines": [{"line": 1, "qty": pieces}],
        "reason": "too dark",
        "claim": {"store": "hk01", "lines": [claimed]},
    }


def codes(answer: Any) -> list[str]:
    assert answer.status == 201, answer.body
    return [each["code"] for each in answer.json["warnings"]]


async def heard(till: Any, until: Any, receipt: str, *, store: str, qty: int) -> None:
    """Wait until the cloud has heard what a store has taken back."""
    await until(
        lambda: till.get(f"/v1/receipts/{receipt}"),
        lambda got: got.json["items"][0]["returned"].get(store, {}).get("1") == qty,
    )


async def test_a_till_looks_up_what_another_store_sold_and_nobodys_name_is_told(sold: Any, shop_of: Any) -> None:
    second, (_, sale) = await shop_of("hk02"), sold

    (by_number,) = (await second.get(f"/v1/receipts/{sale['receipt_no']}")).json["items"]
    (by_id,) = (await second.get("/v1/receipts/s1")).json["items"]
    nobody = await second.get("/v1/receipts/none-XXXX-000001")

    assert by_number == by_id == {
        "store": "hk01",
        "sale_id": "s1",
        "receipt_no": sale["receipt_no"],
        "business_date": "2026-09-21",
        "currency": "HKD",
        "lines": [{"line": 1, "sku": "TEA-01", "qty": 3, "unit_price": 1090, "per": 1}],
        "tenders": [{"type": "cash", "amount": 3270}],
        "returned": {},
    }  # fmt: skip
    assert (nobody.status, nobody.json["code"]) == (404, "receipt")


async def test_what_is_back_in_one_store_cannot_come_back_in_another_while_there_is_a_line(
    head_office: Any, sold: Any, shop_of: Any, until: Any
) -> None:
    """By another of its names, too."""
    (first, sale), second, third = sold, await shop_of("hk02"), await shop_of("hk03")
    receipt = sale["receipt_no"]

    one = await second.post("/v1/returns", back(second, receipt, 2, return_id="r1"))
    await heard(third, until, receipt, store="hk02", qty=2)
    too_many = await third.post("/v1/returns", back(third, "s1", 2, return_id="r2"))
    again = await second.post("/v1/returns", back(second, "s1", 2, return_id="r3"))
    rest = await third.post("/v1/returns", back(third, "s1", 1, return_id="r4"))

    assert codes(one) == codes(rest) == ["returned_elsewhere"]
    for refused in (too_many, again):
        assert (refused.status, refused.json["code"], refused.json["pointer"]) == (
            422,
            "more_than_sold",
            "/lines/0/qty",
        )
    assert "1 of 3 are left" in too_many.json["detail"]
    seen = await until(lambda: first.get("/v1/sales/s1"), lambda got: got.json.get("returned") == {"1": 3})
    assert seen.status == 200


async def test_a_receipt_that_says_otherwise_is_refused(sold: Any, shop_of: Any) -> None:
    second, (_, sale) = await shop_of("hk02"), sold

    for wrong in ({"unit_price": 9090}, {"qty": 5}, {"sku": "SHIRT-M"}, {"line": 2}):
        body = back(second, sale["receipt_no"], 1, return_id="r1", **wrong)
        body["lines"][0]["line"] = wrong.get("line", 1)
        refused = await second.post("/v1/returns", body)
        assert (refused.status, refused.json["code"], refused.json["pointer"]) == (
            422,
            "claim_differs",
            "/claim/lines/0",
        )


async def test_without_a_line_the_look_up_says_so_and_a_claim_says_that_nobody_was_asked(
    head_office: Any, sold: Any, shop_of: Any, until: Any
) -> None:
    (first, sale), second, third = sold, await shop_of("hk02"), await shop_of("hk03")
    receipt = sale["receipt_no"]
    await head_office.post("/cloud/v1/demo/line", {"up": False})
    for till in (second, third):
        await until(lambda till=till: till.get("/v1/sync"), lambda got: not got.json["up"])

    looked = await second.get(f"/v1/receipts/{receipt}")
    own = await first.get(f"/v1/receipts/{receipt}")
    answers = [
        await till.post("/v1/returns", back(till, receipt, 2, return_id=f"r-{till.hub.runtime.shop.store_id}"))
        for till in (second, third)
    ]

    assert (looked.status, looked.json["code"]) == (503, "elsewhere_offline")
    assert "without a receipt" in looked.json["remedy"]["en"] and "無收據" in looked.json["remedy"]["zh-Hant"]
    assert own.json["items"][0]["sale_id"] == "s1", "its own sales a store knows by itself"
    assert [codes(answer) for answer in answers] == [["returned_elsewhere", "claim_unproved"]] * 2
    await head_office.post("/cloud/v1/demo/line", {"up": True})

    async def overdrawn() -> list[str]:
        return [each["kind"] for each in (await first.get("/v1/attention")).json["items"]]

    assert "beyond_sold" in await until(overdrawn, lambda kinds: "beyond_sold" in kinds)


async def test_goods_of_a_sale_that_the_cloud_has_not_heard_of_are_taken_and_it_is_said(shop_of: Any) -> None:
    second = await shop_of("hk02")

    taken = await second.post("/v1/returns", back(second, "t1-ABCD-000009", 1, return_id="r1"))
    again = await second.post("/v1/returns", back(second, "t1-ABCD-000009", 1, return_id="r1"))

    assert codes(taken) == ["returned_elsewhere", "claim_unproved"]
    assert (again.status, again.body) == (200, taken.body)


async def test_an_exchange_of_another_stores_goods_is_held_against_the_same(sold: Any, shop_of: Any) -> None:
    second, (_, sale) = await shop_of("hk02"), sold
    new = second.sale(sale_id="s2") | {"tenders": []}

    def swap(qty: int, name: str) -> dict[str, Any]:
        said = back(second, sale["receipt_no"], qty, return_id=f"back-{name}")
        return {"exchange_id": name, "return": said, "sale": new | {"sale_id": f"sale-{name}"}}

    one = await second.post("/v1/exchanges", swap(1, "x1"))
    wrong = swap(1, "x2")
    wrong["return"]["claim"]["lines"][0]["unit_price"] = 9999
    refused = await second.post("/v1/exchanges", wrong)

    assert one.status == 201, one.body
    assert (refused.status, refused.json["code"]) == (422, "claim_differs")


async def test_the_cloud_tells_receipts_to_its_stores_and_to_nobody_else(head_office: Any, sold: Any) -> None:
    answer = await head_office.get("/cloud/v1/receipts/s1", token="")

    assert answer.status == 401


def test_the_migration_enters_the_sales_that_are_there_and_stumbles_over_no_row() -> None:
    """Judged by plain SQL, on a file of the version before."""
    read = sqlite3.connect(":memory:")
    for _, sql in migrations(MIGRATIONS):
        if "CREATE TABLE receipt (" in sql:
            read.execute(
                "INSERT INTO feed (id, stream, kind, n) VALUES (1, 'sales', 'log', 3), (2, 'returns', 'log', 1)"
            )
            rows = [
                (1, b'{"receipt_no":"t1-ABCD-000001"}'),
                (1, b"no JSON"),
                (1, b'{"receipt_no":7}'),
                (2, b'{"receipt_no":"x"}'),
            ]
            read.executemany(
                "INSERT INTO fact (stream, n, replica, seq, received_ms, body) VALUES (?, ?, 1, 1, 1, ?)",
                [(stream, n, body) for n, (stream, body) in enumerate(rows, 1)],
            )
        read.executescript(sql)

    assert read.execute("SELECT receipt_no, n FROM receipt").fetchall() == [("t1-ABCD-000001", 1)]
