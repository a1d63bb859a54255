"""The printer driver on a serial port and on a node as USB printers have it: real pseudo-terminals, no threads."""

import asyncio
import gc
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.codecs.printing.escpos import encode_document
from devices.codecs.printing.profiles import printer_profile
from devices.document import Columns, Cut, Document, Logo, Text
from devices.drivers._printer_logo import LOGO_FILE_BYTES_MAX, LOGO_ROWS_MAX, LogoError, read_logo
from devices.drivers.escpos_printer import DRIVER, Options, run
from devices.errors import OptionError, WireError
from devices.model import DrawerStatus, Health, StatusUpdate
from devices.plug.attachment import Attached, Match
from devices.registry import options_for
from devices.testing.context import RecordingContext
from devices.testing.escpos_reader import read_paper
from devices.testing.paper import PaperImage
from devices.testing.printer import SimulatedPrinter
from devices.testing.printer_cable import PrinterCable
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.driven import driven_until_lost

RECEIPT = Document((*(Columns(f"第 {number} 行", "120") for number in range(300)), Cut()))
QUICK = {"poll_s": 0.05, "answer_timeout_s": 2.0, "confirm_timeout_s": 2.0}


def _driven(ctx: RecordingContext, **options: Any) -> AbstractAsyncContextManager["asyncio.Task[str]"]:
    return driven_until_lost(DRIVER, ctx, **(QUICK | options))


@pytest.mark.parametrize("place", ["port", "path"])
async def test_a_long_receipt_comes_out_whole_and_is_confirmed(place: str) -> None:
    ctx = RecordingContext()
    async with (
        SimulatedPrinter() as printer,
        VirtualSerialLine() as line,
        PrinterCable(printer, line.outside_path),
        _driven(ctx, **{place: line.device_path}),
    ):
        job = ctx.submit(RECEIPT)
        await ctx.wait_for(lambda: job.state == "printed")

    assert len(printer.receipts) == 1
    assert len(printer.receipts[0].lines()) == 301
    assert not printer.receipts[0].paper.unknown


@pytest.mark.parametrize("place", ["port", "path"])
async def test_pulling_the_plug_in_the_middle_leaves_the_job_unknown_and_says_so(place: str) -> None:
    ctx = RecordingContext()
    async with (
        SimulatedPrinter() as printer,
        VirtualSerialLine() as line,
        PrinterCable(printer, line.outside_path),
        _driven(ctx, **{place: line.device_path}) as driver,
    ):
        printer.paper_out_after_lines = 3
        job = ctx.submit(RECEIPT)
        await ctx.wait_for(lambda: (ctx.last_status or StatusUpdate(Health.READY)).reason == "paper_out")
        line.unplug()
        await asyncio.wait({driver})

    assert job.state == "unknown"
    assert job.reason == driver.result()


async def test_a_usb_printer_is_found_by_what_it_says_of_itself() -> None:
    ctx = RecordingContext()
    async with (
        SimulatedPrinter() as printer,
        VirtualSerialLine() as line,
        PrinterCable(printer, line.outside_path),
    ):
        ctx.devices.append(Attached(subsystem="usbmisc", node=line.device_path, vendor="04b8", product="0202"))
        async with _driven(ctx, usb=Match(vendor="04b8")):
            job = ctx.submit(RECEIPT)
            await ctx.wait_for(lambda: job.state == "printed")

    assert len(printer.receipts) == 1


async def test_a_usb_printer_that_is_not_there_is_said_to_be_away(tmp_path: Path) -> None:
    with pytest.raises(WireError, match="plug it in") as caught:
        await run(RecordingContext(), Options(path=str(tmp_path / "lp0")))

    assert caught.value.reason == "not_attached"


async def test_a_file_is_no_printer(tmp_path: Path) -> None:
    (tmp_path / "lp0").write_bytes(b"")
    gc.collect()  # what an earlier test has let go of is not closed in between
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(WireError) as caught:
        await run(RecordingContext(), Options(path=str(tmp_path / "lp0")))

    assert caught.value.reason == "wrong_node"
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


async def test_the_drawer_is_an_event_of_its_own_at_once() -> None:
    ctx = RecordingContext()
    options: dict[str, Any] = {"drawer_open_level": "high", "poll_s": 60.0}
    async with SimulatedPrinter() as printer, _driven(ctx, address=printer.address, **options):
        await ctx.wait_for(lambda: bool(ctx.events))
        printer.drawer_open = True
        await ctx.wait_for(lambda: len(ctx.events) == 2)
        printer.drawer_open = False
        await ctx.wait_for(lambda: len(ctx.events) == 3)

    assert ctx.events == [DrawerStatus(is_open=False), DrawerStatus(is_open=True), DrawerStatus(is_open=False)]


async def test_a_cover_that_opens_is_told_by_the_printer_not_asked_for() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer, _driven(ctx, address=printer.address, poll_s=60.0):
        job = ctx.submit(RECEIPT)
        await ctx.wait_for(lambda: job.state == "printed")
        printer.cover_open = True
        await ctx.wait_for(lambda: (ctx.last_status or StatusUpdate(Health.READY)).reason == "cover_open")


@pytest.mark.parametrize("said", [{}, {"address": "10.0.0.5", "path": "/dev/usb/lp0"}])
def test_a_printer_is_at_one_place(said: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError, match="one of address, port, path and usb"):
        msgspec.convert(said, DRIVER.options)


@pytest.mark.parametrize("kind", ["escpos_printer", "zpl_printer"])
def test_a_baudrate_of_a_printer_on_the_network_is_refused_with_the_remedy(kind: str) -> None:
    with pytest.raises(OptionError, match="baudrate: leave it out, or give its `port`"):
        options_for(kind, {"address": "10.0.0.5", "baudrate": 9600}, device_id="paper")


def _png(path: Path, width: int, height: int, colour: str = "black") -> Path:
    from PIL import Image

    Image.new("RGB", (width, height), colour).save(path)
    return path


def test_a_logo_is_made_to_fit_paper_and_bound(tmp_path: Path) -> None:
    wide, high = (
        read_logo(_png(tmp_path / "a.png", 1_200, 300), 576),
        read_logo(_png(tmp_path / "b.png", 100, 4_000), 576),
    )

    assert (wide.width_bytes * 8, wide.height_dots) == (576, 144)
    assert high.height_dots == LOGO_ROWS_MAX
    assert set(wide.rows) == {0xFF}


def test_a_logo_is_a_picture_in_the_middle(tmp_path: Path) -> None:
    from dataclasses import replace

    profile = replace(printer_profile("generic-80mm"), logo=read_logo(_png(tmp_path / "a.png", 80, 16), 576))
    picture, *_ = read_paper(encode_document(Document((Logo(), Text("x"))), profile).payload).elements

    assert isinstance(picture, PaperImage)
    assert (picture.width_dots, picture.height_dots, picture.align) == (80, 16, "center")


def test_a_logo_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "huge.png").write_bytes(b"\x89PNG" + b"\0" * LOGO_FILE_BYTES_MAX)
    cut = _png(tmp_path / "cut.png", 500, 500)
    cut.write_bytes(cut.read_bytes()[:100])

    for name in ("text.png", "huge.png", "cut.png", "away.png"):
        with pytest.raises(LogoError):
            read_logo(tmp_path / name, 576)


async def test_receipts_do_not_wait_for_a_logo_that_cannot_be_read(tmp_path: Path) -> None:
    ctx = RecordingContext()
    async with (
        SimulatedPrinter() as printer,
        _driven(ctx, address=printer.address, logo=str(tmp_path / "away.png")),
    ):
        job = ctx.submit(Document((Logo(), Text("x"), Cut())))
        await ctx.wait_for(lambda: job.state == "printed")

    assert ctx.statuses[0].reason == "logo_unreadable"
