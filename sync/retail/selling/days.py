"""The business date: which trading day a moment belongs to, and where what comes late goes. Pure. Source: the design, 3.3 (Days).

A trading day that is closed stays as it was added up. What was sold on it and is committed later goes to the open one, marked
late, and is never moved again. Not here: who closes a day, which days are closed (hub.store.selling.days).
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct


class TradingDay(Struct, frozen=True):
    """Where something is booked; `late_from` is its own day where that was closed, else empty."""

    business_date: str
    late_from: str = ""


def business_date(moment: datetime, zone: ZoneInfo, *, cut_over_hour: int) -> str:
    """Return the trading day (YYYY-MM-DD) of a moment: before the cut-over hour it is still the day before."""
    local = moment.astimezone(zone)
    return (local.replace(tzinfo=None) - timedelta(hours=cut_over_hour)).date().isoformat()


def trading_day(own: str, *, today: Callable[[], str], closed_through: str | None) -> TradingDay:
    """Return where something of the day `own` is booked: there, or on the open day: today, or the first that is not closed.

    `today` is asked only for what comes late.
    """
    if closed_through is None or own > closed_through:
        return TradingDay(own)
    return TradingDay(max(today(), day_after(closed_through)), late_from=own)


def day_after(day: str) -> str:
    """Return the next day."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
