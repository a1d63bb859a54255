"""A quote and the check of the sale that follows it are one function: what was quoted differs in nothing, and adds up."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.catalogue import Name
from sync.retail.pricing import Effective
from sync.retail.promotions import Promotion
from sync.retail.quotes import Goods, differences, filled, quoted
from sync.retail.sales import Discount, Override, Sale, SaleLine, Tender, amount_of, check_sums
from sync.retail.windows import At

AT = At(datetime(2026, 9, 21, 12, tzinfo=UTC))
GOODS = {
    "A": Goods("each", price=Effective(1000, 1, "catalogue")),
    "B": Goods("each", category="tea", price=Effective(333, 1, "price_list", "l")),
    "W": Goods("g", price=Effective(2500, 600, "catalogue")),
    "N": Goods("each"),
}
OFFERS = (
    Promotion(promotion_id="p1", name=Name("任選", "Any 2"), kind="n_for_amount", count=2, amount=1200),
    Promotion(promotion_id="p2", name=Name(en="Tea"), kind="percent_off", rate_bp=1500, categories=frozenset({"tea"})),
    Promotion(promotion_id="p3", name=Name(en="By weight"), kind="percent_off", rate_bp=100, skus=frozenset({"W"})),
)
LINES = st.lists(
    st.tuples(st.sampled_from(sorted(GOODS)), st.integers(5, 900), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=5,
).map(
    lambda found: tuple(
        SaleLine(
            n,
            sku,
            qty,
            700,
            unit=GOODS[sku].unit,  # type: ignore[arg-type]
            discounts=(Discount(cents, "member"),) if cents else (),
            discount=cents,
            override=Override("label") if by_hand else None,
        )
        for n, (sku, qty, cents, by_hand) in enumerate(found, 1)
    )
)


def quote(lines: tuple[SaleLine, ...], **more: Any) -> tuple[SaleLine, ...]:
    return quoted(lines, GOODS, OFFERS, at=AT, is_member=False, **more).lines


@given(lines=LINES)
@settings(deadline=None)
def test_what_was_quoted_is_quoted_again_and_differs_in_nothing(lines: tuple[SaleLine, ...]) -> None:
    first = quote(lines)
    bare = tuple(replace(line, discount=0, discounts=()) for line in first)

    assert quote(first) == first
    for sold, shops in zip(first, quote(bare), strict=True):
        assert differences(sold, shops) == []


@given(lines=LINES)
@settings(deadline=None)
def test_what_was_quoted_adds_up_and_keeps_what_the_till_had_put_there(lines: tuple[SaleLine, ...]) -> None:
    found = quote(lines)
    total = sum(map(amount_of, found))

    check_sums(
        Sale(
            sale_id="s",
            till_id="t",
            currency="HKD",
            lines=found,
            tenders=(Tender("card", total),),
            total=total,
            rounding=0,
        )
    )
    for before, after in zip(lines, found, strict=True):
        assert [part for part in after.discounts if part.kind != "promotion"] == list(before.discounts)
        is_the_tills = before.override is not None or before.sku == "N"
        assert (after.unit_price == 700) == is_the_tills
        assert not (is_the_tills and any(part.kind == "promotion" for part in after.discounts))


def test_a_price_and_a_promotion_that_differ_are_named_once() -> None:
    (shops,) = quote((SaleLine(1, "B", 2, 0),))
    sold = replace(shops, unit_price=300)
    without = replace(shops, discount=0, discounts=())
    unexplained = replace(shops, discount=5, discounts=())

    assert [each.code for each in differences(sold, shops)] == ["price_differs"]
    assert [each.code for each in differences(without, shops)] == ["promotion_differs"]
    assert differences(unexplained, shops) == [], "a discount without a word may be the promotion's"


def test_discounts_beyond_the_line_are_refused_with_its_pointer() -> None:
    lines = (SaleLine(1, "A", 1, 0), SaleLine(2, "B", 1, 0, discount=334))

    with pytest.raises(RuleError) as refused:
        quote(lines)

    assert (refused.value.code, refused.value.pointer) == ("discount_above_amount", "/lines/1/discounts")


def test_the_quantity_that_a_price_is_for_is_the_shops_where_the_till_says_none() -> None:
    assert filled(SaleLine(1, "W", 1, 1, "g"), GOODS["W"]).per == 600
    assert filled(SaleLine(1, "W", 1, 1, "g", per=100), GOODS["W"]).per == 100
    assert filled(SaleLine(1, "W", 1, 1, "each"), GOODS["W"]).per == filled(SaleLine(1, "X", 1, 1), None).per == 1
