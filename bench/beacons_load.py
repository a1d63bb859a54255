"""The load of the benchmark `beacons`: who advertises, how often, and what the driver is told to follow."""

import random
from uuid import UUID

from devices.drivers.ble_beacons import Options, ZoneOptions
from devices.testing.beacons import ibeacon, rssi_dbm

BEACONS = 500
ADVERTS_PER_S = 2000
UUID_OF_ALL = UUID("5b8e2d7a-91c4-4f0e-a3d6-127c9e50f4b8")
OPTIONS = Options(
    zones={
        "desk": ZoneOptions(enter_dbm=-62),
        "entrance": ZoneOptions(enter_dbm=-74),
        "shop": ZoneOptions(enter_dbm=-90),
    },
    visitors=(f"ibeacon:{UUID_OF_ALL}",),
)


def address_of(n: int) -> str:
    """Return the address of the nth beacon."""
    return f"C0:00:00:00:{n >> 8:02X}:{n & 255:02X}"


def payload_of(n: int) -> dict[int, bytes]:
    """Return what the nth beacon sends."""
    return ibeacon(UUID_OF_ALL, 1, n)


class Crowd:
    """All beacons, each somewhere in the shop and on its way; `next_rssi` is one advertisement of the nth."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._distance_m = [rng.uniform(0.5, 25) for _ in range(BEACONS)]

    def next_rssi(self, n: int) -> int:
        """Move it a little and return how strong it is heard."""
        moved_m = self._distance_m[n] + self._rng.uniform(-0.4, 0.4)
        self._distance_m[n] = min(25.0, max(0.5, moved_m))
        return rssi_dbm(moved_m, self._rng)
