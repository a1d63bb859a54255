"""Shelf labels as ZPL, judged by a reader that shares nothing with the encoder; the driver against a simulated printer."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.printing import raster
from devices.codecs.printing.zpl import HostStatus, LabelMedia, decode_host_status, encode_labels
from devices.document import Document, ShelfLabel, Text
from devices.drivers import zpl_printer
from devices.drivers.zpl_printer import DRIVER
from devices.errors import EncodingError
from devices.model import Health
from devices.testing.context import RecordingContext
from devices.testing.label_printer import SimulatedLabelPrinter
from devices.testing.zpl_reader import ZplBarcode, ZplLabel, ZplPicture, ZplText, read_labels
from tests.devices.driven import driven_until_lost

TEA = ShelfLabel(
    sku="A1",
    name="港式鮮奶茶 500ml",
    name_en="Milk tea",
    price="$12.90",
    per="/100 g",
    was="$15.00",
    gtin="04711234567899",
)
PLAIN = ShelfLabel(sku="A1", name="Milk tea", price="$12.90", gtin="04711234567899")
needs_font = pytest.mark.skipif(
    not any(Path(path).is_file() for path in raster.FONT_PATHS), reason="no font installed to draw with"
)


def _label(label: ShelfLabel, **media: Any) -> ZplLabel:
    (read,) = read_labels(encode_labels(Document((label,)), LabelMedia(**media)).payload)
    assert not read.unknown
    return read


def _inside(label: ZplLabel) -> None:
    for field in label.fields:
        width = field.width if isinstance(field, ZplPicture | ZplText) else 0
        height = len(field.rows) if isinstance(field, ZplPicture) else field.height
        assert field.x >= 0 and field.x + width <= label.width + 7
        assert field.y >= 0 and field.y + height <= label.height


@needs_font
@pytest.mark.parametrize("dpi", [203, 300])
def test_a_label_has_names_prices_and_the_bar_code_that_a_till_scans(dpi: Any) -> None:
    label = _label(TEA, dpi=dpi)

    _inside(label)
    assert label.texts() == ["Milk tea", "$15.00", "$12.90", "/100 g"]
    assert any(isinstance(field, ZplPicture) for field in label.fields)
    (code,) = [field for field in label.fields if isinstance(field, ZplBarcode)]
    assert (code.symbology, code.label) == ("EAN13", "4711234567899")
    assert (label.width, label.height) == ((464, 320) if dpi == 203 else (696, 480))


def test_a_font_in_the_printer_writes_chinese_as_text() -> None:
    label = _label(TEA, font="E:NOTO.TTF")

    assert label.texts()[0].startswith("港式鮮奶茶")
    assert not any(isinstance(field, ZplPicture) for field in label.fields)


def test_a_label_without_gtin_shows_its_sku_and_copies_are_counted_by_the_printer() -> None:
    label = _label(ShelfLabel(sku="TEA-01", name="Tea", price="$1", copies=7))

    assert [(field.symbology, field.label) for field in label.fields if isinstance(field, ZplBarcode)] == [
        ("CODE128", "TEA-01")
    ]
    assert label.copies == 7


def test_what_looks_like_a_command_is_printed_as_it_is() -> None:
    label = _label(ShelfLabel(sku="A", name="50% ^XZ ~JA _5E", price="$1"))

    assert label.texts()[0] == "50% ^XZ ~JA _5E"


def test_what_is_no_label_is_refused() -> None:
    for document in (Document((Text("x"),)), Document(()), Document((PLAIN,) * 401)):
        with pytest.raises(EncodingError):
            encode_labels(document, LabelMedia())
    with pytest.raises(EncodingError, match="check digit"):
        encode_labels(Document((ShelfLabel(sku="A", name="x", price="$1", gtin="4711234567890"),)), LabelMedia())


@needs_font
@settings(max_examples=40)
@given(
    st.text(min_size=1, max_size=120),
    st.text(max_size=60),
    st.text(min_size=1, max_size=12),
    st.sampled_from([(58, 40), (40, 25), (100, 60)]),
)
def test_any_words_stay_on_the_label(name: str, name_en: str, price: str, size: tuple[int, int]) -> None:
    label = ShelfLabel(sku="A1", name=name, name_en=name_en, price=price, gtin="96385074")
    _inside(_label(label, width_mm=size[0], height_mm=size[1]))


GOOD = b"\x02030,0,0,0320,000,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,6,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GOOD, HostStatus("", 0)),
        (GOOD.replace(b"030,0,0", b"030,1,0"), HostStatus("paper_out", 0)),
        (GOOD.replace(b"030,0,0", b"030,0,1"), HostStatus("paused", 0)),
        (GOOD.replace(b"000,0,0,0,0,2", b"000,0,1,0,0,2"), HostStatus("head_open", 0)),
        (GOOD.replace(b"0320,000", b"0320,002"), HostStatus("", 2)),
        (GOOD.replace(b"00000000", b"00000005"), HostStatus("", 5)),
        (GOOD[:-8], None),
        (b"", None),
    ],
)
def test_the_host_status_says_what_the_guide_says(answer: bytes, expected: HostStatus | None) -> None:
    assert decode_host_status(answer) == expected


@given(st.one_of(st.binary(max_size=300), st.text("0123456789,\x02\x03\r\n", max_size=200).map(str.encode)))
def test_any_answer_is_a_status_or_none(answer: bytes) -> None:
    status = decode_host_status(answer)

    assert status is None or status.waiting >= 0


def _driven(
    ctx: RecordingContext, printer: SimulatedLabelPrinter, **options: Any
) -> AbstractAsyncContextManager["asyncio.Task[str]"]:
    quick = {"poll_s": 0.02, "answer_timeout_s": 0.5, "confirm_timeout_s": 1.0}
    return driven_until_lost(DRIVER, ctx, address=printer.address, **(quick | options))


@pytest.mark.parametrize("confirm", ["status", "none"])
async def test_labels_are_printed_once_in_their_order(confirm: str) -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer, confirm=confirm):
        jobs = [ctx.submit(Document((PLAIN, PLAIN))) for _ in range(3)]
        await ctx.wait_for(lambda: all(job.state == "printed" for job in jobs))
        await printer.wait_for(lambda: len(printer.labels) == 6)

    assert ctx.statuses[0].health is Health.READY


async def test_paper_that_ends_in_the_middle_is_waited_for() -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer):
        await ctx.wait_for(lambda: ctx.last_status is not None)
        job = ctx.submit(Document((PLAIN,)))
        await ctx.wait_for(lambda: job.state == "printing")
        printer.set(paper_out=True)
        seen = ctx.heartbeats
        await ctx.wait_for(lambda: ctx.heartbeats > seen + 10)
        printer.set()
        await ctx.wait_for(lambda: job.state == "printed")

    assert len(printer.labels) == 1


@pytest.mark.parametrize("fault", ["paper_out", "head_open", "paused"])
async def test_a_printer_in_trouble_leaves_the_job_queued_and_says_what_to_do(fault: str) -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer:
        printer.set(**{fault: True})
        async with _driven(ctx, printer):
            job = ctx.submit(Document((PLAIN,)))
            await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == fault)
            state = job.state
            printer.set()
            await ctx.wait_for(lambda: job.state == "printed")

    assert state == "queued"
    assert ctx.statuses[0].detail


async def test_silence_while_idle_is_degraded_and_while_printing_unknown() -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer, answer_timeout_s=0.05, confirm_timeout_s=0.2):
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.health is Health.READY)
        job = ctx.submit(Document((PLAIN,)))
        await ctx.wait_for(lambda: job.state == "printing")
        printer.is_silent = True
        await ctx.wait_for(lambda: job.state != "printing")
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "no_answer")

    assert (job.state, job.reason) in (("unknown", "not_confirmed"), ("printed", ""))


async def test_a_connection_that_closes_leaves_the_job_unknown() -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer) as driver:
        printer.close_after_bytes = 0
        job = ctx.submit(Document((PLAIN,)))
        await asyncio.wait({driver})

    assert (job.state, job.reason, driver.result()) == ("unknown", "connection_lost", "connection_lost")


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_printer_that_is_asked_seldom_or_answers_late_is_not_taken_for_stuck(
    monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    monkeypatch.setattr(zpl_printer, "HEARTBEAT_S", 0.02)
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer:
        printer.set(paper_out=True)
        printer.is_silent = is_silent
        async with _driven(ctx, printer, poll_s=600, answer_timeout_s=600):
            await ctx.wait_for(lambda: ctx.heartbeats >= 10)


async def test_a_job_at_hand_goes_back_when_the_printer_goes_before_it_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zpl_printer, "HEARTBEAT_S", 0.02)
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer, answer_timeout_s=600) as driver:
        await ctx.wait_for(lambda: ctx.last_status is not None)
        printer.is_silent = True
        seen = ctx.heartbeats
        await ctx.wait_for(lambda: ctx.heartbeats > seen + 4)  # in a question that is not answered
        job = ctx.submit(Document((PLAIN,)))
        seen = ctx.heartbeats
        await ctx.wait_for(lambda: ctx.heartbeats > seen)
        printer.hang_up()
        await asyncio.wait({driver})

    assert (job.state, job.put_backs, driver.result()) == ("queued", 1, "connection_lost")


async def test_a_receipt_sent_to_a_label_printer_fails_and_says_so() -> None:
    ctx = RecordingContext()
    async with SimulatedLabelPrinter() as printer, _driven(ctx, printer):
        job = ctx.submit(Document((Text("x"),)))
        await ctx.wait_for(lambda: job.state == "failed")

    assert "receipt printer" in job.reason


def test_a_wrong_place_or_font_stops_the_configuration() -> None:
    for said in ({}, {"address": "x:"}, {"address": "10.0.0.1", "font": "noto"}, {"address": "10.0.0.1", "dpi": 200}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(said, DRIVER.options)
