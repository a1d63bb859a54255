"""The exchange's pure rules: whatever goes back and out, both facts add up by themselves and the difference is what moves."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.money import cash_rounding
from sync.retail.selling.exchanges import Exchange, both_parts, value_of
from sync.retail.selling.returns import Return, ReturnLine, check_tenders
from sync.retail.selling.sales import Sale, SaleLine, Tender, check_sums

CURRENCIES = st.sampled_from(["HKD", "TWD", "JPY"])


def an_exchange(refund: int, goods: int, currency: str, *, is_cash: bool) -> Exchange:
    """What an honest till sends: worked out here with whole numbers of coins, not by the rules under test."""
    to_pay, due = max(0, goods - refund), max(0, refund - goods)
    rounding = cash_rounding(to_pay, currency) if is_cash else 0
    out = due + cash_rounding(due, currency) if is_cash else due
    kind = "cash" if is_cash else "card"
    paid = max(0, to_pay + rounding)
    sale = Sale(
        sale_id="s2",
        till_id="t1",
        currency=currency,
        lines=(SaleLine(1, "A", 1, goods, per=1),),
        tenders=(Tender(kind, paid),) if paid else (),
        total=goods + rounding,
        rounding=rounding,
    )
    tenders = (Tender(kind, out),) if out else ()
    back = Return(return_id="r1", till_id="t1", sale_id="s1", lines=(ReturnLine(1, 1),), reason="x", tenders=tenders)
    return Exchange("x1", back, sale)


@given(refund=st.integers(0, 10**6), goods=st.integers(0, 10**6), currency=CURRENCIES, is_cash=st.booleans())
def test_both_facts_add_up_by_themselves(refund: int, goods: int, currency: str, is_cash: bool) -> None:
    exchange = an_exchange(refund, goods, currency, is_cash=is_cash)

    value = value_of(exchange, refund)
    back, sale = both_parts(exchange, value)

    check_sums(sale)
    check_tenders(back, refund, currency)
    assert back.exchanged == sale.exchanged == value <= refund
    moved = sum(t.amount for t in exchange.sale.tenders) - sum(t.amount for t in exchange.back.tenders)
    assert abs(moved - (goods - refund)) <= 50, "at most half the largest step of coins, TWD 1"
    assert (back.tenders[0].reference, sale.tenders[0].reference) == (sale.sale_id, back.return_id)


@given(refund=st.integers(1, 10**6), goods=st.integers(1, 10**6), more=st.integers(51, 10**4))
def test_a_till_that_takes_another_sum_is_refused(refund: int, goods: int, more: int) -> None:
    exchange = an_exchange(refund, goods, "HKD", is_cash=False)
    paid = msgspec.structs.replace(exchange.sale, tenders=(*exchange.sale.tenders, Tender("card", more)))
    back, sale = both_parts(msgspec.structs.replace(exchange, sale=paid), value_of(exchange, refund))

    with pytest.raises(RuleError, match="tenders add up"):
        check_sums(sale)
    with pytest.raises(RuleError, match="tenders add up"):
        check_tenders(msgspec.structs.replace(back, tenders=(*back.tenders, Tender("card", more))), refund, "HKD")


def test_what_the_till_says_of_the_value_counts_only_when_it_has_happened() -> None:
    exchange = msgspec.structs.replace(an_exchange(500, 700, "HKD", is_cash=False), value=400)

    with pytest.raises(RuleError, match="500 goes over"):
        value_of(exchange, 500)
    happened = msgspec.structs.replace(exchange.sale, offline=True)
    assert value_of(msgspec.structs.replace(exchange, sale=happened), 500) == 400


def test_a_till_that_says_the_value_that_is_due_says_nothing_new() -> None:
    exchange = msgspec.structs.replace(an_exchange(500, 700, "HKD", is_cash=False), value=500)

    assert value_of(exchange, 500) == 500


@pytest.mark.parametrize(
    ("part", "changed", "code", "pointer"),
    [
        ("back", {"void": True}, "exchange_part", "/return/void"),
        ("back", {"till_id": "t2"}, "exchange_part", "/sale/till_id"),
        ("back", {"tenders": (Tender("card", 1), Tender("exchange", 1))}, "exchange_tender", "/return/tenders"),
        ("sale", {"tenders": (Tender("exchange", 1), Tender("card", 1))}, "exchange_tender", "/sale/tenders"),
    ],
)
def test_parts_that_are_no_exchange_are_refused_with_their_pointer(
    part: str, changed: dict[str, object], code: str, pointer: str
) -> None:
    exchange = an_exchange(500, 700, "HKD", is_cash=False)
    wrong = msgspec.structs.replace(exchange, **{part: msgspec.structs.replace(getattr(exchange, part), **changed)})

    with pytest.raises(RuleError) as refused:
        both_parts(wrong, 500)

    assert (refused.value.code, refused.value.pointer) == (code, pointer)


@pytest.mark.parametrize(
    ("back", "out", "expected"),
    [(None, None, None), ("d1", None, "d1"), (None, "d2", "d2"), ("d1", "d2", "d1")],
)
def test_goods_back_are_of_the_drawer_that_they_name_else_of_the_sales(
    back: str | None, out: str | None, expected: str | None
) -> None:
    exchange = an_exchange(500, 700, "HKD", is_cash=True)
    exchange = msgspec.structs.replace(
        exchange,
        back=msgspec.structs.replace(exchange.back, session_id=back),
        sale=msgspec.structs.replace(exchange.sale, session_id=out),
    )

    parts = both_parts(exchange, 500)

    assert [part.session_id for part in parts] == [expected, out]


def test_the_return_names_its_exchange() -> None:
    back, _ = both_parts(an_exchange(500, 700, "HKD", is_cash=True), 500)

    assert (back.return_id, back.exchange_id) == ("r1", "x1")
