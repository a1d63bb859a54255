"""The hub as a replica: its books for a session or a pull, and how far the cloud holds them.

    a commit        -> grown -> the line sends what is new
    the cloud's ack -> noted with the next commit -> `safe` moves, tills are told
    facts           -> folded into stock levels, behind the selling

Not here: what is said on the line (sync.session), SQL (hub.store, sync.store).
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct

from hub.store.catalogue import TakenRows, take_registers
from hub.store.feeds import READERS, oldest_waiting, rows_after, waiting_rows
from hub.store.levels import facts_to_fold, fold
from hub.store.model import utc
from hub.store.unknown import keep_unknown
from sync.batch import ROWS_MAX, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.db import Database
from sync.errors import ForkError, ProtocolError, SyncError
from sync.line import REMEDIES, LinkState
from sync.model import FEED_OF_STREAM, Feed, Replica, Stream
from sync.store.cursors import (
    acked,
    check_room,
    nearest_offered,
    note_acked,
    offer,
    offered_digest,
    receive_to,
    received,
    received_to,
)
from sync.store.replicas import replica_id
from sync.store.streams import stream_digest, stream_heads

PEER = "cloud"  # the store's own: what it holds is safe
ASKED_WITHIN_MS = 15 * 60_000  # in pull mode a cloud that has not asked for longer is away
FOLD_EVERY_S = 2.0  # levels are for other branches; a fold is a commit, which sales that follow one another share
FOLD_BEHIND_MAX = 1000  # sales that the cloud does not hold yet, on a line that is up: these come first
ANNOUNCE_EVERY_S = 0.5  # between two `sync` events while rows drain
CLOCK_OFF_MS = 60_000  # beyond it somebody should look at the clock; nothing is decided by it

LOGS = {stream for stream, feed in FEED_OF_STREAM.items() if feed is Feed.LOG}

log = logging.getLogger(__name__)
trail = logging.getLogger("hub.trail")


class SafeView(Struct, frozen=True):
    """Sales of replica `rep` up to seq `upto` are on a second machine too."""

    rep: str
    upto: int


class SyncView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How this hub stands to the cloud. `rows_waiting` counts what the cloud does not hold yet, `oldest` says since when.

    `mode` is `alone` (no cloud: one copy), `realtime` (the hub dials) or `pull` (the cloud asks).
    """

    mode: Literal["alone", "realtime", "pull"]
    up: bool
    since: datetime
    reason: str = ""
    detail: str = ""
    remedy: str = ""
    peer: str = ""
    clock_offset_ms: int | None = None
    rows_waiting: int
    waiting: dict[str, int]
    oldest: datetime | None = None
    safe: SafeView


class HubBooks:
    """The hub's streams out, the cloud's catalogue in; see sync.books.Books."""

    def __init__(self, db: Database, replica: Replica, *, currency: str, now_ms: Callable[[], int]) -> None:
        self._db = db
        self._replica = replica
        self._currency = currency
        self._now_ms = now_ms
        self.held: dict[str, int] = acked(db.read, replica, peer=PEER)
        self._sent: dict[tuple[str, int], bytes] = {}  # ends of ranges of logs that wait for their ack
        self.on_acked: Callable[[], None] = lambda: None
        self.on_catalogue: Callable[[int], None] = lambda _: None

    @property
    def rep(self) -> str:
        """This hub's replica."""
        return self._replica.rep

    def heads(self) -> list[Head]:
        """The hub's own streams, sales first."""
        last = stream_heads(self._db.read, self._replica)
        return [Head(self.rep, stream, FEED_OF_STREAM[stream], last[stream]) for stream in READERS]

    def behind(self, stream: Stream) -> int:
        """How many rows of a log the cloud does not hold yet."""
        return stream_heads(self._db.read, self._replica)[stream] - self.held.get(stream, 0)

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """How far the cloud's streams are held here."""
        return {key: at for key, at in received(self._db.read).items() if peer_rep in ("", key[0])}

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether a boundary of ours was offered with this digest."""
        return rep == self.rep and self.digest_at(stream, boundary.last) == boundary.digest

    def digest_at(self, stream: str, last: int) -> bytes | None:
        """The digest of an own stream at a boundary, None where there is none.

        A log's is computed from its rows again, so that nothing need be written before it is sent: a sale costs the card enough.
        """
        if stream not in LOGS:
            return offered_digest(self._db.read, self._replica, stream, last)
        known = self._sent.get((stream, last)) or stream_digest(self._db.read, self._replica, stream, last)
        return known or self._recomputed(Stream(stream), last)

    def _recomputed(self, stream: Stream, last: int) -> bytes | None:
        at = nearest_offered(self._db.read, self._replica, stream, last)
        while at.last < last:
            rows = rows_after(self._db.read, self._replica, stream, at.last, min(ROWS_MAX, last - at.last))
            if not rows:
                return None
            at = batch_of(self.rep, stream, Feed.LOG, at, rows).end
        return at.digest

    async def load(self, head: Head, after: Boundary, rows_max: int) -> Batch | None:
        """Read the rows behind a boundary; the end of a state stream's range is made durable before it is offered."""
        stream = Stream(head.stream)
        rows = rows_after(self._db.read, self._replica, stream, after.last, rows_max)
        if not rows:
            return None
        batch = batch_of(self.rep, stream, head.feed, after, rows)
        if head.feed is Feed.STATE:
            await self._db.write(lambda tx: offer(tx, self._replica, stream, batch.end))
        else:
            self._prove(batch)
            self._sent[stream, batch.last] = batch.digest
        return batch

    def _prove(self, batch: Batch) -> None:
        """At the head of a log its rows must give the digest that grew with them."""
        at_head = stream_digest(self._db.read, self._replica, batch.stream, batch.last)
        if at_head not in (None, batch.digest):
            raise ForkError(f"{batch.stream}: the rows up to {batch.last} are not those that were written")

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit rows of the cloud with the cursor."""
        if batch.rep.rpartition(":")[0] == self._replica.store:
            raise ProtocolError(f"{batch.rep}: nobody but this store writes this store's rows")
        now_ms = self._now_ms()
        cursor, taken = await self._db.write(lambda tx: _apply(tx, batch, currency=self._currency, now_ms=now_ms))
        if taken.changed:
            self.on_catalogue(taken.changed)
        if taken.unusable:
            log.warning(
                "rows of the cloud's catalogue cannot be used here and are kept aside; correct them at head office",
                extra={"rows": taken.unusable, "after": batch.after, "upto": batch.last},
            )
        return cursor

    async def acked(self, _peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note it with the next commit; lost in a crash, the cloud's next hello says it again."""
        assert rep == self.rep, "acks of others were refused before"
        if self.held.get(stream) != boundary.last:
            self._db.write_soon(
                lambda tx: note_acked(tx, self._replica, stream, boundary, peer=PEER),
                then=lambda _: self._hold(stream, boundary.last),
            )

    def held_by(self, peer: str) -> dict[str, int]:
        """How far a peer that asks by HTTP holds the streams: the store's own cloud, or a reader beside it."""
        return self.held if peer == PEER else acked(self._db.read, self._replica, peer=peer)

    async def acked_by(self, peer: str, stream: str, boundary: Boundary) -> None:
        """Note an ack by HTTP; it never goes back. What a reader beside the cloud holds makes nothing safe."""
        if boundary.last <= self.held_by(peer).get(stream, 0):
            return
        if peer == PEER:
            await self.acked("", self.rep, stream, boundary)
        else:
            await self._db.write(lambda tx: note_acked(tx, self._replica, stream, boundary, peer=peer))

    def _hold(self, stream: str, last: int) -> None:
        self._sent = {key: digest for key, digest in self._sent.items() if key[0] != stream or key[1] > last}
        if stream == Stream.SALES:
            trail.info("sales are safe", extra={"after": self.held.get(stream, 0), "upto": last})
        self.held[stream] = last
        self.on_acked()


def _apply(tx: Connection, batch: Batch, *, currency: str, now_ms: int) -> tuple[Boundary | Gap, TakenRows]:
    owner = replica_id(tx, batch.rep, now_ms=now_ms)
    cursor = received_to(tx, owner, batch.stream)
    rows = new_rows(cursor, batch)
    if isinstance(rows, Gap):
        return rows, TakenRows(0, 0)
    if not rows:
        return cursor, TakenRows(0, 0)
    if batch.stream == Stream.CATALOGUE:
        taken = take_registers(tx, owner, list(rows), currency=currency)
    else:
        taken = TakenRows(0, 0)
        check_room(tx, owner, batch.stream)
        keep_unknown(tx, owner, batch.stream, rows)
    receive_to(tx, owner, batch.stream, batch.end)
    return batch.end, taken


class Replication:
    """What the rest of the hub sees of it: how the line is, what waits, what is safe."""

    def __init__(
        self,
        db: Database,
        replica: Replica,
        *,
        mode: Literal["alone", "realtime", "pull"],
        currency: str,
        now_ms: Callable[[], int],
        announce: Callable[[SyncView], None],
        on_catalogue: Callable[[int], None],
    ) -> None:
        self.mode = mode
        self.books = HubBooks(db, replica, currency=currency, now_ms=now_ms)
        self.link = LinkState(since_ms=now_ms())
        self._db = db
        self._replica = replica
        self._now_ms = now_ms
        self._announce = announce
        self._asked_ms: int | None = None
        self._news = asyncio.Event()
        self.books.on_acked = self._news.set
        self.books.on_catalogue = on_catalogue

    def view(self) -> SyncView:
        """Return how this hub stands to the cloud now."""
        waiting = waiting_rows(self._db.read, self._replica, self.books.held) if self.mode != "alone" else {}
        link = self.link if self.mode != "pull" else self._pulled()
        return SyncView(
            mode=self.mode,
            up=link.is_up,
            since=utc(link.since_ms),
            reason="" if self.mode == "alone" else link.reason,
            detail=link.detail,
            remedy="" if link.is_up else REMEDIES.get(link.reason, ""),
            peer=link.peer_rep,
            clock_offset_ms=link.clock_offset_ms,
            rows_waiting=sum(waiting.values()),
            waiting=waiting,
            oldest=oldest_waiting(self._db.read, self._replica, self.books.held) if waiting else None,
            safe=self.safe,
        )

    def peer_of(self, client_id: str) -> str:
        """Under which name a client's acks are kept: in pull mode whoever may ask is the store's cloud."""
        return PEER if self.mode == "pull" else client_id

    def asked(self) -> None:
        """A cloud has asked for rows."""
        self._asked_ms = self._now_ms()

    def _pulled(self) -> LinkState:
        """How the line is when the cloud dials: up while it asks."""
        since_ms = self.link.since_ms if self._asked_ms is None else self._asked_ms
        if self._now_ms() - since_ms > ASKED_WITHIN_MS:
            return LinkState(False, "not_asked", "", since_ms)
        return LinkState(self._asked_ms is not None, "" if self._asked_ms is not None else "starting", "", since_ms)

    @property
    def safe(self) -> SafeView:
        """How far the sales are safe."""
        return SafeView(self._replica.rep, self.books.held.get(Stream.SALES, 0))

    @property
    def copies(self) -> str:
        """Where what was sold is: `one copy`, or how many sales are not on a second machine yet."""
        if self.mode == "alone":
            return "one copy"
        behind = self.books.behind(Stream.SALES)
        return f"two copies, {behind} sales on this machine only" if behind else "two copies"

    def is_safe(self, rep: str, seq: int) -> bool:
        """Whether a sale's dot is on a second machine."""
        return rep == self._replica.rep and seq <= self.safe.upto

    def on_link(self, state: LinkState) -> None:
        """Take a new state of the line and tell everybody."""
        self.link = state
        if state.is_up and abs(state.clock_offset_ms or 0) > CLOCK_OFF_MS:
            log.warning(
                "this clock and the cloud's differ; set the time (timedatectl), sales are kept as they were stamped",
                extra={"offset_ms": state.clock_offset_ms},
            )
        self._news.set()

    async def run(self) -> None:
        """Fold levels and announce news until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fold_levels(), name="stock levels")
            group.create_task(self._tell(), name="sync events")

    async def fold_now(self) -> None:
        """Fold all facts there are."""
        while facts_to_fold(self._db.read, self._replica):
            await self._db.write(lambda tx: fold(tx, self._replica))

    async def _fold_levels(self) -> None:
        while True:
            await asyncio.sleep(FOLD_EVERY_S)
            if self._is_draining():
                continue
            try:
                await self.fold_now()
            except SyncError as err:  # a full disk, a writer with too much to do: the levels can wait
                log.debug("levels were not folded", extra={"error": str(err)})

    def _is_draining(self) -> bool:
        """While sales drain their levels can wait: they are folded once for all of them."""
        return self.link.is_up and self.books.behind(Stream.SALES) > FOLD_BEHIND_MAX

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._announce(self.view())
            await asyncio.sleep(ANNOUNCE_EVERY_S)
