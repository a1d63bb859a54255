"""Where beacons are: examples on a virtual clock, and laws over any walk through a shop."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.zones import (
    HANDOVER_DB,
    SAMPLE_AGE_MS,
    SAMPLES,
    TRACKS_MAX,
    Moved,
    Rules,
    Stay,
    Told,
    Zone,
    Zones,
    levelled,
)

DOOR = Zone("entrance", "hci0", -65, -73)
SHOP = Zone("shop", "hci0", -85, -93)
DESK = Zone("desk", "hci1", -70, -78)
RULES = Rules((SHOP, DOOR, DESK), enter_ms=3_000, leave_ms=8_000, gone_ms=20_000, cut_ms=60_000)
ONE = Rules((DOOR,), enter_ms=3_000, leave_ms=8_000, gone_ms=20_000, cut_ms=60_000)


def walk(zones: Zones, steps: list[tuple[int, str, int]], beacon: str = "b") -> list[Told]:
    """Hear a beacon at each (ms, receiver, dBm)."""
    return [told for at_ms, receiver, dbm in steps for told in zones.hear(beacon, receiver, dbm, at_ms)]


def steady(dbm: int, begin_ms: int, end_ms: int, receiver: str = "hci0") -> list[tuple[int, str, int]]:
    return [(at_ms, receiver, dbm) for at_ms in range(begin_ms, end_ms, 1000)]


def test_a_beacon_that_stays_has_one_stay_from_first_to_last_heard() -> None:
    zones = Zones(ONE)
    assert walk(zones, steady(-50, 0, 30_000)) == [Moved("b", None, "entrance")]
    assert zones.tick(29_000 + 19_999) == []
    assert zones.tick(29_000 + 20_000) == [Moved("b", "entrance", None), Stay("b", "entrance", 0, 29_000)]
    assert len(zones) == 0


def test_who_walks_past_is_not_in_the_zone() -> None:
    assert walk(Zones(ONE), [*steady(-50, 0, 2_000), *steady(-90, 2_000, 30_000)]) == []


def test_one_wild_strength_moves_nobody() -> None:
    zones = Zones(RULES)
    walk(zones, steady(-60, 0, 10_000))
    assert walk(zones, [(10_000, "hci0", -99), (10_100, "hci0", -20), *steady(-60, 11_000, 30_000)]) == []


def test_a_beacon_between_the_thresholds_stays_where_it_is() -> None:
    inside, outside = Zones(ONE), Zones(ONE)
    walk(inside, steady(-60, 0, 10_000))
    assert walk(inside, steady(-70, 10_000, 90_000)) == [Stay("b", "entrance", 0, 60_000, goes_on=True)]
    assert walk(outside, steady(-70, 0, 90_000)) == []


def test_who_comes_nearer_leaves_the_wide_zone_for_the_narrow_one() -> None:
    told = walk(Zones(RULES), [*steady(-80, 0, 10_000), *steady(-55, 10_000, 20_000)])
    assert told == [Moved("b", None, "shop"), Moved("b", "shop", "entrance"), Stay("b", "shop", 0, 12_000)]


def test_the_stronger_receiver_has_the_beacon_once_it_is_clearly_stronger() -> None:
    zones = Zones(RULES)
    walk(zones, steady(-60, 0, 10_000))
    both = [
        (at, receiver, dbm) for at in range(10_000, 40_000, 1000) for receiver, dbm in (("hci0", -60), ("hci1", -60))
    ]
    assert walk(zones, both) == []
    nearer = [(at, r, d) for at in range(40_000, 50_000, 1000) for r, d in (("hci0", -60), ("hci1", -60 + HANDOVER_DB))]
    assert [told for told in walk(zones, nearer) if isinstance(told, Moved)] == [Moved("b", "entrance", "desk")]


def test_what_was_heard_long_ago_says_nothing() -> None:
    zones = Zones(ONE)
    walk(zones, [(0, "hci0", -50), (1, "hci0", -50), (2, "hci0", -50)])
    assert walk(zones, [(SAMPLE_AGE_MS + 3, "hci0", -90), (SAMPLE_AGE_MS + 4_000, "hci0", -90)]) == []


def test_a_long_stay_is_told_in_pieces() -> None:
    zones = Zones(ONE)
    told = [*walk(zones, steady(-50, 0, 130_000)), *zones.close()]
    assert [stay for stay in told if isinstance(stay, Stay)] == [
        Stay("b", "entrance", 0, 60_000, goes_on=True),
        Stay("b", "entrance", 60_000, 120_000, goes_on=True),
        Stay("b", "entrance", 120_000, 129_000),
    ]


def test_of_too_many_beacons_the_one_that_is_silent_longest_is_let_go() -> None:
    zones = Zones(ONE)
    walk(zones, steady(-50, 0, 5_000), "first")
    for n in range(TRACKS_MAX - 1):
        zones.hear(f"b{n}", "hci0", -90, 5_000)
    told = zones.hear("one more", "hci0", -90, 6_000)
    assert told == [Moved("first", "entrance", None), Stay("first", "entrance", 0, 4_000)]
    assert len(zones) == TRACKS_MAX


@pytest.mark.parametrize(
    ("rssi", "power", "expected"), [(-60, -59, -60), (-60, -69, -50), (-60, 0, -60), (-60, 20, -60)]
)
def test_strengths_are_levelled_by_a_power_that_can_be_true(rssi: int, power: int, expected: int) -> None:
    assert levelled(rssi, power) == expected


def test_who_walks_off_is_out_after_leave_ms_and_its_stay_ended_when_it_went() -> None:
    zones = Zones(ONE)
    walk(zones, steady(-60, 0, 10_000))
    assert walk(zones, steady(-95, 10_000, 20_000)) == [], "the median is weak from 12 s on"
    assert walk(zones, [(20_000, "hci0", -95)]) == [Moved("b", "entrance", None), Stay("b", "entrance", 0, 12_000)]


def test_who_comes_back_in_time_was_never_away() -> None:
    zones = Zones(ONE)
    walk(zones, steady(-60, 0, 10_000))
    assert walk(zones, [*steady(-95, 10_000, 17_000), *steady(-60, 17_000, 40_000)]) == []
    assert zones.close() == [Moved("b", "entrance", None), Stay("b", "entrance", 0, 39_000)]


def test_who_falls_silent_while_walking_off_left_when_it_went() -> None:
    zones = Zones(ONE)
    walk(zones, [*steady(-60, 0, 10_000), *steady(-95, 10_000, 15_000)])
    assert zones.tick(40_000) == [Moved("b", "entrance", None), Stay("b", "entrance", 0, 12_000)]


def test_who_was_in_no_zone_is_forgotten_without_a_word() -> None:
    zones = Zones(ONE)
    walk(zones, steady(-95, 0, 5_000))
    assert (zones.tick(60_000), len(zones)) == ([], 0)


def test_each_limit_is_part_of_what_it_limits() -> None:
    """Just as strong, just as long, just as old as the rules say."""
    strong = DOOR.enter_dbm
    assert walk(Zones(ONE), [(0, "hci0", strong), (2_999, "hci0", strong)]) == []
    assert walk(Zones(ONE), [(0, "hci0", strong), (3_000, "hci0", strong)]) == [Moved("b", None, "entrance")]
    assert walk(Zones(ONE), [(0, "hci0", strong - 1), (3_000, "hci0", strong - 1)]) == []
    zones = Zones(ONE)
    walk(zones, steady(strong, 0, 4_000))
    assert walk(zones, steady(DOOR.leave_dbm, 4_000, 60_000)) == []
    for gap_ms, told in ((19_999, []), (20_000, [Moved("b", "entrance", None), Stay("b", "entrance", 0, 4_000)])):
        zones = Zones(ONE)
        walk(zones, steady(-50, 0, 5_000))
        assert zones.hear("b", "hci0", -50, 4_000 + gap_ms) == told
    quick = Zones(Rules((DOOR,), enter_ms=5))
    aged = [(0, "hci0", -99), (SAMPLE_AGE_MS, "hci0", -50), (SAMPLE_AGE_MS + 4, "hci0", -50)]
    assert walk(quick, [*aged, (SAMPLE_AGE_MS + 6, "hci0", -50)]) == [], "what is just so old still weighs"


def test_two_receivers_that_hear_it_nearly_alike_do_not_pass_it_to_and_fro() -> None:
    zones = Zones(RULES)
    walk(zones, steady(-60, 0, 10_000))
    less = HANDOVER_DB - 1
    both = [(at, r, d) for at in range(10_000, 40_000, 1000) for r, d in (("hci0", -60), ("hci1", -60 + less))]
    assert walk(zones, both) == []


def test_a_zone_that_was_near_before_it_left_the_other_begins_when_it_came_near() -> None:
    rules = Rules((DOOR, DESK), enter_ms=10_000, leave_ms=2_000, gone_ms=60_000)
    zones = Zones(rules)
    walk(zones, steady(-60, 0, 12_000))
    told = walk(zones, steady(-50, 22_001, 40_000, "hci1"))
    assert told == [Moved("b", "entrance", None), Stay("b", "entrance", 0, 22_001), Moved("b", None, "desk")]
    assert zones.close()[1] == Stay("b", "desk", 22_001, 39_001)


def test_whoever_is_heard_again_is_not_the_one_silent_longest() -> None:
    zones = Zones(Rules((DOOR,), enter_ms=1, gone_ms=10**6))
    for at_ms in (0, 1):
        for beacon in ("first", "second", *(f"b{n}" for n in range(TRACKS_MAX - 2))):
            zones.hear(beacon, "hci0", -50, at_ms)
    zones.hear("first", "hci0", -50, 2)
    assert zones.hear("one more", "hci0", -50, 3)[0] == Moved("second", "entrance", None)


Heard = tuple[int, str, str, int]
steps = st.tuples(
    st.integers(0, 9_000) | st.just(25_000),
    st.sampled_from(("b", "c")),
    st.sampled_from(("hci0", "hci1")),
    st.integers(-100, -40) | st.sampled_from((-50, -69, -80, -95)),
)
# most of a walk holds still for a while: else hardly any stay comes about
walks = st.lists(st.tuples(steps, st.integers(1, 12)), max_size=25).map(
    lambda legs: [(gap if n == 0 else min(gap, 1500), *rest) for (gap, *rest), times in legs for n in range(times)]
)


def heard(walked: list[Heard]) -> list[Heard]:
    """Return the walk with times since its begin for those since the step before."""
    at_ms, found = 0, []
    for gap_ms, beacon, receiver, dbm in walked:
        at_ms += gap_ms
        found.append((at_ms, beacon, receiver, dbm))
    return found


def told_of(walked: list[Heard], rules: Rules = RULES, ticks: list[int] | None = None) -> list[Told]:
    zones, told, due = Zones(rules), [], sorted(ticks or [])
    for at_ms, beacon, receiver, dbm in heard(walked):
        while due and due[0] <= at_ms:
            told += zones.tick(due.pop(0))
        told += zones.hear(beacon, receiver, dbm, at_ms)
    return told + zones.close()


def stays_of(told: list[Told]) -> dict[str, list[Stay]]:
    found: dict[str, list[Stay]] = defaultdict(list)
    for each in told:
        if isinstance(each, Stay):
            found[each.beacon].append(each)
    return found


@given(walks)
def test_stays_of_one_beacon_never_overlap_and_lie_in_the_time_it_was_heard(walked: list[Heard]) -> None:
    for beacon, stays in stays_of(told_of(walked)).items():
        times = [at_ms for at_ms, who, _, _ in heard(walked) if who == beacon]
        assert all(stay.begun_ms <= stay.ended_ms for stay in stays)
        assert all(before.ended_ms <= after.begun_ms for before, after in pairwise(stays))
        assert {stay.begun_ms for stay in stays} | {stay.ended_ms for stay in stays} <= set(times)
        for stay in stays:
            within = [at for at in times if stay.begun_ms <= at <= stay.ended_ms]
            assert all(after - before < RULES.gone_ms for before, after in pairwise(within))


@given(walks)
def test_nobody_flaps(walked: list[Heard]) -> None:
    """A stay, its pieces together, lasts enter_ms at least: so there is one entry in that time at most."""
    for stays in stays_of(told_of(walked)).values():
        begun_ms = None
        for stay in stays:
            begun_ms = stay.begun_ms if begun_ms is None else begun_ms
            if not stay.goes_on:
                assert stay.ended_ms - begun_ms >= RULES.enter_ms
                begun_ms = None


@given(walks)
def test_who_enters_leaves_and_each_has_its_stay(walked: list[Heard]) -> None:
    told = told_of(walked)
    for beacon in ("b", "c"):
        moves = [each for each in told if isinstance(each, Moved) and each.beacon == beacon]
        assert [None, *(move.entered for move in moves)] == [*(move.left for move in moves), None]
        ended = [stay.zone for stay in stays_of(told)[beacon] if not stay.goes_on]
        assert ended == [move.left for move in moves if move.left is not None]


@given(walks)
def test_cutting_a_stay_loses_and_adds_nothing(walked: list[Heard]) -> None:
    whole = told_of(walked, Rules(RULES.zones, 3_000, 8_000, 20_000, cut_ms=10**9))
    pieces = stays_of(told_of(walked))
    for beacon, stays in stays_of(whole).items():
        joined: list[Stay] = []
        goes_on = False
        for piece in pieces[beacon]:
            if goes_on:
                assert (joined[-1].zone, joined[-1].ended_ms) == (piece.zone, piece.begun_ms)
                joined[-1] = Stay(beacon, piece.zone, joined[-1].begun_ms, piece.ended_ms)
            else:
                joined.append(Stay(beacon, piece.zone, piece.begun_ms, piece.ended_ms))
            goes_on = piece.goes_on
        assert joined == stays


@given(walks, st.lists(st.integers(0, 400_000), max_size=20))
def test_ticks_change_no_stay(walked: list[Heard], ticks: list[int]) -> None:
    assert stays_of(told_of(walked, ticks=ticks)) == stays_of(told_of(walked))


@given(walks)
def test_beacons_know_nothing_of_each_other(walked: list[Heard]) -> None:
    together = stays_of(told_of(walked))
    for beacon in ("b", "c"):
        zones = Zones(RULES)
        alone = walk(zones, [(at, where, dbm) for at, who, where, dbm in heard(walked) if who == beacon], beacon)
        assert stays_of(alone + zones.close())[beacon] == together[beacon]


@given(st.integers(-64, -40), st.integers(2, 400), st.integers(100, 2_000))
def test_the_sum_of_stays_is_the_time_that_it_was_there(dbm: int, times: int, every_ms: int) -> None:
    """Walked past far away, there for a known time, far away again: its dwell is that time, but for smoothing."""
    there = [(every_ms, "b", "hci0", dbm)] * times
    away = [(every_ms, "b", "hci0", -99)] * (20_000 // every_ms + SAMPLES)
    stays = stays_of(told_of([*away, *there, *away], ONE))["b"]
    spent_ms = sum(stay.ended_ms - stay.begun_ms for stay in stays)
    there_ms = (times - 1) * every_ms
    if there_ms >= ONE.enter_ms + SAMPLES * every_ms:
        assert abs(spent_ms - there_ms) <= SAMPLES * every_ms
    else:
        assert spent_ms <= there_ms + SAMPLES * every_ms
