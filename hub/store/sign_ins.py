"""Who is signed in at which till, and how many wrong PINs there were. Plain local tables: no other hub needs them.

    guess        charge (durable, before the PIN is looked at) -> right: cleared
                                                               -> wrong: FREE without a wait, then it doubles, then locked
    locked       until a manager unlocks; at this hub only
    signed in    one cashier a till; ends by sign-out, by the next one, after LIFE_S, when they are disabled or get another PIN

A till's own guesses are counted, too, so that one PIN is not tried on everybody; a till waits, it is never locked.
Only a hash of the session token is stored. Not here: checking a PIN (hub.pins), who the cashiers are (hub.store.cashiers).
"""

from sqlite3 import Connection

from msgspec import Struct

from hub.errors import RefusedError, WaitError
from hub.store.audit_trail import note
from hub.store.tills import secret_hash

FREE = 3  # a slip of the finger costs nothing
WAIT_MS = 5_000
LOCKED_AT = 10
TILL_FREE = 10
TILL_WAIT_MS = 60_000
LIFE_S = 12 * 3600  # a long shift


class SignIn(Struct, frozen=True):
    """Somebody is signed in at a till."""

    cashier_id: str
    till_id: str
    expires_ms: int


def wait_ms(wrong: int) -> int:
    """Return how long the next guess waits after so many wrong ones: none, then 5, 10, 20 … 320 seconds."""
    return 0 if wrong < FREE else WAIT_MS << min(wrong - FREE, LOCKED_AT - FREE - 1)


def charge(tx: Connection, cashier_id: str, till_id: str, *, now_ms: int) -> None:
    """Count a guess as wrong before it is looked at; raise RefusedError when locked, WaitError when it comes too early."""
    wrong, at_ms = _guesses(tx, f"cashier:{cashier_id}")
    if wrong >= LOCKED_AT:
        raise RefusedError("pin_locked", f"{wrong} wrong PINs: cashier {cashier_id} is locked", pointer="/cashier_id")
    _wait(at_ms + wait_ms(wrong) - now_ms, longest_ms=wait_ms(wrong))
    wrong_here, last_ms = _guesses(tx, f"till:{till_id}")
    _wait(last_ms + TILL_WAIT_MS - now_ms if wrong_here >= TILL_FREE else 0, longest_ms=TILL_WAIT_MS)
    for who in (f"cashier:{cashier_id}", f"till:{till_id}"):
        tx.execute(
            """
            INSERT INTO pin_guess (who, wrong, at_ms) VALUES (?, 1, ?)
            ON CONFLICT (who) DO UPDATE SET wrong = wrong + 1, at_ms = excluded.at_ms
            """,
            (who, now_ms),
        )


def was_right(tx: Connection, cashier_id: str, till_id: str) -> None:
    """The guess was right: cashier and till begin anew."""
    tx.execute("DELETE FROM pin_guess WHERE who IN (?, ?)", (f"cashier:{cashier_id}", f"till:{till_id}"))


def was_not_looked_at(tx: Connection, cashier_id: str, till_id: str) -> None:
    """A guess that was counted could not be looked at: it was none."""
    tx.execute(
        "UPDATE pin_guess SET wrong = max(0, wrong - 1) WHERE who IN (?, ?)",
        (f"cashier:{cashier_id}", f"till:{till_id}"),
    )


def note_lock(tx: Connection, cashier_id: str, till_id: str, *, now_ms: int) -> None:
    """Note in the trail that a guess was one too many."""
    reason = f"{LOCKED_AT} wrong PINs"
    note(tx, actor=f"till:{till_id}", action="cashier_locked", subject=cashier_id, reason=reason, now_ms=now_ms)


def unlock(tx: Connection, cashier_id: str, *, by: str, reason: str, now_ms: int) -> bool:
    """Forget the wrong PINs of a cashier; return whether there were any."""
    forgotten = tx.execute("DELETE FROM pin_guess WHERE who = ?", (f"cashier:{cashier_id}",)).rowcount
    if forgotten:
        note(tx, actor=by, action="cashier_unlocked", subject=cashier_id, reason=reason, now_ms=now_ms)
    return bool(forgotten)


def is_locked(read: Connection, cashier_id: str) -> bool:
    """Whether a cashier has guessed too often."""
    return _guesses(read, f"cashier:{cashier_id}")[0] >= LOCKED_AT


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


def _guesses(read: Connection, who: str) -> tuple[int, int]:
    row = read.execute("SELECT wrong, at_ms FROM pin_guess WHERE who = ?", (who,)).fetchone()
    return row if row else (0, 0)


def _wait(left_ms: int, *, longest_ms: int) -> None:
    """Raise WaitError while there is something left; a clock that was set back makes nobody wait for longer than meant."""
    if 0 < left_ms <= longest_ms:
        raise WaitError("pin_wait", f"after wrong PINs: {left_ms / 1000:.0f} s", wait_s=-(-left_ms // 1000))
