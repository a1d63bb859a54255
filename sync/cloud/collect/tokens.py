"""Tokens of stores as they are given out, exchanged and ended while the cloud runs, beside those of its configuration.

    given out   by a one-time code, or in exchange for the one before it
    exchanged   the older one ends when the newer one is first used: a hub that lost the answer still has one that is good
    revoked     refused for ever, also one that stands in the configuration; who talks with it is cut off

The token that a store's hub gave the cloud, which asks by it (`hub_token`), is one of the store's: it ends as they do, and opens
nothing here. Only hashes are here. Functions of a write job, or of any connection that reads.
"""

from collections.abc import Collection, Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.config import CloudConfig, Holder

ID_CHARS = 12
FROM_FILE = "cloud.toml"
HUB_KEY = "cloud.toml, hub_token"


class TokenView(Struct, frozen=True, omit_defaults=True):
    """A store's token as head office sees it: `id` names it and opens nothing."""

    id: str
    store: str
    name: str
    made_ms: int | None = None
    revoked_ms: int | None = None
    why: str = ""


def token_id(token_hash: bytes) -> str:
    """Return the name of a token among people."""
    return token_hash.hex()[:ID_CHARS]


def holder_of_token(read: Connection, config: CloudConfig, token_hash: bytes) -> Holder | None:
    """Return who holds a token now; None for one that nobody knows, or that was revoked."""
    row = read.execute("SELECT store, revoked_ms FROM store_token WHERE token_hash = ?", (token_hash,)).fetchone()
    if row is None:
        return config.holders.get(token_hash)
    store, revoked_ms = row
    return None if revoked_ms is not None or store not in config.stores else Holder(store, "store")


def is_known(read: Connection, token_hash: bytes) -> bool:
    """Whether a token was ever given out or ended here."""
    return read.execute("SELECT 1 FROM store_token WHERE token_hash = ?", (token_hash,)).fetchone() is not None


def add_token(tx: Connection, token_hash: bytes, store: str, *, name: str, replaces: bytes | None, now_ms: int) -> None:
    """Give a token out; the same again changes nothing."""
    tx.execute(
        """
        INSERT INTO store_token (token_hash, store, name, made_ms, replaces, why) VALUES (?, ?, ?, ?, ?, '')
        ON CONFLICT (token_hash) DO NOTHING
        """,
        (token_hash, store, name, now_ms, replaces),
    )


def replaced_by(read: Connection, token_hash: bytes) -> bytes | None:
    """Return the token that ends when this one is used; None where there is none any more."""
    row = read.execute("SELECT replaces FROM store_token WHERE token_hash = ?", (token_hash,)).fetchone()
    replaced: bytes | None = row[0] if row else None
    return replaced


def take_over(tx: Connection, token_hash: bytes, *, store: str, now_ms: int) -> bytes | None:
    """End the token that this one replaces, because it is in use; return it."""
    replaced = replaced_by(tx, token_hash)
    if replaced is not None:
        revoke(tx, store, [replaced], why="exchanged", now_ms=now_ms)
        tx.execute("UPDATE store_token SET replaces = NULL WHERE token_hash = ?", (token_hash,))
    return replaced


def revoke(tx: Connection, store: str, tokens: Collection[bytes], *, why: str, now_ms: int) -> None:
    """End tokens for ever; one that was ended before stays as it was."""
    tx.executemany(
        """
        INSERT INTO store_token (token_hash, store, name, made_ms, revoked_ms, why) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (token_hash) DO UPDATE SET revoked_ms = excluded.revoked_ms, why = excluded.why
        WHERE store_token.revoked_ms IS NULL
        """,
        [(each, store, FROM_FILE, now_ms, now_ms, why) for each in sorted(tokens)],
    )


def revoked_since(read: Connection, since_ms: int) -> list[bytes]:
    """Return the tokens that were ended at or after a moment."""
    rows = read.execute("SELECT token_hash FROM store_token WHERE revoked_ms >= ? ORDER BY token_hash", (since_ms,))
    return [token_hash for (token_hash,) in rows.fetchall()]


def is_ended(read: Connection, token_hash: bytes) -> bool:
    """Whether a token was revoked."""
    found = "SELECT 1 FROM store_token WHERE token_hash = ? AND revoked_ms IS NOT NULL"
    return read.execute(found, (token_hash,)).fetchone() is not None


def shut_out(read: Connection, config: CloudConfig) -> frozenset[str]:
    """Return the stores whose tokens were all revoked; of one that the cloud asks, the token by which it asks."""
    rows = read.execute("SELECT store, COUNT(*), COUNT(revoked_ms) FROM store_token GROUP BY store").fetchall()
    good = {store for store, given, ended in rows if given > ended}
    had = {store for store, _, ended in rows if ended}
    good |= {
        holder.name
        for token_hash, holder in config.holders.items()
        if holder.scope == "store" and holder.name in had - good and not is_ended(read, token_hash)
    }
    asked = {each.store: is_ended(read, each.key) for each in config.pulls if each.store in had}
    return frozenset(store for store in had if asked.get(store, store not in good))


def tokens_of(read: Connection, config: CloudConfig, store: str) -> dict[bytes, TokenView]:
    """Return every token of a store, those of the configuration first."""
    found = {
        token_hash: TokenView(token_id(token_hash), store, FROM_FILE)
        for token_hash, holder in config.holders.items()
        if holder == Holder(store, "store")
    }
    found |= {each.key: TokenView(token_id(each.key), store, HUB_KEY) for each in config.pulls if each.store == store}
    rows: Sequence[tuple[bytes, str, int, int | None, str]] = read.execute(
        """
        SELECT token_hash, name, made_ms, revoked_ms, why FROM store_token
        WHERE store = ? ORDER BY made_ms, token_hash
        """,
        (store,),
    ).fetchall()
    for token_hash, name, made_ms, revoked_ms, why in rows:
        given_ms = made_ms if name != FROM_FILE else None
        named = found[token_hash].name if token_hash in found else name
        found[token_hash] = TokenView(token_id(token_hash), store, named, given_ms, revoked_ms, why)
    return found
