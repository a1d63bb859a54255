"""Label printer that speaks ZPL II (Zebra and its kin): TCP port 9100, a serial port, or USB. Category LabelPrinter.

Protocol: Zebra, ZPL II Programming Guide; labels are encoded by devices.codecs.printing.zpl.

    queued   --~HS is good-->  begin   (paper out, head open, paused: stays queued, asked again)
    begin    --all bytes sent-->  asked ~HS until nothing is received and nothing waits, twice in a row -> printed
    waiting  --paper out-->  waiting   (the printer holds the rest; health is degraded)
    waiting  --no answer for confirm_timeout_s, or closed-->  unknown

Some printers answer no ~HS while their media is out: silence while idle is degraded (`no_answer`), not off line at once.
With confirm = "none" nothing is asked, and labels count as printed when the kernel has taken all bytes.
"""

import asyncio
from contextlib import suppress
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.printing.zpl import (
    HOST_STATUS_BYTES_MAX,
    HOST_STATUS_REQUEST,
    HostStatus,
    LabelMedia,
    decode_host_status,
    encode_labels,
)
from devices.driver import HEARTBEAT_S, DeviceContext, Driver, PrintJob
from devices.drivers._printer_jobs import is_ready_for, under_way, until_ready
from devices.drivers._printer_lines import LineOptions, Seconds, printer_line
from devices.drivers._printer_words import trouble
from devices.drivers._serial_port import Handshake
from devices.drivers._tasks import wire_errors_alone
from devices.errors import EncodingError, JobTakenError, WireError
from devices.escpos_wire import PrinterLine
from devices.model import Health, StatusUpdate

BAUDRATE = 9_600  # as Zebra's printers leave the factory
CHUNK_BYTES = 1_024
READ_BYTES = 256
DISCARD_S = 0.05  # what has come already is there at once
IDLE_ANSWERS = 2  # in a row: a format that is just being made counts nowhere


class Options(LineOptions, frozen=True, forbid_unknown_fields=True):
    """The label: its size and the head's `dpi`; `font`: one in the printer's memory that has Chinese (E:NAME.TTF)."""

    handshake: Handshake = "xon_xoff"
    width_mm: Annotated[int, Meta(ge=20, le=110)] = 58
    height_mm: Annotated[int, Meta(ge=15, le=150)] = 40
    dpi: Literal[203, 300] = 203
    font: Annotated[str, Meta(pattern=r"^([A-Z]:[A-Z0-9_]{1,16}\.[A-Z]{3})?\Z")] = ""
    raster_font: str = ""
    confirm: Literal["status", "none"] = "status"
    poll_s: Seconds = 3.0
    answer_timeout_s: Seconds = 5.0
    send_timeout_s: Seconds = 60.0
    confirm_timeout_s: Seconds = 60.0

    @property
    def media(self) -> LabelMedia:
        """What the encoder must know."""
        return LabelMedia(self.width_mm, self.height_mm, self.dpi, self.font, self.raster_font)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Print until the printer goes away, then raise WireError; labels under way are reported unknown first."""
    with wire_errors_alone():
        async with printer_line(ctx, options, baudrate=BAUDRATE) as line:
            await _LabelPrinter(ctx, options, line).work()


class _LabelPrinter:
    """One connection's work. There is one question at a time, and nobody else reads."""

    def __init__(self, ctx: DeviceContext, options: Options, line: PrinterLine) -> None:
        self._ctx, self._options, self._line = ctx, options, line
        self._confirms = options.confirm == "status"
        self._is_late = False

    async def work(self) -> None:
        """Print job after job; ends by WireError only."""
        while True:
            await until_ready(self._can_print, self._pause_until_asked)
            job = await self._next_job()
            try:
                encoded = await asyncio.to_thread(encode_labels, job.document, self._options.media)
            except EncodingError as err:
                await job.failed(str(err))
                continue
            if encoded.missing:
                self._ctx.count("characters_missing", len(encoded.missing))
            if not await is_ready_for(job, self._can_print):
                continue
            with suppress(JobTakenError):
                await job.begin()
                await self._print(job, encoded.payload)

    async def _pause_until_asked(self) -> None:
        await self._pause(self._options.poll_s)

    async def _pause(self, for_s: float) -> None:
        """Wait; an owner who asks seldom is no reason to look dead."""
        ends_s = asyncio.get_running_loop().time() + for_s
        while (left_s := ends_s - asyncio.get_running_loop().time()) > 0:
            self._ctx.heartbeat()
            await asyncio.sleep(min(left_s, HEARTBEAT_S))

    async def _next_job(self) -> PrintJob:
        """Wait for a job; ask now and then how the printer is. A question that is under way is answered first."""
        has_job, is_answered = asyncio.Event(), False
        job: PrintJob | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(has_job), name=f"{self._ctx.device_id}-watch")
                job = await self._ctx.next_job()
                has_job.set()
            is_answered = True
        finally:
            if job is not None and not is_answered:
                await job.put_back()
        return job

    async def _watch(self, has_job: asyncio.Event) -> None:
        while not has_job.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.poll_s):
                    await has_job.wait()
            if not has_job.is_set():
                await self._can_print()

    async def _can_print(self) -> bool:
        """Ask the printer and report its health."""
        if not self._confirms:
            self._ctx.status(StatusUpdate(Health.READY))
            return True
        status = await self._status()
        if status is None:
            words = 'no answer to ~HS: is its media out, or its head open? If it knows no ~HS, set confirm = "none"'
            self._ctx.status(StatusUpdate(Health.DEGRADED, "no_answer", words))
            return False
        self._ctx.status(trouble(status.trouble) if status.trouble else StatusUpdate(Health.READY))
        return not status.trouble

    async def _status(self) -> HostStatus | None:
        """Ask ~HS; None when it is not answered in time."""
        answer = bytearray()
        if self._is_late:
            await self._discard()
        await self._send(HOST_STATUS_REQUEST)
        ends_s = asyncio.get_running_loop().time() + self._options.answer_timeout_s
        while (left_s := ends_s - asyncio.get_running_loop().time()) > 0 and len(answer) < HOST_STATUS_BYTES_MAX:
            self._ctx.heartbeat()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, HEARTBEAT_S)):
                    answer += await self._read()
            status = decode_host_status(bytes(answer))
            if status is not None:
                return status
        self._is_late = True
        return None

    async def _discard(self) -> None:
        """Throw away what came too late to be the answer to anything."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_S):
                while True:
                    await self._read()
        self._is_late = False

    async def _print(self, job: PrintJob, payload: bytes) -> None:
        is_out = await under_way(job, self._comes_out(payload))
        await (job.printed() if is_out else job.unknown("not_confirmed"))

    async def _comes_out(self, payload: bytes) -> bool:
        await self._send(payload)
        return not self._confirms or await self._is_out()

    async def _is_out(self) -> bool:
        """Wait until nothing waits in the printer; media that is out may take as long as it likes, silence may not."""
        loop, idle = asyncio.get_running_loop(), 0
        deadline_s = loop.time() + self._options.confirm_timeout_s
        while loop.time() < deadline_s:
            status = await self._status()
            if status is not None:
                deadline_s = loop.time() + self._options.confirm_timeout_s
                self._ctx.status(trouble(status.trouble) if status.trouble else StatusUpdate(Health.READY))
                idle = 0 if status.waiting or status.trouble else idle + 1
                if idle == IDLE_ANSWERS:
                    return True
            await self._pause(min(self._options.poll_s, 0.2) if idle else self._options.poll_s)
        return False

    async def _read(self) -> bytes:
        try:
            received = await self._line.read(READ_BYTES)
        except OSError as err:
            raise WireError(f"the connection to the printer broke: {err}", reason="connection_lost") from err
        if not received:
            raise WireError("the printer closed the connection", reason="connection_lost")
        return received

    async def _send(self, payload: bytes) -> None:
        try:
            for place in range(0, len(payload), CHUNK_BYTES):
                self._line.write(payload[place : place + CHUNK_BYTES])
                await self._drain()
        except OSError as err:
            raise WireError(f"the printer hung up: {err}", reason="connection_lost") from err

    async def _drain(self) -> None:
        deadline_s = asyncio.get_running_loop().time() + self._options.send_timeout_s
        while asyncio.get_running_loop().time() < deadline_s:
            self._ctx.heartbeat()
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    return await self._line.drain()
        raise WireError(f"the printer took no bytes for {self._options.send_timeout_s:g} s", reason="no_answer")


DRIVER = Driver(
    category="LabelPrinter",
    summary="ZPL II label printer on the network (TCP 9100), a serial port or USB",
    document="Zebra ZPL II Programming Guide",
    options=Options,
    run=run,
    uncaptured="its answers are known by the questions before them, and these lie between labels",
)
