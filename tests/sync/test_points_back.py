"""Returns take back what their sale earned and give back what it burned: all of it together, never more, in whatever parts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sync.retail.points_back import return_points
from sync.retail.returns import ReturnLine
from sync.retail.sales import PointsEffect, Sale, SaleFact, SaleLine

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
