"""The sums of a Z report against a calculation of another kind: by coins and by JSON, not by the structs; runs and gaps."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.selling.drawers import (
    DENOMINATIONS,
    Denomination,
    DrawerMovement,
    Mark,
    Moving,
    check_moving,
    count_of,
)
from sync.retail.selling.returns import Return, ReturnedLine, ReturnFact, ReturnLine
from sync.retail.selling.sales import AMOUNT_MAX, Discount, Sale, SaleFact, SaleLine, TaxPart, Tender, Warned
from sync.retail.selling.z_reports import (
    MISSING_MAX,
    NAME_CHARS,
    Figures,
    Place,
    Run,
    figures_of,
    is_counted,
    merged,
    missing_after,
    moved,
    name_of,
    names_in,
    number_of,
)

AT = datetime(2026, 9, 21, 3, tzinfo=UTC)
CASH = frozenset({"cash", "cash_twd"})
MARK = Mark(AT)
A, B = "hk01:aaaaaaaaaaaaaaaa", "hk01:bbbbbbbbbbbbbbbb"

lines = st.builds(
    lambda qty, price, per, discount, kind: SaleLine(
        1,
        "TEA",
        qty,
        price,
        per=per,
        unit="g" if per > 1 else "each",
        discount=min(discount, qty * price // per),
        discounts=(Discount(min(discount, qty * price // per), kind),) if kind else (),
    ),
    st.integers(1, 900),
    st.integers(0, 5000),
    st.sampled_from((1, 100, 600)),
    st.integers(0, 500),
    st.sampled_from((None, "manual", "promotion", "member")),
)
tenders = st.builds(Tender, st.sampled_from(("cash", "card", "fps", "cash_twd")), st.integers(0, 90_000))
taxes = st.lists(st.builds(TaxPart, st.sampled_from((500, 1000)), st.integers(0, 999)), max_size=2)


@st.composite
def sales(draw: Any) -> SaleFact:
    n = draw(st.integers(1, 40))
    sale = Sale(
        sale_id=f"s{n}",
        till_id="t1",
        currency="HKD",
        lines=tuple(draw(st.lists(lines, min_size=1, max_size=3))),
        tenders=tuple(draw(st.lists(tenders, max_size=3))),
        total=draw(st.integers(0, 90_000)),
        rounding=draw(st.integers(-5, 5)),
        offline=draw(st.booleans()),
    )
    is_late = draw(st.booleans())
    return SaleFact(
        sale=sale,
        receipt_no=f"t1-0TR5-{n:06}",
        business_date=draw(st.sampled_from(("2026-09-20", "2026-09-21"))),
        committed_at=AT,
        tax=tuple(draw(taxes)),
        warnings=(Warned("clock_unsure"), *((Warned("late", detail="2026-09-19"),) if is_late else ())),
    )


@st.composite
def returns(draw: Any) -> ReturnFact:
    refund = draw(st.integers(0, 9000))
    content = Return(
        return_id="r1",
        till_id="t1",
        sale_id="s1",
        lines=(ReturnLine(1, 1),),
        reason="x",
        tenders=tuple(draw(st.lists(tenders, max_size=2))),
        void=(is_void := draw(st.booleans())),
        exchange_id=None if is_void else draw(st.sampled_from((None, "x1"))),
    )
    back = (ReturnedLine(1, "TEA", 1, refund),)
    date = draw(st.sampled_from(("2026-09-20", "2026-09-21")))
    return ReturnFact(
        content=content,
        currency="HKD",
        lines=back,
        refund=refund,
        business_date=date,
        committed_at=AT,
        stock=(),
        tax=tuple(draw(taxes)),
        warnings=(Warned("late", detail="2026-09-19"),) if draw(st.booleans()) else (),
    )


movements = st.builds(
    lambda what, amount: DrawerMovement(
        movement_id="m",
        session_id="s",
        what=what,
        amount=0 if what == "no_sale" else amount,
        reason="x",
        by="c",
        at=AT,
    ),
    st.sampled_from(("pay_in", "pay_out", "cash_drop", "no_sale")),
    st.integers(1, 5000),
)


def figures(sold: Any, back: Any, moves: Any, float_amount: int = 0, **more: Any) -> Figures:
    return figures_of(sold, back, moves, cash_types=CASH, float_amount=float_amount, **more)


@given(
    st.lists(sales(), max_size=6), st.lists(returns(), max_size=4), st.lists(movements, max_size=5), st.integers(0, 9)
)
def test_the_sums_are_those_of_the_rows_as_they_are_stored(sold: Any, back: Any, moves: Any, notes: int) -> None:
    """Judged from the rows' JSON with exact decimals, and by walking every coin into and out of a drawer."""
    told = json.loads(msgspec.json.encode(figures(sold, back, moves, notes * 1000)))
    rows = [json.loads(msgspec.json.encode(fact)) for fact in sold]
    out = [json.loads(msgspec.json.encode(fact)) for fact in back]

    drawer = Decimal(notes * 1000)
    for row in rows:
        for tender in row["sale"]["tenders"]:
            drawer += tender["amount"] if tender["type"].startswith("cash") else 0
    for row in out:
        for tender in row["return"].get("tenders", []):
            drawer -= tender["amount"] if tender["type"].startswith("cash") else 0
    for move in moves:
        drawer += {"pay_in": 1, "pay_out": -1, "cash_drop": -1, "no_sale": 0}[move.what] * move.amount
    assert told["expected_cash"] == drawer

    gross = Decimal(0)
    for line in (line for row in rows for line in row["sale"]["lines"]):
        exact = Decimal(line["unit_price"]) * line["qty"] / line["per"]
        gross += exact.quantize(Decimal(1), ROUND_HALF_UP)
    assert told["gross"] == gross
    discounts = [line.get("discount", 0) for row in rows for line in row["sale"]["lines"]]
    assert told.get("discounts", 0) == sum(discounts) == sum(amount for _, amount in told.get("discount_kinds", []))
    assert told["total"] == sum(row["sale"]["total"] for row in rows)
    assert told.get("rounding", 0) == sum(row["sale"].get("rounding", 0) for row in rows)
    assert (told["sales"], told.get("offline", 0)) == (
        len(rows),
        sum(row["sale"].get("offline", False) for row in rows),
    )

    is_void = [row["return"].get("void", False) for row in out]
    refunds = [row["refund"] for row in out]
    assert told.get("voids", 0) == sum(is_void) and told.get("returns", 0) == len(out) - sum(is_void)
    assert told.get("voided", 0) + told.get("refunds", 0) == sum(refunds)
    assert told.get("voided", 0) == sum(r for r, v in zip(refunds, is_void, strict=True) if v)
    assert told.get("unstated", 0) == sum(row["refund"] for row in out if not row["return"].get("tenders"))

    taken: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for tender in (tender for row in rows for tender in row["sale"]["tenders"]):
        taken[tender["type"]] += tender["amount"]
    for tender in (tender for row in out for tender in row["return"].get("tenders", [])):
        paid[tender["type"]] += tender["amount"]
    times = Counter(tender["type"] for row in rows for tender in row["sale"]["tenders"])
    assert {name: count for name, count, *_ in told.get("tenders", []) if count} == times
    assert {name: took for name, _, took, _ in told.get("tenders", []) if took} == +taken
    assert {name: gave for name, _, _, gave in told.get("tenders", []) if gave} == +paid

    assert all(amount for _, amount in told.get("discount_kinds", []))

    tax: Counter[int] = Counter()
    for rate_bp, amount in (part for row in rows for part in row.get("tax", [])):
        tax[rate_bp] += amount
    assert {rate_bp: amount for rate_bp, amount in told.get("tax", []) if amount} == +tax
    _check_what_came_back(told, out)
    by_day = Counter(row["business_date"] for row in rows)
    assert {day: count for day, count, _, _ in told.get("days", []) if count} == by_day
    assert sum(total for *_, total, _ in told.get("days", [])) == told["total"]
    assert sum(back for *_, back in told.get("days", [])) == sum(refunds)
    late = [row["receipt_no"] for row in rows if any(each["code"] == "late" for each in row["warnings"])]
    assert [each[1] for each in told.get("late", [])] == sorted(late)


def _check_what_came_back(told: Any, out: list[Any]) -> None:
    tax_back: Counter[int] = Counter()
    for rate_bp, amount in (part for row in out for part in row.get("tax", [])):
        tax_back[rate_bp] += amount
    assert {rate_bp: amount for rate_bp, amount in told.get("tax_back", []) if amount} == +tax_back
    assert told.get("exchanges", 0) == sum("exchange_id" in row["return"] for row in out)
    stated = [row for row in out if row["return"].get("tenders")]
    coins = sum(tender["amount"] for row in stated for tender in row["return"]["tenders"]) - sum(
        row["refund"] for row in stated
    )
    assert told.get("rounding_back", 0) == coins
    assert len(told.get("late_returns", [])) == sum("warnings" in row for row in out)


@given(st.lists(movements, max_size=5))
def test_movements_are_counted_and_added_up_by_what_they_were(moves: list[DrawerMovement]) -> None:
    told = json.loads(msgspec.json.encode(figures([], [], moves)))

    amounts = {what: [move.amount for move in moves if move.what == what] for what in {move.what for move in moves}}
    assert told.get("movements", []) == [[what, len(amounts[what]), sum(amounts[what])] for what in sorted(amounts)]


@given(st.lists(sales(), max_size=6), st.lists(sales(), max_size=6), st.lists(movements, max_size=3))
def test_two_sessions_come_to_what_one_would_have(first: Any, second: Any, moves: Any) -> None:
    one, other, both = figures(first, [], moves), figures(second, [], []), figures(first + second, [], moves)

    for name in ("sales", "offline", "gross", "discounts", "rounding", "total", "expected_cash"):
        assert getattr(one, name) + getattr(other, name) == getattr(both, name), name


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_runs_and_missing_numbers_are_all_numbers_up_to_the_last(before: set[int], now: set[int]) -> None:
    """Judged by sets: what came and what is missing are together every number up to the last, with nothing twice."""
    now = now - before
    first = figures(_numbered(before), [], [], missing=missing_after(MARK, _receipts(before)))
    mark = moved(MARK, first, sold={}, returned={})
    missing = missing_after(mark, _receipts(now))
    runs = figures(_numbered(now), [], [], missing=missing).receipts

    in_runs = [n for run in runs for n in range(run.first, run.last + 1)]
    assert sorted(in_runs) == sorted(now)
    last = max(before | now, default=0)
    assert {number_of(each) for each in missing} == {("t1-0TR5", n) for n in set(range(1, last + 1)) - before - now}
    assert len(missing) == len(set(missing))


def _receipts(numbers: set[int]) -> list[str]:
    return [f"t1-0TR5-{n:06}" for n in sorted(numbers, reverse=True)]


def _numbered(numbers: set[int]) -> list[SaleFact]:
    return [_fact(receipt_no) for receipt_no in _receipts(numbers)]


def _fact(receipt_no: str, *, committed_at: datetime = AT) -> SaleFact:
    line = SaleLine(1, "TEA", 1, 100, per=1)
    sale = Sale(
        sale_id=receipt_no, till_id="t1", currency="HKD", lines=(line,), tenders=(Tender("cash", 100),), total=100
    )
    return SaleFact(sale=sale, receipt_no=receipt_no, business_date="2026-09-21", committed_at=committed_at)


def test_a_till_that_goes_on_from_a_high_number_has_not_lost_the_ones_before() -> None:
    assert missing_after(MARK, ["till7-5000", "till7-5002"]) == ("till7-005001",)
    assert missing_after(MARK, ["till7-3"]) == ("till7-000001", "till7-000002")
    far = missing_after(Mark(AT, numbers={"x": 1}), ["x-900000"])
    assert len(far) == MISSING_MAX and far[-1] == "x-899999"


def test_runs_are_as_long_as_they_can_be_and_of_one_series() -> None:
    sold = [_fact(receipt_no) for receipt_no in ("b-4", "a-1", "a-3", "a-2", "a-6", "b-5")]

    assert figures(sold, [], []).receipts == (Run("a", 1, 3), Run("a", 6, 6), Run("b", 4, 5))


def test_a_till_that_begins_beyond_as_many_as_are_listed_has_lost_none() -> None:
    assert len(missing_after(MARK, [f"x-{MISSING_MAX}"])) == MISSING_MAX - 1
    assert missing_after(MARK, [f"x-{MISSING_MAX + 1}"]) == ()


def test_a_series_may_begin_with_nought() -> None:
    assert missing_after(MARK, ["x-0", "x-2"]) == ("x-000001",)
    told = figures([_fact("x-0")], [], [])
    assert moved(MARK, told, sold={A: 0}, returned={}) == Mark(AT, sold={A: 0}, numbers={"x": 0})
    assert moved(Mark(AT, sold={A: 0}), told, sold={B: 0}, returned={}).sold == {A: 0, B: 0}


def test_receipts_of_another_form_are_listed_and_have_no_gaps() -> None:
    told = figures([_fact("ABC"), _fact("x-12-7"), _fact("-5")], [], [])

    assert told.receipts == (Run("x-12", 7, 7),) and told.other_receipts == ("-5", "ABC")


def test_what_is_counted_is_known_by_its_place_and_anywhere_by_its_name() -> None:
    def counted(rep: str, seq: int, name: str = "n", *, at: datetime = AT) -> bool:
        return is_counted(Place(rep, seq, name, at), upto={A: 5}, since=AT, before={"known"})

    assert counted(A, 5) and not counted(A, 6)
    assert counted(A, 6, "known") and counted(B, 1, "known"), (
        "written again by another life, or another hub's row of it"
    )
    assert not counted(B, 1)
    assert counted(B, 1, at=AT - timedelta(seconds=1)), "before the till's first session"


@given(st.sets(st.text(min_size=1, max_size=40), max_size=30))
def test_names_are_read_back_from_a_report_and_a_sale_is_no_return(keys: set[str]) -> None:
    names = sorted(name_of(entity, key) for key in keys for entity in ("sale", "return"))

    assert names_in("".join(names)) == names and len(set(names)) == 2 * len(keys)
    assert all(len(name) == NAME_CHARS for name in names)


def test_the_mark_behind_a_report_is_as_far_as_the_books_went() -> None:
    before = Mark(AT, sold={A: 5}, returned={A: 2}, numbers={"x": 3})
    told = figures([_fact("y-2"), _fact("x-9")], [], [], missing=("x-000004",))

    mark = moved(before, told, sold={A: 4, B: 7}, returned={A: 3})

    assert mark == Mark(AT, {A: 5, B: 7}, {A: 3}, {"x": 9, "y": 2}, ("x-000004",)), "and never goes back"


def test_the_mark_behind_two_reports_that_met_is_the_further_of_each() -> None:
    one = Mark(AT, {A: 5, B: 1}, {A: 2}, {"x": 3}, ("x-1", "x-2"))
    other = Mark(AT + timedelta(days=1), {A: 4}, {B: 7}, {"x": 9, "y": 1}, ("x-2",))

    assert merged([one, other]) == merged([other, one])
    assert merged([one, other]) == Mark(AT, {A: 5, B: 1}, {A: 2, B: 7}, {"x": 9, "y": 1}, ("x-2",))
    assert merged([one]) == one


@given(st.lists(st.tuples(st.sampled_from(DENOMINATIONS["HKD"]), st.integers(0, 50)), unique_by=lambda each: each[0]))
def test_a_count_is_the_sum_of_its_coins_and_notes(counted: list[tuple[int, int]]) -> None:
    coins = [value for value, count in counted for _ in range(count)]

    assert count_of([Denomination(*each) for each in counted], "HKD") == sum(coins)


@pytest.mark.parametrize(
    ("counted", "currency", "code"),
    [
        ([(5001, 1)], "HKD", "denomination"),
        ([(10, 1)], "TWD", "denomination"),
        ([(5000, 1), (5000, 2)], "HKD", "denomination_twice"),
        ([(10**9, 10**6)], "JPY", "denomination"),
    ],
)
def test_a_count_that_cannot_be_is_refused(counted: list[tuple[int, int]], currency: str, code: str) -> None:
    with pytest.raises(RuleError) as refused:
        count_of([Denomination(*each) for each in counted], currency)
    assert refused.value.code == code and refused.value.pointer.startswith("/counted")


def test_a_drawer_holds_the_largest_amount_that_there_is() -> None:
    assert count_of([Denomination(10**9, 1000)], "JPY") == AMOUNT_MAX


@pytest.mark.parametrize(
    ("what", "amount", "is_good"),
    [("no_sale", 0, True), ("no_sale", 1, False)]
    + [(what, amount, bool(amount)) for what in ("pay_in", "pay_out", "cash_drop") for amount in (0, 1)],
)
def test_money_moves_where_it_has_to_and_only_there(what: Any, amount: int, is_good: bool) -> None:
    moving = Moving("m1", what, "change", amount)
    if is_good:
        check_moving(moving)
        return
    with pytest.raises(RuleError) as refused:
        check_moving(moving)
    said = "no money" if what == "no_sale" else "an amount"
    assert (refused.value.code, refused.value.pointer) == ("drawer_amount", "/amount")
    assert refused.value.detail == f"{what} moves {said}"
