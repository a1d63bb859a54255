"""Visitors in the books: batches, what is kept of a sensor, the feed, and the business day in zones with summer time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.model import CounterReading
from hub.insights.footfall import day_bounds, footfall_of_day
from hub.store import footfall
from hub.store.footfall import Recorded
from sync.retail.selling.days import business_date
from sync.retail.visitors.footfall import QUARTER_MS, Verdict
from sync.store.reading import rows_after

NOW = 1_790_000_000_000  # 2026-09-21T14:13:20Z
QUARTER = NOW - NOW % QUARTER_MS


def totals(came: int, left: int = 0, *, sensor: str = "door", **more: Any) -> CounterReading:
    return CounterReading(sensor, more.pop("entrance", sensor), in_total=came, out_total=left, **more)


async def record(store: Any, *readings: CounterReading, now_ms: int = NOW) -> Recorded:
    done: Recorded = await store.db.write(lambda tx: footfall.record(tx, store.replica, readings, now_ms=now_ms))
    return done


async def test_a_batch_adds_up_and_says_what_changed(store: Any) -> None:
    done = await record(store, totals(10, 5), totals(12, 6), totals(15, 6), totals(3, sensor="back"))
    assert done.verdicts == {Verdict.BASELINE: 2, Verdict.COUNTED: 2}
    assert done.changed == (footfall.Window("door", QUARTER, 5, 1),)


async def test_what_is_kept_of_a_sensor_survives_as_it_was(store: Any) -> None:
    """One batch or one a reading: the same figures, so nothing is lost on the way through the file."""
    said = [
        totals(10, at_ms=NOW - 9, boot="a"),
        totals(14, at_ms=NOW - 8, boot="a"),
        totals(2, at_ms=NOW - 7, boot="b"),
        totals(14, at_ms=NOW - 8, boot="a"),
        *(CounterReading("cam", "door", in_delta=1, out_delta=1, delta_id=f"{n % 3}") for n in range(6)),
        *(CounterReading("cam", "door", in_delta=1, out_delta=0, delta_id=f"id {n % 3}") for n in range(6)),
        CounterReading("old", "door", in_delta=1, out_delta=0, packet_id=4),
        CounterReading("old", "door", in_delta=1, out_delta=0, packet_id=4, redelivered=True),
    ]
    for reading in said:
        await record(store, reading)
    assert footfall_of_day(store.db.read, store.shop, date(2026, 9, 21)).entered == 4 + 2 + 3 + 3 + 1
    assert (await record(store, *said)).changed[0].entered == 13 + 1, "all but the delta without id are known"


async def test_sensors_of_one_entrance_share_its_windows(store: Any) -> None:
    await record(store, totals(0, sensor="left", entrance="Main"), totals(0, sensor="right", entrance="Main"))
    done = await record(store, totals(2, sensor="left", entrance="Main"), totals(3, sensor="right", entrance="Main"))
    assert done.changed == (footfall.Window("Main", QUARTER, 5, 0),)


async def test_the_feed_has_each_window_once_where_it_changed_last(store: Any) -> None:
    await record(store, totals(0), totals(0, sensor="back"))
    await record(store, totals(1), totals(1, sensor="back"))
    before = rows_after(store.db.read, store.replica.local_id, "footfall", 0, 10)
    await record(store, totals(4, 2))
    after = rows_after(store.db.read, store.replica.local_id, "footfall", before[-1][0], 10)
    assert [seq for seq, _ in before] == sorted({seq for seq, _ in before}) and len(before) == 2
    assert [msgspec.json.decode(row) for _, row in after] == [
        {"v": 1, "entrance": "door", "quarter": "2026-09-21T14:00:00Z", "in": 4, "out": 2}
    ]
    assert len(rows_after(store.db.read, store.replica.local_id, "footfall", 0, 10)) == 2
    assert len(rows_after(store.db.read, store.replica.local_id, "footfall", 0, 1)) == 1


async def test_a_night_without_visitors_writes_nothing(store: Any) -> None:
    await record(store, totals(5, at_ms=NOW - 100))
    changes = await store.db.write(lambda tx: tx.total_changes)
    await record(store, totals(5, at_ms=NOW - 50), totals(5, at_ms=NOW))
    assert (await store.db.write(lambda tx: tx.total_changes)) == changes


async def test_one_sensor_too_many_is_not_kept(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footfall, "SENSORS_MAX", 2)
    done = await record(
        store, totals(1, sensor="a"), totals(1, sensor="b"), totals(1, sensor="c"), totals(2, sensor="a")
    )
    assert done.verdicts == {Verdict.BASELINE: 2, Verdict.UNKNOWN_SENSOR: 1, Verdict.COUNTED: 1}
    assert (await record(store, totals(1, sensor="c"))).verdicts == {Verdict.UNKNOWN_SENSOR: 1}


ZONES = ("Asia/Hong_Kong", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Beirut")


@given(st.sampled_from(ZONES), st.dates(date(2015, 1, 1), date(2035, 1, 1)), st.integers(0, 12))
def test_bounds_of_a_day_are_where_the_business_date_changes(zone_name: str, day: date, cut_over_hour: int) -> None:
    zone = ZoneInfo(zone_name)
    begin, end = day_bounds(day, zone, cut_over_hour=cut_over_hour)
    dates = [
        business_date(moment, zone, cut_over_hour=cut_over_hour)
        for moment in (begin - timedelta(minutes=15), begin, end - timedelta(minutes=15), end)
    ]
    assert dates == [(day + timedelta(days=n)).isoformat() for n in (-1, 0, 0, 1)]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2026, 3, 29), 23), (date(2026, 6, 1), 24)])
async def test_every_hour_of_a_day_stands_once_over_summer_time(store: Any, day: date, hours: int) -> None:
    shop = msgspec.structs.replace(store.shop, zone=ZoneInfo("Europe/Berlin"), cut_over_hour=0)
    begin, end = day_bounds(day, shop.zone, cut_over_hour=0)
    moments = [begin + timedelta(hours=n, minutes=30) for n in range(hours)]
    await record(store, totals(0))
    for came, moment in enumerate(moments, 1):
        at_ms = int(moment.timestamp() * 1000)
        await record(store, totals(came, at_ms=at_ms), now_ms=at_ms)
    found = footfall_of_day(store.db.read, shop, day)
    assert [hour.entered for hour in found.hours] == [1] * hours
    assert len({hour.hour for hour in found.hours}) == hours
    assert [datetime.fromisoformat(hour.hour).astimezone(UTC) for hour in found.hours] == [
        begin + timedelta(hours=n) for n in range(hours)
    ]
    assert begin + timedelta(hours=hours) == end and found.entered == hours
