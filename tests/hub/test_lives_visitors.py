"""Visitors after a fork: each window of each life is the same at every machine of the store and at the cloud, and none is lost.

Machines, cards and clouds as in test_lives. Judged by adding up all windows there are.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hub.store.model import Shop
from sync.batch import START, batch_of
from sync.errors import ForkError
from sync.model import Feed
from sync.retail.visitors.footfall import FootfallRow
from sync.scope_rows import PutBy, write_scope_row
from tests.hub.lives_world import Cloud, Machine, meet, restored


class World:
    """Machines and clouds of one store, in a folder."""

    def __init__(self, folder: Path, shop: Shop, stack: AsyncExitStack) -> None:
        self.folder, self.shop, self.stack = folder, shop, stack

    async def machine(self, name: str, copy: Path) -> Machine:
        machine = restored(self.folder / f"{name}.db", self.shop, copy)
        await machine.start(self.stack)
        return machine

    async def cloud(self, path: Path) -> Cloud:
        cloud = Cloud(path)
        await cloud.start(self.stack)
        return cloud


@pytest.fixture
async def world(tmp_path: Path, shop: Shop) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(tmp_path, shop, stack)


@pytest.fixture
async def hub(world: World, store: Any) -> Machine:
    return await world.machine("primary", Machine(store.path, world.shop).copy_to(world.folder / "new.db"))


@pytest.fixture
async def cloud(world: World) -> Cloud:
    return await world.cloud(world.folder / "cloud.db")


async def test_a_window_that_grew_after_the_backup_comes_back(world: World, hub: Machine, cloud: Cloud) -> None:
    """The ended life has given its next seq to another window than the restored copy of it has."""
    await hub.count(5)
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    await hub.count(0, 3)
    await meet(hub, cloud)
    again = await world.machine("restored", copy)
    await again.count(4, 9, quarter=1)
    await meet(again, cloud)

    assert cloud.visitors() == again.visitors() == (5 + 4, 3 + 9)


async def test_windows_that_were_said_to_a_life_that_ends_meanwhile_are_not_taken_by_the_next(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """The cloud leaves out the windows of whom it has greeted: a new life that took this batch would never hear of them."""
    copy = hub.copy_to(world.folder / "backup.db")
    await hub.count(5)
    await meet(hub, cloud)
    again = await world.machine("restored", copy)
    others = FootfallRow(entrance="door", quarter="2026-09-21T10:00:00Z", entered=1, exited=0)
    row = write_scope_row(PutBy("hk01:bbbbbbbbbbbbbbbb", Raw(msgspec.json.encode(others))))
    said = batch_of(cloud.store.replica.rep, "footfall@hk01", Feed.STATE, START, [(9, row)])
    _, taken = await asyncio.gather(
        again.books.forked("a till knows more"), again.books.apply(said), return_exceptions=True
    )

    assert isinstance(taken, ForkError)
    await meet(again, cloud)
    assert again.visitors() == cloud.visitors() == (5, 0)


async def test_what_the_ended_life_had_counted_reaches_the_other_machines(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """The copy tells it after the others have had all that the cloud had of that life."""
    await hub.count(5)
    await meet(hub, cloud)
    first, second = hub.copy_to(world.folder / "a.db"), hub.copy_to(world.folder / "b.db")
    await hub.count(1)
    await hub.count(2, quarter=1)
    await meet(hub, cloud)
    sibling = await world.machine("sibling", first)
    await meet(sibling, cloud)
    late = await world.machine("late", second)
    await late.count(4, quarter=2)
    for machine in (late, sibling, late):
        await meet(machine, cloud)

    assert cloud.visitors() == sibling.visitors() == late.visitors() == (12, 0)


async def test_a_cloud_of_yesterday_is_told_what_ended_lives_had_counted(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """Long acknowledged, then forgotten: it is in the books of the life that follows."""
    await meet(hub, cloud)
    yesterday = cloud.copy_to(world.folder / "yesterday.db")
    await hub.count(5)
    await meet(hub, cloud)
    await hub.books.forked("a till knows more")
    await hub.count(2, quarter=1)
    await meet(hub, cloud)
    old = await world.cloud(yesterday)
    await meet(hub, old)

    assert old.visitors() == hub.visitors() == (7, 0)


async def test_a_cloud_of_yesterday_is_told_what_a_machine_that_is_gone_had_counted(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """Nobody has it any more but the other machines of its store."""
    await meet(hub, cloud)
    sibling = await world.machine("sibling", hub.copy_to(world.folder / "card.db"))
    await sibling.books.forked("another machine")
    await sibling.count(1)
    await meet(sibling, cloud)
    await meet(hub, cloud)
    yesterday = cloud.copy_to(world.folder / "yesterday.db")
    await sibling.count(4)
    await meet(sibling, cloud)
    await meet(hub, cloud)
    old = await world.cloud(yesterday)
    await meet(hub, old)

    assert old.visitors() == hub.visitors() == (5, 0)


async def test_two_machines_of_a_store_agree_after_the_cloud_was_restored(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """Seqs that the lost cloud gave mean something else in the one that follows."""
    await meet(hub, cloud)
    sibling = await world.machine("sibling", hub.copy_to(world.folder / "card.db"))
    await sibling.books.forked("another machine")
    await meet(sibling, cloud)
    yesterday = cloud.copy_to(world.folder / "yesterday.db")
    await hub.count(1)
    await meet(hub, cloud)
    await meet(sibling, cloud)
    await hub.books.forked("a till knows more")
    await hub.count(2)
    await sibling.count(4, quarter=3)
    old = await world.cloud(yesterday)
    for machine in (sibling, hub, sibling, hub):
        await meet(machine, old)

    assert old.visitors() == hub.visitors() == sibling.visitors() == (7, 0)


async def test_a_running_total_does_not_count_again_what_the_ended_life_had_counted(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """The backup's last reading is old: who came since then stands in windows that come back from the cloud."""
    await hub.read_total(10)
    await hub.read_total(25)
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    await hub.read_total(40)
    await meet(hub, cloud)
    again = await world.machine("restored", copy)
    await meet(again, cloud)
    await again.read_total(45)
    await again.read_total(50)
    await meet(again, cloud)

    assert cloud.visitors() == again.visitors() == (15 + 15 + 5, 0), "nobody can tell the five before the first reading"


async def test_rows_of_the_clouds_that_are_no_windows_of_this_store_are_kept_aside(hub: Machine) -> None:
    good = b'{"v":1,"entrance":"door","quarter":"2026-09-21T10:00:00Z","in":3,"out":0}'
    rows = [
        (1, write_scope_row(PutBy("hk02:aaaaaaaaaaaaaaaa", Raw(good)))),
        (2, good),
        (3, b'{"@":"gone","entity":"footfall","key":[]}'),
        (4, b"\xff"),
        (5, write_scope_row(PutBy(hub.rep, Raw(good)))),
        (6, write_scope_row(PutBy("hk01:bbbbbbbbbbbbbbbb", Raw(good)))),
        (7, write_scope_row(PutBy("hk01:bbbbbbbbbbbbbbbb", Raw(b'{"entrance":7}')))),
    ]
    batch = batch_of("cloud:cccccccccccccccc", "footfall@hk01", Feed.STATE, START, rows)

    assert await hub.books.apply(batch) == batch.end
    assert hub.visitors() == (3, 0)
    bad = (8, write_scope_row(PutBy("hk01:bbbbbbbbbbbbbbbb", Raw(b'{"entrance":8}'))))
    await hub.books.apply(batch_of(batch.rep, batch.stream, Feed.STATE, batch.end, [bad]))
    assert hub.db.read.execute("SELECT count(*) FROM unknown_row").fetchone() == (7,)
