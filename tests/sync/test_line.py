"""How long a line rests, at the ends of what chance may draw. That it is spread between them: test_dialler."""

import random

import pytest

from sync.line import EVERY_MAX_S, EVERY_MIN_S, LIES_MAX, Schedule, backoff_s, until_next_s

LONG_S = 1e9  # a cap that is never reached


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
