"""Which state the disk is in, by what is free and what it was before. Pure; the table is in hub.disk."""

from dataclasses import dataclass
from typing import Literal

from hub.settings.disk import DiskSection

Level = Literal["well", "thin", "stop", "refuse", "reserve"]
State = Literal["well", "thin", "stop", "refuse", "reserve", "full", "read_only", "failing"]
LEVELS: tuple[Level, ...] = ("well", "thin", "stop", "refuse", "reserve")
STATES: tuple[State, ...] = (*LEVELS, "full", "read_only", "failing")
MIB = 1 << 20
STEPS = 8  # of the reserve: what one of them gives is room for some hundred sales of the largest kind
STEP_MIN = 128 * 1024
LEAVES_ABOVE = 1.1  # times the mark: a disk that hovers at one does not change its mind every second


@dataclass(frozen=True, slots=True)
class Marks:
    """Bytes that are free, below which a level begins."""

    thin: int
    stop: int
    refuse: int
    reserve: int

    def of(self, level: Level) -> int:
        """Return the mark of a level; `well` has none."""
        return {"thin": self.thin, "stop": self.stop, "refuse": self.refuse, "reserve": self.reserve}.get(level, 0)


def marks_of(section: DiskSection) -> Marks:
    """Return the marks of the configuration."""
    step = step_of(section) if section.reserve_mib else 0
    return Marks(section.thin_below_mib * MIB, section.stop_below_mib * MIB, section.refuse_below_mib * MIB, step)


def step_of(section: DiskSection) -> int:
    """Return how many bytes the reserve gives at a time."""
    return max(STEP_MIN, section.reserve_mib * MIB // STEPS)


def level_at(free: int, marks: Marks, before: Level) -> Level:
    """Return the level of so many free bytes; one that was reached is left a tenth above its mark only."""
    reached: Level = "well"
    for level in LEVELS[1:]:
        was_there = LEVELS.index(before) >= LEVELS.index(level)
        if free < marks.of(level) * (LEAVES_ABOVE if was_there else 1):
            reached = level
    return reached
