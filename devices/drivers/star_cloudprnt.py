"""Star printer that asks the hub for its jobs: CloudPRNT over HTTP. Category POSPrinter.

Protocol: Star CloudPRNT Protocol Guide 2.4. The printer polls /v1/devices/NAME/wire with its own client of scope `device` (user
and password of HTTP Basic); the hub is the server. Documents go as StarPRNT or as a PNG, whichever the printer picks.

    poll (POST)   the printer is well     a queued job is offered: jobReady, its id as token
                  paper out, cover open   the job goes back: another printer may have it
    GET           begin, then the bytes; the same token again, the same bytes (the printer asks again when it got them broken)
    DELETE        2xx -> printed; 51x, 52x -> failed, nothing came out; other -> unknown
    no DELETE within confirm_timeout_s, though it polls and does not print -> unknown `not_confirmed`
    no poll for silent_s -> off line, `not_polling`; a job it has fetched is unknown
"""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.printing import picture, starprnt
from devices.codecs.printing.chinese import Encoding
from devices.codecs.printing.cloudprnt import (
    CloudPrntError,
    CloudStatus,
    JobOffer,
    decode_outcome,
    decode_poll,
    decode_status,
    encode_offer,
)
from devices.codecs.printing.page import EncodedDocument
from devices.codecs.printing.profiles import DEFAULT_PROFILE, Cut, PrinterProfile, check_profile, printer_profile
from devices.driver import HEARTBEAT_S, DeviceContext, Driver, PrinterOptions, PrintJob
from devices.drivers._printer_jobs import interrupted
from devices.drivers._printer_words import TROUBLES, trouble
from devices.drivers._tasks import wire_errors_alone
from devices.errors import EncodingError, JobTakenError
from devices.model import Health, StatusUpdate
from devices.supervision.requests import DeviceRequest

JSON = "application/json"

Seconds = Annotated[float, Meta(gt=0, le=600)]


class Options(PrinterOptions, frozen=True, forbid_unknown_fields=True):
    """`media`: what the printer is offered, in this order. `hold_s`: a poll that finds no job waits so long for one.
    `plain_http`: it may come without TLS, its password and every receipt readable on the network.
    """

    profile: str = DEFAULT_PROFILE
    encoding: Encoding | None = None
    columns: Annotated[int, Meta(ge=16, le=96)] | None = None
    dots: Annotated[int, Meta(ge=192, le=1248)] | None = None
    cut: Cut | None = None
    raster_font: str = ""
    drawer_pin: Literal[2, 5] | None = None
    media: Literal["both", "starprnt", "png"] = "both"
    plain_http: bool = False
    silent_s: Seconds = 60.0
    confirm_timeout_s: Seconds = 60.0
    hold_s: Annotated[float, Meta(ge=0, le=8)] = 0.0

    def __post_init__(self) -> None:
        check_profile(self.profile)

    @property
    def printer(self) -> PrinterProfile:
        """What the encoder must know."""
        return printer_profile(
            self.profile,
            encoding=self.encoding,
            columns=self.columns,
            dots=self.dots,
            cut=self.cut,
            raster_font=self.raster_font,
            drawer_pin=self.drawer_pin,
        )

    @property
    def media_types(self) -> tuple[str, ...]:
        """What a job is offered as."""
        both = {"starprnt": starprnt.MEDIA_TYPE, "png": picture.MEDIA_TYPE}
        return tuple(both.values()) if self.media == "both" else (both[self.media],)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Answer the printer until cancelled; a job that it has fetched is reported unknown then."""
    ctx.status(StatusUpdate(Health.OFFLINE, "not_polling", TROUBLES["not_polling"]))
    with wire_errors_alone():
        async with asyncio.TaskGroup() as group:
            printer = _CloudPrinter(ctx, options, group)
            try:
                await printer.work()
            except asyncio.CancelledError:
                await printer.interrupted()
                raise


class _CloudPrinter:
    """One printer: the job that it is offered or has fetched, and when it was heard."""

    def __init__(self, ctx: DeviceContext, options: Options, group: asyncio.TaskGroup) -> None:
        self._ctx, self._options, self._group = ctx, options, group
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[PrintJob] | None = None
        self._job: PrintJob | None = None
        self._has_begun = False
        self._fetched_at_s: float | None = None
        self._heard_at_s = self._loop.time()

    async def work(self) -> None:
        """Answer one request after the other; a printer sends its next one when it has the answer."""
        while True:
            self._ctx.heartbeat()
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, self._options.silent_s)):
                    request = await self._ctx.next_request()
            except TimeoutError:
                await self._fall_silent()
                continue
            self._heard_at_s = self._loop.time()
            match request.method:
                case "POST":
                    await self._polled(request)
                case "GET":
                    await self._fetched(request)
                case "DELETE":
                    await self._ended(request)
                case _:
                    request.answer(405)

    async def interrupted(self) -> None:
        """The hub stops: nobody will hear how a job that was fetched ended."""
        if self._job is not None and self._has_begun:
            await interrupted(self._job)

    async def _polled(self, request: DeviceRequest) -> None:
        try:
            poll = decode_poll(request.body)
        except CloudPrntError:
            self._ctx.count("polls_refused")
            request.answer(400)
            return
        status = decode_status(poll.status_code)
        self._ctx.status(_health(status))
        if self._has_begun:
            await self._expect_end(is_under_way=poll.printing_in_progress or bool(status.trouble))
        elif status.trouble:
            await self._let_go()
        else:
            await self._take_job()
        is_ready = self._job is not None and not status.trouble and self._fetched_at_s is None
        offer = JobOffer(False)
        if is_ready and self._job is not None:
            offer = JobOffer(True, self._options.media_types, self._job.job_id)
        request.answer(200, content_type=JSON, body=encode_offer(offer))

    async def _take_job(self) -> None:
        """Have the next job at hand, if there is one; it stays queued."""
        if self._job is not None:
            return
        if self._waiting is None:
            group, name = self._group, f"{self._ctx.device_id}-next-job"
            self._waiting = group.create_task(self._next_job(), name=name)
            await asyncio.sleep(0)  # one turn of the loop: a job that is queued is there now
        await asyncio.wait({self._waiting}, timeout=self._options.hold_s)
        if self._waiting.done():
            self._job, self._waiting = self._waiting.result(), None

    async def _next_job(self) -> PrintJob:
        return await self._ctx.next_job()

    async def _let_go(self) -> None:
        """The printer cannot print: what it has not fetched is for another time, or another printer."""
        if self._waiting is not None:
            if self._waiting.done() and not self._waiting.cancelled():
                self._job = self._waiting.result()
            self._waiting.cancel()
            self._waiting = None
        if self._job is not None and not self._has_begun:
            await self._job.put_back()
            self._job = None

    async def _expect_end(self, *, is_under_way: bool) -> None:
        """The printer polls without having said how its job ended; while it prints or wants paper, it may take its time."""
        if self._job is None or self._fetched_at_s is None:
            return
        if is_under_way:
            self._fetched_at_s = self._loop.time()
        elif self._loop.time() - self._fetched_at_s > self._options.confirm_timeout_s:
            await self._job.unknown("not_confirmed")
            self._forget()

    async def _fetched(self, request: DeviceRequest) -> None:
        job, wanted = self._job, request.query.get("type", "")
        if job is None or request.query.get("token", job.job_id) != job.job_id:
            request.answer(404)
            return
        if wanted not in self._options.media_types:
            request.answer(415)
            return
        try:
            encoded = await asyncio.to_thread(self._encode, job, wanted)
        except EncodingError as err:
            await job.failed(str(err))
            self._forget()
            request.answer(404)
            return
        if not self._has_begun:
            try:
                await job.begin()
            except JobTakenError:
                self._forget()
                request.answer(404)
                return
            self._has_begun = True
        self._count(encoded)
        headers = {"X-Star-CashDrawer": "start"} if wanted == picture.MEDIA_TYPE and _kicks(job) else {}
        if request.answer(200, content_type=wanted, body=encoded.payload, headers=headers):
            self._fetched_at_s = self._loop.time()

    def _encode(self, job: PrintJob, media_type: str) -> EncodedDocument:
        profile = self._options.printer
        if media_type == picture.MEDIA_TYPE:
            return picture.encode_png(job.document, profile)
        return starprnt.encode_starprnt(job.document, profile)

    def _count(self, encoded: EncodedDocument) -> None:
        if encoded.raster_lines:
            self._ctx.count("raster_lines", encoded.raster_lines)
        if encoded.missing:
            self._ctx.count("characters_missing", len(encoded.missing))

    async def _ended(self, request: DeviceRequest) -> None:
        """The printer says how its job ended; said again, or of a job that nobody remembers, it changes nothing."""
        job = self._job
        if job is not None and self._has_begun and request.query.get("token", job.job_id) == job.job_id:
            outcome, reason = decode_outcome(request.query.get("code", ""))
            if outcome == "printed":
                await job.printed()
            elif outcome == "failed":
                await job.failed(reason)
            else:
                await job.unknown(reason)
            self._forget()
        request.answer(200)

    async def _fall_silent(self) -> None:
        silence_s = self._loop.time() - self._heard_at_s
        if silence_s < self._options.silent_s:
            return
        self._ctx.status(StatusUpdate(Health.OFFLINE, "not_polling", TROUBLES["not_polling"]))
        await self._let_go()
        if self._job is not None and silence_s >= self._options.confirm_timeout_s:
            await self._job.unknown("no_answer")
            self._forget()

    def _forget(self) -> None:
        self._job, self._has_begun, self._fetched_at_s = None, False, None


def _health(status: CloudStatus) -> StatusUpdate:
    if status.trouble:
        update = trouble(status.trouble)
        return update if update.detail else StatusUpdate(update.health, update.reason, status.words)
    return StatusUpdate(Health.READY, "paper_near_end" if status.paper_near_end else "")


def _kicks(job: PrintJob) -> bool:
    return picture.opens_drawer(job.document)


DRIVER = Driver(
    category="POSPrinter",
    summary="Star printer that fetches its jobs from the hub (CloudPRNT)",
    document="Star CloudPRNT Protocol Guide 2.4; StarPRNT Command Specifications",
    options=Options,
    run=run,
    takes_requests=True,
    uncaptured="its polls are known by the job that it was offered before",
)
