"""From the print ledger to a printer: hands a driver its oldest queued job and writes down what became of it.

A drawer that is opened without a receipt goes the same way but is no ledger entry: it is now or never.
"""

import asyncio
from collections.abc import Callable

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
        await self._spooler.change(self.job_id, "printing", "")

    async def printed(self) -> None:
        """The printer confirmed the document."""
        await self._spooler.change(self.job_id, "printed", "")

    async def failed(self, reason: str) -> None:
        """Surely nothing came out."""
        await self._spooler.change(self.job_id, "failed", reason)

    async def unknown(self, reason: str) -> None:
        """Some of it may have come out."""
        await self._spooler.change(self.job_id, "unknown", reason)


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

    def poke(self) -> None:
        """Say that the ledger may have a job for this printer."""
        self._poked.set()

    async def next_job(self) -> PrintJob:
        """Wait for the next thing to print; a drawer pulse overtakes receipts.

        A driver that asks has nothing in hand: what still says `printing` was left behind by a driver that was cancelled.
        """
        for job_id in printing.in_progress(self._db.read, self.printer_id):
            await self.change(job_id, "unknown", "interrupted")
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
        """Kick the drawer now; raise BusyError when the printer does not take the pulse within DRAWER_TIMEOUT_S."""
        job = self._drawer = DrawerJob()
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

    async def change(self, job_id: str, state: State, reason: str) -> None:
        """Write a job's new state and tell the tablets after the commit."""
        now_ms = self._now_ms()
        await self._db.write(
            lambda tx: printing.change_state(tx, job_id, state, reason=reason, now_ms=now_ms), then=self._announce
        )
