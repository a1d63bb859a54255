"""The return's pure rules: never more back than sold, a line's amount exactly once, stock as the sale took it out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.money import line_amount
from sync.retail.selling.claims import Claim
from sync.retail.selling.returns import (
    Return,
    ReturnedLine,
    ReturnFact,
    ReturnLine,
    beyond_sold,
    check_reason,
    check_tenders,
    content_hash,
    effects_back,
    is_all_back,
    lines_back,
    refund_due,
    sellable,
    tax_back,
)
from sync.retail.selling.sales import Sale, SaleFact, SaleLine, StockEffect, TaxPart, Tender, Warned, amount_of
from sync.retail.selling.tax import tax_contained

SALE = Sale(
    sale_id="s1",
    till_id="t1",
    currency="HKD",
    lines=(
        SaleLine(1, "A", 3, 1000, discount=1000, per=1),
        SaleLine(2, "B", 250, 2500, "g", per=600),
        SaleLine(7, "FEE", 1, 100, per=1),
    ),
    tenders=(Tender("cash", 3140),),
    total=3140,
    rounding=-2,
)
FACT = SaleFact(
    sale=SALE,
    receipt_no="R1",
    business_date="2026-09-21",
    committed_at=datetime(2026, 9, 21, tzinfo=UTC),
    stock=(StockEffect("A", "shop", -3), StockEffect("B", "shop", -250)),
)
RETURN = Return(
    return_id="r1",
    till_id="t1",
    sale_id="s1",
    lines=(ReturnLine(1, 1), ReturnLine(2, 250)),
    reason="too small",
    returned_at=datetime(2026, 9, 22, 12, tzinfo=UTC),
    cashier_id="c1",
    tenders=(Tender("cash", 1709),),
)
Refund = Callable[[SaleLine, int, int], int]  # line, qty that is back already, qty that comes back now


@st.composite
def pieces(draw: st.DrawFn) -> tuple[SaleLine, list[int]]:
    """A sold line, and its quantity in the parts in which it comes back."""
    parts = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
    price, per = draw(st.integers(0, 10**6)), draw(st.sampled_from([1, 100, 600]))
    discount = draw(st.integers(0, line_amount(price, sum(parts), per)))
    return SaleLine(1, "A", sum(parts), price, per=per, discount=discount), parts


def cumulative(line: SaleLine, before: int, qty: int) -> int:
    """What the rules refund."""
    sale = msgspec.structs.replace(SALE, lines=(line,))
    (back,) = lines_back(sale, [ReturnLine(line.line, qty)], {line.line: before})
    return back.amount


def piecewise(line: SaleLine, before: int, qty: int) -> int:
    """The planted fault: each return rounded by itself."""
    return line_amount(amount_of(line), qty, line.qty)


def rounded_down(line: SaleLine, before: int, qty: int) -> int:
    """The planted fault: the rest is kept by the shop."""
    return amount_of(line) * qty // line.qty


def keeps_the_law(refund: Refund, example: tuple[SaleLine, list[int]]) -> bool:
    """In parts or whole: never negative, never half a unit off the running share, the line's amount in the end."""
    line, parts = example
    qty = paid = 0
    for part in parts:
        amount = refund(line, qty, part)
        qty, paid = qty + part, paid + amount
        if amount < 0 or abs(2 * (paid * line.qty - amount_of(line) * qty)) > line.qty:
            return False
    return paid == amount_of(line)


@given(example=pieces())
def test_a_line_refunded_piece_by_piece_comes_to_its_amount_after_discount(
    example: tuple[SaleLine, list[int]],
) -> None:
    assert keeps_the_law(cumulative, example)


@pytest.mark.parametrize("fault", [piecewise, rounded_down])
def test_the_law_finds_a_refund_that_rounds_each_return_by_itself(fault: Refund) -> None:
    """`find` raises when there is nothing to be found."""
    _, parts = find(pieces(), lambda example: not keeps_the_law(fault, example))

    assert len(parts) > 1, "a line that comes back whole is right by any of these"


@given(lines=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=12))
def test_what_is_back_is_never_more_than_what_was_sold(lines: list[tuple[int, int]]) -> None:
    """Any sequence of returns, each booked only where the rule lets it."""
    returned: dict[int, int] = {}
    refunded = 0
    for number, qty in lines:
        try:
            (back,) = lines_back(SALE, [ReturnLine(number, qty)], returned)
        except RuleError:
            continue
        returned[number] = returned.get(number, 0) + back.qty
        refunded += back.amount

    sold = {line.line: line.qty for line in SALE.lines}
    assert all(qty <= sold[number] for number, qty in returned.items())
    assert refunded <= SALE.total - SALE.rounding


def test_lines_come_back_with_what_they_are_worth() -> None:
    assert lines_back(SALE, RETURN.lines, {}) == (ReturnedLine(1, "A", 1, 667), ReturnedLine(2, "B", 250, 1042))


@pytest.mark.parametrize(("before", "amount"), [(0, 667), (1, 666), (2, 667)])
def test_a_third_of_twenty_dollars_is_rounded_on_the_running_total(before: int, amount: int) -> None:
    assert lines_back(SALE, [ReturnLine(1, 1)], {1: before}) == (ReturnedLine(1, "A", 1, amount),)


def test_a_whole_sale_is_refunded_without_its_cash_rounding() -> None:
    back = lines_back(SALE, [ReturnLine(line.line, line.qty) for line in SALE.lines], {})

    assert sum(line.amount for line in back) == SALE.total - SALE.rounding


@pytest.mark.parametrize(
    ("lines", "returned", "code", "pointer", "says"),
    [
        ([(1, 1), (3, 1)], {}, "sale_line", "/lines/1/line", "no line 3"),
        ([(1, 1), (1, 1)], {}, "line_named_twice", "/lines/1/line", "line 1 is named twice"),
        ([(1, 4)], {}, "more_than_sold", "/lines/0/qty", "3 of 3 are left"),
        ([(2, 1), (1, 2)], {1: 2}, "more_than_sold", "/lines/1/qty", "1 of 3 are left"),
        ([(1, 1)], {1: 3}, "more_than_sold", "/lines/0/qty", "0 of 3 are left"),
    ],
)
def test_a_line_that_cannot_come_back_is_refused_with_its_pointer_and_what_is_left(
    lines: list[tuple[int, int]], returned: dict[int, int], code: str, pointer: str, says: str
) -> None:
    with pytest.raises(RuleError, match=says) as refused:
        lines_back(SALE, [ReturnLine(*line) for line in lines], returned)

    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_the_whole_is_the_whole_and_nothing_is_nothing() -> None:
    for line in SALE.lines:
        assert (refund_due(line, 0), refund_due(line, line.qty)) == (0, amount_of(line))


def test_stock_comes_back_by_the_lines_that_took_it_out_and_to_where_it_came_back() -> None:
    back = lines_back(SALE, [ReturnLine(1, 2), ReturnLine(2, 250), ReturnLine(7, 1)], {})

    assert effects_back(FACT, back, "annex") == (StockEffect("A", "annex", 2), StockEffect("B", "annex", 250))


def test_goods_that_a_sale_sold_by_the_wrong_unit_bring_nothing_back() -> None:
    """Off line a line of another unit is booked without stock: its twin of the same SKU is not to blame."""
    wrong = SaleLine(3, "A", 250, 1, "g", per=1)
    sold = msgspec.structs.replace(FACT, sale=msgspec.structs.replace(SALE, lines=(SALE.lines[0], wrong)))
    back = lines_back(sold.sale, [ReturnLine(1, 1), ReturnLine(3, 250)], {})

    assert effects_back(sold, back, "shop") == (StockEffect("A", "shop", 1),)


@pytest.mark.parametrize(
    ("amounts", "fits"), [((), True), ((1709,), True), ((1000, 709), True), ((1710,), True), ((1708,), False)]
)
def test_tenders_add_up_to_the_refund_or_to_it_in_coins(amounts: tuple[int, ...], fits: bool) -> None:
    paid = msgspec.structs.replace(RETURN, tenders=tuple(Tender("cash", amount) for amount in amounts))

    if fits:
        check_tenders(paid, 1709, "HKD")
    else:
        with pytest.raises(RuleError, match="the refund is 1709") as refused:
            check_tenders(paid, 1709, "HKD")
        assert (refused.value.code, refused.value.pointer) == ("refund_tenders", "/tenders")


CHANGES: list[dict[str, Any]] = [
    {"return_id": "r2"},
    {"till_id": "t2"},
    {"sale_id": "s2"},
    {"lines": RETURN.lines[:1]},
    {"lines": RETURN.lines[::-1]},
    {"lines": (ReturnLine(1, 2), RETURN.lines[1])},
    {"reason": "broken"},
    {"returned_at": None},
    {"cashier_id": None},
    {"void": True},
    {"exchange_id": "x1"},
    {"session_id": "w1"},
    {"claim": Claim(lines=SALE.lines, store="hk02")},
    {"tenders": ()},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_any_changed_field_is_another_content(change: dict[str, Any]) -> None:
    assert content_hash(msgspec.structs.replace(RETURN, **change)) != content_hash(RETURN)


def test_the_hash_names_its_version() -> None:
    assert content_hash(RETURN)[0] == 1 and len(content_hash(RETURN)) == 16


def test_every_field_is_among_the_changes() -> None:
    assert set(Return.__struct_fields__) == {name for change in CHANGES for name in change}


@given(minutes=st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_another_zone_is_the_same_return(minutes: int) -> None:
    assert RETURN.returned_at is not None
    elsewhere = RETURN.returned_at.astimezone(timezone(timedelta(minutes=minutes)))

    assert content_hash(msgspec.structs.replace(RETURN, returned_at=elsewhere)) == content_hash(RETURN)


@pytest.mark.parametrize("year", [1969, 9999])
def test_a_year_that_no_clock_in_a_shop_shows_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match=f"year {year}"):
        msgspec.structs.replace(RETURN, returned_at=datetime(year, 6, 1, tzinfo=UTC))


def test_a_fact_is_read_back_as_it_was_shipped() -> None:
    back = lines_back(SALE, RETURN.lines, {})
    fact = ReturnFact(
        content=RETURN,
        currency="HKD",
        lines=back,
        refund=1709,
        business_date="2026-09-22",
        committed_at=datetime(2026, 9, 22, tzinfo=UTC),
        stock=effects_back(FACT, back, "shop"),
    )
    shipped = msgspec.json.encode(fact)

    assert msgspec.json.decode(shipped, type=ReturnFact) == fact
    assert set(msgspec.json.decode(shipped)) == {
        *("return", "currency", "lines", "refund", "business_date", "committed_at", "stock")
    }


def test_what_has_happened_may_be_more_than_was_sold_and_a_warning_says_so() -> None:
    back = lines_back(SALE, (ReturnLine(1, 2), ReturnLine(7, 1)), {1: 2}, has_happened=True)

    assert [(each.line, each.qty) for each in back] == [(1, 2), (7, 1)]
    assert beyond_sold(SALE, back, {1: 2}) == (Warned("more_than_sold", 1, "4 of 3 are back"),)
    assert beyond_sold(SALE, back, {1: 1}) == (), "all of it"
    assert beyond_sold(SALE, back, {}) == ()


@pytest.mark.parametrize(("qty", "is_said"), [(3, False), (4, True)])
def test_of_a_line_of_which_nothing_is_back_yet_all_that_comes_back_counts(qty: int, is_said: bool) -> None:
    back = lines_back(SALE, (ReturnLine(1, qty),), {}, has_happened=True)

    assert [each.line for each in beyond_sold(SALE, back, {})] == [1] * is_said


@pytest.mark.parametrize(("qty", "damaged", "left"), [(3, 0, 3), (3, 1, 2), (3, 3, 0)])
def test_damaged_goods_are_refunded_and_do_not_come_back_to_the_shelf(qty: int, damaged: int, left: int) -> None:
    asked = (ReturnLine(1, qty, damaged), ReturnLine(2, 250))
    back = lines_back(SALE, asked, {})

    assert [line.amount for line in back] == [2000, 1042]
    shelved = [(line.line, line.sku, line.qty) for line in sellable(asked, back)]
    assert shelved == [(1, "A", left)] * bool(left) + [(2, "B", 250)]


def test_no_more_is_damaged_than_comes_back() -> None:
    with pytest.raises(RuleError, match="2 of 1 are damaged") as refused:
        lines_back(SALE, (ReturnLine(2, 1), ReturnLine(1, 1, damaged=2)), {})

    assert (refused.value.code, refused.value.pointer) == ("damaged", "/lines/1/damaged")


RATES = {"A": 500, "B": 2000, "FEE": 0}


@given(
    asked=st.lists(st.dictionaries(st.sampled_from([1, 2, 7]), st.integers(1, 200), min_size=1, max_size=3), max_size=6)
)
def test_the_taxes_of_all_returns_come_to_the_tax_of_the_sale(asked: list[dict[int, int]]) -> None:
    """Any parts, in any order, and at last what is left. On the way it is the tax of what is refunded so far, exactly."""
    returned: dict[int, int] = {}
    taxes: dict[int, int] = {}
    refunds: list[tuple[int, int]] = []
    for wanted in [*asked, {line.line: line.qty for line in SALE.lines}]:
        left = {line.line: min(wanted.get(line.line, 0), line.qty - returned.get(line.line, 0)) for line in SALE.lines}
        back = lines_back(SALE, [ReturnLine(line, qty) for line, qty in left.items() if qty], returned)
        parts = tax_back(SALE, back, returned, RATES)
        assert all(part.amount for part in parts), "a rate that comes to nothing is not named"
        for part in parts:
            taxes[part.rate_bp] = taxes.get(part.rate_bp, 0) + part.amount
        returned |= {each.line: returned.get(each.line, 0) + each.qty for each in back}
        refunds += [(RATES[each.sku], each.amount) for each in back]
        assert {rate: tax for rate, tax in taxes.items() if tax} == {
            part.rate_bp: part.amount for part in tax_contained(refunds) if part.amount
        }

    assert taxes == {500: 95, 2000: 174}, "of 20.00 at 5 % and of 10.42 at 20 %"


def test_the_tax_of_one_of_three_is_rounded_on_the_running_total() -> None:
    """20.00 at 5 % contain 0.95: 0.32, 0.31 and 0.32."""
    parts = []
    for before in range(3):
        back = lines_back(SALE, (ReturnLine(1, 1),), {1: before})
        parts += tax_back(SALE, back, {1: before}, RATES)

    assert parts == [TaxPart(500, 32), TaxPart(500, 31), TaxPart(500, 32)]


@pytest.mark.parametrize(
    ("asked", "returned", "is_all"),
    [
        ([(1, 3), (2, 250), (7, 1)], {}, True),
        ([(1, 3), (2, 250)], {}, False),
        ([(1, 3), (2, 249), (7, 1)], {}, False),
        ([(1, 1)], {1: 2, 2: 250, 7: 1}, True),
        ([(1, 1)], {1: 1, 2: 250, 7: 1}, False),
        ([(1, 1)], {1: 2}, False),
        ([(7, 1)], {1: 4, 2: 250}, True),  # one more than was sold: two stores took it at once
    ],
)
def test_all_is_back_when_nothing_of_any_line_is_left(
    asked: list[tuple[int, int]], returned: dict[int, int], is_all: bool
) -> None:
    back = lines_back(SALE, [ReturnLine(*line) for line in asked], returned)

    assert is_all_back(SALE, back, returned) is is_all


def test_a_reason_is_one_that_the_shop_declares_or_any_where_it_declares_none() -> None:
    check_reason("wrong size", ["damaged", "wrong size"])
    check_reason("because", [])
    with pytest.raises(RuleError, match="'because'; the reasons here: damaged, wrong size") as refused:
        check_reason("because", ["damaged", "wrong size"])

    assert (refused.value.code, refused.value.pointer) == ("reason_unknown", "/reason")


@pytest.mark.parametrize(
    ("exchanged", "cash", "fits"),
    [
        (1709, 0, True),
        (1700, 9, True),
        (1700, 10, True),  # 9 cents in coins
        (1700, 0, False),
        (1708, 0, True),  # a cent is no coin
        (1708, 1, True),
        (1710, 0, False),  # more went over than came back, be it by a cent
        (0, 1710, True),
    ],
)
def test_what_an_exchange_has_paid_is_not_paid_out_again(exchanged: int, cash: int, fits: bool) -> None:
    tenders = (Tender("exchange", exchanged), Tender("cash", cash))
    paid = msgspec.structs.replace(RETURN, tenders=tenders)

    if fits:
        check_tenders(paid, 1709, "HKD")
    else:
        with pytest.raises(RuleError, match=f"add up to {cash}, the refund is {1709 - exchanged}"):
            check_tenders(paid, 1709, "HKD")
