"""Trading days at the hub: where a sale is booked, which days are closed, closing one. Pure rules: sync.retail.selling.days.

A day is closed for the store, with all days before it, when no drawer session is open any more. Write jobs and reads.
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import Shop, utc
from hub.store.staff.audit_trail import note
from sync.model import Replica
from sync.retail.selling.days import TradingDay, business_date, trading_day
from sync.retail.selling.drawers import DAY_CLOSED, DayClosed
from sync.retail.selling.sales import Warned
from sync.retail.selling.z_reports import LATE
from sync.store.writing import record_fact


class DayView(Struct, frozen=True):
    """Today's trading day, through which day all are closed (empty: none), the sessions that are open by till."""

    business_date: str
    closed_through: str
    open_sessions: dict[str, str]


def day_of(read: Connection, shop: Shop, traded_at: datetime, *, now_ms: int) -> TradingDay:
    """Return the trading day of a sale or return: its own, or the open one where that is closed."""
    own = business_date(traded_at, shop.zone, cut_over_hour=shop.cut_over_hour)
    return trading_day(own, today=lambda: today(shop, now_ms=now_ms), closed_through=closed_through(read))


def late_warnings(day: TradingDay) -> tuple[Warned, ...]:
    """Return what a sale or return says that came after its day was closed: the day that it was made on."""
    return (Warned(LATE, detail=day.late_from),) if day.late_from else ()


def today(shop: Shop, *, now_ms: int) -> str:
    """Return the trading day of this moment."""
    return business_date(utc(now_ms), shop.zone, cut_over_hour=shop.cut_over_hour)


def closed_through(read: Connection) -> str | None:
    """Return the last day that is closed, None before the first."""
    row: tuple[str | None] = read.execute("SELECT max(business_date) FROM day_closed").fetchone()
    return row[0]


def open_sessions(read: Connection) -> dict[str, str]:
    """Return the drawer sessions that no Z report has closed: session -> till."""
    rows = read.execute(
        """
        SELECT drawer_opened.session_id, drawer_opened.till_id
        FROM drawer_opened LEFT JOIN z_report USING (session_id)
        WHERE z_report.session_id IS NULL ORDER BY drawer_opened.id
        """
    ).fetchall()
    return dict(rows)


def day_view(read: Connection, shop: Shop, *, now_ms: int) -> DayView:
    """Return how the days of this store are."""
    return DayView(today(shop, now_ms=now_ms), closed_through(read) or "", open_sessions(read))


def close_day(
    tx: Connection, replica: Replica, shop: Shop, close_id: str, day: str, *, by: str, now_ms: int
) -> tuple[DayClosed, bool]:
    """Close a day; say whether it is new. Raise RefusedError for one that has not come, ConflictError while a drawer is open."""
    row = tx.execute("SELECT body FROM day_closed WHERE close_id = ?", (close_id,)).fetchone()
    if row is not None:
        known = msgspec.json.decode(row[0], type=DayClosed)
        if known.business_date != day:
            detail = f"{close_id} has closed {known.business_date}"
            raise ConflictError("other_content", detail, pointer="/close_id", holder=known.by)
        return known, False
    _check(tx, shop, day, now_ms=now_ms)
    closed = DayClosed(close_id=close_id, business_date=day, z_reports=_z_reports(tx, day), by=by, at=utc(now_ms))
    record_fact(tx, replica, DAY_CLOSED, closed)
    note(tx, actor=by, action="day_closed", subject=day, reason="", now_ms=now_ms)
    return closed, True


def _check(tx: Connection, shop: Shop, day: str, *, now_ms: int) -> None:
    now = today(shop, now_ms=now_ms)
    if day > now:
        raise RefusedError("day_to_come", f"today is {now}", pointer="/business_date")
    through = closed_through(tx)
    if through is not None and day <= through:
        raise ConflictError("day_closed", f"all days through {through} are closed", pointer="/business_date")
    still_open = open_sessions(tx)
    if still_open:
        named = ", ".join(f"{session_id} ({till_id})" for session_id, till_id in still_open.items())
        raise ConflictError("sessions_open", f"not closed yet: {named}", holder=next(iter(still_open)))


def _z_reports(tx: Connection, day: str) -> tuple[str, ...]:
    rows = tx.execute("SELECT z_no FROM z_report WHERE body ->> '$.business_date' = ? ORDER BY z_no", (day,)).fetchall()
    return tuple(z_no for (z_no,) in rows)
