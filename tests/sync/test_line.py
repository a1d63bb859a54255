"""How long a line rests, at the ends of what chance may draw. That it is spread between them: test_dialler."""

import random

import pytest

from sync.line.state import (
    BACKOFF_MAX_S,
    HEALTHY_MS,
    LIES_MAX,
    Attempts,
    backoff_s,
)
from sync.schedule import EVERY_MAX_S, EVERY_MIN_S, Schedule, until_next_s

LONG_S = 1e9  # a cap that is never reached
REALTIME, SCHEDULED = Schedule(), Schedule("scheduled", 100.0)


class Edges(random.Random):
    """Draws what it was told to: the lowest (0) or the highest (1) of a range."""

    def __init__(self, where: int) -> None:
        super().__init__()
        self._where = where

    def uniform(self, a: float, b: float) -> float:
        return (a, b)[self._where]


def edges(failures: int, *, max_s: float = LONG_S, lies: int = 0) -> tuple[float, ...]:
    return tuple(backoff_s(failures, Edges(where), max_s=max_s, lies=lies) for where in (0, 1))


@pytest.mark.parametrize(
    ("failures", "longest_s"), [(0, 1), (1, 2), (8, 256), (15, 32_768), (16, 65_536), (17, 65_536), (9_999, 65_536)]
)
def test_the_back_off_doubles_from_a_second_and_stops_at_sixteen_times(failures: int, longest_s: int) -> None:
    assert edges(failures) == (0, longest_s)
    assert edges(failures, max_s=300.0) == (0, min(longest_s, 300))


@pytest.mark.parametrize(
    ("failures", "lies", "ends"),
    [
        (0, LIES_MAX - 1, (0, 1)),
        (0, LIES_MAX, (4, 8)),
        (9, LIES_MAX, (256, 512)),
        (0, 16, (32_768, 65_536)),
        (0, 17, (32_768, 65_536)),
        (99, 99, (32_768, 65_536)),
    ],
)
def test_a_liar_waits_for_at_least_half(failures: int, lies: int, ends: tuple[int, int]) -> None:
    assert edges(failures, lies=lies) == ends
    assert edges(failures, lies=lies, max_s=100.0)[1] == min(100, ends[1])


@pytest.mark.parametrize(
    ("every_s", "rests_s"), [(100.0, 100.0), (0.5, EVERY_MIN_S), (EVERY_MIN_S, EVERY_MIN_S), (1e9, EVERY_MAX_S)]
)
def test_a_scheduled_line_rests_a_tenth_more_or_less(every_s: float, rests_s: float) -> None:
    ends = [until_next_s(Schedule("scheduled", every_s), Edges(where)) for where in (0, 1)]
    assert ends == pytest.approx([0.9 * rests_s, 1.1 * rests_s])


def test_only_a_scheduled_line_rests() -> None:
    assert [Schedule(mode).is_scheduled for mode in ("realtime", "scheduled", "pull")] == [False, True, False]


def longest_waits(*contacts: tuple[str, int]) -> list[float]:
    """How long a dialler waits at most after each of these contacts: how it ended, and how long it held."""
    attempts = Attempts(Edges(1), max_s=LONG_S)
    return [attempts.wait_s(code, REALTIME, held_ms=held_ms) for code, held_ms in contacts]


def test_each_failure_in_a_row_doubles_the_wait_up_to_its_cap() -> None:
    assert longest_waits(*[("timeout", 0)] * 3) == [2, 4, 8]
    attempts = Attempts(Edges(1))
    assert [attempts.wait_s("timeout", REALTIME, held_ms=0) for _ in range(20)][-1] == BACKOFF_MAX_S
    assert (attempts.failures, attempts.lies) == (20, 0)


def test_a_line_that_held_for_a_while_is_dialled_again_as_after_no_failure() -> None:
    assert longest_waits(("timeout", 0), ("hung_up", HEALTHY_MS), ("timeout", 0)) == [2, 1, 2]
    assert longest_waits(("timeout", 0), ("hung_up", HEALTHY_MS - 1), ("timeout", 0)) == [2, 4, 8]


def test_after_a_contact_that_was_done_nothing_is_in_a_row_any_more() -> None:
    assert longest_waits(("gap", 0), ("timeout", 0), ("done", 0), ("timeout", 0)) == [2, 4, 0, 2]
    attempts = Attempts(Edges(0))
    for code in ("gap", "gap", "done", "gap"):
        attempts.wait_s(code, REALTIME, held_ms=0)
    assert (attempts.failures, attempts.lies) == (1, 1)


def test_a_scheduled_line_rests_after_what_was_done_and_is_dialled_soon_after_a_failure() -> None:
    attempts = Attempts(Edges(1), max_s=LONG_S)

    assert attempts.wait_s("done", SCHEDULED, held_ms=0) == pytest.approx(110.0)
    assert attempts.wait_s("timeout", SCHEDULED, held_ms=0) == 2


def test_lies_in_a_row_are_counted_however_long_the_line_held_and_a_good_line_ends_the_row() -> None:
    attempts = Attempts(Edges(0), max_s=LONG_S)
    said = [("gap", 0), ("gap", HEALTHY_MS), ("timeout", 0), ("no_ack", HEALTHY_MS), ("hung_up", HEALTHY_MS)]

    found = [(attempts.wait_s(code, REALTIME, held_ms=held_ms), attempts.lies) for code, held_ms in said]

    assert found == [(0, 1), (0, 2), (0, 2), (4, 3), (0, 0)]
