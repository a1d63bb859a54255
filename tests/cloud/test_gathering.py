"""Batches of many writers at once: taken by one write job, and each as if it had come alone."""

import asyncio
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sync.batch import Gap
from sync.cloud.arrivals.applying import Applied, Arrival, apply_all
from sync.cloud.arrivals.gathering import TOGETHER_MAX, Gathering
from sync.cloud.databases import begin_file
from sync.cloud.migrations import MIGRATIONS
from sync.connections import connect_writer
from sync.errors import OutcomeUnknownError, ProtocolError
from sync.testing.sim_database import SimDatabase, drive

REPS = [f"hk01:{digit * 16}" for digit in "abcdef"]


@pytest.fixture
def jobs(cloud: Any) -> list[int]:
    """How many batches each job took, those that were undone as well."""
    taken: list[int] = []
    books = cloud.cloud.books

    def take(tx: Any, arrivals: Any) -> Any:
        taken.append(len(arrivals))
        return apply_all(tx, books.replica, arrivals, waiting=books.waiting)

    books.gathering = Gathering(take)
    return taken


def shops(new_writer: Any, sales: int = 3) -> list[Any]:
    writers = [new_writer(rep) for rep in REPS]
    for writer in writers:
        for n in range(sales):
            writer.sell(f"{writer.rep[-1]}-{n}", 100)
    return writers


async def at_once(cloud: Any, batches: Any) -> list[Any]:
    return await asyncio.gather(*(cloud.books().apply(each) for each in batches), return_exceptions=True)


async def totals(cloud: Any) -> Any:
    sales = (await cloud.store_item())["sales"]
    return sales["count"], sales["total"].get("HKD", 0)


async def test_batches_that_wait_are_taken_by_one_job(cloud: Any, new_writer: Any, jobs: list[int], sql: Any) -> None:
    writers = shops(new_writer)

    ends = await at_once(cloud, [each.batch() for each in writers])

    assert ends == [each.boundary("sales", 3) for each in writers]
    assert jobs == [len(REPS)]
    assert [n for (n,) in sql("SELECT n FROM fact ORDER BY n")] == list(range(1, 19))
    assert await totals(cloud) == (18, 1800)


async def test_one_that_is_refused_hears_of_it_alone_and_the_others_stand(
    cloud: Any, new_writer: Any, jobs: list[int]
) -> None:
    writers = shops(new_writer)
    batches = [each.batch() for each in writers]
    batches[2] = replace(batches[2], digest=b"8 bytes!")

    ends = await at_once(cloud, batches)

    assert isinstance(ends.pop(2), ProtocolError)
    assert ends == [each.boundary("sales", 3) for each in writers if each is not writers[2]]
    assert jobs[0] == len(REPS), jobs
    assert await totals(cloud) == (15, 1500)
    assert (writers[2].rep, "sales") not in cloud.books().vector("")


async def test_two_of_one_writer_come_after_each_other(cloud: Any, new_writer: Any) -> None:
    first, second, *_ = shops(new_writer)

    ends = await at_once(
        cloud, [first.batch("sales", 0, 2), second.batch(), first.batch("sales", 2, 3), first.batch("sales", 1, 2)]
    )

    assert ends == [first.boundary("sales", 2), second.boundary("sales", 3), *[first.boundary("sales", 3)] * 2]
    assert await totals(cloud) == (6, 600)


async def test_more_than_one_job_takes_go_into_the_next(cloud: Any, new_writer: Any, jobs: list[int]) -> None:
    writers = [new_writer(f"hk01:{n:016x}") for n in range(1, TOGETHER_MAX + 3)]
    for writer in writers:
        writer.sell(f"sale-{writer.rep}", 100)

    ends = await at_once(cloud, [each.batch() for each in writers])

    assert ends == [each.boundary("sales", 1) for each in writers]
    assert jobs == [TOGETHER_MAX, 2]


async def test_a_sale_that_two_hubs_tell_at_once_counts_once(cloud: Any, new_writer: Any) -> None:
    first, second = new_writer(REPS[0]), new_writer(REPS[1])
    for writer in (first, second):
        for n in range(20):
            writer.sell(f"sale-{n}", 100)

    ends = await at_once(cloud, [first.batch(), second.batch()])

    assert ends == [first.boundary("sales", 20), second.boundary("sales", 20)]
    assert await totals(cloud) == (20, 2000)


async def test_who_hangs_up_does_not_undo_what_was_sent(cloud: Any, new_writer: Any) -> None:
    writers = shops(new_writer)
    calls = [asyncio.ensure_future(cloud.books().apply(each.batch())) for each in writers[:4]]
    await asyncio.sleep(0)
    for call in calls[:2]:
        call.cancel()

    await cloud.books().apply(writers[4].batch())

    assert list(await asyncio.gather(*calls[2:])) == [each.boundary("sales", 3) for each in writers[2:4]]
    assert await totals(cloud) == (15, 1500)


def test_what_was_undone_is_no_answer_to_a_batch_that_came_after_its_group_had_begun(
    tmp_path: Path, new_writer: Any
) -> None:
    """The commit fails while the database closes: the job of all of them never runs again, that of the late one does."""
    path = tmp_path / "cloud.db"
    begin_file(path)
    ends: list[Any] = []
    taken: list[int] = []
    with closing(connect_writer(path, MIGRATIONS)) as connection:
        db = SimDatabase(connection, later=lambda _s, _action: None)

        def take(tx: Any, arrivals: Any) -> Any:
            taken.append(len(arrivals))
            if len(taken) == 1:  # a commit that fails
                tx.execute("PRAGMA defer_foreign_keys = ON")
                tx.execute("INSERT INTO received VALUES (99, 'sales', 1, x'00', 1, 1)")
            return [Applied(each.batch.end) for each in arrivals]

        gathering = Gathering(take)

        def send(writer: Any) -> None:
            writer.sell(f"sale-{writer.rep}", 100)
            coming = gathering.apply(db, Arrival("hk01", writer.batch(), writer.rep, 1), then=lambda _: None)
            drive(coming, done=ends.append, failed=ends.append)

        first, second, late = map(new_writer, REPS[:3])
        send(first)
        send(second)
        connection.set_trace_callback(lambda sql: late and sql == "BEGIN IMMEDIATE" and not taken and send(late))
        db.commit()
        connection.set_trace_callback(None)
        db._soon.clear()  # what may wait is given up, as by a database that closes
        db.commit()

    assert taken == [3, 1]
    assert [type(each) for each in ends] == [OutcomeUnknownError, OutcomeUnknownError, Applied]


@pytest.mark.parametrize("seed", range(8))
async def test_any_ranges_at_once_in_any_order_come_to_each_row_once(
    cloud: Any, new_writer: Any, seed: int, jobs: list[int]
) -> None:
    """Hubs that fall back, are cut off and lie; each goes on from where it is told."""
    drawn, sales = random.Random(seed), 30
    writers = shops(new_writer, sales)
    held = dict.fromkeys(REPS, 0)
    while any(at < sales for at in held.values()):
        sent = []
        for writer in drawn.sample(writers, drawn.randint(1, len(writers))):
            after = drawn.randint(max(held[writer.rep] - 3, 0), min(held[writer.rep] + 1, sales - 1))
            batch = writer.batch("sales", after, drawn.randint(after + 1, sales))
            lies = drawn.random() < 0.1
            sent.append((writer, lies, replace(batch, digest=b"8 bytes!") if lies else batch))
        ends = await at_once(cloud, [batch for *_, batch in sent])
        for (writer, lies, batch), end in zip(sent, ends, strict=True):
            if isinstance(end, Gap):
                assert end.cursor.last == held[writer.rep] < batch.after
            elif isinstance(end, Exception):
                assert lies
                assert isinstance(end, ProtocolError)
            else:
                held[writer.rep] = max(held[writer.rep], end.last)
                assert end == writer.boundary("sales", end.last)

    assert max(jobs) > 1
    assert await totals(cloud) == (sales * len(REPS), 100 * sales * len(REPS))
