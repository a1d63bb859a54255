"""What hubs have said of themselves last, by life: written in a job, read by any connection.

Not here: when they say it (sync.line.telling).
"""

from collections.abc import Mapping
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.protocol import Status


class Said(Struct, frozen=True):
    """A hub's last word of itself, and when it came."""

    rep: str
    status: Status
    said_ms: int


_decode = msgspec.json.Decoder(Status).decode


def note_status(tx: Connection, rep: str, status: Status, *, now_ms: int) -> None:
    """Keep what a hub has said."""
    tx.execute(
        """
        INSERT INTO hub_status (rep, store, said, said_ms) VALUES (?, ?, ?, ?)
        ON CONFLICT (rep) DO UPDATE SET said = excluded.said, said_ms = excluded.said_ms
        """,
        (rep, rep.rpartition(":")[0], msgspec.json.encode(status), now_ms),
    )


def statuses(read: Connection) -> Mapping[str, list[Said]]:
    """Return the lives of each store that have said something, the last word first."""
    found: dict[str, list[Said]] = {}
    rows = read.execute("SELECT store, rep, said, said_ms FROM hub_status ORDER BY store, said_ms DESC, rep").fetchall()
    for store, rep, said, said_ms in rows:
        found.setdefault(store, []).append(Said(rep, _decode(said), said_ms))
    return found
