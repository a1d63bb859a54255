"""POST /v1/sales over real HTTP: what is booked, what is refused, what is repeated."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]


def rows(hub: Any, sql: str) -> list[Any]:
    """Ask the hub's file, as another program would."""
    with closing(sqlite3.connect(f"file:{hub.config.database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_sale_is_booked_with_number_stock_and_dot(till: Any) -> None:
    sale = till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090})

    answer = await till.post("/v1/sales", sale)

    assert answer.status == 201
    assert answer.json["receipt_no"].startswith(f"{till.till_id}-") and answer.json["receipt_no"].endswith("-000001")
    assert answer.json["stock"] == {"TEA-01": 17}
    assert answer.json["dot"] == {"rep": till.hub.runtime.replica.rep, "stream": "sales", "seq": 1}
    assert "warnings" not in answer.json


async def test_a_repeated_sale_is_told_the_same_bytes_and_counted_once(till: Any) -> None:
    sale = till.sale()
    first = await till.post("/v1/sales", sale)
    other_bytes = json.dumps(dict(reversed(sale.items())) | {"offline": False, "coupons": []}, indent=1).encode()

    again, reordered = await till.post("/v1/sales", sale), await till.post("/v1/sales", other_bytes)

    assert (first.status, again.status, reordered.status) == (201, 200, 200)
    assert first.body == again.body == reordered.body
    assert rows(till.hub, "SELECT count(*) FROM sale") == [(1,)]
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 19


async def test_other_content_under_a_known_id_is_suspended_and_changes_nothing(till: Any) -> None:
    sale = till.sale()
    await till.post("/v1/sales", sale)
    other = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, sale_id=sale["sale_id"])

    answers = [await till.post("/v1/sales", other) for _ in range(2)]

    assert [(a.status, a.json["code"]) for a in answers] == [(409, "other_content")] * 2
    assert [json.loads(body)["total"] for (body,) in rows(till.hub, "SELECT body FROM suspended_sale")] == [2180]
    assert rows(till.hub, "SELECT on_hand FROM stock WHERE sku = 'TEA-01'") == [(19,)]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"qty": 0}, "invalid_field", "/lines/0/qty"),
        ({"qty": -1}, "invalid_field", "/lines/0/qty"),
        ({"qty": 10**12}, "invalid_field", "/lines/0/qty"),
        ({"qty": 10**30}, "invalid_field", "/lines/0/qty"),
        ({"qty": 1.5}, "invalid_field", "/lines/0/qty"),
        ({"qty": "1"}, "invalid_field", "/lines/0/qty"),
        ({"qty": True}, "invalid_field", "/lines/0/qty"),
        ({"qty": None}, "invalid_field", "/lines/0/qty"),
        ({"unit_price": -1}, "invalid_field", "/lines/0/unit_price"),
        ({"unit": "kg"}, "invalid_field", "/lines/0/unit"),
        ({"unit": "g"}, "unit", "/lines/0/unit"),
        ({"discount": 1091}, "discount_above_amount", "/lines/0/discount"),
        ({"sku": "NO-SUCH"}, "unknown_sku", "/lines/0/sku"),
        ({"sku": ""}, "invalid_field", "/lines/0/sku"),
        ({"surprise": 1}, "invalid_field", "/lines/0/surprise"),
        ({"unit_price": 0}, "price_zero", "/lines/0/unit_price"),
    ],
)
async def test_a_wrong_line_is_refused_with_its_pointer(
    till: Any, change: dict[str, Any], code: str, pointer: str
) -> None:
    sale = till.sale(total=1090)
    sale["lines"][0] |= change

    answer = await till.post("/v1/sales", sale)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, code, pointer)
    assert rows(till.hub, "SELECT count(*) FROM sale") == [(0,)]
    assert (await till.post("/v1/sales", till.sale())).status == 201


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"total": 1091}, 422, "total", "/total"),
        ({"total": 1089}, 422, "total", "/total"),
        ({"tenders": [{"type": "cash", "amount": 1000}, {"type": "card", "amount": 91}]}, 422, "tenders", "/tenders"),
        ({"tenders": []}, 422, "tenders", "/tenders"),
        ({"rounding": 1, "total": 1091}, 422, "rounding", "/rounding"),
        ({"currency": "TWD"}, 422, "currency", "/currency"),
        ({"currency": "hkd"}, 422, "invalid_field", "/currency"),
        ({"lines": []}, 422, "invalid_field", "/lines"),
        ({"till_id": "t99"}, 403, "not_your_till", "/till_id"),
        ({"sale_id": "a b"}, 422, "invalid_field", "/sale_id"),
        ({"sale_id": "x" * 65}, 422, "invalid_field", "/sale_id"),
        ({"sale_id": "ok\n"}, 422, "invalid_field", "/sale_id"),
        ({"sold_at": "2026-09-21T14:13:20"}, 422, "invalid_field", "/sold_at"),
        ({"sold_at": "yesterday"}, 422, "invalid_field", "/sold_at"),
        ({"print": True}, 422, "no_receipt_printer", "/print"),
        ({"print": "p9"}, 404, "printer", None),
        ({"coupons": [{"serial": "C1"}]}, 422, "invalid_field", "/coupons/0/amount"),
        ({"coupons": [{"serial": "C1", "amount": 5}]}, 422, "coupon_amount", "/coupons/0/amount"),
        (
            {"lines": [{"line": 1, "sku": "BAG", "qty": 1, "unit_price": 545}] * 2},
            422,
            "line_number_twice",
            "/lines/1/line",
        ),
    ],
)
async def test_a_wrong_sale_is_refused_with_its_pointer(
    till: Any, change: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    answer = await till.post("/v1/sales", till.sale() | change)

    assert (answer.status, answer.json["code"], answer.json.get("pointer")) == (status, code, pointer)
    assert rows(till.hub, "SELECT count(*) FROM sale") == [(0,)]


@pytest.mark.parametrize("sold_at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
async def test_a_time_that_no_clock_in_a_shop_shows_is_refused(till: Any, sold_at: str) -> None:
    answer = await till.post("/v1/sales", till.sale(sold_at=sold_at))

    assert (answer.status, answer.json["code"]) == (422, "invalid_field")


async def test_an_open_item_is_sold_without_being_known(till: Any) -> None:
    line = {"sku": "GIFT", "qty": 1, "unit_price": 500, "open_item": True, "description": "禮盒 Gift box"}

    answer = await till.post("/v1/sales", till.sale(line))

    assert (answer.status, answer.json["stock"]) == (201, {})
    assert [w["code"] for w in answer.json["warnings"]] == ["open_item"]


async def test_an_offline_sale_of_an_unknown_sku_is_accepted_with_a_warning_and_its_goods_are_gone(till: Any) -> None:
    sale = till.sale(
        {"sku": "NEW-HERE", "qty": 1, "unit_price": 500}, offline=True, sold_at="2026-09-20T23:00:00+08:00"
    )

    answer = await till.post("/v1/sales", sale)

    expected = [
        {"code": "unknown_sku", "line": 1, "detail": "no product NEW-HERE"},
        {"code": "stock_below_zero", "detail": "NEW-HERE: -1"},
    ]
    assert (answer.status, answer.json["warnings"]) == (201, expected)
    assert answer.json["stock"] == {"NEW-HERE": -1}
    assert answer.json["business_date"] == "2026-09-20"


async def test_a_price_that_differs_and_stock_below_zero_are_warnings(till: Any) -> None:
    answer = await till.post("/v1/sales", till.sale({"sku": "SHIRT-M", "qty": 6, "unit_price": 12_000}))

    assert (answer.status, answer.json["stock"]) == (201, {"SHIRT-M": -1})
    assert [w["code"] for w in answer.json["warnings"]] == ["price_differs", "stock_below_zero"]


@pytest.mark.parametrize(
    ("sku", "qty", "unit_price", "amount"),
    [
        ("PLUM", 600, 2500, 2500),
        ("PLUM", 1, 2500, 4),  # 4.1666
        ("PLUM", 3, 2500, 13),  # 12.5 rounds up
        ("PLUM", 250, 2500, 1042),  # 1041.66
        ("HAM", 50, 999, 500),  # 499.5
        ("HAM", 333, 999, 3327),  # 3326.67
    ],
)
async def test_weighed_goods_cost_price_times_grams_rounded_half_up(
    till: Any, sku: str, qty: int, unit_price: int, amount: int
) -> None:
    line = {"sku": sku, "qty": qty, "unit_price": unit_price, "unit": "g"}

    right = await till.post("/v1/sales", till.sale(line, total=amount))
    wrong = await till.post("/v1/sales", till.sale(line, total=amount - 1))

    assert (right.status, wrong.status, wrong.json["code"]) == (201, 422, "total")


async def test_cash_is_rounded_by_a_line_of_its_own(till: Any) -> None:
    lines = {"sku": "PLUM", "qty": 250, "unit_price": 2500, "unit": "g"}

    answer = await till.post("/v1/sales", till.sale(lines, total=1040, rounding=-2))

    assert answer.status == 201


async def test_the_same_sku_on_two_lines_moves_stock_by_both(till: Any) -> None:
    tea = {"sku": "TEA-01", "qty": 2, "unit_price": 1090}

    answer = await till.post("/v1/sales", till.sale(tea, tea | {"qty": 3}))

    assert answer.json["stock"] == {"TEA-01": 15}
    assert rows(till.hub, "SELECT on_hand FROM stock WHERE sku = 'TEA-01'") == [(15,)]


async def test_receipt_numbers_are_free_of_gaps_under_eight_tills(hub: Any, pair_till: PairTill) -> None:
    tills = [await pair_till(hub) for _ in range(8)]

    async def shift(till: Any) -> list[str]:
        answers = []
        for n in range(12):
            wrong = till.sale(total=1) if n % 4 == 3 else None
            if wrong:
                assert (await till.post("/v1/sales", wrong)).status == 422
            answers.append((await till.post("/v1/sales", till.sale())).json["receipt_no"])
        return answers

    numbers = await asyncio.gather(*map(shift, tills))

    for till, given in zip(tills, numbers, strict=True):
        assert [n.split("-")[0] for n in given] == [till.till_id] * 12
        assert [int(n.split("-")[2]) for n in given] == list(range(1, 13))
    assert rows(hub, "SELECT count(DISTINCT receipt_no), max(seq) FROM sale") == [(96, 96)]


async def test_a_tills_own_receipt_number_is_kept_and_never_given_twice(till: Any) -> None:
    first = till.sale(receipt_no="K7-000001")

    kept = await till.post("/v1/sales", first)
    taken = await till.post("/v1/sales", till.sale(receipt_no="K7-000001"))
    again = await till.post("/v1/sales", first)

    assert (kept.status, kept.json["receipt_no"]) == (201, "K7-000001")
    assert (taken.status, taken.json["code"], taken.json["holder"]) == (409, "receipt_no_taken", first["sale_id"])
    assert (again.status, again.body) == (200, kept.body)


async def test_a_sale_that_already_happened_is_numbered_anew_where_its_number_is_taken(till: Any) -> None:
    await till.post("/v1/sales", till.sale(receipt_no="K7-000001"))

    late = await till.post("/v1/sales", till.sale(receipt_no="K7-000001", offline=True))

    assert late.status == 201
    assert late.json["receipt_no"].startswith(f"{till.till_id}-")
    assert [warning["code"] for warning in late.json["warnings"]] == ["receipt_no_taken"]


async def test_a_till_that_hangs_up_before_the_answer_leaves_a_whole_sale(till: Any) -> None:
    sale = till.sale()
    body = json.dumps(sale).encode()
    committed = asyncio.Event()
    till.hub.runtime.db.on_group = lambda _jobs, _ok: committed.set()
    _, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    writer.write(
        b"POST /v1/sales HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
        % (till.token.encode(), len(body))
        + body
    )
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(30):
        await committed.wait()

    again = await till.post("/v1/sales", sale)

    assert (again.status, again.json["stock"]) == (200, {"TEA-01": 19})
    assert rows(till.hub, "SELECT seq FROM sale") == [(1,)]


async def test_a_till_that_hangs_up_in_the_middle_of_the_body_leaves_nothing(till: Any) -> None:
    body = json.dumps(till.sale()).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", till.hub.port)
    writer.write(
        b"POST /v1/sales HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
        % (till.token.encode(), len(body))
        + body[:-20]
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await till.post("/v1/sales", till.sale())).json["dot"]["seq"] == 1


async def test_a_sale_is_found_by_id_receipt_number_and_bar_code(till: Any) -> None:
    sale = till.sale()
    booked = (await till.post("/v1/sales", sale)).json
    by_id = await till.get(f"/v1/sales/{sale['sale_id']}")

    by_number = await till.get(f"/v1/sales/{booked['receipt_no']}")
    by_code = await till.get(f"/v1/sales/{by_id.json['receipt_code']}")

    assert by_id.json["fact"]["sale"]["total"] == 1090
    assert by_id.body == by_number.body == by_code.body
    assert (await till.get("/v1/sales/nothing")).json["code"] == "sale"


async def test_status_tells_what_is_durable_in_the_order_asked(till: Any) -> None:
    sale = till.sale()
    await till.post("/v1/sales", sale)

    answer = await till.post("/v1/sales/status", {"ids": ["unknown", sale["sale_id"]]})

    assert [(s["sale_id"], s["durable"], s["safe"]) for s in answer.json["sales"]] == [
        ("unknown", False, False),
        (sale["sale_id"], True, False),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lines": [{"line": 1, "sku": "TEA-01", "qty": 1, "unit_price": 1090, "unit": "g"}]}, "unit"),
        ({"currency": "TWD"}, "currency"),
        ({"print": "gone-printer"}, "printer"),
        ({"print": True}, "no_receipt_printer"),
    ],
)
async def test_a_sale_that_already_happened_is_never_refused_for_a_business_reason(
    till: Any, change: dict[str, Any], code: str
) -> None:
    sale = till.sale() | change

    refused = await till.post("/v1/sales", sale)
    booked = await till.post("/v1/sales", sale | {"offline": True})

    assert refused.status in (404, 422) and refused.json["code"] == code
    assert booked.status == 201
    assert code in [warning["code"] for warning in booked.json["warnings"]]


async def test_a_repeat_with_what_the_hub_had_filled_in_is_the_same_sale(till: Any) -> None:
    first = await till.post("/v1/sales", sale := till.sale())
    explicit = sale | {"lines": [line | {"per": 1} for line in sale["lines"]]}

    assert [(a.status, a.body) for a in [await till.post("/v1/sales", explicit)]] == [(200, first.body)]


async def test_a_repeat_is_answered_though_its_printer_is_gone(till: Any) -> None:
    first = await till.post("/v1/sales", sale := till.sale())

    again = await till.post("/v1/sales", sale | {"print": "gone-printer"})

    assert (again.status, again.body) == (200, first.body)
