"""Picking verified by scan: what a scan means for an order's lines, what is missing when the parcel is closed. Pure.

    scan of             qty > 0: into the parcel                      qty < 0: back out of it
    a SKU of no line    order_wrong_item                              order_wrong_item
    more than is open   order_too_many, none of it counts             order_not_picked, none of it counts
    else                the first line that is open for it, then the  the last line that has some, then the one before
                        next one of the same SKU

Not here: labels (hub), storage (hub.store.orders.order_scans). Source: the design, 3.3 (Order).
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from sync.errors import RuleError
from sync.retail.orders.order_rows import OrderLine, ShortLine


class Into(Struct, frozen=True):
    """So much of a scan belongs to a line."""

    line: int
    qty: int


def place_scan(lines: Sequence[OrderLine], picked: Mapping[int, int], sku: str, qty: int) -> list[Into]:
    """Return to which lines a scan belongs, together `qty`; raise RuleError: nothing of it counts."""
    assert qty
    of_sku = [line for line in lines if line.sku == sku]
    if not of_sku:
        raise RuleError("order_wrong_item", "/label", f"{sku} is not in this order")
    into, left = [], qty
    for line in of_sku if qty > 0 else reversed(of_sku):
        there = picked.get(line.line, 0)
        taken = min(left, line.qty - there) if qty > 0 else max(left, -there)
        if taken:
            into.append(Into(line.line, taken))
            left -= taken
    if left > 0:
        wanted, there = sum(line.qty for line in of_sku), sum(picked.get(line.line, 0) for line in of_sku)
        raise RuleError("order_too_many", "/qty", f"{sku}: {wanted} ordered, {there} picked, {qty} more scanned")
    if left < 0:
        there = sum(picked.get(line.line, 0) for line in of_sku)
        raise RuleError("order_not_picked", "/qty", f"{sku}: {there} are in the parcel")
    return into


def missing(lines: Sequence[OrderLine], picked: Mapping[int, int]) -> tuple[ShortLine, ...]:
    """Return what of the order is not in the parcel."""
    return tuple(
        ShortLine(line=line.line, qty=line.qty - picked.get(line.line, 0))
        for line in lines
        if picked.get(line.line, 0) < line.qty
    )
