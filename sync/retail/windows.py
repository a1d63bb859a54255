"""When something is valid: dates, weekdays and hours by the store's zone, and the grace of a clock that is not sure. Pure.

    dates      inclusive, whole days                    none: no bound
    weekdays   ISO, Monday 1                            none: every day
    hours      [from, until); 22 to 2 goes past midnight, and what is after it belongs to the day on which it began

A clock that is not sure takes what would be open at a moment within the declared grace, GRACE_MAX_MS at most; what was allowed by
it is said. Not here: what is valid (sync.retail.people.coupons, sync.retail.catalogue.pricing, sync.retail.catalogue.promotions).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from sync.clock import GRACE_MAX_MS

QUARTER_S = 15 * 60  # no zone has changed at anything finer since 1972: within it a window is open or it is not


class Windowed(Protocol):
    """What has a window."""

    @property
    def valid_from(self) -> date | None: ...

    @property
    def valid_until(self) -> date | None: ...

    @property
    def weekdays(self) -> tuple[int, ...]: ...

    @property
    def hours(self) -> tuple[int, int] | None: ...


class Window(Struct, frozen=True):
    """A window by itself."""

    valid_from: date | None = None
    valid_until: date | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


class At(Struct, frozen=True):
    """A moment in the store's zone, and whether the clock that says so is sure."""

    moment: datetime
    is_sure: bool = True
    grace_ms: int = 0


class Opening(StrEnum):
    """How a window stands at a moment."""

    OPEN = "open"
    GRACE = "grace"
    CLOSED = "closed"


def opening_at(window: Windowed, at: At) -> Opening:
    """Return how a window stands."""
    if is_open(window, at.moment):
        return Opening.OPEN
    return Opening.GRACE if not at.is_sure and is_near(window, at.moment, at.grace_ms) else Opening.CLOSED


def is_open(window: Windowed, moment: datetime) -> bool:
    """Say whether a moment, in the store's zone, is on a day and at an hour of the window."""
    assert moment.tzinfo is not None
    day = moment.date()
    if window.hours is not None:
        begins, ends = window.hours
        is_past_midnight = begins > ends and moment.hour < ends
        if not (begins <= moment.hour < ends or (begins > ends and (moment.hour >= begins or is_past_midnight))):
            return False
        day -= timedelta(days=is_past_midnight)
    has_begun = window.valid_from is None or window.valid_from <= day
    is_over = window.valid_until is not None and window.valid_until < day
    return has_begun and not is_over and (not window.weekdays or day.isoweekday() in window.weekdays)


def is_near(window: Windowed, moment: datetime, grace_ms: int) -> bool:
    """Say whether the window is open at a moment not further away than the grace."""
    return any(is_open(window, near) for near in _around(moment, min(grace_ms, GRACE_MAX_MS)))


def _around(moment: datetime, grace_ms: int) -> Iterator[datetime]:
    """Moments of the zone from `grace_ms` before to as much after, one in each UTC quarter hour that is touched."""
    zone, first = moment.tzinfo, moment.astimezone(UTC) - timedelta(milliseconds=grace_ms)
    last = moment.astimezone(UTC) + timedelta(milliseconds=grace_ms)
    yield first.astimezone(zone)
    quarter = datetime.fromtimestamp(first.timestamp() // QUARTER_S * QUARTER_S, UTC)
    while (quarter := quarter + timedelta(seconds=QUARTER_S)) <= last:
        yield quarter.astimezone(zone)
