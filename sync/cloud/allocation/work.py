"""Allocation, wired: what is looked at when rights or orders have changed, in jobs of bounded work.

    rights have moved    what the web may sell is noted (sync.cloud.allocation.availability)

Not here: SQL and rules (the other files of this room), HTTP (sync.cloud.web.allocation_routes).
"""

import asyncio
import logging

from sync.cloud.allocation.availability import note_changed
from sync.cloud.store import CloudStore
from sync.errors import SyncError

log = logging.getLogger(__name__)


class Allocator:
    """What the cloud does beside promising: it looks whenever it is told that rights or orders have changed."""

    def __init__(self, books: CloudStore) -> None:
        self._books = books
        self._news = asyncio.Event()
        self._news.set()  # what came before the start

    def on_news(self) -> None:
        """Rights or orders are others than before."""
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled. What cannot be written now is looked at with the next news."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.look()
            except SyncError as err:
                log.warning("allocation was not looked at; it is with the next rows", extra={"error": str(err)})

    async def look(self) -> None:
        """Look at all that has changed."""
        books, has_more = self._books, True
        while has_more:
            now_ms = books.now_ms()
            noted = await books.db.write(
                lambda tx, at_ms=now_ms: note_changed(tx, books.replica, now_ms=at_ms)  # type: ignore[misc]
            )
            has_more = noted.has_more
