"""The business date: before the cut-over it is still the day before, on the shop's own clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.selling.days import TradingDay, business_date, day_after, trading_day

HONG_KONG, TAIPEI, NEW_YORK = ZoneInfo("Asia/Hong_Kong"), ZoneInfo("Asia/Taipei"), ZoneInfo("America/New_York")
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
HOURS = st.integers(0, 12)
DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 31))


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


def booked(own: str, *, today: str, closed_through: str | None) -> TradingDay:
    return trading_day(own, today=lambda: today, closed_through=closed_through)


@pytest.mark.parametrize(
    ("own", "closed_through", "expected"),
    [
        ("2026-09-20", None, ("2026-09-20", "")),  # nothing was closed yet
        ("2026-09-21", "2026-09-20", ("2026-09-21", "")),
        ("2026-09-20", "2026-09-20", ("2026-09-21", "2026-09-20")),
        ("2026-09-11", "2026-09-19", ("2026-09-21", "2026-09-11")),  # yesterday is open as well: late goes to today
        ("2026-09-21", "2026-09-21", ("2026-09-22", "2026-09-21")),  # after today's closing
        ("2026-09-21", "2026-09-23", ("2026-09-24", "2026-09-21")),  # the clock was put back
        ("2026-09-22", "2026-09-21", ("2026-09-22", "")),  # a till whose clock is ahead
    ],
)
def test_what_comes_late_goes_to_the_open_day_and_says_of_which_it_was(
    own: str, closed_through: str | None, expected: tuple[str, str]
) -> None:
    assert booked(own, today="2026-09-21", closed_through=closed_through) == TradingDay(*expected)


@given(own=DAYS, today=DAYS, closed_through=DAYS)
def test_nothing_is_booked_on_a_closed_day(own: date, today: date, closed_through: date) -> None:
    """Judged by dates, where the rule compares texts: what is open stays where it was made, the rest is not before today."""
    day = booked(str(own), today=str(today), closed_through=str(closed_through))

    on = date.fromisoformat(day.business_date)
    assert on > closed_through
    if own > closed_through:
        assert (on, day.late_from) == (own, "")
    else:
        assert on in (today, closed_through + timedelta(days=1)) and on >= today
        assert day.late_from == str(own)


def test_today_is_asked_for_only_for_what_is_late() -> None:
    def nobody_knows() -> str:
        raise AssertionError("asked")

    assert trading_day("2026-09-22", today=nobody_knows, closed_through="2026-09-21").business_date == "2026-09-22"
    assert trading_day("2026-09-22", today=nobody_knows, closed_through=None).business_date == "2026-09-22"
    with pytest.raises(AssertionError, match="asked"):
        trading_day("2026-09-21", today=nobody_knows, closed_through="2026-09-21")


@pytest.mark.parametrize(
    ("day", "after"),
    [
        ("2026-09-21", "2026-09-22"),
        ("2026-12-31", "2027-01-01"),
        ("2028-02-28", "2028-02-29"),
        ("2027-02-28", "2027-03-01"),
    ],
)
def test_the_next_day_is_that_of_the_calendar(day: str, after: str) -> None:
    assert day_after(day) == after
