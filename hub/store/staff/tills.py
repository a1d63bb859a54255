"""Who may talk to the hub: one-time pairing codes and the tokens they become. Only hashes are stored."""

from datetime import datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct

from hub.errors import NotFoundError
from hub.store.model import utc
from hub.store.staff.audit_trail import note
from hub.store.staff.pairings import free_number

CODE_LIFE_S = 3600
_VIEW = "SELECT till_id, name, scope, paired_ms, revoked_ms FROM till"
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


def pair(
    tx: Connection,
    code: str,
    name: str,
    *,
    token: str,
    now_ms: int,
    mqtt_hash: str | None = None,
    is_beside: bool = False,
) -> Paired | None:
    """Spend a code for a token; return None when it is unknown, used or expired. Only a device's `mqtt_hash` is kept.

    `is_beside`: at the hub that follows the store's other one.
    """
    row = tx.execute(
        "DELETE FROM pairing_code WHERE code_hash = ? AND expires_ms >= ? RETURNING scope", (secret_hash(code), now_ms)
    ).fetchone()
    if row is None:
        return None
    scope: Scope = row[0]
    prefix = "t" if scope == "till" else scope
    paired = Paired(f"{prefix}{free_number(tx, prefix, is_beside=is_beside)}", name, scope)
    tx.execute(
        "INSERT INTO till (till_id, name, scope, token_hash, paired_ms, mqtt_hash) VALUES (?, ?, ?, ?, ?, ?)",
        (paired.till_id, name, scope, secret_hash(token), now_ms, mqtt_hash if scope == "device" else None),
    )
    return paired


class TillView(Struct, frozen=True):
    """A client that was paired, and since when its token is worth nothing, if it is so."""

    till_id: str
    name: str
    scope: Scope
    paired_at: datetime
    revoked_at: datetime | None


def list_tills(read: Connection) -> list[TillView]:
    """Return every client that was ever paired, in the order of pairing."""
    rows = read.execute(f"{_VIEW} ORDER BY paired_ms, till_id").fetchall()
    return [_view(*row) for row in rows]


def revoke(tx: Connection, till_id: str, *, actor: str, now_ms: int) -> TillView:
    """Make a client's token worth nothing, once and for ever; raise NotFoundError."""
    changed = tx.execute(
        "UPDATE till SET revoked_ms = ? WHERE till_id = ? AND revoked_ms IS NULL", (now_ms, till_id)
    ).rowcount
    row = tx.execute(f"{_VIEW} WHERE till_id = ?", (till_id,)).fetchone()
    if row is None:
        raise NotFoundError("till", f"no till {till_id!r}")
    if changed:
        note(tx, actor=actor, action="till_revoked", subject=till_id, reason="", now_ms=now_ms)
    return _view(*row)


def _view(till_id: str, name: str, scope: Scope, paired_ms: int, revoked_ms: int | None) -> TillView:
    return TillView(till_id, name, scope, utc(paired_ms), None if revoked_ms is None else utc(revoked_ms))


def offer_token(tx: Connection, till_id: str, *, token: str, mqtt_hash: str | None = None) -> None:
    """Note a token that a client may use from now on beside its own; an earlier one that was not used is forgotten."""
    changed = tx.execute(
        """
        UPDATE till SET next_hash = ?, mqtt_hash = iif(scope = 'device', ?, NULL), turn = turn + 1
        WHERE till_id = ? AND revoked_ms IS NULL
        """,
        (secret_hash(token), mqtt_hash, till_id),
    ).rowcount
    if not changed:
        raise NotFoundError("till", f"no till {till_id!r}")


def take_over(tx: Connection, till_id: str, token_hash: bytes, *, now_ms: int) -> None:
    """A client has used the token that it was offered, the one before is worth nothing; another may have been offered since."""
    changed = tx.execute(
        """
        UPDATE till SET token_hash = :used, next_hash = nullif(next_hash, :used), turn = turn + 1
        WHERE till_id = :till_id AND revoked_ms IS NULL
        """,
        {"used": token_hash, "till_id": till_id},
    ).rowcount
    if changed:
        note(tx, actor=f"till:{till_id}", action="token_rotated", subject=till_id, reason="", now_ms=now_ms)


def all_tokens(read: Connection) -> dict[bytes, Paired]:
    """Return every good token's holder by the token's hash, offered ones included."""
    rows = read.execute(
        "SELECT token_hash, next_hash, till_id, name, scope FROM till WHERE revoked_ms IS NULL"
    ).fetchall()
    return {each: Paired(*client) for token, offered, *client in rows for each in (token, offered) if each is not None}


def good_tokens(read: Connection, till_id: str) -> tuple[dict[bytes, Paired], bytes | None]:
    """Return the good tokens of one client as `all_tokens` does, and which of them is offered; none of one that is shut out."""
    row = read.execute(
        "SELECT token_hash, next_hash, till_id, name, scope FROM till WHERE till_id = ? AND revoked_ms IS NULL",
        (till_id,),
    ).fetchone()
    if row is None:
        return {}, None
    token, offered, *client = row
    return {each: Paired(*client) for each in (token, offered) if each is not None}, offered


def mqtt_accounts(read: Connection) -> list[tuple[Paired, str | None]]:
    """Return every paired device with its password as mosquitto keeps it, None of one that was paired before."""
    rows = read.execute(
        """
        SELECT till_id, name, scope, mqtt_hash FROM till
        WHERE scope = 'device' AND revoked_ms IS NULL ORDER BY paired_ms, till_id
        """
    ).fetchall()
    return [(Paired(*client), hashed) for *client, hashed in rows]


def offered_tokens(read: Connection) -> dict[str, bytes]:
    """Return the hash of each token that was offered and not used yet, by the client's id."""
    return dict(
        read.execute(
            "SELECT till_id, next_hash FROM till WHERE next_hash IS NOT NULL AND revoked_ms IS NULL"
        ).fetchall()
    )
