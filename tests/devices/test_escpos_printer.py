"""The ESC/POS printer driver against a simulated printer over real TCP."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.codecs.printing import raster
from devices.document import Barcode, Columns, Cut, Document, Rule, Text
from devices.drivers._addresses import split_address
from devices.drivers._printer_lines import DEFAULT_PORT, tcp_line
from devices.drivers._printer_words import trouble
from devices.drivers.escpos_printer import DRIVER, Options, run
from devices.errors import WireError
from devices.escpos_wire import EscposWire, PrinterLostError
from devices.model import Health, StatusUpdate
from devices.testing.context import RecordedJob, RecordingContext
from devices.testing.printer import SimulatedPrinter

READY = StatusUpdate(Health.READY)
PAPER_OUT = trouble("paper_out")
RECEIPT = Document((Text("早安咖啡", align="center"), Columns("拿鐵", "120"), Rule(), Text("謝謝"), Cut()))
LONG = Document((*(Text(f"第 {number} 行") for number in range(200)), Cut()))


def _options(printer: SimulatedPrinter, **changes: Any) -> Options:
    quick = {"poll_s": 0.02, "answer_timeout_s": 1.0, "confirm_timeout_s": 1.0, "connect_timeout_s": 1.0}
    return Options(address=printer.address, **(quick | changes))


@asynccontextmanager
async def _driven(
    printer: SimulatedPrinter, ctx: RecordingContext, **changes: Any
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run the driver until the block ends; a WireError of its own is left in the task for the test to look at."""
    async with asyncio.TaskGroup() as group:
        outcome = group.create_task(_caught(run(ctx, _options(printer, **changes))), name="driver")
        try:
            async with asyncio.timeout(30):
                yield outcome
        finally:
            outcome.cancel()


async def _caught(running: Awaitable[None]) -> Any:
    with contextlib.suppress(WireError):
        await running


async def _reason(printer: SimulatedPrinter, ctx: RecordingContext, **changes: Any) -> WireError:
    async with asyncio.timeout(30):
        with pytest.raises(WireError) as caught:
            await run(ctx, _options(printer, **changes))
    return caught.value


def _ends(ctx: RecordingContext, job: RecordedJob, state: str) -> Callable[[], bool]:
    return lambda: job.state == state


async def test_a_job_is_printed_and_confirmed_once() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer, _driven(printer, ctx):
        job = ctx.submit(RECEIPT)
        await ctx.wait_for(_ends(ctx, job, "printed"))

    assert [receipt.lines() for receipt in printer.receipts] == [
        [" " * 20 + "早安咖啡", "拿鐵" + " " * 41 + "120", "-" * 48, "謝謝", "[cut]"]
    ]
    assert ctx.statuses == [READY]


async def test_jobs_are_printed_in_their_order() -> None:
    ctx = RecordingContext()
    jobs = [ctx.submit(Document((Text(f"job {number}"), Cut()))) for number in range(5)]
    async with SimulatedPrinter(lines_per_s=1000) as printer, _driven(printer, ctx):
        await ctx.wait_for(lambda: all(job.state == "printed" for job in jobs))

    assert [receipt.lines()[0] for receipt in printer.receipts] == [f"job {number}" for number in range(5)]


async def test_an_idle_driver_keeps_beating() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer, _driven(printer, ctx):
        await ctx.wait_for(lambda: ctx.heartbeats > 20)

    assert ctx.statuses == [READY]


async def test_an_encoding_error_fails_the_job_and_the_next_is_printed() -> None:
    ctx = RecordingContext()
    bad, good = ctx.submit(Document((Barcode("EAN13", "1"),))), ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer, _driven(printer, ctx):
        await ctx.wait_for(_ends(ctx, good, "printed"))

    assert bad.state == "failed"
    assert "13 digits" in bad.reason
    assert len(printer.receipts) == 1


async def test_a_printer_that_is_away_keeps_the_job_queued_until_it_is_back() -> None:
    ctx = RecordingContext()
    job = ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer:
        await printer.go_away()
        error = await _reason(printer, ctx)
        state_while_away = job.state
        await printer.come_back()
        async with _driven(printer, ctx):
            await ctx.wait_for(_ends(ctx, job, "printed"))

    assert "no printer answers" in str(error)
    assert state_while_away == "queued"
    assert len(printer.receipts) == 1


async def test_an_idle_hang_up_is_noticed_at_once() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer, _driven(printer, ctx, poll_s=60) as driver:
        await ctx.wait_for(lambda: ctx.last_status == READY)
        await printer.go_away()
        await driver

    assert driver.done()


async def test_a_connection_closed_mid_receipt_leaves_the_job_unknown() -> None:
    ctx = RecordingContext()
    job = ctx.submit(LONG)
    async with SimulatedPrinter() as printer:
        printer.close_after_bytes = 700
        error = await _reason(printer, ctx)

    assert "closed" in str(error) or "hung up" in str(error)
    assert (job.state, job.reason) == ("unknown", "connection_lost")


async def test_a_printer_that_hangs_after_the_bytes_leaves_the_job_unknown() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer:
        printer.hang_after_bytes = 10  # in the document: a new connection sends three bytes before it
        job = ctx.submit(RECEIPT)
        await _reason(printer, ctx, confirm_timeout_s=0.3)

    assert (job.state, job.reason) == ("unknown", "no_answer")


async def test_a_printer_that_takes_no_more_bytes_leaves_the_job_unknown() -> None:
    ctx = RecordingContext()
    huge = Document(tuple(Text("x" * 48) for _ in range(10_000)))
    async with SimulatedPrinter() as printer:
        printer.hang_after_bytes = 10  # in the document: a new connection sends three bytes before it
        job = ctx.submit(huge)
        await _reason(printer, ctx, send_timeout_s=0.1)

    assert (job.state, job.reason) == ("unknown", "no_answer")


async def test_a_printer_that_never_answers_is_given_up_while_the_job_stays_queued() -> None:
    ctx = RecordingContext()
    job = ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer:
        printer.hangs = True
        error = await _reason(printer, ctx, answer_timeout_s=0.05)

    assert "DLE EOT 1" in str(error)
    assert job.state == "queued"


async def test_paper_out_before_the_job_keeps_it_queued_and_then_prints_it_once() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer:
        printer.paper_out = True
        async with _driven(printer, ctx):
            job = ctx.submit(RECEIPT)
            await ctx.wait_for(lambda: ctx.last_status == PAPER_OUT)
            seen = ctx.heartbeats
            await ctx.wait_for(lambda: ctx.heartbeats > seen + 10)
            state_without_paper = job.state
            printer.paper_out = False
            await ctx.wait_for(_ends(ctx, job, "printed"))

    assert state_without_paper == "queued"
    assert len(printer.receipts) == 1
    assert ctx.last_status == READY


async def test_paper_out_in_the_middle_is_shown_and_the_rest_comes_when_paper_is_back() -> None:
    ctx = RecordingContext()
    job = ctx.submit(LONG)
    async with SimulatedPrinter() as printer:
        printer.paper_out_after_lines = 20
        async with _driven(printer, ctx, confirm_timeout_s=0.3):
            await ctx.wait_for(lambda: ctx.last_status == PAPER_OUT)
            loop = asyncio.get_running_loop()
            later_s = loop.time() + 0.5  # beyond confirm_timeout_s
            await ctx.wait_for(lambda: loop.time() > later_s)
            state_without_paper, lines_without_paper = job.state, len(printer.uncut.elements)
            printer.paper_out = False
            await ctx.wait_for(_ends(ctx, job, "printed"))

    assert (state_without_paper, lines_without_paper) == ("printing", 20)
    assert printer.receipts[0].paper.text().splitlines() == [f"第 {number} 行" for number in range(200)]


async def test_an_open_cover_is_degraded_until_it_is_shut() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer, _driven(printer, ctx):
        printer.cover_open = True
        await ctx.wait_for(lambda: ctx.last_status == trouble("cover_open"))
        printer.cover_open = False
        printer.paper_near_end = True
        await ctx.wait_for(lambda: (ctx.last_status or READY).reason == "paper_near_end")


async def test_shutdown_in_the_middle_of_a_document_leaves_it_unknown() -> None:
    ctx = RecordingContext()
    job = ctx.submit(LONG)
    async with SimulatedPrinter() as printer:
        printer.paper_out_after_lines = 5
        async with _driven(printer, ctx) as driver:
            await ctx.wait_for(lambda: ctx.last_status == PAPER_OUT)
            driver.cancel()

    assert driver.cancelled()
    assert (job.state, job.reason) == ("unknown", "interrupted")


async def test_shutdown_while_idle_leaves_the_queue_alone() -> None:
    ctx = RecordingContext()
    async with SimulatedPrinter() as printer:
        printer.paper_out = True
        async with _driven(printer, ctx) as driver:
            job = ctx.submit(RECEIPT)
            await ctx.wait_for(lambda: ctx.last_status == PAPER_OUT)
            driver.cancel()

    assert driver.cancelled()
    assert job.state == "queued"


async def test_without_confirmation_a_silent_printer_is_enough() -> None:
    ctx = RecordingContext()
    job = ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer, _driven(printer, ctx, confirm="none"):
        await ctx.wait_for(_ends(ctx, job, "printed"))
        await printer.wait_for(lambda: len(printer.receipts) == 1)

    assert b"\x10\x04" not in printer.receipts[0].raw


async def test_bytes_for_a_connection_that_broke_are_never_taken_for_sent() -> None:
    """The line is reset and nobody reads from it, so that only the write can notice."""
    reset = asyncio.Event()

    async def reset_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        reset.set()

    async with await asyncio.start_server(reset_at_once, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with tcp_line(f"{host}:{port}", 5.0) as line, asyncio.timeout(30):
            wire = EscposWire(line, lambda: None, send_timeout_s=5.0)
            await reset.wait()
            with pytest.raises(PrinterLostError, match="hung up"):
                while True:
                    await wire.send(b"paper")
                    await asyncio.sleep(0)


async def test_a_printer_without_gs_r_is_found_before_paper_is_spent() -> None:
    ctx = RecordingContext()
    job = ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer:
        printer.ignores_ordered_status = True
        error = await _reason(printer, ctx, confirm_timeout_s=0.4)

    assert 'confirm = "none"' in str(error)
    assert job.state == "queued"


async def test_an_automatic_status_does_not_confirm_a_document() -> None:
    ctx = RecordingContext()
    first = ctx.submit(RECEIPT)
    async with SimulatedPrinter() as printer, _driven(printer, ctx, confirm_timeout_s=0.4):
        await ctx.wait_for(_ends(ctx, first, "printed"))
        printer.ignores_ordered_status = True
        second = ctx.submit(RECEIPT)
        await ctx.wait_for(_ends(ctx, second, "printing"))
        printer.send_unasked(b"\x10\x00\x00\x00\xff")
        await ctx.wait_for(_ends(ctx, second, "unknown"))

    assert second.reason == "not_confirmed"
    assert ctx.counters["stray_bytes"] == 1


async def test_the_answer_to_an_earlier_connection_does_not_confirm_the_next_document() -> None:
    ctx = RecordingContext()
    left_behind = ctx.submit(LONG)
    async with SimulatedPrinter(lines_per_s=1000) as printer:
        printer.paper_out_after_lines = 5
        async with _driven(printer, ctx) as driver:
            await ctx.wait_for(lambda: ctx.last_status == PAPER_OUT)
            driver.cancel()
        printer.paper_out = False
        job = ctx.submit(RECEIPT)
        async with _driven(printer, ctx):
            await ctx.wait_for(_ends(ctx, job, "printed"))
            receipts_when_printed = len(printer.receipts)

    assert left_behind.state == "unknown"
    assert receipts_when_printed == 2


async def test_a_client_that_hangs_up_late_takes_nothing_of_the_next_ones_command_with_it() -> None:
    """The simulated printer: half a GS r, the former client's end, the other half."""
    async with SimulatedPrinter() as printer, asyncio.timeout(30):
        host, _, port = printer.address.rpartition(":")
        _, former = await asyncio.open_connection(host, int(port))
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x1d\x61\x01\x1d")
        await reader.readexactly(4)
        former.close()
        await printer.wait_for(lambda: printer.clients == 1)
        writer.write(b"\x72\x01")
        assert await reader.readexactly(1) == b"\x00"
        printer.cover_open = True
        assert len(await reader.readexactly(4)) == 4
        writer.close()


@pytest.mark.skipif(not any(Path(path).is_file() for path in raster.FONT_PATHS), reason="no font installed")
async def test_characters_in_no_font_are_counted_and_shown_in_health() -> None:
    ctx = RecordingContext()
    job = ctx.submit(Document((Text("a\U000f0000"), Cut())))
    async with SimulatedPrinter() as printer, _driven(printer, ctx):
        await ctx.wait_for(_ends(ctx, job, "printed"))
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "characters_missing")

    assert ctx.counters == {"raster_lines": 1, "characters_missing": 1}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.5", ("10.0.0.5", 9100)),
        ("printer.lan:9101", ("printer.lan", 9101)),
        ("[fe80::1]", ("fe80::1", 9100)),
        ("[::1]:9102", ("::1", 9102)),
    ],
)
def test_an_address_is_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert split_address(address, port=DEFAULT_PORT) == expected


@pytest.mark.parametrize(
    "address", ["", ":9100", "host:", "host:x", "fe80::1", "[::1", "[::1]x", "host:0", "host:65536"]
)
def test_a_wrong_address_stops_the_configuration(address: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="address"):
        msgspec.convert({"address": address}, DRIVER.options)
