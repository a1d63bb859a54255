"""Customer display of two lines on a serial port, category LineDisplay.

Protocol document: see devices.codecs.line_display. The till that claims it says what is shown, and shows it
anew when the display has come back (event `device`).
"""

from typing import Annotated

from msgspec import Meta

from devices.codecs.line_display import INITIALISE, Characters, Protocol, screen
from devices.driver import HEARTBEAT_S, DeviceContext, Driver
from devices.drivers._serial_port import SerialOptions, SerialPort, opened
from devices.drivers._tasks import beside
from devices.model import Health, StatusUpdate
from devices.supervision.commands import ShowText


class Options(SerialOptions, frozen=True):
    """The port's, the command set, the width, and the encoding of its characters (`ascii`: it has no Chinese ones)."""

    protocol: Protocol = "cd5220"
    columns: Annotated[int, Meta(ge=8, le=40)] = 20
    encoding: Characters = "big5"


async def run(ctx: DeviceContext, options: Options) -> None:
    """Show what is told until the port goes away."""
    async with opened(ctx, options) as port:
        await port.write(INITIALISE)
        ctx.status(StatusUpdate(Health.READY))
        async with beside(_notice_hang_up(ctx, port), f"{ctx.device_id}-port"):
            while True:
                told = await ctx.next_command()
                assert isinstance(told.command, ShowText), "the only command that this driver declares"
                lines, columns, encoding = told.command.lines, options.columns, options.encoding
                await port.write(screen(lines, protocol=options.protocol, columns=columns, encoding=encoding))
                told.done()


async def _notice_hang_up(ctx: DeviceContext, port: SerialPort) -> None:
    """A display says nothing; reading is how a pulled plug is noticed."""
    while True:
        await port.read(HEARTBEAT_S)
        ctx.heartbeat()


DRIVER = Driver(
    category="LineDisplay",
    summary="customer display of two lines (CD5220 and Epson DM-D command sets)",
    document="CD5220 command list; Epson DM-D command list",
    options=Options,
    run=run,
    commands=(ShowText,),
    uncaptured="it says nothing",
)
