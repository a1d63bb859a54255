"""Drawer sessions: opened with a float, cash in and out, closed by a count and one Z report. Write jobs and reads.

    the same id, the same content   answered again, nothing written
    the same id, other content      ConflictError, nothing written
    one session a till              another one is refused while it is open

Every deed is a fact and a line of the audit trail in one job. Not here: sums (hub.store.day.z_reports), who may (hub.duties),
paper.
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.day.z_reports import gather, heads, last_zs, next_z_no
from hub.store.model import Shop, utc
from hub.store.selling.days import day_of, open_sessions
from hub.store.staff.approvals import ApprovalRules, authorise
from hub.store.staff.audit_trail import note
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.selling.drawers import (
    DRAWER_MOVEMENT,
    DRAWER_OPENED,
    Counting,
    Denomination,
    DrawerMovement,
    DrawerOpened,
    Mark,
    Moving,
    Opening,
    check_moving,
    count_of,
)
from sync.retail.selling.z_reports import Z_REPORT, Figures, ZReport, moved
from sync.retail.staff.cashiers import Role
from sync.store.writing import record_fact

PAGE_MAX = 100


class Doer(Struct, frozen=True):
    """Who does a deed, as the trail calls them, and their role."""

    actor: str
    role: Role


class SessionView(Struct, frozen=True):
    """A drawer session as tills see it: nothing in it says what is expected in the drawer. `z_no` once it is closed."""

    session_id: str
    till_id: str
    currency: str
    float_amount: int
    business_date: str
    opened_by: str
    opened_at: datetime
    z_no: str = ""


class XReport(Struct, frozen=True):
    """An open session as it stands now: the sums of a Z report, without a number, a count or a signature."""

    session_id: str
    till_id: str
    currency: str
    opened_by: str
    opened_at: datetime
    as_of: datetime
    float_amount: int
    figures: Figures


class ZPage(Struct, frozen=True):
    """Z reports, the newest first; `next` goes into `after`, null on the last page."""

    items: list[ZReport]
    next: str | None = None


def open_session(
    tx: Connection, replica: Replica, shop: Shop, opening: Opening, *, by: Doer, now_ms: int
) -> tuple[SessionView, bool]:
    """Begin a session; say whether it is new. Raise ConflictError while another one of the till is open."""
    known = _opened(tx, opening.session_id)
    if known is not None:
        if (known.till_id, known.float_amount) != (opening.till_id, opening.float_amount):
            detail = f"session {opening.session_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/session_id", holder=known.by)
        return session_view(tx, opening.session_id), False
    for session_id, till_id in open_sessions(tx).items():
        if till_id == opening.till_id:
            raise ConflictError("session_open", f"{till_id} has session {session_id} open", holder=session_id)
    at = utc(now_ms)
    is_first = not last_zs(tx, opening.till_id)
    opened = DrawerOpened(
        session_id=opening.session_id,
        till_id=opening.till_id,
        currency=shop.currency,
        float_amount=opening.float_amount,
        business_date=day_of(tx, shop, at, now_ms=now_ms).business_date,
        by=by.actor,
        at=at,
        mark=Mark(at, heads(tx, "sale"), heads(tx, "sale_return")) if is_first else None,
    )
    record_fact(tx, replica, DRAWER_OPENED, opened)
    note(tx, actor=by.actor, action="drawer_session_opened", subject=opening.session_id, reason="", now_ms=now_ms)
    return session_view(tx, opening.session_id), True


def move_cash(
    tx: Connection,
    replica: Replica,
    session_id: str,
    moving: Moving,
    *,
    rules: ApprovalRules,
    by: Doer,
    now_ms: int,
) -> tuple[DrawerMovement, bool]:
    """Write down cash in or out, with its approval where one is needed; say whether it is new."""
    known = _movement(tx, moving.movement_id)
    if known is not None:
        said = Moving(known.movement_id, known.what, known.reason, known.amount, known.approval_id or None)
        if known.session_id != session_id or said != moving:
            detail = f"movement {moving.movement_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/movement_id", holder=known.by)
        return known, False
    opened = still_open(tx, session_id)
    try:
        check_moving(moving)
    except RuleError as err:
        raise RefusedError(err.code, err.detail, pointer=err.pointer) from err
    given = authorise(
        tx,
        rules,
        moving.what,
        moving.approval_id,
        role=by.role,
        subject=moving.movement_id,
        till_id=opened.till_id,
        now_ms=now_ms,
    )
    movement = DrawerMovement(
        movement_id=moving.movement_id,
        session_id=session_id,
        what=moving.what,
        amount=moving.amount,
        reason=moving.reason,
        by=by.actor,
        approval_id=moving.approval_id or "",
        approved_by=given.given_by if given else "",
        at=utc(now_ms),
    )
    record_fact(tx, replica, DRAWER_MOVEMENT, movement)
    note(tx, actor=by.actor, action=moving.what, subject=session_id, reason=moving.reason, now_ms=now_ms)
    return movement, True


def close_session(
    tx: Connection, replica: Replica, shop: Shop, session_id: str, counting: Counting, *, by: Doer, now_ms: int
) -> tuple[ZReport, bool]:
    """Close a session by what was counted; return its Z report and whether it is new. A second count is refused."""
    known = find_z(tx, session_id=session_id)
    if known is not None:
        if (_counted(known.counted), known.note) != (_counted(counting.counted), counting.note):
            detail = f"session {session_id} is closed by {known.z_no}, with another count"
            raise ConflictError("other_content", detail, pointer="/counted", holder=known.closed_by)
        return known, False
    opened = still_open(tx, session_id)
    try:
        counted_cash = count_of(counting.counted, opened.currency)
    except RuleError as err:
        raise RefusedError(err.code, err.detail, pointer=err.pointer) from err
    gathered = gather(tx, shop, opened)
    report = ZReport(
        z_no=next_z_no(tx, replica, opened.till_id),
        session_id=session_id,
        till_id=opened.till_id,
        currency=opened.currency,
        business_date=opened.business_date,
        opened_by=opened.by,
        opened_at=opened.at,
        closed_by=by.actor,
        closed_at=utc(now_ms),
        float_amount=opened.float_amount,
        figures=gathered.figures,
        counted=counting.counted,
        counted_cash=counted_cash,
        difference=counted_cash - gathered.figures.expected_cash,
        note=counting.note,
        previous=gathered.previous,
        names=gathered.names,
        mark=moved(gathered.mark, gathered.figures, sold=gathered.sold, returned=gathered.returned),
    )
    record_fact(tx, replica, Z_REPORT, report)
    note(tx, actor=by.actor, action="drawer_session_closed", subject=report.z_no, reason=counting.note, now_ms=now_ms)
    return report, True


def x_report(read: Connection, shop: Shop, session_id: str, *, now_ms: int) -> XReport:
    """Return how an open session stands; raise NotFoundError, ConflictError for one that is closed."""
    opened = still_open(read, session_id)
    return XReport(
        session_id=session_id,
        till_id=opened.till_id,
        currency=opened.currency,
        opened_by=opened.by,
        opened_at=opened.at,
        as_of=utc(now_ms),
        float_amount=opened.float_amount,
        figures=gather(read, shop, opened).figures,
    )


def session_view(read: Connection, session_id: str) -> SessionView:
    """Return a session; raise NotFoundError."""
    opened = _opened(read, session_id)
    if opened is None:
        raise NotFoundError("session", f"no drawer session {session_id!r}")
    closed = find_z(read, session_id=session_id)
    return SessionView(
        session_id=opened.session_id,
        till_id=opened.till_id,
        currency=opened.currency,
        float_amount=opened.float_amount,
        business_date=opened.business_date,
        opened_by=opened.by,
        opened_at=opened.at,
        z_no=closed.z_no if closed else "",
    )


def still_open(read: Connection, session_id: str) -> DrawerOpened:
    """Return a session that is open; raise NotFoundError, ConflictError for one that is closed."""
    opened = _opened(read, session_id)
    if opened is None:
        raise NotFoundError("session", f"no drawer session {session_id!r}")
    closed = find_z(read, session_id=session_id)
    if closed is not None:
        raise ConflictError("session_closed", f"session {session_id} is closed by {closed.z_no}", holder=closed.z_no)
    return opened


def find_z(read: Connection, *, session_id: str = "", z_no: str = "") -> ZReport | None:
    """Return a Z report by its session or its number."""
    row = read.execute("SELECT body FROM z_report WHERE session_id = ? OR z_no = ?", (session_id, z_no)).fetchone()
    return msgspec.json.decode(row[0], type=ZReport) if row else None


def z_page(read: Connection, *, till_id: str, business_date: str, after: str, limit: int) -> ZPage:
    """Return Z reports of a till and a trading day (empty: any), the newest first, from behind a Z number."""
    rows = read.execute(
        """
        SELECT body FROM z_report
        WHERE (?1 = '' OR till_id = ?1) AND (?2 = '' OR body ->> '$.business_date' = ?2)
          AND (?3 = '' OR id < (SELECT id FROM z_report WHERE z_no = ?3))
        ORDER BY id DESC LIMIT ?4
        """,
        (till_id, business_date, after, limit + 1),
    ).fetchall()
    items = [msgspec.json.decode(body, type=ZReport) for (body,) in rows[:limit]]
    return ZPage(items, items[-1].z_no if len(rows) > limit else None)


def _opened(read: Connection, session_id: str) -> DrawerOpened | None:
    row = read.execute("SELECT body FROM drawer_opened WHERE session_id = ?", (session_id,)).fetchone()
    return msgspec.json.decode(row[0], type=DrawerOpened) if row else None


def _movement(read: Connection, movement_id: str) -> DrawerMovement | None:
    row = read.execute("SELECT body FROM drawer_movement WHERE movement_id = ?", (movement_id,)).fetchone()
    return msgspec.json.decode(row[0], type=DrawerMovement) if row else None


def _counted(counted: tuple[Denomination, ...]) -> dict[int, int]:
    """What a count means, whatever its order: coins and notes that there are none of need not be said."""
    return {each.value: each.count for each in counted if each.count}
