"""Faults planted in an honest day, each named for what was done."""

from typing import Any

from hub.demo.auditor.evidence import Evidence
from tests.demo.honest_day import (
    CUPS,
    HAM_PAPER,
    REP,
    T0,
    TEA_PAPER,
    Json,
    feed_row,
    printed,
    sold,
    till_entry,
)


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


FAULTS = (  # each with the word that the auditor has for it
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
)
