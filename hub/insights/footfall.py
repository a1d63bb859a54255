"""Visitors of a business day, by entrance and by hour: the UTC quarter hours of all writers, cut by the store's own clock.

Read-only. Source: the design, section 3.3 (Footfall, Days).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from sqlite3 import Connection
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.store.model import Shop

HOUR = timedelta(hours=1)


class EntranceCount(Struct, frozen=True, rename={"entered": "in", "exited": "out"}):
    """Who came and left at one entrance."""

    entrance: str
    entered: int
    exited: int


class HourCount(Struct, frozen=True, rename={"entered": "in", "exited": "out"}):
    """Who came and left in the hour that begins at `hour`, local time with its offset from UTC."""

    hour: str
    entered: int
    exited: int


class FootfallDay(Struct, frozen=True, rename={"entered": "in", "exited": "out"}):
    """Visitors of a business day, from its cut-over to the next; `hours` has every hour of it, 23 to 25 of them."""

    date: str
    time_zone: str
    entered: int
    exited: int
    entrances: list[EntranceCount]
    hours: list[HourCount]


def footfall_of_day(read: Connection, shop: Shop, day: date) -> FootfallDay:
    """Return the visitors of a business day."""
    begin, end = day_bounds(day, shop.zone, cut_over_hour=shop.cut_over_hour)
    rows = read.execute(
        """
        SELECT entrance, quarter_ms, sum(entered), sum(exited) FROM footfall
        WHERE quarter_ms >= ? AND quarter_ms < ?
        GROUP BY entrance, quarter_ms
        """,
        (milliseconds(begin), milliseconds(end)),
    ).fetchall()
    entrances: dict[str, list[int]] = {}
    hours = {milliseconds(hour): [0, 0] for hour in hours_of(begin, end)}
    for entrance, quarter_ms, entered, exited in rows:
        begun_ms = max(hour_ms for hour_ms in hours if hour_ms <= quarter_ms)
        for sums in (entrances.setdefault(entrance, [0, 0]), hours[begun_ms]):
            sums[0] += entered
            sums[1] += exited
    return FootfallDay(
        date=day.isoformat(),
        time_zone=shop.zone.key,
        entered=sum(entered for entered, _ in entrances.values()),
        exited=sum(exited for _, exited in entrances.values()),
        entrances=[EntranceCount(name, *sums) for name, sums in sorted(entrances.items())],
        hours=[HourCount(local_time(hour_ms, shop.zone), *sums) for hour_ms, sums in hours.items()],
    )


def entrances_since(read: Connection, since_ms: int) -> list[str]:
    """Return the entrances at which somebody came or left."""
    rows = read.execute("SELECT DISTINCT entrance FROM footfall WHERE quarter_ms >= ? ORDER BY entrance", (since_ms,))
    return [entrance for (entrance,) in rows]


def day_bounds(day: date, zone: ZoneInfo, *, cut_over_hour: int) -> tuple[datetime, datetime]:
    """Return when a business day begins and ends, in UTC; the same moments as sync.retail.selling.days.business_date says."""
    begin, end = (
        datetime(each.year, each.month, each.day, cut_over_hour, tzinfo=zone).astimezone(UTC)
        for each in (day, day + timedelta(days=1))
    )
    return begin, end


def hours_of(begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the moments at which hours begin."""
    while begin < end:
        yield begin
        begin += HOUR


def local_time(at_ms: int, zone: ZoneInfo) -> str:
    """Return a moment in the store's zone, with its offset."""
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat()


def milliseconds(moment: datetime) -> int:
    """Return whole seconds since 1970, as milliseconds."""
    return int(moment.timestamp()) * 1000
