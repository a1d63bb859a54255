"""The control socket: what commands of this machine ask of a running hub. Only the hub's own user can open it."""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.attached.attachments import AttachedList, PutBack, TakeOverRequest, list_attached
from hub.api.attached.captures import ROUTES as CAPTURES
from hub.api.attached.devices import DeviceList, list_devices
from hub.api.disk import get_disk
from hub.api.replica.hubs import CONTROL as STANDBY
from hub.api.replica.sync import get_sync
from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.api.staff.cashiers import EnrolRequest, UnlockRequest, enrol, unlock
from hub.api.staff.pairing import CodeAnswer, make_code
from hub.api.staff.tills import TillList, list_tills, revoke
from hub.disk.room import DiskView
from hub.errors import RefusedError
from hub.replication import SyncView
from hub.store.attachments import TakeOver
from hub.store.catalogue import products
from hub.store.catalogue.products import Opening, Put
from hub.store.model import Entry
from hub.store.staff.audit_trail import MACHINE
from hub.store.staff.cashiers import CashierView
from hub.store.staff.tills import Scope, TillView
from hub.store.upkeep import mending
from hub.store.upkeep.audit import Finding
from hub.store.upkeep.mending import MENDED_MAX
from hub.tls.files import Leaf

BODY_MAX = 4 * 1024 * 1024  # 500 products of the largest kind
BATCH_MAX = 500  # products in one write job: a sale never waits for more


class ScopeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Make a pairing code of this scope."""

    scope: Scope = "till"


class RenewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Make a new certificate now."""


class Renewed(Struct, frozen=True):
    """What connections are shown from here on."""

    leaf: Leaf


class PutRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Products to write in one job."""

    entries: Annotated[list[Entry], Meta(max_length=BATCH_MAX)]


class OpeningsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Opening stock of SKUs that never moved here but by sales, in one job; the others are left alone."""

    openings: Annotated[list[Opening], Meta(max_length=BATCH_MAX)]


class RepairRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Correct what an audit found that saw `seen` repairs, in one job."""

    seen: int
    findings: Annotated[list[Finding], Meta(max_length=MENDED_MAX)]


class Mended(Struct, frozen=True):
    """How many findings were corrected."""

    mended: int


class Opened(Struct, frozen=True):
    """How many were booked."""

    booked: int


async def post_code(call: Call) -> Reply:
    """POST /control/codes"""
    return Reply(await make_code(call.hub, call.body.scope), 201)


async def post_products(call: Call) -> Reply:
    """POST /control/products"""
    hub, entries = call.hub, call.body.entries
    hub.room.admit_import()
    if hub.config.cloud is not None:
        raise RefusedError("joined", "the cloud keeps the products of this store")
    now_ms = hub.now_ms()
    put = await hub.db.write(
        lambda tx: products.put_products(tx, hub.replica, entries, location=hub.shop.location, now_ms=now_ms)
    )
    return Reply(put)


async def post_openings(call: Call) -> Reply:
    """POST /control/openings"""
    hub, openings = call.hub, call.body.openings
    hub.room.admit_import()
    now_ms = hub.now_ms()

    def book(tx: Connection) -> int:
        return sum(
            products.open_stock(tx, hub.replica, opening, location=hub.shop.location, now_ms=now_ms)
            for opening in openings
        )

    return Reply(Opened(await hub.db.write(book)))


async def post_repair(call: Call) -> Reply:
    """POST /control/audit/repair"""
    hub, body = call.hub, call.body
    now_ms = hub.now_ms()
    mended = await hub.db.write(lambda tx: mending.mend(tx, hub.replica, body.findings, seen=body.seen, now_ms=now_ms))
    return Reply(Mended(mended))


async def delete_till(call: Call) -> Reply:
    """DELETE /control/tills/{till_id}"""
    return await revoke(call, by=MACHINE)


async def post_renew(call: Call) -> Reply:
    """POST /control/tls/renew"""
    tls = call.hub.tls
    if tls is None or tls.authority is None:
        raise RefusedError("no_authority", "this hub has no store CA")
    return Reply(Renewed(await tls.alone(lambda: tls.renew("asked"))))


async def post_cashier(call: Call) -> Reply:
    """POST /control/cashiers"""
    return await enrol(call, call.body, by=MACHINE)


async def post_unlock(call: Call) -> Reply:
    """POST /control/cashiers/{cashier_id}/unlock"""
    return await unlock(call, by=MACHINE)


async def post_take_over(call: Call) -> Reply:
    """POST /control/devices/{device_id}/take-over"""
    return Reply(await call.hub.attachments.take_over(call.path["device_id"], call.body.node, actor=MACHINE))


async def delete_take_over(call: Call) -> Reply:
    """DELETE /control/devices/{device_id}/take-over"""
    await call.hub.attachments.put_back(call.path["device_id"], actor=MACHINE)
    return Reply(PutBack(call.path["device_id"]))


ROUTES = (
    *CAPTURES,
    *STANDBY,
    Route(
        "POST", "/control/codes", post_code, "Make a pairing code", PUBLIC, CodeAnswer, body=ScopeRequest, status=201
    ),
    Route("POST", "/control/tls/renew", post_renew, "Make a certificate", PUBLIC, Renewed, body=RenewRequest),
    Route("POST", "/control/products", post_products, "Write products", PUBLIC, Put, body=PutRequest),
    Route("POST", "/control/audit/repair", post_repair, "Correct what is derived", PUBLIC, Mended, body=RepairRequest),
    Route(
        "POST",
        "/control/cashiers",
        post_cashier,
        "Enrol a cashier",
        PUBLIC,
        CashierView,
        body=EnrolRequest,
        status=201,
    ),
    Route(
        "POST",
        "/control/cashiers/{cashier_id}/unlock",
        post_unlock,
        "Let a cashier guess again",
        PUBLIC,
        CashierView,
        body=UnlockRequest,
    ),
    Route("GET", "/control/tills", list_tills, "Clients that were paired", PUBLIC, TillList),
    Route("DELETE", "/control/tills/{till_id}", delete_till, "Make a client's token worth nothing", PUBLIC, TillView),
    Route("GET", "/control/devices/attached", list_attached, "What is plugged in", PUBLIC, AttachedList),
    Route("GET", "/control/sync", get_sync, "How the hub stands to the cloud", PUBLIC, SyncView),
    Route("GET", "/control/disk", get_disk, "Room where the books lie", PUBLIC, DiskView),
    Route("GET", "/control/devices", list_devices, "All devices and their health", PUBLIC, DeviceList),
    Route(
        "POST",
        "/control/devices/{device_id}/take-over",
        post_take_over,
        "Let another device stand in",
        PUBLIC,
        TakeOver,
        body=TakeOverRequest,
    ),
    Route("DELETE", "/control/devices/{device_id}/take-over", delete_take_over, "Undo it", PUBLIC, PutBack),
    Route("POST", "/control/openings", post_openings, "Book opening stock", PUBLIC, Opened, body=OpeningsRequest),
)
