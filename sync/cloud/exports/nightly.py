"""Every night: notes which facts are of which day, makes the files of each day that is over and has facts its files have not.

A day's late facts make a new revision of it the next night. Errors are logged and counted; the next hour tries again.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import Gauge

from sync.cloud.exports import files
from sync.cloud.exports.days import STREAMS, DayCount, days_since, note_days
from sync.cloud.exports.files import Manifest
from sync.cloud.exports.making import Made, export_day
from sync.cloud.handing.settings import Exports
from sync.cloud.store import CloudStore
from sync.errors import SyncError

LOOK_S = 60.0  # between two looks at the clock
AGAIN_MS = 3_600_000  # after a night that failed

log = logging.getLogger(__name__)


class Nightly:
    """The night's files of one cloud."""

    def __init__(self, books: CloudStore, config: Exports) -> None:
        self._books = books
        self._config = config
        self._one = asyncio.Lock()
        self._next_ms = 0
        self._made = Gauge(
            "storehub_cloud_export_timestamp_seconds",
            "When the night's files were made last without a fault",
            registry=books.metrics.registry,
        )

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._config.folder

    async def run(self) -> None:
        """Make what is due, also what was missed while nobody ran, until cancelled."""
        while True:
            if self._books.now_ms() >= self._next_ms:
                await self._night()
            await asyncio.sleep(LOOK_S)

    async def make_due(self) -> list[Made]:
        """Make the files of all days that are over and have facts that theirs have not; forget days that are too old."""
        async with self._one:
            today = datetime.fromtimestamp(self._books.now_ms() / 1000, self._config.zone).date()
            first = (today - timedelta(days=self._config.keep_days)).isoformat()
            await self._note()
            counted = await self._books.db.look(lambda read: days_since(read, first, today.isoformat()))
            rep = self._books.replica.rep
            made = []
            for day, streams in sorted(counted.items()):
                if is_due(files.newest(self._config.folder, day), streams, rep=rep):
                    made.append(await self._make(day))
            for gone in await asyncio.to_thread(files.forget_before, self._config.folder, first):
                log.info("the files of a day were removed: it is older than keep_days", extra={"day": gone})
            return made

    async def make(self, day: str) -> Made:
        """Make one day's files now."""
        async with self._one:
            return await self._make(day)

    async def _make(self, day: str) -> Made:
        made = await export_day(self._books.db.look, self._config, day, now_ms=self._books.now_ms())
        if made.is_new:
            said = {"day": day, "revision": made.manifest.revision, "unreadable": made.manifest.unreadable}
            log.info("the files of a day were made", extra=said)
        return made

    async def _note(self) -> None:
        for stream in STREAMS:
            has_more = True
            while has_more:
                has_more = await self._books.db.write(lambda tx, of=stream: note_days(tx, of))  # type: ignore[misc]

    async def _night(self) -> None:
        now_ms = self._books.now_ms()
        try:
            await self.make_due()
        except (SyncError, OSError) as err:
            log.error("the night's files were not made; the next hour tries again", extra={"error": str(err)})
            self._next_ms = now_ms + AGAIN_MS
            return
        self._made.set(now_ms / 1000)
        self._next_ms = next_night_ms(self._config, now_ms)


def next_night_ms(config: Exports, now_ms: int) -> int:
    """Return when the next night's files are to be made."""
    now = datetime.fromtimestamp(now_ms / 1000, config.zone)
    at = now.replace(hour=config.at_hour, minute=0, second=0, microsecond=0)
    if at <= now:
        at = (at + timedelta(days=1)).replace(hour=config.at_hour)
    return int(at.astimezone(UTC).timestamp() * 1000)


def is_due(made: Manifest | None, counted: dict[str, DayCount], *, rep: str) -> bool:
    """Whether a day has facts that its files have not. Places in the feed mean nothing to another life of the cloud."""
    if made is None:
        return True
    for stream, count in counted.items():
        there = made.streams.get(stream)
        if there is None or there.rows != count.rows or (made.cloud == rep and there.last_n != count.last_n):
            return True
    return False
