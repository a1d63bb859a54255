"""What is scanned for an order while it is picked: once for each scan's id, checked against the lines before it counts.

Local to this hub: what was picked goes with the step to ready; a pick that another hub goes on with begins again. Functions of a
write job. Not here: the rules (sync.retail.orders.picking), labels (hub.api.orders.orders).
"""

from sqlite3 import Connection

from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.orders.order_views import Known, known_order, picked_of
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.orders import OrderState
from sync.retail.orders.picking import missing, place_scan


class OrderScan(Struct, frozen=True):
    """Something was scanned for an order; a negative quantity takes it out of the parcel again."""

    scan_id: str
    order_id: str
    sku: str
    qty: int
    till_id: str


class Scanned(Struct, frozen=True):
    """What a scan did: its SKU, how much of it is in the parcel, what is missing of the whole order."""

    order_id: str
    sku: str
    qty: int
    picked: int
    missing: int
    is_new: bool


def take_scan(tx: Connection, own: Replica, scan: OrderScan, *, now_ms: int) -> Scanned:
    """Count a scan once.

    Raise NotFoundError, RefusedError for what does not belong in the parcel, ConflictError for a known id with other content
    and for an order that is not being picked here.
    """
    known = known_order(tx, own, scan.order_id)
    before = tx.execute("SELECT order_id, sku, qty FROM order_scan WHERE scan_id = ?", (scan.scan_id,)).fetchone()
    if before is not None:
        if before != (scan.order_id, scan.sku, scan.qty):
            raise ConflictError("other_content", f"scan {scan.scan_id} is known with other content", pointer="/scan_id")
        return _scanned(tx, known, scan, is_new=False)
    if known.order.state is not OrderState.PICKING or not known.is_ours:
        raise ConflictError(
            "order_not_picking", f"order {scan.order_id} is {known.order.state}: nothing is picked for it"
        )
    try:
        into = place_scan(known.fact.lines, picked_of(tx, scan.order_id), scan.sku, scan.qty)
    except RuleError as err:
        raise RefusedError(err.code, err.detail, pointer=err.pointer) from err
    tx.execute(
        "INSERT INTO order_scan (scan_id, order_id, sku, qty, till_id, scanned_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (scan.scan_id, scan.order_id, scan.sku, scan.qty, scan.till_id, now_ms),
    )
    tx.executemany(
        "INSERT INTO order_scan_line (scan_id, order_id, line, qty) VALUES (?, ?, ?, ?)",
        [(scan.scan_id, scan.order_id, each.line, each.qty) for each in into],
    )
    return _scanned(tx, known, scan, is_new=True)


def forget_scans(tx: Connection, order_id: str) -> None:
    """Forget what was picked of an order that is closed."""
    tx.execute("DELETE FROM order_scan_line WHERE order_id = ?", (order_id,))
    tx.execute("DELETE FROM order_guess WHERE order_id = ?", (order_id,))


def _scanned(tx: Connection, known: Known, scan: OrderScan, *, is_new: bool) -> Scanned:
    picked = picked_of(tx, scan.order_id)
    of_sku = sum(picked.get(line.line, 0) for line in known.fact.lines if line.sku == scan.sku)
    left = sum(each.qty for each in missing(known.fact.lines, picked))
    return Scanned(scan.order_id, scan.sku, scan.qty, of_sku, left, is_new)
