"""The auditor on small evidence: an honest day holds, and each fault is found and called by its name, and by no other."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hub.demo.auditor.__main__ import audit
from hub.demo.auditor.evidence import Evidence, FeedRow, read_feed, roll
from hub.demo.auditor.finding import table, verdict
from hub.demo.auditor.paper import read_sheets

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


def honest() -> Evidence:
    tea, ham = (
        {"sku": "TEA", "qty": 2, "unit_price": 1550, "per": 1},
        {"sku": "HAM", "qty": 350, "unit": "g", "per": 100},
    )
    first, second = sale(1, tea, 3100), sale(2, ham | {"unit_price": 4650}, 16275)
    told1, row1 = sold(1, first, [["TEA", "shop", -2]])
    told2, row2 = sold(2, second, [["HAM", "shop", -350]])
    back = {"return_id": "r1", "till_id": "t1", "sale_id": "s1", "lines": [{"line": 1, "qty": 1}], "reason": "small"}
    told3 = {"return_id": "r1", "refund": 1550, "dot": {"rep": REP, "stream": "returns", "seq": 1}, "stock": {"TEA": 9}}
    opening = [
        feed_row(n, {"movement": {}, "stock": [[sku, "shop", qty]]})
        for n, sku, qty in ((1, "TEA", 10), (2, "HAM", 900))
    ]
    opening.append(feed_row(3, {"movement": {}, "stock": [["CUP", "shop", 5]]}))
    levels = [("TEA", 11, 2), ("HAM", 900, 350), ("CUP", 5, 2)]
    safe: Json = {"sales": [{"sale_id": name, "durable": True, "safe": True} for name in ("s1", "s2")]}
    safe["safe"] = {"rep": REP, "upto": 2}
    return Evidence(
        facts={"entrances": {"door": "main-door"}, "encoding": "big5hkscs"},
        script=[
            {"at": T0, "what": "line_down"},
            {"at": T0 + 5000, "what": "line_up"},
            {"at": T0 + 20_000, "what": "hub_killed"},
            {"at": T0 + 21_000, "what": "hub_ready"},
        ],
        office=[
            {"at": T0 - 1000, "ask": "opening", "sent": {"TEA": 10, "HAM": 900, "CUP": 5}, "status": 200},
            {"at": T0 + 100, "ask": "prices", "sent": {"HAM": 4650}, "status": 200},
            {"at": T0 + 9000, "ask": "safe_sale", "sale_id": "s1", "status": 200},
            {"at": T0 - 500, "ask": "order", "sent": {"order_id": "W1", "lines": [CUPS]}, "status": 200},
            {"at": T0 + 5500, "ask": "code", "order_id": "W1", "code": "12345678", "status": 200},
        ],
        tills=[
            till_entry("sale", first, told1, T0 + 1000),
            till_entry("sale", second, told2, T0 + 6000),
            till_entry("return", back, told3, T0 + 8000),
            till_entry("sale", second, None, T0 + 20_100, status=None, error="ClientError()"),
            till_entry("sale", second, told2, T0 + 21_200, status=200, tries=2),
            till_entry("status", {"ids": ["s1", "s2"]}, safe, T0 + 30_000, status=200),
            *packed_and_fetched(),
        ],
        mqtt=[
            message(T0, 0, 0),
            message(T0 + 1000, 3, 1),
            message(T0 + 1000, 4, 1),
            message(T0 + 1000, 3, 1, dup=True),
            message(T0 + 9000, 2, 0, boot="b2"),
            message(T0 + 1000, 4, 1, dup=True),
        ],
        paper=[TEA_PAPER + HAM_PAPER],
        feed={
            "sales": [row1, row2],
            "returns": [
                feed_row(1, {"return": back, "refund": 1550, "currency": "HKD", "stock": [["TEA", "shop", 1]]})
            ],
            "stock": opening,
            "prints": [],
            "levels": [
                feed_row(n, {"sku": sku, "location": "shop", "received": come, "issued": gone})
                for n, (sku, come, gone) in enumerate(levels, 1)
            ],
            "footfall": [feed_row(1, {"entrance": "main-door", "quarter": "2026-11-22T00:00:00Z", "in": 6, "out": 1})],
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
            "catalogue": [
                feed_row(1, {"kind": "price", "sku": "HAM", "n": 2, "amount": 4650, "currency": "HKD", "per": 100}),
                feed_row(2, {"kind": "price", "sku": "TEA", "n": 1, "amount": 1550, "currency": "HKD", "per": 1}),
            ],
        },
        stores={"items": [{"streams": [{"rep": REP, "stream": "sales", "last": 2}], "duplicates": {}}]},
    )


def broken(evidence: Evidence) -> str:
    return verdict(audit(evidence))


def test_an_honest_day_holds() -> None:
    findings = audit(honest())
    assert verdict(findings) == "VERDICT: all 8 promises hold", table(findings)


def change(evidence: Evidence, stream: str, index: int, **fields: Any) -> None:
    """Put other fields into a row of the feed."""
    row = evidence.feed[stream][index]
    evidence.feed[stream][index] = feed_row(row.seq, row.row | fields)


def lose_a_sale(day: Evidence) -> None:
    del day.feed["sales"][1]
    day.stores = {}
    day.feed["levels"][1] = feed_row(2, {"sku": "HAM", "location": "shop", "received": 900, "issued": 0})


def change_a_price(day: Evidence) -> None:
    content = day.feed["sales"][0].row["sale"]
    change(day, "sales", 0, sale=content | {"lines": [content["lines"][0] | {"unit_price": 1551}]})


def tell_another_dot(day: Evidence) -> None:
    day.tills[0]["answer"] = day.tills[0]["answer"] | {"dot": {"rep": REP, "stream": "sales", "seq": 7}}


def answer_a_repeat_otherwise(day: Evidence) -> None:
    day.tills[4]["answer"] = day.tills[4]["answer"] | {"business_date": "2026-11-22"}


def call_it_safe_too_soon(day: Evidence) -> None:
    day.office[2]["status"] = 404


def never_call_it_safe(day: Evidence) -> None:
    day.tills[5]["answer"] = day.tills[5]["answer"] | {"sales": [{"sale_id": "s1", "safe": False}]}


def call_more_safe_than_there_is(day: Evidence) -> None:
    day.tills[5]["answer"] = day.tills[5]["answer"] | {"safe": {"rep": REP, "upto": 3}}


def call_another_replica_safe(day: Evidence) -> None:
    day.tills[5]["answer"] = day.tills[5]["answer"] | {"safe": {"rep": "hk01:ff", "upto": 1}}


def refund_too_much(day: Evidence) -> None:
    change(day, "returns", 0, refund=3100)
    day.tills[2]["answer"] = day.tills[2]["answer"] | {"refund": 3100}


def double_a_sale(day: Evidence) -> None:
    _, row = sold(3, day.tills[0]["sent"] | {"sale_id": "s9"}, [["TEA", "shop", -2]])
    day.feed["sales"].append(row)
    day.stores = {}
    day.feed["levels"][0] = feed_row(1, {"sku": "TEA", "location": "shop", "received": 11, "issued": 4})


def keep_a_row_twice(day: Evidence) -> None:
    day.stores["items"][0]["duplicates"] = {"sales": 1}


def print_twice(day: Evidence) -> None:
    day.paper = [TEA_PAPER + HAM_PAPER + HAM_PAPER]


def print_never(day: Evidence) -> None:
    day.paper = [TEA_PAPER]


def print_an_unasked_copy(day: Evidence) -> None:
    day.paper.append(printed("t1-ABCD-000001", "  2 x 15.50          31.00", "31.00", mark="副本 COPY"))


def print_another_total(day: Evidence) -> None:
    day.paper = [HAM_PAPER + printed("t1-ABCD-000001", "  2 x 15.50          31.00", "30.00")]


def print_another_line(day: Evidence) -> None:
    day.paper = [HAM_PAPER + printed("t1-ABCD-000001", "  3 x 15.50          31.00", "31.00")]


def print_for_nobody(day: Evidence) -> None:
    day.paper.append(printed("t9-ABCD-000001", "  2 x 15.50          31.00", "31.00"))


def tear_a_receipt(day: Evidence) -> None:
    day.paper = [TEA_PAPER[:-20], HAM_PAPER]


def sell_without_stock(day: Evidence) -> None:
    change(day, "sales", 0, stock=[])
    day.feed["levels"][0] = feed_row(1, {"sku": "TEA", "location": "shop", "received": 11, "issued": 0})


def raise_a_level(day: Evidence) -> None:
    day.feed["levels"][0] = feed_row(1, {"sku": "TEA", "location": "shop", "received": 12, "issued": 2})


def tell_an_impossible_figure(day: Evidence) -> None:
    day.tills[0]["answer"] = day.tills[0]["answer"] | {"stock": {"TEA": 99}}


def count_one_more(day: Evidence) -> None:
    change(day, "footfall", 0, **{"in": 7})


def count_in_another_quarter(day: Evidence) -> None:
    change(day, "footfall", 0, quarter="2026-11-22T00:15:00Z")


def tear_a_hole(day: Evidence) -> None:
    day.feed["stock"][1] = feed_row(3, day.feed["stock"][1].row)


def end_before_the_cloud_does(day: Evidence) -> None:
    day.stores["items"][0]["streams"][0]["last"] = 3


def skip_a_number(day: Evidence) -> None:
    number = "t1-ABCD-000003"
    change(day, "sales", 1, receipt_no=number)
    for entry in (day.tills[1], day.tills[4]):
        entry["answer"] = entry["answer"] | {"receipt_no": number}
    day.paper = [TEA_PAPER + printed(number, "  350 g x 46.50 / 100 g   162.75", "162.75")]


def hold_a_price_back(day: Evidence) -> None:
    day.office[1]["sent"] = {"HAM": 4990}


def change_a_standing_price(day: Evidence) -> None:
    change(day, "catalogue", 1, amount=1551)


def change_a_price_that_head_office_set(day: Evidence) -> None:
    change(day, "catalogue", 0, amount=4651)


def change_what_a_price_is_for(day: Evidence) -> None:
    change(day, "catalogue", 1, per=10)


def forget_a_price(day: Evidence) -> None:
    del day.feed["catalogue"][1]


def keep_a_till_waiting(day: Evidence) -> None:
    day.tills[5]["until"] += 60_000


def keep_a_till_waiting_through_the_kill(day: Evidence) -> None:
    day.tills[2]["until"] += 60_000


def refuse_without_a_line(day: Evidence) -> None:
    day.tills.append(till_entry("sale", {"sale_id": "s8", "lines": []}, {"code": "busy"}, T0 + 2000, status=503))


def of_table(day: Evidence, ask: str, n: int) -> Json:
    """Return the n-th thing of its kind that the packing table asked."""
    return [entry for entry in day.tills if entry["ask"] == ask and "order_id" in entry][n]


def pack_one_less(day: Evidence) -> None:
    day.tills.remove(of_table(day, "scan", 1))


def let_a_wrong_article_in(day: Evidence) -> None:
    of_table(day, "scan", 0).update(status=201, wanted="201")


def hand_over_twice(day: Evidence) -> None:
    day.tills.append(dict(of_table(day, "step", 3)))


def hand_over_to_a_wrong_code(day: Evidence) -> None:
    of_table(day, "step", 3)["sent"]["code"] = "87654321"


def lose_a_step(day: Evidence) -> None:
    del day.feed["order_steps"][2]


def step_twice(day: Evidence) -> None:
    day.feed["order_steps"].append(day.feed["order_steps"][4])


def change_an_order(day: Evidence) -> None:
    change(day, "orders", 0, lines=[CUPS | {"qty": 3}])


def give_a_promise_back(day: Evidence) -> None:
    change(day, "promises", 1, ending="given_back")


def let_an_order_go_without_its_goods(day: Evidence) -> None:
    change(day, "promises", 1, stock=[])
    day.feed["levels"][2] = feed_row(3, {"sku": "CUP", "location": "shop", "received": 5, "issued": 0})


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        (lose_a_sale, "lose"),
        (change_a_price, "lose"),
        (tell_another_dot, "lose"),
        (answer_a_repeat_otherwise, "lose"),
        (call_it_safe_too_soon, "lose"),
        (never_call_it_safe, "lose"),
        (call_more_safe_than_there_is, "lose"),
        (call_another_replica_safe, "lose"),
        (refund_too_much, "lose"),
        (double_a_sale, "double"),
        (keep_a_row_twice, "double"),
        (print_twice, "misprint"),
        (print_never, "misprint"),
        (print_an_unasked_copy, "misprint"),
        (print_another_total, "misprint"),
        (print_another_line, "misprint"),
        (print_for_nobody, "misprint"),
        (tear_a_receipt, "misprint"),
        (sell_without_stock, "oversell"),
        (raise_a_level, "oversell"),
        (tell_an_impossible_figure, "oversell"),
        (count_one_more, "miscount"),
        (count_in_another_quarter, "miscount"),
        (tear_a_hole, "gap"),
        (end_before_the_cloud_does, "gap"),
        (skip_a_number, "gap"),
        (hold_a_price_back, "gap"),
        (change_a_standing_price, "gap"),
        (change_a_price_that_head_office_set, "gap"),
        (change_what_a_price_is_for, "gap"),
        (forget_a_price, "gap"),
        (refuse_without_a_line, "refuse"),
        (keep_a_till_waiting, "refuse"),
        (keep_a_till_waiting_through_the_kill, "refuse"),
        (pack_one_less, "misdeliver"),
        (let_a_wrong_article_in, "misdeliver"),
        (hand_over_twice, "misdeliver"),
        (hand_over_to_a_wrong_code, "misdeliver"),
        (lose_a_step, "misdeliver"),
        (step_twice, "misdeliver"),
        (change_an_order, "misdeliver"),
        (give_a_promise_back, "misdeliver"),
        (let_an_order_go_without_its_goods, "oversell"),
    ],
)
def test_each_fault_is_found_and_called_by_its_name_only(plant: Callable[[Evidence], None], word: str) -> None:
    day = honest()
    plant(day)
    assert broken(day).startswith(f"VERDICT: BROKEN: {word} ("), table(audit(day))
    assert "," not in broken(day), table(audit(day))


def test_a_day_that_shows_nothing_proves_nothing() -> None:
    day = Evidence(facts=honest().facts, feed={stream: [] for stream in honest().feed})
    findings = audit(day)
    assert not any(finding.holds for finding in findings)
    assert verdict(findings) == "VERDICT: NOT SHOWN: promise 1, 2, 3, 4, 5, 6, 7, 8"


def test_a_torn_receipt_that_is_printed_again_with_a_mark_is_right() -> None:
    day = honest()
    again = printed("t1-ABCD-000001", "  2 x 15.50          31.00", "31.00", mark="重印，或為重複單據 REPEAT")
    day.paper = [TEA_PAPER[:-20], HAM_PAPER + again]
    day.tills.append(till_entry("retry", {}, {}, T0 + 22_000, status=202, sale_id="s1"))

    assert broken(day) == "VERDICT: all 8 promises hold"


def test_a_count_that_the_broker_lost_with_the_hub_is_made_up_for_by_the_next() -> None:
    """Acknowledged right before the kill: it counts in its own quarter hour or, by the next totals, in the next one."""
    day = honest()
    day.mqtt += [message(T0 + 19_000, 5, 0, boot="b2"), message(QUARTER_MS + 900_000, 6, 0, boot="b2")]
    later = feed_row(2, {"entrance": "main-door", "quarter": "2026-11-22T00:15:00Z", "in": 4, "out": 0})
    day.feed["footfall"].append(later)

    assert broken(day) == "VERDICT: all 8 promises hold"


def test_a_page_that_is_not_what_its_digest_says_is_damage() -> None:
    row = b'{"sale":1}'
    line = b'{"n":1,"store":"hk01","rep":"hk01:1","seq":1,"key":"a","row":' + row + b"}"
    trailer = {"next": 1, "rows": 1, "digest": roll(bytes(8), row).hex(), "more": False}
    page = b"\n".join([b'{"v":1,"stream":"sales","after":0}', line, json.dumps(trailer).encode()])

    damage: list[str] = []
    assert [each.raw for each in read_feed("sales", page, damage)] == [row]
    assert not damage
    read_feed("sales", page.replace(b'{"sale":1}', b'{"sale":2}'), damage)
    assert damage == ["sales: the page that ends at 1 is not what its digest says"]
    read_feed("sales", page[: -len(json.dumps(trailer))], damage)
    assert damage[1:] == ["sales: the last page was cut"]


def test_paper_is_read_from_bytes_cut_by_cut() -> None:
    sheets = read_sheets(TEA_PAPER + HAM_PAPER[:-8], "big5hkscs")
    assert [(sheet.number, sheet.is_whole, sheet.lines) for sheet in sheets] == [
        ("t1-ABCD-000001", True, ((2, 1550, 1, 3100),)),
        ("t1-ABCD-000002", False, ((350, 4650, 100, 16275),)),
    ]


def test_the_auditor_shares_no_code_with_what_it_audits() -> None:
    ours = "n.split('.')[0] in ('hub', 'sync', 'devices')"
    code = f"import hub.demo.auditor.__main__, sys; print(*sorted(n for n in sys.modules if {ours}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    reader = {"devices", *(f"devices.testing{name}" for name in ("", ".paper", ".escpos_reader", ".escpos_functions"))}
    others = {name for name in loaded if not name.startswith("hub.demo.auditor")} - {"hub", "hub.demo"} - reader
    assert not others
