"""Z reports on paper: the first print is the report, every other one a marked copy, however long ago the first was.

The print ledger forgets after weeks; `z_print` remembers which jobs printed a Z report as long as the report is kept.
"""

from sqlite3 import Connection

from hub.store.day.z_paper import z_paper
from hub.store.model import Shop
from hub.store.selling import printing
from hub.store.selling.printing import PrintJobView
from hub.store.selling.receipts import marked
from hub.store.staff.cashiers import cashier_name
from sync.retail.selling.z_reports import ZReport


def print_z(
    tx: Connection, shop: Shop, report: ZReport, print_id: str, *, printer_id: str, now_ms: int
) -> tuple[PrintJobView, bool]:
    """Queue a Z report; say whether that is new. The same print_id queues nothing more; BusyError: the queue is full."""
    known = printing.known_job(tx, print_id)
    if known is not None:
        return known, False
    document = z_paper(shop, report, signed_by=cashier_name(tx, report.closed_by))
    before = tx.execute("SELECT job_id FROM z_print WHERE z_no = ? ORDER BY queued_ms", (report.z_no,)).fetchall()
    source = next((job_id for (job_id,) in before if printing.known_job(tx, job_id)), None)
    if not before:
        job = printing.queue_document(tx, print_id, document, printer_id=printer_id, now_ms=now_ms)
    elif source is not None:
        job = printing.reprint(tx, source, copy_id=print_id, now_ms=now_ms)
    else:
        job = printing.queue_document(tx, print_id, marked(document, "reprint"), printer_id=printer_id, now_ms=now_ms)
    tx.execute("INSERT INTO z_print (job_id, z_no, queued_ms) VALUES (?, ?, ?)", (print_id, report.z_no, now_ms))
    return job, True


def first_job(report: ZReport) -> str:
    """Return the id of the job that prints a Z report when its session is closed; no client can make it: an Id has no tilde."""
    return f"z~{report.z_no}"
