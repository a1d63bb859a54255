"""Checking a person's PIN: count the guess, look at it in a thread, say what came of it. No HTTP, no SQL.

    charge (a commit) ─ scrypt ─ right: cleared (a commit)
                               └ wrong: RefusedError pin; the guess stays counted, and the last one locks

What cannot be looked at (no key, too many at once) is no guess. A crash in between leaves a guess counted that may have been
right: the safe side.
"""

from hub.errors import RefusedError
from hub.pins import KEY_BYTES, require_key
from hub.runtime import Runtime
from hub.store.staff import sign_ins
from hub.store.staff.pin_keys import key_in_use, pin_keys
from sync.errors import BusyError, RuleError
from sync.retail.staff.cashiers import CashierVersion, PinHash, Role, check_pin


async def check_guess(hub: Runtime, known: CashierVersion, pin: str, *, till_id: str) -> None:
    """Raise unless this is the PIN of a cashier who may work: RefusedError, WaitError, PinKeyError, BusyError."""
    if known.is_disabled:
        raise RefusedError("cashier_disabled", f"cashier {known.cashier_id} may not sign in any more")
    cashier_id, now_ms = known.cashier_id, hub.now_ms()
    keys = pin_keys(hub.db.read)
    require_key(known.pin, keys)
    await hub.db.write(lambda tx: sign_ins.charge(tx, cashier_id, till_id, now_ms=now_ms))
    try:
        is_right = await hub.pins.is_right(pin, known.pin, keys)
    except BusyError:
        await hub.db.write(lambda tx: sign_ins.was_not_looked_at(tx, cashier_id, till_id))
        raise
    if is_right:
        await hub.db.write(lambda tx: sign_ins.was_right(tx, cashier_id, till_id))
        return
    if sign_ins.is_locked(hub.db.read, cashier_id):
        await hub.db.write(lambda tx: sign_ins.note_lock(tx, cashier_id, till_id, now_ms=now_ms))
        hub.bus.publish("alarm", {"code": "cashier_locked", "cashier": cashier_id, "till": till_id}, now_ms=now_ms)
    raise RefusedError("pin", f"this is not the PIN of cashier {cashier_id}", pointer="/pin")


def checked_pin(pin: str, role: Role, *, number: str, pointer: str = "/pin") -> None:
    """Raise RefusedError for a PIN that is too short for the role, or among the first that are tried."""
    try:
        check_pin(pin, role, number=number, pointer=pointer)
    except RuleError as err:
        raise RefusedError(err.code, err.detail, pointer=err.pointer) from err


async def hashed(hub: Runtime, pin: str) -> PinHash:
    """Return a PIN as it may be stored; the first one makes the store's key."""
    fresh, now_ms = hub.new_secret(KEY_BYTES), hub.now_ms()
    keys = pin_keys(hub.db.read)
    key = next(iter(keys.values())) if keys else await hub.db.write(lambda tx: key_in_use(tx, fresh, now_ms=now_ms))
    return await hub.pins.hash(pin, key)
