"""What points are worth: a sale takes off just that, a quote finds the most that a sale may burn by the fewest points."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.retail.people.points_worth import (
    Fewer,
    PointsWorth,
    against,
    burnable,
    most_for,
    share_of,
    worth_of,
)
from sync.retail.selling.sales import Discount, Sale, SaleLine, Tender, amount_of, check_sums

TENNER = PointsWorth(points=100, minor=1000)
WORTHS = st.builds(
    PointsWorth,
    points=st.integers(1, 300),
    minor=st.integers(1, 3000),
    min=st.integers(1, 300),
    step=st.integers(1, 120),
    max_pct=st.integers(1, 100),
)
BOUNDS = st.dictionaries(st.sampled_from(["balance", "cap", "goods", "share"]), st.integers(0, 1000))


def a_sale(burned: int, *, taken: int = 0, by_tender: int = 0, goods: int = 5000) -> Sale:
    """Goods for so much, `taken` off them for points, `by_tender` of the rest paid by them; others beside."""
    parts = (Discount(taken, "points"),) if taken else ()
    lines = (
        SaleLine(1, "A", 1, goods + 10, per=1, discount=taken + 10, discounts=(Discount(10, "member"), *parts)),
        SaleLine(2, "B", 1, 0, per=1),
    )
    total = sum(map(amount_of, lines))
    sale = Sale(
        sale_id="s",
        till_id="t",
        currency="HKD",
        lines=lines,
        tenders=(Tender("card", total - by_tender), Tender("points", by_tender)),
        total=total,
        member_id="m",
        points_burned=burned,
    )
    check_sums(sale)
    return sale


def found(sale: Sale, **fields: Any) -> list[str]:
    return [each.code for each in against(sale, PointsWorth(**({"points": 100, "minor": 1000} | fields)))]


def test_a_sale_takes_off_what_its_points_are_worth_and_no_minor_unit_beside() -> None:
    assert found(a_sale(100, taken=1000)) == found(a_sale(0)) == []
    for taken in (999, 1001):
        assert found(a_sale(100, taken=taken)) == ["points_worth"]
    assert found(a_sale(100)) == ["points_worth"], "points that buy nothing"
    (wrong,) = against(a_sale(100, taken=999), TENNER)
    assert (wrong.pointer, str(wrong)) == ("/points_burned", "100 points are worth 1000, 999 is taken off for them")


def test_the_declared_tender_carries_them_and_no_other_does() -> None:
    assert found(a_sale(100, by_tender=1000), tender="points") == []
    assert found(a_sale(100, taken=400, by_tender=600), tender="points") == []
    assert found(a_sale(100, by_tender=1000)) == ["points_worth"]
    assert found(a_sale(0, by_tender=1000), tender="points") == ["points_worth"], "paid by points that nobody burns"


def test_points_are_burned_from_a_number_on_in_steps_and_for_a_share_of_the_goods() -> None:
    assert found(a_sale(99, taken=990), min=100) == ["points_min"]
    assert found(a_sale(100, taken=1000), min=100, step=50, max_pct=20) == []
    assert found(a_sale(101, taken=1010), min=100, step=100) == ["points_step"]
    assert found(a_sale(100, taken=1000), max_pct=19) == ["points_share"]
    assert found(a_sale(101, taken=1010), max_pct=20) == ["points_share"]
    assert found(a_sale(100, by_tender=1000), max_pct=19, tender="points") == ["points_share"]
    assert found(a_sale(0), min=100, step=100, max_pct=1) == []


def test_parts_of_a_minor_unit_are_not_given() -> None:
    assert [worth_of(PointsWorth(points=3, minor=2), points) for points in range(5)] == [0, 0, 1, 2, 2]
    assert share_of(PointsWorth(points=1, minor=1, max_pct=33), 100) == 33
    assert share_of(PointsWorth(points=1, minor=1, max_pct=33), 101) == 33


@given(worth=WORTHS, amount=st.integers(0, 10**6))
def test_the_most_points_for_an_amount_are_worth_no_more_and_one_more_is(worth: PointsWorth, amount: int) -> None:
    most = most_for(worth, amount)
    assert worth_of(worth, most) <= amount < worth_of(worth, most + 1)


@given(worth=WORTHS, wanted=st.integers(1, 1000), bounds=BOUNDS, fit=st.integers(0, 1000))
@example(worth=PointsWorth(points=1, minor=1, min=7, step=5), wanted=9, bounds={}, fit=1000)
def test_what_is_quoted_is_the_most_worth_that_every_bound_allows_by_the_fewest_points(
    worth: PointsWorth, wanted: int, bounds: dict[Fewer, int], fit: int
) -> None:
    """Held against trying all numbers."""
    most = min((wanted, fit, *bounds.values()))
    allowed = [0, *(each for each in range(worth.min, most + 1) if each % worth.step == 0)]
    best = max(worth_of(worth, each) for each in allowed)
    points, why = burnable(worth, wanted, bounds, fits=lambda each: each <= fit)

    assert points == next(each for each in allowed if worth_of(worth, each) == best)
    assert bool(why) == (points < wanted)
    assert {word for word in why if word in bounds} == {word for word, bound in bounds.items() if bound < wanted}


@pytest.mark.parametrize(
    ("fields", "wanted", "bounds", "fit", "expected"),
    [
        ({}, 250, {}, 999, (250, ())),
        ({}, 250, {"balance": 250}, 999, (250, ())),
        ({}, 250, {"balance": 249, "cap": 40}, 999, (40, ("balance", "cap"))),
        ({"step": 100}, 250, {}, 999, (200, ("step",))),
        ({"step": 100}, 50, {}, 999, (0, ("step",))),
        ({"min": 2}, 1, {}, 999, (0, ("min",))),
        ({"step": 100, "min": 201}, 250, {}, 999, (0, ("step", "min"))),
        ({"min": 250}, 250, {}, 999, (250, ())),
        ({"min": 251}, 250, {}, 999, (0, ("min",))),
        ({"min": 100, "step": 40}, 130, {}, 999, (120, ("step",))),
        ({"min": 100}, 250, {}, 99, (0, ("coupons",))),
        ({"min": 100}, 250, {}, 100, (100, ("coupons",))),
        ({"step": 50}, 250, {}, 249, (200, ("coupons",))),
        ({"points": 100, "minor": 10}, 255, {}, 999, (250, ("worth",))),
        ({"points": 100, "minor": 10}, 9, {}, 999, (0, ("worth",))),
        ({"points": 100, "minor": 10, "min": 253}, 255, {}, 999, (253, ("worth",))),
    ],
)
def test_why_fewer_are_burned_is_said(
    fields: dict[str, Any], wanted: int, bounds: dict[Fewer, int], fit: int, expected: Any
) -> None:
    worth = PointsWorth(**({"points": 100, "minor": 1000} | fields))
    assert burnable(worth, wanted, bounds, fits=lambda each: each <= fit) == expected


def test_what_else_a_sale_has_may_mind_some_numbers_and_not_those_above_them() -> None:
    """Parts of a discount are rounded: what is found fits, and is not more than was wanted."""
    fits = {0, 100, 200, 300}.__contains__
    assert burnable(PointsWorth(points=1, minor=1, step=100, min=100), 299, {}, fits=fits) == (200, ("step",))
    assert burnable(PointsWorth(points=1, minor=1, step=50, min=50), 299, {}, fits=fits)[0] in {100, 200}
