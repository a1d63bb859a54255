"""A cloud that is restored from a copy older than the recovery window, on real files: it jumps, says so, and goes on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from hub.holders import PEER
from hub.store.upkeep.retention import note_marks, prune
from sync.store.retention import DAY_MS, floor_of
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet

KEEP = 400


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def years_later(machine: Machine) -> None:
    """The cloud has held everything for longer than it is kept; the hub forgets."""
    own, later_ms = machine.books.replica, NOW_MS + (KEEP + 1) * DAY_MS
    await machine.db.write(lambda tx: note_marks(tx, own, peer=PEER, now_ms=NOW_MS))
    while (await machine.db.write(lambda tx: prune(tx, own, peer=PEER, now_ms=later_ms))).rows:
        pass


async def test_a_cloud_restored_from_before_the_floor_jumps_and_takes_what_is_left(
    tmp_path: Path, shop: Any, sale: Any, stack: AsyncExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    machine, cloud = Machine(tmp_path / "hub.db", shop), Cloud(tmp_path / "cloud.db")
    await machine.start(stack)
    async with AsyncExitStack() as first:
        await cloud.start(first)
        await machine.sell(sale(offline=True))
        await meet(machine, cloud)
        cloud.copy_to(tmp_path / "old.db")
        for _ in range(3):
            await machine.sell(sale(offline=True))
        await meet(machine, cloud)
    await years_later(machine)
    rep, floor = machine.rep, floor_of(machine.db.read, machine.books.replica.local_id, "sales")
    assert floor.last == 4 and machine.sale_ids() == []
    new = sale(offline=True)
    await machine.sell(new)

    copyfile(tmp_path / "old.db", tmp_path / "restored.db")
    restored = Cloud(tmp_path / "restored.db")
    await restored.start(stack)
    await meet(machine, restored, times=10)

    holes = restored.db.read.execute(
        "SELECT stream, after, last FROM hole JOIN replica ON replica.id = replica WHERE incarnation = ?",
        (rep.partition(":")[2],),
    ).fetchall()
    assert ("sales", 1, 4) in holes
    assert "rows of a store are lost" in caplog.text
    assert new.sale_id in [
        key
        for (key,) in restored.db.read.execute(
            "SELECT key FROM fact_key JOIN feed ON feed.id = fact_key.stream WHERE feed.stream = 'sales'"
        )
    ]


async def test_a_cloud_restored_within_the_window_finds_everything(
    tmp_path: Path, shop: Any, sale: Any, stack: AsyncExitStack
) -> None:
    machine, cloud = Machine(tmp_path / "hub.db", shop), Cloud(tmp_path / "cloud.db")
    await machine.start(stack)
    async with AsyncExitStack() as first:
        await cloud.start(first)
        await machine.sell(sale(offline=True))
        await meet(machine, cloud)
        cloud.copy_to(tmp_path / "yesterday.db")
        await machine.sell(sale(offline=True))
        await meet(machine, cloud)
    own, soon_ms = machine.books.replica, NOW_MS + 13 * DAY_MS
    await machine.db.write(lambda tx: note_marks(tx, own, peer=PEER, now_ms=NOW_MS))
    await machine.db.write(lambda tx: prune(tx, own, peer=PEER, now_ms=soon_ms))

    copyfile(tmp_path / "yesterday.db", tmp_path / "restored.db")
    restored = Cloud(tmp_path / "restored.db")
    await restored.start(stack)
    await meet(machine, restored, times=10)

    assert restored.db.read.execute("SELECT count(*) FROM hole").fetchone() == (0,)
    assert restored.sales()[0] == 2
