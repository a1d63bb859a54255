"""Dwell in the books: once each, and the business day's figures, held against a sum by seconds."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hub.attached.pseudonyms import Pseudonyms
from hub.insights.dwells import DwellDay, HourDwell, ZoneDwell, dwell_of_day
from hub.store import dwells
from hub.store.model import Shop
from sync.retail.names import Name
from sync.retail.visitors.dwells import DwellRow
from sync.store.reading import rows_after

NOON = datetime(2026, 9, 21, 4, tzinfo=UTC)  # 12:00 in Hong Kong
DAY = date(2026, 9, 21)


def stay(n: int, begin_s: int, lasted_s: int, **more: Any) -> DwellRow:
    begun = NOON + timedelta(seconds=begin_s)
    given_ = {"zone": "entrance", "visitor": "v1", "begun": begun, "ended": begun + timedelta(seconds=lasted_s)} | more
    return DwellRow(dwell_id=f"life-{n}", **given_)


async def record(store: Any, *rows: DwellRow) -> int:
    done: int = await store.db.write(lambda tx: dwells.record(tx, store.replica, rows))
    return done


def figures(store: Any, day: date = DAY) -> DwellDay:
    return dwell_of_day(store.db.read, store.shop, day)


async def test_a_stay_that_is_handed_in_again_is_known(store: Any) -> None:
    assert await record(store, stay(1, 0, 60), stay(2, 60, 30)) == 2
    assert await record(store, stay(2, 61, 30), stay(3, 90, 30), stay(3, 90, 30)) == 1
    assert figures(store).zones == [ZoneDwell("entrance", 3, 1, 120, 40, 30, 0)]
    assert len(rows_after(store.db.read, store.replica.local_id, "dwells", 0, 9)) == 3


async def test_time_falls_into_the_hours_that_it_covers_and_a_visit_where_it_ends(store: Any) -> None:
    await record(
        store, stay(1, 3000, 1200), stay(2, 3500, 50, visitor="v2"), stay(3, 0, 500, visitor="", thing="trolley")
    )
    found = figures(store)
    assert found.zones == [ZoneDwell("entrance", 2, 2, 1250, 625, 625, 500)]
    assert found.hours == [
        HourDwell("2026-09-21T12:00:00+08:00", "entrance", 1, 2, 650, 50),
        HourDwell("2026-09-21T13:00:00+08:00", "entrance", 1, 1, 600, 1200),
    ]


async def test_pieces_of_one_stay_are_one_visit(store: Any) -> None:
    await record(store, stay(1, 0, 900, goes_on=True), stay(2, 900, 900, goes_on=True), stay(3, 1800, 30))
    assert figures(store).zones == [ZoneDwell("entrance", 1, 1, 1830, 1830, 1830, 0)]


async def test_half_of_the_stays_are_no_longer_than_the_median_by_zone_and_by_the_hour_in_which_they_end(
    store: Any,
) -> None:
    lengths = (10, 20, 30, 40, 3_000)
    await record(store, *(stay(n, 100 * n, lasted, visitor=f"v{n}") for n, lasted in enumerate(lengths)))
    await record(store, stay(9, 3_700, 90, visitor="v9"), stay(10, 3_700, 60, zone="desk", visitor="v9"))
    found = figures(store)
    assert [(each.zone, each.visits, each.median_s) for each in found.zones] == [("desk", 1, 60), ("entrance", 6, 35)]
    assert [(each.hour[11:13], each.zone, each.visits, each.median_s) for each in found.hours] == [
        ("12", "entrance", 5, 30),
        ("13", "desk", 1, 60),
        ("13", "entrance", 1, 90),
    ]


async def test_a_piece_whose_next_one_was_lost_makes_no_later_stay_longer(store: Any) -> None:
    await record(store, stay(1, 0, 900, goes_on=True), stay(2, 2_000, 30))
    (zone,) = figures(store).zones
    assert (zone.visits, zone.median_s, zone.dwell_s) == (1, 30, 930)


async def test_a_stay_over_the_cut_over_is_shared_by_two_days(store: Any) -> None:
    four = int((datetime(2026, 9, 21, 20, tzinfo=UTC) - NOON).total_seconds())  # 4 in the morning, the shop's cut-over
    await record(store, stay(1, four - 100, 300))
    assert figures(store).zones == [ZoneDwell("entrance", 0, 1, 100, 0, 0, 0)]
    assert figures(store, date(2026, 9, 22)).zones == [ZoneDwell("entrance", 1, 1, 200, 200, 200, 0)]
    assert figures(store, date(2026, 9, 23)) == DwellDay("2026-09-23", "Asia/Hong_Kong", [], [])


stays = st.lists(
    st.tuples(
        st.integers(-20 * 3600, 40 * 3600), st.integers(0, 3600), st.sampled_from("ab"), st.sampled_from(("v1", "v2"))
    ),
    max_size=12,
)


@given(stays)
async def test_the_days_add_up_to_all_time_that_was_recorded(drawn: list[tuple[int, int, str, str]]) -> None:
    """Three days around a summer time change: what the days and their hours say is the time of all stays, no more and no less."""
    import sqlite3

    read = sqlite3.connect(":memory:")
    read.execute("CREATE TABLE dwell (zone TEXT, begun_ms INTEGER, ended_ms INTEGER, body TEXT)")
    noon = datetime(2026, 3, 29, 10, tzinfo=UTC)
    spent: Counter[str] = Counter()
    for begin_s, lasted_s, zone, visitor in drawn:
        begun_ms = int((noon + timedelta(seconds=begin_s)).timestamp()) * 1000
        ended_ms = begun_ms + lasted_s * 1000
        read.execute("INSERT INTO dwell VALUES (?, ?, ?, ?)", (zone, begun_ms, ended_ms, f'{{"visitor":"{visitor}"}}'))
        spent[zone] += lasted_s
    shop = Shop("s1", Name(zh_hant="店", en="Shop"), ZoneInfo("Europe/Berlin"), "EUR", cut_over_hour=2)
    days = [dwell_of_day(read, shop, date(2026, 3, 27) + timedelta(days=n)) for n in range(6)]
    for zone in "ab":
        assert sum(each.dwell_s for day in days for each in day.zones if each.zone == zone) == spent[zone]
        assert sum(each.dwell_s for day in days for each in day.hours if each.zone == zone) == spent[zone]
    ended = [each for each in drawn if each[1]]
    assert len(ended) <= sum(each.visits for day in days for each in day.zones) <= len(drawn)


def test_a_pseudonym_is_the_same_all_day_and_never_again() -> None:
    secrets = iter(("one", "two", "three", "four"))
    names = Pseudonyms(lambda _: next(secrets))
    first = names.of("ibeacon:a:1:1", day="2026-09-21")
    assert first == names.of("ibeacon:a:1:1", day="2026-09-21") != names.of("ibeacon:a:1:2", day="2026-09-21")
    assert first != names.of("ibeacon:a:1:1", day="2026-09-22")
    assert first != names.of("ibeacon:a:1:1", day="2026-09-21"), "a key that was let go is not taken up again"
    assert len(first) == 16 and "ibeacon" not in first
