"""The print ledger's state table, without a printer: which verb leaves which state, and what carries a mark."""

from collections.abc import Callable
from typing import Any

import pytest

from devices.document import Document, Text
from hub.errors import ConflictError, NotFoundError
from hub.store.selling.printing import (
    QUEUE_MAX,
    PrintJobView,
    PrintTo,
    State,
    begin,
    end,
    job_view,
    list_jobs,
    next_job,
    queue_document,
    queue_sale,
    reprint,
    retry,
    settle_interrupted,
)
from sync.errors import BusyError
from sync.retail.selling.sales import Sale

NOTE = Document((Text("note"),))
STATES: tuple[State, ...] = ("queued", "printing", "printed", "failed", "unknown")


class Ledger:
    """The verbs of the ledger, each one write job."""

    def __init__(self, store: Any) -> None:
        self._db, self._replica = store.db, store.replica

    async def queue(self, job_id: str = "j1", document: Document = NOTE, *, printer_id: str = "p1") -> PrintJobView:
        return await self._db.write(lambda tx: queue_document(tx, job_id, document, printer_id=printer_id, now_ms=1))

    async def put(self, state: State, *, job_id: str = "j1", mark: str = "") -> None:
        """Queue a job and bring it to a state, as drivers do."""
        await self.queue(job_id)
        await self._db.write(lambda tx: tx.execute("UPDATE print_job SET mark = ? WHERE job_id = ?", (mark, job_id)))
        for step in () if state == "queued" else (state,) if state == "printing" else ("printing", state):
            await self.change(step, job_id=job_id)

    async def change(self, state: State, *, job_id: str = "j1") -> PrintJobView:
        if state == "printing":
            printer_id = job_view(self._db.read, job_id).printer_id
            (begun,) = await self._db.write(lambda tx: begin(tx, job_id, printer_id=printer_id, now_ms=2))
            return begun.view
        return await self._db.write(lambda tx: end(tx, self._replica, job_id, state, reason="r", now_ms=2))

    async def retry(self, job_id: str = "j1") -> PrintJobView:
        return await self._db.write(lambda tx: retry(tx, job_id, now_ms=3))

    async def reprint(self, job_id: str = "j1", copy_id: str = "c1") -> PrintJobView:
        return await self._db.write(lambda tx: reprint(tx, job_id, copy_id=copy_id, now_ms=3))

    async def settle(self) -> int:
        return await self._db.write(lambda tx: settle_interrupted(tx, self._replica, now_ms=4))


@pytest.fixture
def ledger(store: Any) -> Ledger:
    """The ledger of `store`."""
    return Ledger(store)


@pytest.mark.parametrize(
    ("state", "after", "mark"),
    [("queued", "queued", ""), ("printing", "printing", ""), ("failed", "queued", ""), ("unknown", "queued", "repeat")],
)
async def test_a_retry_is_the_same_job_and_marked_where_paper_may_be_out(
    ledger: Ledger, state: State, after: str, mark: str
) -> None:
    await ledger.put(state)

    job = await ledger.retry()

    assert (job.job_id, job.state, job.mark) == ("j1", after, mark)


async def test_a_printed_job_is_never_retried(ledger: Ledger) -> None:
    await ledger.put("printed")

    with pytest.raises(ConflictError) as refused:
        await ledger.retry()

    assert refused.value.code == "already_printed"


@pytest.mark.parametrize("mark", ["repeat", "reprint"])
@pytest.mark.parametrize("state", ["failed", "unknown"])
async def test_a_mark_is_never_lost(ledger: Ledger, state: State, mark: str) -> None:
    await ledger.put(state, mark=mark)

    assert (await ledger.retry()).mark == mark


@pytest.mark.parametrize("state", STATES)
async def test_a_reprint_is_a_new_job_marked_whatever_the_first_one_is(
    ledger: Ledger, store: Any, state: State
) -> None:
    await ledger.put(state)

    copies = [await ledger.reprint() for _ in range(2)]

    assert [(c.job_id, c.state, c.mark) for c in copies] == [("c1", "queued", "reprint")] * 2
    assert job_view(store.db.read, "j1").state == state
    assert len(list_jobs(store.db.read, limit=10)) == 2


async def test_a_copys_id_that_names_another_job_is_a_conflict(ledger: Ledger) -> None:
    await ledger.queue("j1")
    await ledger.queue("j2", Document((Text("other"),)))
    await ledger.reprint("j1", "c1")

    for copy_id in ("j2", "j1", "c1"):
        with pytest.raises(ConflictError):
            await ledger.reprint("j2", copy_id)


async def test_the_same_document_again_is_one_job_and_another_is_a_conflict(ledger: Ledger, store: Any) -> None:
    first, again = await ledger.queue(), await ledger.queue()

    with pytest.raises(ConflictError) as conflict:
        await ledger.queue(document=Document((Text("other"),)))

    assert (first, conflict.value.code) == (again, "other_content")
    assert len(list_jobs(store.db.read, limit=10)) == 1


@pytest.mark.parametrize("verb", ["retry", "reprint"])
async def test_a_job_that_is_not_there_is_not_found(ledger: Ledger, verb: str) -> None:
    with pytest.raises(NotFoundError):
        await getattr(ledger, verb)("nothing")


@pytest.mark.parametrize("state", STATES)
async def test_only_what_was_printing_is_unknown_after_a_crash(ledger: Ledger, store: Any, state: State) -> None:
    await ledger.put(state)

    settled = await ledger.settle()

    job = job_view(store.db.read, "j1")
    assert (settled, job.state) == ((1, "unknown") if state == "printing" else (0, state))
    assert job.reason == ("hub_restarted" if state == "printing" else "" if state == "queued" else "r")


async def test_the_oldest_queued_job_of_a_printer_is_next_and_asking_changes_nothing(
    ledger: Ledger, store: Any
) -> None:
    for job_id, printer_id in (("a", "p1"), ("b", "p2"), ("c", "p1")):
        await ledger.queue(job_id, printer_id=printer_id)
    await ledger.change("printing", job_id="a")

    found = [next_job(store.db.read, "p1") for _ in range(2)]

    assert [job.job_id for job in found if job] == ["c", "c"]
    assert next_job(store.db.read, "p3") is None


async def test_a_retried_job_keeps_its_place_before_younger_ones(ledger: Ledger, store: Any) -> None:
    await ledger.put("unknown", job_id="old")
    await ledger.queue("young")

    await ledger.retry("old")

    job = next_job(store.db.read, "p1")
    assert job is not None and (job.job_id, job.mark, job.document) == ("old", "repeat", NOTE)


async def test_attempts_count_how_often_bytes_may_have_gone_out(ledger: Ledger) -> None:
    await ledger.put("unknown")
    await ledger.retry()
    await ledger.change("printing")

    assert (await ledger.change("printed")).attempts == 2


async def test_a_full_queue_refuses_documents_and_copies_but_no_sale_and_no_retry(
    ledger: Ledger, store: Any, sale: Callable[..., Sale]
) -> None:
    await ledger.put("unknown", job_id="lost")
    for n in range(QUEUE_MAX):
        await ledger.queue(f"j{n}")

    for refused in (ledger.queue("more"), ledger.reprint("lost", "copy")):
        with pytest.raises(BusyError) as busy:
            await refused
        assert busy.value.code == "print_queue_full"

    assert (await ledger.queue("j0")).state == "queued", "known jobs are answered again"
    assert (await ledger.queue("elsewhere", printer_id="p2")).state == "queued"
    assert (await ledger.retry("lost")).state == "queued"
    assert (await store.sell(sale(), print_to=PrintTo("p1"))).status == "created"


async def test_no_document_can_take_the_job_of_a_sale(store: Any) -> None:
    job_id = (await store.db.write(lambda tx: queue_sale(tx, "s1", PrintTo("p1"), now_ms=1))).job_id

    assert "~" in job_id, "the one sign that no client's id may have"
