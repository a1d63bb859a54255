"""Cashiers: who they are, signing in at a till with a PIN, changing it, and what a manager does about them."""

from datetime import datetime
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import ConflictError, RefusedError
from hub.pin_desk import check_guess, checked_pin, hashed
from hub.store.model import utc
from hub.store.staff import cashiers, sign_ins
from hub.store.staff.cashiers import Asked, CashierView, Changed
from hub.store.staff.pin_keys import pin_keys
from sync.retail.selling.sales import Id, ShortText
from sync.retail.staff.cashiers import CashierId, CashierVersion, Number, PersonName, Pin, Role

TOKEN_BYTES = 32


class EnrolRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody new; `cashier_id` is made by the client. The PIN is for the first sign-in: they are asked to change it."""

    cashier_id: CashierId
    number: Number
    name: PersonName
    role: Role
    pin: Pin
    reason: ShortText = ""


class ChangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of what is given; `change_id` is made by the client. A higher role needs a new PIN with it."""

    change_id: Id
    number: Number | None = None
    name: PersonName | None = None
    role: Role | None = None
    pin: Pin | None = None
    is_disabled: bool | None = None
    reason: ShortText = ""


class OwnPinRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A cashier's own new PIN, with the one that they have."""

    change_id: Id
    pin: Pin
    new_pin: Pin


class UnlockRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a cashier may guess again."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class SignInRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who it is, by id or by number, and their PIN."""

    pin: Pin
    cashier_id: CashierId | None = None
    number: Number | None = None


class SignInAnswer(Struct, frozen=True):
    """The session token is shown once and is good at this till only; send it in the header `Storehub-Session`."""

    session: str
    cashier_id: str
    number: str
    name: str
    role: Role
    till_id: str
    expires_at: datetime
    must_change: bool


class SignedOut(Struct, frozen=True):
    """Nobody is signed in at this till now."""

    till_id: str


class CashierList(Struct, frozen=True):
    """The cashiers of the store by number; those who are disabled last."""

    items: list[CashierView]


async def list_cashiers(call: Call) -> Reply:
    """GET /v1/cashiers"""
    return Reply(CashierList(cashiers.list_cashiers(call.hub.db.read)))


async def post_cashier(call: Call) -> Reply:
    """POST /v1/cashiers"""
    return await enrol(call, call.body, by=call.actor)


async def enrol(call: Call, request: EnrolRequest, *, by: str) -> Reply:
    """Enrol a cashier, for a manager or for a command of this machine."""
    hub = call.hub
    checked_pin(request.pin, request.role, number=request.number)
    asked = Asked(
        change_id=f"enrol~{request.cashier_id}",  # no client can make this id: an Id has no tilde
        cashier_id=request.cashier_id,
        number=request.number,
        name=request.name,
        role=request.role,
        pin=await hashed(hub, request.pin),
        reason=request.reason,
    )
    now_ms = hub.now_ms()
    changed = await hub.db.write(lambda tx: cashiers.enrol(tx, hub.replica, asked, by=by, now_ms=now_ms))
    await _hold_same_pin(call, changed, request.pin)
    return Reply(changed.view, 201 if changed.is_new else 200)


async def post_change(call: Call) -> Reply:
    """POST /v1/cashiers/{cashier_id}/changes"""
    hub, request, cashier_id = call.hub, call.body, call.path["cashier_id"]
    if request.pin is not None:
        known = cashiers.cashier(hub.db.read, cashier_id)
        checked_pin(request.pin, request.role or known.role, number=request.number or known.number)
    asked = Asked(
        change_id=request.change_id,
        cashier_id=cashier_id,
        number=request.number,
        name=request.name,
        role=request.role,
        pin=None if request.pin is None else await hashed(hub, request.pin),
        is_disabled=request.is_disabled,
        reason=request.reason,
    )
    return await _change(call, asked, by=call.actor, pin=request.pin)


async def post_own_pin(call: Call) -> Reply:
    """POST /v1/cashiers/{cashier_id}/pin"""
    hub, request, cashier_id = call.hub, call.body, call.path["cashier_id"]
    known = cashiers.cashier(hub.db.read, cashier_id)
    checked_pin(request.new_pin, known.role, number=known.number, pointer="/new_pin")
    if request.new_pin == request.pin:
        raise RefusedError("pin_weak", "the new PIN is the old one", pointer="/new_pin")
    if not cashiers.is_change(hub.db.read, request.change_id):  # a repeat names a PIN that is no more the cashier's
        await check_guess(hub, known, request.pin, till_id=call.client.till_id)
    pin = await hashed(hub, request.new_pin)
    asked = Asked(change_id=request.change_id, cashier_id=cashier_id, pin=pin, is_own_pin=True)
    return await _change(call, asked, by=f"cashier:{cashier_id}", pin=request.new_pin)


async def post_unlock(call: Call) -> Reply:
    """POST /v1/cashiers/{cashier_id}/unlock"""
    return await unlock(call, by=call.actor)


async def unlock(call: Call, *, by: str) -> Reply:
    """Forget wrong PINs, for a manager or for a command of this machine."""
    hub, cashier_id, reason, now_ms = call.hub, call.path["cashier_id"], call.body.reason, call.hub.now_ms()
    cashiers.cashier(hub.db.read, cashier_id)

    def job(tx: Connection) -> CashierView:
        sign_ins.unlock(tx, cashier_id, by=by, reason=reason, now_ms=now_ms)
        return cashiers.view_of(tx, cashier_id)

    return Reply(await hub.db.write(job))


async def post_sign_in(call: Call) -> Reply:
    """POST /v1/cashiers/sign-in"""
    hub, request, till_id = call.hub, call.body, call.client.till_id
    known = _named(hub.db.read, request)
    await check_guess(hub, known, request.pin, till_id=till_id)
    token, now_ms = hub.new_secret(TOKEN_BYTES), hub.now_ms()
    begun = await hub.db.write(lambda tx: sign_ins.begin(tx, known.cashier_id, till_id, token=token, now_ms=now_ms))
    answer = SignInAnswer(
        session=token,
        cashier_id=known.cashier_id,
        number=known.number,
        name=known.name,
        role=known.role,
        till_id=till_id,
        expires_at=utc(begun.expires_ms),
        must_change=known.must_change,
    )
    return Reply(answer, 201)


async def post_sign_out(call: Call) -> Reply:
    """POST /v1/cashiers/sign-out"""
    till_id, now_ms = call.client.till_id, call.hub.now_ms()
    await call.hub.db.write(lambda tx: sign_ins.end(tx, till_id, now_ms=now_ms))
    return Reply(SignedOut(till_id))


async def _change(call: Call, asked: Asked, *, by: str, pin: str | None) -> Reply:
    hub, now_ms = call.hub, call.hub.now_ms()
    changed = await hub.db.write(lambda tx: cashiers.change(tx, hub.replica, asked, by=by, now_ms=now_ms))
    await _hold_same_pin(call, changed, pin)
    return Reply(changed.view, 201 if changed.is_new else 200)


async def _hold_same_pin(call: Call, changed: Changed, pin: str | None) -> None:
    """A repeat says the same only if its PIN is the same, and hashes of equal PINs differ."""
    if changed.is_new or pin is None:
        return
    hub = call.hub
    if not await hub.pins.is_right(pin, changed.version.pin, pin_keys(hub.db.read)):
        raise ConflictError("other_content", "this change is known with another PIN", pointer="/pin")


def _named(read: Connection, request: SignInRequest) -> CashierVersion:
    if (request.cashier_id is None) == (request.number is None):
        raise RefusedError("invalid_field", "name the cashier by cashier_id or by number, one of them", pointer="")
    if request.cashier_id is not None:
        return cashiers.cashier(read, request.cashier_id)
    assert request.number is not None
    return cashiers.cashier_by_number(read, request.number)


ROUTES = (
    Route("GET", "/v1/cashiers", list_cashiers, "Who may sign in at a till", STAFF, CashierList, duty="cashiers.list"),
    Route(
        "POST",
        "/v1/cashiers",
        post_cashier,
        "Enrol a cashier",
        STAFF,
        CashierView,
        body=EnrolRequest,
        duty="cashiers.manage",
        status=201,
        statuses=(200,),
        problems=(403, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/cashiers/sign-in",
        post_sign_in,
        "Sign in at this till with a PIN",
        STAFF,
        SignInAnswer,
        body=SignInRequest,
        duty="cashiers.sign_in",
        status=201,
        problems=(403, 404, 409, 422, 429, 503),
    ),
    Route(
        "POST",
        "/v1/cashiers/sign-out",
        post_sign_out,
        "Sign out whoever is signed in at this till",
        STAFF,
        SignedOut,
        duty="cashiers.sign_in",
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/cashiers/{cashier_id}/changes",
        post_change,
        "Change a cashier: name, number, role, PIN, disabled",
        STAFF,
        CashierView,
        body=ChangeRequest,
        duty="cashiers.manage",
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/cashiers/{cashier_id}/pin",
        post_own_pin,
        "Change one's own PIN",
        STAFF,
        CashierView,
        body=OwnPinRequest,
        duty="cashiers.own_pin",
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 429, 503),
    ),
    Route(
        "POST",
        "/v1/cashiers/{cashier_id}/unlock",
        post_unlock,
        "Let a cashier guess again after too many wrong PINs",
        STAFF,
        CashierView,
        body=UnlockRequest,
        duty="cashiers.manage",
        problems=(403, 404, 422, 503),
    ),
)
