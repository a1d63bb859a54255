"""From the print ledger to a printer: hands a driver its oldest queued job and writes down what became of it.

A drawer that is opened without a receipt goes the same way but is no ledger entry: it is now or never.
"""

import asyncio
from collections.abc import Callable
from sqlite3 import Connection

from devices.document import Document, DrawerPulse
from devices.driver import PrintJob
from hub.db import Database
from hub.errors import BusyError
from hub.store import printing
from hub.store.printing import OpenJob, PrintJobView, State

DRAWER_TIMEOUT_S = 3.0  # a drawer that opens later than this opens when nobody expects it

Render = Callable[[OpenJob], Document]
Announce = Callable[[PrintJobView], None]


class LedgerJob:
    """A job of the ledger in the hands of a driver."""

    def __init__(self, spooler: "Spooler", job_id: str, document: Document) -> None:
        self._spooler = spooler
        self.job_id = job_id
        self.document = document

    async def begin(self) -> None:
        """Make durable that bytes may reach the paper from now on."""
        await self._spooler.begin(self.job_id)

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
        self, db: Database, printer_id: str, *, now_ms: Callable[[], int], render: Render, announce: Announce
    ) -> None:
        self._db = db
        self.printer_id = printer_id
        self._now_ms = now_ms
        self._render = render
        self._announce = announce
        self._poked = asyncio.Event()
        self._drawer: DrawerJob | None = None
        self._in_hand: str | None = None

    def poke(self) -> None:
        """Say that the ledger may have a job for this printer."""
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
            open_job = printing.next_job(self._db.read, self.printer_id)
            if open_job is not None:
                return LedgerJob(self, open_job.job_id, self._render(open_job))
            await self._poked.wait()

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
        self._in_hand = job_id
        await self._db.write(self._change(job_id, "printing", ""), then=self._announce)

    async def end(self, job_id: str, state: State, reason: str) -> None:
        """Make durable how a job ended."""
        await self._db.write(self._change(job_id, state, reason), then=self._announce)
        self._in_hand = None

    def printed(self, job_id: str) -> None:
        """Write with the next group that a job is on paper: a crash before that makes it `unknown`, never printed twice."""
        self._db.write_soon(self._change(job_id, "printed", ""), then=self._announce)
        self._in_hand = None

    async def _settle(self, job_id: str) -> None:
        """Behind whatever is still being written of it: a job that did begin is unknown, one whose begin failed is queued."""
        now_ms = self._now_ms()
        interrupted = await self._db.write(lambda tx: printing.interrupt(tx, job_id, now_ms=now_ms))
        self._in_hand = None
        if interrupted is not None:
            self._announce(interrupted)

    def _change(self, job_id: str, state: State, reason: str) -> Callable[[Connection], PrintJobView]:
        now_ms = self._now_ms()
        return lambda tx: printing.change_state(tx, job_id, state, reason=reason, now_ms=now_ms)
