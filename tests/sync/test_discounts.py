"""A sale's discount on its lines: exact to the last minor unit, in proportion, never more than a line."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.selling.discounts import discounted, room, spread, with_sale_discount
from sync.retail.selling.sales import DISCOUNTS_MAX, Discount, SaleLine, amount_of

COSTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=20)


@st.composite
def costs_and_amount(draw: st.DrawFn) -> tuple[list[int], int]:
    costs = draw(COSTS)
    return costs, draw(st.integers(0, sum(costs)))


@given(drawn=costs_and_amount())
def test_parts_add_up_and_each_is_its_quota_rounded_down_or_up(drawn: tuple[list[int], int]) -> None:
    """By exact fractions, which the rule does not use."""
    costs, amount = drawn

    parts = spread(amount, costs)

    assert sum(parts) == amount
    for part, cost in zip(parts, costs, strict=True):
        quota = Fraction(amount * cost, sum(costs)) if amount else Fraction(0)
        assert 0 <= part <= cost
        assert abs(part - quota) < 1


@given(drawn=costs_and_amount())
def test_nobody_rounded_down_has_a_larger_fraction_than_anybody_rounded_up(drawn: tuple[list[int], int]) -> None:
    costs, amount = drawn
    parts = spread(amount, costs)
    rest = [Fraction(amount * cost, sum(costs) or 1) % 1 for cost in costs]
    up = [rest[n] for n, part in enumerate(parts) if part > Fraction(amount * costs[n], sum(costs) or 1)]
    down = [rest[n] for n, part in enumerate(parts) if part < Fraction(amount * costs[n], sum(costs) or 1)]

    assert not up or not down or max(down) <= min(up)


def test_among_equals_the_first_line_pays_less() -> None:
    assert spread(100, (100, 100, 100)) == (34, 33, 33)


@pytest.mark.parametrize("amount", [-1, 301])
def test_what_is_more_than_all_lines_cannot_be_shared_out(amount: int) -> None:
    with pytest.raises(ValueError, match="shared out"):
        spread(amount, (100, 200))


def test_a_discount_on_the_sale_stands_on_its_lines_beside_their_own() -> None:
    lines = (
        SaleLine(1, "A", 1, 1000, per=1, discount=100),
        SaleLine(2, "B", 250, 2500, "g", per=600, discount=42, discounts=(Discount(42, "promotion", "p1"),)),
        SaleLine(3, "BAG", 1, 0, per=1),
    )

    shared = with_sale_discount(lines, 200, reason="opening day")

    assert sum(map(amount_of, shared)) == sum(map(amount_of, lines)) - 200
    assert shared[0].discounts == (Discount(100, "manual"), Discount(95, "sale", reason="opening day"))
    assert shared[1].discounts == (Discount(42, "promotion", "p1"), Discount(105, "sale", reason="opening day"))
    assert shared[2] == lines[2]


def test_a_discount_on_the_sale_is_at_most_what_it_costs() -> None:
    with pytest.raises(RuleError) as refused:
        with_sale_discount((SaleLine(1, "A", 1, 1000, per=1),), 1001)

    assert refused.value.code == "discount_above_amount"
    (free,) = with_sale_discount((SaleLine(1, "A", 1, 1000, per=1),), 1000)
    assert free.discount == 1000


def test_a_further_discount_keeps_the_sum() -> None:
    line = discounted(SaleLine(1, "A", 1, 1000, per=1), Discount(10, "member"))

    assert (line.discount, line.discounts) == (10, (Discount(10, "member"),))


def test_a_line_that_has_as_many_discounts_as_a_line_can_has_no_room_for_another() -> None:
    def line(parts: int) -> SaleLine:
        return SaleLine(1, "A", 1, 1000, per=1, discount=parts, discounts=(Discount(1, "member"),) * parts)

    assert room([line(DISCOUNTS_MAX - 1), line(DISCOUNTS_MAX), line(0)]) == [1000 - DISCOUNTS_MAX + 1, 0, 1000]
