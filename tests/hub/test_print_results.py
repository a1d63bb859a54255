"""Print results as facts: one for each time a job ended, in the write that ended it, dense and digested; none otherwise."""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
import pytest

from devices.document import Document, Text
from hub.printing.spooler import Spooler
from hub.store.selling import printing
from hub.store.selling.printing import PrintTo
from sync.retail.prints import Ended, PrintResult
from sync.retail.selling.sales import Sale
from sync.store.reading import rows_after

NOTE = Document((Text("note"),))
WAIT_S = 60.0


class Desk:
    """A printer's spooler on `store`, and the results that its stream hands out."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.spooler = Spooler(
            *(store.db, lambda: store.replica, "p1"),
            now_ms=lambda: 7,
            monotonic_s=lambda: 0,
            render=lambda *_: NOTE,
            announce=lambda _: None,
        )

    async def queue(self, job_id: str) -> None:
        await self.store.db.write(
            lambda tx: printing.queue_document(tx, job_id, NOTE, printer_id="p1", now_ms=1),
            then=lambda _: self.spooler.poke(),
        )

    async def begun(self) -> Any:
        """Let the driver begin its next job."""
        async with asyncio.timeout(WAIT_S):
            job = await self.spooler.next_job()
        await job.begin()
        return job

    async def settle(self) -> int:
        return int(await self.store.db.write(lambda tx: printing.settle_interrupted(tx, self.store.replica, now_ms=9)))

    async def commit(self) -> None:
        """Have one more commit: what was to be written soon goes with it."""
        await self.store.db.write(lambda tx: None)

    def results(self, after: int = 0, limit: int = 100) -> list[PrintResult]:
        rows = rows_after(self.store.db.read, self.store.replica.local_id, "prints", after, limit)
        return [msgspec.json.decode(body, type=PrintResult) for _, body in rows]

    def states(self) -> list[tuple[str, str, str, int]]:
        return [(one.job_id, one.state, one.reason, one.attempts) for one in self.results()]


@pytest.fixture
def desk(store: Any) -> Desk:
    """A printer's spooler on a real ledger."""
    return Desk(store)


async def test_a_printed_receipt_is_a_fact_that_names_its_sale(desk: Desk, sale: Callable[..., Sale]) -> None:
    one = sale()
    await desk.store.sell(one, print_to=PrintTo("p1"))

    await (await desk.begun()).printed()
    await desk.commit()

    (result,) = desk.results()
    assert result == PrintResult(
        job_id=f"sale~{one.sale_id}",
        sale_id=one.sale_id,
        printer_id="p1",
        state="printed",
        attempts=1,
        at=msgspec.convert("1970-01-01T00:00:00.007Z", type(result.at)),
    )


@pytest.mark.parametrize("state", ["failed", "unknown"])
async def test_a_job_that_ends_badly_is_a_fact_with_its_reason(desk: Desk, state: Ended) -> None:
    await desk.queue("a")

    await getattr(await desk.begun(), state)("no_answer")

    assert desk.states() == [("a", state, "no_answer", 1)]


async def test_what_is_queued_begun_or_put_back_is_no_result(desk: Desk) -> None:
    await desk.queue("a")
    await desk.queue("b")
    await desk.begun()
    await desk.store.db.write(lambda tx: printing.put_back(tx, "a", now_ms=1))

    assert desk.results() == []


async def test_each_end_of_a_retried_job_is_a_result_and_marked_as_its_paper(desk: Desk) -> None:
    await desk.queue("a")
    await (await desk.begun()).unknown("no_answer")
    await desk.store.db.write(lambda tx: printing.retry(tx, "a", now_ms=1))
    await (await desk.begun()).printed()
    await desk.commit()

    assert desk.states() == [("a", "unknown", "no_answer", 1), ("a", "printed", "", 2)]
    assert [one.mark for one in desk.results()] == ["", "repeat"]


async def test_a_result_costs_no_commit_of_its_own(desk: Desk) -> None:
    await desk.queue("a")
    job = await desk.begun()
    commits = desk.store.db.commits

    await job.printed()
    await desk.commit()

    assert (desk.store.db.commits, len(desk.results())) == (commits + 1, 1)


async def test_a_job_that_could_not_be_written_as_ended_is_no_result(desk: Desk) -> None:
    """One savepoint: the ledger and the fact say the same, or neither says anything."""
    await desk.queue("a")
    await desk.begun()

    def ends_and_fails(tx: Any) -> None:
        printing.end(tx, desk.store.replica, "a", "failed", reason="x", now_ms=1)
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        await desk.store.db.write(ends_and_fails)

    assert (desk.results(), printing.job_view(desk.store.db.read, "a").state) == ([], "printing")


async def test_what_was_printing_at_a_start_is_settled_with_a_result_once(desk: Desk) -> None:
    await desk.queue("a")
    await desk.begun()
    await desk.queue("b")

    settled = [await desk.settle() for _ in range(2)]

    assert (settled, desk.states()) == ([1, 0], [("a", "unknown", "hub_restarted", 1)])


async def test_a_driver_that_was_cut_off_leaves_a_result(desk: Desk) -> None:
    await desk.queue("a")
    await desk.queue("b")
    await desk.begun()

    await desk.spooler.next_job()

    assert desk.states() == [("a", "unknown", "interrupted", 1)]


async def test_the_stream_is_dense_and_its_digest_is_that_of_the_rows_it_hands_out(desk: Desk) -> None:
    ends: list[Ended] = ["printed", "failed", "unknown"] * 3
    for n, state in enumerate(ends):
        await desk.queue(f"j{n}")
        job = await desk.begun()
        await (job.printed() if state == "printed" else getattr(job, state)("紙"))
    await desk.commit()
    rolled = bytes(8)
    rows = rows_after(desk.store.db.read, desk.store.replica.local_id, "prints", 0, 100)
    for _, body in rows:
        rolled = blake2b(rolled + body, digest_size=8).digest()
    stored = desk.store.db.read.execute("SELECT seq, digest FROM stream WHERE name = 'prints'").fetchone()

    assert [seq for seq, _ in rows] == list(range(1, 10))
    assert stored == (9, rolled)
    assert [one.state for one in desk.results()] == ends


async def test_rows_are_handed_out_after_a_seq_and_up_to_a_limit(desk: Desk) -> None:
    for job_id in "abc":
        await desk.queue(job_id)
        await (await desk.begun()).failed("x")

    assert [one.job_id for one in desk.results(1, 1)] == ["b"]
    assert [one.job_id for one in desk.results(1)] == ["b", "c"]
    assert desk.results(3) == []
