"""The books of the cloud end, as one connected store sees them: its streams in, the catalogue out.

Rows, sums and cursor of a batch are one write job; what it returns is durable. Not here: the rows' own rules (facts, tallies,
catalogue), the conversation (sync.session).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from sqlite3 import Connection

from sync import failpoints
from sync.batch import SEQ_MAX, Batch, Boundary, Gap, Head
from sync.cloud.arrivals.applying import Applied, Arrival, apply_all
from sync.cloud.arrivals.cursors import check_writer, cursors, recovered
from sync.cloud.arrivals.floors import floor_of
from sync.cloud.arrivals.gathering import Gathering
from sync.cloud.arrivals.lives import (
    LIVES_A_DAY_MAX,
    Sealed,
    give_up,
    seal_if_whole,
    sealed_lives,
    waiting_lives,
)
from sync.cloud.arrivals.openings import sum_up, told_up_to
from sync.cloud.arrivals.retention import jump_to
from sync.cloud.arrivals.rows import read_facts
from sync.cloud.catalogue import (
    Entry,
    HandedOver,
    Put,
    begin_anew,
    import_entries,
    load_batch,
    own_heads,
)
from sync.cloud.metrics import CloudMetrics, label_of
from sync.cloud.scopes.relay import held_boundary, other_lives, relay_batch
from sync.cloud.scopes.scope_branches import mark_store
from sync.cloud.scopes.scope_members import MEMBERS
from sync.cloud.scopes.scope_visitors import is_forgotten, is_visitors, load_visitors, offer_visitors, visitors_head
from sync.db import Database
from sync.errors import ForkError, ProtocolError, SyncError
from sync.model import Feed, Replica, Stream
from sync.opening import Opening
from sync.protocol import FormerLife
from sync.store.cursors import offer, offered_digest

FOLLOWED_MAX = 20  # sales of one batch named in the log; a larger one is a backlog, named by its range
DUPLICATES_LOGGED = 5  # of one batch, by name; the line says how many there were

log = logging.getLogger(__name__)
trail = logging.getLogger("sync.cloud.trail")  # what a sale's id can be followed by


class CloudStore:
    """What all books share: the database, who we are, who is told that the catalogue has grown."""

    def __init__(
        self,
        db: Database,
        replica: Replica,
        *,
        metrics: CloudMetrics,
        now_ms: Callable[[], int],
        new_incarnation: Callable[[], str],
    ) -> None:
        self.db = db
        self.new_incarnation = new_incarnation
        self.replica = replica
        self.metrics = metrics
        self.now_ms = now_ms
        self.waiting = waiting_lives(db.read)  # lives that were given up and are not whole here yet
        self.gathering = Gathering(lambda tx, arrivals: apply_all(tx, self.replica, arrivals, waiting=self.waiting))
        self.on_grown: Callable[[], None] = lambda: None
        self.on_grown_of: Callable[[Collection[str]], None] = lambda _stores: self.on_grown()
        self.on_reborn: Callable[[], None] = lambda: None
        self.on_rows: Callable[[str], None] = lambda _: None
        self.on_sealed: Callable[[str, str], None] = lambda _store, _heir: None

    async def import_entries(self, entries: list[Entry]) -> Put:
        """Write products and prices of head office and tell the stores."""
        now_ms = self.now_ms()

        def job(tx: Connection) -> Put:
            put = import_entries(tx, self.replica, entries, now_ms=now_ms)
            failpoints.hit("cloud.imported")
            return put

        return await self.db.write(job, then=lambda put: self.on_grown() if put.created or put.updated else None)

    async def end_life(self, rep: str, *, heir: str, why: str, wanted: Mapping[str, int] | None) -> Sealed | None:
        """Give up a life of a store and seal it if it is whole here; raise ProtocolError when a store has too many."""
        now_ms = self.now_ms()

        def job(tx: Connection) -> Sealed | None:
            replica = give_up(tx, rep, heir=heir, why=why, wanted=wanted, now_ms=now_ms)
            sealed = seal_if_whole(tx, self.replica, replica, now_ms=now_ms)
            if sealed is not None:
                mark_store(tx, rep.rpartition(":")[0], now_ms=now_ms)
            return sealed

        return await self.db.write(job, then=self.tell_sealed)

    def tell_sealed(self, sealed: Sealed | None, *, is_heir_told: bool = True) -> None:
        """After the commit of a life's end; None while rows of it are still to come. The heir is told where it has just asked."""
        self.waiting = waiting_lives(self.db.read)
        if sealed is None:
            return
        log.error(
            "a life of a store's hub was sealed: it was restored, copied or replaced; look whether two machines are on",
            extra={"sealed": sealed.rep, "heir": sealed.heir, "heads": sealed.heads},
        )
        self.on_sealed(sealed.rep.rpartition(":")[0], sealed.heir if is_heir_told else "")
        self.on_grown()

    async def begin_anew(self, why: str) -> None:
        """Begin a new life and hang up on everybody; raise ForkError when that happened too often to be true."""
        now_ms, incarnation, own = self.now_ms(), self.new_incarnation(), self.replica

        def reborn(replica: Replica | None) -> None:
            if replica is None:
                return
            former, self.replica = self.replica, replica
            log.error(
                "this cloud was restored from a copy and begins a new life; the stores send what it has lost",
                extra={"why": why, "former": former.rep, "rep": replica.rep},
            )
            self.on_reborn()

        await self.db.write(lambda tx: begin_anew(tx, own, incarnation, now_ms=now_ms), then=reborn)


class CloudBooks:
    """One store's view; see sync.books.Books."""

    def __init__(self, cloud: CloudStore, store: str) -> None:
        self._cloud = cloud
        self._store = store
        self._peer_rep = ""

    def meet(self, peer_rep: str) -> None:
        """Only the peer's own streams are held to their boundaries."""
        self._peer_rep = peer_rep

    @property
    def rep(self) -> str:
        """The cloud's replica."""
        return self._cloud.replica.rep

    def heads(self) -> list[Head]:
        """The cloud's own streams, and those of the store's other lives."""
        read = self._cloud.db.read
        own, store = self._cloud.replica, self._store
        visitors = visitors_head(read, own, store, but=self._peer_rep)
        return [*own_heads(read, own, store), *visitors, *other_lives(read, store)]

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """How far every stream of this store, also of its other lives, and every former one of the cloud's is held."""
        read = self._cloud.db.read
        teller = self._peer_rep or peer_rep
        return cursors(read, self._store) | recovered(read, self._cloud.replica.store, by=teller)

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether a boundary of the cloud's was offered with this digest, to whichever store.

        Of what is passed on the digest is proved at the end of the stream, where it is known.
        """
        if not 0 <= boundary.last <= SEQ_MAX:
            return False
        if rep != self.rep:
            return boundary.last <= held_boundary(self._cloud.db.read, rep, stream).last
        read, own = self._cloud.db.read, self._cloud.replica
        if offered_digest(read, own, stream, boundary.last) == boundary.digest:
            return True
        return is_visitors(stream) and is_forgotten(read, own, stream, boundary.last)

    def floor(self, head: Head) -> Boundary:
        """The cloud keeps every fact that it got: before a floor are those that a hub had pruned and this database lost."""
        return floor_of(self._cloud.db.read, head.rep, head.stream).at

    def is_told_elsewhere(self, _head: Head) -> bool:
        """Nobody else tells a hub of what the cloud holds."""
        return False

    def told_up_to(self, head: Head, at: Boundary) -> int:
        """A hub that begins with a log is told what its older rows came to."""
        return told_up_to(self._cloud.db.read, head, at, now_ms=self._cloud.now_ms())

    async def opening(self, head: Head, to: int) -> Opening | None:
        """Sum the older rows of a log up."""
        return await sum_up(self._cloud.db.read, head, to, now_ms=self._cloud.now_ms())

    async def jump(self, rep: str, stream: str, to: Boundary, opening: Opening | None) -> Boundary:
        """Take rows of a hub of this store for lost: this database was restored, and the hub had pruned them."""
        cloud, now_ms = self._cloud, self._cloud.now_ms()
        if rep.rpartition(":")[0] != self._store:
            raise ProtocolError(f"{self._store} knows nothing of what is left of {rep[:80]!r}")
        hole = await cloud.db.write(
            lambda tx: jump_to(tx, cloud.replica, rep, stream, to, opening, now_ms=now_ms),
            then=lambda done: cloud.tell_sealed(done.sealed, is_heir_told=False),
        )
        if hole.cursor != hole.before:
            log.error(
                "rows of a store are lost: this database was restored from an old copy, and the hub had pruned them",
                extra={"rep": rep, "stream": stream, "after": hole.before.last, "upto": hole.cursor.last},
            )
        return hole.cursor

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """Read the next registers and make the ends of all batches durable before one is offered."""
        cloud, own, read = self._cloud, self._cloud.replica, self._cloud.db.read
        if head.rep != self.rep:  # below a floor there is nothing for a peer that cannot be told a sum
            is_here = after.last >= self.floor(head).last
            relayed = relay_batch(read, head, after, rows_max) if is_here else None
            return [relayed] if relayed else []
        if is_visitors(head.stream):
            windows = load_visitors(read, head, after, rows_max, but=self._peer_rep)
            return [await cloud.db.write(lambda tx: offer_visitors(tx, own, windows))] if windows else []
        batches: list[Batch] = []
        while len(batches) < batches_max and (batch := load_batch(read, own, head, after, rows_max)):
            batches.append(batch)
            after = batch.end
            await asyncio.sleep(0)  # other stores' conversations come between two
        new = [each.end for each in batches if offered_digest(read, own, head.stream, each.last) is None]
        if new:
            await cloud.db.write(lambda tx: [offer(tx, own, head.stream, end) for end in new])
        return batches

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit the new rows of a batch with its cursor; see sync.books.Books."""
        cloud, store, batches = self._cloud, self._store, self._cloud.metrics.batches
        try:
            check_writer(store, batch, cloud=cloud.replica)
            arrival = Arrival(store, batch, self._peer_rep or batch.rep, cloud.now_ms())
            applied = await cloud.gathering.apply(cloud.db, arrival, then=lambda done: self._tell(batch, done))
        except SyncError as err:
            batches.labels(store, "refused" if isinstance(err, ForkError | ProtocolError) else "failed").inc()
            raise
        failpoints.hit("cloud.committed")
        if batch.stream == MEMBERS and any(b'"erased"' in body for _, body in batch.rows):
            await cloud.db.empty_log()  # what was swept stands nowhere any more
        return applied.end

    async def acked(self, peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note how far the store holds our stream; lost in a crash, its next hello says it again."""
        if boundary.last and rep == self.rep:
            await self._cloud.db.write(lambda tx: _note_acked(tx, peer_rep, self._cloud.replica, stream, boundary))

    def sealed(self, _peer_rep: str) -> tuple[str, ...]:
        """The sealed lives of this store."""
        return sealed_lives(self._cloud.db.read, self._store)

    def former(self) -> tuple[FormerLife, ...]:
        """Nobody seals a life of the cloud: what the stores hold of it comes back to it."""
        return ()

    async def end_lives(self, peer_rep: str, lives: tuple[FormerLife, ...]) -> None:
        """Give up lives of this store, which its hub says have ended."""
        for life in lives[:LIVES_A_DAY_MAX]:
            if life.rep.rpartition(":")[0] != self._store or life.rep == peer_rep:
                raise ProtocolError(f"{peer_rep} may give up lives of {self._store} only, not {life.rep[:80]!r}")
            await self._cloud.end_life(life.rep, heir=peer_rep, why="its hub has begun a new life", wanted=life.heads)

    async def note_sealed(self, _reps: tuple[str, ...]) -> None:
        """No store seals a life of the cloud."""

    async def forked(self, why: str) -> None:
        """Begin a new life: a store holds more of ours than we know, so this database was restored."""
        await self._cloud.begin_anew(why)

    def _tell(self, batch: Batch, applied: Applied) -> None:
        """After the commit: count, and say what somebody should look at."""
        cloud, store, added = self._cloud, self._store, applied.added
        if applied.sealed is not None:
            cloud.tell_sealed(applied.sealed, is_heir_told=False)
        cloud.metrics.batches.labels(store, "gap" if isinstance(applied.end, Gap) else "applied").inc()
        if added.rows:
            cloud.on_rows(store)
            cloud.metrics.rows.labels(store, label_of(batch.stream)).inc(added.rows)
            if batch.feed is Feed.LOG:
                self._follow(batch)
        if added.unread:
            cloud.metrics.unread.labels(store).inc(added.unread)
        if added.duplicates:
            cloud.metrics.duplicates.labels(store, label_of(batch.stream)).inc(len(added.duplicates))
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
        if applied.is_shared or applied.restamped:
            cloud.on_grown()
        if applied.restamped:
            first = applied.restamped[0]
            log.warning(
                "stamps came from the far future; the cloud's count in their place: set the writer's clock",
                extra={
                    "store": store,
                    "writer": first.was.rep,
                    "cells": len(applied.restamped),
                    "ahead_ms": first.was.physical_ms - first.now.physical_ms,
                },
            )
        if applied.handed_over is not None:
            self._tell_handover(applied.handed_over)

    def _follow(self, batch: Batch) -> None:
        """Say which rows came: each by its key where they are few, as a sale's are while the line is up; else the range."""
        said = {
            "store": self._store,
            "rep": batch.rep,
            "stream": batch.stream,
            "after": batch.after,
            "upto": batch.last,
        }
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


def _note_acked(tx: Connection, peer_rep: str, own: Replica, stream: str, at: Boundary) -> None:
    """No boundary is forgotten, other than at a hub: another store may stand far behind this one."""
    tx.execute(
        """
        INSERT INTO acked (peer, replica, stream, last, digest) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (peer, replica, stream) DO UPDATE SET last = excluded.last, digest = excluded.digest
        """,
        (peer_rep, own.local_id, stream, at.last, at.digest),
    )
