"""Visitors: what each reading is judged to be, at the bounds of the rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.visitors.footfall import (
    AHEAD_MAX_MS,
    BEHIND_MAX_MS,
    DELTA_N_MAX,
    DELTA_WINDOW,
    QUARTER_MS,
    Verdict,
    judge,
    quarter_of,
)
from tests.sync.footfall_world import NOW, Said, delta, run, sums, totals, verdicts


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
