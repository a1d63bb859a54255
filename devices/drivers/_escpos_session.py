"""One connection's work with an ESC/POS printer: health while idle, one document at a time.

How a document gets its answer (confirms):

    queued    --status is good-->   begin        (paper out, cover open: stays queued, asked again)
    begin     --all bytes sent-->   wait for the answer to GS r 1, which the printer gives in order, behind the document
    waiting   --GS r answered-->    printed
    waiting   --paper out-->        waiting      (the printer holds the rest; health is degraded)
    waiting   --no answer-->        unknown      `no_answer`, or `not_confirmed` when only GS r stays unanswered
    sending or waiting --closed-->  unknown      `connection_lost`; `interrupted` at shutdown

A fresh connection is asked GS r 1 once before the first document: what an earlier one left in the printer comes out, and
a printer that does not know GS r is found before paper is spent. It is told GS a as well: a cover that opens, paper that
ends, a drawer that opens are known at once, not at the next question.
Without `confirms` nothing is asked, and a document counts as printed when the kernel has taken all its bytes.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from devices.codecs.printing.escpos import DrawingNeededError, EncodedDocument, PrinterProfile, encode_document
from devices.codecs.printing.escpos_status import AUTOMATIC_STATUS_REQUEST, ORDERED_STATUS_REQUEST, PrinterStatus
from devices.driver import DeviceContext, PrintJob
from devices.drivers._printer_jobs import is_ready_for, under_way, until_ready
from devices.drivers._printer_words import trouble
from devices.errors import EncodingError, JobTakenError
from devices.escpos_wire import EscposWire, PrinterLostError
from devices.model import DrawerStatus, Health, StatusUpdate

log = logging.getLogger(__name__)

FRESH_S = 0.5  # a printer that has just confirmed a document is on line: asking again would tell nothing new
SETTLE_S = 0.2  # answers that an earlier connection left behind come within this of the first answer to this one
MISSING_SHOWN_MAX = 8

_WELL = StatusUpdate(Health.READY)


@dataclass(frozen=True, slots=True)
class Manners:
    """How to talk with this printer; times in seconds. `note` is said in health while nothing is worse."""

    confirms: bool
    poll_s: float
    answer_timeout_s: float
    confirm_timeout_s: float
    drawer_open_level: Literal["high", "low"] | None = None
    note: StatusUpdate = _WELL


class EscposSession:
    """Prints until the printer is lost."""

    def __init__(self, ctx: DeviceContext, wire: EscposWire, profile: PrinterProfile, manners: Manners) -> None:
        self._ctx, self._wire, self._profile, self._manners = ctx, wire, profile, manners
        self._missing = ""
        self._fresh_until_s = 0.0
        self._drawer_is_open: bool | None = None
        self._seen = 0

    async def work(self) -> None:
        """Print job after job; ends by PrinterLostError only."""
        await until_ready(self._can_print, self._pause)
        if self._manners.confirms:
            await self._settle()
        while True:
            job = await self._next_job()
            encoded = await self._encoded(job)
            if encoded is None:
                continue
            if await is_ready_for(job, self._is_online):
                await self._print(job, encoded)
            else:
                await until_ready(self._can_print, self._pause)

    async def _is_online(self) -> bool:
        """Ask one question right before a job (DLE EOT 1, bit 3); not within FRESH_S of a document that came out."""
        if not self._manners.confirms or asyncio.get_running_loop().time() < self._fresh_until_s:
            return True
        return (await self._wire.printer_status(self._manners.answer_timeout_s)).can_print

    async def _can_print(self, timeout_s: float | None = None) -> bool:
        """Ask the printer and report its health."""
        if not self._manners.confirms:
            return await self._report(PrinterStatus())
        return await self._report(await self._wire.status(timeout_s or self._manners.answer_timeout_s))

    async def _report(self, status: PrinterStatus) -> bool:
        """Tell how the printer is, and its drawer; return whether it prints."""
        self._ctx.status(self._update(status))
        level = self._manners.drawer_open_level
        if self._manners.confirms and level is not None:
            is_open = status.drawer_pin_high == (level == "high")
            if is_open != self._drawer_is_open:
                self._drawer_is_open = is_open
                await self._ctx.emit(DrawerStatus(is_open))
        return status.can_print

    def _update(self, status: PrinterStatus) -> StatusUpdate:
        if status.trouble:
            return trouble(status.trouble)
        if status.paper_near_end:
            return StatusUpdate(Health.READY, "paper_near_end", "have a new roll of paper at hand")
        if self._missing:
            return StatusUpdate(Health.READY, "characters_missing", self._missing)
        return self._manners.note

    async def _pause(self) -> None:
        """Wait poll_s, or for what the printer says by itself; a hang-up ends it at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._manners.poll_s):
                await self._wire.until_news(self._seen)
        self._seen = self._wire.automatic_count

    async def _watch(self) -> None:
        """Look after the printer while there is nothing to print; ends by PrinterLostError or by being cancelled."""
        while True:
            before = self._seen
            await self._pause()
            if self._seen > before and self._wire.automatic is not None:
                await self._report(self._wire.automatic)
            else:
                await self._can_print()

    async def _next_job(self) -> PrintJob:
        """Watch while there is none; a job that is there at once is taken without."""
        if (at_once := self._ctx.waiting_job()) is not None:
            return at_once
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(), name=f"{self._ctx.device_id}-watch")
            job = await self._ctx.next_job()
            watch.cancel()
        return job

    async def _encoded(self, job: PrintJob) -> EncodedDocument | None:
        """Encode; in a thread where characters must be drawn, which takes tens of milliseconds."""
        try:
            try:
                encoded = encode_document(job.document, self._profile, may_draw=False)
            except DrawingNeededError:
                encoded = await asyncio.to_thread(encode_document, job.document, self._profile)
        except EncodingError as err:
            await job.failed(str(err))
            return None
        if encoded.raster_lines:
            self._ctx.count("raster_lines", encoded.raster_lines)
        if encoded.missing:
            self._ctx.count("characters_missing", len(encoded.missing))
            self._missing = " ".join(encoded.missing[:MISSING_SHOWN_MAX])
            log.warning("%s: no font has %s; install fonts-noto-cjk or unifont", self._ctx.device_id, self._missing)
        return encoded

    async def _print(self, job: PrintJob, encoded: EncodedDocument) -> None:
        try:
            await job.begin()
        except JobTakenError:
            return
        await under_way(job, self._deliver(encoded.payload))
        self._fresh_until_s = asyncio.get_running_loop().time() + FRESH_S
        await job.printed()

    async def _deliver(self, payload: bytes) -> None:
        """Send, and wait for the proof; a printer that is out of paper may take as long as it likes."""
        if not self._manners.confirms:
            await self._wire.send(payload)
            return
        awaited = self._wire.confirmations + 1
        await self._wire.send(payload + ORDERED_STATUS_REQUEST)
        await self._until_confirmed(awaited)

    async def _settle(self) -> None:
        """Let a document of an earlier connection come out with its answer, which must not confirm one of this."""
        awaited = self._wire.confirmations + 1
        await self._wire.send(AUTOMATIC_STATUS_REQUEST + ORDERED_STATUS_REQUEST)
        await self._until_confirmed(awaited)
        await self._wire.confirmed(awaited + 1, SETTLE_S)

    async def _until_confirmed(self, awaited: int) -> None:
        loop, patience_s = asyncio.get_running_loop(), self._manners.confirm_timeout_s
        deadline_s = loop.time() + patience_s
        while not await self._wire.confirmed(awaited, min(self._manners.poll_s, patience_s)):
            if not await self._can_print(patience_s):
                deadline_s = loop.time() + patience_s
            elif loop.time() >= deadline_s:
                raise PrinterLostError(
                    "not_confirmed",
                    f'GS r 1 was not answered within {patience_s:g} s; does it know it? If not, set confirm = "none"',
                )
