"""Infrared gate or pressure mat that sends letters or lines on a serial port, category PeopleCounter.

Protocol document: none; see devices.codecs.passages for what the configuration can say of one. Each passage is durable before
the next bytes are read; while the hub cannot write they are added up and handed in later, each once.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.lines import LineFramer
from devices.codecs.passages import Gate, Meaning, Passed
from devices.driver import HEARTBEAT_S, Capture, DeviceContext, Driver, Read, Replayed
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import NotRecordedError, WireError
from devices.model import CounterReading, Health, StatusUpdate
from devices.plug.masking import masked_words

Word = Annotated[str, Meta(min_length=1, max_length=32)]


class Options(SerialOptions, frozen=True):
    """The port's; `words` or `beams`; whether a word is a line or one byte; within `rest_ms` the same word again is a bounce."""

    words: Mapping[Word, Meaning] = {}
    beams: tuple[Word, Word] | None = None
    framing: Literal["line", "byte"] = "line"
    entrance: Annotated[str, Meta(max_length=64)] = ""
    pair_ms: Annotated[int, Meta(ge=50, le=10_000)] = 1500
    rest_ms: Annotated[int, Meta(ge=0, le=10_000)] = 150

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.words and self.beams is None:
            raise ValueError('say what the gate sends: words = {I = "in", O = "out"}, or beams = ["A", "B"]')
        if self.beams is not None and (self.beams[0] == self.beams[1] or set(self.beams) & self.words.keys()):
            raise ValueError("beams are two different words, and no others of `words`")


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record who passes until the port goes away."""
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        await _listen(ctx, options, port.read, asyncio.get_running_loop().time, life=secrets.token_hex(4))


async def _listen(ctx: DeviceContext, options: Options, read: Read, now_s: Callable[[], float], *, life: str) -> None:
    gate = Gate(options.words, options.beams, pair_ms=options.pair_ms, rest_ms=options.rest_ms)
    framer, books = LineFramer(), _Books(ctx, options.entrance or ctx.device_id, life)
    while True:
        ctx.heartbeat()
        try:
            chunk = await read(HEARTBEAT_S)
        except WireError:
            await books.close()
            raise
        if chunk:
            ctx.trace(chunk)
        now_ms = int(now_s() * 1000)
        for word in framer.feed(chunk) if options.framing == "line" else chunk.decode("latin-1"):
            heard = gate.hear(word, now_ms)
            if heard is None:
                ctx.count("refused_word")
            else:
                books.passed += heard
        await books.hand_in()


def _masked(chunks: Sequence[bytes], salt: bytes, options: Options) -> list[bytes]:
    """Words with a meaning stay; any other might be anything."""
    words = (*options.words, *(options.beams or ()))
    return masked_words(chunks, salt, words, is_by_byte=options.framing == "byte")


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    await _listen(ctx, options, read, read.now_s, life="trace")


class _Books:
    """What is not durable yet. What was handed in and may have been written is handed in again as it was, under its id."""

    def __init__(self, ctx: DeviceContext, entrance: str, life: str) -> None:
        self.passed = Passed()
        self._ctx, self._entrance = ctx, entrance
        self._reading: CounterReading | None = None
        self._life, self._n = life, 0  # numbers begin anew with each run of the driver

    async def hand_in(self) -> bool:
        """Hand in what waits; False while the hub cannot write."""
        while self._reading is not None or self.passed != Passed():
            self._reading = self._reading or self._next()
            try:
                await self._ctx.record([self._reading])
            except NotRecordedError as err:
                self._ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", str(err)))
                return False
            self._reading = None
            self._ctx.status(StatusUpdate(Health.READY))
        return True

    async def close(self) -> None:
        """The gate has gone: hand in what waits, if the hub takes it at once."""
        if not await self.hand_in():
            self._ctx.count("readings_dropped")

    def _next(self) -> CounterReading:
        passed, self.passed = self.passed, Passed()
        self._n += 1
        return CounterReading(
            self._ctx.device_id,
            self._entrance,
            in_delta=passed.came,
            out_delta=passed.left,
            boot=self._life,
            delta_id=str(self._n),
        )


DRIVER = Driver(
    category="PeopleCounter",
    summary="infrared gate or pressure mat that sends letters or lines",
    document="the gate's manual",
    options=Options,
    run=run,
    capture=Capture(_masked, _replay),
)
