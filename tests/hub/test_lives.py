"""Forks: restored backups, cloned cards, two hubs of a store, a cloud of yesterday. Nothing is lost, nothing counted twice.

Judged by plain SQL over facts and tallies: what all tills were answered, the facts with different keys, the sum of all writers'
levels, the stock cached at each hub.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hub.store.model import Shop
from hub.store.selling.sales import find_sale
from hub.store.stock.documents import book_document
from sync.batch import START, Batch, Boundary, Gap, batch_of
from sync.cloud.arrivals.lives import sealed_lives
from sync.cloud.store import CloudBooks, CloudStore
from sync.errors import BusyError, ForkError
from sync.model import Feed
from sync.opening import Opening
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.stock.movements import Movement, MovementLine
from tests.hub.lives_world import NOW_MS, Cloud, Machine, converse, meet, restored

PRICE = 1090


class World:
    """A shop with goods, a cloud, and what the tills were answered."""

    def __init__(self, folder: Path, shop: Shop, stack: AsyncExitStack, sale: Callable[..., Any]) -> None:
        self.folder, self.shop, self.stack, self._sale = folder, shop, stack, sale
        self.answered: dict[str, int] = {}
        self.received = 20  # what the catalogue opens with

    async def machine(self, name: str, copy: Path | None = None, *, fingerprint: str = "") -> Machine:
        path = self.folder / f"{name}.db"
        machine = Machine(path, self.shop) if copy is None else restored(path, self.shop, copy)
        await machine.start(self.stack, fingerprint=fingerprint)
        return machine

    async def sell(self, machine: Machine, *quantities: int) -> list[Any]:
        sales = [self._sale(qty) for qty in quantities]
        for sale in sales:
            await machine.sell(sale)
            self.answered[sale.sale_id] = sale.lines[0].qty
        return sales

    async def receive(self, machine: Machine, qty: int) -> None:
        await machine.receive(qty)
        self.received += qty

    @property
    def on_hand(self) -> int:
        return self.received - sum(self.answered.values())

    def check(self, cloud: Cloud, *machines: Machine) -> None:
        """Everything answered is at the cloud, once; facts, tallies and caches say the same."""
        assert cloud.sales() == (len(self.answered), sum(self.answered.values()) * PRICE)
        assert cloud.stock_by_keys()["TEA-01"] == self.on_hand
        assert cloud.stock_by_tallies()["TEA-01"] == self.on_hand
        for machine in machines:
            assert machine.sale_ids() == sorted(self.answered), machine.rep
            assert machine.on_hand() == self.on_hand, machine.rep


@pytest.fixture
async def world(tmp_path: Path, store: Any, shop: Shop, sale: Callable[..., Any]) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(tmp_path, shop, stack, sale)


@pytest.fixture
async def hub(world: World, store: Any) -> Machine:
    """The primary, with a catalogue and thirty teas."""
    machine = Machine(store.path, world.shop)
    copy = machine.copy_to(world.folder / "catalogue.db")
    primary = await world.machine("primary", copy)
    await world.receive(primary, 30)
    return primary


@pytest.fixture
async def cloud(world: World) -> Cloud:
    end = Cloud(world.folder / "cloud.db")
    await end.start(world.stack)
    return end


async def test_without_a_fork_facts_tallies_and_caches_agree(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1, 2)
    assert await meet(hub, cloud) == ["quiet"]
    world.check(cloud, hub)
    assert cloud.sealed() == []


async def test_a_restored_backup_gets_back_what_it_had_lost(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2, 3)
    await meet(hub, cloud)
    old = hub.rep
    again = await world.machine("restored", copy)
    await world.sell(again, 4)
    ends = await meet(again, cloud)

    assert ends[0] == "fork" and ends[-1] == "quiet", ends
    assert again.rep != old
    assert cloud.sealed() == [old]
    world.check(cloud, again)


async def test_what_only_the_copy_had_seen_is_written_again(world: World, hub: Machine, cloud: Cloud) -> None:
    """Sales that never reached the cloud before the backup was taken are in the backup: they must not be lost either."""
    await world.sell(hub, 1)
    await meet(hub, cloud)
    await world.sell(hub, 2)
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 1)
    await meet(hub, cloud)
    again = await world.machine("restored", copy)
    await meet(again, cloud)

    world.check(cloud, again)


async def test_a_cloned_card_with_both_machines_alive(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    await meet(hub, cloud)
    clone = await world.machine("clone", hub.copy_to(world.folder / "card.db"))
    await world.sell(hub, 2, 1)
    await world.sell(clone, 3)
    old = hub.rep
    for _ in range(3):
        await meet(hub, cloud)
        await meet(clone, cloud)

    assert len({hub.rep, clone.rep, old}) == 3, "each began a life of its own"
    assert cloud.sealed() == [old]
    world.check(cloud, hub, clone)
    await world.sell(hub, 1)
    await world.sell(clone, 1)
    for _ in range(2):
        await meet(hub, cloud)
        await meet(clone, cloud)
    world.check(cloud, hub, clone)


async def test_a_clone_whose_levels_came_first_does_not_spoil_the_tallies(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """Each machine wins one stream: facts of the one, levels of the other, both under the same name."""
    await world.sell(hub, 1)
    await meet(hub, cloud)
    clone = await world.machine("clone", hub.copy_to(world.folder / "card.db"))
    await world.sell(clone, 5)
    await clone.fold()
    await meet(clone, cloud)
    await world.sell(hub, 2)
    for _ in range(3):
        await meet(hub, cloud)
        await meet(clone, cloud)

    world.check(cloud, hub, clone)


async def test_the_same_sale_on_both_machines_counts_once(world: World, hub: Machine, cloud: Cloud) -> None:
    """A till that got no answer from the one posts to the other."""
    await world.sell(hub, 1)
    await meet(hub, cloud)
    clone = await world.machine("clone", hub.copy_to(world.folder / "card.db"), fingerprint="")
    (sale,) = await world.sell(hub, 2)
    await clone.sell(sale)
    for _ in range(4):
        await meet(hub, cloud)
        await meet(clone, cloud)

    world.check(cloud, hub, clone)


async def test_what_was_taken_back_once_is_not_taken_back_by_the_next_life(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """The seal sums the ended life up without the row that fell, and without what took it back: neither counts any more."""
    clone = await world.machine("clone", hub.copy_to(world.folder / "card.db"))
    await clone.books.forked("another machine")
    (sale,) = await world.sell(hub, 2)
    await clone.sell(sale)
    for machine in (hub, clone, hub, clone):
        await meet(machine, cloud)
    for machine in (hub, clone):  # the power goes before it is written down that the cloud has it
        await machine.db.write(lambda tx: tx.execute("DELETE FROM acked WHERE stream = 'duplicates'"))
        await machine.books.forked("a till knows more")
    for machine in (hub, clone, hub, clone):
        await meet(machine, cloud)

    world.check(cloud, hub, clone)


async def test_a_card_in_another_machine_is_another_life_at_once(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    moved = hub.copy_to(world.folder / "card.db")
    first = await world.machine("there", moved, fingerprint="aa")
    second = await world.machine("elsewhere", first.copy_to(world.folder / "card2.db"), fingerprint="bb")
    await world.sell(second, 1)

    assert first.rep == hub.rep != second.rep
    await meet(second, cloud)
    world.check(cloud, second)


async def test_written_back_to_the_same_machine_a_till_is_the_witness(world: World, hub: Machine, cloud: Cloud) -> None:
    """No line, the same hardware: only the till knows that sale 3 of this life was answered."""
    await world.sell(hub, 1)
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2)
    lost = dict(world.answered)
    again = await world.machine("restored", copy)
    await again.books.forked("a till was answered sale 2 of this life")
    (sale,) = await world.sell(again, 1)

    assert again.rep != hub.rep
    await meet(again, cloud)
    assert cloud.sealed() == [hub.rep]
    world.answered = {key: qty for key, qty in lost.items() if key in again.sale_ids()} | {sale.sale_id: 1}
    world.check(cloud, again)


async def test_a_sealed_hub_that_returns_begins_anew_and_its_sales_count(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """The primary is given up for lost while it sells on without a line."""
    await world.sell(hub, 1)
    await meet(hub, cloud)
    await world.sell(hub, 2)
    old = hub.rep
    await cloud.store.end_life(old, heir="", why="the shop has burnt down", wanted=None)
    ends = await meet(hub, cloud)

    assert ends[0] == "sealed" and ends[-1] == "quiet", ends
    assert hub.rep != old
    world.check(cloud, hub)


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


async def test_a_receipt_printed_before_the_fork_is_still_found(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    await meet(hub, cloud)
    (sale,) = await world.sell(hub, 2)
    view = find_sale(hub.db.read, sale.sale_id)
    assert view is not None
    await hub.books.forked("a till knows more")

    found = find_sale(hub.db.read, view.receipt_code)
    assert found is not None and found.fact.sale.sale_id == sale.sale_id
    assert found.dot.rep == hub.rep


async def test_a_copy_taken_before_anything_was_offered_is_a_fork_all_the_same(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2)
    await meet(hub, cloud)
    again = await world.machine("restored", copy)
    await meet(again, cloud)

    assert again.rep != hub.rep
    world.check(cloud, again)


async def test_lives_a_day_are_bounded(world: World, hub: Machine, cloud: Cloud) -> None:
    with pytest.raises(ForkError, match="within a day"):
        for _ in range(20):
            await world.sell(hub, 1)
            await meet(hub, cloud)
            await hub.books.forked("again and again")


async def test_facts_of_a_kind_that_nobody_knows_yet_reach_the_stores_other_hubs_and_count(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    """Another hub of the store runs a later version, neither this one nor the cloud does."""
    rows = [(1, b'{"sample_id":"x1","stock":[["TEA-01","shop",-2]]}')]
    batch = batch_of("hk01:00000000000000ff", "samples", Feed.LOG, START, rows)
    await CloudBooks(cloud.store, "hk01").apply(batch)

    assert await meet(hub, cloud) == ["quiet"]
    assert hub.on_hand() == world.on_hand - 2
    assert hub.db.read.execute("SELECT seq, body FROM unknown_row").fetchall() == rows

    other = Cloud(world.folder / "other.db")  # one that has lost all it was told
    await other.start(world.stack)
    await meet(hub, other)
    assert (
        other.db.read.execute(
            "SELECT seq, body FROM fact JOIN feed ON feed.id = fact.stream WHERE feed.stream = 'samples'"
        ).fetchall()
        == rows
    )


async def test_a_seal_counts_what_facts_of_a_kind_that_nobody_here_knows_have_moved(cloud: Cloud) -> None:
    """The writer was of a later version, whose levels have it."""
    rep, books = "hk01:00000000000000ff", CloudBooks(cloud.store, "hk01")
    samples = [(1, b'{"sample_id":"x1","stock":[["TEA-01","shop",-2]]}')]
    levels = [(1, b'{"v":1,"sku":"TEA-01","location":"shop","received":0,"issued":2}')]
    await books.apply(batch_of(rep, "samples", Feed.LOG, START, samples))
    await books.apply(batch_of(rep, "levels", Feed.STATE, START, levels))
    before = cloud.stock_by_tallies()

    assert await cloud.store.end_life(rep, heir="", why="its machine is gone", wanted=None) is not None

    assert cloud.stock_by_tallies() == before == {"TEA-01": -2}


@pytest.mark.parametrize("is_told", [False, True])
async def test_a_transfer_of_a_sealed_life_is_known_to_both_stores_also_where_its_own_row_was_lost(
    world: World, hub: Machine, cloud: Cloud, *, is_told: bool
) -> None:
    """The movement was at the cloud, the row that travels beside it went with the card."""
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    lines = (MovementLine("TEA-01", 3),)
    said = Movement(movement_id="out-1", reason="transfer_out", store="hk02", lines=lines)
    await hub.db.write(lambda tx: book_document(tx, hub.books.replica, said, location="shop", rule=None, now_ms=NOW_MS))
    books = CloudBooks(cloud.store, "hk01")
    for head in hub.books.heads():
        at = books.vector(hub.rep).get((hub.rep, head.stream), START)
        if head.stream == "stock" or (is_told and head.stream == "transfers"):
            for batch in await hub.books.load(head, at, 100):
                await books.apply(batch)
    again = await world.machine("restored", copy)
    await again.books.forked("a client was answered what is not here")
    await meet(again, cloud)

    for store in ("hk01", "hk02"):
        scope = f"transfers@{store}"
        of_scope = "SELECT count(*) FROM scope_row JOIN scope ON scope.id = scope WHERE stream = ? AND state = 'put'"
        told = cloud.db.read.execute(of_scope, (scope,)).fetchone()[0]
        assert told == (0 if is_told and store == "hk01" else 1)
    [(body,)] = again.db.read.execute("SELECT body FROM transfer WHERE transfer_id = 'hk01:out-1'").fetchall()
    assert json.loads(body)["receiver"] == "hk02" and json.loads(body)["lines"] == [["TEA-01", 3]]


async def test_a_life_is_sealed_also_when_the_last_of_it_comes_as_a_sum(cloud: Cloud) -> None:
    """To a cloud that was restored, of rows that the hub had forgotten."""
    rep, books = "hk01:00000000000000ff", CloudBooks(cloud.store, "hk01")
    await books.apply(batch_of(rep, "stock", Feed.LOG, START, [(1, b'{"stock":[["TEA-01","shop",-2]]}')]))
    assert await cloud.store.end_life(rep, heir="", why="restored", wanted={"stock": 1, "prints": 1}) is None
    told: list[tuple[str, str]] = []
    cloud.store.on_sealed = lambda *said: told.append(said)

    await books.jump(rep, "prints", Boundary(1, b"12345678"), Opening(Boundary(1, b"12345678")))

    assert cloud.sealed() == [rep] and told == [("hk01", "")]
    assert cloud.stock_by_tallies() == {"TEA-01": -2}


async def test_seals_have_an_order_whatever_the_clock_of_the_cloud_does(cloud: Cloud) -> None:
    """Whose row stands of two sealed lives is told by it."""
    lives = [f"hk01:{n:016x}" for n in (9, 5, 7)]
    for rep, ahead_ms in zip(lives, (10**9, 0, 5), strict=True):
        cloud.now_ms = 1_790_000_000_000 + ahead_ms
        assert await cloud.store.end_life(rep, heir="", why="its machine is gone", wanted=None) is not None

    assert list(sealed_lives(cloud.db.read, "hk01")) == lives
