"""Bar code scanner on a serial port (RS-232, USB-CDC "virtual COM port"), category Scanner.

Protocol document: none; such scanners send each label as its bytes and a suffix, CR or CR LF from the factory. With
AIM symbology identifiers switched on in the scanner (ISO/IEC 15424), the symbology is known as well.
"""

import logging
from typing import Annotated

from msgspec import Meta

from devices.codecs.gs1 import parse_label
from devices.codecs.labels import LabelFramer, Refusal, Suffix
from devices.codecs.variable_measure import VariableMeasure, variable_measures
from devices.driver import HEARTBEAT_S, DeviceContext, Driver
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import WireError
from devices.model import Health, Scan, StatusUpdate

log = logging.getLogger(__name__)


class Options(SerialOptions, frozen=True):
    """The port's, and how a label ends; `idle_flush_ms` of silence end an unfinished one."""

    suffix: Suffix = "cr_or_lf"
    idle_flush_ms: Annotated[int, Meta(ge=10, le=10_000)] = 200
    variable_measures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        variable_measures(self.variable_measures)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Open the port and hand on labels until it goes away; raise WireError then, or when it does not open."""
    scanner = _Scanner(ctx, options)
    async with opened(options, "scanner") as port:
        ctx.status(StatusUpdate(Health.READY))
        while True:
            ctx.heartbeat()
            try:
                chunk = await port.read(scanner.silence_s)
            except WireError:
                scanner.hang_up()
                raise
            if chunk:
                await scanner.feed(chunk)
            else:
                await scanner.fall_silent()


DRIVER = Driver(
    category="Scanner",
    summary="bar code scanner on a serial port or USB virtual COM port",
    document="label bytes and suffix; AIM symbology identifiers of ISO/IEC 15424",
    options=Options,
    run=run,
)


class _Scanner:
    """What one opened scanner has sent so far; its log never holds a label."""

    def __init__(self, ctx: DeviceContext, options: Options) -> None:
        self._ctx = ctx
        self._framer = LabelFramer(options.suffix)
        self._idle_flush_s = options.idle_flush_ms / 1000
        self._variable_measures: tuple[VariableMeasure, ...] = variable_measures(options.variable_measures)
        self._is_refusal_reported = False
        self._is_refusal_logged = False

    @property
    def silence_s(self) -> float:
        """How long the line may be silent before `fall_silent` is due."""
        return self._idle_flush_s if self._framer.is_partial or self._is_refusal_reported else HEARTBEAT_S

    async def feed(self, chunk: bytes) -> None:
        await self._hand_on(self._framer.feed(chunk))

    async def fall_silent(self) -> None:
        await self._hand_on(self._framer.flush())
        self._is_refusal_reported = False

    def hang_up(self) -> None:
        """Count the label that was under way; nobody waits for a till's beep on a scanner that is away."""
        if self._framer.is_partial:
            self._ctx.count("labels_cut")

    async def _hand_on(self, found: list[str | Refusal]) -> None:
        for label in found:
            if isinstance(label, Refusal):
                await self._refuse(label)
                continue
            self._is_refusal_reported = self._is_refusal_logged = False
            scan = parse_label(label, variable_measures=self._variable_measures)
            self._ctx.count("labels_refused" if scan.error else "labels")
            await self._ctx.emit(scan)

    async def _refuse(self, refusal: Refusal) -> None:
        """Count every refusal, report one a burst (noise can look like many labels), log one until a label is good."""
        self._ctx.count(f"labels_{refusal.reason}")
        if not self._is_refusal_logged:
            self._is_refusal_logged = True
            extra = {"device": self._ctx.device_id, "reason": refusal.reason, "detail": refusal.detail}
            log.warning("label refused; check baudrate and suffix", extra=extra)
        if not self._is_refusal_reported:
            self._is_refusal_reported = True
            await self._ctx.emit(Scan(label="", error=refusal.reason))
