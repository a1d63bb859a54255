"""How far others hold this hub's own streams: the store's own cloud, the store's other hub, a second medium, readers
beside them.

What they say is noted with the next commit, and counts from then on; lost in a crash, the next hello says it again.

Not here: what they hold of others' streams (hub.store.replica.confirmed), what that makes safe (hub.replication).
"""

from collections.abc import Callable

from hub.monitoring import trail
from sync.batch import Boundary
from sync.db import Database
from sync.model import Replica, Stream
from sync.store.cursors import acked, note_acked

PEER = "cloud"  # the store's own: what it holds is safe
STANDBY = "standby"  # the store's other hub, by the line between the two: what it holds is safe, too


class Holders:
    """What is durable here of what they said, by stream."""

    def __init__(self, db: Database, replica: Replica, *, on_held: Callable[[str, str, int], None]) -> None:
        """`on_held` hears of (peer, stream, last) after the commit."""
        self._db = db
        self._on_held = on_held
        self._noting: dict[tuple[str, str], int] = {}  # what was said and is not durable yet
        self.become(replica)

    def become(self, replica: Replica) -> None:
        """Another life of this hub writes from now on."""
        self._replica = replica
        self.cloud: dict[str, int] = acked(self._db.read, replica, peer=PEER)
        self.beside: dict[str, int] = acked(self._db.read, replica, peer=STANDBY)
        self.medium: dict[str, int] = {}  # what is on the second medium: it is read there, and kept nowhere else
        self._noting.clear()

    def of(self, peer: str) -> dict[str, int]:
        """How far a peer holds each stream."""
        known = {PEER: self.cloud, STANDBY: self.beside}.get(peer)
        return acked(self._db.read, self._replica, peer=peer) if known is None else known

    def meet(self) -> None:
        """Somebody begins to speak: what is said now is written down, whatever was under way."""
        self._noting.clear()

    def note(self, peer: str, stream: str, at: Boundary) -> None:
        """Note with the next commit how far the cloud or the other hub holds a stream; it goes back when they were restored."""
        replica, key = self._replica, (peer, stream)
        if self._noting.get(key, self.of(peer).get(stream)) == at.last:
            return
        self._noting[key] = at.last

        def then(_: None) -> None:
            if self._noting.get(key) == at.last:
                del self._noting[key]
            if replica != self._replica:
                return
            held = self.of(peer)
            if stream == Stream.SALES:
                said = {"peer": peer, "rep": replica.rep, "after": held.get(stream, 0), "upto": at.last}
                trail.say("sales are safe", **said)
            held[stream] = at.last
            self._on_held(peer, stream, at.last)

        self._db.write_soon(lambda tx: note_acked(tx, replica, stream, at, peer=peer), then=then)
