"""A beacon that moved between zones, on its way to the console. A visitor has the day's pseudonym, a thing its own name."""

from typing import Any

from devices.model import Carrier, ZoneChange
from hub.bus import CONSOLE
from hub.runtime import Runtime


def hear(hub: Runtime, device_id: str, change: ZoneChange) -> None:
    """Tell the console; it is of no use to a till, and lost when nobody looks."""
    data: dict[str, Any] = {"left": change.left, "entered": change.entered}  # Any: JSON
    data |= who(hub, change.beacon, change.carrier)
    hub.bus.publish("zone", data, now_ms=hub.now_ms(), device=device_id, audience=CONSOLE)


def who(hub: Runtime, beacon: str, carrier: Carrier) -> dict[str, str]:
    """Return `thing` or `visitor` with its name."""
    return {"thing": beacon} if carrier == "thing" else {"visitor": hub.pseudonyms.of(beacon, day=hub.today)}
