"""Pours streams into a sink, each from the place that the sink itself keeps.

    the sink's place       what follows
    as the feed has it     the rows behind it, a page a commit
    of another life, or    this cloud was restored: all from the beginning again. The sink knows what it has by its key
    another row's number
    none                   from the beginning

A sink that cannot be reached is tried again after a while, by full jitter; others and the shops do not wait. Not here: any sink.
"""

import asyncio
import logging
import random

import msgspec
from msgspec import Struct
from prometheus_client import Counter, Gauge

from sync.cloud.handing.messages import duplicates
from sync.cloud.handing.news import News
from sync.cloud.handing.streams import head_of
from sync.cloud.sinks.sink import Page, Place, Sink, SinkRow
from sync.cloud.store import CloudStore
from sync.cloud.web.feed_page import shown_key_of
from sync.cloud.web.views import FeedRow, feed_rows
from sync.entities import REGISTRY
from sync.errors import SyncError
from sync.json_errors import NOT_JSON
from sync.merge import ERASED
from sync.model import Feed
from sync.retail.people.members import MEMBER, MemberRow

ROWS_MAX = 1000
IDLE_S = 1.0  # rows of other workers are found by it
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 300.0

_member = msgspec.json.Decoder(MemberRow).decode
log = logging.getLogger(__name__)


class Metrics(Struct, frozen=True):
    """What is shown of all sinks."""

    rows: Counter
    up: Gauge
    behind: Gauge


def sink_metrics(books: CloudStore) -> Metrics:
    """Return the metrics, once a cloud."""
    registry = books.metrics.registry
    return Metrics(
        Counter("storehub_cloud_sink_rows", "Rows that a sink has taken", ["sink"], registry=registry),
        Gauge("storehub_cloud_sink_up", "0 while a sink does not take rows", ["sink"], registry=registry),
        Gauge("storehub_cloud_sink_seconds", "Age of the newest row that a sink has", ["sink"], registry=registry),
    )


class Pump:
    """Serves one sink."""

    def __init__(
        self,
        books: CloudStore,
        news: News,
        sink: Sink,
        streams: tuple[str, ...],
        *,
        metrics: Metrics,
        rng: random.Random,
    ) -> None:
        self._books = books
        self._news = news
        self._sink = sink
        self._streams = sorted(streams, key=list(REGISTRY.streams).index)
        self._metrics = metrics
        self._rng = rng
        self.failures = 0
        self._places: dict[str, Place] = {}

    async def run(self) -> None:
        """Pour until cancelled."""
        try:
            while True:
                mark = self._news.mark()
                try:
                    await self.pour()
                except SyncError as err:
                    await self._failed(err)
                else:
                    self._went_well()
                    await self._news.after(mark, IDLE_S)
        finally:
            await self._sink.close()

    async def pour(self) -> int:
        """Bring all streams to their ends; return how many rows the sink took. Raise SinkError."""
        try:
            return await self._pour(self._streams)
        except _OtherPastError as err:
            said = {"sink": self._sink.name, "stream": err.detail}
            log.warning("rows that a sink has are others here: this cloud was restored; all begins again", extra=said)
        logs = [stream for stream in self._streams if _is_log(stream)]
        states = [stream for stream in self._streams if not _is_log(stream)]
        return await self._pour([*states, *logs], anew=True)  # a crash half-way is found again by the logs

    async def _pour(self, streams: list[str], *, anew: bool = False) -> int:
        count = 0
        for stream in streams:
            taken = await self._page(stream, anew=anew)
            while taken is not None:
                count += taken
                taken = await self._page(stream)
        return count

    async def _page(self, stream: str, *, anew: bool = False) -> int | None:
        """Offer the next page; None where there is none. Raise _OtherPastError where the sink has what is not here."""
        books, rep = self._books, self._books.replica.rep
        if stream not in self._places:
            self._places[stream] = await self._sink.place(stream)
        place = self._places[stream]
        begin = Place() if anew or place.life != rep else place
        rows = await self._rows_behind(stream, begin)
        if not rows:
            return None
        last = rows[-1]
        end = Place(rep, last.n, last.rep, last.seq) if _is_log(stream) else Place(rep, last.n)
        late = duplicates(books.db.read, stream, begin.n, last.n)
        told = [_row_of(stream, row, counts=row.n not in late) for row in rows]
        del self._places[stream]  # where the commit's end is not heard, the sink is asked
        if not await self._sink.take(Page(stream, _is_log(stream), place, end, told)):
            return 0  # another worker was quicker
        self._places[stream] = end
        self._metrics.rows.labels(self._sink.name).inc(len(rows))
        self._metrics.behind.labels(self._sink.name).set(max(0, books.now_ms() - last.received_ms) / 1000)
        return len(rows)

    async def _rows_behind(self, stream: str, place: Place) -> list[FeedRow]:
        """Return rows behind a place; raise _OtherPastError where it is none here. A row of a state stream may have moved on."""
        db = self._books.db
        if place.rep:
            rows = await feed_rows(db, stream, after=place.n - 1, limit=ROWS_MAX)
            if not rows or (rows[0].n, rows[0].rep, rows[0].seq) != (place.n, place.rep, place.seq):
                raise _OtherPastError(stream)
            return rows[1 : ROWS_MAX + 1]
        rows = await feed_rows(db, stream, after=place.n, limit=ROWS_MAX)
        if not rows and place.n > head_of(db.read, stream):
            raise _OtherPastError(stream)
        return rows[:ROWS_MAX]

    async def _failed(self, err: SyncError) -> None:
        self.failures += 1
        self._metrics.up.labels(self._sink.name).set(0)
        if self.failures == 1:
            log.warning(
                "a sink takes no rows; they wait in the feed", extra={"sink": self._sink.name, "error": str(err)}
            )
        self._places.clear()
        await self._sink.close()
        await asyncio.sleep(self.wait_s())

    def wait_s(self) -> float:
        """Return how long to wait after so many failures in a row."""
        return self._rng.uniform(0, min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** min(self.failures, 16)))

    def _went_well(self) -> None:
        self._metrics.up.labels(self._sink.name).set(1)
        if self.failures:
            log.info("a sink takes rows again", extra={"sink": self._sink.name})
        self.failures = 0


class _OtherPastError(SyncError):
    """A sink stands where this feed has never been, or has another row now: this cloud was restored. Nothing was changed."""

    def __init__(self, stream: str) -> None:
        super().__init__("other_past", stream)


def _is_log(stream: str) -> bool:
    return REGISTRY.feeds[stream] is Feed.LOG


def _row_of(stream: str, row: FeedRow, *, counts: bool) -> SinkRow:
    return SinkRow(row, shown_key_of(stream, row.body) or "", counts, stream == MEMBER.stream and _erases(row.body))


def _erases(body: bytes) -> bool:
    try:
        return ERASED in _member(body).cells
    except NOT_JSON:
        return False
