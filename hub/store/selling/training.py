"""A sale for training: held against the shop like any other, answered and printed, and in no book.

No fact, no number, no stock, no sum: only the print ledger knows of it, where paper was asked for. Its dot has seq 0, which is
nobody's: a till that shows it as the newest thing it has seen says nothing by it. Functions of a write job.
"""

import contextlib
from sqlite3 import Connection

import msgspec

from hub.errors import ConflictError
from hub.store.catalogue.products import name_of
from hub.store.model import SaleAnswer, Shop, utc
from hub.store.selling.admission import Admitted
from hub.store.selling.printing import PrintTo, queue_document
from hub.store.selling.receipts import receipt
from sync.model import Dot, Replica, Stream
from sync.retail.selling.days import business_date
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import SaleFact

RECEIPT_NO = "TRAINING"


def train(
    tx: Connection,
    replica: Replica,
    shop: Shop,
    admitted: Admitted,
    *,
    print_to: PrintTo | None,
    now_ms: int,
    back: ReturnFact | None = None,
) -> bytes:
    """Return what the till is told; a receipt is queued once, however often the sale is sent. `back`: what came back for it."""
    committed_at = utc(now_ms)
    fact = SaleFact(
        sale=admitted.sale,
        receipt_no=RECEIPT_NO,
        business_date=business_date(admitted.sold_at, shop.zone, cut_over_hour=shop.cut_over_hour),
        committed_at=committed_at,
        warnings=admitted.warnings,
        tax=admitted.tax,
    )
    answer = SaleAnswer(
        sale_id=fact.sale.sale_id,
        receipt_no=RECEIPT_NO,
        committed_at=committed_at,
        business_date=fact.business_date,
        dot=Dot(replica.rep, Stream.SALES, 0),
        stock={},
        warnings=fact.warnings,
        print_job=_queue(tx, shop, fact, back, print_to, now_ms=now_ms) if print_to else None,
        training=True,
    )
    return msgspec.json.encode(answer)


def _queue(
    tx: Connection, shop: Shop, fact: SaleFact, back: ReturnFact | None, print_to: PrintTo, *, now_ms: int
) -> str:
    job_id = f"training~{fact.sale.sale_id}"  # no client can make this id: an Id has no tilde
    paper = receipt(shop, fact, lambda sku: name_of(tx, sku), receipt_code="", back=back)
    with contextlib.suppress(ConflictError):  # sent again: the time on its paper is another
        queue_document(tx, job_id, paper, printer_id=print_to.printer_id, now_ms=now_ms)
    return job_id
