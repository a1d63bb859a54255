"""The reservation's rules: for somebody, each product once, over when its time is; equal for equal words."""

from typing import Any

import pytest
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock.reservations import (
    Reservation,
    ReservationLine,
    State,
    check_reservation,
    content_hash,
    state_of,
)

LINES = (ReservationLine("A", 1), ReservationLine("B", 2))
HELD = Reservation(reservation_id="r1", lines=LINES, basket_id="b1")


@pytest.mark.parametrize("change", [{}, {"basket_id": None, "member_id": "m1"}, {"member_id": "m1"}])
def test_goods_are_held_for_a_basket_or_a_member(change: dict[str, Any]) -> None:
    check_reservation(replace(HELD, **change))


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"basket_id": None}, "reservation_for_nobody", "/basket_id"),
        ({"lines": (*LINES, LINES[0])}, "sku_held_twice", "/lines/2/sku"),
    ],
)
def test_what_cannot_be_held_is_refused_where_it_stands(change: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(RuleError) as refused:
        check_reservation(replace(HELD, **change))

    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_the_order_of_the_lines_is_no_other_content_and_any_word_is() -> None:
    assert content_hash(replace(HELD, lines=LINES[::-1])) == content_hash(HELD)
    assert len(content_hash(HELD)) == 16
    for change in ({"basket_id": "b2"}, {"lines": LINES[:1]}, {"hold_s": 60}, {"member_id": "m1"}):
        assert content_hash(replace(HELD, **change)) != content_hash(HELD)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "now_ms", "stands"),
    [
        ("held", 999, "held"),
        ("held", 1000, "expired"),
        ("held", 1001, "expired"),
        ("sold", 1001, "sold"),
        ("released", 1001, "released"),
    ],
)
def test_only_what_is_held_is_over_when_its_time_is(state: State, now_ms: int, stands: State) -> None:
    assert state_of(state, expires_ms=1000, now_ms=now_ms) == stands
