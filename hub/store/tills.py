"""Who may talk to the hub: one-time pairing codes and the tokens they become. Only hashes are stored."""

from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct

from hub.errors import RefusedError

CODE_LIFE_S = 3600
Scope = Literal["till", "manager", "device", "cloud", "ops", "standby"]


class Paired(Struct, frozen=True):
    """A client that holds a token."""

    till_id: str
    name: str
    scope: Scope


def secret_hash(secret: str) -> bytes:
    """Return the hash under which a code or token of at least 40 random bits is stored."""
    return blake2b(secret.encode("utf-8", "replace"), digest_size=20).digest()


def add_code(tx: Connection, code: str, scope: Scope, *, now_ms: int) -> None:
    """Make a code good for one pairing within CODE_LIFE_S; expired ones are swept."""
    tx.execute("DELETE FROM pairing_code WHERE expires_ms < ?", (now_ms,))
    tx.execute(
        "INSERT INTO pairing_code (code_hash, scope, expires_ms) VALUES (?, ?, ?)",
        (secret_hash(code), scope, now_ms + CODE_LIFE_S * 1000),
    )


def pair(tx: Connection, code: str, name: str, *, token: str, now_ms: int) -> Paired:
    """Spend a code for a token; raise RefusedError when it is unknown, used or expired."""
    row = tx.execute(
        "DELETE FROM pairing_code WHERE code_hash = ? AND expires_ms >= ? RETURNING scope", (secret_hash(code), now_ms)
    ).fetchone()
    if row is None:
        raise RefusedError("pairing_code", "the pairing code is unknown, used or expired", pointer="/code")
    scope: Scope = row[0]
    count = tx.execute("SELECT count(*) FROM till WHERE scope = ?", (scope,)).fetchone()[0]
    paired = Paired(f"{'t' if scope == 'till' else scope}{count + 1}", name, scope)
    tx.execute(
        "INSERT INTO till (till_id, name, scope, token_hash, paired_ms) VALUES (?, ?, ?, ?, ?)",
        (paired.till_id, name, scope, secret_hash(token), now_ms),
    )
    return paired


def all_tokens(read: Connection) -> dict[bytes, Paired]:
    """Return every token's holder by the token's hash."""
    rows = read.execute("SELECT token_hash, till_id, name, scope FROM till").fetchall()
    return {token_hash: Paired(till_id, name, scope) for token_hash, till_id, name, scope in rows}
