"""A quote and the check of the sale that follows it are one function: what was quoted differs in nothing, and adds up."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.catalogue.pricing import Effective
from sync.retail.catalogue.promotions import Promotion
from sync.retail.catalogue.quotes import Goods, differences, filled, quoted
from sync.retail.names import Name
from sync.retail.selling.sales import Discount, Override, Sale, SaleLine, Tender, amount_of, check_sums
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


def test_a_price_by_grace_is_said_only_where_it_is_the_price() -> None:
    graced = {
        **GOODS,
        "G": Goods("each", price=Effective(500, 1, "price_list", "l", by_grace=True)),
    }

    def by_grace(*lines: SaleLine, offers: tuple[Promotion, ...] = (), at: At = AT) -> bool:
        return quoted(lines, graced, offers, at=at, is_member=False).by_grace

    of_grace, of_none = SaleLine(1, "G", 1, 1), SaleLine(2, "A", 1, 1)
    assert by_grace(of_none, of_grace) and by_grace(of_grace)
    assert not by_grace(of_none) and not by_grace(SaleLine(1, "X", 1, 1), SaleLine(2, "N", 1, 1))
    assert not by_grace(replace(of_grace, override=Override("label")), of_none)
    unsure = At(AT.moment, is_sure=False, grace_ms=24 * 3600 * 1000)
    yesterdays = replace(OFFERS[1], valid_until=date(2026, 9, 20))
    tea, rice = SaleLine(1, "B", 1, 1), SaleLine(2, "W", 600, 1, "g")
    assert by_grace(tea, rice, offers=(yesterdays, OFFERS[2]), at=unsure)
    assert not by_grace(tea, rice, offers=(OFFERS[1], OFFERS[2]), at=unsure)


def test_goods_that_nobody_knows_or_in_another_unit_are_sold_as_the_till_says() -> None:
    unknown, pieces = SaleLine(1, "X", 2, 700), SaleLine(2, "W", 2, 700, "each")

    assert quote((unknown, pieces)) == (replace(unknown, per=1), replace(pieces, per=1))


def test_a_discount_that_says_of_nothing_is_the_tills_own_and_parts_make_the_sum() -> None:
    unexplained = SaleLine(1, "A", 1, 1000, per=1, discount=1000)
    unsummed = SaleLine(2, "A", 1, 1000, per=1, discounts=(Discount(5, "member"),))

    found = quoted((unexplained, unsummed), GOODS, (), at=AT, is_member=False).lines

    assert found[0] == replace(unexplained, discounts=(Discount(1000, "manual"),)), "the whole line, and no more"
    assert found[1] == replace(unsummed, discount=5)


def test_a_discount_of_another_kind_explains_no_missing_promotion() -> None:
    (shops,) = quote((SaleLine(1, "B", 2, 0),))
    sold = replace(shops, discount=5, discounts=(Discount(5, "member"),))

    assert [each.code for each in differences(sold, shops)] == ["promotion_differs"]


def test_a_promotion_is_named_on_the_line_in_both_languages_and_in_characters_that_print() -> None:
    odd = replace(OFFERS[1], name=Name("茶\u200b", "Te\na " + "x" * 300))

    (found,) = quoted((SaleLine(1, "B", 2, 333, per=1),), GOODS, (odd,), at=AT, is_member=False).lines

    assert found.discounts == (Discount(100, "promotion", "p2", ("茶 Tea " + "x" * 300)[:200]),)
