"""What waits for the cloud: how many rows of the hub's own streams it does not hold yet, and since when.

The rows themselves are read by declaration (sync.store.rows). Not here: cursors and digests (sync.store.cursors), the network.
"""

from datetime import datetime
from sqlite3 import Connection

from sync.entities import REGISTRY
from sync.model import Feed, Replica
from sync.store.reading import count_after, oldest_after
from sync.store.streams import stream_heads


def waiting_rows(read: Connection, replica: Replica, acked: dict[str, int]) -> dict[str, int]:
    """Return how many rows of each stream the peer does not hold yet; streams with none are left out."""
    heads = stream_heads(read, replica)
    waiting = {}
    for stream, feed in REGISTRY.feeds.items():
        held = acked.get(stream, 0)
        if heads.get(stream, 0) <= held:
            continue
        is_log = feed is Feed.LOG
        rows = heads[stream] - held if is_log else count_after(read, replica.local_id, stream, held)
        if rows > 0:
            waiting[stream] = rows
    return waiting


def oldest_waiting(read: Connection, replica: Replica, acked: dict[str, int]) -> datetime | None:
    """Return when the oldest fact was committed that the peer does not hold yet."""
    found = [oldest_after(read, replica.local_id, stream, acked.get(stream, 0)) for stream in REGISTRY.streams]
    return min((datetime.fromisoformat(at) for at in found if at is not None), default=None)
