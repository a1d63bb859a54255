"""The stocktake's rule: a shelf that is counted while the shop sells comes out as it is, whoever counts, late or twice."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import RuleError
from sync.retail.stock import counts
from sync.retail.stock.counts import Since
from sync.retail.stock.movements import Movement, MovementLine

MOVES = st.lists(st.integers(-5, 5), max_size=6)
REP = "hk01:1"


def check_count(before: list[int], lost: int, after: list[int]) -> None:
    """`lost` went without a record; the shelf is counted, the shop goes on, then the count is booked: the books are the shelf."""
    on_hand = 40 + sum(before)
    shelf = on_hand - lost
    counted = shelf
    on_hand, shelf = on_hand + sum(after), shelf + sum(after)
    on_hand += counts.count_difference(counted, on_hand=on_hand, since=[Since(qty) for qty in after])
    assert on_hand == shelf
    assert counts.count_difference(shelf, on_hand=on_hand) == 0


@given(before=MOVES, lost=st.integers(-5, 5), after=MOVES)
def test_sales_between_counting_and_posting_are_not_corrected_away(
    before: list[int], lost: int, after: list[int]
) -> None:
    check_count(before, lost, after)


def check_counts(lost: int, between: list[list[int]], mistakes: list[int]) -> None:
    """Several people count one shelf and none has seen another's count; the last one counts right, and its word stands."""
    on_hand, shelf = 40, 40 - lost
    since: list[list[Since]] = [[] for _ in between]
    counted: list[int] = []
    for n, moves in enumerate(between):
        counted.append(shelf + (mistakes[n] if n + 1 < len(between) else 0))
        shelf, on_hand = shelf + sum(moves), on_hand + sum(moves)
        for earlier in since[: n + 1]:
            earlier += [Since(qty) for qty in moves]
    for n, figure in enumerate(counted):
        difference = counts.count_difference(figure, on_hand=on_hand, since=since[n])
        on_hand += difference
        for later in since[n + 1 :]:
            later.append(Since(difference, is_count=True))
    assert on_hand == shelf


@given(
    lost=st.integers(-5, 5),
    between=st.lists(MOVES, min_size=1, max_size=4),
    mistakes=st.lists(st.integers(-9, 9), min_size=4, max_size=4),
)
def test_what_is_lost_is_lost_once_however_many_count_it(
    lost: int, between: list[list[int]], mistakes: list[int]
) -> None:
    check_counts(lost, between, mistakes)


def code_of(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(RuleError) as refused:
        call(*args, **options)
    return refused.value.code


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "count_empty"),
        ((MovementLine("A", 1), MovementLine("A", 1)), "sku_counted_twice"),
        ((MovementLine("A", -1),), "count_negative"),
    ],
)
def test_a_count_that_can_mean_nothing_is_refused(lines: tuple[MovementLine, ...], code: str) -> None:
    counts.check_count(Movement("c1", reason="count", lines=(MovementLine("A", 0), MovementLine("B", 2))))

    assert code_of(counts.check_count, Movement("c1", reason="count", lines=lines)) == code


KNOWN = {REP: {"sales": 9, "stock": 4}, "hk01:0": {"sales": 5}}


def check(seen: dict[str, dict[str, int]], **options: Any) -> None:
    counts.check_vector(seen, **({"store": "hk01", "known": KNOWN, "ended": (), "pruned": {}} | options))


@pytest.mark.parametrize(
    ("seen", "options", "code"),
    [
        ({"hk02:1": {"sales": 1}}, {}, "count_elsewhere"),
        ({REP: {"sales": 10}}, {}, "count_ahead"),
        ({REP: {"returns": 1}}, {}, "count_ahead"),
        ({"hk01:9": {"sales": 1}}, {}, "count_ahead"),
        ({REP: {"sales": 5}}, {"pruned": {REP: {"sales": 6}}}, "count_too_old"),
        ({}, {"pruned": {REP: {"stock": 1}}}, "count_too_old"),
    ],
)
def test_a_vector_that_cannot_be_compared_is_refused(seen: Any, options: Any, code: str) -> None:
    assert code_of(check, seen, **options) == code


def test_a_vector_up_to_what_is_here_can_be_compared() -> None:
    check(KNOWN)
    check({REP: {"sales": 6}}, pruned={REP: {"sales": 6}})
    check({REP: {"returns": 0}})
    check({REP: {}}, pruned={REP: {"returns": 0}})
    check({"hk01:0": {"sales": 8}}, ended=("hk01:0",))
    check({REP: {}}, ended=("hk01:0",), pruned={"hk01:0": {"sales": 5}})


def test_the_flag_says_what_was_found_and_what_was_booked() -> None:
    assert counts.differs("A", 7, -2).detail == "7 counted, -2 booked"
    assert counts.differs("A", 7, 3).detail == "7 counted, +3 booked"


# planted faults


def to_the_figure_of_now(counted: int, *, on_hand: int, **_since: Any) -> int:
    return counted - on_hand


def that_forgets_other_counts(counted: int, *, on_hand: int, since: Any = ()) -> int:
    return counted - on_hand + sum(each.qty for each in since)


@pytest.mark.parametrize(
    ("fault", "law", "inputs"),
    [
        (to_the_figure_of_now, check_count, ([1], 2, [-3])),
        (that_forgets_other_counts, check_counts, (2, [[], []], [0, 0, 0, 0])),
    ],
)
def test_a_planted_fault_breaks_its_law(
    fault: Callable[..., Any], law: Callable[..., None], inputs: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    law(*inputs)
    monkeypatch.setattr(counts, "count_difference", fault)

    with pytest.raises(AssertionError):
        law(*inputs)
