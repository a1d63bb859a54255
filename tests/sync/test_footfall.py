"""Visitors: the laws of the rule, on histories of sensors and wires that repeat; each law kills a planted fault."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.retail.visitors import footfall
from sync.retail.visitors.footfall import (
    AHEAD_MAX_MS,
    BEHIND_MAX_MS,
    DELTA_IDS_MAX,
    DELTA_N_MAX,
    DELTA_WINDOW,
    QUARTER_MS,
    Judged,
    Sensor,
    Verdict,
    judge,
    quarter_of,
    total,
)

NOW = 1_790_000_000_000
Judge = Callable[..., Judged]


@dataclass(frozen=True)
class Said:
    """A reading; the rule knows only its fields."""

    sensor: str = "door"
    entrance: str = "door"
    at_ms: int | None = None
    boot: str | None = None
    in_total: int | None = None
    out_total: int | None = None
    in_delta: int | None = None
    out_delta: int | None = None
    delta_id: str | None = None
    packet_id: int = 0
    redelivered: bool = False
    retained: bool = False
    wraps_at: int | None = None
    is_in_order: bool = False


def totals(came: int, left: int = 0, **more: Any) -> Said:
    return Said(in_total=came, out_total=left, **more)


def delta(came: int, words: str | None = None, **more: Any) -> Said:
    return Said(in_delta=came, out_delta=0, delta_id=words, **more)


def run(readings: Sequence[Said], rule: Judge = judge, now_ms: int = NOW) -> list[Judged]:
    sensor, judged = None, []
    for reading in readings:
        judged.append(rule(sensor, reading, now_ms=now_ms))
        sensor = judged[-1].sensor
    return judged


def sums(judged: Sequence[Judged]) -> tuple[int, int]:
    return sum(each.entered for each in judged), sum(each.exited for each in judged)


def verdicts(*readings: Said) -> list[Verdict]:
    return [each.verdict for each in run(readings)]


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


def test_the_first_total_is_a_baseline_even_of_a_new_boot() -> None:
    judged = run([totals(7, 3, boot="just-started")])
    assert (judged[0].verdict, sums(judged)) == (Verdict.BASELINE, (0, 0))


def test_a_fall_without_a_sign_of_being_newer_is_stale() -> None:
    assert verdicts(totals(9), totals(2), totals(9), totals(10)) == ["baseline", "stale", "repeated", "counted"]


def test_a_fall_at_a_later_time_is_a_reset_counted_from_zero() -> None:
    judged = run([totals(9, 9, at_ms=NOW - 2), totals(2, 1, at_ms=NOW - 1)])
    assert (judged[1].verdict, judged[1].entered, judged[1].exited) == (Verdict.RESET, 2, 1)


def test_an_older_reading_from_before_a_reset_is_stale() -> None:
    before, reset = totals(100, at_ms=NOW - 9), totals(5, at_ms=NOW - 1)
    assert verdicts(before, reset, before) == ["baseline", "reset", "stale"]


def test_a_wrong_clock_counts_in_the_quarter_of_arrival() -> None:
    year_ms = 365 * 24 * 3600 * 1000
    for at_ms in (NOW - year_ms, NOW + year_ms, NOW + AHEAD_MAX_MS + 1, NOW - BEHIND_MAX_MS - 1):
        judged = run([totals(1), totals(4, at_ms=at_ms)])[1]
        assert (judged.verdict, judged.quarter_ms, judged.entered) == (Verdict.CLOCK, quarter_of(NOW), 3)


def test_a_late_reading_counts_in_its_own_quarter() -> None:
    at_ms = NOW - 3 * QUARTER_MS
    judged = run([totals(1), totals(4, at_ms=at_ms)])[1]
    assert (judged.verdict, judged.quarter_ms) == (Verdict.COUNTED, quarter_of(at_ms))


def test_one_wrong_time_does_not_silence_a_sensor() -> None:
    assert verdicts(totals(1, at_ms=NOW), totals(2, at_ms=2 * NOW), totals(3, at_ms=NOW + 1)) == [
        "baseline",
        "clock",
        "counted",
    ]


def test_a_silent_sensor_changes_nothing_that_is_kept() -> None:
    first = run([totals(5, at_ms=NOW - 9)])[0].sensor
    assert judge(first, totals(5, at_ms=NOW), now_ms=NOW).sensor is first


def test_deltas_without_ids_say_so_and_are_held_against_what_was_sent() -> None:
    once = delta(3, packet_id=9)
    again = delta(3, packet_id=9, redelivered=True)
    assert verdicts(once, again, once) == ["at_least_once", "repeated", "at_least_once"]


def test_a_numbered_delta_far_below_is_stale_or_a_new_life() -> None:
    assert verdicts(delta(1, "500"), delta(1, "3")) == ["counted", "stale"]
    assert verdicts(delta(1, "500", at_ms=NOW - 9), delta(1, "3", at_ms=NOW)) == ["counted", "reset"]
    assert verdicts(delta(1, "5", boot="a"), delta(1, "5", boot="b"), delta(1, "5", boot="a")) == [
        "counted",
        "counted",
        "stale",
    ]


def test_a_retained_total_of_an_unknown_sensor_is_its_baseline_and_a_retained_delta_is_nothing() -> None:
    assert sums(run([totals(50, retained=True), totals(53)])) == (3, 0)
    assert run([delta(2, "1", retained=True)])[0].sensor is None


@pytest.mark.parametrize("words", ["007", "١", "²", "9" * 17, "9" * 5000, "-1", "1.0", " 1"])
def test_what_is_no_plain_number_is_an_id_in_words(words: str) -> None:
    assert verdicts(delta(1, words), delta(1, words)) == ["counted", "repeated"]


@given(st.lists(st.one_of(st.integers(0, 3 * DELTA_WINDOW), st.sampled_from([0, DELTA_N_MAX])), max_size=30))
def test_numbered_deltas_are_judged_as_by_a_list_of_all_that_came(numbers: list[int]) -> None:
    """The bits against a plain set: known one by one within the window below the newest, stale below it."""
    seen: set[int] = set()
    sensor = None
    for n in numbers:
        newest = max(seen, default=n)
        expected = "stale" if newest - n > DELTA_WINDOW else "repeated" if n in seen else "counted"
        judged = judge(sensor, delta(1, str(n)), now_ms=NOW)
        assert judged.verdict == expected
        if expected == "counted":
            seen.add(n)
        sensor = judged.sensor
        newest = max(seen)
        assert sensor is not None and sensor.delta_n == newest
        assert sensor.delta_bits == sum(1 << newest - each for each in seen if newest - each <= DELTA_WINDOW)


def test_the_window_reaches_just_so_far_below_the_newest() -> None:
    oldest, newest, next_one = delta(1, "0"), delta(1, str(DELTA_WINDOW)), delta(1, str(DELTA_WINDOW + 1))

    assert verdicts(oldest, newest, oldest) == ["counted", "counted", "repeated"]
    assert verdicts(oldest, newest, next_one, oldest) == ["counted", "counted", "counted", "stale"]
    kept = run([oldest, newest, next_one])[-1].sensor
    assert kept is not None and kept.delta_bits == 0b11, "the oldest has left the file's 63 bits"
    assert verdicts(newest, oldest, oldest) == ["counted", "counted", "repeated"]


@given(histories)
def test_the_total_is_the_sum_of_both_ways(history: History) -> None:
    assert total(run(history.readings)) == (history.came, history.left)


def test_a_quarter_begins_at_its_beginning() -> None:
    assert [quarter_of(7 * QUARTER_MS + ms) // QUARTER_MS for ms in (-1, 0, 1, QUARTER_MS - 1)] == [6, 7, 7, 7]
    assert quarter_of(7 * QUARTER_MS + 5) == 7 * QUARTER_MS


def test_a_sensor_may_count_one_way_only() -> None:
    judged = run([Said(in_total=5), Said(in_total=8), Said(in_delta=2, delta_id="1"), Said(out_delta=3, delta_id="2")])
    assert [(each.entered, each.exited) for each in judged] == [(0, 0), (3, 0), (2, 0), (0, 3)]
    judged = run([Said(in_total=5, out_total=9, retained=True), totals(6, 11)])
    assert (judged[1].entered, judged[1].exited) == (1, 2)


def test_a_retained_total_of_one_way_is_a_baseline_for_it() -> None:
    judged = run([Said(in_total=5, retained=True), Said(in_total=8)])
    assert (judged[1].verdict, judged[1].entered, judged[1].exited) == (Verdict.COUNTED, 3, 0)


def test_totals_and_deltas_of_one_sensor_do_not_disturb_each_other() -> None:
    readings = [delta(1, "7"), totals(5, 5), delta(1, "8"), delta(1, "7"), delta(1, "8"), totals(7, 8)]
    judged = run(readings)
    assert [each.verdict for each in judged] == ["counted", "baseline", "counted", "repeated", "repeated", "counted"]
    assert (judged[-1].entered, judged[-1].exited) == (2, 3)


def test_a_new_boot_counts_whatever_its_clock_says() -> None:
    assert verdicts(totals(5, at_ms=NOW, boot="a"), totals(9, at_ms=NOW - 5, boot="b")) == ["baseline", "counted"]
    assert verdicts(totals(5, at_ms=NOW, boot="a"), totals(2, at_ms=NOW - 5, boot="b")) == ["baseline", "reset"]


def test_a_new_boot_in_which_nobody_came_still_ends_the_one_before() -> None:
    readings = [totals(5, boot="a"), totals(5, boot="b"), totals(9, boot="a"), totals(6, boot="b")]
    assert verdicts(*readings) == ["baseline", "counted", "stale", "counted"]


def test_only_two_boots_that_are_known_and_differ_are_a_restart() -> None:
    assert verdicts(totals(5, boot="a"), totals(3)) == ["baseline", "stale"]
    assert verdicts(totals(5), totals(3, boot="a")) == ["baseline", "stale"]
    assert verdicts(totals(5, boot="a"), totals(6), totals(0, boot="b")) == ["baseline", "counted", "reset"]
    assert verdicts(totals(5, boot="a"), totals(0, boot="b"), totals(1)) == ["baseline", "reset", "counted"]


def test_only_two_times_that_are_known_tell_which_is_newer() -> None:
    assert verdicts(totals(5, at_ms=NOW), totals(6)) == ["baseline", "counted"]
    assert verdicts(totals(5, at_ms=NOW), totals(3)) == ["baseline", "stale"]
    assert verdicts(totals(5, at_ms=NOW), totals(5, at_ms=NOW)) == ["baseline", "repeated"]
    assert verdicts(totals(5, at_ms=NOW), totals(5, at_ms=NOW + 1)) == ["baseline", "counted"]


def test_a_late_delta_does_not_turn_back_the_time_of_its_sensor() -> None:
    told = [totals(9, at_ms=NOW - 1), delta(1, "1", at_ms=NOW - 9), totals(2, at_ms=NOW - 5)]
    assert verdicts(*told) == ["baseline", "counted", "stale"]
    told = [totals(9, at_ms=NOW - 9), delta(1, "1", at_ms=NOW - 1), totals(2, at_ms=NOW - 5)]
    assert verdicts(*told) == ["baseline", "counted", "stale"]


def test_a_good_time_replaces_one_that_was_far_off() -> None:
    told = [totals(1, at_ms=2 * NOW), totals(2, at_ms=NOW), totals(3, at_ms=NOW - 1)]
    assert verdicts(*told) == ["baseline", "counted", "stale"]


@pytest.mark.parametrize("at_ms", [NOW + AHEAD_MAX_MS, NOW - BEHIND_MAX_MS])
def test_a_time_at_the_bound_is_good(at_ms: int) -> None:
    judged = run([totals(1), totals(2, at_ms=at_ms)])[1]
    assert (judged.verdict, judged.quarter_ms) == (Verdict.COUNTED, quarter_of(at_ms))


def test_a_wrong_clock_is_named_only_where_something_counts() -> None:
    assert verdicts(totals(1, at_ms=2 * NOW), totals(1, at_ms=2 * NOW)) == ["baseline", "repeated"]


def test_a_redelivery_of_what_never_arrived_counts() -> None:
    told = [delta(3, packet_id=9), delta(3, packet_id=8, redelivered=True), delta(3, packet_id=8, redelivered=True)]
    assert verdicts(*told) == ["at_least_once", "at_least_once", "repeated"]


@pytest.mark.parametrize(
    ("words", "then"),
    [(str(DELTA_N_MAX), "stale"), (str(DELTA_N_MAX + 1), "counted"), ("0700", "counted"), ("700", "stale")],
)
def test_only_a_plain_number_has_smaller_ones_behind_it(words: str, then: str) -> None:
    assert verdicts(delta(1, words), delta(1, "3")) == ["counted", then]


@given(
    st.lists(st.tuples(st.integers(0, 8000), st.integers(0, 8000)), max_size=30),
    st.integers(0, 65_535),
    st.integers(0, 65_535),
)
def test_a_counter_of_sixteen_bits_goes_on_from_0_and_nobody_is_lost(
    moves: list[tuple[int, int]], first_in: int, first_out: int
) -> None:
    """The independent count is kept in whole numbers; the sensor's registers have sixteen bits, and no clock."""
    entered, exited = first_in, first_out
    said = [totals(entered, exited, wraps_at=2**16)]
    for came, left in moves:
        entered, exited = entered + came, exited + left
        said.append(totals(entered % 2**16, exited % 2**16, wraps_at=2**16))

    assert sums(run(said)) == (entered - first_in, exited - first_out)


def test_a_counter_that_falls_far_began_again_and_an_old_message_of_one_that_wraps_is_stale() -> None:
    wraps: dict[str, Any] = {"wraps_at": 2**16}
    began_again = run([totals(30_000, 40_000, at_ms=NOW, **wraps), totals(2, 0, at_ms=NOW + 1, **wraps)])
    assert [each.verdict for each in began_again] == [Verdict.BASELINE, Verdict.RESET]
    assert sums(began_again) == (2, 0)

    late = [totals(65_530, **wraps), totals(4, **wraps), totals(65_530, **wraps), totals(5, **wraps)]
    assert verdicts(*late) == [Verdict.BASELINE, Verdict.COUNTED, Verdict.STALE, Verdict.COUNTED]
    assert sums(run(late)) == (11, 0)


def test_on_a_wire_that_brings_nothing_late_totals_that_fall_began_again() -> None:
    fallen = totals(2, is_in_order=True)
    assert verdicts(totals(205), fallen) == [Verdict.BASELINE, Verdict.RESET]
    assert verdicts(totals(205), totals(2)) == [Verdict.BASELINE, Verdict.STALE]
