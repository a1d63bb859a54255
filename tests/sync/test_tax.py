"""Tax that prices contain, against exact fractions."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from sync.retail.selling.sales import Sale, SaleLine, TaxPart, Tender
from sync.retail.selling.tax import TaxRates, tax_contained, tax_of

AMOUNTS = st.lists(st.tuples(st.sampled_from([0, 500, 800, 2000, 333]), st.integers(0, 10**9)), max_size=12)


@given(amounts=AMOUNTS)
def test_the_tax_of_a_rate_is_rounded_once_on_the_sum_of_its_amounts(amounts: list[tuple[int, int]]) -> None:
    parts = tax_contained(amounts)

    assert [part.rate_bp for part in parts] == sorted({rate for rate, _ in amounts if rate})
    for part in parts:
        gross = sum(amount for rate, amount in amounts if rate == part.rate_bp)
        net = Fraction(gross, 1) / (1 + Fraction(part.rate_bp, 10_000))
        assert abs(part.amount - (gross - net)) <= Fraction(1, 2)


def test_taiwans_five_per_cent_of_105_dollars_is_5() -> None:
    assert tax_contained([(500, 3500), (500, 7000)]) == (TaxPart(500, 500),)


def test_half_a_unit_is_rounded_up() -> None:
    assert tax_contained([(2000, 3)]) == (TaxPart(2000, int(Decimal("0.5").quantize(Decimal(1), ROUND_HALF_UP))),)


def test_a_sale_is_taxed_by_category_after_discount_and_without_its_rounding() -> None:
    lines = (
        SaleLine(1, "TEA", 1, 1050, per=1),
        SaleLine(2, "RICE", 2, 1000, per=1, discount=950),
        SaleLine(3, "ODD", 1, 105, per=1, open_item=True),
    )
    sale = Sale(
        sale_id="s", till_id="t", currency="TWD", lines=lines, tenders=(Tender("cash", 2200),), total=2200, rounding=-5
    )

    parts = tax_of(sale, TaxRates(500, {"food": 0, "drink": 1000}), {"TEA": "drink", "RICE": "food"})

    assert parts == (TaxPart(500, 5), TaxPart(1000, 95))


def sold(*skus: str) -> Sale:
    """A sale of one piece each at 105."""
    lines = tuple(SaleLine(number, sku, 1, 105, per=1) for number, sku in enumerate(skus, 1))
    total = 105 * len(lines)
    return Sale(sale_id="s", till_id="t", currency="TWD", lines=lines, tenders=(Tender("cash", total),), total=total)


def test_a_shop_of_one_rate_taxes_all_goods_by_it() -> None:
    assert tax_of(sold("TEA", "RICE"), TaxRates(500), {"TEA": "drink", "RICE": None}) == (TaxPart(500, 10),)


def test_a_shop_without_a_rate_of_its_own_taxes_the_categories_that_have_one() -> None:
    rates = TaxRates(0, {"drink": 500})

    assert tax_of(sold("TEA", "RICE"), rates, {"TEA": "drink", "RICE": "food"}) == (TaxPart(500, 5),)


def test_where_nothing_is_taxed_a_sale_contains_none() -> None:
    """Hong Kong has no tax on sales."""
    assert tax_of(sold("TEA"), TaxRates(), {"TEA": "drink"}) == ()
    assert tax_of(sold("TEA"), TaxRates(0, {"drink": 0}), {"TEA": "drink"}) == ()
