"""When a hub dials: all the time, or every so often. The cloud's file says it, a session tells it, a dialler keeps it. Pure."""

import random
from dataclasses import dataclass

EVERY_MIN_S, EVERY_MAX_S = 1.0, 86_400.0
JITTER = 0.1  # of the time between two contacts, either way: a thousand shops do not dial in one second
MODES_TOLD = ("realtime", "scheduled")  # what a cloud may tell a hub that dials


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a hub dials: all the time (realtime), or every `every_s` seconds, until nothing waits on either side (scheduled)."""

    mode: str = "realtime"
    every_s: float = 0.0

    @property
    def is_scheduled(self) -> bool:
        """Whether the line rests between contacts."""
        return self.mode == "scheduled"


REALTIME = Schedule()


def told(mode: str, every_s: float) -> Schedule | None:
    """Return when the peer wants to be dialled; None where it says nothing, or nothing that is known here."""
    return Schedule(mode, every_s) if mode in MODES_TOLD else None


def until_next_s(schedule: Schedule, rng: random.Random) -> float:
    """Return how long a scheduled line rests."""
    every_s = min(max(schedule.every_s, EVERY_MIN_S), EVERY_MAX_S)
    return rng.uniform(every_s * (1 - JITTER), every_s * (1 + JITTER))
