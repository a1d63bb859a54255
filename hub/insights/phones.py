"""Phones that Wi-Fi probes heard on a business day, by place and by hour, and how much of the day there were reports.

An estimate, and no more than that: `randomised` addresses change, so one phone may be several. Read-only. Source: the design,
section 5.
"""

from datetime import date
from sqlite3 import Connection

from msgspec import Struct

from hub.insights.footfall import day_bounds
from hub.store.model import Shop, utc

QUARTER_MS = 900_000


class PhoneHour(Struct, frozen=True):
    """Phones that were heard in the hour that begins at `hour`, local time with its offset from UTC."""

    hour: str
    steady: int
    randomised: int


class PhonePlace(Struct, frozen=True):
    """A place's day. With `salts` above 1 the hub was started within it, and some phones count twice.

    `heard_quarters` of `quarters` (quarter hours of the day so far) had a report: the coverage of these figures.
    """

    place: str
    steady: int
    randomised: int
    salts: int
    heard_quarters: int
    quarters: int
    hours: list[PhoneHour]


class PhonesDay(Struct, frozen=True):
    """Phones of a business day; from one day to another nobody can be told to be the same."""

    date: str
    time_zone: str
    places: list[PhonePlace]


def phones_of_day(read: Connection, shop: Shop, day: date, *, now_ms: int) -> PhonesDay:
    """Return the phones of a business day."""
    begin, end = (int(each.timestamp()) * 1000 for each in day_bounds(day, shop.zone, cut_over_hour=shop.cut_over_hour))
    quarters = max(0, -(-(min(end, now_ms) - begin) // QUARTER_MS))
    hours: dict[str, list[tuple[int, int, int, int]]] = {}
    for place, *hour in read.execute(
        "SELECT place, hour_ms, steady, randomised, heard FROM probe_hour WHERE date = ? ORDER BY place, hour_ms",
        (day.isoformat(),),
    ):
        hours.setdefault(place, []).append((hour[0], hour[1], hour[2], hour[3]))
    days = read.execute(
        "SELECT place, steady, randomised, salts FROM probe_day WHERE date = ? ORDER BY place", (day.isoformat(),)
    ).fetchall()
    places = [
        PhonePlace(
            place,
            steady,
            randomised,
            salts,
            sum(heard.bit_count() for *_, heard in hours.get(place, [])),
            quarters,
            [PhoneHour(utc(at).astimezone(shop.zone).isoformat(), s, r) for at, s, r, _ in hours.get(place, [])],
        )
        for place, steady, randomised, salts in days
    ]
    return PhonesDay(day.isoformat(), shop.zone.key, places)
