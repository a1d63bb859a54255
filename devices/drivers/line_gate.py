"""Infrared gate or pressure mat that sends letters or lines on a serial port, category PeopleCounter.

Protocol document: none; see devices.codecs.passages for what the configuration can say of one. Each passage is durable before
the next bytes are read; while the hub cannot write they are added up and handed in later.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.lines import LineFramer
from devices.codecs.passages import Gate, Meaning, Passed
from devices.driver import HEARTBEAT_S, DeviceContext, Driver
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import NotRecordedError
from devices.model import CounterReading, Health, StatusUpdate

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
    gate = Gate(options.words, options.beams, pair_ms=options.pair_ms, rest_ms=options.rest_ms)
    framer, loop, passed = LineFramer(), asyncio.get_running_loop(), Passed()
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        while True:
            ctx.heartbeat()
            chunk = await port.read(HEARTBEAT_S)
            now_ms = int(loop.time() * 1000)
            for word in framer.feed(chunk) if options.framing == "line" else chunk.decode("latin-1"):
                heard = gate.hear(word, now_ms)
                if heard is None:
                    ctx.count("refused_word")
                else:
                    passed += heard
            if passed != Passed() and await _recorded(ctx, options.entrance or ctx.device_id, passed):
                passed = Passed()


async def _recorded(ctx: DeviceContext, entrance: str, passed: Passed) -> bool:
    reading = CounterReading(ctx.device_id, entrance, in_delta=passed.came, out_delta=passed.left)
    try:
        await ctx.record([reading])
    except NotRecordedError as err:
        ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", str(err)))
        return False
    ctx.status(StatusUpdate(Health.READY))
    return True


DRIVER = Driver(
    category="PeopleCounter",
    summary="infrared gate or pressure mat that sends letters or lines",
    document="the gate's manual",
    options=Options,
    run=run,
)
