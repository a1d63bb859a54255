"""From the print ledger to a printer: hands a driver its oldest queued job and writes down what became of it.

    ledger         here                                next
    queued         -                                   next_job -> the driver holds it; begin -> printing, in hand
    -              promised: a printer that works      hand_over -> printing already, ahead; release -> as before
    printing       ahead, no byte sent                 begin -> in hand; put_back, or trouble with the one before -> queued
    printing       in hand                             printed, unknown; a driver that was cut off -> unknown
    printing       on paper                            told at once; printed with the next commit, see PRINTED_WITHIN_S

Receipts that follow one another are begun several at a time: one commit for all of them, none of their own for those that come
while the printer works. A power cut makes all that were begun `unknown`, so there are AHEAD_MIN, or as many as this printer has
shown to print in AHEAD_S, AHEAD_MAX at most.

A drawer that is opened without a receipt goes the same way but is no ledger entry: it is now or never.
"""

import asyncio
from collections.abc import Callable, Iterable
from sqlite3 import Connection
from typing import NamedTuple

from msgspec.structs import replace

from devices.document import Document
from devices.driver import PrintJob
from devices.errors import JobTakenError
from hub.printing.jobs import DrawerJob, LedgerJob, writing
from hub.store.selling import printing
from hub.store.selling.printing import OpenJob, PrintJobView
from hub.store.selling.sold import Sold, sold
from sync.db import Database
from sync.errors import BusyError
from sync.model import Replica
from sync.retail.prints import Ended

DRAWER_TIMEOUT_S = 3.0  # a drawer that opens later than this opens when nobody expects it
PRINTED_WITHIN_S = 30.0  # `printed` rides with the next sale's commit: alone it costs the card half a sale's blocks
AHEAD_MIN, AHEAD_MAX = 4, 32  # jobs begun before their turn; when so many are, a receipt is queued and begun later
AHEAD_S = 0.1  # what is begun comes out within this, or is not more than AHEAD_MIN
PACE = 1 / 8  # what a receipt says of how long the next one takes

Render = Callable[[OpenJob, Sold | None], Document]  # the sale where it is at hand, else as it stands in the books
Announce = Callable[[PrintJobView], None]


class _AtHand(NamedTuple):
    """What a job prints, known without a read; `sold` is what a receipt says."""

    job: OpenJob
    sold: Sold | None = None


class _Begun(NamedTuple):
    """A job as it was begun, and what it prints."""

    told: PrintJobView
    prints: _AtHand


class _Started(NamedTuple):
    """Jobs that one commit began, and the one that is queued behind them."""

    begun: list[_Begun]
    queued: _AtHand | None


class Spooler:
    """The job source of one printer."""

    def __init__(
        self,
        db: Database,
        replica: Callable[[], Replica],
        printer_id: str,
        *,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        render: Render,
        announce: Announce,
    ) -> None:
        self._db = db
        self._replica = replica
        self.printer_id = printer_id
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._begun_s = 0.0
        self._takes_s = AHEAD_S  # from a receipt's begin to its proof, smoothed
        self._render = render
        self._announce = announce
        self._poked = asyncio.Event()
        self._drawer: DrawerJob | None = None
        self._in_hand: str | None = None
        self._begun: PrintJobView | None = None  # what is in hand, once it has begun
        self._printed: dict[str, PrintJobView] = {}  # on paper, not yet in the ledger
        self._is_writing = False  # what is on paper, soon or now
        self._ahead: dict[str, _Begun] = {}  # in their order
        self._queued: _AtHand | None = None  # behind what was begun last; another printer may have it meanwhile
        self._promised = 0
        self._is_attended = False
        self._has_queue = True
        self.on_change: Callable[[], None] = _nobody

    @property
    def is_attended(self) -> bool:
        """Whether a driver prints or waits for something to print."""
        return self._is_attended

    @property
    def ahead_max(self) -> int:
        """How many jobs may be begun before their turn: what this printer prints in AHEAD_S."""
        return max(AHEAD_MIN, min(AHEAD_MAX, int(AHEAD_S / max(self._takes_s, AHEAD_S / AHEAD_MAX))))

    def standing(self, job: PrintJobView) -> PrintJobView:
        """Return a job of the ledger as it is: what is on paper is printed before the ledger says so."""
        return self._printed.get(job.job_id, job)

    def poke(self) -> None:
        """Say that the ledger may have a job for this printer."""
        self._has_queue = True
        self._poked.set()
        self.on_change()

    def give_way(self) -> None:
        """Another printer is to print what this one has not begun to print: what was begun in advance is queued again."""
        self._leave()

    def reserve(self) -> bool:
        """Promise a place behind what is begun to a sale that is being written; True obliges to hand_over or release.

        Only of a printer that works or waits, and before which nothing is queued.
        """
        is_free = self._is_attended and not self._has_queue and len(self._ahead) + self._promised < self.ahead_max
        self._promised += is_free
        return is_free

    def hand_over(self, job: PrintJobView, sold: Sold | None = None) -> None:
        """The promised job is in the ledger, begun: it is the printer's next, or is queued when nobody is there any more."""
        self._promised -= 1
        if self._is_attended:
            prints = _AtHand(OpenJob(job.job_id, job.mark, job.sale_id, None, job.created_ms), sold)
            self._ahead[job.job_id] = _Begun(job, prints)
            self._announce(job)
        else:
            self._queue_again([job.job_id])
        self._poked.set()

    def release(self) -> None:
        """The promised job did not come."""
        self._promised -= 1
        self._poked.set()

    async def next_job(self) -> PrintJob:
        """Wait for the next thing to print; a drawer pulse overtakes receipts.

        A driver that asks has nothing in hand: what it had begun and not ended was cut off with the driver.
        """
        if self._in_hand is not None:
            with writing("how the last document ended"):
                await self._settle(self._in_hand)
        while (job := self.waiting_job()) is None:
            self._poked.clear()
            try:
                await self._poked.wait()
            except asyncio.CancelledError:
                self._leave()
                raise
        return job

    def waiting_job(self) -> PrintJob | None:
        """Return what next_job would return at once, None where it has to wait or to settle what was cut off."""
        if self._in_hand is not None:
            return None
        if not self._is_attended:
            self._is_attended = True
            self.on_change()
        if self._drawer is not None:
            job, self._drawer = self._drawer, None
            return job
        if self._ahead:
            return self._ledger_job(next(iter(self._ahead.values())).prints)
        if self._promised:
            return None  # what comes is older than whatever was queued since
        at_hand, self._queued = self._queued, None
        return self._ledger_job(at_hand) if at_hand else self._read_next()

    def _read_next(self) -> LedgerJob | None:
        queued = printing.next_job(self._db.read, self.printer_id)
        self._has_queue = queued is not None
        return self._ledger_job(_AtHand(queued)) if queued else None

    def _ledger_job(self, prints: _AtHand) -> LedgerJob:
        return LedgerJob(self, prints.job.job_id, self._render(*prints))

    async def open_drawer(self) -> None:
        """Kick the drawer now; raise BusyError when the printer does not take the pulse within DRAWER_TIMEOUT_S.

        Whoever asks while a pulse waits shares it: one drawer opens once.
        """
        job = self._drawer = self._drawer or DrawerJob()
        self._poked.set()
        try:
            async with asyncio.timeout(DRAWER_TIMEOUT_S):
                await job.done.wait()
        except TimeoutError as err:
            raise BusyError("drawer_not_opened", f"{self.printer_id} did not answer in {DRAWER_TIMEOUT_S} s") from err
        finally:
            if self._drawer is job:
                self._drawer = None
        if not job.is_open:
            raise BusyError("drawer_not_opened", f"{self.printer_id} did not confirm the pulse")

    async def begin(self, job_id: str) -> None:
        """Make durable that a job's bytes may be at the printer; those behind it in the queue are begun with it."""
        self._in_hand = job_id
        if job_id in self._ahead:
            self._begun = self._ahead.pop(job_id).told
        else:
            started = await self._db.write(self._begin(job_id), then=self._have_begun, is_brief=True)
            if not started.begun:
                self._in_hand = None
                raise JobTakenError(f"print job {job_id} is not {self.printer_id}'s any more")
        self._begun_s = self._monotonic_s()

    async def put_back(self, job_id: str) -> None:
        """Queue a job again that was begun in advance, and those behind it."""
        if job_id in self._ahead:
            del self._ahead[job_id]
            await self._db.write(self._put_back(job_id), then=self._announce_and_poke)
        self._leave()

    async def end(self, job_id: str, state: Ended, reason: str) -> None:
        """Make durable how a job ended; when it is not known how, the printer is away and those behind it are queued again."""
        self._ahead.pop(job_id, None)
        if state == "unknown":
            self._leave()
        await self._db.write(self._end(job_id, state, reason), then=self._announce)
        self._in_hand = None

    def printed(self, job_id: str) -> None:
        """Say that a job is on paper and write it with the next group: a crash before that makes it `unknown`, never printed
        twice.
        """
        assert self._begun is not None and self._begun.job_id == job_id, "a driver begins what it prints"
        job = replace(self._begun, state="printed", reason="", changed_ms=self._now_ms())

        self._printed[job_id] = job
        self._takes_s += (self._monotonic_s() - self._begun_s - self._takes_s) * PACE
        self._in_hand = self._begun = None
        self._write_printed()
        self._announce(job)

    def _write_printed(self) -> None:
        """Have what is on paper written with the next group, all of it by one job."""
        if not self._printed or self._is_writing:
            return
        self._is_writing = True
        written: list[PrintJobView] = []

        def job(tx: Connection) -> None:
            written[:] = self._printed.values()
            printing.end_printed(tx, self._replica(), written)

        def forget(_: object = None) -> None:
            for each in written:
                self._printed.pop(each.job_id, None)
            self._is_writing = False
            self._write_printed()

        self._db.write_soon(job, then=forget, otherwise=forget, within_s=PRINTED_WITHIN_S, is_brief=True)

    def _leave(self) -> None:
        """Nobody prints until next_job is asked again: nothing stays begun in advance."""
        self._is_attended, self._queued = False, None
        self._queue_again(self._ahead)
        self._ahead.clear()

    def _queue_again(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            self._db.write_soon(self._put_back(job_id), then=self._announce_and_poke, is_brief=True)

    def _put_back(self, job_id: str) -> Callable[[Connection], PrintJobView]:
        now_ms = self._now_ms()
        return lambda tx: printing.put_back(tx, job_id, now_ms=now_ms)

    def _begin(self, job_id: str) -> Callable[[Connection], _Started]:
        """What those behind it print is read in the same job: after each commit a read on the loop begins with empty pages."""
        now_ms, ahead = self._now_ms(), self.ahead_max

        def job(tx: Connection) -> _Started:
            begun = printing.begin(tx, job_id, printer_id=self.printer_id, ahead=ahead, now_ms=now_ms)
            queued = printing.next_job(tx, self.printer_id) if begun else None
            behind = [each.job for each in begun[1:]] + ([queued] if queued else [])
            at_hand = dict(
                zip(sales := [each.sale_id for each in behind if each.sale_id], sold(tx, *sales), strict=True)
            )
            return _Started(
                [_Begun(view, _AtHand(job, at_hand.get(job.sale_id or ""))) for view, job in begun],
                _AtHand(queued, at_hand.get(queued.sale_id or "")) if queued else None,
            )

        return job

    def _have_begun(self, started: _Started) -> None:
        jobs, self._queued = started
        self._has_queue = self._queued is not None
        self._begun = jobs[0].told if jobs else None
        self._ahead |= {begun.told.job_id: begun for begun in jobs[1:]}
        for begun in jobs:
            self._announce(begun.told)

    def _announce_and_poke(self, job: PrintJobView) -> None:
        self._announce(job)
        self.poke()

    async def _settle(self, job_id: str) -> None:
        """Behind whatever is still being written of it: a job that did begin is unknown, one whose begin failed is queued."""
        now_ms = self._now_ms()
        interrupted = await self._db.write(
            lambda tx: printing.interrupt(tx, self._replica(), job_id, printer_id=self.printer_id, now_ms=now_ms)
        )
        self._in_hand = None
        if interrupted is not None:
            self._announce(interrupted)

    def _end(self, job_id: str, state: Ended, reason: str) -> Callable[[Connection], PrintJobView]:
        now_ms = self._now_ms()
        return lambda tx: printing.end(tx, self._replica(), job_id, state, reason=reason, now_ms=now_ms)


def _nobody() -> None:
    """Nobody stands in for this printer."""
