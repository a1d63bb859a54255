"""Visitors: the laws of the rule, on histories of sensors and wires that repeat; each law kills a planted fault."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.retail.visitors import footfall
from sync.retail.visitors.footfall import (
    BEHIND_MAX_MS,
    DELTA_IDS_MAX,
    DELTA_WINDOW,
    Judged,
    Sensor,
    Verdict,
    judge,
    quarter_of,
    total,
)
from tests.sync.footfall_world import NOW, Judge, Said, delta, run, sums, totals


@dataclass(frozen=True)
class History:
    """What a sensor said in its order, and who really came and left since its first word."""

    readings: tuple[Said, ...]
    came: int
    left: int


@st.composite
def total_histories(draw: st.DrawFn) -> History:
    """Running totals with restarts, told by a boot id, by a later time, or by both; several in one millisecond."""
    has_boot = draw(st.booleans())
    has_time = draw(st.booleans()) or not has_boot
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 5), st.booleans()), min_size=1, max_size=25
        )
    )
    came, left = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    at_ms, boot, counted = NOW - 1000, 0, [0, 0]
    readings = [totals(came, left, at_ms=at_ms if has_time else None, boot=str(boot) if has_boot else None)]
    for more_in, more_out, later_ms, restarts in steps:
        at_ms += later_ms
        if restarts and boot < footfall.BOOTS_MAX and (more_in < came or more_out < left):
            came = left = 0
            boot, at_ms = boot + 1, at_ms + 1
        came, left = came + more_in, left + more_out
        counted = [counted[0] + more_in, counted[1] + more_out]
        readings.append(totals(came, left, at_ms=at_ms if has_time else None, boot=str(boot) if has_boot else None))
    return History(tuple(readings), *counted)


@st.composite
def delta_histories(draw: st.DrawFn) -> History:
    """Deltas with numbers that grow, with words, or without ids but each with its packet id."""
    how = draw(st.sampled_from(["numbers", "words", "packets"]))
    amounts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=40))
    n, readings = draw(st.integers(0, 100)), []
    for place, amount in enumerate(amounts, 1):
        n += draw(st.integers(1, 3))
        words = {"numbers": str(n), "words": f"id-{n}", "packets": None}[how]
        readings.append(delta(amount, words, packet_id=place))
    return History(tuple(readings), sum(amounts), 0)


histories = st.one_of(total_histories(), delta_histories())


def with_repeats(history: History, rng: random.Random) -> list[Said]:
    """Deliver in order; at any place, bring again any of what was delivered, in any order, as a redelivery."""
    delivered: list[Said] = []
    for place, reading in enumerate(history.readings):
        delivered.append(reading)
        before = history.readings[: place + 1]
        for again in rng.sample(before, rng.randint(0, min(3, len(before)))):
            delivered.append(Said(**{**again.__dict__, "redelivered": True}))
    return delivered


def law_sum_is_what_happened(rule: Judge, history: History) -> bool:
    return sums(run(history.readings, rule)) == (history.came, history.left)


def law_repeats_change_nothing(rule: Judge, history: History, seed: int) -> bool:
    return sums(run(with_repeats(history, random.Random(seed)), rule)) == (history.came, history.left)


def law_retained_counts_nothing(rule: Judge, history: History, seed: int) -> bool:
    rng = random.Random(seed)
    told = list(history.readings)
    for reading in rng.sample(history.readings, min(3, len(told))):
        told.insert(rng.randint(1, len(told)), Said(**{**reading.__dict__, "retained": True}))
    return sums(run(told, rule)) == (history.came, history.left)


@given(histories)
def test_the_sum_of_the_windows_is_what_happened(history: History) -> None:
    assert law_sum_is_what_happened(judge, history)


@given(histories, st.integers())
def test_repeats_in_any_order_change_no_sum(history: History, seed: int) -> None:
    assert law_repeats_change_nothing(judge, history, seed)


@given(histories, st.integers())
def test_retained_messages_change_no_sum(history: History, seed: int) -> None:
    assert law_retained_counts_nothing(judge, history, seed)


@given(histories, st.integers(0, 10 * BEHIND_MAX_MS), st.integers())
def test_a_clock_that_is_wrong_moves_no_sum_only_windows(history: History, ahead_ms: int, seed: int) -> None:
    wrong = [
        Said(**{**reading.__dict__, "at_ms": None if reading.at_ms is None else reading.at_ms + ahead_ms})
        for reading in history.readings
    ]
    assert sums(run(wrong)) == (history.came, history.left)
    again = with_repeats(History(tuple(wrong), history.came, history.left), random.Random(seed))
    assert sums(run(again)) == (history.came, history.left)


@given(st.permutations(list(range(DELTA_WINDOW + 1))))
def test_numbered_deltas_within_the_window_count_in_any_order(order: list[int]) -> None:
    assert sums(run([delta(1, str(100 + n)) for n in order])) == (DELTA_WINDOW + 1, 0)


@given(histories)
def test_what_is_kept_is_bounded_and_fits_the_file(history: History) -> None:
    for judged in run(history.readings):
        if judged.sensor is not None:
            assert judged.sensor.delta_bits < 2**63
            assert len(judged.sensor.delta_ids) <= DELTA_IDS_MAX
            assert len(judged.sensor.former_boots) <= footfall.BOOTS_MAX


def any_drop_is_a_reset(sensor: Sensor | None, reading: Said, *, now_ms: int) -> Judged:
    judged = judge(sensor, reading, now_ms=now_ms)
    if judged.verdict is Verdict.STALE and reading.in_total is not None:
        return Judged(Verdict.RESET, judged.sensor, quarter_of(now_ms), reading.in_total, reading.out_total or 0)
    return judged


def former_boots_are_forgotten(sensor: Sensor | None, reading: Said, *, now_ms: int) -> Judged:
    return judge(sensor and replace(sensor, former_boots=()), reading, now_ms=now_ms)


def seen_ids_are_forgotten(sensor: Sensor | None, reading: Said, *, now_ms: int) -> Judged:
    return judge(sensor and replace(sensor, delta_bits=0, delta_ids=()), reading, now_ms=now_ms)


def retained_is_news(sensor: Sensor | None, reading: Said, *, now_ms: int) -> Judged:
    return judge(sensor, Said(**{**reading.__dict__, "retained": False}), now_ms=now_ms)


def a_reset_counts_nothing(sensor: Sensor | None, reading: Said, *, now_ms: int) -> Judged:
    judged = judge(sensor, reading, now_ms=now_ms)
    return replace(judged, entered=0, exited=0) if judged.verdict is Verdict.RESET else judged


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        (any_drop_is_a_reset, law_repeats_change_nothing),
        (former_boots_are_forgotten, law_repeats_change_nothing),
        (seen_ids_are_forgotten, law_repeats_change_nothing),
        (retained_is_news, law_retained_counts_nothing),
        (a_reset_counts_nothing, lambda rule, history, _seed: law_sum_is_what_happened(rule, history)),
    ],
)
def test_a_planted_fault_breaks_a_law(fault: Judge, law: Callable[[Judge, History, int], bool]) -> None:
    """One history that the fault cannot survive, of each sort; the laws must say so."""
    boots = tuple(totals(came, boot=boot) for came, boot in ((5, "a"), (9, "a"), (2, "b"), (4, "b")))
    deltas = tuple(delta(2, str(n), packet_id=n) for n in range(1, 9))
    examples = (History(boots, 8, 0), History(deltas, 16, 0))
    assert all(law(judge, history, seed) for history in examples for seed in range(20))
    assert not all(law(fault, history, seed) for history in examples for seed in range(20))


@given(histories)
def test_the_total_is_the_sum_of_both_ways(history: History) -> None:
    assert total(run(history.readings)) == (history.came, history.left)
