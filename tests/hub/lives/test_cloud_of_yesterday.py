"""A cloud that was restored from a copy: it is told what it has forgotten, and begins one life of its own."""

import asyncio

import pytest

from sync.batch import Batch, Boundary, Gap
from sync.cloud.store import CloudBooks, CloudStore
from sync.errors import BusyError
from sync.retail.selling.returns import Return, ReturnLine
from tests.hub.lives.conftest import World
from tests.hub.lives_world import Cloud, Machine, converse, meet


async def test_a_cloud_of_yesterday_is_told_what_it_has_forgotten(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    await meet(hub, cloud)
    copy = cloud.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2, 3)
    await meet(hub, cloud)
    restored_cloud = Cloud(copy)
    await restored_cloud.start(world.stack)
    ends = await meet(hub, restored_cloud)

    assert ends[-1] == "quiet", ends
    world.check(restored_cloud, hub)


class Listener(CloudBooks):
    """A cloud that remembers in which order it heard."""

    def __init__(self, store: CloudStore) -> None:
        super().__init__(store, "hk01")
        self.heard: list[tuple[str, str]] = []

    async def apply(self, batch: Batch) -> Boundary | Gap:
        self.heard.append((batch.rep, batch.stream))
        return await super().apply(batch)


async def test_a_cloud_of_yesterday_hears_of_a_sale_before_its_return(world: World, hub: Machine, cloud: Cloud) -> None:
    """The sale is one hub's and the return another's, which passes the sale on."""
    second = await world.machine("second")
    copy = cloud.copy_to(world.folder / "backup.db")
    (sale,) = await world.sell(hub, 2)
    for machine in (hub, second):
        await meet(machine, cloud)
    line = (ReturnLine(1, 1),)
    await second.take_back(Return(return_id="r1", till_id="t1", sale_id=sale.sale_id, lines=line, reason="too dark"))
    again = Cloud(copy)
    await again.start(world.stack)
    assert await meet(second, again, times=1) == ["fork"]
    listener = Listener(again.store)
    await converse(second.books, listener)

    assert listener.heard.index((hub.rep, "sales")) < listener.heard.index((second.rep, "returns"))


@pytest.mark.parametrize("next_incarnation", ["0" * 15 + "1", "f" * 16])
async def test_an_edit_that_a_cloud_of_yesterday_makes_again_is_the_same_price_everywhere(
    world: World, hub: Machine, cloud: Cloud, next_incarnation: str
) -> None:
    """Head office writes after the copy and, not knowing of it, once more after the restore: one version, two prices."""
    await cloud.edit("TEA-01", 100)
    await meet(hub, cloud)
    copy = cloud.copy_to(world.folder / "backup.db")
    await cloud.edit("TEA-01", 200)
    await meet(hub, cloud)
    again = Cloud(copy, next_incarnation=next_incarnation)
    await again.start(world.stack)
    await again.edit("TEA-01", 300)
    await meet(hub, again)

    assert hub.price("TEA-01") == again.price("TEA-01") == 300


async def test_a_cloud_of_yesterday_hears_what_each_hub_of_a_store_knows(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """One hub holds what was forgotten, the other one more rows of the same life of the cloud, which is told of them first."""
    second = await world.machine("second")
    await cloud.edit("TEA-01", 100)
    for machine in (hub, second):
        await meet(machine, cloud)
    copy = cloud.copy_to(world.folder / "backup.db")
    await cloud.edit("NEW-01", 200)
    await meet(hub, cloud)
    again = Cloud(copy)
    await again.start(world.stack)
    for amount in (101, 102, 103):
        await again.edit("TEA-01", amount)
    await meet(second, again)
    assert await meet(hub, again, times=1) == ["fork"]
    for machine in (second, hub, second):
        await meet(machine, again)

    assert again.price("NEW-01") == hub.price("NEW-01") == second.price("NEW-01") == 200


async def test_what_one_hub_tells_of_before_does_not_hide_what_the_other_knows_of_after(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """A cloud of yesterday moves a price that an older one contradicts to the end of its stream: no edit of this life."""
    second = await world.machine("second")
    await cloud.edit("TEA-01", 100)
    for machine in (hub, second):
        await meet(machine, cloud)
    await cloud.edit("TEA-01", 150)
    copy = cloud.copy_to(world.folder / "backup.db")
    await cloud.edit("TEA-01", 200)
    await meet(hub, cloud)
    again = Cloud(copy)
    await again.start(world.stack)
    assert await meet(hub, again, times=1) == ["fork"]
    for machine in (second, hub, second):
        await meet(machine, again)

    assert again.price("TEA-01") == hub.price("TEA-01") == second.price("TEA-01") == 200


async def test_an_edit_that_waited_while_the_cloud_began_anew_is_asked_again(cloud: Cloud) -> None:
    """Both are jobs of one commit, and the edit was made for the life that has just ended."""
    await cloud.edit("TEA-01", 100)
    begun, edited = await asyncio.gather(
        cloud.store.begin_anew("it was restored"), cloud.edit("TEA-01", 200), return_exceptions=True
    )

    assert begun is None
    assert isinstance(edited, BusyError) and edited.code == "new_life"
    await cloud.edit("TEA-01", 200)
    assert cloud.price("TEA-01") == 200


async def test_two_stores_that_find_at_once_that_the_cloud_was_restored_begin_one_life_of_it(cloud: Cloud) -> None:
    """Both are jobs of one commit; the rows of its state streams keep their seqs."""
    await cloud.edit("TEA-01", 100)
    before = {head.stream: head.last for head in CloudBooks(cloud.store, "hk01").heads()}
    former = cloud.store.replica.rep
    why = "the peer holds what was never offered"
    await asyncio.gather(cloud.store.begin_anew(why), cloud.store.begin_anew(why))

    lives = cloud.db.read.execute("SELECT count(*), sum(own) FROM replica WHERE store = 'cloud'").fetchone()
    assert lives == (2, 1) and cloud.store.replica.rep != former
    assert {head.stream: head.last for head in CloudBooks(cloud.store, "hk01").heads()} == before
    await cloud.edit("TEA-01", 200)
    assert cloud.price("TEA-01") == 200
