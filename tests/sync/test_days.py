"""The business date: before the cut-over it is still the day before, on the shop's own clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.selling.days import business_date

HONG_KONG, TAIPEI, NEW_YORK = ZoneInfo("Asia/Hong_Kong"), ZoneInfo("Asia/Taipei"), ZoneInfo("America/New_York")
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
HOURS = st.integers(0, 12)


@pytest.mark.parametrize(
    ("moment", "cut_over_hour", "expected"),
    [
        ("2026-01-01T00:00:00+08:00", 0, "2026-01-01"),
        ("2025-12-31T23:59:59+08:00", 0, "2025-12-31"),
        ("2026-01-01T03:59:59.999999+08:00", 4, "2025-12-31"),
        ("2026-01-01T04:00:00+08:00", 4, "2026-01-01"),
        ("2025-12-31T16:00:00Z", 0, "2026-01-01"),
        ("2024-03-01T02:00:00+08:00", 4, "2024-02-29"),
        ("2026-01-01T11:59:59+08:00", 12, "2025-12-31"),
    ],
)
def test_around_the_cut_over(moment: str, cut_over_hour: int, expected: str) -> None:
    assert business_date(datetime.fromisoformat(moment), HONG_KONG, cut_over_hour=cut_over_hour) == expected


@given(moment=MOMENTS, cut_over_hour=HOURS)
def test_in_zones_without_summer_time_a_day_has_24_hours(moment: datetime, cut_over_hour: int) -> None:
    """Judged by plain arithmetic on UTC: both zones have been UTC+8 since 1980."""
    expected = (moment + timedelta(hours=8 - cut_over_hour)).date().isoformat()

    assert business_date(moment, HONG_KONG, cut_over_hour=cut_over_hour) == expected
    assert business_date(moment, TAIPEI, cut_over_hour=cut_over_hour) == expected


@given(moment=MOMENTS, cut_over_hour=HOURS, offset_hours=st.integers(-12, 14))
def test_how_the_moment_is_written_does_not_matter(moment: datetime, cut_over_hour: int, offset_hours: int) -> None:
    elsewhere = moment.astimezone(ZoneInfo(f"Etc/GMT{-offset_hours:+d}"))

    dates = {business_date(each, NEW_YORK, cut_over_hour=cut_over_hour) for each in (moment, elsewhere)}

    assert len(dates) == 1


@given(moment=MOMENTS, cut_over_hour=HOURS)
def test_the_date_never_goes_back_as_time_goes_on(moment: datetime, cut_over_hour: int) -> None:
    days = [
        date.fromisoformat(business_date(moment + timedelta(hours=n), HONG_KONG, cut_over_hour=cut_over_hour))
        for n in range(30)
    ]

    assert days == sorted(days) and (days[24] - days[0]).days == 1


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-08T07:59:59Z", "2026-03-07"),  # 03:59:59 EDT, an hour after the clocks went from 2 to 3
        ("2026-03-08T08:00:00Z", "2026-03-08"),
        ("2026-11-01T08:59:59Z", "2026-10-31"),  # 03:59:59 EST, after 1 o'clock came twice
        ("2026-11-01T09:00:00Z", "2026-11-01"),
    ],
)
def test_the_cut_over_is_by_the_wall_clock_where_clocks_change(moment: str, expected: str) -> None:
    assert business_date(datetime.fromisoformat(moment), NEW_YORK, cut_over_hour=4) == expected
