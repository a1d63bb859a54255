"""The books of the cloud end, as one connected store sees them: its streams in, the catalogue out.

Rows, sums and cursor of a batch are one write job; what it returns is durable. Not here: the rows' own rules (facts, tallies,
catalogue), the conversation (sync.session).
"""

import logging
from collections.abc import Callable
from sqlite3 import Connection

from msgspec import Struct

from sync import failpoints
from sync.batch import SEQ_MAX, Batch, Boundary, Gap, Head, new_rows
from sync.cloud.catalogue import (
    Entry,
    HandedOver,
    Put,
    end_of_catalogue,
    hand_over,
    import_entries,
    load_batch,
)
from sync.cloud.cursors import check_writer, cursor_of, cursors, move_cursor
from sync.cloud.facts import Added, add_facts
from sync.cloud.metrics import CloudMetrics
from sync.cloud.rows import is_tally_stream, read_facts
from sync.cloud.tallies import merge_tallies
from sync.db import Database
from sync.errors import ProtocolError, SyncError
from sync.model import Feed, Replica, Stream
from sync.store.cursors import check_room, offer, offered_digest
from sync.store.replicas import replica_id

FOLLOWED_MAX = 20  # sales of one batch named in the log; a larger one is a backlog, named by its range
DUPLICATES_LOGGED = 5  # of one batch, by name; the line says how many there were

log = logging.getLogger(__name__)
trail = logging.getLogger("sync.cloud.trail")  # what a sale's id can be followed by


class Applied(Struct, frozen=True):
    """What became of a batch."""

    end: Boundary | Gap
    added: Added = Added()
    handed_over: HandedOver | None = None


class CloudStore:
    """What all books share: the database, who we are, who is told that the catalogue has grown."""

    def __init__(self, db: Database, replica: Replica, *, metrics: CloudMetrics, now_ms: Callable[[], int]) -> None:
        self.db = db
        self.replica = replica
        self.metrics = metrics
        self.now_ms = now_ms
        self.on_grown: Callable[[], None] = lambda: None

    async def import_entries(self, entries: list[Entry]) -> Put:
        """Write products and prices of head office and tell the stores."""
        now_ms = self.now_ms()

        def job(tx: Connection) -> Put:
            put = import_entries(tx, self.replica, entries, now_ms=now_ms)
            failpoints.hit("cloud.imported")
            return put

        return await self.db.write(job, then=lambda put: self.on_grown() if put.created or put.updated else None)


class CloudBooks:
    """One store's view; see sync.books.Books."""

    def __init__(self, cloud: CloudStore, store: str) -> None:
        self._cloud = cloud
        self._store = store

    @property
    def rep(self) -> str:
        """The cloud's replica."""
        return self._cloud.replica.rep

    def heads(self) -> list[Head]:
        """The cloud's own streams."""
        last = end_of_catalogue(self._cloud.db.read, self._cloud.replica)
        return [Head(self.rep, Stream.CATALOGUE, Feed.STATE, last)]

    def vector(self, _peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """How far every stream of this store, also of its former lives, is held."""
        return cursors(self._cloud.db.read, self._store)

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether a boundary of the cloud's was offered with this digest, to whichever store."""
        if rep != self.rep or not 0 <= boundary.last <= SEQ_MAX:
            return False
        return offered_digest(self._cloud.db.read, self._cloud.replica, stream, boundary.last) == boundary.digest

    async def load(self, head: Head, after: Boundary, rows_max: int) -> Batch | None:
        """Read the next registers and make their end durable as offered."""
        cloud = self._cloud
        batch = load_batch(cloud.db.read, cloud.replica, head, after, rows_max)
        if batch is not None and offered_digest(cloud.db.read, cloud.replica, head.stream, batch.last) is None:
            await cloud.db.write(lambda tx: offer(tx, cloud.replica, head.stream, batch.end))
        return batch

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit the new rows of a batch with its cursor; see sync.books.Books."""
        cloud, store, now_ms = self._cloud, self._store, self._cloud.now_ms()
        batches = cloud.metrics.batches
        try:
            check_writer(store, batch)
            applied = await cloud.db.write(
                lambda tx: _apply(tx, cloud.replica, store, batch, now_ms=now_ms),
                then=lambda done: self._tell(batch, done),
            )
        except SyncError as err:
            batches.labels(store, "refused" if isinstance(err, ProtocolError) else "failed").inc()
            raise
        failpoints.hit("cloud.committed")
        return applied.end

    async def acked(self, peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note how far the store holds our stream; lost in a crash, its next hello says it again."""
        assert rep == self.rep, "acks of others were refused before"
        if boundary.last:
            await self._cloud.db.write(lambda tx: _note_acked(tx, peer_rep, self._cloud.replica, stream, boundary))

    def _tell(self, batch: Batch, applied: Applied) -> None:
        """After the commit: count, and say what somebody should look at."""
        cloud, store, added = self._cloud, self._store, applied.added
        cloud.metrics.batches.labels(store, "gap" if isinstance(applied.end, Gap) else "applied").inc()
        if added.rows:
            cloud.metrics.rows.labels(store, batch.stream).inc(added.rows)
            if batch.feed is Feed.LOG:
                self._follow(batch)
        if added.unread:
            cloud.metrics.unread.labels(store).inc(added.unread)
        if added.duplicates:
            cloud.metrics.duplicates.labels(store, batch.stream).inc(len(added.duplicates))
            others = [each.key for each in added.duplicates if not each.is_same]
            log.warning(
                "facts came under keys that are known; they are kept and counted in no sum",
                extra={
                    "store": store,
                    "stream": batch.stream,
                    "facts": len(added.duplicates),
                    "with_other_content": len(others),
                    "keys": [each.key for each in added.duplicates[:DUPLICATES_LOGGED]],
                },
            )
        if applied.handed_over is not None:
            self._tell_handover(applied.handed_over)

    def _follow(self, batch: Batch) -> None:
        """Say which rows came: each by its key where they are few, as a sale's are while the line is up; else the range."""
        said = {"store": self._store, "stream": batch.stream, "after": batch.after, "upto": batch.last}
        if batch.stream == Stream.SALES and len(batch.rows) <= FOLLOWED_MAX:
            said["sales"] = [fact.key for fact in read_facts(batch.stream, [row for _, row in batch.rows]) if fact]
        trail.info("rows received", extra=said)

    def _tell_handover(self, result: HandedOver) -> None:
        log.info(
            "a store's own catalogue was handed over",
            extra={
                "store": self._store,
                "adopted": result.adopted,
                "kept": result.kept,
                "unread": result.unread,
                "gtins_dropped": [list(each) for each in result.gtins_dropped],
            },
        )
        if result.adopted:
            self._cloud.on_grown()


def _apply(tx: Connection, own: Replica, store: str, batch: Batch, *, now_ms: int) -> Applied:
    """The write job of a batch: its new rows, the sums, the cursor."""
    replica = replica_id(tx, batch.rep, now_ms=now_ms)
    cursor = cursor_of(tx, replica, batch.stream)
    rows = new_rows(cursor, batch)
    if isinstance(rows, Gap):
        return Applied(rows)
    if not rows:
        return Applied(cursor)
    handed_over = None
    if batch.stream == Stream.CATALOGUE:
        handed_over = hand_over(tx, own, replica, rows, now_ms=now_ms)
        added = Added(len(rows), unread=handed_over.unread)
    elif is_tally_stream(batch.stream):
        added = merge_tallies(tx, rows, store=store, replica=replica, stream=batch.stream, now_ms=now_ms)
    else:
        check_room(tx, replica, batch.stream)
        kind, stream = batch.feed, batch.stream
        added = add_facts(tx, rows, store=store, replica=replica, stream=stream, kind=kind, now_ms=now_ms)
    move_cursor(tx, replica, batch.stream, batch.end, rows=len(rows), now_ms=now_ms)
    failpoints.hit("cloud.applied")
    return Applied(batch.end, added, handed_over)


def _note_acked(tx: Connection, peer_rep: str, own: Replica, stream: str, at: Boundary) -> None:
    """No boundary is forgotten, other than at a hub: another store may stand far behind this one."""
    tx.execute(
        """
        INSERT INTO acked (peer, replica, stream, last, digest) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (peer, replica, stream) DO UPDATE SET last = excluded.last, digest = excluded.digest
        """,
        (peer_rep, own.local_id, stream, at.last, at.digest),
    )
