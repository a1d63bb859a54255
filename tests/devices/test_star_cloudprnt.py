"""The CloudPRNT driver against a simulated printer that polls it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.printing.cloudprnt import CloudPrntError, decode_outcome, decode_poll, decode_status
from devices.document import Barcode, Columns, Cut, Document, Text
from devices.drivers.star_cloudprnt import Options, run
from devices.model import Health
from devices.supervision.requests import DeviceRequest
from devices.testing.cloud_printer import CloudPrinter
from devices.testing.context import RecordingContext

RECEIPT = Document((Text("早安咖啡", align="center"), Columns("拿鐵", "120"), Cut()))


def _printer(ctx: RecordingContext, **faults: Any) -> CloudPrinter:
    async def ask(method: str, query: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        answer = await ctx.ask(DeviceRequest(method, query=query, content_type="application/json", body=body))
        return answer.status, answer.content_type, answer.body

    return CloudPrinter(ask, **faults)


@asynccontextmanager
async def _driven(ctx: RecordingContext, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
    async with asyncio.TaskGroup() as group:
        driver = group.create_task(run(ctx, Options(**options)), name="driver")
        try:
            async with asyncio.timeout(30):
                yield driver
        finally:
            driver.cancel()


async def test_a_job_is_offered_fetched_printed_and_confirmed() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx)
    async with _driven(ctx):
        await printer.poll()
        job = ctx.submit(RECEIPT)
        await asyncio.sleep(0)
        had_job = await printer.poll()

    assert (had_job, job.state) == (True, "printed")
    assert printer.papers[0].lines() == [" " * 20 + "早安咖啡", "拿鐵" + " " * 41 + "120", "[cut]"]
    assert [update.health for update in ctx.statuses] == [Health.OFFLINE, Health.READY]


async def test_a_printer_that_wants_a_picture_gets_one() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx, prefers="image/png")
    async with _driven(ctx):
        job = ctx.submit(Document((Text("Latte"),)))
        await printer.poll()

    assert job.state in ("printed", "failed")  # failed: no font on this machine
    if job.state == "printed":
        assert printer.printed[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("faults", "state", "reason"),
    [({"cannot_read": True}, "failed", "job_refused"), ({"loses_job": True}, "failed", "job_refused")],
)
async def test_a_job_that_never_reached_the_paper_has_failed(faults: dict[str, bool], state: str, reason: str) -> None:
    ctx = RecordingContext()
    printer = _printer(ctx, **faults)
    async with _driven(ctx):
        job = ctx.submit(RECEIPT)
        await printer.poll()

    assert (job.state, job.reason, printer.printed) == ("failed", "job_refused", [])


async def test_paper_out_gives_the_job_back_and_paper_in_prints_it_once() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx, status="410 Paper out")
    async with _driven(ctx):
        job = ctx.submit(RECEIPT)
        await printer.poll()
        state_without_paper, health = job.state, ctx.last_status
        printer.status = "200 OK"
        await printer.poll()

    assert state_without_paper == "queued"
    assert health is not None and (health.health, health.reason) == (Health.DEGRADED, "paper_out")
    assert (job.state, len(printer.printed)) == ("printed", 1)


async def test_a_job_that_is_fetched_and_never_confirmed_is_unknown_and_not_offered_again() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx, forgets_delete=True)
    async with _driven(ctx, confirm_timeout_s=0.01):
        job = ctx.submit(RECEIPT)
        await printer.poll()
        await asyncio.to_thread(lambda: None)
        while job.state == "printing":
            await printer.poll()

    assert (job.state, job.reason, len(printer.printed)) == ("unknown", "not_confirmed", 1)


async def test_paper_that_ends_in_the_middle_is_waited_for_as_long_as_it_takes() -> None:
    ctx, loop = RecordingContext(), asyncio.get_running_loop()
    printer = _printer(ctx, forgets_delete=True)
    async with _driven(ctx, confirm_timeout_s=1.0):
        job = ctx.submit(RECEIPT)
        await printer.poll()
        printer.status, ends_s = "410 Paper out", loop.time() + 1.2
        while loop.time() < ends_s:
            await printer.poll()
        printer.status = "200 OK"
        await printer.poll()
        state = job.state

    assert state == "printing"


async def test_the_same_job_asked_for_again_is_the_same_bytes_and_begun_once() -> None:
    ctx = RecordingContext()
    async with _driven(ctx):
        job = ctx.submit(RECEIPT, "sale~1")
        printer = _printer(ctx, forgets_delete=True)
        await printer.poll()
        query = {"token": "sale~1", "type": "application/vnd.star.starprnt"}
        again = await ctx.ask(DeviceRequest("GET", query=query))
        await ctx.ask(DeviceRequest("DELETE", query={"token": "sale~1", "code": "200 OK"}))

    assert (again.status, again.body, job.state) == (200, printer.printed[0], "printed")


async def test_a_printer_of_old_firmware_sends_no_token() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx, has_no_token=True)
    async with _driven(ctx):
        job = ctx.submit(RECEIPT)
        await printer.poll()

    assert job.state == "printed"


async def test_a_confirmation_of_another_job_changes_nothing() -> None:
    ctx = RecordingContext()
    async with _driven(ctx):
        job = ctx.submit(RECEIPT)
        printer = _printer(ctx, forgets_delete=True)
        await printer.poll()
        answer = await ctx.ask(DeviceRequest("DELETE", query={"token": "yesterday", "code": "200 OK"}))
        state = job.state

    assert (answer.status, state) == (200, "printing")


async def test_silence_is_off_line_and_the_job_stays_queued() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx)
    async with _driven(ctx, silent_s=0.05):
        await printer.poll()
        job = ctx.submit(RECEIPT)
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "not_polling")
        state_in_silence = job.state
        await printer.poll()

    assert (state_in_silence, job.state) == ("queued", "printed")


async def test_the_hub_that_stops_leaves_a_fetched_job_unknown_and_an_offered_one_queued() -> None:
    ctx = RecordingContext()
    async with _driven(ctx) as driver:
        fetched = ctx.submit(RECEIPT)
        await _printer(ctx, forgets_delete=True).poll()
        driver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await driver

    assert (fetched.state, fetched.reason) == ("unknown", "interrupted")


async def test_a_document_that_cannot_be_drawn_fails_and_the_next_is_printed() -> None:
    ctx = RecordingContext()
    printer = _printer(ctx)
    async with _driven(ctx):
        bad, good = ctx.submit(Document((Barcode("EAN13", "1"),))), ctx.submit(RECEIPT)
        await printer.poll()
        await printer.poll()

    assert (bad.state, good.state) == ("failed", "printed")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"statusCode": 5}', b"\xff", b'{"x":' + b"[" * 5_000])
async def test_a_poll_that_is_none_is_refused(body: bytes) -> None:
    ctx = RecordingContext()
    async with _driven(ctx):
        answer = await ctx.ask(DeviceRequest("POST", body=body))

    assert answer.status == 400
    assert ctx.counters["polls_refused"] == 1


@pytest.mark.parametrize(
    ("query", "status"), [({}, 404), ({"type": "image/png", "token": "x"}, 404), ({"type": "application/pdf"}, 404)]
)
async def test_what_is_not_offered_is_not_found(query: dict[str, str], status: int) -> None:
    ctx = RecordingContext()
    async with _driven(ctx):
        answer = await ctx.ask(DeviceRequest("GET", query=query))

    assert answer.status == status


@pytest.mark.parametrize(
    ("code", "trouble", "outcome"),
    [
        ("200%20OK", "", "printed"),
        ("OK", "", "printed"),
        ("211 Paper low", "", "printed"),
        ("410 Out of paper", "paper_out", "unknown"),
        ("411", "paper_jam", "unknown"),
        ("420 Cover open", "cover_open", "unknown"),
        ("429 who knows", "cover_open", "unknown"),
        ("511", "printer_error", "failed"),
        ("520", "printer_error", "failed"),
        ("999", "printer_error", "unknown"),
    ],
)
def test_status_codes_say_what_the_guide_says(code: str, trouble: str, outcome: str) -> None:
    assert (decode_status(code).trouble, decode_outcome(code)[0]) == (trouble, outcome)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=40).map(lambda text: f'{{"statusCode":"{text}"}}'.encode())))
def test_any_poll_is_read_or_refused(body: bytes) -> None:
    try:
        poll = decode_poll(body)
    except CloudPrntError:
        return

    assert len(decode_status(poll.status_code).words) <= 200
