"""Who is connected, and the line of the demo: one connection a store, the newer one wins; all can be cut at once.

Not here: what is said on a connection (sync.link, sync.cloud.pull).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sync.cloud.metrics import CloudMetrics

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Connection:
    """A store that is being talked to; `cut` ends it without a word, `grown` says that the catalogue has grown."""

    store: str
    cut: Callable[[], None]
    grown: Callable[[], None]
    since_ms: int
    rep: str = ""
    clock_offset_ms: int | None = None


class Line:
    """All connections. `is_up` is false while the demo has cut the line."""

    def __init__(self, *, metrics: CloudMetrics, now_ms: Callable[[], int]) -> None:
        self.connections: dict[str, Connection] = {}
        self.last_seen_ms: dict[str, int] = {}
        self._metrics = metrics
        self._now_ms = now_ms
        self._up = asyncio.Event()
        self._up.set()

    @property
    def is_up(self) -> bool:
        """Whether stores may connect."""
        return self._up.is_set()

    async def until_up(self) -> None:
        """Wait for the line."""
        await self._up.wait()

    def switch(self, is_up: bool) -> None:
        """Cut every connection and refuse new ones, or let them in again."""
        if is_up == self.is_up:
            return
        log.warning("the demo's line was switched", extra={"up": is_up, "connected": sorted(self.connections)})
        if is_up:
            self._up.set()
        else:
            self._up.clear()
            self.cut_all()

    def cut_all(self) -> None:
        """End every connection without a word."""
        for connection in list(self.connections.values()):
            connection.cut()

    def grown(self) -> None:
        """Tell every connection that the catalogue has grown."""
        for connection in self.connections.values():
            connection.grown()

    def enter(self, connection: Connection) -> None:
        """Take a connection; an older one of the same store is cut, and this one when the line has gone meanwhile."""
        if not self.is_up:
            connection.cut()
            return
        older = self.connections.get(connection.store)
        self.connections[connection.store] = connection
        self.seen(connection.store)
        self._metrics.connected.labels(connection.store).set(1)
        if older is not None:
            log.warning("a store has connected again; its older connection is cut", extra={"store": connection.store})
            older.cut()

    def leave(self, connection: Connection) -> None:
        """Forget a connection, unless a newer one has its place."""
        if self.connections.get(connection.store) is connection:
            del self.connections[connection.store]
            self.seen(connection.store)
            self._metrics.connected.labels(connection.store).set(0)

    def seen(self, store: str) -> None:
        """Note that a store was heard of."""
        self.last_seen_ms[store] = self._now_ms()
