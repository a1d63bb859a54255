"""The print ledger: every document that must come out of a printer, durable, with what is known of it.

    state      means                                            leaves it by
    queued     no byte was sent; survives a restart             begin -> printing; encoding error -> failed
    printing   bytes may be at the printer                      printed, unknown; after a crash -> unknown
    printed    the printer confirmed it                         -
    failed     surely nothing came out                          retry -> queued, as the same job
    unknown    some of it may have come out                     retry -> queued, marked `repeat`

Two verbs: *retry* is the same job again (a repeat of an unknown one is marked on the paper), *reprint* is a new copy, always
marked. Nothing is ever printed twice without the mark. Each time a job is printed, failed or unknown, a fact of stream
`prints` says so in the same write job. Source: the design, section 4 (print), 3.2 and 3.5.
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from devices.document import Document
from hub.errors import ConflictError, NotFoundError
from hub.store.model import utc
from hub.store.selling.print_results import record_results
from sync import failpoints
from sync.errors import BusyError
from sync.model import Replica
from sync.retail.prints import Ended, PrintResult

QUEUE_MAX = 64  # open jobs a printer; a document beyond it is refused, a sale is booked and its job joins the queue
State = Literal["queued", "printing", Ended]
Mark = Literal["", "reprint", "repeat"]
_BEGIN = "UPDATE print_job SET state = 'printing', reason = '', changed_ms = ?, attempts = attempts + 1"
_COLUMNS = "job_id, printer_id, sale_id, mark, state, reason, attempts, created_ms, changed_ms, instead_of"
_BEGUN = f"RETURNING {_COLUMNS}, document, id"


class PrintJobView(Struct, frozen=True, omit_defaults=True):
    """A job of the print ledger as tills see it; times are milliseconds since 1970 UTC.

    `instead_of` names the printer that it was queued for, where another one stands in.
    """

    job_id: str
    printer_id: str
    sale_id: str | None
    mark: Mark
    state: State
    reason: str
    attempts: int
    created_ms: int
    changed_ms: int
    instead_of: str | None = None


class OpenJob(Struct, frozen=True):
    """The next job of a printer with what it prints: a sale's receipt or a document; `is_moved`: another printer's."""

    job_id: str
    mark: Mark
    sale_id: str | None
    document: Document | None
    created_ms: int
    is_moved: bool = False


class Begun(NamedTuple):
    """A job that has begun: as it stands in the ledger, and what it prints."""

    view: PrintJobView
    job: OpenJob


class OpenJobs(Struct, frozen=True):
    """What waits for a printer or is at it, in one state; `since_ms` is when the oldest was asked for."""

    printer_id: str
    state: str
    jobs: int
    since_ms: int


class PrintTo(Struct, frozen=True):
    """Where a sale's receipt goes; `is_promised` when the printer expects just this job (hub.printing.spooler)."""

    printer_id: str
    is_promised: bool = False


def queue_sale(tx: Connection, sale_id: str, print_to: PrintTo, *, now_ms: int) -> PrintJobView:
    """Queue a sale's receipt in the sale's own transaction. A full queue never refuses a sale.

    For a printer that was promised it is begun in the same commit: one write to the card less, and the paper comes sooner.
    """
    job_id = f"sale~{sale_id}"  # no client can make this id for a document: an Id has no tilde
    return _insert(
        tx,
        job_id,
        print_to.printer_id,
        sale_id=sale_id,
        document=None,
        mark="",
        now_ms=now_ms,
        is_begun=print_to.is_promised,
    )


def queue_document(tx: Connection, job_id: str, document: Document, *, printer_id: str, now_ms: int) -> PrintJobView:
    """Queue a document; the same id with the same document is answered again, with another it is a conflict."""
    encoded = msgspec.json.encode(document).decode()
    known = tx.execute("SELECT document FROM print_job WHERE job_id = ?", (job_id,)).fetchone()
    if known is None:
        _refuse_when_full(tx, printer_id)
        _insert(tx, job_id, printer_id, sale_id=None, document=encoded, mark="", now_ms=now_ms)
    elif known[0] != encoded:
        raise ConflictError("other_content", f"print job {job_id} is known with other content")
    return job_view(tx, job_id)


def reprint(tx: Connection, job_id: str, *, copy_id: str, now_ms: int) -> PrintJobView:
    """Queue a marked copy of a job under a new id; repeating the same copy_id queues nothing more."""
    source = tx.execute(
        "SELECT coalesce(instead_of, printer_id), sale_id, document FROM print_job WHERE job_id = ?", (job_id,)
    ).fetchone()
    if source is None:
        raise NotFoundError("print_job", f"no print job {job_id}")
    printer_id, sale_id, document = source
    known = tx.execute("SELECT sale_id, document, mark FROM print_job WHERE job_id = ?", (copy_id,)).fetchone()
    if known is None:
        _refuse_when_full(tx, printer_id)
        _insert(tx, copy_id, printer_id, sale_id=sale_id, document=document, mark="reprint", now_ms=now_ms)
    elif known != (sale_id, document, "reprint"):
        raise ConflictError("other_content", f"print job {copy_id} is another job")
    return job_view(tx, copy_id)


def retry(tx: Connection, job_id: str, *, now_ms: int) -> PrintJobView:
    """Queue a failed or unknown job again as itself; a queued or printing one is left as it is, a printed one refused."""
    job = job_view(tx, job_id)
    if job.state == "printed":
        raise ConflictError("already_printed", f"print job {job_id} was printed; a copy is a reprint")
    if job.state in ("failed", "unknown"):
        mark = "repeat" if job.state == "unknown" and not job.mark else job.mark
        tx.execute(
            """
            UPDATE print_job SET state = 'queued', reason = 'retry', mark = ?, changed_ms = ?,
              printer_id = coalesce(instead_of, printer_id), instead_of = NULL
            WHERE job_id = ?
            """,
            (mark, now_ms, job_id),
        )
    return job_view(tx, job_id)


def open_jobs(read: Connection) -> list[OpenJobs]:
    """Return what is not ended yet, by printer and state."""
    rows = read.execute(
        """
        SELECT printer_id, state, count(*), min(created_ms) FROM print_job
        WHERE state IN ('queued', 'printing') GROUP BY printer_id, state
        """
    ).fetchall()
    return [OpenJobs(*row) for row in rows]


def next_job(read: Connection, printer_id: str) -> OpenJob | None:
    """Return the oldest queued job of a printer without changing it."""
    row = read.execute(
        """
        SELECT job_id, mark, sale_id, document, created_ms, instead_of FROM print_job
        WHERE printer_id = ? AND state IN ('queued', 'printing') AND state = 'queued' ORDER BY id LIMIT 1
        """,
        (printer_id,),
    ).fetchone()
    return _open_job(row) if row else None


def _open_job(row: tuple[str, Mark, str | None, str | None, int, str | None]) -> OpenJob:
    job_id, mark, sale_id, document, created_ms, instead_of = row
    content = msgspec.json.decode(document, type=Document) if document else None
    return OpenJob(job_id, mark, sale_id, content, created_ms, instead_of is not None)


def begin(tx: Connection, job_id: str, *, printer_id: str, ahead: int = 0, now_ms: int) -> list[Begun]:
    """Bytes of a job may be at the printer from now on: that is one attempt more. Up to `ahead` that are queued for the same
    printer follow it at once; return them all in their order, and none where the job is not this printer's to begin.
    """
    first = tx.execute(
        f"{_BEGIN} WHERE job_id = ? AND printer_id = ? AND state = 'queued' {_BEGUN}", (now_ms, job_id, printer_id)
    ).fetchall()
    if not first:
        return []
    behind = tx.execute(
        f"""
        {_BEGIN} WHERE id IN (
          SELECT id FROM print_job
          WHERE printer_id = ? AND state IN ('queued', 'printing') AND state = 'queued' ORDER BY id LIMIT ?
        ) {_BEGUN}
        """,
        (now_ms, printer_id, ahead),
    ).fetchall()
    return [_begun(*row) for row in (*first, *sorted(behind, key=lambda row: row[-1]))]


def _begun(*row: Any) -> Begun:  # Any: columns
    *columns, document, _ = row
    view = PrintJobView(*columns)
    return Begun(view, _open_job((view.job_id, view.mark, view.sale_id, document, view.created_ms, view.instead_of)))


def move(tx: Connection, printer_id: str, *, to: str, now_ms: int) -> list[PrintJobView]:
    """Everything that is queued for a printer, and has not begun, is another one's now; return it in its order."""
    rows = tx.execute(
        f"""
        UPDATE print_job SET printer_id = ?, changed_ms = ?,
          instead_of = nullif(coalesce(instead_of, printer_id), ?)
        WHERE printer_id = ? AND state IN ('queued', 'printing') AND state = 'queued' RETURNING {_COLUMNS}, id
        """,
        (to, now_ms, to, printer_id),
    ).fetchall()
    return [PrintJobView(*row[:-1]) for row in sorted(rows, key=lambda row: row[-1])]


def end(tx: Connection, replica: Replica, job_id: str, state: Ended, *, reason: str = "", now_ms: int) -> PrintJobView:
    """Write down how a job ended, in the ledger and as a fact."""
    row = tx.execute(
        f"UPDATE print_job SET state = ?, reason = ?, changed_ms = ? WHERE job_id = ? RETURNING {_COLUMNS}",
        (state, reason, now_ms, job_id),
    ).fetchone()
    failpoints.hit("print.ended")
    job = PrintJobView(*row)
    record_results(tx, replica, _result(job, state))
    return job


def end_printed(tx: Connection, replica: Replica, jobs: Sequence[PrintJobView]) -> None:
    """Write down of jobs as they stand on paper that they were printed, in the ledger and as facts."""
    tx.executemany(
        "UPDATE print_job SET state = 'printed', reason = '', changed_ms = ? WHERE job_id = ?",
        [(job.changed_ms, job.job_id) for job in jobs],
    )
    failpoints.hit("print.ended")
    record_results(tx, replica, *(_result(job, "printed") for job in jobs))


def _result(job: PrintJobView, state: Ended) -> PrintResult:
    return PrintResult(
        job_id=job.job_id,
        sale_id=job.sale_id,
        printer_id=job.printer_id,
        state=state,
        mark=job.mark,
        reason=job.reason,
        attempts=job.attempts,
        at=utc(job.changed_ms),
    )


def put_back(tx: Connection, job_id: str, *, now_ms: int) -> PrintJobView:
    """A job that was begun in advance goes back into the queue: no byte was sent, so it was no attempt."""
    tx.execute(
        "UPDATE print_job SET state = 'queued', changed_ms = ?, attempts = attempts - 1 WHERE job_id = ?",
        (now_ms, job_id),
    )
    return job_view(tx, job_id)


def interrupt(tx: Connection, replica: Replica, job_id: str, *, printer_id: str, now_ms: int) -> PrintJobView | None:
    """A driver was cut off: a job that is `printing` there becomes unknown; return it, None when it never began."""
    job = job_view(tx, job_id)
    if (job.state, job.printer_id) != ("printing", printer_id):
        return None
    return end(tx, replica, job_id, "unknown", reason="interrupted", now_ms=now_ms)


def settle_interrupted(tx: Connection, replica: Replica, *, now_ms: int) -> int:
    """After a start: what was printing when the hub died may or may not be on paper. Return how many jobs that are."""
    interrupted = tx.execute(
        """
        SELECT job_id FROM print_job
        WHERE state IN ('queued', 'printing') AND state = 'printing' ORDER BY id
        """
    ).fetchall()
    for (job_id,) in interrupted:
        end(tx, replica, job_id, "unknown", reason="hub_restarted", now_ms=now_ms)
    return len(interrupted)


def known_job(read: Connection, job_id: str) -> PrintJobView | None:
    """Return a job of the ledger, None for one that is not there."""
    row = read.execute(f"SELECT {_COLUMNS} FROM print_job WHERE job_id = ?", (job_id,)).fetchone()
    return PrintJobView(*row) if row else None


def known_document(read: Connection, job_id: str) -> Document | None:
    """Return what a job of a document prints; None for a job that is not there, and an empty one for a receipt."""
    row = read.execute("SELECT document FROM print_job WHERE job_id = ?", (job_id,)).fetchone()
    if row is None:
        return None
    return msgspec.json.decode(row[0], type=Document) if row[0] else Document(())


def job_view(read: Connection, job_id: str) -> PrintJobView:
    """Return a job of the ledger; raise NotFoundError."""
    known = known_job(read, job_id)
    if known is None:
        raise NotFoundError("print_job", f"no print job {job_id}")
    return known


def list_jobs(read: Connection, *, limit: int) -> list[PrintJobView]:
    """Return the newest jobs first."""
    rows = read.execute(f"SELECT {_COLUMNS} FROM print_job ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
    return [PrintJobView(*row) for row in rows]


def _refuse_when_full(tx: Connection, printer_id: str) -> None:
    waiting = tx.execute(
        "SELECT count(*) FROM print_job WHERE printer_id = ? AND state IN ('queued', 'printing')", (printer_id,)
    ).fetchone()[0]
    if waiting >= QUEUE_MAX:
        raise BusyError("print_queue_full", f"{waiting} jobs wait for {printer_id}")


def _insert(
    tx: Connection,
    job_id: str,
    printer_id: str,
    *,
    sale_id: str | None,
    document: str | None,
    mark: Mark,
    now_ms: int,
    is_begun: bool = False,
) -> PrintJobView:
    """Write a job; one that `is_begun` is written as `begin` would leave it: its first attempt is under way."""
    state: State = "printing" if is_begun else "queued"
    tx.execute(
        """
        INSERT INTO print_job (job_id, printer_id, sale_id, document, mark, state, reason, attempts, created_ms, changed_ms)
        VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?)
        """,
        (job_id, printer_id, sale_id, document, mark, state, int(is_begun), now_ms, now_ms),
    )
    return PrintJobView(job_id, printer_id, sale_id, mark, state, "", int(is_begun), now_ms, now_ms)
