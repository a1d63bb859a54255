"""Keys of facts whose rows were pruned: what comes again under one is known by it, and is never booked again.

Not here: how rows are pruned (sync.store.retention), what is answered (hub.store.replica.pruned). Runs on any connection.
"""

import json
from collections.abc import Sequence
from sqlite3 import Connection

from msgspec import Struct


class Known(Struct, frozen=True):
    """What is left of a pruned fact: its dot, and `said`, JSON that its entity's owner understands."""

    content_hash: bytes
    rep: str
    seq: int
    said: str


def known_before(read: Connection, entity: str, key: str) -> Known | None:
    """Return what is left of a fact that was pruned, None for one that never was here, or too long ago."""
    row = read.execute(
        """
        SELECT content_hash, store || ':' || incarnation, seq, said
        FROM pruned_key JOIN replica ON replica.id = pruned_key.replica WHERE entity = ? AND key = ?
        """,
        (entity, key),
    ).fetchone()
    return Known(*row) if row else None


def dots_before(read: Connection, entity: str, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Return the (rep, seq) that pruned facts had, by key."""
    rows = read.execute(
        """
        SELECT key, store || ':' || incarnation, seq
        FROM pruned_key JOIN replica ON replica.id = pruned_key.replica
        WHERE entity = ? AND key IN (SELECT value FROM json_each(?))
        """,
        (entity, json.dumps(list(keys))),
    ).fetchall()
    return {key: (rep, seq) for key, rep, seq in rows}
