"""Readings of people counters on their way into the books, and the event that tells of them.

One batch is one write job. After its commit the windows that grew are told in an event `footfall`, at most one a second:

    {"date": "2026-11-21", "windows": [{"entrance": "door", "quarter": "2026-11-21T09:00:00Z", "in": 12, "out": 9}]}

`date` is today's business date; each window is all that this hub has counted in it, so a listener replaces what it had, and
reads GET /v1/insights/footfall for the day.
"""

import asyncio
from collections.abc import Sequence

from devices.errors import NotRecordedError
from devices.model import CounterReading
from hub.runtime import Runtime
from hub.store import footfall
from hub.store.footfall import Recorded, Window
from hub.store.model import utc
from sync.errors import BusyError, OutcomeUnknownError
from sync.retail.selling.days import business_date

EVENT_INTERVAL_S = 1.0


class Visitors:
    """Where the device side hands in its readings."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._untold: dict[tuple[str, int], Window] = {}
        self._next_event_s = 0.0
        self._is_due = False

    async def on_readings(self, device_id: str, readings: Sequence[CounterReading]) -> None:
        """Return when the readings are durable; raise NotRecordedError when the hub cannot write."""
        hub, now_ms = self._hub, self._hub.now_ms()
        try:
            await hub.db.write(
                lambda tx: footfall.record(tx, hub.replica, readings, now_ms=now_ms), then=self._recorded
            )
        except (BusyError, OutcomeUnknownError) as err:
            raise NotRecordedError(f"{device_id}: {err.code}") from err

    def _recorded(self, recorded: Recorded) -> None:
        for verdict, count in recorded.verdicts.items():
            self._hub.metrics.readings.labels(verdict).inc(count)
        self._untold |= {(window.entrance, window.quarter_ms): window for window in recorded.changed}
        if self._untold and not self._is_due:
            self._is_due = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._next_event_s, loop.time()), self._tell)

    def _tell(self) -> None:
        hub, now_ms = self._hub, self._hub.now_ms()
        self._is_due = False
        self._next_event_s = asyncio.get_running_loop().time() + EVENT_INTERVAL_S
        windows, self._untold = list(self._untold.values()), {}
        date = business_date(utc(now_ms), hub.shop.zone, cut_over_hour=hub.shop.cut_over_hour)
        hub.bus.publish("footfall", {"date": date, "windows": [_view(window) for window in windows]}, now_ms=now_ms)
        for tell in hub.on_footfall:
            tell()


def _view(window: Window) -> dict[str, str | int]:
    quarter = utc(window.quarter_ms).isoformat().replace("+00:00", "Z")
    return {"entrance": window.entrance, "quarter": quarter, "in": window.entered, "out": window.exited}
