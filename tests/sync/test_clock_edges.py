"""The hybrid clock at its bounds, each from both sides: numbers written here, nothing drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clock import (
    AHEAD_MAX_MS,
    GRACE_MAX_MS,
    LOGICAL_MAX,
    PHYSICAL_MAX_MS,
    REP_CHARS_MAX,
    STEP_MAX_MS,
    TILLS_MIN,
    TIME_MAX_MS,
    TIME_MIN_MS,
    Clock,
    Contact,
    Stamp,
    Trust,
    effective,
    is_open,
    measured,
    median_of_tills,
    read_stamp,
)
from sync.errors import RuleError
from tests.sync.test_clock import CLOUD, HOUR, ME, NOW, PEER, YEAR


@pytest.mark.parametrize("trust", list(Trust))
def test_a_stamp_is_far_future_one_millisecond_behind_the_bound(trust: Trust) -> None:
    clock = Clock(rep=ME, time_ms=NOW, wall_ms=NOW, trust=trust)
    bound_ms = NOW + AHEAD_MAX_MS[trust]

    assert clock.receive(Stamp(bound_ms, 0, PEER), NOW)[1]
    assert not clock.receive(Stamp(bound_ms + 1, 0, PEER), NOW)[1]


@pytest.mark.parametrize("jump_ms", [40 * YEAR, -40 * YEAR, STEP_MAX_MS + 1, -STEP_MAX_MS - 1])
def test_a_step_of_the_wall_clock_stops_time_until_the_next_contact(jump_ms: int) -> None:
    sure = Clock(rep=ME, wall_ms=NOW).contact(Contact(0, 0), NOW)

    stepped, before = sure.now(NOW + jump_ms)

    assert (stepped.time_ms, stepped.is_sure) == (NOW, False)
    assert before.physical_ms == 0, "frozen: it had seen nothing yet"
    again, after = stepped.contact(Contact(-jump_ms, 0), NOW + jump_ms).now(NOW + jump_ms + 5)
    assert (again.time_ms, again.trust, after.physical_ms) == (NOW + 5, Trust.CONTACT, NOW + 5)


def test_a_start_takes_the_latest_of_what_it_knows_and_is_unsure() -> None:
    saved = Clock(rep=ME, time_ms=NOW, wall_ms=NOW, trust=Trust.CONTACT, physical_ms=NOW, logical=3)
    tills_ms = [NOW + 20, NOW + 30, NOW + 50 * YEAR, 5, 6]  # two were never set, one lies

    assert saved.booted(0).time_ms == NOW
    assert saved.booted(0, last_commit_ms=NOW + 10).time_ms == NOW + 10
    assert saved.booted(0, tills_ms=tills_ms).time_ms == NOW + 30
    started = saved.booted(0, highest=Stamp(NOW, 9, PEER))
    assert not started.is_sure and started.now(0)[1] == Stamp(NOW, 10, ME)
    assert started.corrected_ms(700) == NOW + 700, "it goes on as the wall clock goes"


def test_a_confirmed_date_opens_windows_and_moves_no_stamp() -> None:
    unsure = Clock(rep=ME, time_ms=NOW, wall_ms=0, physical_ms=NOW, logical=1)

    confirmed, stamp = unsure.confirm(NOW + YEAR, 0).now(10)

    assert confirmed.is_sure and confirmed.time_ms == NOW + YEAR + 10
    assert stamp == Stamp(NOW, 2, ME)
    assert confirmed.with_tills([NOW + 5 * YEAR] * 5, 10) == confirmed, "tills are not asked any more"
    in_contact = confirmed.contact(Contact(NOW, 0), 10)
    assert in_contact.confirm(NOW + YEAR, 10) == in_contact, "a person does not outvote the cloud"


@pytest.mark.parametrize("time_ms", [0, TIME_MIN_MS - 1, TIME_MAX_MS, 10**15])
def test_a_year_that_cannot_be_sets_no_clock(time_ms: int) -> None:
    clock = Clock(rep=ME, wall_ms=0)
    with pytest.raises(RuleError, match="before 2020"):
        clock.contact(Contact(time_ms, 0), 0)
    with pytest.raises(RuleError, match="before 2020"):
        clock.confirm(time_ms, 0)


@given(
    honest=st.lists(st.integers(NOW - HOUR, NOW + HOUR), min_size=2, max_size=7),
    lies=st.lists(st.integers(-YEAR, 300 * YEAR), max_size=6),
)
def test_fewer_liars_than_honest_tills_do_not_move_the_median_out_of_what_the_honest_say(
    honest: list[int], lies: list[int]
) -> None:
    lies = lies[: len(honest) - 1]
    told = median_of_tills(honest + lies)

    assert told is None if len(honest) + len(lies) < TILLS_MIN else True
    assert told is None or min(honest) <= told <= max(honest)


def test_the_mean_of_the_tills_would_fall_for_one_liar() -> None:
    """The planted fault of the law above."""
    told = [NOW, NOW + 1, NOW + 50 * YEAR]

    assert sum(told) // 3 > NOW + HOUR
    assert median_of_tills(told) == NOW + 1
    assert median_of_tills(told[1:]) is None, "of two nobody can say which one lies"


@given(
    opens=st.integers(NOW - 100, NOW + 100),
    lasts=st.integers(0, 100),
    time=st.integers(NOW - 300, NOW + 300),
    grace=st.integers(0, 100),
)
def test_a_grace_opens_earlier_and_closes_later_and_only_for_the_unsure(
    opens: int, lasts: int, time: int, grace: int
) -> None:
    sharp = opens <= time < opens + lasts
    wide = any(opens <= at < opens + lasts for at in range(time - grace, time + grace + 1))

    assert is_open(opens, opens + lasts, time, is_sure=True, grace_ms=grace) == sharp
    assert not wide or is_open(opens, opens + lasts, time, is_sure=False, grace_ms=grace)
    assert not is_open(opens, opens + 1, opens - GRACE_MAX_MS - 1, is_sure=False, grace_ms=10**12)


STAMPS = [Stamp(0, 0, "a"), Stamp(PHYSICAL_MAX_MS, LOGICAL_MAX, "r" * REP_CHARS_MAX), Stamp(NOW, 3, ME)]


@pytest.mark.parametrize("stamp", STAMPS)
def test_the_text_of_a_stamp_is_the_stamp(stamp: Stamp) -> None:
    assert read_stamp(stamp.text) == stamp
    assert sorted(STAMPS) == [read_stamp(text) for text in sorted(each.text for each in STAMPS)]


DAY = 24 * HOUR


def gone(clock: Clock, ms: int) -> Clock:
    """The clock after a time without any contact, read often enough."""
    for _ in range(ms // (STEP_MAX_MS // 2)):
        clock = clock.at(clock.wall_ms + STEP_MAX_MS // 2)
    return clock


@pytest.mark.parametrize(
    ("round_trip_ms", "gone_ms", "error_ms"),
    [(0, 0, 1), (101, 0, 51), (100, DAY, 51 + 17_280), (0, 100 * DAY, 1_728_001)],
)
def test_a_contact_is_off_by_half_the_way_and_drifts_200_millionths(
    round_trip_ms: int, gone_ms: int, error_ms: int
) -> None:
    assert gone(Clock(rep=ME).contact(Contact(NOW, round_trip_ms), 0), gone_ms).error_ms == error_ms


def test_time_that_went_back_a_little_has_not_drifted() -> None:
    assert Clock(rep=ME).contact(Contact(NOW, 0), 0).at(-HOUR // 10).error_ms == 1


def test_what_a_person_confirmed_is_exact() -> None:
    assert Clock(rep=ME).confirm(NOW, 0).error_ms == 1


@pytest.mark.parametrize("went_ms", [STEP_MAX_MS, -STEP_MAX_MS])
def test_the_longest_time_that_is_no_step_has_passed(went_ms: int) -> None:
    sure = Clock(rep=ME).contact(Contact(NOW, 0), 0).at(went_ms)

    assert (sure.is_sure, sure.time_ms, sure.corrected_ms(went_ms)) == (True, NOW + went_ms, NOW + went_ms)


def test_tills_move_an_unsure_clock_up_and_never_down() -> None:
    unsure = Clock(rep=ME, time_ms=NOW, wall_ms=0)

    assert unsure.with_tills([NOW + 5] * TILLS_MIN, 1).time_ms == NOW + 5
    assert unsure.with_tills([NOW - 5] * TILLS_MIN, 1).time_ms == NOW + 1
    assert unsure.with_tills([NOW + 5] * (TILLS_MIN - 1), 1) == unsure.at(1)


def test_a_clock_may_be_set_to_the_first_moment_of_2020() -> None:
    assert Clock(rep=ME).confirm(TIME_MIN_MS, 0).time_ms == TIME_MIN_MS
    assert Clock(rep=ME).confirm(TIME_MAX_MS - 1, 0).time_ms == TIME_MAX_MS - 1


def test_time_stands_still_at_the_ends_of_what_a_clock_may_show() -> None:
    assert Clock(rep=ME).at(-5).time_ms == TIME_MIN_MS
    assert Clock(rep=ME).confirm(TIME_MAX_MS - 1, 0).at(5).time_ms == TIME_MAX_MS


def test_only_a_far_future_stamp_gets_one_of_the_clouds_own() -> None:
    cloud = Clock(rep=CLOUD).contact(Contact(NOW, 0), 0)
    near, far = Stamp(NOW + 1, 4, PEER), Stamp(NOW + YEAR, 0, PEER)

    after, put = cloud.restamped(near, 0)
    assert put is None and after.highest == (NOW + 1, 5)
    after, put = cloud.restamped(far, 0)
    assert put == Stamp(NOW, 0, CLOUD) and after.highest == (NOW, 0)
    assert effective(far, {far: put}) == put and effective(near, {far: put}) == near


def test_a_count_that_is_full_is_carried_into_the_next_millisecond() -> None:
    clock = Clock(rep=ME, physical_ms=NOW, logical=LOGICAL_MAX - 1)

    full, stamp = clock.now(0)
    assert stamp == Stamp(NOW, LOGICAL_MAX, ME)
    assert full.now(0)[1] == Stamp(NOW + 1, 0, ME)


def test_the_offset_is_half_of_both_ways_and_the_wire_what_the_peer_did_not_take() -> None:
    assert measured(sent_ms=10, arrived_ms=130, answered_ms=135, returned_ms=35) == Contact(110, 20)
    assert measured(sent_ms=10, arrived_ms=0, answered_ms=50, returned_ms=35).round_trip_ms == 0, "a clock that was set"


def test_of_the_tills_only_clocks_that_were_ever_set_are_asked() -> None:
    assert median_of_tills([TIME_MIN_MS, TIME_MAX_MS - 1, NOW, NOW + 1]) == NOW, "the lower of the middle two"
    assert median_of_tills([TIME_MIN_MS - 1, TIME_MAX_MS, NOW, NOW + 1]) is None


def test_no_window_has_more_grace_than_the_longest() -> None:
    opens, closes = NOW, NOW + HOUR
    for time_ms, is_so in [
        *((opens - GRACE_MAX_MS - 1, False), (opens - GRACE_MAX_MS, True)),
        *((closes + GRACE_MAX_MS - 1, True), (closes + GRACE_MAX_MS, False)),
    ]:
        assert is_open(opens, closes, time_ms, is_sure=False, grace_ms=10 * GRACE_MAX_MS) == is_so
        assert not is_open(opens, closes, time_ms, is_sure=True, grace_ms=10 * GRACE_MAX_MS)
