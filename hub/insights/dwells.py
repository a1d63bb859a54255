"""How long visitors stayed where on a business day: by zone, and by zone and hour. The last minutes are not recorded yet.

A stay is counted where it ends, with its whole length in the median there; its time is counted in the hours that it covers. Of
a stay over the cut-over only what lies in the day is looked at. Read-only. Source: the design, section 5.
"""

from collections import defaultdict
from datetime import date
from sqlite3 import Connection
from statistics import median

from msgspec import Struct

from hub.insights.footfall import day_bounds, hours_of, local_time, milliseconds
from hub.store.model import Shop

STAY_MAX_MS = 2 * 3600 * 1000  # longer ones are recorded in pieces, at most an hour each


class ZoneDwell(Struct, frozen=True):
    """Visitors in a zone: stays, how many visitors that were, their time, that of one stay (mean, median). Things: their time."""

    zone: str
    visits: int
    visitors: int
    dwell_s: int
    mean_s: int
    median_s: int
    things_s: int


class HourDwell(Struct, frozen=True):
    """Visitors in a zone in the hour that begins at `hour`, local time with its offset from UTC."""

    hour: str
    zone: str
    visits: int
    visitors: int
    dwell_s: int
    median_s: int


class DwellDay(Struct, frozen=True):
    """A business day, from its cut-over to the next; `hours` has those of a zone in which somebody was there."""

    date: str
    time_zone: str
    zones: list[ZoneDwell]
    hours: list[HourDwell]


class _Sum:
    """What is added up of a zone, or of an hour of it."""

    def __init__(self) -> None:
        self.dwell_ms = self.things_ms = 0
        self.visitors: set[str] = set()
        self.stays_ms: list[int] = []

    def add(self, visitor: str, spent_ms: int) -> None:
        if visitor:
            self.visitors.add(visitor)
            self.dwell_ms += spent_ms
        else:
            self.things_ms += spent_ms

    @property
    def median_s(self) -> int:
        """What half of the stays took at most."""
        return round(median(self.stays_ms) / 1000) if self.stays_ms else 0


def dwell_of_day(read: Connection, shop: Shop, day: date) -> DwellDay:
    """Return how long visitors stayed on a business day."""
    begin, end = day_bounds(day, shop.zone, cut_over_hour=shop.cut_over_hour)
    begin_ms, end_ms = milliseconds(begin), milliseconds(end)
    hours = [milliseconds(hour) for hour in hours_of(begin, end)]
    zones: defaultdict[str, _Sum] = defaultdict(_Sum)
    by_hour: defaultdict[tuple[int, str], _Sum] = defaultdict(_Sum)
    rows = read.execute(
        """
        SELECT zone, begun_ms, ended_ms, coalesce(body ->> '$.visitor', ''), coalesce(body ->> '$.goes_on', 0)
        FROM dwell WHERE ended_ms > ? AND ended_ms < ? AND begun_ms < ? ORDER BY begun_ms
        """,
        (begin_ms, end_ms + STAY_MAX_MS, end_ms),
    )
    going_on: dict[
        tuple[str, str], tuple[int, int]
    ] = {}  # (zone, visitor) -> where the last piece ended, how long it is so far
    for zone, begun_ms, ended_ms, visitor, goes_on in rows:
        spent_ms = min(ended_ms, end_ms) - max(begun_ms, begin_ms)
        zones[zone].add(visitor, spent_ms)
        last_ms, before_ms = going_on.pop((zone, visitor), (0, 0))
        stay_ms = spent_ms + (before_ms if last_ms == begun_ms else 0)
        if goes_on:
            going_on[zone, visitor] = ended_ms, stay_ms
        elif visitor and ended_ms <= end_ms:
            zones[zone].stays_ms.append(stay_ms)
            by_hour[max(hour_ms for hour_ms in hours if hour_ms < ended_ms), zone].stays_ms.append(stay_ms)
        for hour_ms, next_ms in zip(hours, [*hours[1:], end_ms], strict=True):
            if begun_ms < next_ms and ended_ms > hour_ms:
                by_hour[hour_ms, zone].add(visitor, min(ended_ms, next_ms) - max(begun_ms, hour_ms))
    return DwellDay(
        date=day.isoformat(),
        time_zone=shop.zone.key,
        zones=[_zone(zone, found) for zone, found in sorted(zones.items())],
        hours=[
            HourDwell(
                local_time(hour_ms, shop.zone),
                zone,
                len(found.stays_ms),
                len(found.visitors),
                round(found.dwell_ms / 1000),
                found.median_s,
            )
            for (hour_ms, zone), found in sorted(by_hour.items())
            if found.visitors
        ],
    )


def _zone(zone: str, found: _Sum) -> ZoneDwell:
    visits = len(found.stays_ms)
    return ZoneDwell(
        zone=zone,
        visits=visits,
        visitors=len(found.visitors),
        dwell_s=round(found.dwell_ms / 1000),
        mean_s=round(found.dwell_ms / visits / 1000) if visits else 0,
        median_s=found.median_s,
        things_s=round(found.things_ms / 1000),
    )
