"""From the print ledger to a printer: hands a driver its oldest queued job and writes down what became of it.

    ledger         here                                next
    queued         -                                   next_job -> the driver holds it; begin -> printing, in hand
    -              promised: a printer that waits      hand_over -> printing already, handed; release -> as before
    printing       handed, no byte sent                begin -> in hand; put_back -> queued
    printing       in hand                             printed, unknown; a driver that was cut off -> unknown

A drawer that is opened without a receipt goes the same way but is no ledger entry: it is now or never.
"""

import asyncio
from collections.abc import Callable
from sqlite3 import Connection

from devices.document import Document, DrawerPulse
from devices.driver import PrintJob
from devices.errors import WireError
from hub.store import printing
from hub.store.printing import OpenJob, PrintJobView
from sync.db import Database
from sync.errors import BusyError, SyncError
from sync.model import Replica
from sync.retail.prints import Ended

DRAWER_TIMEOUT_S = 3.0  # a drawer that opens later than this opens when nobody expects it

Render = Callable[[OpenJob], Document]
Announce = Callable[[PrintJobView], None]


class LedgerError(WireError):
    """Not the printer's fault: the job stays queued, the driver comes back to it."""

    reason = "hub_cannot_write"


class LedgerJob:
    """A job of the ledger in the hands of a driver."""

    def __init__(self, spooler: "Spooler", job_id: str, document: Document) -> None:
        self._spooler = spooler
        self.job_id = job_id
        self.document = document

    async def begin(self) -> None:
        """Make durable that bytes may reach the paper from now on; raise LedgerError when the hub cannot write."""
        try:
            await self._spooler.begin(self.job_id)
        except SyncError as err:
            raise LedgerError(f"the hub could not write down that it prints: {err}") from err

    async def put_back(self) -> None:
        """No byte was sent and none will be now."""
        await self._spooler.put_back(self.job_id)

    async def printed(self) -> None:
        """The printer confirmed the document."""
        self._spooler.printed(self.job_id)

    async def failed(self, reason: str) -> None:
        """Surely nothing came out."""
        await self._spooler.end(self.job_id, "failed", reason)

    async def unknown(self, reason: str) -> None:
        """Some of it may have come out."""
        await self._spooler.end(self.job_id, "unknown", reason)


class DrawerJob:
    """A drawer pulse somebody is waiting for."""

    job_id = "drawer"

    def __init__(self) -> None:
        self.document = Document((DrawerPulse(),))
        self.done = asyncio.Event()
        self.is_open = False

    async def begin(self) -> None:
        """Nothing to make durable: a pulse is never repeated."""

    async def put_back(self) -> None:
        """A printer that is off line opens no drawer."""
        self.done.set()

    async def printed(self) -> None:
        """The printer took the pulse."""
        self.is_open = True
        self.done.set()

    async def failed(self, _reason: str) -> None:
        """The pulse did not go out."""
        self.done.set()

    async def unknown(self, _reason: str) -> None:
        """The pulse may have gone out."""
        self.done.set()


class Spooler:
    """The job source of one printer."""

    def __init__(
        self,
        db: Database,
        replica: Callable[[], Replica],
        printer_id: str,
        *,
        now_ms: Callable[[], int],
        render: Render,
        announce: Announce,
    ) -> None:
        self._db = db
        self._replica = replica
        self.printer_id = printer_id
        self._now_ms = now_ms
        self._render = render
        self._announce = announce
        self._poked = asyncio.Event()
        self._drawer: DrawerJob | None = None
        self._in_hand: str | None = None
        self._handed: str | None = None
        self._is_waiting = False
        self._is_promised = False

    def poke(self) -> None:
        """Say that the ledger may have a job for this printer."""
        self._poked.set()

    def reserve(self) -> bool:
        """Promise a waiting printer to one sale that is being written; True obliges to hand_over or release."""
        if not self._is_waiting or self._is_promised or self._handed is not None:
            return False
        self._is_promised = True
        return True

    def hand_over(self, job_id: str) -> None:
        """The promised job is in the ledger, begun: give it to the printer, or queue it when nobody waits any more."""
        self._is_promised = False
        if self._is_waiting:
            self._handed = job_id
            self._announce(printing.job_view(self._db.read, job_id))
        else:
            self._db.write_soon(self._put_back(job_id), then=self._announce_and_poke)
        self._poked.set()

    def release(self) -> None:
        """The promised job did not come."""
        self._is_promised = False
        self._poked.set()

    async def next_job(self) -> PrintJob:
        """Wait for the next thing to print; a drawer pulse overtakes receipts.

        A driver that asks has nothing in hand: what it had begun and not ended was cut off with the driver.
        """
        if self._in_hand is not None:
            await self._settle(self._in_hand)
        while True:
            self._poked.clear()
            if self._drawer is not None:
                job, self._drawer = self._drawer, None
                return job
            open_job = self._open_job()
            if open_job is not None:
                return LedgerJob(self, open_job.job_id, self._render(open_job))
            self._is_waiting = True
            try:
                await self._poked.wait()
            finally:
                self._is_waiting = False

    async def open_drawer(self) -> None:
        """Kick the drawer now; raise BusyError when the printer does not take the pulse within DRAWER_TIMEOUT_S.

        Whoever asks while a pulse waits shares it: one drawer opens once.
        """
        job = self._drawer = self._drawer or DrawerJob()
        self.poke()
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
        """Make durable that a job's bytes may be at the printer."""
        is_begun, self._handed = job_id == self._handed, None
        self._in_hand = job_id
        if not is_begun:
            now_ms = self._now_ms()
            await self._db.write(lambda tx: printing.begin(tx, job_id, now_ms=now_ms), then=self._announce)

    async def put_back(self, job_id: str) -> None:
        """Queue a job again that was handed over and not begun."""
        if job_id == self._handed:
            self._handed = None
            await self._db.write(self._put_back(job_id), then=self._announce)

    async def end(self, job_id: str, state: Ended, reason: str) -> None:
        """Make durable how a job ended."""
        self._handed = None if job_id == self._handed else self._handed
        await self._db.write(self._end(job_id, state, reason), then=self._announce)
        self._in_hand = None

    def printed(self, job_id: str) -> None:
        """Write with the next group that a job is on paper: a crash before that makes it `unknown`, never printed twice."""
        self._db.write_soon(self._end(job_id, "printed", ""), then=self._announce)
        self._in_hand = None

    def _put_back(self, job_id: str) -> Callable[[Connection], PrintJobView]:
        now_ms = self._now_ms()
        return lambda tx: printing.put_back(tx, job_id, now_ms=now_ms)

    def _open_job(self) -> OpenJob | None:
        if self._handed is not None:
            return printing.open_job(self._db.read, self._handed)
        if self._is_promised:
            return None  # it comes first: it is older than whatever was queued since
        return printing.next_job(self._db.read, self.printer_id)

    def _announce_and_poke(self, job: PrintJobView) -> None:
        self._announce(job)
        self.poke()

    async def _settle(self, job_id: str) -> None:
        """Behind whatever is still being written of it: a job that did begin is unknown, one whose begin failed is queued."""
        now_ms = self._now_ms()
        interrupted = await self._db.write(lambda tx: printing.interrupt(tx, self._replica(), job_id, now_ms=now_ms))
        self._in_hand = None
        if interrupted is not None:
            self._announce(interrupted)

    def _end(self, job_id: str, state: Ended, reason: str) -> Callable[[Connection], PrintJobView]:
        now_ms = self._now_ms()
        return lambda tx: printing.end(tx, self._replica(), job_id, state, reason=reason, now_ms=now_ms)
