"""The hub's logs and registers onto a second medium, behind the selling: what is there is safe, as at the cloud.

    looking   the medium is opened; where the copy stands is held against the books   -> copying, down, or a new life
              begins
    copying   rows that are committed go there, at most once in PACE_S                -> down
    down      nothing can be written; the reason and the remedy are told              -> looking, after AGAIN_S

A copy begins where the newest whole backup ends: with both all is there. One that holds more of this life than the
database does witnesses that the database was put back, as a till or the other hub would.
Not here: files (hub.medium.segments), the way back (hub.medium.replay).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import msgspec

from hub.backup.age import seal
from hub.backup.noted import covered
from hub.books import HubBooks
from hub.config import Config
from hub.holders import PEER
from hub.medium.record import Head, body_of, write_record
from hub.medium.segments import MediumError, Segments
from hub.medium.view import MediumView
from hub.medium.worker import Worker
from hub.store.model import utc
from hub.store.readers import open_to_read
from hub.store.replica.lives import ended_lives
from hub.store.upkeep.replayed import REGISTERS
from hub.store.upkeep.siblings import RELAYED
from sync.batch import START, Batch, Boundary
from sync.batch import Head as StreamHead
from sync.db import Database
from sync.errors import StartError, SyncError
from sync.model import Feed
from sync.store.cursors import acked_boundaries, nearest_offered
from sync.store.digests import digest_at
from sync.store.offering import batches_after
from sync.store.retention import floor_of
from sync.store.streams import stream_digest, stream_heads

COPIED = RELAYED | REGISTERS
PACE_S = 0.5  # between two records: each costs the medium a sync and 300 bytes
AGAIN_S = 15.0  # after an error
LOOK_EVERY_S = 30.0  # while nothing is sold: is it still there?
ANSWER_S = 60.0  # a stick that sorts itself out takes seconds
BATCHES_MAX = 8  # of one record; the next one has the rest
ROWS_MAX = 250
PRUNED = b""  # in the place of a digest
REMEDIES = {
    "away": "put the medium back in and see that it is mounted at [backup] feed_to",
    "same_disk": "mount a second medium there: a stick, another disk, a network share",
    "read_only": "a worn stick turns read-only: replace it; what is missing is written to the new one",
    "refused": "the hub's user must be able to write there",
    "full": "make room on it, or put a larger one in",
    "needs_backup": "`storehub backup make`: what is in a backup may leave the copy; or raise [backup] feed_mib_max",
    "failed": "replace the medium; what is missing is written to the new one",
    "recipients": "correct [backup] recipients: one is mistyped",
    "hangs": "it has not answered for a minute: pull it out, put another one in",
    "fork": "nothing: the hub begins a new life; docs/operating/recover.md says how to get back what only the medium has",
}
log = logging.getLogger(__name__)


class FeedCopy:
    """Runs beside the hub; `view` says how it is."""

    def __init__(
        self, config: Config, db: Database, books: HubBooks, *, now_ms: Callable[[], int], on_change: Callable[[], None]
    ) -> None:
        self._config, self._db, self._books, self._now_ms, self._on_change = config, db, books, now_ms, on_change
        to, mib_max = config.backup.feed_to, config.backup.feed_mib_max
        self._segments = Segments(Path(to), config.shop.store_id, beside=config.data_dir, bytes_max=mib_max << 20)
        self._grown = asyncio.Event()
        self._at: dict[str, Boundary] = {}
        self._rep = ""
        self.view = MediumView(to, False, utc(now_ms()), reason="starting")

    def grown(self) -> None:
        """Say that own logs have grown."""
        self._grown.set()

    async def run(self) -> None:
        """Copy until cancelled."""
        worker = Worker("feed copy")
        try:
            while True:
                try:
                    await self._look(worker)
                    await self._copy(worker)
                except StartError as err:
                    self._tell("recipients", err.detail)
                except SyncError as err:
                    self._tell(err.code if err.code in REMEDIES else "failed", err.detail)
                except TimeoutError:
                    self._tell("hangs", "")
                await worker.idle()
                await asyncio.sleep(AGAIN_S)
        finally:
            worker.close()

    async def _look(self, worker: Worker) -> None:
        head = await worker.do(self._segments.begin, timeout_s=ANSWER_S)
        self._rep, self._at = self._books.rep, {}
        if head is None or head.rep != self._rep:
            return
        for stream, at in head.upto.items():
            if not await self._has(worker, stream, at):
                why = f"the feed copy holds {stream} {at.last} of this life, which is not what is here"
                await self._books.forked(why)
                raise MediumError("fork", why)
        self._at = dict(head.upto)

    async def _copy(self, worker: Worker) -> None:
        while True:
            self._grown.clear()
            if self._rep != self._books.rep:
                self._rep, self._at = self._books.rep, {}
            batches = await self._next(worker)
            if batches:
                await self._append(worker, batches)
                await asyncio.sleep(PACE_S)
            else:
                await worker.do(self._segments.look, timeout_s=ANSWER_S)
                self._hold()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._grown.wait()

    async def _has(self, worker: Worker, stream: str, at: Boundary) -> bool:
        """Whether these books have what the copy has; registers have no digest that says so."""
        if at.last > stream_heads(self._db.read, self._books.replica).get(stream, 0):
            return stream not in COPIED
        return stream not in RELAYED or await self._digest(worker, stream, at.last) in (at.digest, PRUNED)

    async def _digest(self, worker: Worker, stream: str, last: int) -> bytes | None:
        """Return a log's digest at a seq, PRUNED where its rows are no more; in the thread: a year of sales takes seconds."""
        own, database = self._books.replica, self._db.path
        if (at_head := stream_digest(self._db.read, own, stream, last)) is not None:
            return at_head

        def roll() -> bytes | None:
            with closing(open_to_read(database)) as read:
                floor = floor_of(read, own.local_id, stream)
                if last < floor.last:
                    return PRUNED
                near = nearest_offered(read, own, stream, last)
                return digest_at(read, own.local_id, stream, max(near, floor, key=lambda at: at.last), last)

        return await worker.do(roll, timeout_s=ANSWER_S)

    async def _next(self, worker: Worker) -> list[Batch]:
        """Return the next rows of all logs, causes before their effects."""
        found: list[Batch] = []
        for head in self._books.heads():
            if head.rep == self._rep and head.stream in COPIED and len(found) < BATCHES_MAX:
                if head.stream not in self._at:
                    self._at[head.stream] = await self._begin_of(worker, head)
                at, room = self._at[head.stream], BATCHES_MAX - len(found)
                batches = batches_after(self._db.read, self._books.replica, head, at, rows_max=ROWS_MAX)
                for batch in islice(batches, room):
                    found.append(batch)
                    await asyncio.sleep(0)  # to read one takes as long as a sale, and a till may be waiting
        return found

    async def _begin_of(self, worker: Worker, head: StreamHead) -> Boundary:
        """Where a copy begins that has nothing yet of a log: behind the newest backup, or at its first row."""
        floor = self._books.floor(head)
        if head.feed is Feed.STATE:
            return Boundary(min(head.last, covered(self._config.data_dir, self._rep).get(head.stream, 0)))
        last = covered(self._config.data_dir, self._rep).get(head.stream, 0)
        digest = await self._digest(worker, head.stream, last) if floor.last < last <= head.last else None
        return floor if digest is None else Boundary(last, digest)

    async def _append(self, worker: Worker, batches: list[Batch]) -> None:
        rep, upto = self._rep, self._at | {batch.stream: batch.end for batch in batches}
        own, former = self._books.replica, ended_lives(self._db.read)
        acked = acked_boundaries(self._db.read, own, peer=PEER)
        held = {batch.stream: acked[batch.stream] for batch in batches if batch.stream in acked}
        head = Head(
            rep,
            f"{utc(self._now_ms()):%Y-%m-%dT%H:%M:%SZ}",
            {stream: at for stream, at in upto.items() if at.last},
            former,
        )
        in_backup = covered(self._config.data_dir, rep)
        recipients = self._config.backup.recipients

        def write() -> None:
            record = write_record(head, seal(body_of(batches, held), recipients))
            self._segments.append(record, is_covered=lambda first: _is_covered(first, rep, former, in_backup))

        await worker.do(write, timeout_s=ANSWER_S)
        self._at = upto
        self._hold()

    def _hold(self) -> None:
        """What is on the medium is safe."""
        if self._rep != self._books.rep:
            return
        self._books.holders.medium = {stream: at.last for stream, at in self._at.items()}
        sales = self._at.get("sales", START).last
        view = msgspec.structs.replace(self.view, upto=sales, bytes=self._segments.taken)
        if not self.view.up:
            view = MediumView(view.to, True, utc(self._now_ms()), sales, self._segments.taken)
            log.info("the feed copy is written", extra={"to": view.to, "upto": sales})
        if view != self.view:
            self.view = view
            self._on_change()

    def _tell(self, reason: str, detail: str) -> None:
        """Say once that nothing can be written, and why."""
        if not self.view.up and self.view.reason == reason:
            return
        self.view = MediumView(
            self.view.to, False, utc(self._now_ms()), self.view.upto, self.view.bytes, reason, detail, REMEDIES[reason]
        )
        extra = {"to": self.view.to, "reason": reason, "detail": detail, "remedy": REMEDIES[reason]}
        log.warning("the feed copy stands still; selling goes on", extra=extra)
        self._on_change()


def _is_covered(following: Head, rep: str, former: list[str], in_backup: Mapping[str, int]) -> bool:
    """Whether a segment may go: its rows, which end before this record, are in a backup, or were written again
    since."""
    if following.rep != rep:
        return following.rep in former
    return all(at.last <= in_backup.get(stream, 0) for stream, at in following.upto.items())
