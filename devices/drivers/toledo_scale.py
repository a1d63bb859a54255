"""Counter scale that answers when it is asked (Mettler Toledo 8217, 8213 demand), category Scale.

Protocol document: see devices.codecs.weighing.toledo. The hub asks every `poll_ms`; the unit is the scale's own setting, which
the protocol does not say.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.weighing.toledo import ASK_WEIGHT, ZERO, ToledoFramer, read_frame
from devices.codecs.weighing.units import Unit
from devices.driver import Capture, DeviceContext, Driver, Read, Replayed
from devices.drivers._scale import Shown
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import WeightError
from devices.model import Health, StatusUpdate
from devices.plug.masking import masked_lines
from devices.supervision.commands import Told, ZeroScale

ANSWER_MAX_S = 1.0  # an answer has nine bytes: what goes on for longer is none
_FRAME = re.compile(r"(?P<weight>[ 0-9.]{1,9}N?)|(?P<status>\?.)")
REMEDY = "switch the scale on, check the cable, baudrate, data_bits, parity, and that it speaks 8217"


class Options(SerialOptions, frozen=True):
    """The port's (7 bits, even, 9600 from the factory), the scale's `unit`, and how often it is asked."""

    data_bits: Literal[7, 8] = 7
    parity: Literal["none", "even", "odd"] = "even"
    unit: Unit = "kg"
    poll_ms: Annotated[int, Meta(ge=100, le=2000)] = 250


async def run(ctx: DeviceContext, options: Options) -> None:
    """Ask for the weight, and zero the scale when told to, until the port goes away."""
    framer, shown = ToledoFramer(), Shown(ctx)
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        while True:
            ctx.heartbeat()
            await port.write(ASK_WEIGHT)
            await _hear(ctx, options, port.read, framer, shown)
            if (told := await _told_within(ctx, options.poll_ms / 1000)) is not None:
                await port.write(ZERO)
                told.done()


async def _hear(ctx: DeviceContext, options: Options, read: Read, framer: ToledoFramer, shown: Shown) -> None:
    async def traced(silence_s: float) -> bytes:
        if chunk := await read(silence_s):
            ctx.trace(chunk)
        return chunk

    if frames := await _answers(traced, framer, options.poll_ms / 1000):
        await _show(shown, frames, options.unit)
    else:
        await shown.hear_nothing(REMEDY)


def _masked(chunks: Sequence[bytes], salt: bytes, _options: Options) -> list[bytes]:
    """Weights and states are of goods and stay; anything else is no frame, and nobody knows what it is."""
    return masked_lines(chunks, salt, _FRAME)


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    framer, shown = ToledoFramer(), Shown(ctx, read.now_s)
    while True:
        await _hear(ctx, options, read, framer, shown)


async def _show(shown: Shown, frames: list[bytes], unit: Unit) -> None:
    for frame in frames:
        try:
            await shown.show(read_frame(frame, unit))
        except WeightError as err:
            await shown.refuse(err)


async def _answers(read: Read, framer: ToledoFramer, patience_s: float) -> list[bytes]:
    """Return the frames of one answer, which may come in pieces; none when nothing comes in time, or noise without end."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + ANSWER_MAX_S
    while loop.time() < ends_s and (chunk := await read(patience_s)):
        if frames := framer.feed(chunk):
            return frames
    return []


async def _told_within(ctx: DeviceContext, pause_s: float) -> Told | None:
    """Wait for the next time to ask; return early with a command."""
    try:
        async with asyncio.timeout(pause_s):
            return await ctx.next_command()
    except TimeoutError:
        return None


DRIVER = Driver(
    category="Scale",
    summary="counter scale that answers when it is asked (Mettler Toledo 8217, 8213)",
    document="Mettler Toledo 8217; 8213 demand format",
    options=Options,
    run=run,
    commands=(ZeroScale,),
    capture=Capture(_masked, _replay),
)
