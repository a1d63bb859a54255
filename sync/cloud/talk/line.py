"""Who is connected, and the line of the demo: one connection a replica, the newer one wins; all can be cut at once.

A connection is known by its store, so that a row of one store costs nothing for each of the others.
A store may have two hubs. Which replica talks is known after its hello.

Not here: what is said on a connection (sync.line.link, sync.cloud.talk.pull).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sync.cloud.metrics import CloudMetrics

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Connection:
    """A store that is being talked to; `cut` ends it without a word, `grown` says that the catalogue has grown.

    `token` is the hash of what it came with, or of what the cloud shows where that asks.
    """

    store: str
    cut: Callable[[], None]
    grown: Callable[[], None]
    since_ms: int
    rep: str = ""
    clock_offset_ms: int | None = None
    token: bytes = b""


class Line:
    """All connections. `is_up` is false while the demo has cut the line."""

    def __init__(self, *, metrics: CloudMetrics, now_ms: Callable[[], int]) -> None:
        self._all: dict[Connection, None] = {}  # in the order in which they came
        self._by_store: dict[str, list[Connection]] = {}
        self._asking: dict[Connection, None] = {}
        self.last_seen_ms: dict[str, int] = {}
        self._metrics = metrics
        self._now_ms = now_ms
        self._up = asyncio.Event()
        self._up.set()

    @property
    def connections(self) -> list[Connection]:
        """All of them, the oldest first."""
        return list(self._all)

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
        log.warning(
            "the demo's line was switched",
            extra={"up": is_up, "connected": sorted(each.store for each in self.connections)},
        )
        if is_up:
            self._up.set()
        else:
            self._up.clear()
            self.cut_all()

    def cut_all(self) -> None:
        """End every connection without a word."""
        for connection in self.connections:
            connection.cut()

    def cut_tokens(self, tokens: Collection[bytes]) -> None:
        """End the connections of tokens that are worth nothing any more."""
        for connection in [each for each in {**self._all, **self._asking} if each.token in tokens]:
            log.warning("a store's token was revoked; its connection is cut", extra={"store": connection.store})
            connection.cut()

    @contextmanager
    def asking(self, connection: Connection) -> Iterator[None]:
        """A round of a store that the cloud asks: it is cut with its token, also before anything came of it."""
        self._asking[connection] = None
        try:
            yield
        finally:
            del self._asking[connection]

    def grown(self) -> None:
        """Tell every connection that the catalogue has grown."""
        for connection in self.connections:
            connection.grown()

    def grown_of(self, stores: Collection[str]) -> None:
        """Tell the connections of some stores that there is something for them."""
        for store in sorted(stores):
            for connection in self._by_store.get(store, ()):
                connection.grown()

    def rows_of(self, store: str) -> None:
        """Tell the hubs of a store that one of them has sent rows; a store with one hub has nobody to tell."""
        hubs = self._by_store.get(store, ())
        if len(hubs) > 1:
            for connection in hubs:
                connection.grown()

    def hubs_of(self, store: str) -> Sequence[Connection]:
        """Return the connections of a store."""
        return tuple(self._by_store.get(store, ()))

    def of(self, store: str) -> Connection | None:
        """Return the newest connection of a store."""
        hubs = self._by_store.get(store)
        return hubs[-1] if hubs else None

    def enter(self, connection: Connection) -> None:
        """Take a connection, or cut it when the line has gone meanwhile."""
        if not self.is_up:
            connection.cut()
            return
        self._all[connection] = None
        self._by_store.setdefault(connection.store, []).append(connection)
        self.seen(connection.store)
        self._metrics.connected.labels(connection.store).set(1)

    def greeted(self, connection: Connection, rep: str) -> None:
        """Learn which replica it is: an older connection of the same one is cut, another hub of the store hears of news."""
        connection.rep = rep
        for older in list(self._by_store.get(connection.store, ())):
            if older is not connection and older.rep == rep:
                log.warning("a hub has connected again; its older connection is cut", extra={"rep": rep})
                older.cut()

    def tell_sealed(self, store: str, heir: str) -> None:
        """Hang up on the store's hubs but the heir, "" for all: their next hello tells them what was sealed."""
        for connection in [each for each in self._by_store.get(store, ()) if each.rep != heir]:
            connection.cut()

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        if connection in self._all:
            del self._all[connection]
            hubs = self._by_store[connection.store]
            hubs.remove(connection)
            if not hubs:
                del self._by_store[connection.store]
            self.seen(connection.store)
            self._metrics.connected.labels(connection.store).set(self.of(connection.store) is not None)

    def seen(self, store: str) -> None:
        """Note that a store was heard of."""
        now_ms = self.last_seen_ms[store] = self._now_ms()
        self._metrics.seen.labels(store).set(now_ms / 1000)
