"""A small day of a shop as the demo's evidence has it, on which every promise was kept."""

import json
from typing import Any

from hub.demo.auditor.evidence import Evidence, FeedRow

REP = "hk01:0011223344556677"
QUARTER_MS = 1_795_305_600_000
T0 = QUARTER_MS + 60_000
Json = dict[str, Any]

RECEIPT = """{mark}\
好日子生活百貨
單號 Receipt           {number}
{lines}
合計 Total HKD         {total}
"""


def printed(number: str, lines: str, total: str, mark: str = "") -> bytes:
    text = RECEIPT.format(number=number, lines=lines, total=total, mark=mark and f"{mark}\n")
    return b"\x1b@\x1c&" + text.encode("big5hkscs") + b"\x1dVB\x00"


TEA_PAPER = printed("t1-ABCD-000001", "  2 x 15.50          31.00", "31.00")
HAM_PAPER = printed("t1-ABCD-000002", "  350 g x 46.50 / 100 g   162.75", "162.75")


def sale(number: int, line: Json, total: int) -> Json:
    return {
        "sale_id": f"s{number}",
        "till_id": "t1",
        "currency": "HKD",
        "sold_at": f"2026-11-21T09:0{number}:00+00:00",
        "lines": [{"line": 1} | line],
        "tenders": [{"type": "card", "amount": total}],
        "rounding": 0,
        "total": total,
        "print": True,
    }


def till_entry(ask: str, sent: Json, told: Json | None, at: int, **more: Any) -> Json:
    entry = {"at": at, "until": at + 10, "till": "lane1", "ask": ask, "path": f"/v1/{ask}", "sent": sent, "tries": 1}
    return entry | {"status": 201, "answer": told, "error": ""} | more


def feed_row(seq: int, row: Json) -> FeedRow:
    return FeedRow(seq, REP, seq, row, json.dumps(row).encode())


def sold(number: int, content: Json, stock: list[Any]) -> tuple[Json, FeedRow]:
    """Return what the till was told and what stands in the feed."""
    fact = {"receipt_no": f"t1-ABCD-{number:06}", "business_date": "2026-11-21", "committed_at": "2026-11-21T09:00:00Z"}
    kept = {name: value for name, value in content.items() if name not in ("print", "rounding")}
    told = {"sale_id": content["sale_id"], "dot": {"rep": REP, "stream": "sales", "seq": number}, "stock": {"TEA": 8}}
    return told | fact, feed_row(number, {"v": 1, "sale": kept, "stock": stock} | fact)


def message(at: int, entered: int, exited: int, boot: str = "b1", **more: Any) -> Json:
    payload = json.dumps({"in": entered, "out": exited, "at": at, "boot": boot})
    entry = {"at": at, "topic": "store/hk01/counter/door/count", "payload": payload, "id": 1}
    return entry | {"dup": False, "retain": False, "acked": True} | more


CUPS = {"line": 1, "sku": "CUP", "qty": 2}


def packing(ask: str, sent: Json, at: int, **more: Any) -> Json:
    return till_entry(ask, sent, {}, at, order_id="W1", till="packing table", **more)


def packed_and_fetched() -> list[Json]:
    """Return what the packing table asked: a wrong article and a wrong code are refused."""

    def step(state: str, at: int, code: str = "", **more: Any) -> Json:
        return packing("step", {"step_id": f"W1 {state}{code[:3]}", "state": state, "code": code}, at, **more)

    fetched = step("collected", T0 + 4500, "12345678")
    fetched["sent"]["step_id"] = "W1 collected"
    return [
        step("picking", T0 + 100),
        packing("scan", {"label": "0489"}, T0 + 200, status=422, wanted="422"),
        packing("scan", {"label": "0471"}, T0 + 300, sku="CUP"),
        packing("scan", {"label": "0471"}, T0 + 400, sku="CUP"),
        step("ready", T0 + 500),
        step("collected", T0 + 4400, "00000000", status=422, wanted="422"),
        fetched,
    ]


BACK = {"return_id": "r1", "till_id": "t1", "sale_id": "s1", "lines": [{"line": 1, "qty": 1}], "reason": "small"}
TOLD_BACK = {"return_id": "r1", "refund": 1550, "dot": {"rep": REP, "stream": "returns", "seq": 1}, "stock": {"TEA": 9}}
SAFE: Json = {
    "sales": [{"sale_id": name, "durable": True, "safe": True} for name in ("s1", "s2")],
    "safe": {"rep": REP, "upto": 2},
}


def asked_by_office() -> list[Json]:
    return [
        {"at": T0 - 1000, "ask": "opening", "sent": {"TEA": 10, "HAM": 900, "CUP": 5}, "status": 200},
        {"at": T0 + 100, "ask": "prices", "sent": {"HAM": 4650}, "status": 200},
        {"at": T0 + 9000, "ask": "safe_sale", "sale_id": "s1", "status": 200},
        {"at": T0 - 500, "ask": "order", "sent": {"order_id": "W1", "lines": [CUPS]}, "status": 200},
        {"at": T0 + 5500, "ask": "code", "order_id": "W1", "code": "12345678", "status": 200},
    ]


def visitors() -> list[Json]:
    return [
        message(T0, 0, 0),
        message(T0 + 1000, 3, 1),
        message(T0 + 1000, 4, 1),
        message(T0 + 1000, 3, 1, dup=True),
        message(T0 + 9000, 2, 0, boot="b2"),
        message(T0 + 1000, 4, 1, dup=True),
    ]


def stock_and_prices() -> dict[str, list[FeedRow]]:
    opening = [
        feed_row(n, {"movement": {}, "stock": [[sku, "shop", qty]]})
        for n, sku, qty in ((1, "TEA", 10), (2, "HAM", 900))
    ]
    opening.append(feed_row(3, {"movement": {}, "stock": [["CUP", "shop", 5]]}))
    levels = [("TEA", 11, 2), ("HAM", 900, 350), ("CUP", 5, 2)]
    return {
        "returns": [feed_row(1, {"return": BACK, "refund": 1550, "currency": "HKD", "stock": [["TEA", "shop", 1]]})],
        "stock": opening,
        "levels": [
            feed_row(n, {"sku": sku, "location": "shop", "received": come, "issued": gone})
            for n, (sku, come, gone) in enumerate(levels, 1)
        ],
        "footfall": [feed_row(1, {"entrance": "main-door", "quarter": "2026-11-22T00:00:00Z", "in": 6, "out": 1})],
        "catalogue": [
            feed_row(1, {"kind": "price", "sku": "HAM", "n": 2, "amount": 4650, "currency": "HKD", "per": 100}),
            feed_row(2, {"kind": "price", "sku": "TEA", "n": 1, "amount": 1550, "currency": "HKD", "per": 1}),
        ],
    }


def order_in_the_feed() -> dict[str, list[FeedRow]]:
    return {
        "orders": [feed_row(1, {"order_id": "W1", "lines": [CUPS]})],
        "order_steps": [
            feed_row(n, {"step": {"order_id": "W1", "n": n, "state": state}, "told_id": f"W1 {state}"})
            for n, state in enumerate(("created", "allocated", "picking", "ready", "collected"), 1)
        ],
        "promises": [
            feed_row(1, {"kind": "promise", "promise_id": "p1", "order_id": "W1", "sku": "CUP", "n": 2}),
            feed_row(
                2, {"kind": "promise_end", "promise_id": "p1", "ending": "picked", "stock": [["CUP", "shop", -2]]}
            ),
        ],
    }


def honest() -> Evidence:
    """A line that was down, a hub that was killed, two sales, a return, an order, visitors: every promise is kept."""
    tea, ham = (
        {"sku": "TEA", "qty": 2, "unit_price": 1550, "per": 1},
        {"sku": "HAM", "qty": 350, "unit": "g", "per": 100},
    )
    first, second = sale(1, tea, 3100), sale(2, ham | {"unit_price": 4650}, 16275)
    told1, row1 = sold(1, first, [["TEA", "shop", -2]])
    told2, row2 = sold(2, second, [["HAM", "shop", -350]])
    return Evidence(
        facts={"entrances": {"door": "main-door"}, "encoding": "big5hkscs"},
        script=[
            {"at": T0, "what": "line_down"},
            {"at": T0 + 5000, "what": "line_up"},
            {"at": T0 + 20_000, "what": "hub_killed"},
            {"at": T0 + 21_000, "what": "hub_ready"},
        ],
        office=asked_by_office(),
        tills=[
            till_entry("sale", first, told1, T0 + 1000),
            till_entry("sale", second, told2, T0 + 6000),
            till_entry("return", BACK, TOLD_BACK, T0 + 8000),
            till_entry("sale", second, None, T0 + 20_100, status=None, error="ClientError()"),
            till_entry("sale", second, told2, T0 + 21_200, status=200, tries=2),
            till_entry("status", {"ids": ["s1", "s2"]}, SAFE, T0 + 30_000, status=200),
            *packed_and_fetched(),
        ],
        mqtt=visitors(),
        paper=[TEA_PAPER + HAM_PAPER],
        feed=stock_and_prices() | order_in_the_feed() | {"sales": [row1, row2], "prints": []},
        stores={"items": [{"streams": [{"rep": REP, "stream": "sales", "last": 2}], "duplicates": {}}]},
    )
