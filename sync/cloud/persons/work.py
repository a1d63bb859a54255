"""People at a running cloud: rows that arrive are looked at behind their arrival, in small jobs. Not here: what they mean."""

import asyncio
import logging

from sync.cloud.persons.arriving import look_at_people
from sync.cloud.store import CloudStore
from sync.errors import SyncError

log = logging.getLogger(__name__)


async def look_at_all(books: CloudStore) -> None:
    """Look at all that has arrived."""
    has_more = True
    while has_more:
        now_ms = books.now_ms()
        has_more = await books.db.write(
            lambda tx, at_ms=now_ms: look_at_people(tx, books.replica, now_ms=at_ms)  # type: ignore[misc]
        )


class PeopleWatch:
    """Looks whenever rows of a store were committed."""

    def __init__(self, books: CloudStore) -> None:
        self._books = books
        self._news = asyncio.Event()
        self._news.set()  # what came before this process began

    def on_rows(self, _store: str) -> None:
        """Rows of a store were committed."""
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled. What cannot be written now is looked at with the next rows."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await look_at_all(self._books)
            except SyncError as err:
                log.warning("rows about people were not looked at; they are with the next", extra={"error": str(err)})
