"""Cash drawer with a serial trigger of its own, category CashDrawer. One on a printer's socket is the printer's (DrawerPulse).

Protocol document: none; such a drawer springs open at any byte or at one that its maker names, and most say by a handshake
line of the port whether they are open.
"""

from typing import Annotated, Literal

from msgspec import Meta

from devices.driver import HEARTBEAT_S, DeviceContext, Driver
from devices.drivers._serial_port import SerialOptions, SerialPort, StatusLine, opened
from devices.drivers._tasks import beside
from devices.model import DrawerStatus, Health, StatusUpdate
from devices.supervision.commands import OpenDrawer

LOOK_S = 0.5  # a drawer that is open is noticed within this


class Options(SerialOptions, frozen=True):
    """The port's; `open_bytes` in hex; which line says that it is open, and at which level."""

    open_bytes: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}){1,16}\Z")] = "07"
    status_line: StatusLine | Literal["none"] = "none"
    open_when: Literal["high", "low"] = "high"


async def run(ctx: DeviceContext, options: Options) -> None:
    """Open the drawer when told to, and say when it is opened and closed, until the port goes away."""
    async with opened(ctx, options) as port:
        ctx.status(StatusUpdate(Health.READY))
        async with beside(_watch(ctx, port, options), f"{ctx.device_id}-status"):
            while True:
                told = await ctx.next_command()
                assert isinstance(told.command, OpenDrawer), "the only command that this driver declares"
                await port.write(bytes.fromhex(options.open_bytes))
                ctx.count("opened")
                told.done()


async def _watch(ctx: DeviceContext, port: SerialPort, options: Options) -> None:
    """Notice a pulled plug; where a line says whether the drawer is open, tell each change."""
    was_open: bool | None = None
    line = options.status_line
    while True:
        await port.read(HEARTBEAT_S if line == "none" else LOOK_S)
        ctx.heartbeat()
        if line == "none":
            continue
        is_open = await port.line_is_high(line) == (options.open_when == "high")
        if is_open != was_open:
            was_open = is_open
            await ctx.emit(DrawerStatus(is_open))


DRIVER = Driver(
    category="CashDrawer",
    summary="cash drawer with a serial trigger, its state by a handshake line",
    document="the drawer's manual",
    options=Options,
    run=run,
    commands=(OpenDrawer,),
    uncaptured="it says nothing: its state is a handshake line",
)
