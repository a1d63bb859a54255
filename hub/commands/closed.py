"""`storehub closed [--for MINUTES]`: whether the shop is closed by its own hours, so that a machine may be worked on.

A day's hours may end after midnight (["18:00", "02:00"]) or at "24:00". A shop without hours is never known to be
closed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from hub.store.model import Shop
from sync.errors import StartError

DAY = timedelta(days=1)


def say_whether_closed(shop: Shop, now: datetime, *, minutes: int) -> int:
    """Print one sentence; 0: closed, and for `minutes` more. Raise StartError for a shop that has no hours."""
    if not shop.hours:
        raise StartError('nobody knows when the shop is open; write [store] hours = { mon = ["10:00", "22:00"], … }')
    until = open_until(shop.hours, now, now + timedelta(minutes=minutes))
    if until is None:
        print(f"{shop.store_id} is closed at {now:%a %H:%M} ({shop.zone.key}), and for {minutes} minutes")
        return 0
    print(
        f"{shop.store_id} is open within {minutes} minutes of {now:%a %H:%M} ({shop.zone.key}), until {until:%a %H:%M}"
    )
    return 1


def open_until(hours: Mapping[str, tuple[str, str]], begin: datetime, end: datetime) -> datetime | None:
    """Return when the opening ends that overlaps [begin, end], or None. `hours`: ISO weekday → from, until."""
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    at, last = begin.replace(tzinfo=None), end.replace(tzinfo=None)  # hours are the wall's
    for day in (midnight - DAY, midnight, midnight + DAY):
        said = hours.get(str(day.isoweekday()))
        if said is None:
            continue
        opens, closes = (day + _since_midnight(text) for text in said)
        if closes <= opens:
            closes += DAY
        if opens <= last and at < closes:
            return closes
    return None


def _since_midnight(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))
