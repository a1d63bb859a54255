"""One request for each operation of the API that succeeds, in an order in which each finds what it needs: a day in a shop.

Used by test_schemathesis.py, which then fuzzes a hub in which everything exists once. Not here: what the answers mean; each noun
has its own tests.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from devices.plug.attachment import Attached, AttachmentError, Match
from devices.testing.printer import SimulatedPrinter
from devices.testing.sockets import SimulatedSockets
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.retail.stock.transfer_requests import TRANSFER_REQUEST, TransferRequestRow
from sync.retail.stock.transfers import TransferLine
from sync.store.writing import put_version
from tests.hub.clock_world import NOW, YEAR, Machine

PIN = "730648"
DAY = "2026-09-20"
MEMBERS = {"points_worth": {"points": 100, "minor": 1000}}
"""What the walk asks of the hub's [members]."""


class Walk:
    """Sends and remembers which operation has succeeded. `ids` are what path parameters may be, by their name."""

    def __init__(self, manager: Any) -> None:
        self.manager, self.ids, self.statuses = manager, dict[str, str](), dict[str, int]()

    async def ask(self, method: str, path: str, body: Any = None, *, by: Any = None, **query: str) -> Any:
        """Send one request, `{name}` filled in from `ids`, and return its answer's JSON; it must succeed."""
        client = by or self.manager
        filled = path.format(**{name: value.replace("/", "%2F") for name, value in self.ids.items()})
        answer = await client.request(method, filled, body, params=query or None)
        assert 200 <= answer.status < 300, (method, filled, answer.status, answer.body)
        self.statuses[f"{method} {path}"] = answer.status
        return answer.json if answer.body else None

    async def read(self, *paths: str) -> None:
        """GET each."""
        for path in paths:
            await self.ask("GET", path)


async def walk(went: Walk, *, cloud: Any, standby: Any, door: Any, printer: SimulatedPrinter, until: Any) -> Walk:
    """Do everything once."""
    await _look(went)
    await _stock(went)
    await _prices(went)
    await _people(went)
    await _members(went)
    await _sell(went)
    await _exchange(went)
    await _coupons(went)
    await _orders(went)
    await _print(went, printer, until)
    await _drawer(went)
    await _replicate(went, cloud, standby)
    await _wire(went, door)
    return went


async def _look(went: Walk) -> None:
    went.ids |= {"sku": "TEA-01", "style": "SHIRT", "device_id": "s1", "drawer_id": "receipts"}
    pairing = {"code": await went.manager.hub.make_code("till"), "name": "Counter"}
    paired = await went.ask("POST", "/v1/pair", pairing)
    went.ids["till_id"] = paired["till_id"]
    await went.ask("POST", "/v1/pair/rotate")
    await went.ask("POST", "/v1/pairing-codes", {})
    await went.read("/v1/tills")
    await went.ask("DELETE", "/v1/tills/{till_id}")
    await went.read(
        "/v1/shop",
        "/v1/products",
        "/v1/products/{sku}",
        "/v1/catalogue",
        "/v1/styles/{style}",
        "/v1/stock/{sku}",
        "/v1/clock",
    )
    await went.read(
        "/v1/devices", "/v1/insights/footfall", "/v1/insights/dwells", "/v1/insights/phones", "/v1/sync", "/v1/trail"
    )
    await went.read("/v1/hubs")
    await went.read("/v1/disk")
    await _confirm_clock(went)
    await went.ask("POST", "/v1/sync/now")
    await went.ask("POST", "/v1/devices/{device_id}/claim")
    await went.ask("DELETE", "/v1/devices/{device_id}/claim")
    await _counter(went)
    await _replace_device(went)


async def _replace_device(went: Walk) -> None:
    """As a hub whose scanner is away and another is there."""
    attachments = went.manager.hub.runtime.attachments
    other = Attached(subsystem="tty", node="/dev/ttyACM9", vendor="05e0", product="1200", serial="S9")
    attachments.machine = SimulatedSockets(other)
    with contextlib.suppress(AttachmentError):
        attachments.attached("s1", Match(vendor="05e0", serial="S1"), "tty")
    await went.read("/v1/devices/attached")
    await went.ask("POST", "/v1/devices/{device_id}/take-over", {"node": other.node})
    await went.ask("DELETE", "/v1/devices/{device_id}/take-over")


async def _confirm_clock(went: Walk) -> None:
    """As a hub whose machine nobody has told the time."""
    clock = went.manager.hub.runtime.clock
    told, clock._machine = clock._machine, Machine(wall_ms=NOW + YEAR).clock
    await went.ask("POST", "/v1/clock/confirm", {"now": "2026-09-21T22:13:20+08:00"})
    clock._machine = told


async def _counter(went: Walk) -> None:
    went.ids["device_id"] = "w1"
    await went.ask("GET", "/v1/devices/{device_id}/weight")
    await went.ask("POST", "/v1/devices/{device_id}/zero")
    went.ids["device_id"] = "d1"
    await went.ask("PUT", "/v1/devices/{device_id}/text", {"lines": ["歡迎光臨", "Welcome"]})
    went.ids["device_id"] = "s1"


async def _stock(went: Walk) -> None:
    went.ids |= {"document_id": "d1", "transfer_id": "hk01:d2", "reservation_id": "r1", "id": "document:d1"}
    received = {"movement_id": "m1", "sku": "TEA-01", "qty": 50, "reason": "receive"}
    await went.ask("POST", "/v1/stock/movements", received)
    delivery = {"document_id": "d1", "kind": "receive", "lines": [{"sku": "TEA-01", "qty": 9, "expected": 10}]}
    await went.ask("POST", "/v1/stock/documents", delivery)
    sent = {"document_id": "d2", "kind": "transfer_out", "to": "hk02", "lines": [{"sku": "TEA-01", "qty": 1}]}
    await went.ask("POST", "/v1/stock/documents", sent)
    await went.read("/v1/stock/documents", "/v1/stock/documents/{document_id}", "/v1/stock/seen")
    await went.read("/v1/stock/transfers", "/v1/stock/transfers/{transfer_id}")
    await _asked_to_send(went)
    await went.ask("POST", "/v1/stock/counts", {"count_id": "n1", "lines": [{"sku": "SHIRT-M", "counted": 5}]})
    await went.ask("PUT", "/v1/stock/{sku}/safety-stock", {"qty": 1})
    held = {"reservation_id": "r1", "basket_id": "b1", "lines": [{"sku": "TEA-01", "qty": 1}]}
    await went.ask("POST", "/v1/reservations", held)
    await went.read("/v1/reservations", "/v1/reservations/{reservation_id}", "/v1/attention", "/v1/attention/{id}")
    await went.ask("DELETE", "/v1/reservations/{reservation_id}")
    await went.ask("POST", "/v1/attention/{id}/notes", {"note_id": "n1", "text": "called the supplier"})


async def _asked_to_send(went: Walk) -> None:
    """As head office has asked for goods, which this shop does not find."""
    went.ids |= {"request_id": "proposal-1"}
    hub = went.manager.hub.runtime
    lines = (TransferLine("TEA-01", 2),)
    row = TransferRequestRow(
        **{"request_id": "proposal-1", "store": "hk01", "receiver": "hk02", "n": 0, "state": "open", "lines": lines},
        **{"asked_ms": NOW, "until_ms": 0, "note": "for the weekend"},
    )
    await hub.db.write(lambda tx: put_version(tx, hub.replica, TRANSFER_REQUEST, row))
    await went.read("/v1/stock/transfers/requests")
    await went.ask("POST", "/v1/stock/transfers/requests/{request_id}/refuse", {"reason": "not_found"})


async def _prices(went: Walk) -> None:
    rows = {"lists": [{"list_id": "summer", "name": {"en": "Summer"}}]}
    await went.ask("POST", "/v1/pricing", rows)
    await went.ask("POST", "/v1/store-prices", {"sku": "TEA-01", "amount": 990, "reason": "the shop next door"})
    await went.read("/v1/pricing", "/v1/store-prices")
    await went.ask("DELETE", "/v1/store-prices/{sku}")
    await went.ask("POST", "/v1/quotes", {"lines": [{"line": 1, "sku": "TEA-01", "qty": 1}]})


async def _people(went: Walk) -> None:
    went.ids |= {"cashier_id": "boss"}
    boss = {"cashier_id": "boss", "number": "1", "name": "Boss 陳", "role": "manager", "pin": PIN}
    await went.ask("POST", "/v1/cashiers", boss)
    await went.ask("POST", "/v1/cashiers/sign-in", {"cashier_id": "boss", "pin": PIN})
    await went.ask("POST", "/v1/cashiers/sign-out")
    await went.ask("POST", "/v1/cashiers/{cashier_id}/changes", {"change_id": "c1", "name": "Boss"})
    await went.ask("POST", "/v1/cashiers/{cashier_id}/pin", {"change_id": "c2", "pin": PIN, "new_pin": "481937"})
    await went.ask("POST", "/v1/cashiers/{cashier_id}/unlock", {"reason": "was tired"})
    await went.read("/v1/cashiers", "/v1/approvals")
    approval = {
        "approval_id": "a1",
        "action": "void",
        "subject": "v9",
        "cashier_id": "boss",
        "pin": "481937",
        "reason": "x",
    }
    await went.ask("POST", "/v1/approvals", approval)


async def _members(went: Walk) -> None:
    went.ids |= {"member_id": "p1"}
    for member, phone in (("p1", "91234567"), ("p2", "91234568"), ("p3", "91234569")):
        await went.ask("POST", "/v1/members", {"member_id": member, "name": "Chan", "phone": phone})
    await went.ask("GET", "/v1/members", phone="91234567")
    await went.read("/v1/members/{member_id}", "/v1/members/{member_id}/export", "/v1/points/exposure")
    path = "/v1/members/{member_id}"
    await went.ask("POST", f"{path}/edits", {"edit_id": "e1", "name": "Chan Tai Man"})
    await went.ask("POST", f"{path}/links", {"link_id": "l1", "other": "p2"})
    await went.ask("POST", f"{path}/unlinks", {"undo_id": "u1", "link_id": "l1"})
    await went.ask("POST", f"{path}/consents", {"consent_id": "k1", "purpose": "marketing", "choice": "in"})
    await went.ask("POST", f"{path}/points", {"entry_id": "g1", "points": 100, "why": "sorry"})
    await went.ask("POST", f"{path}/tier", {"tier_id": "t1", "tier": "gold"})
    tea = {"lines": [{"line": 1, "sku": "TEA-01", "qty": 1}], "member_id": "p1"}
    for points in (20, "max"):
        quoted = await went.ask("POST", "/v1/quotes", tea | {"points": points})
        assert quoted["points"]["amount"] > 0
    went.ids["member_id"] = "p3"
    await went.ask("POST", f"{path}/erasure", {"erasure_id": "x1"})
    went.ids["member_id"] = "p1"


async def _sell(went: Walk) -> None:
    manager = went.manager
    went.ids |= {"sale_id": "s1", "name": "s1", "return_id": "back-1", "basket_id": "b1"}
    for name in ("s1", "s2"):
        await went.ask("POST", "/v1/sales", manager.sale(sale_id=name))
    await went.read("/v1/sales/{sale_id}", "/v1/sales/{sale_id}/receipt", "/v1/receipts/{name}")
    await went.ask("POST", "/v1/sales/status", {"ids": ["s1"]})
    back = {"return_id": "back-1", "till_id": manager.till_id, "sale_id": "s1", "reason": "torn"}
    await went.ask("POST", "/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})
    await went.read("/v1/returns/{return_id}")
    went.ids["sale_id"] = "s2"
    void = {"void_id": "v1", "till_id": manager.till_id, "reason": "wrong key"}
    await went.ask("POST", "/v1/sales/{sale_id}/void", void)
    lines = manager.sale()["lines"]
    await went.ask("POST", "/v1/baskets", {"basket_id": "b1", "till_id": manager.till_id, "lines": lines})
    await went.read("/v1/baskets", "/v1/baskets/{basket_id}")
    await went.ask("DELETE", "/v1/baskets/{basket_id}")
    for name in ("s1", "s2"):
        two = manager.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, sale_id=name)
        assert (await manager.post("/v1/sales", two)).status == 409
    waiting = await went.ask("GET", "/v1/suspended")
    verbs = (("book", {"sale_id": "second-1"}), ("discard", {"reason": "told twice"}))
    for view, (verb, body) in zip(waiting["items"], verbs, strict=True):
        went.ids["suspended_id"] = view["suspended_id"]
        await went.ask("POST", f"/v1/suspended/{{suspended_id}}/{verb}", body)


async def _exchange(went: Walk) -> None:
    manager = went.manager
    await manager.post("/v1/sales", manager.sale(sale_id="s3"))
    back = {"return_id": "back-2", "till_id": manager.till_id, "sale_id": "s3", "reason": "too small"}
    new = manager.sale(sale_id="s4") | {"tenders": []}
    both = {"exchange_id": "swap-1", "return": back | {"lines": [{"line": 1, "qty": 1}]}, "sale": new}
    await went.ask("POST", "/v1/exchanges", both | {"sale": new | {"training": True}})
    await went.ask("POST", "/v1/exchanges", both)
    went.ids["exchange_id"] = "swap-1"
    await went.read("/v1/exchanges/{exchange_id}")


async def _coupons(went: Walk) -> None:
    """As head office sends them."""
    hub = went.manager.hub.runtime
    ten = CouponRow(
        coupon_id="TENOFF",
        name=Name(en="Ten off"),
        currency="HKD",
        valid_from="2026-01-01",
        valid_until="2026-12-31",
        amount_max=1000,
    )
    numbered = CouponBatchRow(batch_id="B1", coupon_id="TENOFF", prefix="TEN", digits=4, first=1, count=100)
    instant = CouponBatchRow(batch_id="B2", coupon_id="TENOFF", prefix="NOW", digits=2, count=9, instant=True)

    def job(tx: Any) -> None:
        put_version(tx, hub.replica, COUPON, ten)
        for batch in (numbered, instant):
            put_version(tx, hub.replica, COUPON_BATCH, batch)

    await hub.db.write(job)
    went.ids["serial"] = "TEN0001"
    await went.read("/v1/coupons", "/v1/coupons/{serial}")
    await went.ask("POST", "/v1/coupons/issues", {"issue_id": "i1", "coupon_id": "TENOFF"})
    await went.ask("POST", "/v1/coupons/{serial}/redemptions", {"redemption_id": "q1", "amount": 500})


async def _orders(went: Walk) -> None:
    went.ids["order_id"] = "o1"
    path, lines = "/v1/orders/{order_id}", [{"line": 1, "sku": "TEA-01", "qty": 1}]
    await went.ask("POST", "/v1/orders", {"order_id": "o1", "kind": "click_and_collect", "lines": lines})
    await went.read("/v1/orders", "/v1/orders/picklist", path, f"{path}/label")
    await went.ask("POST", f"{path}/steps", {"step_id": "k1", "state": "picking"})
    await went.ask("POST", f"{path}/scans", {"scan_id": "k1", "label": "TEA-01"})
    await went.ask("POST", f"{path}/steps", {"step_id": "k2", "state": "ready"})
    await went.ask("POST", f"{path}/code", {"reason": "no telephone"})


async def _print(went: Walk, printer: SimulatedPrinter, until: Any) -> None:
    went.ids |= {"job_id": "j1"}
    await went.ask("POST", "/v1/drawers/{drawer_id}/open")
    text = {"elements": [{"type": "text", "text": "hello"}]}

    async def printed(job_id: str, state: str, attempts: int) -> None:
        path = f"/v1/print/{job_id}"
        await until(
            lambda: went.manager.get(path), lambda at: (at.json["state"], at.json["attempts"]) == (state, attempts)
        )

    await went.ask("POST", "/v1/print", {"job_id": "j1", "printer_id": "receipts", "document": text})
    await printed("j1", "printed", 1)
    await went.ask("POST", "/v1/print/{job_id}/reprint", {"copy_id": "j2"})
    await printed("j2", "printed", 1)
    printer.hangs = True
    await went.ask("POST", "/v1/print", {"job_id": "j3", "printer_id": "receipts", "document": text})
    await printed("j3", "unknown", 1)
    printer.hangs = False
    went.ids["job_id"] = "j3"
    await went.ask("POST", "/v1/print/{job_id}/retry")
    await went.read("/v1/print", "/v1/print/{job_id}")
    labels = [{"sku": "TEA-01", "copies": 2, "was": 1200}]
    await went.ask("POST", "/v1/labels", {"job_id": "j4", "printer_id": "receipts", "labels": labels})
    await printed("j4", "printed", 1)


async def _drawer(went: Walk) -> None:
    went.ids |= {"session_id": "w1"}
    path = "/v1/drawer-sessions/{session_id}"
    await went.ask(
        "POST", "/v1/drawer-sessions", {"session_id": "w1", "till_id": went.manager.till_id, "float_amount": 0}
    )
    moved = {"movement_id": "m1", "what": "pay_in", "amount": 10_000, "reason": "change"}
    await went.ask("POST", f"{path}/movements", moved)
    await went.read("/v1/drawer-sessions", path, f"{path}/x-report", "/v1/days")
    await went.ask("POST", f"{path}/x-report/print", {"print_id": "x1"})
    closed = await went.ask("POST", f"{path}/close", {"counted": [[10_000, 1]]})
    went.ids["z_no"] = closed["z_report"]["z_no"]
    await went.read("/v1/z-reports", "/v1/z-reports/{z_no}")
    await went.ask("POST", "/v1/z-reports/{z_no}/print", {"print_id": "z1"})
    await went.ask("POST", "/v1/days/close", {"close_id": "day-1", "business_date": DAY})


async def _replicate(went: Walk, cloud: Any, standby: Any) -> None:
    await went.ask("POST", "/sync/v1/hello", {"rep": "cloud:00000000000000c1"}, by=cloud)
    listed = await went.ask("GET", "/sync/v1/streams", by=cloud)
    stream = next(each for each in listed["streams"] if each["stream"] == "sales")
    start = {"stream": stream["stream"], "last": 0, "digest": "0" * 16}
    await went.ask("POST", "/sync/v1/ack", start, by=cloud)
    await went.ask("POST", "/sync/v1/pin-keys", {"keys": []}, by=standby)
    await went.ask("GET", "/sync/v1/store-ca", by=standby)
    told = {"rep": went.manager.hub.runtime.replica.rep, "held": {"members": {}}}
    await went.ask("POST", "/sync/v1/registers", told, by=standby)
    card = {"rep": told["rep"][:-1] + "x", "role": "follows"}
    said = {"card": card, "preferred": {"n": 0, "role": "followed"}, "sales": 0, "pairings_digest": "0" * 16}
    await went.ask("POST", "/sync/v1/beside", said, by=standby)


async def _wire(went: Walk, door: Any) -> None:
    """As a counter that is called `door`; it has nothing to delete, so there the driver of another kind is stood in for."""
    path, hub = "/v1/devices/{device_id}/wire", went.manager.hub.runtime
    went.ids["device_id"] = "door"
    await went.ask("GET", path, by=door)
    for method in ("POST", "PUT"):
        await went.ask(method, path, {"in": 1, "out": 1}, by=door)
    asks, hub.ask_device = hub.ask_device, lambda _device_id, request: request.answer(204)
    await went.ask("DELETE", path, by=door)
    hub.ask_device = asks


def pools(ids: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a Schemathesis configuration that give path parameters these values, nine times out of ten."""
    for name, value in sorted(ids.items()):
        yield f'[dictionaries.{name}]\nvalues = ["{value}"]'
    yield "[parameters]"
    for name in sorted(ids):
        yield f'"path.{name}" = {{ dictionary = "{name}", probability = 0.9 }}'
