"""Printing: the durable ledger, retry and reprint, the cash drawer."""

from typing import Annotated

from msgspec import Meta, Struct

from devices.document import Document
from devices.supervision.commands import OpenDrawer
from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.attached.commands import tell
from hub.errors import RefusedError
from hub.store.selling import printing
from hub.store.selling.printing import PrintJobView
from hub.store.staff.audit_trail import note
from sync.retail.selling.sales import Id


class PrintRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A document for a printer; `job_id` is made by the client."""

    job_id: Id
    printer_id: Id
    document: Document


class ReprintRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`copy_id` is the new job's id, made by the client."""

    copy_id: Id


class JobsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest jobs first."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class JobList(Struct, frozen=True):
    """Jobs of the ledger."""

    items: list[PrintJobView]


class Opened(Struct, frozen=True):
    """The printer took the pulse."""

    drawer_id: str


async def post_print(call: Call) -> Reply:
    """POST /v1/print"""
    hub, request = call.hub, call.body
    printer_id = hub.spooler(request.printer_id).printer_id
    now_ms = hub.now_ms()
    job = await hub.db.write(
        lambda tx: printing.queue_document(tx, request.job_id, request.document, printer_id=printer_id, now_ms=now_ms),
        then=lambda job: announce_queued(call, job),
    )
    return Reply(job, 202)


async def list_print(call: Call) -> Reply:
    """GET /v1/print"""
    jobs = printing.list_jobs(call.hub.db.read, limit=call.query.limit)
    return Reply(JobList([call.hub.standing(job) for job in jobs]))


async def get_print(call: Call) -> Reply:
    """GET /v1/print/{job_id}"""
    return Reply(call.hub.standing(printing.job_view(call.hub.db.read, call.path["job_id"])))


async def post_retry(call: Call) -> Reply:
    """POST /v1/print/{job_id}/retry"""
    job_id, now_ms = call.path["job_id"], call.hub.now_ms()
    job = await call.hub.db.write(
        lambda tx: printing.retry(tx, job_id, now_ms=now_ms), then=lambda job: announce_queued(call, job)
    )
    return Reply(job, 202)


async def post_reprint(call: Call) -> Reply:
    """POST /v1/print/{job_id}/reprint"""
    job_id, copy_id, now_ms = call.path["job_id"], call.body.copy_id, call.hub.now_ms()
    job = await call.hub.db.write(
        lambda tx: printing.reprint(tx, job_id, copy_id=copy_id, now_ms=now_ms),
        then=lambda job: announce_queued(call, job),
    )
    return Reply(job, 202)


async def post_open(call: Call) -> Reply:
    """POST /v1/drawers/{drawer_id}/open"""
    drawer_id = call.path["drawer_id"]
    if any(state.device_id == drawer_id and state.category == "CashDrawer" for state in call.hub.device_states()):
        await tell(call.hub, drawer_id, OpenDrawer(), till_id=call.client.till_id)
    else:
        await call.hub.spooler(drawer_id).open_drawer()
    actor, now_ms = call.actor, call.hub.now_ms()
    await call.hub.db.write(
        lambda tx: note(tx, actor=actor, action="drawer_opened", subject=drawer_id, reason="", now_ms=now_ms)
    )
    return Reply(Opened(drawer_id))


def printer_of(call: Call, wanted: bool | str | None) -> str:
    """Return the id of a printer that was named, or of the shop's receipt printer; RefusedError where there is none."""
    printer_id = wanted if isinstance(wanted, str) else call.hub.config.receipt_printer
    if printer_id is None:
        raise RefusedError("no_receipt_printer", "no receipt printer is configured", pointer="/print")
    return call.hub.spooler(printer_id).printer_id


def announce_queued(call: Call, job: PrintJobView) -> None:
    """After the commit: tell everybody of a job that was queued, and its printer."""
    call.hub.on_print(job)
    if job.printer_id in call.hub.spoolers:
        call.hub.spoolers[job.printer_id].poke()


ROUTES = (
    Route(
        "POST",
        "/v1/print",
        post_print,
        "Print a document",
        STAFF,
        PrintJobView,
        body=PrintRequest,
        status=202,
        problems=(404, 409, 422, 503),
    ),
    Route("GET", "/v1/print", list_print, "The newest print jobs", STAFF, JobList, query=JobsQuery),
    Route("GET", "/v1/print/{job_id}", get_print, "One print job", STAFF, PrintJobView, problems=(404,)),
    Route(
        "POST",
        "/v1/print/{job_id}/retry",
        post_retry,
        "Print a failed or unknown job again, as the same job",
        STAFF,
        PrintJobView,
        status=202,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/print/{job_id}/reprint",
        post_reprint,
        "Print a marked copy as a new job",
        STAFF,
        PrintJobView,
        body=ReprintRequest,
        status=202,
        problems=(404, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/drawers/{drawer_id}/open",
        post_open,
        "Open a cash drawer of its own, or the one behind a receipt printer, now or never",
        STAFF,
        Opened,
        duty="drawer.kick",
        problems=(404, 409, 503),
    ),
)
