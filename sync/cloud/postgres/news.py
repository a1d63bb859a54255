"""What several workers on one database tell each other: that rows or scopes have grown, that a life ended, who we are now.

Each has in memory who is connected to it, our own replica and which lives wait for their seal. What changes that at one is
told to the others by NOTIFY, in a commit of its own soon after; what is lost with a line is looked up every LOOK_EVERY_S.
Nothing depends on it but how soon: a batch, a cursor, a seal are decided in the transaction that writes them.
"""

import asyncio
import logging
from collections.abc import Callable
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.lives import seal_if_whole, waiting_lives
from sync.cloud.postgres.link import Link, ServerError, listen
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line
from sync.db import Database
from sync.errors import SyncError
from sync.store.replicas import own_replica

CHANNEL = "storehub_news"
LOOK_EVERY_S = 5.0  # how late a worker hears of what was told while its line was down
TOLD_MAX = 10_000  # different things not yet told; beyond it the others look for themselves within LOOK_EVERY_S
log = logging.getLogger(__name__)


class Told(Struct, frozen=True):
    """One thing that happened at `worker`; `store` and `heir` where they say which."""

    worker: str
    what: str
    store: str = ""
    heir: str = ""


class News:
    """This worker's ear and mouth."""

    def __init__(self, db: Database, dsn: str, books: CloudStore, line: Line, *, worker: str) -> None:
        self._db, self._dsn, self._books, self._line, self._worker = db, dsn, books, line, worker
        self._waiting: set[Told] = set()
        self._heard: asyncio.Queue[str] = asyncio.Queue()  # LISTEN has no bound of its own: all of it is taken at once

    def tell(self, what: str, store: str = "", heir: str = "") -> None:
        """Tell the others with the next group of writes."""
        told = Told(self._worker, what, store, heir)
        if told in self._waiting or len(self._waiting) >= TOLD_MAX:
            return
        self._waiting.add(told)
        if len(self._waiting) == 1:
            self._say_soon()

    def _say_soon(self) -> None:
        """All that waits goes in one statement, together with what comes until the group begins."""
        self._db.write_soon(
            lambda tx: _notify(tx, self._waiting.copy()), then=self._said, otherwise=self._waiting.clear
        )

    def _said(self, told: set[Told]) -> None:
        self._waiting -= told
        if self._waiting:  # told while the group was written
            self._say_soon()

    def also(self, here: Callable[..., None], what: str) -> Callable[..., None]:
        """Return what does `here` and tells the others."""

        def both(*named: str) -> None:
            here(*named)
            self.tell(what, *named)

        return both

    async def run(self) -> None:
        """Listen until cancelled; dial again when the line was lost."""
        link: Link | None = None
        try:
            while True:
                link = await self._dialled(link)
                told: set[str] = set()
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        told.add(await self._heard.get())
                except TimeoutError:
                    pass
                while not self._heard.empty():
                    told.add(self._heard.get_nowait())
                await self._take({msgspec.json.decode(each, type=Told) for each in told})
        finally:
            if link is not None:
                await link.close()

    async def _dialled(self, link: Link | None) -> Link | None:
        if link is not None and not link.is_closed:
            return link
        try:
            return await listen(self._dsn, CHANNEL, self._heard)
        except ServerError as err:
            log.warning(
                "other workers are not heard; they are looked for", extra={"error": str(err), "every_s": LOOK_EVERY_S}
            )
            return None

    async def _take(self, told: set[Told]) -> None:
        """Do here what was done elsewhere."""
        others = {each for each in told if each.worker != self._worker}
        try:
            await self.look()
        except SyncError as err:
            log.warning("the database does not answer; asked again", extra={"error": str(err)})
        for each in others:
            if each.what == "sealed":
                self._line.tell_sealed(each.store, each.heir)
        stores = {each.store for each in others if each.what == "rows"}
        is_grown = any(each.what in ("grown", "sealed") for each in others)
        for connection in list(self._line.connections):
            if is_grown or connection.store in stores:
                connection.grown()

    async def look(self) -> None:
        """Look up what this worker keeps in memory; a life whose last rows came elsewhere is sealed."""
        books, now_ms = self._books, self._books.now_ms()
        own = own_replica(self._db.read)
        if own is not None and own != books.replica:
            log.warning("another worker has begun a new life of this cloud", extra={"rep": own.rep})
            books.replica = own
            self._line.cut_all()
        books.waiting = waiting_lives(self._db.read)
        for replica in sorted(books.waiting):
            await self._db.write(
                lambda tx, life=replica: seal_if_whole(tx, books.replica, life, now_ms=now_ms),  # type: ignore[misc]
                then=lambda sealed: books.tell_sealed(sealed) if sealed else None,
            )


def _notify(tx: Connection, told: set[Told]) -> set[Told]:
    said = msgspec.json.encode([msgspec.json.encode(each).decode() for each in told]).decode()
    tx.execute("SELECT pg_notify(?, value) FROM json_each(?)", (CHANNEL, said))
    return told
