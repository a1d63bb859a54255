"""The three merges as pure functions: commutative, associative, idempotent; each law with a fault that it finds."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clock import Stamp
from sync.merge import ERASED, NEVER, Cell, FactDot, Merged, Version, larger, later, merge_cells, standing

reps = st.sampled_from(["a:1", "a:2", "b:1"])
dots = st.builds(FactDot, reps, st.integers(1, 4))
numbers = st.tuples(st.integers(0, 5), st.integers(0, 5))
versions = st.builds(Version, st.integers(0, 4), reps)
stamps = st.builds(Stamp, st.integers(0, 3), st.integers(0, 2), reps)
Merge = Callable[[Any, Any], Any]
"""Any: each kind merges its own values."""


@st.composite
def writers_rows(draw: st.DrawFn) -> list[dict[str, Cell]]:
    """Rows of writers; a stamp is given once, so it says one value."""
    values = draw(st.dictionaries(stamps, st.sampled_from(["x", "y"]), min_size=1, max_size=6))
    cells = [Cell(value, stamp) for stamp, value in values.items()]
    fields = st.sampled_from(["name", "phone"])
    rows = draw(st.lists(st.dictionaries(fields, st.sampled_from(cells), max_size=2), min_size=1, max_size=4))
    if draw(st.booleans()):
        rows[0] = rows[0] | {ERASED: Cell(True, cells[0].stamp)}
    return rows


def merged(one: dict[str, Cell], other: dict[str, Cell]) -> dict[str, Cell]:
    return merge_cells([one, other]).cells


def check_laws(merge: Merge, one: Any, other: Any, third: Any) -> None:
    assert merge(one, other) == merge(other, one), "commutative"
    assert merge(merge(one, other), third) == merge(one, merge(other, third)), "associative"
    assert merge(merge(one, other), other) == merge(one, other), "idempotent"


@given(*[dots] * 3)
def test_of_two_facts_with_a_key_the_same_one_stands_in_any_order(one: FactDot, other: FactDot, third: FactDot) -> None:
    check_laws(standing, one, other, third)
    check_laws(lambda a, b: standing(a, b, {"b:1": 2, "a:2": 1}), one, other, third)


@given(*[numbers] * 3)
def test_tallies_merge_to_the_larger_numbers(one: Any, other: Any, third: Any) -> None:
    check_laws(larger, one, other, third)
    assert larger(one, other) == tuple(sorted(pair)[1] for pair in zip(one, other, strict=True))


@given(*[versions] * 3)
def test_registers_merge_to_the_larger_version(one: Version, other: Version, third: Version) -> None:
    check_laws(later, one, other, third)


@given(writers_rows())
def test_shared_registers_merge_cell_by_cell(rows: list[dict[str, Cell]]) -> None:
    together = merge_cells(rows).cells
    assert merge_cells(reversed(rows)).cells == together
    assert merge_cells([*rows, *rows]).cells == together
    assert reduce(merged, rows, {}) == together
    assert merge_cells(rows).lost == merge_cells([*reversed(rows), *rows]).lost


def fault_sum(one: Any, other: Any) -> Any:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def fault_last(_one: Any, other: Any) -> Any:
    return other


def fault_n_alone(one: Version, other: Version) -> Version:
    return other if other.n >= one.n else one


def fault_rep_alone(one: FactDot, other: FactDot) -> FactDot:
    return one if one.rep <= other.rep else other


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        (fault_sum, [(1, 0), (2, 1), (0, 3)]),
        (fault_last, [(1, 0), (2, 1), (0, 3)]),
        (fault_last, [Version(1, "a:1"), Version(2, "a:1"), Version(1, "b:1")]),
        (fault_n_alone, [Version(1, "a:1"), Version(1, "b:1"), Version(2, "a:1")]),
        (fault_rep_alone, [FactDot("a:1", 2), FactDot("a:1", 1), FactDot("b:1", 1)]),
    ],
)
def test_a_planted_fault_breaks_a_law(fault: Merge, values: list[Any]) -> None:
    with pytest.raises(AssertionError):
        check_laws(fault, *values)


def test_a_larger_stamp_wins_whatever_a_version_or_the_order_says() -> None:
    early, late = Cell("old", Stamp(5, 0, "b:1")), Cell("new", Stamp(5, 1, "a:1"))
    assert merge_cells([{"phone": late}, {"phone": early}]).cells == {"phone": late}
    assert [lost.cell for lost in merge_cells([{"phone": late}, {"phone": early}]).lost] == [early]


def test_a_stamp_of_the_far_future_counts_as_the_one_that_the_cloud_put_in_its_place() -> None:
    far, near = Cell("far", Stamp(9999, 0, "a:1")), Cell("near", Stamp(7, 0, "b:1"))
    put = {far.stamp: Stamp(6, 0, "cloud:1")}
    assert (
        merge_cells([{"tier": far}, {"tier": near}], effective=lambda stamp: put.get(stamp, stamp)).cells["tier"]
        is near
    )


def test_of_sealed_writers_the_first_one_stands_for_ever() -> None:
    one, other = FactDot("a:1", 1), FactDot("b:1", 1)
    assert standing(one, other) == one
    assert standing(one, other, {"b:1": 1}) == other
    assert standing(one, other, {"b:1": 1, "a:1": 2}) == other
    assert standing(one, other, {"a:1": NEVER - 1}) == one


def test_of_two_rows_of_one_writer_the_later_one_stands() -> None:
    """It had taken the earlier one back before it wrote the later one, for another's that it adopted."""
    one, other = FactDot("a:1", 1), FactDot("a:1", 2)
    assert standing(one, other) == standing(other, one) == standing(one, other, {"a:1": 1}) == other


def stands_of(written: list[FactDot], seals: list[str]) -> FactDot:
    sealed = {rep: place for place, rep in enumerate(seals)}
    return reduce(lambda one, other: standing(one, other, sealed), written)


@given(
    st.lists(dots, min_size=1, max_size=6, unique=True),
    st.lists(reps, unique=True),
    reps,
    st.randoms(use_true_random=False),
)
def test_what_stands_by_a_seal_stands_in_any_order_of_learning_and_after_every_later_seal(
    written: list[FactDot], seals: list[str], later_seal: str, rng: Any
) -> None:
    stands = stands_of(written, seals)
    writers = {dot.rep for dot in written}

    assert stands.rep == next((rep for rep in seals if rep in writers), min(writers))
    assert stands_of(rng.sample(written, len(written)), seals) == stands
    if stands.rep in seals and later_seal not in seals:
        assert stands_of(written, [*seals, later_seal]) == stands


def test_what_is_erased_has_no_other_field() -> None:
    rows = [{"name": Cell("Mei", Stamp(9, 0, "a:1"))}, {ERASED: Cell(True, Stamp(1, 0, "b:1"))}]
    assert merge_cells(rows).cells.keys() == {ERASED} and merge_cells(rows).lost == ()
    assert merge_cells([{ERASED: Cell(False, Stamp(1, 0, "b:1"))}]).cells == {}, "only `true` erases"


def test_the_later_version_stands_and_of_two_lives_the_larger() -> None:
    assert later(Version(1, "b:1"), Version(2, "a:1")) == Version(2, "a:1")
    assert later(Version(2, "b:1"), Version(2, "a:1")) == Version(2, "b:1")


@pytest.mark.parametrize(
    ("value", "rep", "is_lost"),
    [("old", "b:1", True), ("new", "b:1", False), ("old", "a:1", False), ("new", "a:1", False)],
)
def test_a_person_sees_only_another_value_of_another_writer(value: str, rep: str, is_lost: bool) -> None:
    early, late = Cell(value, Stamp(5, 0, rep)), Cell("new", Stamp(6, 0, "a:1"))

    assert [lost.cell for lost in merge_cells([{"name": early}, {"name": late}]).lost] == [early] * is_lost


def test_a_register_says_whether_it_was_erased() -> None:
    cell = Cell(True, Stamp(1, 0, "b:1"))
    assert merge_cells([{ERASED: cell}]).is_erased and not merge_cells([{"name": cell}]).is_erased


def test_the_latest_word_that_it_was_erased_is_kept() -> None:
    first, last = Cell(True, Stamp(1, 0, "b:1")), Cell(True, Stamp(2, 0, "a:1"))
    assert merge_cells([{ERASED: last}, {ERASED: first}]).cells == {ERASED: last}


def test_of_what_nobody_wrote_nothing_stands() -> None:
    assert merge_cells([]) == merge_cells([{}]) == Merged({})
