"""ESC/POS receipt printer on TCP port 9100. Category POSPrinter.

Protocol: Epson ESC/POS command reference (DLE EOT, GS r); documents are encoded by devices.codecs.printing.escpos.

How a document gets its answer (confirm = "status"):

    queued    --status is good-->   begin        (paper out, cover open: stays queued, the driver asks again)
    begin     --all bytes sent-->   wait for the answer to GS r 1, which the printer gives in order, behind the document
    waiting   --GS r answered-->    printed
    waiting   --paper out-->        waiting      (the printer holds the rest; health is degraded)
    waiting   --no answer-->        unknown      `no_answer`, or `not_confirmed` when only GS r stays unanswered
    sending or waiting --closed-->  unknown      `connection_lost`; `interrupted` at shutdown

A fresh connection is asked GS r 1 once before the first document: what an earlier one left in the printer comes out, and
a printer that does not know GS r is found before paper is spent.
With confirm = "none" nothing is asked, and a document counts as printed when the network has taken all its bytes.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.printing.chinese import Encoding
from devices.codecs.printing.escpos import DrawingNeededError, EncodedDocument, PrinterProfile, encode_document
from devices.codecs.printing.escpos_status import ORDERED_STATUS_REQUEST, PrinterStatus
from devices.driver import DeviceContext, Driver, DriverOptions, PrintJob
from devices.errors import EncodingError, WireError
from devices.escpos_wire import EscposWire, PrinterLostError
from devices.model import Health, StatusUpdate

log = logging.getLogger(__name__)

DEFAULT_PORT = 9100
SEND_BUFFER_BYTES = 16_384  # of the kernel: what it holds, the printer does not have yet
FRESH_S = 0.5  # a printer that has just confirmed a document is on line: asking again would tell nothing new
SETTLE_S = 0.2  # answers that an earlier connection left behind come within this of the first answer to this one
LEDGER_TIMEOUT_S = 5.0  # to make `unknown` durable while being cancelled
CLOSE_TIMEOUT_S = 2.0
MISSING_SHOWN_MAX = 8

Seconds = Annotated[float, Meta(gt=0, le=600)]


class Options(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """`address` is host, host:port or [IPv6]:port; `columns` of font A and `dots` are the paper's width."""

    address: str
    encoding: Encoding = "big5"
    columns: Annotated[int, Meta(ge=16, le=96)] = 48
    dots: Annotated[int, Meta(ge=192, le=1248)] = 576
    raster_font: str = ""  # file for characters the printer lacks; empty: the first of the usual Debian fonts
    drawer_pin: Literal[2, 5] | None = None  # None: the pin the document names
    confirm: Literal["status", "none"] = "status"
    connect_timeout_s: Seconds = 5.0
    poll_s: Seconds = 3.0
    answer_timeout_s: Seconds = 5.0  # idle: a printer answers DLE EOT in milliseconds
    send_timeout_s: Seconds = 60.0  # one chunk: a full printer takes none while somebody changes the paper
    confirm_timeout_s: Seconds = 30.0  # some printers answer nothing while they print

    def __post_init__(self) -> None:
        split_address(self.address)

    @property
    def profile(self) -> PrinterProfile:
        """What the encoder must know."""
        return PrinterProfile(self.encoding, self.columns, self.dots, self.raster_font, self.drawer_pin)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host", "host:port", "[v6]" or "[v6]:port"; raise ValueError naming the remedy."""
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        port_text = rest.removeprefix(":")
        is_formed = bool(bracket) and (not rest or rest.startswith(":"))
    else:
        host, colon, port_text = address.partition(":")
        is_formed = not colon or bool(port_text)
    if not host or not is_formed or (port_text and not (port_text.isascii() and port_text.isdigit())):
        raise ValueError(f"address {address!r} is not host:port; write 192.168.1.50:9100 or [fe80::1]:9100")
    port = int(port_text or DEFAULT_PORT)
    if not 0 < port < 65_536:
        raise ValueError(f"address {address!r}: port {port} is not between 1 and 65535")
    return host, port


async def run(ctx: DeviceContext, options: Options) -> None:
    """Print until the printer goes away, then raise WireError; a document under way is reported unknown first."""
    try:
        async with _connected(ctx, options) as wire, asyncio.TaskGroup() as group:
            group.create_task(wire.receive(), name=f"{ctx.device_id}-receive")
            await _Session(ctx, options, wire).work()
    except BaseExceptionGroup as several:
        lost = _wire_error(several)
        if lost is None:
            raise
        raise lost from several


class _Session:
    """One connection's work: health while idle, one document at a time."""

    def __init__(self, ctx: DeviceContext, options: Options, wire: EscposWire) -> None:
        self._ctx, self._options, self._wire = ctx, options, wire
        self._confirms = options.confirm == "status"
        self._missing = ""
        self._fresh_until_s = 0.0

    async def work(self) -> None:
        """Print job after job; ends by PrinterLostError only."""
        await self._until_ready()
        if self._confirms:
            await self._settle()
        while True:
            job = await self._next_job()
            encoded = await self._encoded(job)
            if encoded is None:
                continue
            if await self._is_online_for(job):
                await self._print(job, encoded)
            else:
                await self._until_ready()

    async def _until_ready(self) -> None:
        """Return when a document would come out; a job is not even looked at before, so that another printer may."""
        while not await self._can_print():
            await self._pause()

    async def _is_online_for(self, job: PrintJob) -> bool:
        """Ask whether the job would come out; if not, it goes back to where it came from."""
        is_online = False
        try:
            is_online = await self._is_online()
        finally:
            if not is_online:
                await job.put_back()
        return is_online

    async def _is_online(self) -> bool:
        """Ask one question right before a job (DLE EOT 1, bit 3); not within FRESH_S of a document that came out."""
        if not self._confirms or asyncio.get_running_loop().time() < self._fresh_until_s:
            return True
        return (await self._wire.printer_status(self._options.answer_timeout_s)).can_print

    async def _can_print(self, timeout_s: float | None = None) -> bool:
        """Ask the printer and report its health."""
        status = PrinterStatus()
        if self._confirms:
            status = await self._wire.status(timeout_s or self._options.answer_timeout_s)
        self._ctx.status(self._update(status))
        return status.can_print

    def _update(self, status: PrinterStatus) -> StatusUpdate:
        if status.trouble:
            return StatusUpdate(Health.DEGRADED, status.trouble)
        if status.paper_near_end:
            return StatusUpdate(Health.READY, "paper_near_end")
        if self._missing:
            return StatusUpdate(Health.READY, "characters_missing", self._missing)
        return StatusUpdate(Health.READY)

    async def _pause(self) -> None:
        """Wait poll_s; a hang-up ends it at once."""
        try:
            async with asyncio.timeout(self._options.poll_s):
                await self._wire.until_lost()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        """Keep asking while there is nothing to print; ends by PrinterLostError or by being cancelled."""
        while True:
            await self._pause()
            await self._can_print()

    async def _next_job(self) -> PrintJob:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch(), name=f"{self._ctx.device_id}-watch")
            job = await self._ctx.next_job()
            watch.cancel()
        return job

    async def _encoded(self, job: PrintJob) -> EncodedDocument | None:
        """Encode; in a thread where characters must be drawn, which takes tens of milliseconds."""
        document, profile = job.document, self._options.profile
        try:
            try:
                encoded = encode_document(document, profile, may_draw=False)
            except DrawingNeededError:
                encoded = await asyncio.to_thread(encode_document, document, profile)
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
        await job.begin()
        try:
            await self._deliver(encoded.payload)
        except PrinterLostError as err:
            await job.unknown(err.reason)
            raise
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEDGER_TIMEOUT_S):
                    await asyncio.shield(job.unknown("interrupted"))
            raise
        self._fresh_until_s = asyncio.get_running_loop().time() + FRESH_S
        await job.printed()

    async def _deliver(self, payload: bytes) -> None:
        """Send, and wait for the proof; a printer that is out of paper may take as long as it likes."""
        if not self._confirms:
            await self._wire.send(payload)
            return
        awaited = self._wire.confirmations + 1
        await self._wire.send(payload + ORDERED_STATUS_REQUEST)
        await self._until_confirmed(awaited)

    async def _settle(self) -> None:
        """Let a document of an earlier connection come out with its answer, which must not confirm one of this."""
        awaited = self._wire.confirmations + 1
        await self._wire.send(ORDERED_STATUS_REQUEST)
        await self._until_confirmed(awaited)
        await self._wire.confirmed(awaited + 1, SETTLE_S)

    async def _until_confirmed(self, awaited: int) -> None:
        loop, patience_s = asyncio.get_running_loop(), self._options.confirm_timeout_s
        deadline_s = loop.time() + patience_s
        while not await self._wire.confirmed(awaited, min(self._options.poll_s, patience_s)):
            if not await self._can_print(patience_s):
                deadline_s = loop.time() + patience_s
            elif loop.time() >= deadline_s:
                raise PrinterLostError(
                    "not_confirmed",
                    f'GS r 1 was not answered within {patience_s:g} s; does it know it? If not, set confirm = "none"',
                )


@asynccontextmanager
async def _connected(ctx: DeviceContext, options: Options) -> AsyncIterator[EscposWire]:
    host, port = split_address(options.address)
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as err:
        raise PrinterLostError("not_attached", f"no printer answers at {options.address}: {err}") from err
    wire = EscposWire(reader, writer, ctx.heartbeat, send_timeout_s=options.send_timeout_s)
    try:
        wire_socket = writer.get_extra_info("socket")
        wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        writer.transport.set_write_buffer_limits(high=0)  # drain then means: the kernel has taken every byte
        yield wire
    finally:
        if wire.stray_bytes:
            ctx.count("stray_bytes", wire.stray_bytes)
        writer.transport.abort()  # not close(): that would wait for bytes the printer no longer takes


def _wire_error(several: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the first wire error of a task group, or None when something else went wrong in it as well."""
    lost, other = several.split(WireError)
    if other is not None or lost is None:
        return None
    first: BaseException = lost
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


DRIVER = Driver(
    category="POSPrinter",
    summary="ESC/POS receipt printer on the network (TCP 9100)",
    document="Epson ESC/POS command reference",
    options=Options,
    run=run,
)
