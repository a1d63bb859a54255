"""The business date: which trading day a moment belongs to. Pure. Source: the design, section 3.3 (Days)."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def business_date(moment: datetime, zone: ZoneInfo, *, cut_over_hour: int) -> str:
    """Return the trading day (YYYY-MM-DD) of a moment: before the cut-over hour it is still the day before."""
    local = moment.astimezone(zone)
    return (local.replace(tzinfo=None) - timedelta(hours=cut_over_hour)).date().isoformat()
