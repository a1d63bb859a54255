"""Drawer sessions of a till: open, cash in and out, the X report, closing blind, Z reports and their paper."""

import asyncio
from contextlib import closing
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.selling.printing import announce_queued, printer_of
from hub.api.staff.tills import check_till
from hub.errors import NotFoundError
from hub.store.day import drawers
from hub.store.day.drawers import PAGE_MAX, Doer, SessionView, XReport, ZPage
from hub.store.day.z_paper import x_paper
from hub.store.day.z_prints import first_job, print_z
from hub.store.readers import open_to_read
from hub.store.selling import printing
from hub.store.selling.days import open_sessions
from hub.store.selling.printing import PrintJobView
from sync.errors import BusyError
from sync.retail.selling.drawers import Counting, DrawerMovement, Moving, Opening
from sync.retail.selling.sales import Id
from sync.retail.selling.z_reports import ZReport


class CloseRequest(Counting, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The count, and where the Z report is printed: true for the shop's receipt printer, or a printer's name."""

    print: bool | Id = False


class Closed(Struct, frozen=True, omit_defaults=True):
    """A closed session's Z report; `print_job` where it is printed. A full printer's queue closes no session less."""

    z_report: ZReport
    print_job: str | None = None


class SessionsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Open sessions, of one till or all."""

    till_id: Id | None = None


class SessionList(Struct, frozen=True):
    """Sessions that are open."""

    items: list[SessionView]


class ZQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a till, of a trading day; `after` is `next` of the page before."""

    till_id: Annotated[str, Meta(max_length=64)] = ""
    business_date: Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?\Z")] = ""
    after: Annotated[str, Meta(max_length=100)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 20


class PaperRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`print_id` is made by the client; without a printer it is the shop's receipt printer."""

    print_id: Id
    printer_id: Id | None = None


async def post_session(call: Call) -> Reply:
    """POST /v1/drawer-sessions"""
    hub, opening, now_ms = call.hub, call.body, call.hub.now_ms()
    check_till(call, opening.till_id, what="drawer")
    by = _doer(call)
    view, is_new = await hub.db.write(
        lambda tx: drawers.open_session(tx, hub.replica, hub.shop, opening, by=by, now_ms=now_ms)
    )
    return Reply(view, 201 if is_new else 200)


async def list_sessions(call: Call) -> Reply:
    """GET /v1/drawer-sessions"""
    read, till_id = call.hub.db.read, call.query.till_id
    wanted = [session_id for session_id, till in open_sessions(read).items() if till_id in (None, till)]
    return Reply(SessionList([drawers.session_view(read, session_id) for session_id in wanted]))


async def get_session(call: Call) -> Reply:
    """GET /v1/drawer-sessions/{session_id}"""
    return Reply(drawers.session_view(call.hub.db.read, call.path["session_id"]))


async def post_drawer_movement(call: Call) -> Reply:
    """POST /v1/drawer-sessions/{session_id}/movements"""
    hub, moving, session_id, now_ms = call.hub, call.body, _session_of_till(call), call.hub.now_ms()
    rules, by = hub.config.approvals, _doer(call)
    movement, is_new = await hub.db.write(
        lambda tx: drawers.move_cash(tx, hub.replica, session_id, moving, rules=rules, by=by, now_ms=now_ms)
    )
    return Reply(movement, 201 if is_new else 200)


async def get_x_report(call: Call) -> Reply:
    """GET /v1/drawer-sessions/{session_id}/x-report"""
    return Reply(await _x_report(call))


async def post_x_print(call: Call) -> Reply:
    """POST /v1/drawer-sessions/{session_id}/x-report/print"""
    hub, request = call.hub, call.body
    printer_id, now_ms = printer_of(call, request.printer_id), hub.now_ms()
    document = x_paper(hub.shop, await _x_report(call))

    def job(tx: Connection) -> tuple[PrintJobView, bool]:
        known = printing.known_job(tx, request.print_id)
        if known is not None:
            return known, False
        job = printing.queue_document(tx, request.print_id, document, printer_id=printer_id, now_ms=now_ms)
        return job, True

    queued, _ = await hub.db.write(job, then=lambda done: _announce(call, *done))
    return Reply(queued, 202)


async def post_close(call: Call) -> Reply:
    """POST /v1/drawer-sessions/{session_id}/close"""
    hub, request, session_id, now_ms = call.hub, call.body, _session_of_till(call), call.hub.now_ms()
    counting, by = Counting(request.counted, request.note), _doer(call)
    printer_id = None if request.print is False else printer_of(call, request.print)

    def job(tx: Connection) -> tuple[ZReport, PrintJobView | None, bool]:
        report, is_new = drawers.close_session(tx, hub.replica, hub.shop, session_id, counting, by=by, now_ms=now_ms)
        if not is_new or printer_id is None:
            return report, printing.known_job(tx, first_job(report)), is_new
        try:
            queued, _ = print_z(tx, hub.shop, report, first_job(report), printer_id=printer_id, now_ms=now_ms)
        except BusyError:
            return report, None, is_new
        return report, queued, is_new

    report, queued, is_new = await hub.db.write(job, then=lambda done: _announce(call, *done[1:]))
    return Reply(Closed(report, queued.job_id if queued else None), 201 if is_new else 200)


async def list_z_reports(call: Call) -> Reply:
    """GET /v1/z-reports"""
    query = call.query
    page = drawers.z_page(
        call.hub.db.read,
        till_id=query.till_id,
        business_date=query.business_date,
        after=query.after,
        limit=query.limit,
    )
    return Reply(page)


async def get_z_report(call: Call) -> Reply:
    """GET /v1/z-reports/{z_no}"""
    return Reply(_z_report(call.hub.db.read, call.path["z_no"]))


async def post_z_print(call: Call) -> Reply:
    """POST /v1/z-reports/{z_no}/print"""
    hub, request, now_ms = call.hub, call.body, call.hub.now_ms()
    printer_id = printer_of(call, request.printer_id)

    def job(tx: Connection) -> tuple[PrintJobView, bool]:
        report = _z_report(tx, call.path["z_no"])
        return print_z(tx, hub.shop, report, request.print_id, printer_id=printer_id, now_ms=now_ms)

    queued, _ = await hub.db.write(job, then=lambda done: _announce(call, *done))
    return Reply(queued, 202)


async def _x_report(call: Call) -> XReport:
    """Add up in a thread: a thousand sales take longer than the loop may stand still."""
    hub, session_id, now_ms = call.hub, _session_of_till(call), call.hub.now_ms()

    def read_file() -> XReport:
        with closing(open_to_read(hub.config.database)) as read:
            return drawers.x_report(read, hub.shop, session_id, now_ms=now_ms)

    return await asyncio.to_thread(read_file)


def _announce(call: Call, job: PrintJobView | None, is_new: bool) -> None:
    if job is not None and is_new:
        announce_queued(call, job)


def _z_report(read: Connection, z_no: str) -> ZReport:
    found = drawers.find_z(read, z_no=z_no)
    if found is None:
        raise NotFoundError("z_report", f"no Z report {z_no!r}")
    return found


def _session_of_till(call: Call) -> str:
    """Return the session that the path names, if it is this till's; raise NotFoundError, RefusedError."""
    session_id = call.path["session_id"]
    check_till(call, drawers.session_view(call.hub.db.read, session_id).till_id, what="drawer session", pointer="")
    return session_id


def _doer(call: Call) -> Doer:
    assert call.person is not None, "hub.duties asks for a person here"
    return Doer(call.person.actor, call.person.role)


_OF_SESSION = (401, 403, 404, 409, 422, 503)
ROUTES = (
    Route(
        "POST",
        "/v1/drawer-sessions",
        post_session,
        "Open a till's drawer with a float",
        STAFF,
        SessionView,
        body=Opening,
        duty="drawer.open",
        status=201,
        statuses=(200,),
        problems=(403, 409, 422, 503),
    ),
    Route(
        "GET",
        "/v1/drawer-sessions",
        list_sessions,
        "Drawer sessions that are open",
        STAFF,
        SessionList,
        query=SessionsQuery,
        duty="drawer.look",
    ),
    Route(
        "GET",
        "/v1/drawer-sessions/{session_id}",
        get_session,
        "One drawer session",
        STAFF,
        SessionView,
        duty="drawer.look",
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/drawer-sessions/{session_id}/movements",
        post_drawer_movement,
        "Cash in or out beside the selling, or no sale",
        STAFF,
        DrawerMovement,
        body=Moving,
        duty="drawer.move",
        status=201,
        statuses=(200,),
        problems=_OF_SESSION,
    ),
    Route(
        "GET",
        "/v1/drawer-sessions/{session_id}/x-report",
        get_x_report,
        "How an open session stands, expected cash included",
        STAFF,
        XReport,
        duty="drawer.x_report",
        problems=(403, 404, 409),
    ),
    Route(
        "POST",
        "/v1/drawer-sessions/{session_id}/x-report/print",
        post_x_print,
        "Print how an open session stands",
        STAFF,
        PrintJobView,
        body=PaperRequest,
        duty="drawer.x_report",
        status=202,
        problems=_OF_SESSION,
    ),
    Route(
        "POST",
        "/v1/drawer-sessions/{session_id}/close",
        post_close,
        "Close a session by a count made blind; answers the Z report",
        STAFF,
        Closed,
        body=CloseRequest,
        duty="drawer.close",
        status=201,
        statuses=(200,),
        problems=_OF_SESSION,
    ),
    Route(
        "GET",
        "/v1/z-reports",
        list_z_reports,
        "Z reports, the newest first",
        STAFF,
        ZPage,
        query=ZQuery,
        duty="drawer.z_reports",
        problems=(403,),
    ),
    Route(
        "GET",
        "/v1/z-reports/{z_no}",
        get_z_report,
        "One Z report",
        STAFF,
        ZReport,
        duty="drawer.z_reports",
        problems=(403, 404),
    ),
    Route(
        "POST",
        "/v1/z-reports/{z_no}/print",
        post_z_print,
        "Print a Z report; every copy after the first is marked",
        STAFF,
        PrintJobView,
        body=PaperRequest,
        duty="drawer.z_reports",
        status=202,
        problems=(403, 404, 409, 422, 503),
    ),
)
