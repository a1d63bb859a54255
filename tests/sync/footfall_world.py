"""What sensors say of visitors, and how the rule judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sync.retail.visitors.footfall import (
    Judged,
    Verdict,
    judge,
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
