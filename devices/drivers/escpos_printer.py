"""ESC/POS receipt printer: TCP port 9100, a serial port, or USB (`/dev/usb/lp*`). Category POSPrinter.

Protocol: Epson ESC/POS command reference (DLE EOT, GS r, GS a); documents are encoded by devices.codecs.printing.escpos for
the profile of the model (devices/codecs/printing/profiles.toml), printed and confirmed by devices.drivers._escpos_session.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from devices.codecs.printing.chinese import Encoding
from devices.codecs.printing.escpos import PrinterProfile
from devices.codecs.printing.profiles import DEFAULT_PROFILE, Beeper, Cut, check_profile, printer_profile
from devices.driver import DeviceContext, Driver
from devices.drivers._escpos_session import EscposSession, Manners
from devices.drivers._printer_lines import LineOptions, Seconds, printer_line
from devices.drivers._printer_logo import LogoError, read_logo
from devices.drivers._tasks import wire_errors_alone
from devices.escpos_wire import EscposWire
from devices.model import Health, StatusUpdate

BAUDRATE = 38_400  # as Epson's serial printers leave the factory; the self-test tells


class Options(LineOptions, frozen=True, forbid_unknown_fields=True):
    """What the printer is: `profile`, and what differs from it; `columns` of font A and `dots` are the paper's width.
    `drawer_open_level`: connector pin 3 when the drawer is open.
    """

    profile: str = DEFAULT_PROFILE
    encoding: Encoding | None = None
    columns: Annotated[int, Meta(ge=16, le=96)] | None = None
    dots: Annotated[int, Meta(ge=192, le=1248)] | None = None
    cut: Cut | None = None
    beeper: Beeper | None = None
    logo: str = ""  # a PNG file
    nv_logo: Annotated[str, Meta(pattern=r"^([A-Za-z0-9]{2}|[1-9]?)\Z")] = (
        ""  # key code, or number, of a logo in the printer
    )
    raster_font: str = ""  # file for characters the printer lacks; empty: the first of the usual Debian fonts
    drawer_pin: Literal[2, 5] | None = None  # None: the pin the document names
    drawer_open_level: Literal["high", "low"] | None = None  # None: the drawer has no switch, or nobody asks
    confirm: Literal["status", "none"] = "status"
    poll_s: Seconds = 3.0
    answer_timeout_s: Seconds = 5.0  # idle: a printer answers DLE EOT in milliseconds
    send_timeout_s: Seconds = 60.0  # one chunk: a full printer takes none while somebody changes the paper
    confirm_timeout_s: Seconds = 30.0  # some printers answer nothing while they print

    def __post_init__(self) -> None:
        super().__post_init__()
        check_profile(self.profile)

    @property
    def printer(self) -> PrinterProfile:
        """What the encoder must know."""
        return printer_profile(
            self.profile,
            encoding=self.encoding,
            columns=self.columns,
            dots=self.dots,
            cut=self.cut,
            beeper=self.beeper,
            nv_logo=self.nv_logo,
            raster_font=self.raster_font,
            drawer_pin=self.drawer_pin,
        )


async def run(ctx: DeviceContext, options: Options) -> None:
    """Print until the printer goes away, then raise WireError; a document under way is reported unknown first."""
    profile, note = await _with_logo(options)
    manners = Manners(
        confirms=options.confirm == "status",
        poll_s=options.poll_s,
        answer_timeout_s=options.answer_timeout_s,
        confirm_timeout_s=options.confirm_timeout_s,
        drawer_open_level=options.drawer_open_level,
        note=note,
    )
    with wire_errors_alone():
        async with _wire(ctx, options) as wire, asyncio.TaskGroup() as group:
            group.create_task(wire.receive(), name=f"{ctx.device_id}-receive")
            await EscposSession(ctx, wire, profile, manners).work()


async def _with_logo(options: Options) -> tuple[PrinterProfile, StatusUpdate]:
    """Return the profile with its logo; receipts do not wait for one that cannot be read, health says so."""
    profile = options.printer
    if not options.logo:
        return profile, StatusUpdate(Health.READY)
    try:
        logo = await asyncio.to_thread(read_logo, Path(options.logo), profile.dots)
    except LogoError as err:
        return profile, StatusUpdate(Health.READY, "logo_unreadable", str(err))
    return replace(profile, logo=logo), StatusUpdate(Health.READY)


@asynccontextmanager
async def _wire(ctx: DeviceContext, options: Options) -> AsyncIterator[EscposWire]:
    async with printer_line(ctx, options, baudrate=BAUDRATE) as line:
        wire = EscposWire(line, ctx.heartbeat, send_timeout_s=options.send_timeout_s)
        try:
            yield wire
        finally:
            if wire.stray_bytes:
                ctx.count("stray_bytes", wire.stray_bytes)


DRIVER = Driver(
    category="POSPrinter",
    summary="ESC/POS receipt printer on the network (TCP 9100), a serial port or USB",
    document="Epson ESC/POS command reference",
    options=Options,
    run=run,
    uncaptured="its answers are known by the questions before them, and these lie between receipts",
)
