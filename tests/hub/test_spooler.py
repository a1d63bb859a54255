"""From the ledger to a driver: the oldest job, durable before its first byte; a drawer pulse is now or never."""

import asyncio
from typing import Any

import pytest

from devices.document import Document, DrawerPulse
from devices.errors import JobTakenError
from hub.errors import ConflictError
from hub.printing import spooler as spooler_module
from hub.printing.jobs import LedgerError
from hub.printing.spooler import AHEAD_MAX, AHEAD_MIN, AHEAD_S
from hub.store.selling import printing
from sync.db import WRITER_JOBS_MAX
from sync.errors import BusyError, OutcomeUnknownError
from tests.hub.spooler_world import WAIT_S, Desk, full_disk, sold, waiting


@pytest.fixture
def desk(store: Any) -> Desk:
    """A printer's spooler on a real ledger."""
    return Desk(store)


async def test_jobs_come_in_order_and_are_told_after_each_commit(desk: Desk) -> None:
    for job_id in ("a", "b"):
        await desk.queue(job_id)

    for job_id in ("a", "b"):
        job = await desk.spooler.next_job()
        await job.begin()
        assert (job.job_id, desk.state(job_id)) == (job_id, "printing")
        await job.printed()

    await desk.commit()
    assert desk.told == [("a", "printing", ""), ("b", "printing", ""), ("a", "printed", ""), ("b", "printed", "")]


async def test_a_job_that_was_not_begun_is_handed_out_again(desk: Desk) -> None:
    await desk.queue("a")

    jobs = [await desk.spooler.next_job() for _ in range(2)]

    assert [job.job_id for job in jobs] == ["a", "a"] and desk.state("a") == "queued"


async def test_whoever_waits_is_woken_by_a_poke(desk: Desk) -> None:
    waiting = asyncio.ensure_future(desk.spooler.next_job())
    await desk.queue("a")

    async with asyncio.timeout(WAIT_S):
        assert (await waiting).job_id == "a"


@pytest.mark.parametrize(("end", "state"), [("failed", "failed"), ("unknown", "unknown")])
async def test_how_a_job_ended_is_in_the_ledger_with_its_reason(desk: Desk, end: str, state: str) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()

    await getattr(job, end)("why")

    assert desk.told[-1] == ("a", state, "why")


async def test_what_a_cancelled_driver_left_printing_becomes_unknown_not_printed_twice(desk: Desk) -> None:
    await desk.queue("a")
    await desk.queue("b")
    await (await desk.spooler.next_job()).begin()

    job = await desk.spooler.next_job()

    assert (job.job_id, desk.state("a")) == ("b", "unknown")


async def test_a_job_whose_begin_was_refused_is_still_queued_and_handed_out_again(desk: Desk) -> None:
    """No byte has gone out: nobody must be asked to look at the paper."""
    await desk.queue("a")
    job = await desk.spooler.next_job()
    *_, refused = await asyncio.gather(
        *(desk.commit() for _ in range(WRITER_JOBS_MAX)), job.begin(), return_exceptions=True
    )

    assert isinstance(refused, LedgerError) and isinstance(refused.__cause__, BusyError)
    async with asyncio.timeout(WAIT_S):
        assert ((await desk.spooler.next_job()).job_id, desk.state("a")) == ("a", "queued")


@pytest.mark.parametrize("end", ["failed", "unknown"])
async def test_an_end_that_the_hub_cannot_write_is_the_hubs_fault_and_no_bug_of_the_driver(
    desk: Desk, end: str
) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()
    *_, refused = await asyncio.gather(
        *(desk.commit() for _ in range(WRITER_JOBS_MAX)), getattr(job, end)("why"), return_exceptions=True
    )

    assert isinstance(refused, LedgerError) and isinstance(refused.__cause__, BusyError)


async def test_a_job_that_cannot_be_settled_waits_for_a_hub_that_writes(desk: Desk) -> None:
    await desk.queue("a")
    await (await desk.spooler.next_job()).begin()
    *_, refused = await asyncio.gather(
        *(desk.commit() for _ in range(WRITER_JOBS_MAX)), desk.spooler.next_job(), return_exceptions=True
    )
    await desk.queue("b")

    assert isinstance(refused, LedgerError)
    assert ((await desk.spooler.next_job()).job_id, desk.state("a")) == ("b", "unknown")


async def test_a_cancelled_begin_does_not_leave_the_job_in_nobodys_hand(desk: Desk) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    beginning = asyncio.ensure_future(job.begin())
    asyncio.get_running_loop().call_soon(beginning.cancel)
    with pytest.raises(asyncio.CancelledError):
        await beginning
    await desk.commit()
    await desk.queue("b")

    assert ((await desk.spooler.next_job()).job_id, desk.state("a")) == ("b", "unknown")


async def test_a_printed_job_is_told_at_once_and_written_with_the_next_sale(desk: Desk, sale: Any) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()
    commits = desk.store.db.commits

    await job.printed()

    assert desk.told[-1] == ("a", "printed", "")
    in_ledger = printing.job_view(desk.store.db.read, "a")
    assert (in_ledger.state, desk.spooler.standing(in_ledger).state) == ("printing", "printed")
    await desk.store.sell(sale())
    assert (desk.state("a"), desk.store.db.commits - commits) == ("printed", 1)


async def test_a_receipt_on_paper_that_a_crash_came_before_is_unknown_and_its_repeat_is_marked(desk: Desk) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()
    await job.printed()

    desk.store.db._soon.clear()  # as a power cut would
    await desk.store.db.write(lambda tx: printing.settle_interrupted(tx, desk.store.replica, now_ms=8))
    repeated = await desk.store.db.write(lambda tx: printing.retry(tx, "a", now_ms=9))

    assert (repeated.state, repeated.mark) == ("queued", "repeat")


async def test_a_printed_job_is_refused_a_retry_before_the_ledger_has_it(desk: Desk) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()
    await job.printed()

    with pytest.raises(ConflictError, match="was printed"):
        await desk.store.db.write(lambda tx: printing.retry(tx, "a", now_ms=9))


async def test_a_printed_job_whose_commit_failed_does_not_stay_printing(desk: Desk) -> None:
    await desk.queue("a")
    job = await desk.spooler.next_job()
    await job.begin()
    await job.printed()
    with pytest.raises(OutcomeUnknownError):
        await desk.store.db.write(full_disk)
    await desk.store.db.write(lambda tx: tx.execute("PRAGMA max_page_count = 1000000").fetchone())
    await desk.queue("b")

    await desk.spooler.next_job()
    await desk.commit()

    assert desk.state("a") == "printed"


async def test_a_drawer_pulse_overtakes_receipts(desk: Desk) -> None:
    await desk.queue("a")
    opening = asyncio.ensure_future(desk.spooler.open_drawer())
    woken = asyncio.Event()
    asyncio.get_running_loop().call_soon(woken.set)
    await woken.wait()

    job = await desk.spooler.next_job()
    await job.begin()
    await job.printed()
    await opening

    assert job.document == Document((DrawerPulse(),))
    assert ((await desk.spooler.next_job()).job_id, desk.told) == ("a", [])


@pytest.mark.parametrize("end", ["failed", "unknown"])
async def test_a_pulse_that_is_not_confirmed_is_refused(desk: Desk, end: str) -> None:
    opening = asyncio.ensure_future(desk.spooler.open_drawer())
    job = await desk.spooler.next_job()

    await getattr(job, end)("why")

    with pytest.raises(BusyError) as refused:
        await opening
    assert refused.value.code == "drawer_not_opened"


async def test_a_pulse_that_nobody_takes_is_forgotten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler_module, "DRAWER_TIMEOUT_S", 0.05)
    with pytest.raises(BusyError):
        await desk.spooler.open_drawer()

    await desk.queue("a")

    assert (await desk.spooler.next_job()).job_id == "a"


async def test_two_tills_that_open_the_drawer_at_once_are_both_told_that_it_opened(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooler_module, "DRAWER_TIMEOUT_S", 1.0)
    openings = [asyncio.ensure_future(desk.spooler.open_drawer()) for _ in range(2)]

    job = await desk.spooler.next_job()
    await job.printed()

    assert await asyncio.gather(*openings, return_exceptions=True) == [None, None]


async def test_a_waiting_printer_gets_a_sale_begun_in_the_sales_own_commit(desk: Desk, sale: Any) -> None:
    driver = await waiting(desk)
    assert desk.spooler.reserve()

    receipt = await sold(desk, sale(), is_promised=True)
    assert desk.state(receipt.job_id) == "printing"
    commits = desk.store.db.commits
    desk.spooler.hand_over(receipt)
    job = await driver
    await job.begin()

    assert (job.job_id, desk.store.db.commits) == (receipt.job_id, commits)
    await job.printed()
    await desk.commit()
    assert (desk.state(receipt.job_id), desk.store.db.read.execute("SELECT attempts FROM print_job").fetchall()) == (
        "printed",
        [(1,)],
    )


async def test_jobs_that_follow_one_another_are_begun_together_and_come_in_order(desk: Desk) -> None:
    names = [f"job-{n}" for n in range(AHEAD_MIN + 3)]
    for job_id in names:
        await desk.queue(job_id)

    for place, job_id in enumerate(names):
        job = await desk.spooler.next_job()
        await job.begin()
        begun = names[: AHEAD_MIN + 1] if place <= AHEAD_MIN else names
        assert (job.job_id, [told for told, state, _ in desk.told if state == "printing"]) == (job_id, begun)
        assert all(desk.state(each) == "queued" for each in names if each not in begun)
        await job.printed()


@pytest.mark.parametrize(
    ("takes_s", "begun"), [(0.0, AHEAD_MAX), (AHEAD_S / 10.5, 10), (AHEAD_S / AHEAD_MIN, AHEAD_MIN), (2.0, AHEAD_MIN)]
)
async def test_of_a_printer_that_has_shown_to_be_fast_more_are_begun_and_fewer_as_soon_as_it_stops(
    desk: Desk, takes_s: float, begun: int
) -> None:
    desk.takes_s = takes_s
    for n in range(60):
        await desk.queue(f"first-{n}")
        job = await desk.spooler.next_job()
        await job.begin()
        await job.printed()
    for n in range(AHEAD_MAX + 2):
        await desk.queue(f"then-{n}")

    await (job := await desk.spooler.next_job()).begin()

    assert printing.open_jobs(desk.store.db.read)[0].jobs == 1 + begun
    desk.takes_s = 10.0
    await job.printed()
    assert desk.spooler.ahead_max == AHEAD_MIN


async def test_a_printer_that_was_lost_leaves_in_doubt_only_what_it_had_in_hand(desk: Desk) -> None:
    for job_id in "abc":
        await desk.queue(job_id)
    job = await desk.spooler.next_job()
    await job.begin()

    await job.unknown("connection_lost")
    await desk.commit()

    assert [desk.state(each) for each in "abc"] == ["unknown", "queued", "queued"]
    assert desk.store.db.read.execute("SELECT attempts FROM print_job ORDER BY id").fetchall() == [(1,), (0,), (0,)]
    again = await desk.spooler.next_job()
    await again.begin()
    assert (again.job_id, desk.state("c")) == ("b", "printing")


async def test_a_printer_is_promised_to_as_many_sales_as_may_be_begun_and_only_while_it_works(desk: Desk) -> None:
    assert not desk.spooler.reserve()
    driver = await waiting(desk)

    assert [desk.spooler.reserve() for _ in range(AHEAD_MIN + 1)] == [True] * AHEAD_MIN + [False]
    for _ in range(AHEAD_MIN):
        desk.spooler.release()
    await desk.queue("a")
    assert (await driver).job_id == "a"
    assert not desk.spooler.reserve(), "what is queued comes first"


async def test_sales_made_while_a_printer_works_are_begun_in_their_own_commits(desk: Desk, sale: Any) -> None:
    driver = await waiting(desk)
    for place in range(3):
        assert desk.spooler.reserve()
        receipt = await sold(desk, sale(), is_promised=True)
        commits = desk.store.db.commits
        desk.spooler.hand_over(receipt)
        job = await (driver if place == 0 else desk.spooler.next_job())
        await job.begin()
        assert (job.job_id, desk.state(receipt.job_id), desk.store.db.commits) == (receipt.job_id, "printing", commits)
        await job.printed()


async def test_a_sale_that_was_not_booked_gives_the_printer_back_to_the_queue(desk: Desk) -> None:
    driver = await waiting(desk)
    desk.spooler.reserve()
    await desk.queue("a")

    desk.spooler.release()

    assert (await driver).job_id == "a"


async def test_a_job_begun_in_advance_for_a_printer_that_is_off_line_is_queued_again(desk: Desk, sale: Any) -> None:
    driver = await waiting(desk)
    desk.spooler.reserve()
    receipt = await sold(desk, sale(), is_promised=True)
    desk.spooler.hand_over(receipt)

    await (await driver).put_back()

    assert desk.state(receipt.job_id) == "queued"
    assert desk.store.db.read.execute("SELECT attempts FROM print_job").fetchall() == [(0,)]
    assert (await desk.spooler.next_job()).job_id == receipt.job_id


async def test_a_job_begun_in_advance_for_a_driver_that_left_is_queued_again(desk: Desk, sale: Any) -> None:
    driver = await waiting(desk)
    desk.spooler.reserve()
    receipt = await sold(desk, sale(), is_promised=True)
    driver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driver

    desk.spooler.hand_over(receipt)
    await desk.commit()

    assert desk.state(receipt.job_id) == "queued"


async def test_a_driver_cut_off_before_it_began_leaves_the_job_for_the_next_one(desk: Desk, sale: Any) -> None:
    driver = await waiting(desk)
    desk.spooler.reserve()
    receipt = await sold(desk, sale(), is_promised=True)
    desk.spooler.hand_over(receipt)
    await driver

    again = await desk.spooler.next_job()

    assert (again.job_id, desk.state(receipt.job_id)) == (receipt.job_id, "printing")
    await again.begin()
    await again.printed()
    await desk.commit()
    assert desk.state(receipt.job_id) == "printed"


async def test_a_job_behind_those_that_were_begun_may_be_another_printers_meanwhile(desk: Desk) -> None:
    """It was read with them; whether it is still this printer's is asked when it begins."""
    names = [f"job{n}" for n in range(AHEAD_MIN + 2)]
    for name in names:
        await desk.queue(name)
    for name in names[:-1]:
        job = await desk.spooler.next_job()
        assert job.job_id == name
        await job.begin()
        await job.printed()
    await desk.store.db.write(lambda tx: printing.move(tx, "p1", to="p2", now_ms=9))

    job = await desk.spooler.next_job()

    with pytest.raises(JobTakenError):
        await job.begin()
    assert (job.job_id, desk.state(names[-1]), desk.spooler.waiting_job()) == (names[-1], "queued", None)
