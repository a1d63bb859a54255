"""The keys by which PINs are hashed: kept on this machine, told to the store's other hub alone, in no stream.

A key is never changed or dropped: hashes name theirs. Which is used for the next PIN: the oldest, so that two hubs that have met
use one. Not here: hashing (hub.pins), telling the other hub (hub.api.replica.standby_keys).
"""

from collections.abc import Iterable
from sqlite3 import Connection

from hub.pins import PinKey, key_named


def pin_keys(read: Connection) -> dict[str, PinKey]:
    """Return all keys that are held here, by name."""
    rows = read.execute("SELECT key_id, secret FROM pin_key ORDER BY made_ms, key_id").fetchall()
    return {key_id: PinKey(key_id, secret) for key_id, secret in rows}


def key_in_use(tx: Connection, fresh: str, *, now_ms: int) -> PinKey:
    """Return the key for the next PIN; `fresh` becomes the first one where there is none."""
    for key in pin_keys(tx).values():
        return key
    add_keys(tx, [(fresh, now_ms)])
    return key_named(fresh)


def add_keys(tx: Connection, keys: Iterable[tuple[str, int]]) -> int:
    """Keep keys (secret, made_ms) that are not held yet; return how many that were."""
    named = [(key_named(secret).key_id, secret, made_ms) for secret, made_ms in keys]
    return tx.executemany(
        "INSERT INTO pin_key (key_id, secret, made_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", named
    ).rowcount


def missing_keys(read: Connection) -> set[str]:
    """Return the names of keys by which cashiers' PINs were hashed and that are not held here."""
    rows = read.execute(
        "SELECT body ->> '$.pin.key' AS named FROM cashier_version WHERE named NOT IN (SELECT key_id FROM pin_key)"
    ).fetchall()
    return {key_id for (key_id,) in rows}


def all_keys(read: Connection) -> list[tuple[str, int]]:
    """Return (secret, made_ms) of all keys, for the store's other hub."""
    rows: list[tuple[str, int]] = read.execute("SELECT secret, made_ms FROM pin_key ORDER BY key_id").fetchall()
    return rows
