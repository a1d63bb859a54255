"""What time it is in this shop, how sure that is, and who said so. The state is sync.clock's; here is who may set it, and when.

    said by    when                                                             trust
    machine    the kernel is synchronous (NTP); at start also [clock] rtc       contact, at the machine's own word
    cloud      each hello of a line, each hello of a cloud that pulls           contact; not heard while the kernel is synchronous
    manager    POST /v1/clock/confirm                                           confirmed
    tills      the median of what they show, only while unsure, only forwards   unsure
    saved      start: max(saved, last commit); the very first time the machine  unsure

A restart of the program alone changes nothing: the machine's uptime says how long it took. A step of the wall clock is no time
passed, and unsure. What was stamped is never stamped again. `now_ms` never goes back, save where a contact or a person says that
it was ahead by more than STEP_MAX_MS: else one wrong year would be on every sale until it comes. Called on the loop only.
Not here: the machine (hub.machine_clock), the row (hub.store.replica.clock). Reference: docs/clock.md; the design, 3.2.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hub.machine_clock import MachineClock
from hub.store.model import utc
from hub.store.replica.clock import SavedClock, Stamped, save_clock
from sync.batch import Batch
from sync.clock import STEP_MAX_MS, TIME_MAX_MS, TIME_MIN_MS, Clock, Contact, Stamp, Trust
from sync.db import Database
from sync.errors import RuleError, SyncError
from sync.retail.selling.sales import Warned
from sync.scope_rows import base_of, plain_rows
from sync.stamps import is_stamped, stamped_cells

TICK_S = 60.0  # well within STEP_MAX_MS: a clock that is not read takes silence for a step
SAVE_EVERY_MS = (
    10 * 60_000
)  # a commit of its own; sales carry their time themselves, and are looked at when the hub starts
ROUND_TRIP_MS = 2_000  # of a hello, where only the offset is known: a slow line
TILLS_MAX = 64  # clocks that are remembered; the one that was heard longest ago goes
NAMED_MAX = 100  # writers from the far future that were named; beyond it nobody is named any more
UNSURE = "clock_unsure"
SURE = "clock_sure"

log = logging.getLogger(__name__)
Source = Literal["machine", "cloud", "manager", "tills", "saved"]


class TillClock(Struct, frozen=True):
    """A till's clock against this hub's, at the time of asking; `heard` is when it last said so."""

    till_id: str
    ahead_ms: int
    heard: datetime


class ClockView(Struct, frozen=True):
    """The hub's clock. `offset_ms` is what has to be added to the machine's own; `since` is when this began to be so."""

    now: datetime
    sure: bool
    source: Source
    offset_ms: int
    since: datetime
    tills: list[TillClock]


class _Heard(NamedTuple):
    shown_ms: int
    wall_ms: int


class HubClock:
    """The clock of a running hub."""

    def __init__(self, clock: Clock, machine: MachineClock, *, source: Source, since_ms: int) -> None:
        self._clock = clock
        self._machine = machine
        self._source: Source = source
        self._since_ms = since_ms
        self._floor_ms = clock.time_ms
        self._saved_ms = 0
        self._tills: OrderedDict[str, _Heard] = OrderedDict()
        self._named: set[str] = set()
        self._refused_ms: int | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.on_set: Callable[[], None] = lambda: None

    def now_ms(self) -> int:
        """Return the time for what is written down: it never goes back by itself."""
        self._floor_ms = max(self._floor_ms, self._read().time_ms)
        return self._floor_ms

    def corrected_ms(self) -> int:
        """Return the best estimate of the time; it follows a small correction back at once."""
        return self._read().time_ms

    @property
    def is_sure(self) -> bool:
        """Whether windows are read sharply."""
        return self._read().is_sure

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What is noted on a sale or return that is committed now."""
        return () if self.is_sure else (Warned(UNSURE),)

    @property
    def offset_ms(self) -> int:
        """What has to be added to the machine's clock."""
        read = self._read()
        return read.time_ms - read.wall_ms

    @property
    def view(self) -> ClockView:
        """Return how it stands."""
        read = self._read()
        tills = [
            TillClock(till_id, self._shown_now(heard) - read.time_ms, utc(read.time_ms - read.wall_ms + heard.wall_ms))
            for till_id, heard in sorted(self._tills.items())
        ]
        return ClockView(
            utc(self.now_ms()), read.is_sure, self._source, self.offset_ms, utc(self._since_ms), tills=tills
        )

    def tick(self) -> None:
        """Read it, and ask the kernel."""
        self._read()
        if self._machine.is_synchronous():
            self._contact(Contact(0, 0), "machine")

    def cloud_said(self, offset_ms: int) -> int:
        """Hear how far the cloud's clock is ahead of `corrected_ms`; return how far it is ahead of the machine's."""
        from_machine_ms = self.offset_ms + offset_ms
        if not self._machine.is_synchronous():
            self._contact(Contact(from_machine_ms, ROUND_TRIP_MS), "cloud")
        return from_machine_ms

    def confirm(self, time_ms: int | None) -> None:
        """Take a person's word, or their yes to the time that is shown; RuleError (clock_range). A contact stays in force."""
        read = self._read()
        if read.trust is Trust.CONTACT:
            return
        self._set(read.confirm(read.time_ms if time_ms is None else time_ms, read.wall_ms), "manager")

    def till_shows(self, till_id: str, shown_ms: int) -> None:
        """Hear what a till's clock shows now; it counts while this one is unsure."""
        read = self._read()
        self._tills[till_id] = _Heard(shown_ms, read.wall_ms)
        self._tills.move_to_end(till_id)
        if len(self._tills) > TILLS_MAX:
            self._tills.popitem(last=False)
        after = read.with_tills(map(self._shown_now, self._tills.values()), read.wall_ms)
        if after.time_ms > read.time_ms:
            self._set(after, "tills")

    def stamp(self) -> Stamped:
        """Take a stamp for cells of a shared register; its job saves the clock with what it writes (write_stamped)."""
        self._clock, stamp = self._read().now(self._clock.wall_ms)
        return Stamped(stamp, self.saved())

    def take(self, batch: Batch) -> SavedClock | None:
        """See the stamps of a peer's rows; return what is to be saved with them. One from the far future is named, not taken."""
        stream = base_of(batch.stream)
        if not is_stamped(stream):
            return None
        self._read()
        for each in stamped_cells(stream, plain_rows(batch.stream, batch.rows)):
            self._clock, is_taken = self._clock.receive(each.stamp, self._clock.wall_ms)
            if not is_taken:
                self._name(each.stamp, batch.rep)
        return self.saved()

    def become(self, rep: str) -> None:
        """Stamp as another life; what was counted is kept."""
        self._clock = replace(self._clock, rep=rep)

    def saved(self) -> SavedClock:
        """Return what is to be kept for the next start."""
        self._saved_ms = self._clock.time_ms
        machine = self._machine
        return SavedClock(self._read(), self._source, self._since_ms, machine.boot, machine.uptime_ms())

    async def run(self, db: Database) -> None:
        """Read it every TICK_S and save it every SAVE_EVERY_MS, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()
            if self._clock.time_ms - self._saved_ms >= SAVE_EVERY_MS:
                await self.save(db)

    async def save(self, db: Database) -> None:
        """Save it; a disk that refuses is named by those whose sales it refuses."""
        saved = self.saved()
        with suppress(SyncError):
            await db.write(lambda tx: save_clock(tx, saved))

    def _read(self) -> Clock:
        wall_ms, before = self._machine.wall_ms(), self._clock
        if wall_ms == before.wall_ms:
            return before  # a request asks several times within a millisecond
        self._clock = before.at(wall_ms)
        stepped_ms = wall_ms - before.wall_ms
        if abs(stepped_ms) > STEP_MAX_MS:
            self._tills = OrderedDict(
                (till_id, _Heard(heard.shown_ms, heard.wall_ms + stepped_ms)) for till_id, heard in self._tills.items()
            )
            self._stepped(before, stepped_ms)
        return self._clock

    def _stepped(self, before: Clock, stepped_ms: int) -> None:
        if self._machine.is_synchronous() and self._contact(Contact(0, 0), "machine"):
            return
        if before.is_sure:
            self._since_ms = self._clock.time_ms
            self._source = "saved"
            log.warning(
                "the machine's clock was set: unsure of the time until the next contact", extra={"by_ms": stepped_ms}
            )
            self.on_change()
        self.on_set()

    def _contact(self, contact: Contact, source: Source) -> bool:
        wall_ms = self._clock.wall_ms
        try:
            after = self._clock.contact(contact, wall_ms)
        except RuleError as err:
            if self._refused_ms != contact.offset_ms // STEP_MAX_MS:
                self._refused_ms = contact.offset_ms // STEP_MAX_MS
                log.warning(
                    "a clock that was never set tells the time; it is not heard",
                    extra={"source": source, "why": str(err)},
                )
            return False
        self._set(after, source)
        return True

    def _set(self, after: Clock, source: Source) -> None:
        before, self._clock = self._clock, after
        moved_ms = after.time_ms - before.time_ms
        if (source, after.is_sure) != (self._source, before.is_sure):
            self._since_ms = after.time_ms
        self._source = source
        if after.time_ms < self._floor_ms - STEP_MAX_MS:
            log.warning(
                "the time was ahead and is set back; sales in between stay as they were stamped",
                extra={"by_ms": self._floor_ms - after.time_ms, "source": source},
            )
            self._floor_ms = after.time_ms
        if after.is_sure is not before.is_sure:
            log.info("sure of the time", extra={"source": source, "offset_ms": after.time_ms - after.wall_ms})
            self.on_change()
        if after.is_sure is not before.is_sure or abs(moved_ms) > STEP_MAX_MS:
            self.on_set()

    def _shown_now(self, heard: _Heard) -> int:
        return heard.shown_ms + self._clock.wall_ms - heard.wall_ms

    def _name(self, stamp: Stamp, peer_rep: str) -> None:
        if stamp.rep in self._named or len(self._named) >= NAMED_MAX:
            return
        self._named.add(stamp.rep)
        log.warning(
            "a writer's stamps are from the far future: its clock is wrong; this hub's is not moved by them",
            extra={"writer": stamp.rep, "peer": peer_rep, "ahead_ms": stamp.physical_ms - self._clock.time_ms},
        )


def start_clock(machine: MachineClock, saved: SavedClock | None, *, rep: str, last_commit_ms: int) -> HubClock:
    """Return the clock of a hub that starts."""
    wall_ms = machine.wall_ms()
    if saved is not None and machine.boot and machine.boot == saved.boot and machine.uptime_ms() >= saved.uptime_ms:
        went_on_ms = saved.clock.time_ms + machine.uptime_ms() - saved.uptime_ms
        same = replace(saved.clock, rep=rep, wall_ms=wall_ms, time_ms=max(went_on_ms, last_commit_ms)).at(wall_ms)
        hub_clock = HubClock(same, machine, source=_source(saved.source), since_ms=saved.since_ms)
    else:
        told_ms = max(last_commit_ms, _in_years(wall_ms)) if saved is None else last_commit_ms
        before = Clock(rep=rep) if saved is None else replace(saved.clock, rep=rep)
        booted = before.booted(wall_ms, last_commit_ms=told_ms)
        hub_clock = HubClock(booted, machine, source="saved", since_ms=booted.time_ms)
        if machine.has_rtc and wall_ms > booted.time_ms - STEP_MAX_MS:  # else its battery is empty
            hub_clock._contact(Contact(0, 0), "machine")
    hub_clock.tick()
    if not hub_clock.is_sure:
        log.warning(
            "nobody has told the time since the machine started: sales are marked until the cloud, NTP or a manager does",
            extra={"now": utc(hub_clock.now_ms()).isoformat()},
        )
    return hub_clock


def _in_years(wall_ms: int) -> int:
    return wall_ms if TIME_MIN_MS <= wall_ms < TIME_MAX_MS else 0


def _source(text: str) -> Source:
    known: dict[str, Source] = {"machine": "machine", "cloud": "cloud", "manager": "manager", "tills": "tills"}
    return known.get(text, "saved")
