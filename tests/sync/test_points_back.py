"""Returns take back what their sale earned and give back what it burned: all of it together, never more, in whatever parts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sync.retail.people.points_back import return_points
from sync.retail.selling.returns import ReturnLine
from sync.retail.selling.sales import PointsEffect, Sale, SaleFact, SaleLine

AT = datetime(2026, 9, 21, tzinfo=UTC)


@st.composite
def sold(draw: st.DrawFn) -> SaleFact:
    lines = []
    for n in range(1, draw(st.integers(1, 4)) + 1):
        qty, price = draw(st.integers(1, 6)), draw(st.integers(1, 5000))
        lines.append(SaleLine(n, "TEA", qty, price, discount=draw(st.integers(0, qty * price)), per=1))
    sale = Sale(sale_id="s", till_id="t", currency="HKD", lines=tuple(lines), tenders=(), total=0, member_id="m")
    earned = draw(st.integers(0, 10_000)) if sum(line.qty * line.unit_price - line.discount for line in lines) else 0
    burned = draw(st.integers(0, 10_000))
    points = tuple(PointsEffect("m", each) for each in (earned, -burned) if each)
    return SaleFact(sale=sale, receipt_no="r", business_date="2026-09-21", committed_at=AT, points=points)


@given(sold(), st.randoms(use_true_random=False))
def test_all_pieces_back_one_by_one_undo_all_points_of_the_sale(fact: SaleFact, rng: object) -> None:
    pieces = [line.line for line in fact.sale.lines for _ in range(line.qty)]
    rng.shuffle(pieces)  # type: ignore[attr-defined]
    returned: dict[int, int] = {}
    sums = {1: 0, -1: 0}
    for piece in pieces:
        for effect in return_points(fact, (ReturnLine(piece, 1),), dict(returned)):
            assert effect.member_id == "m"
            sums[1 if effect.points < 0 else -1] -= effect.points
        returned[piece] = returned.get(piece, 0) + 1
        for effect in fact.points:
            sign = 1 if effect.points > 0 else -1
            assert 0 <= sums[sign] * sign <= effect.points * sign
    for effect in fact.points:
        assert sums[1 if effect.points > 0 else -1] == effect.points


@given(sold())
def test_more_than_was_sold_takes_no_more_points(fact: SaleFact) -> None:
    whole = {line.line: line.qty for line in fact.sale.lines}
    assert return_points(fact, (ReturnLine(1, 1),), whole) == ()


def a_sale(*points: int) -> SaleFact:
    """One line of 100, one of 200 of which half was discounted, one that was given away."""
    lines = (
        SaleLine(1, "TEA", 1, 100, per=1),
        SaleLine(2, "TEA", 1, 200, per=1, discount=100),
        SaleLine(3, "TEA", 1, 300, per=1, discount=300),
    )
    sale = Sale(sale_id="s", till_id="t", currency="HKD", lines=lines, tenders=(), total=200, member_id="m")
    effects = tuple(PointsEffect("m", each) for each in points)
    return SaleFact(sale=sale, receipt_no="r", business_date="2026-09-21", committed_at=AT, points=effects)


def test_earned_goes_by_what_was_paid_and_burned_by_what_the_goods_cost() -> None:
    def back(line: int, *points: int) -> list[int]:
        return [each.points for each in return_points(a_sale(*points), (ReturnLine(line, 1),), {})]

    assert back(1, 100, -600) == [-50, 100]
    assert back(2, 100, -600) == [-50, 200]
    assert back(3, 1, -600) == [300], "nothing was earned by what was given away, not even the last point"


def test_a_sale_that_came_to_nothing_has_nothing_to_take_back() -> None:
    lines = (SaleLine(1, "TEA", 1, 100, per=1, discount=100),)
    fact = a_sale(7)
    free = SaleFact(
        sale=Sale(sale_id="s", till_id="t", currency="HKD", lines=lines, tenders=(), total=0, member_id="m"),
        receipt_no="r",
        business_date="2026-09-21",
        committed_at=AT,
        points=fact.points,
    )

    assert return_points(free, (ReturnLine(1, 1),), {}) == ()
