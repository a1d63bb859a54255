"""A scan on its way to the till that claims the scanner: what the label is, looked up and handed on. No log ever holds one.

    kind            what is in the event beside the label
    product         sku, where the catalogue has the GTIN or the label is a SKU
    gs1             ais: GS1 data without a GTIN, such as a pallet's
    member          member_id: a member's code (without an id: nobody here), or a known card
    receipt         sale_id: our receipt's link or bar code (without an id: not ours, or no longer here)
    coupon          coupon {serial, coupon_id}
    order           order {order_id, code}: an order's number, or what a customer shows to be handed it
    invoice         invoice: what its left QR or its Code 39 says; both QR codes within PAIR_MS are one invoice
    invoice_lines   the right QR alone
    carrier         carrier {type, id}: where the electronic invoice goes
    donation        donation_code, where so few digits are nothing else
    text            any other label

What is known here comes before what a label looks like. A label that was refused has `error` and no kind.
"""

import re
from sqlite3 import Connection
from typing import Any

import msgspec

from devices.codecs.carriers import read_carrier, read_donation_code
from devices.codecs.einvoice import looks_barcode, looks_left, looks_right, read_barcode, read_invoice
from devices.errors import LabelError
from devices.model import Scan
from hub.bus import CONSOLE
from hub.runtime import Runtime
from hub.store.catalogue import products
from hub.store.orders import order_views
from hub.store.people import people
from hub.store.people.coupon_serials import batch_with
from hub.store.selling import sales
from hub.store.selling.receipt_codes import RECEIPT_PREFIX
from hub.store.selling.receipt_links import sale_of_code

PAIR_MS = 10_000  # a cashier's way from the left QR code of an invoice to the right one
ID_MAX = 64  # characters of the longest serial or order number
_HAND_OVER = re.compile(r"(?P<order_id>.+)/(?P<code>[0-9]{8})", re.ASCII)

Told = dict[str, Any]  # Any: JSON


class Scans:
    """Where the device side hands in its scans. Holds each scanner's last invoice code, for no longer than the next scan."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._invoice_codes: dict[str, tuple[str, int]] = {}

    def hear(self, device_id: str, scan: Scan) -> None:
        """Hand a scan to the till that claims the scanner; the console watches, and is told whose it was."""
        hub, data = self._hub, msgspec.to_builtins(scan)
        held = self._invoice_codes.pop(device_id, None)
        if scan.error is None:
            data |= self._known(scan) or self._invoice(device_id, scan.label, held) or _formed(scan.label)
        hub.metrics.scans.labels(device_id, scan.error or "ok").inc()
        holder = hub.claims.holder(device_id)
        if holder is not None:
            data["claimed_by"] = holder
        hub.bus.publish("scan", data, now_ms=hub.now_ms(), device=device_id, audience=holder or CONSOLE)

    def _known(self, scan: Scan) -> Told | None:
        """Return what is in the books under this label."""
        read, label = self._hub.db.read, scan.label
        if scan.gtin is not None:
            return _product(read, scan.gtin, label)
        if scan.ais is not None:
            return {"kind": "gs1"}
        if label.startswith(people.CODE):
            return {"kind": "member"} | self._member(label)
        link = f"{self._hub.config.receipt_url}/r/"
        if label.startswith(link):
            view = sale_of_code(read, label.removeprefix(link), self._hub.receipt_key)
            return {"kind": "receipt"} | ({"sale_id": view.fact.sale.sale_id} if view else {})
        if len(label) > ID_MAX:
            return None
        if (batch := batch_with(read, label)) is not None:
            return {"kind": "coupon", "coupon": {"serial": label, "coupon_id": batch.coupon_id}}
        if (order := _order(read, label)) is not None:
            return {"kind": "order", "order": order}
        if products.is_sku(read, label):
            return {"kind": "product", "sku": label}
        member = self._member(label)
        return {"kind": "member"} | member if member else None

    def _member(self, label: str) -> Told:
        found = people.found_by_code(self._hub.db.read, label, self._hub.shop.members)
        return {"member_id": found[0].member_id} if found else {}

    def _invoice(self, device_id: str, label: str, held: tuple[str, int] | None) -> Told | None:
        """Return what an invoice's code says, with the other code if the same scanner has just read it."""
        is_left, is_right = looks_left(label), looks_right(label)
        if not (is_left or is_right):
            return None
        now_ms = self._hub.now_ms()
        other = held[0] if held is not None and 0 <= now_ms - held[1] <= PAIR_MS else None
        if other is not None and looks_left(other) == is_left:
            other = None
        if other is None:
            self._invoice_codes[device_id] = (label, now_ms)
            if is_right:
                return {"kind": "invoice_lines"}
        try:
            return {"kind": "invoice", "invoice": msgspec.to_builtins(read_invoice(label, other))}
        except LabelError:
            return None


def _product(read: Connection, gtin: str, label: str) -> Told:
    sku = products.sku_of_gtin(read, gtin)
    if sku is not None:
        return {"kind": "product", "sku": sku}
    view = sales.find_sale(read, label) if label.startswith(RECEIPT_PREFIX) else None
    return {"kind": "receipt", "sale_id": view.fact.sale.sale_id} if view else {"kind": "product"}


def _order(read: Connection, label: str) -> Told | None:
    hand_over = _HAND_OVER.fullmatch(label)
    if hand_over is not None and order_views.is_order(read, hand_over["order_id"]):
        return hand_over.groupdict()
    return {"order_id": label} if order_views.is_order(read, label) else None


def _formed(label: str) -> Told:
    """Return what a label is by its form alone."""
    if looks_barcode(label):
        try:
            return {"kind": "invoice", "invoice": msgspec.to_builtins(read_barcode(label))}
        except LabelError:
            return {"kind": "text"}
    if (carrier := read_carrier(label)) is not None:
        return {"kind": "carrier", "carrier": msgspec.to_builtins(carrier)}
    if (donation_code := read_donation_code(label)) is not None:
        return {"kind": "donation", "donation_code": donation_code}
    return {"kind": "text"}
