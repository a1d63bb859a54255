"""Scale that sends a line of text at a time, by itself or when asked, category Scale.

Protocol document: the scale's own manual; the pattern of the configuration says how to read it. The default reads what A&D's
standard format and its many copies send: `ST,GS,+  1.234kg`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from msgspec import Meta, field

from devices.codecs.lines import LineFramer
from devices.codecs.weighing.line import AND_PATTERN, AND_STATES, check_pattern, read_line
from devices.codecs.weighing.units import Unit
from devices.driver import Capture, DeviceContext, Driver, Read, Replayed
from devices.drivers._scale import Rate, Shown
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import WeightError
from devices.model import Health, StatusUpdate, WeighingState
from devices.plug.masking import masked_lines

READ_S = 0.5
REMEDY = "switch the scale on, check the cable and baudrate, let it send by itself or set `request`"


class Options(SerialOptions, frozen=True):
    """The port's; `pattern` with groups weight, unit, state; `request` is sent every `poll_ms`, or the scale sends by itself."""

    pattern: Annotated[str, Meta(max_length=300)] = AND_PATTERN
    states: dict[str, WeighingState] = field(default_factory=lambda: dict(AND_STATES))
    unit: Unit = "kg"
    request: Annotated[str, Meta(max_length=16)] = ""
    poll_ms: Annotated[int, Meta(ge=100, le=2000)] = 250

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pattern(self.pattern)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Read lines until the port goes away; of several that came at once only the newest is shown."""
    request, rate = options.request.encode(), Rate(options.poll_ms / 1000)
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))

        async def ask() -> None:
            if request:
                await rate.wait()
                await port.write(request)

        await _listen(ctx, options, port.read, ask, Shown(ctx))


async def _listen(
    ctx: DeviceContext, options: Options, read: Read, ask: Callable[[], Awaitable[None]], shown: Shown
) -> None:
    pattern, framer, is_under_way = re.compile(options.pattern), LineFramer(), False
    while True:
        ctx.heartbeat()
        if not is_under_way:
            await ask()
        if chunk := await read(READ_S):
            ctx.trace(chunk)
        lines = framer.feed(chunk)
        is_under_way = bool(chunk) and not lines
        if not lines:
            await shown.hear_nothing(REMEDY)
            continue
        try:
            await shown.show(read_line(lines[-1], pattern, options.states, options.unit))
        except WeightError as err:
            await shown.refuse(err)


def _masked(chunks: Sequence[bytes], salt: bytes, options: Options) -> list[bytes]:
    """Weights are of goods and stay; what a line says beside (an operator, a number) does not."""
    return masked_lines(chunks, salt, re.compile(options.pattern))


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    async def ask() -> None:
        """The scale was asked when the trace was made."""

    await _listen(ctx, options, read, ask, Shown(ctx, read.now_s))


DRIVER = Driver(
    category="Scale",
    summary="scale that sends lines of text (A&D and its copies, others by a pattern)",
    document="A&D standard format; the scale's manual",
    options=Options,
    run=run,
    capture=Capture(_masked, _replay),
)
