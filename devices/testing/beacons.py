"""Simulated beacons: their bytes by the specifications, not by the driver's codec, and shoppers who carry them through a shop."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

APPLE = 0x004C
POWER_DBM = -59
PATH_LOSS = 2.2  # decibels a tenfold distance over ten: a shop's shelves and people
NOISE_DB = 3.5  # by which one advertisement is heard stronger or weaker than the next
STEP_M = 0.7  # a shopper's stride in a second
ARRIVED_M = 0.5
LINGER_S = (8, 40)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the shop, in metres."""

    x_m: float
    y_m: float

    def to(self, other: "Spot") -> float:
        """Return the distance."""
        return math.hypot(self.x_m - other.x_m, self.y_m - other.y_m)


def ibeacon(uuid: UUID, major: int, minor: int) -> dict[int, bytes]:
    """Return the manufacturer data of an iBeacon."""
    tail = major.to_bytes(2, "big") + minor.to_bytes(2, "big") + POWER_DBM.to_bytes(1, "big", signed=True)
    return {APPLE: b"\x02\x15" + uuid.bytes + tail}


def rssi_dbm(distance_m: float, rng: random.Random) -> int:
    """Return how strong one advertisement is heard: log-distance path loss with noise."""
    heard = POWER_DBM - 10 * PATH_LOSS * math.log10(max(distance_m, 0.3)) + rng.gauss(0, NOISE_DB)
    return max(-105, min(-20, round(heard)))


def wander(spots: Mapping[str, Spot], rng: random.Random) -> Iterator[Spot]:
    """Yield where a shopper is, each second: from spot to spot, with time to look at things; never ends."""
    here = rng.choice(list(spots.values()))
    while True:
        goal = rng.choice(list(spots.values()))
        while (left_m := here.to(goal)) > ARRIVED_M:
            share = min(1.0, STEP_M / left_m)
            here = Spot(here.x_m + share * (goal.x_m - here.x_m), here.y_m + share * (goal.y_m - here.y_m))
            yield here
        for _ in range(rng.randint(*LINGER_S)):
            yield here
