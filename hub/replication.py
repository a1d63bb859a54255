"""The hub as a replica, as the rest of the hub sees it: how the line is, what waits, what is safe, which life this is.

    a commit        -> grown -> the line sends what is new
    the cloud's ack -> noted with the next commit -> `safe` moves, tills are told
    facts           -> folded into stock levels, behind the selling

Not here: the books (hub.books), what is said on the line (sync.session), SQL (hub.store, sync.store).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.books import HubBooks
from hub.clock import HubClock
from hub.holders import PEER
from hub.medium.view import MediumView
from hub.monitoring.version import installed_version
from hub.standby.line import Standby, StandbyView
from hub.store.exposure import exposure_of
from hub.store.feeds import oldest_waiting, waiting_rows
from hub.store.model import utc
from hub.store.replica.lives import Reborn
from hub.store.stock.levels import fold_all
from sync.batch import Rep, Seq, StreamName
from sync.db import Database
from sync.entities import REGISTRY
from sync.errors import SyncError
from sync.line.state import REMEDIES, LinkState
from sync.model import Replica, Stream
from sync.opening import Gathered
from sync.protocol import Status
from sync.store.facts import key_at
from sync.store.streams import stream_heads

ASKED_WITHIN_MS = 15 * 60_000  # in pull mode a cloud that has not asked for longer is away
FOLD_EVERY_S = 2.0  # levels are for other branches; a fold is a commit, which sales that follow one another share
FOLD_BEHIND_MAX = 1000  # sales that the cloud does not hold yet, on a line that is up: these come first
ANNOUNCE_EVERY_S = 0.5  # between two `sync` events while rows drain
CLOCK_OFF_MS = 60_000  # beyond it somebody should look at the clock; nothing is decided by it

log = logging.getLogger(__name__)


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """The newest fact of a stream that a client was ever answered: its dot, and the id that the client gave it."""

    rep: Rep
    seq: Seq
    key: Annotated[str, Meta(min_length=1, max_length=200)]
    stream: StreamName = "sales"


class SafeView(Struct, frozen=True):
    """Sales of replica `rep` up to seq `upto` are on a second machine too."""

    rep: str
    upto: int


class SyncView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How this hub stands to the cloud. `rows_waiting` counts what the cloud does not hold yet, `oldest` says since when.

    `mode` is `alone` (no cloud: one copy), `realtime` or `scheduled` (the hub dials), or `pull` (the cloud asks). `failures`
    counts those in a row.
    """

    mode: Literal["alone", "realtime", "scheduled", "pull"]
    up: bool
    since: datetime
    reason: str = ""
    detail: str = ""
    remedy: str = ""
    peer: str = ""
    clock_offset_ms: int | None = None
    clock_unsure: bool = False
    rows_waiting: int
    waiting: dict[str, int]
    oldest: datetime | None = None
    every_s: float = 0.0
    next_contact: datetime | None = None
    transport: str = ""
    failures: int = 0
    safe: SafeView
    standby: StandbyView | None = None
    medium: MediumView | None = None


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
        new_incarnation: Callable[[], str],
        announce: Callable[[SyncView], None],
        on_catalogue: Callable[[int], None],
        on_reborn: Callable[[Reborn], None],
        clock: HubClock | None = None,
    ) -> None:
        self.mode = mode
        self.books = HubBooks(db, replica, currency=currency, now_ms=now_ms, new_incarnation=new_incarnation)
        self.books.clock = clock
        self.gathered = Gathered()  # sums that a cloud tells by HTTP, part by part
        self.greeted_as = replica.rep  # whom a cloud that asks takes this hub for: what it sends is for that life
        self.link = LinkState(since_ms=now_ms())
        self._software = installed_version()
        self._currency = currency
        self._clock = clock
        self._offset_ms: int | None = None  # the cloud's clock less the machine's, at the last hello
        self._db = db
        self._now_ms = now_ms
        self._announce = announce
        self._asked_ms: int | None = None
        self._asked_by = ""
        self._news = asyncio.Event()
        self.on_contact: Callable[[str], Awaitable[None]] = _nobody
        self.standby = Standby(self.books, now_ms=now_ms, on_change=self._news.set)
        self.medium: Callable[[], MediumView | None] = lambda: None
        self.books.on_acked = self._news.set
        self.books.on_catalogue = on_catalogue
        self.books.on_reborn = on_reborn

    def status(self) -> Status:
        """Return what the cloud's fleet page is told of this hub."""
        waiting = waiting_rows(self._db.read, self.books.replica, self.books.holders.cloud)
        oldest = oldest_waiting(self._db.read, self.books.replica, self.books.holders.cloud) if waiting else None
        has_second = self.standby.view() is not None or self.medium() is not None
        return Status(
            software=self._software,
            copies=2 if has_second else 1,
            waiting=sum(waiting.values()),
            oldest_ms=int(oldest.timestamp() * 1000) if oldest else 0,
            clock_offset_ms=self._offset_ms,
            clock_unsure=self._clock is not None and not self._clock.is_sure,
            exposure=exposure_of(
                self._db.read, store=self.books.replica.store, currency=self._currency, now_ms=self._now_ms()
            ),
        )

    def view(self) -> SyncView:
        """Return how this hub stands to the cloud now."""
        waiting = (
            waiting_rows(self._db.read, self.books.replica, self.books.holders.cloud) if self.mode != "alone" else {}
        )
        link = self.link if self.mode != "pull" else self._pulled()
        has_dialler = self.mode == "realtime"
        return SyncView(
            mode="scheduled" if has_dialler and link.schedule.is_scheduled else self.mode,
            up=link.is_up,
            since=utc(link.since_ms),
            reason="" if self.mode == "alone" else link.reason,
            detail=link.detail,
            remedy="" if link.is_up else REMEDIES.get(link.reason, ""),
            peer=link.peer_rep,
            clock_offset_ms=link.clock_offset_ms,
            clock_unsure=self._clock is not None and not self._clock.is_sure,
            rows_waiting=sum(waiting.values()),
            waiting=waiting,
            oldest=oldest_waiting(self._db.read, self.books.replica, self.books.holders.cloud) if waiting else None,
            every_s=link.schedule.every_s if has_dialler else 0.0,
            next_contact=None if link.is_up or link.next_contact_ms is None else utc(link.next_contact_ms),
            transport=link.transport if has_dialler else "",
            failures=link.failures,
            safe=self.safe,
            standby=self.standby.view(),
            medium=self.medium(),
        )

    def peer_of(self, client_id: str) -> str:
        """Under which name a client's acks are kept: in pull mode whoever may ask is the store's cloud."""
        return PEER if self.mode == "pull" else client_id

    def told_time(self, client_id: str, cloud_ms: int) -> None:
        """Whoever asks for rows has said what time it is there; only the store's own cloud is heard."""
        if self._clock is not None and self.peer_of(client_id) == PEER:
            self._clock.cloud_said(cloud_ms - self._clock.corrected_ms())

    def asked(self, by: str = "") -> None:
        """A cloud has asked for rows; `by` is who it says it is."""
        self._asked_ms = self._now_ms()
        self._asked_by = by or self._asked_by

    def has_waiting(self, streams: Collection[str]) -> bool:
        """Whether the cloud does not hold yet all that was written to one of these streams."""
        if not streams:
            return False
        books = self.books
        own = [head for head in books.heads() if head.rep == books.rep and head.stream in streams]
        return any(head.last > books.holders.cloud.get(head.stream, 0) for head in own)

    @property
    def contact(self) -> str:
        """The cloud's replica while it is in contact, whoever dials; "" while it is not."""
        if self.mode == "pull":
            return self._asked_by if self._pulled().is_up else ""
        return self.link.peer_rep if self.link.is_up else ""

    @property
    def is_cut_off(self) -> bool:
        """Whether there is a cloud, and no contact with it: what only it may allow cannot be asked now."""
        return self.mode != "alone" and not (self.link if self.mode != "pull" else self._pulled()).is_up

    @property
    def carries_at_once(self) -> bool:
        """Whether the line is up and stays so: a question and its answer go over it while somebody waits."""
        return self.mode == "realtime" and self.link.is_up and not self.link.schedule.is_scheduled

    def _pulled(self) -> LinkState:
        """How the line is when the cloud dials: up while it asks."""
        since_ms = self.link.since_ms if self._asked_ms is None else self._asked_ms
        if self._now_ms() - since_ms > ASKED_WITHIN_MS:
            return LinkState(False, "not_asked", "", since_ms)
        return LinkState(self._asked_ms is not None, "" if self._asked_ms is not None else "starting", "", since_ms)

    @property
    def safe(self) -> SafeView:
        """How far the sales are safe."""
        books = self.books
        return SafeView(
            books.replica.rep,
            max(
                each.get(Stream.SALES, 0) for each in (books.holders.cloud, books.holders.beside, books.holders.medium)
            ),
        )

    @property
    def copies(self) -> str:
        """Where what was sold is: `one copy`, or how many sales are not on a second machine yet."""
        behind = self.sales_here_only
        if behind is None:
            return "one copy"
        return f"two copies, {behind} sales on this machine only" if behind else "two copies"

    @property
    def sales_here_only(self) -> int | None:
        """How many sales are not on a second machine yet; None where there is no second machine."""
        if self.mode == "alone" and self.standby.view() is None and self.medium() is None:
            return None
        return stream_heads(self._db.read, self.books.replica)[Stream.SALES] - self.safe.upto

    async def witness(self, seen: Seen) -> bool:
        """Hear from a client what it was answered last; say whether this hub had to begin a new life.

        A fact of this very life that this database does not have, or has under another dot, was answered before it was restored.
        """
        if seen.rep != self.books.rep or not seen.seq or seen.stream not in REGISTRY.feeds:
            return False
        there = key_at(self._db.read, self.books.replica.local_id, seen.stream, seen.seq)
        if there == seen.key:
            return False
        if there is None and seen.seq <= stream_heads(self._db.read, self.books.replica)[seen.stream]:
            return False  # pruned, or it gave way to another life's
        await self.books.forked(
            f"a client was answered {seen.stream} {seen.seq} of this life, which is not what is here"
        )
        return True

    def is_safe(self, rep: str, seq: int) -> bool:
        """Whether a sale's dot is on a second machine: what is here of another life went to the cloud, or came from it, or is on
        the disk of the store's other hub, that answers."""
        if rep == self.books.rep:
            return seq <= self.safe.upto
        is_up = rep in self.standby.peers_up()
        return seq <= (self.books.received_of if is_up else self.books.held_of)(rep, Stream.SALES)

    def told(self) -> None:
        """Something about the copies has changed: tell everybody."""
        self._news.set()

    def on_link(self, state: LinkState) -> None:
        """Take a new state of the line and tell everybody."""
        if state.clock_offset_ms is not None and self._clock is not None:
            if state.is_up:
                self._offset_ms = self._clock.cloud_said(state.clock_offset_ms)
            state = replace(state, clock_offset_ms=self._offset_ms)
        self.link = state
        if state.is_up and abs(state.clock_offset_ms or 0) > CLOCK_OFF_MS:
            log.warning(
                "this clock and the cloud's differ; set the time (timedatectl), sales are kept as they were stamped",
                extra={"offset_ms": state.clock_offset_ms},
            )
        self._news.set()

    async def run(self) -> None:
        """Fold levels, book sums and announce news until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fold_levels(), name="stock levels")
            group.create_task(self._tell(), name="sync events")

    async def fold_now(self) -> None:
        """Fold all facts there are, book sums that wait; with a line, do what is due at a contact."""
        await self.books.sums.book()
        await fold_all(self._db, self.books.replica)
        if self.contact:
            await self.books.tell_lost(self.contact)
            await self.on_contact(self.contact)

    async def _fold_levels(self) -> None:
        while True:
            await asyncio.sleep(FOLD_EVERY_S)
            if self._is_draining():
                continue
            try:
                await (self.books.sums.book() if self.mode == "alone" else self.fold_now())
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


async def _nobody(_cloud: str) -> None:
    """No rights are shared."""
