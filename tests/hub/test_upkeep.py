"""What a hub does once a day by itself: with a real hub in this process, a clock that is passed in, and a cloud on real HTTP."""

from typing import Any

import pytest

from hub import upkeep
from hub.holders import PEER
from hub.monitoring.scrape import Scrape
from hub.store.upkeep.mending import BEHIND_MAX
from hub.store.upkeep.upkeep import last_done
from hub.upkeep import do_due, forget, look
from sync.line.state import LinkState
from sync.store.retention import DAY_MS
from tests.hub.days_world import by_hand

JOB = """
INSERT INTO print_job (job_id, printer_id, sale_id, document, mark, state, reason, attempts, created_ms, changed_ms)
VALUES ('j', 'p', 's1', NULL, '', 'printed', '', 1, ?1, ?1)
"""
CLOUD = {"url": "http://127.0.0.1:9", "token": "a-token-of-this-store"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PAUSE_S", 0.0)


async def test_once_a_day_the_books_are_audited_and_it_shows_in_the_metrics(start_hub: Any) -> None:
    hub = await start_hub()

    await do_due(hub.runtime)
    first = last_done(hub.runtime.db.read)
    await do_due(hub.runtime)
    hub.clock.now_ms += DAY_MS
    await do_due(hub.runtime)

    assert {task: done.n for task, done in first.items()} == {"audit": 1, "counted": 1, "retention": 1}
    assert {task: done.n for task, done in last_done(hub.runtime.db.read).items()} == dict.fromkeys(first, 2)
    assert b"storehub_audit_last_ok 1.0" in await Scrape(hub.runtime).render()


async def test_what_differs_is_logged_and_shown(start_hub: Any, caplog: pytest.LogCaptureFixture) -> None:
    hub = await start_hub()
    by_hand(hub.config.database, "INSERT INTO stock (sku, location, on_hand) VALUES ('GHOST', 'shop', 4)")

    found = await look(hub.runtime)

    assert [finding.key for finding in found] == [("GHOST", "shop")]
    assert "the books differ" in caplog.text and b"storehub_audit_last_ok 0.0" in await Scrape(hub.runtime).render()
    assert "GHOST" in last_done(hub.runtime.db.read)["audit"].said


async def test_a_clock_that_runs_ahead_of_the_clouds_forgets_nothing_early(start_hub: Any) -> None:
    hub = await start_hub(cloud=CLOUD)
    began_ms = hub.clock.now_ms
    await hub.runtime.db.write(lambda tx: tx.execute(JOB, (began_ms,)))
    hub.clock.now_ms += 1000 * DAY_MS
    hub.runtime.replication.link = LinkState(since_ms=0, clock_offset_ms=-1000 * DAY_MS)

    assert await forget(hub.runtime) == 0
    hub.runtime.replication.link = LinkState(since_ms=0, clock_offset_ms=0)
    for _ in range(16):
        await forget(hub.runtime)
    assert count_jobs(hub) == 0


async def test_two_clocks_that_jump_ahead_by_years_forget_nothing_early(start_hub: Any) -> None:
    """The hub believes its cloud. Rows age by the days on which there was an upkeep, two at most for one."""
    hub = await start_hub(cloud=CLOUD)
    await forget(hub.runtime)
    await hub.runtime.db.write(lambda tx: tx.execute(JOB, (hub.clock.now_ms,)))

    hub.clock.now_ms += 30 * 365 * DAY_MS
    for _ in range(15):
        assert await forget(hub.runtime) == 0
    assert await forget(hub.runtime) == 1


@pytest.mark.parametrize(("is_at_good", "left"), [(True, 0), (False, 1)])
async def test_a_sensor_whose_clock_is_years_behind_is_no_sensor_of_years_ago(
    start_hub: Any, is_at_good: bool, left: int
) -> None:
    """Forgotten, it would count again what a broker brings again."""
    hub = await start_hub()
    sensor = ("c1", hub.clock.now_ms - 500 * DAY_MS, is_at_good)
    await hub.runtime.db.write(
        lambda tx: tx.execute(
            """
            INSERT INTO footfall_sensor (sensor, at_ms, is_at_good, former_boots, delta_bits, delta_ids)
            VALUES (?, ?, ?, '[]', 0, '[]')
            """,
            sensor,
        )
    )

    await forget(hub.runtime)

    assert hub.runtime.db.read.execute("SELECT count(*) FROM footfall_sensor").fetchone() == (left,)


def count_jobs(hub: Any) -> int:
    count: int = hub.runtime.db.read.execute("SELECT count(*) FROM print_job").fetchone()[0]
    return count


async def test_a_cloud_that_does_not_answer_is_no_difference(start_hub: Any) -> None:
    hub = await start_hub(cloud=CLOUD)

    assert await look(hub.runtime) == []


async def test_a_clock_that_is_behind_marks_nothing_until_it_is_believed(start_hub: Any) -> None:
    """A mark of years ago would say that the cloud has held today's rows since then."""
    hub = await start_hub(cloud=CLOUD)
    today_ms, own = hub.clock.now_ms, hub.runtime.replica.local_id
    held = "INSERT INTO acked (peer, replica, stream, last, digest) VALUES (?, ?, 'sales', 0, x'')"
    await hub.runtime.db.write(lambda tx: tx.execute(held, (PEER, own)))
    await forget(hub.runtime)
    behind = LinkState(since_ms=0, clock_offset_ms=-2000 * DAY_MS)
    for _ in range(BEHIND_MAX):
        hub.runtime.replication.link = behind  # each time: the dialler says anew that nobody answers
        await forget(hub.runtime)
    marks = "SELECT DISTINCT noted_ms FROM ack_mark ORDER BY 1"
    assert hub.runtime.db.read.execute(marks).fetchall() == [(today_ms,)]

    hub.runtime.replication.link = behind
    await forget(hub.runtime)
    assert hub.runtime.db.read.execute(marks).fetchall() == [(today_ms - 2000 * DAY_MS,), (today_ms,)]
