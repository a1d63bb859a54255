"""Turns: what a client may do in any stretch of time, whatever it tries; who is told apart; what stays bounded."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from hub.limits import OTHERS, SAID_AGAIN_S, Pace, Turns

PACE = Pace(per_s=10, burst=20, at_once=4)
MANY_AT_ONCE = PACE._replace(at_once=10**6)


class Begun(NamedTuple):
    asked_s: float
    begins_s: float


def ask_all(turns: Turns, who: str, moments: list[float]) -> list[Begun]:
    """Ask at each moment; return what was let in and when it begins."""
    found = [(at, turns.begin(who, now_s=at)) for at in moments]
    return [Begun(at, at + turn.wait_s) for at, turn in found if not turn.retry_after_s]


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=400), st.floats(0, 20), st.floats(0.1, 20))
def test_in_no_stretch_of_time_more_begins_than_was_saved_up_and_comes_in_it(
    gaps: list[float], since_s: float, length_s: float
) -> None:
    moments = [sum(gaps[: n + 1]) for n in range(len(gaps))]

    begun = ask_all(Turns(MANY_AT_ONCE), "t1", moments)

    within = [each for each in begun if since_s <= each.begins_s <= since_s + length_s]
    assert len(within) <= PACE.burst + length_s * PACE.per_s + 1
    assert all(each.begins_s - each.asked_s <= PACE.wait_max_s + 1e-9 for each in begun)


@given(st.lists(st.floats(0.1, 5), max_size=200))
def test_who_stays_below_the_pace_never_waits(gaps: list[float]) -> None:
    moments = [sum(gaps[: n + 1]) for n in range(len(gaps))]

    begun = ask_all(Turns(MANY_AT_ONCE), "t1", moments)

    assert [each.begins_s for each in begun] == moments


def test_who_asks_one_thing_after_the_other_is_slowed_down_and_never_refused() -> None:
    turns, now_s = Turns(PACE), 0.0
    for _ in range(500):
        turn = turns.begin("t1", now_s=now_s)
        assert not turn.retry_after_s
        now_s += turn.wait_s
        turns.end(turn)

    assert 47.9 <= now_s <= 48.1, "480 of 500 come at ten a second"


def test_too_many_at_once_are_refused_until_one_is_over() -> None:
    turns = Turns(PACE)
    under_way = [turns.begin("t1", now_s=0.0) for _ in range(PACE.at_once)]
    refused = turns.begin("t1", now_s=0.0)
    sockets = turns.begin("t1", now_s=0.0, lasts=False)
    turns.end(refused)
    turns.end(sockets)
    still = turns.begin("t1", now_s=0.0)
    turns.end(under_way[0])

    assert refused.retry_after_s and still.retry_after_s and not sockets.retry_after_s
    assert not turns.begin("t1", now_s=0.0).retry_after_s


def test_a_turn_that_is_too_far_off_is_refused_and_takes_nothing() -> None:
    turns = Turns(PACE)
    asked = [turns.begin("t1", now_s=0.0, lasts=False) for _ in range(1000)]
    let_in = [turn for turn in asked if not turn.retry_after_s]

    assert len(let_in) == PACE.burst + PACE.wait_max_s * PACE.per_s
    assert max(turn.wait_s for turn in let_in) == PACE.wait_max_s
    assert {turn.retry_after_s for turn in asked[len(let_in) :]} == {PACE.wait_max_s + 1 / PACE.per_s}
    assert turns.begin("t1", now_s=0.1, lasts=False).wait_s == PACE.wait_max_s, "a tenth of a second is one turn"


def test_no_more_is_saved_up_than_the_burst_however_long_a_client_is_quiet() -> None:
    turns = Turns(MANY_AT_ONCE)
    turns.begin("t1", now_s=0.0)

    at_once = [turns.begin("t1", now_s=3600.0).wait_s for _ in range(int(PACE.burst) + 1)]

    assert at_once[:-1] == [0.0] * int(PACE.burst) and at_once[-1] == 1 / PACE.per_s


def test_one_clients_flood_takes_nothing_from_another() -> None:
    turns = Turns(PACE)
    flood = [turns.begin("t1", now_s=0.0) for _ in range(1000)]

    assert sum(bool(turn.retry_after_s) for turn in flood) == 1000 - PACE.at_once
    assert turns.begin("t2", now_s=0.0) == ("t2", 0.0, 0.0, False, True, 0.0)


def test_a_client_that_goes_on_is_news_once_a_minute() -> None:
    turns = Turns(PACE)
    flood = [turns.begin("t1", now_s=n / 100).is_news for n in range(int(SAID_AGAIN_S * 250))]

    assert [n for n, is_news in enumerate(flood) if is_news] == [
        PACE.at_once,
        PACE.at_once + 6000,
        PACE.at_once + 12_000,
    ]


def test_the_table_is_bounded_and_who_comes_when_it_is_full_shares_one_place() -> None:
    turns = Turns(PACE, clients_max=100)
    first = [turns.begin(f"a{n}", now_s=0.0) for n in range(100)]
    late = [turns.begin(f"b{n}", now_s=0.1) for n in range(10_000)]

    assert len(turns) == 101
    assert {turn.who for turn in late} == {OTHERS}
    assert sum(not turn.retry_after_s for turn in late) == PACE.at_once
    for turn in [*first, *late]:
        turns.end(turn)

    again = turns.begin("c1", now_s=9.0)
    assert (again.who, len(turns)) == ("c1", 1), "the idle are forgotten as soon as room is wanted"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 0.3), st.booleans()), max_size=300))
def test_what_is_begun_and_given_back_leaves_nobody_under_way(steps: list[tuple[str, float, bool]]) -> None:
    turns, now_s, begun = Turns(PACE, clients_max=3), 0.0, []
    for who, gap_s, gives_back in steps:
        now_s += gap_s
        begun.append(turns.begin(who, now_s=now_s))
        if gives_back:
            turns.end(begun.pop())
    for turn in begun:
        turns.end(turn)

    assert {client.under_way for client in turns._clients.values()} <= {0}
