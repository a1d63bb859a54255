"""Scale that sends a line of text at a time, by itself or when asked, category Scale.

Protocol document: the scale's own manual; the pattern of the configuration says how to read it. The default reads what A&D's
standard format and its many copies send: `ST,GS,+  1.234kg`.
"""

import re
from typing import Annotated

from msgspec import Meta, field

from devices.codecs.lines import LineFramer
from devices.codecs.weighing.line import AND_PATTERN, AND_STATES, check_pattern, read_line
from devices.codecs.weighing.units import Unit
from devices.driver import DeviceContext, Driver
from devices.drivers._scale import Rate, Shown
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import WeightError
from devices.model import Health, StatusUpdate, WeighingState

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
    pattern, framer, shown = re.compile(options.pattern), LineFramer(), Shown(ctx)
    request = options.request.encode()
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        is_under_way, rate = False, Rate(options.poll_ms / 1000)
        while True:
            ctx.heartbeat()
            if request and not is_under_way:
                await rate.wait()
                await port.write(request)
            chunk = await port.read(READ_S)
            lines = framer.feed(chunk)
            is_under_way = bool(chunk) and not lines
            if not lines:
                await shown.hear_nothing(REMEDY)
                continue
            try:
                await shown.show(read_line(lines[-1], pattern, options.states, options.unit))
            except WeightError as err:
                await shown.refuse(err)


DRIVER = Driver(
    category="Scale",
    summary="scale that sends lines of text (A&D and its copies, others by a pattern)",
    document="A&D standard format; the scale's manual",
    options=Options,
    run=run,
)
