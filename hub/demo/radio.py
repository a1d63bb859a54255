"""The air of the demo: visitors with wristbands and a trolley wander about, heard by two simulated adapters.

The hub hears them as it would hear real ones, by bleak over D-Bus. Where bleak or dbus-daemon is missing there is no radio.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from uuid import UUID

from devices.testing.beacons import Spot, ibeacon, rssi_dbm, wander
from devices.testing.private_bus import has_dbus_daemon, private_bus

if TYPE_CHECKING:
    from devices.testing.bluez import FakeBlueZ

UUID_OF_SHOP = UUID("6a84c7d8-8d6b-4b1f-9f3c-2d0c5e3f7a10")
VISITORS, THINGS = f"ibeacon:{UUID_OF_SHOP}:1", f"ibeacon:{UUID_OF_SHOP}:2"
SPOTS = {"desk": Spot(0, 0), "shelves": Spot(5, 7), "entrance": Spot(10, 0), "outside": Spot(40, 0)}
ADAPTERS = {"hci0": SPOTS["desk"], "hci1": SPOTS["entrance"]}
WANDERERS = ((1, 1), (1, 2), (1, 3), (2, 1))  # major, minor: three wristbands, a trolley
ADVERTS_PER_S = 3
SECTION = f"""
[devices.radio]
kind = "ble_beacons"
adapters = ["hci0", "hci1"]
visitors = ["{VISITORS}"]
things = ["{THINGS}"]

[devices.radio.zones.desk]
receiver = "hci0"
enter_dbm = -72

[devices.radio.zones.entrance]
receiver = "hci1"
enter_dbm = -72

[devices.radio.zones.shelves]
receiver = "hci0"
enter_dbm = -86
"""


@asynccontextmanager
async def open_air(rng: random.Random, *, is_peopled: bool = True) -> AsyncIterator[str]:
    """Let people wander, if there are any; yield the address of the bus that hears them, "" where there can be none."""
    if not has_dbus_daemon() or find_spec("bleak") is None:
        yield ""
        return
    from devices.testing.bluez import FakeBlueZ  # here: its library comes with bleak

    async with private_bus() as address, FakeBlueZ(address, tuple(ADAPTERS)) as bluez, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_carry(bluez, major, minor, random.Random(rng.random())), name=f"beacon {major}-{minor}")  # noqa: S311
            for major, minor in (WANDERERS if is_peopled else ())
        ]
        try:
            yield address
        finally:
            for task in tasks:
                task.cancel()


async def _carry(bluez: "FakeBlueZ", major: int, minor: int, rng: random.Random) -> None:
    payload, address = ibeacon(UUID_OF_SHOP, major, minor), f"C0:00:00:00:{major:02X}:{minor:02X}"
    for here in wander(SPOTS, rng):
        for _ in range(ADVERTS_PER_S):
            for adapter, spot in ADAPTERS.items():
                bluez.advertise(address, manufacturer=payload, rssi=rssi_dbm(here.to(spot), rng), adapter=adapter)
            await asyncio.sleep(1 / ADVERTS_PER_S)
