"""What every scanner's driver does with the labels it reads, whatever wire they came over. A label never gets into a log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Protocol

from msgspec import Meta

from devices.codecs.gs1 import parse_label
from devices.codecs.labels import Refusal
from devices.codecs.variable_measure import variable_measures
from devices.driver import HEARTBEAT_S, DeviceContext
from devices.errors import WireError
from devices.model import Health, Scan, StatusUpdate
from devices.remedies import unreadable

UNREADABLE_AFTER = 3  # refused scans in a row: once is a hand that moved, three times is a setting
SETTLE_S = 0.1  # scanners leave 20 ms between two keys at most, and none between two bytes
SETTLE_MAX_S = 2.0  # a line that is never silent is read all the same
log = logging.getLogger(__name__)


IdleFlushMs = Annotated[int, Meta(ge=10, le=10_000)]
OneCharacter = Annotated[str, Meta(min_length=1, max_length=1)]


class LabelOptions(Protocol):
    """What the options of every scanner's driver say of labels: `idle_flush_ms` of silence end an unfinished one.

    `sends_upc_e` and `gs1_separator` say how the scanner is set.
    """

    @property
    def idle_flush_ms(self) -> int: ...

    @property
    def variable_measures(self) -> tuple[str, ...]: ...

    @property
    def sends_upc_e(self) -> bool: ...

    @property
    def gs1_separator(self) -> str: ...


def check_labels(options: LabelOptions) -> None:
    """Raise OptionError for what the types alone do not refuse."""
    variable_measures(options.variable_measures)


class LabelReader(Protocol):
    """A codec that finds labels in what comes over the wire."""

    @property
    def is_partial(self) -> bool: ...

    def feed(self, chunk: bytes) -> list[str | Refusal]: ...

    def flush(self) -> list[str | Refusal]: ...


class Scanner:
    """What one opened scanner has sent so far."""

    def __init__(self, ctx: DeviceContext, reader: LabelReader, options: LabelOptions, *, advice: str) -> None:
        self._ctx = ctx
        self._reader = reader
        self._advice = advice
        self._idle_flush_s = options.idle_flush_ms / 1000
        self._parse = partial(
            parse_label,
            variable_measures=variable_measures(options.variable_measures),
            sends_upc_e=options.sends_upc_e,
            gs1_separator=options.gs1_separator,
        )
        self._is_refusal_reported = False
        self._is_refusal_logged = False
        self._refusals = 0  # bursts of them since the last good label

    async def settle(self, read: Callable[[float], Awaitable[bytes]]) -> None:
        """Let a label pass by that was under way when the device was opened: its tail must not look like a label."""
        is_cut = False
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_MAX_S):
                while await read(SETTLE_S):
                    is_cut = True
        if is_cut:
            self._ctx.count("labels_cut")

    async def listen(self, read: Callable[[float], Awaitable[bytes]]) -> None:
        """Hand labels on until `read` raises WireError. It returns nothing when the line was silent for so many seconds."""
        while True:
            self._ctx.heartbeat()
            try:
                chunk = await read(self._silence_s)
            except WireError:
                self._hang_up()
                raise
            if chunk:
                self._ctx.trace(chunk)
                await self._hand_on(self._reader.feed(chunk))
            else:
                await self._hand_on(self._reader.flush())
                self._is_refusal_reported = False

    @property
    def _silence_s(self) -> float:
        return self._idle_flush_s if self._reader.is_partial or self._is_refusal_reported else HEARTBEAT_S

    def _hang_up(self) -> None:
        """Count the label that was under way; nobody waits for a till's beep on a scanner that is away."""
        if self._reader.is_partial:
            self._ctx.count("labels_cut")

    async def _hand_on(self, found: list[str | Refusal]) -> None:
        for label in found:
            if isinstance(label, Refusal):
                await self._refuse(label)
                continue
            self._is_refusal_reported = self._is_refusal_logged = False
            if self._refusals >= UNREADABLE_AFTER:
                self._ctx.status(StatusUpdate(Health.READY))
            self._refusals = 0
            scan = self._parse(label)
            self._ctx.count("labels_refused" if scan.error else "labels")
            await self._ctx.emit(scan)

    async def _refuse(self, refusal: Refusal) -> None:
        """Count every refusal, report one a burst (noise can look like many labels), log one until a label is good."""
        self._ctx.count(f"labels_{refusal.reason}")
        if not self._is_refusal_logged:
            self._is_refusal_logged = True
            extra = {"device": self._ctx.device_id, "reason": refusal.reason, "detail": refusal.detail}
            log.warning("label refused; check %s", self._advice, extra=extra)
        if not self._is_refusal_reported:
            self._is_refusal_reported = True
            self._refusals += 1
            if self._refusals >= UNREADABLE_AFTER:
                self._ctx.status(unreadable(self._advice))
            await self._ctx.emit(Scan(label="", error=refusal.reason))
