"""To which tender a refund goes, and the tax in it: laws over any sequence of returns."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.names import Name
from sync.retail.selling.refunds import check_refund_tenders, passed_on
from sync.retail.selling.returns import ReturnedLine, ReturnLine, sellable, tax_back
from sync.retail.selling.sales import EXCHANGED, Sale, SaleLine, Tender
from sync.retail.selling.tenders import TenderType

TYPES = (
    TenderType(type="cash", kind="cash", name=Name(en="Cash")),
    TenderType(type="card", kind="card", name=Name(en="Card")),
    TenderType(type="octopus", kind="wallet", name=Name(en="Octopus"), refund_in_cash=True),
)
AMOUNTS = st.dictionaries(st.sampled_from(["cash", "card", "octopus"]), st.integers(0, 500), min_size=1)


@given(paid=AMOUNTS, refunds=st.lists(AMOUNTS, max_size=6))
def test_no_sequence_of_refunds_makes_cash_of_a_card(paid: dict[str, int], refunds: list[dict[str, int]]) -> None:
    """Judged by sums alone: a card gets what it paid at most, cash what cash and Octopus paid, and ten steps of coins."""
    before: Counter[str] = Counter()
    for refund in refunds:
        try:
            check_refund_tenders(paid, [Tender(*each) for each in refund.items()], before, TYPES, currency="HKD")
        except RuleError as err:
            assert err.code == "refund_tender"
            continue
        before.update(refund)

    assert before["card"] <= paid.get("card", 0) and before["octopus"] <= paid.get("octopus", 0)
    assert before["cash"] + before["octopus"] < paid.get("cash", 0) + paid.get("octopus", 0) + 101 or not before["cash"]


def test_what_went_out_in_cash_for_a_tender_does_not_go_back_to_it_again() -> None:
    with pytest.raises(RuleError, match="500 in cash; 0 may be"):
        check_refund_tenders(
            {"card": 1000, "octopus": 500}, [Tender("octopus", 500)], {"cash": 500}, TYPES, currency="HKD"
        )
    check_refund_tenders({"card": 1000, "octopus": 500}, [Tender("card", 1000)], {"cash": 900}, TYPES, currency="HKD")


TWO_CASH = (*TYPES, TenderType(type="cash_eur", kind="cash", name=Name(en="Euro")))


@pytest.mark.parametrize(
    ("paid", "currency", "most"),
    [
        ({"octopus": 500}, "HKD", 500 + 10 * 10),
        ({"cash": 500}, "HKD", 500 + 10 * 10),
        ({"cash": 300, "octopus": 200, "card": 900}, "TWD", 500 + 10 * 100),
        ({"cash": 500}, "EUR", 500),
        ({"cash_eur": 500}, "EUR", 500),
    ],
)
def test_in_cash_goes_what_may_and_ten_steps_of_coins_to_the_cent(
    paid: dict[str, int], currency: str, most: int
) -> None:
    check_refund_tenders(paid, [Tender("cash", most)], {}, TWO_CASH, currency=currency)
    with pytest.raises(RuleError, match=f"{most + 1} in cash; 500 may"):
        check_refund_tenders(paid, [Tender("cash", most + 1)], {}, TWO_CASH, currency=currency)


def test_a_tender_that_paid_nothing_takes_nothing() -> None:
    check_refund_tenders({"cash": 5}, [Tender("card", 0)], {}, TYPES, currency="HKD")
    with pytest.raises(RuleError, match="1 by card; 0 was paid"):
        check_refund_tenders({"cash": 5}, [Tender("card", 1)], {}, TYPES, currency="HKD")


def test_where_no_cash_went_out_nothing_is_asked_of_what_may_be_refunded_in_cash() -> None:
    """More than was paid has gone back to Octopus, off line: goods for goods go on."""
    check_refund_tenders({"octopus": 500}, [Tender(EXCHANGED, 100)], {"octopus": 700}, TYPES, currency="HKD")


@given(paid=AMOUNTS)
def test_what_was_paid_may_go_back_as_it_was_paid(paid: dict[str, int]) -> None:
    check_refund_tenders(paid, [Tender(*each) for each in paid.items()], {}, TYPES, currency="HKD")


@given(value=st.integers(0, 2000), paid=AMOUNTS)
def test_an_exchanges_value_is_all_passed_on_and_cash_last(value: int, paid: dict[str, int]) -> None:
    found = passed_on(value, paid, TYPES)

    assert sum(found.values()) == value and all(found.values())
    assert all(found[name] <= paid[name] for name in found if name != EXCHANGED)
    others = sum(amount for name, amount in paid.items() if name != "cash")
    assert found.get("cash", 0) == max(0, min(paid.get("cash", 0), value - others))


@given(prices=st.lists(st.tuples(st.integers(0, 10**5), st.integers(1, 9)), min_size=1, max_size=4), data=st.data())
def test_tax_comes_back_to_what_the_sale_contained_whatever_the_order(
    prices: list[tuple[int, int]], data: st.DataObject
) -> None:
    """The whole: amount x rate / (1 + rate) by rate, halves up, once; worked out here with whole numbers."""
    lines = tuple(SaleLine(n, f"S{n}", qty, price, per=1) for n, (price, qty) in enumerate(prices, 1))
    sale = Sale(sale_id="s", till_id="t", currency="TWD", lines=lines, tenders=(), total=0)
    rates = {line.sku: (500, 1000)[line.line % 2] for line in lines}
    pieces = data.draw(st.permutations([line for line in lines for _ in range(line.qty)]))
    returned: dict[int, int] = {}
    came: Counter[int] = Counter()
    for line in pieces:
        for part in tax_back(sale, [ReturnedLine(line.line, line.sku, 1, 0)], returned, rates):
            assert part.amount > 0
            came[part.rate_bp] += part.amount
        returned[line.line] = returned.get(line.line, 0) + 1

    for rate in (500, 1000):
        amount = sum(line.unit_price * line.qty for line in lines if rates[line.sku] == rate)
        assert came[rate] == (2 * amount * rate + 10_000 + rate) // (2 * (10_000 + rate))


def test_damaged_pieces_are_no_goods_for_the_shelf() -> None:
    back = [ReturnedLine(1, "A", 3, 300), ReturnedLine(2, "B", 1, 100)]

    assert sellable([ReturnLine(1, 3, damaged=1), ReturnLine(2, 1, damaged=1)], back) == (ReturnedLine(1, "A", 2, 300),)
