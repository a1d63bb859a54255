"""Keys under which identities are hashed: the chain's, or this hub's own until one has come. Functions of a write job or a read.

    no key yet                 this hub makes one with its first identity
    the cloud's has come       it is used from then on; what was hashed under the hub's is found all the same
    a newer one of the cloud's the same: keys are added, and each stays as long as facts name it

A look-up hashes under each key: a shop knows its own, its former ones and the chain's, a handful. Source:
sync.retail.people.identities.
"""

from sqlite3 import Connection
from typing import NamedTuple

from hub.store.model import utc
from sync.model import Replica
from sync.retail.people.identities import IDENTITY_KEY, keyed_hash, new_key
from sync.store.writing import put_version

KEYS_MAX = 64  # of a look-up: the newest; a chain that rotates every month has five years of them


class Key(NamedTuple):
    """A key and its name; `may_write`: of the chain or this store's own."""

    key_id: str
    secret: bytes
    may_write: bool


def keys(read: Connection) -> list[Key]:
    """Return the keys: the chain's, newest first, this store's own, then those of other shops, from before they were joined."""
    rows = read.execute(
        """
        SELECT key_id, secret, gone = 0 AND (is_chains OR replica.store = (SELECT store FROM replica WHERE own = 1)) AS writes
        FROM identity_key JOIN replica ON replica.id = identity_key.replica
        ORDER BY writes DESC, is_chains DESC, begun_ms DESC, key_id LIMIT ?
        """,
        (KEYS_MAX,),
    ).fetchall()
    return [Key(key_id, bytes.fromhex(secret), bool(writes)) for key_id, secret, writes in rows]


def key_to_write(tx: Connection, replica: Replica, *, fresh: str, now_ms: int) -> Key:
    """Return the key for a new fact; `fresh` (64 hex digits) becomes this hub's own where there is none."""
    known = keys(tx)
    if known and known[0].may_write:
        return known[0]
    row = new_key(fresh, is_chains=False, begun_at=utc(now_ms))
    put_version(tx, replica, IDENTITY_KEY, row)
    return Key(row.key_id, bytes.fromhex(fresh), True)


def hashes(read: Connection, kind: str, form: str) -> list[str]:
    """Return what facts may say instead of an identity, one hash a key."""
    rows = read.execute("SELECT secret FROM identity_key LIMIT ?", (KEYS_MAX,)).fetchall()
    return [keyed_hash(bytes.fromhex(secret), kind, form) for (secret,) in rows]
