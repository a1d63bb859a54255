"""Forks: restored backups, cloned cards, two hubs of a store. Nothing is lost, nothing counted twice.

Judged by plain SQL over facts and tallies: what all tills were answered, the facts with different keys, the sum of all writers'
levels, the stock cached at each hub.
"""

import json

import pytest

from hub.store.selling.sales import find_sale
from hub.store.stock.documents import book_document
from sync.batch import START, Boundary, batch_of
from sync.cloud.arrivals.lives import sealed_lives
from sync.cloud.store import CloudBooks
from sync.errors import ForkError
from sync.model import Feed
from sync.opening import Opening
from sync.retail.stock.movements import Movement, MovementLine
from tests.hub.lives.conftest import World
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet


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
