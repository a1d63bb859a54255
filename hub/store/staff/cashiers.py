"""The cashiers of the store: enrolled, changed, listed. Every change is a fact and a line of the audit trail, in one job.

    change_id   content   answer
    new         -         the cashier as they are now
    known       same      the same; whether the PIN was the same, too, the caller asks hub.pins
    known       other     ConflictError, nothing written

Not here: which PIN is good (sync.retail.staff.cashiers), hashing (hub.pins), signing in (hub.store.staff.sign_ins), who may
(hub.duties).
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.staff.audit_trail import note
from hub.store.staff.sign_ins import end_sign_ins, is_locked
from sync.model import Replica
from sync.retail.staff.cashiers import (
    CASHIER,
    CashierVersion,
    Change,
    PinHash,
    Role,
    heads,
    is_at_least,
    standing,
)
from sync.store.writing import record_fact


class Asked(Struct, frozen=True, kw_only=True):
    """A change as it was asked for, its PIN hashed already. None: leave as it is; somebody new needs all but `is_disabled`.

    `is_own_pin`: the cashier chose the PIN and nobody else knows it.
    """

    change_id: str
    cashier_id: str
    number: str | None = None
    name: str | None = None
    role: Role | None = None
    pin: PinHash | None = None
    is_disabled: bool | None = None
    is_own_pin: bool = False
    reason: str = ""


class CashierView(Struct, frozen=True):
    """A cashier as tills see them; the PIN and its hash are in no answer. `is_locked`: too many wrong PINs at this hub."""

    cashier_id: str
    number: str
    name: str
    role: Role
    is_disabled: bool
    must_change: bool
    is_locked: bool
    changed_at: datetime


class Changed(Struct, frozen=True):
    """How a change ended: the cashier, the fact that it is, whether it was new."""

    view: CashierView
    version: CashierVersion
    is_new: bool


def enrol(tx: Connection, replica: Replica, asked: Asked, *, by: str, now_ms: int) -> Changed:
    """Write down a new cashier; raise ConflictError for an id or a number that is taken."""
    if (known := _known(tx, asked)) is not None:
        return known
    if _changes(tx, asked.cashier_id):
        detail = f"cashier {asked.cashier_id} is there already"
        raise ConflictError("cashier_known", detail, pointer="/cashier_id", holder=asked.cashier_id)
    assert asked.number is not None and asked.name is not None and asked.role is not None and asked.pin is not None
    first = CashierVersion(
        change_id=asked.change_id,
        cashier_id=asked.cashier_id,
        n=1,
        number=asked.number,
        name=asked.name,
        role=asked.role,
        pin=asked.pin,
        must_change=not asked.is_own_pin,
        by=by,
        at=utc(now_ms),
    )
    return _write(tx, replica, first, action="cashier_enrolled", reason=asked.reason, now_ms=now_ms)


def change(tx: Connection, replica: Replica, asked: Asked, *, by: str, now_ms: int) -> Changed:
    """Write down a change; raise NotFoundError, ConflictError (a number that is taken), RefusedError (a role without a PIN)."""
    if (known := _known(tx, asked)) is not None:
        return known
    before = cashier(tx, asked.cashier_id)
    role = asked.role or before.role
    if asked.pin is None and not is_at_least(before.role, role):
        raise RefusedError("pin_needed", f"a {role} needs a new PIN: send one with the role", pointer="/pin")
    stands = heads(_changes(tx, asked.cashier_id))
    later = replace(
        before,
        change_id=asked.change_id,
        n=max(each.version.n for each in stands) + 1,
        seen=tuple(each.version.change_id for each in stands),
        number=asked.number or before.number,
        name=asked.name or before.name,
        role=role,
        pin=asked.pin or before.pin,
        is_disabled=before.is_disabled if asked.is_disabled is None else asked.is_disabled,
        must_change=before.must_change if asked.pin is None else not asked.is_own_pin,
        by=by,
        at=utc(now_ms),
    )
    if later.is_disabled or asked.pin is not None or not is_at_least(role, before.role):
        end_sign_ins(tx, asked.cashier_id)
    action = "pin_changed" if asked.is_own_pin else _action(before, later)
    return _write(tx, replica, later, action=action, reason=asked.reason, now_ms=now_ms)


def cashier(read: Connection, cashier_id: str) -> CashierVersion:
    """Return a cashier as they are now; raise NotFoundError."""
    found = standing(_changes(read, cashier_id))
    if found is None:
        raise NotFoundError("cashier", f"no cashier {cashier_id!r}")
    return found


def cashier_by_number(read: Connection, number: str) -> CashierVersion:
    """Return the cashier of a number; raise NotFoundError, ConflictError where two hubs gave it to two people."""
    found = _holders(read, number)
    if not found:
        raise NotFoundError("cashier", f"no cashier has number {number!r}", pointer="/number")
    if len(found) > 1:
        holders = ", ".join(each.cashier_id for each in found)
        raise ConflictError("cashier_number_taken", f"number {number} is that of {holders}", holder=holders)
    return found[0]


def view_of(read: Connection, cashier_id: str) -> CashierView:
    """Return a cashier as tills see them; raise NotFoundError."""
    return _view(read, cashier(read, cashier_id))


def cashier_name(read: Connection, actor: str) -> str:
    """Return the name of whoever the trail calls so; for a till or the machine, that."""
    kind, _, cashier_id = actor.partition(":")
    return cashier(read, cashier_id).name if kind == "cashier" else actor


def is_change(read: Connection, change_id: str) -> bool:
    """Whether a change of this id was written."""
    return read.execute("SELECT 1 FROM cashier_version WHERE change_id = ?", (change_id,)).fetchone() is not None


def list_cashiers(read: Connection) -> list[CashierView]:
    """Return all cashiers by number, those who are disabled last."""
    rows = read.execute("SELECT DISTINCT cashier_id FROM cashier_version").fetchall()
    views = [view_of(read, cashier_id) for (cashier_id,) in rows]
    return sorted(views, key=lambda view: (view.is_disabled, len(view.number), view.number, view.cashier_id))


def _known(tx: Connection, asked: Asked) -> Changed | None:
    row = tx.execute("SELECT body FROM cashier_version WHERE change_id = ?", (asked.change_id,)).fetchone()
    if row is None:
        return None
    version = msgspec.json.decode(row[0], type=CashierVersion)
    said = (asked.number, asked.name, asked.role, asked.is_disabled)
    written = (version.number, version.name, version.role, version.is_disabled)
    is_same = version.cashier_id == asked.cashier_id and all(
        one is None or one == other for one, other in zip(said, written, strict=True)
    )
    if not is_same:
        detail = f"change {asked.change_id} is known with other content"
        raise ConflictError("other_content", detail, pointer="/change_id", holder=version.cashier_id)
    return Changed(view_of(tx, version.cashier_id), version, is_new=False)


def _write(
    tx: Connection, replica: Replica, version: CashierVersion, *, action: str, reason: str, now_ms: int
) -> Changed:
    taken = [each for each in _holders(tx, version.number) if each.cashier_id != version.cashier_id]
    if taken and not version.is_disabled:
        holder = taken[0].cashier_id
        detail = f"number {version.number} is that of {holder}"
        raise ConflictError("cashier_number_taken", detail, pointer="/number", holder=holder)
    record_fact(tx, replica, CASHIER, version)
    note(tx, actor=version.by, action=action, subject=version.cashier_id, reason=reason, now_ms=now_ms)
    return Changed(view_of(tx, version.cashier_id), version, is_new=True)


def _holders(read: Connection, number: str) -> list[CashierVersion]:
    """Who has a number now and is not disabled."""
    rows = read.execute("SELECT DISTINCT cashier_id FROM cashier_version WHERE number = ?", (number,)).fetchall()
    found = [cashier(read, cashier_id) for (cashier_id,) in rows]
    return [each for each in found if each.number == number and not each.is_disabled]


def _changes(read: Connection, cashier_id: str) -> list[Change]:
    rows = read.execute(
        """
        SELECT body, store || ':' || incarnation
        FROM cashier_version JOIN replica ON replica.id = cashier_version.replica WHERE cashier_id = ?
        """,
        (cashier_id,),
    ).fetchall()
    return [Change(msgspec.json.decode(body, type=CashierVersion), rep) for body, rep in rows]


def _view(read: Connection, version: CashierVersion) -> CashierView:
    return CashierView(
        cashier_id=version.cashier_id,
        number=version.number,
        name=version.name,
        role=version.role,
        is_disabled=version.is_disabled,
        must_change=version.must_change,
        is_locked=is_locked(read, version.cashier_id),
        changed_at=version.at,
    )


def _action(before: CashierVersion, later: CashierVersion) -> str:
    if before.is_disabled != later.is_disabled:
        return "cashier_disabled" if later.is_disabled else "cashier_enabled"
    return "pin_reset" if before.pin != later.pin else "cashier_changed"
