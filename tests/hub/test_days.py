"""Trading days: a closed one stays as it was, what comes late goes to the open one and says so; nothing is ever moved again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ConflictError, RefusedError
from hub.store.day.drawers import Doer, open_session
from hub.store.selling.days import close_day, closed_through, day_view
from hub.store.selling.sales import find_sale
from sync.retail.selling.days import TradingDay, day_after, trading_day
from sync.retail.selling.drawers import Opening
from sync.retail.selling.returns import Return, ReturnLine

NOON_MS = 1_790_000_000_000 - 10 * 3_600_000  # 2026-09-21 12:13 in Hong Kong
DAY_MS = 86_400_000
DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31)).map(date.isoformat)


async def close(store: Any, day: str, close_id: str = "", *, now_ms: int = NOON_MS) -> Any:
    name = close_id or f"close-{day}"
    return await store.db.write(
        lambda tx: close_day(tx, store.replica, store.shop, name, day, by="cashier:boss", now_ms=now_ms)
    )


async def sold(store: Any, sale: Any, *, now_ms: int, **fields: Any) -> tuple[str, list[tuple[str, str]]]:
    """Sell; return the trading day and what is noted."""
    one = sale(**fields)
    await store.sell(one, now_ms=now_ms)
    view = find_sale(store.db.read, one.sale_id)
    assert view is not None
    return view.fact.business_date, [(warning.code, warning.detail) for warning in view.fact.warnings]


async def test_what_was_sold_on_a_closed_day_goes_to_the_open_one_and_says_so(store: Any, sale: Any) -> None:
    yesterday = datetime(2026, 9, 20, 3, tzinfo=UTC)
    assert await sold(store, sale, now_ms=NOON_MS, sold_at=yesterday, offline=True) == ("2026-09-20", [])
    await close(store, "2026-09-20")

    late = await sold(store, sale, now_ms=NOON_MS, sold_at=yesterday, offline=True)
    older = await sold(store, sale, now_ms=NOON_MS, sold_at=yesterday - timedelta(days=9), offline=True)

    assert late == ("2026-09-21", [("late", "2026-09-20")])
    assert older == ("2026-09-21", [("late", "2026-09-11")])
    assert await sold(store, sale, now_ms=NOON_MS) == ("2026-09-21", [])


async def test_after_todays_closing_the_next_day_is_open(store: Any, sale: Any) -> None:
    await close(store, "2026-09-21")

    assert await sold(store, sale, now_ms=NOON_MS) == ("2026-09-22", [("late", "2026-09-21")])
    assert await sold(store, sale, now_ms=NOON_MS + DAY_MS) == ("2026-09-22", [])
    assert await sold(store, sale, now_ms=NOON_MS + 5 * DAY_MS) == ("2026-09-26", [])


async def test_a_return_on_a_closed_day_goes_to_the_open_one_as_well(store: Any, sale: Any) -> None:
    from hub.store.selling.returns import find_return, return_job

    one = sale()
    await store.sell(one, now_ms=NOON_MS)
    await close(store, "2026-09-21")
    content = Return(return_id="r1", till_id="t1", sale_id=one.sale_id, lines=(ReturnLine(1, 1),), reason="x")
    await store.db.write(return_job(store.replica, store.shop, content, now_ms=NOON_MS))

    view = find_return(store.db.read, "r1")
    assert view is not None and view.fact.business_date == "2026-09-22"
    assert [(each.code, each.detail) for each in view.fact.warnings] == [("late", "2026-09-21")]


async def test_a_day_is_closed_once_not_before_it_has_come_and_not_with_an_open_drawer(store: Any) -> None:
    with pytest.raises(RefusedError) as to_come:
        await close(store, "2026-09-22")
    opening = Opening("s1", "t1", 0)
    by = Doer("cashier:c7", "cashier")
    await store.db.write(lambda tx: open_session(tx, store.replica, store.shop, opening, by=by, now_ms=NOON_MS))
    with pytest.raises(ConflictError) as still_open:
        await close(store, "2026-09-21")

    assert (to_come.value.code, still_open.value.code, still_open.value.holder) == (
        "day_to_come",
        "sessions_open",
        "s1",
    )
    assert closed_through(store.db.read) is None
    assert day_view(store.db.read, store.shop, now_ms=NOON_MS).open_sessions == {"s1": "t1"}


async def test_the_same_closing_again_is_the_same_and_another_one_is_refused(store: Any) -> None:
    first, is_new = await close(store, "2026-09-21", "x")
    again, is_again_new = await close(store, "2026-09-21", "x")

    assert (first, is_new, is_again_new) == (again, True, False)
    for day, close_id, code in (
        ("2026-09-20", "x", "other_content"),
        ("2026-09-21", "y", "day_closed"),
        ("2026-09-20", "y", "day_closed"),
    ):
        with pytest.raises(ConflictError) as refused:
            await close(store, day, close_id)
        assert refused.value.code == code
    actions = store.db.read.execute("SELECT actor, action, subject FROM trail").fetchall()
    assert actions == [("cashier:boss", "day_closed", "2026-09-21")]


@given(DAYS, DAYS, st.none() | DAYS)
def test_nothing_is_ever_booked_on_a_closed_day(own: str, today: str, through: str | None) -> None:
    """Judged by the calendar: on its own day where that is open, else on the first open day that is not before today."""
    booked = trading_day(own, today=lambda: today, closed_through=through)

    assert through is None or booked.business_date > through
    assert bool(booked.late_from) == (booked.business_date != own) and booked.late_from in ("", own)
    if booked.late_from:
        assert booked.business_date >= today and own <= (through or "")
        day_before = (date.fromisoformat(booked.business_date) - timedelta(days=1)).isoformat()
        assert booked.business_date == today or day_before == through


def test_the_day_after_the_last_of_a_year() -> None:
    assert day_after("2026-12-31") == "2027-01-01" and day_after("2028-02-28") == "2028-02-29"
    assert trading_day("2026-12-31", today=lambda: "2026-12-31", closed_through="2026-12-31") == TradingDay(
        "2027-01-01", "2026-12-31"
    )
