"""Who is signed in at which till, and how many wrong PINs there were. Plain local tables: no other hub needs them.

    guess        charge (durable, before the PIN is looked at) -> right: cleared
                                                               -> wrong: it stays counted, by the rule of hub.store.staff.guesses
    locked       until a manager unlocks; at this hub only
    signed in    one cashier a till; ends by sign-out, by the next one, after LIFE_S, when they are disabled or get another PIN

A till's own guesses are counted beside the cashier's.
Only a hash of the session token is stored. Not here: checking a PIN (hub.pins), who the cashiers are (hub.store.staff.cashiers).
"""

from sqlite3 import Connection

from msgspec import Struct

from hub.errors import RefusedError, WaitError
from hub.store.staff import guesses
from hub.store.staff.audit_trail import note
from hub.store.staff.guesses import CASHIER, TILL
from hub.store.staff.tills import secret_hash

LIFE_S = 12 * 3600  # a long shift


class SignIn(Struct, frozen=True):
    """Somebody is signed in at a till."""

    cashier_id: str
    till_id: str
    expires_ms: int


def charge(tx: Connection, cashier_id: str, till_id: str, *, now_ms: int) -> None:
    """Count a guess as wrong before it is looked at; raise RefusedError when locked, WaitError when it comes too early."""
    cashier, till = _names(cashier_id, till_id)
    if is_locked(tx, cashier_id):
        wrong = CASHIER.locked_at
        raise RefusedError("pin_locked", f"{wrong} wrong PINs: cashier {cashier_id} is locked", pointer="/cashier_id")
    for who, rule in ((cashier, CASHIER), (till, TILL)):
        if wait_s := guesses.left_s(tx, who, rule, now_ms=now_ms):
            raise WaitError("pin_wait", f"after wrong PINs: {wait_s} s", wait_s=wait_s)
    for who in (cashier, till):
        guesses.count(tx, who, now_ms=now_ms)


def was_right(tx: Connection, cashier_id: str, till_id: str) -> None:
    """The guess was right: cashier and till begin anew."""
    for who in _names(cashier_id, till_id):
        guesses.forget(tx, who)


def was_not_looked_at(tx: Connection, cashier_id: str, till_id: str) -> None:
    """A guess that was counted could not be looked at: it was none."""
    for who in _names(cashier_id, till_id):
        guesses.take_back(tx, who)


def note_lock(tx: Connection, cashier_id: str, till_id: str, *, now_ms: int) -> None:
    """Note in the trail that a guess was one too many."""
    reason = f"{CASHIER.locked_at} wrong PINs"
    note(tx, actor=f"till:{till_id}", action="cashier_locked", subject=cashier_id, reason=reason, now_ms=now_ms)


def unlock(tx: Connection, cashier_id: str, *, by: str, reason: str, now_ms: int) -> bool:
    """Forget the wrong PINs of a cashier; return whether there were any."""
    forgotten = guesses.forget(tx, f"cashier:{cashier_id}")
    if forgotten:
        note(tx, actor=by, action="cashier_unlocked", subject=cashier_id, reason=reason, now_ms=now_ms)
    return forgotten


def is_locked(read: Connection, cashier_id: str) -> bool:
    """Whether a cashier has guessed too often."""
    return guesses.is_locked(read, f"cashier:{cashier_id}", CASHIER)


def begin(tx: Connection, cashier_id: str, till_id: str, *, token: str, now_ms: int) -> SignIn:
    """Sign a cashier in at a till; whoever was there before is signed out."""
    expires_ms = now_ms + LIFE_S * 1000
    tx.execute(
        """
        INSERT INTO sign_in (till_id, token_hash, cashier_id, expires_ms) VALUES (?, ?, ?, ?)
        ON CONFLICT (till_id) DO UPDATE SET
          token_hash = excluded.token_hash, cashier_id = excluded.cashier_id, expires_ms = excluded.expires_ms
        """,
        (till_id, secret_hash(token), cashier_id, expires_ms),
    )
    note(tx, actor=f"cashier:{cashier_id}", action="signed_in", subject=till_id, reason="", now_ms=now_ms)
    return SignIn(cashier_id, till_id, expires_ms)


def end(tx: Connection, till_id: str, *, now_ms: int) -> None:
    """Sign out whoever is signed in at a till."""
    row = tx.execute("DELETE FROM sign_in WHERE till_id = ? RETURNING cashier_id", (till_id,)).fetchone()
    if row is not None:
        note(tx, actor=f"cashier:{row[0]}", action="signed_out", subject=till_id, reason="", now_ms=now_ms)


def end_sign_ins(tx: Connection, cashier_id: str) -> None:
    """Sign a cashier out at every till of this hub."""
    tx.execute("DELETE FROM sign_in WHERE cashier_id = ?", (cashier_id,))


def sign_in_of(read: Connection, token: str, till_id: str, *, now_ms: int) -> SignIn | None:
    """Return who holds a session token at a till; None for one that is over, or another till's."""
    row = read.execute(
        "SELECT cashier_id, till_id, expires_ms FROM sign_in WHERE till_id = ? AND token_hash = ? AND expires_ms > ?",
        (till_id, secret_hash(token), now_ms),
    ).fetchone()
    return SignIn(*row) if row else None


def _names(cashier_id: str, till_id: str) -> tuple[str, str]:
    return f"cashier:{cashier_id}", f"till:{till_id}"
