"""One-time codes by which a store's hub is enrolled: made by head office, spent once, good for a while.

    open      made, known as a hash only; a newer one of the same store takes its place
    spent     by one token; the same hub with the same token is answered the same again, so that a lost answer harms nothing
    ended     its time is over

Functions of a write job. Not here: who may ask (sync.cloud.web.enrol_routes), tokens (sync.cloud.collect.tokens).
"""

from collections.abc import Callable
from hashlib import blake2b
from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.collect.tokens import add_token, is_known
from sync.errors import SyncError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that is misread on the telephone
CODE_CHARS = 12  # 60 bits: at a thousand guesses a second half of them take 18 million years
_MISREAD = str.maketrans("OIL", "011", "- ")


class CodeError(SyncError):
    """A code is not taken; nothing was changed. `code` says why: wrong_code, wrong_store, code_spent, code_ended, token_known."""


class Open(Struct, frozen=True):
    """A code that is good; the code itself is known to whom it was shown only."""

    store: str
    made_ms: int
    ends_ms: int


def draw_code(randbelow: Callable[[int], int]) -> str:
    """Return a new code in groups of four."""
    letters = "".join(ALPHABET[randbelow(len(ALPHABET))] for _ in range(CODE_CHARS))
    return "-".join(letters[at : at + 4] for at in range(0, CODE_CHARS, 4))


def code_hash(code: str) -> bytes:
    """Return the hash under which a code is known, however it was typed."""
    plain = code.upper().translate(_MISREAD)
    return blake2b(plain.encode("utf-8", "replace"), digest_size=20, person=b"storehub enrol").digest()


def add_code(tx: Connection, store: str, code: str, *, now_ms: int, ends_ms: int) -> None:
    """Write a code; whatever was open for the store is worth nothing any more."""
    tx.execute("DELETE FROM enrolment WHERE store = ? AND spent_ms IS NULL", (store,))
    tx.execute(
        "INSERT INTO enrolment (code_hash, store, made_ms, ends_ms) VALUES (?, ?, ?, ?)",
        (code_hash(code), store, now_ms, ends_ms),
    )


def open_codes(read: Connection, *, now_ms: int) -> list[Open]:
    """Return what is good now, by store."""
    rows = read.execute(
        "SELECT store, made_ms, ends_ms FROM enrolment WHERE spent_ms IS NULL AND ends_ms > ? ORDER BY store", (now_ms,)
    )
    return [Open(*row) for row in rows.fetchall()]


def spend_code(tx: Connection, code: str, *, store: str, token_hash: bytes, name: str, now_ms: int) -> None:
    """Let a hub in that knows a code; raise CodeError. The same hub again, with its token, is let in again."""
    row = tx.execute(
        "SELECT store, ends_ms, spent_ms, token_hash FROM enrolment WHERE code_hash = ?", (code_hash(code),)
    ).fetchone()
    if row is None:
        raise CodeError("wrong_code", "no such code is open")
    of_store, ends_ms, spent_ms, by = row
    if of_store != store:
        raise CodeError("wrong_store", f"this code is for another store than {store!r}")
    if spent_ms is not None:
        if by != token_hash:
            raise CodeError("code_spent", "another hub was enrolled by this code")
        return
    if ends_ms <= now_ms:
        raise CodeError("code_ended", "the time of this code is over")
    if is_known(tx, token_hash):
        raise CodeError("token_known", "this token was given out before")
    tx.execute(
        "UPDATE enrolment SET spent_ms = ?, token_hash = ? WHERE code_hash = ?", (now_ms, token_hash, code_hash(code))
    )
    add_token(tx, token_hash, store, name=name, replaces=None, now_ms=now_ms)
