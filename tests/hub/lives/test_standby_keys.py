"""One sale under one key, booked by both hubs of a store: one row counts, whatever was forgotten, sealed or told as a sum."""

from collections.abc import Callable
from typing import Any

import pytest

from hub.store.upkeep.explain import explain
from sync.batch import START, Head
from sync.cloud.arrivals import openings
from sync.cloud.store import CloudBooks
from sync.model import Feed, Stream
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import SaleLine, Tender
from sync.store.retention import DAY_MS
from tests.hub.lives.conftest import World, everybody, follow
from tests.hub.lives_world import Cloud, Machine, meet


async def test_the_same_sale_on_both_hubs_counts_once(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    """A till that got no answer asked the other one."""
    [sold] = await world.sell(hub, 2)
    await standby.sell(sold)
    await follow(standby, hub)
    await everybody(cloud, standby, hub)

    world.check(cloud, hub, standby)


@pytest.mark.parametrize("is_larger", [True, False])
async def test_goods_that_one_of_both_hubs_did_not_know_come_back_as_they_went(  # noqa: PLR0917 - fixtures
    world: World, hub: Machine, standby: Machine, cloud: Cloud, sale: Callable[..., Any], is_larger: bool
) -> None:
    """Both have booked the sale, one before it knew the product, and its customer brings the goods back there."""
    seller, other = sorted((hub, standby), key=lambda machine: machine.rep, reverse=is_larger)
    sold = sale(lines=(SaleLine(1, "NEW", 3, 500),), tenders=(Tender("card", 1500),), total=1500, offline=True)
    await seller.sell(sold)
    back = Return(return_id="r1", till_id="t1", sale_id=sold.sale_id, lines=(ReturnLine(1, 2),), reason="too many")
    await seller.take_back(back)
    await cloud.edit("NEW", 500)
    await meet(other, cloud)
    await other.sell(sold)
    await everybody(cloud, other, seller)

    assert cloud.stock_by_keys()["NEW"] == cloud.stock_by_tallies()["NEW"] == -1
    assert hub.on_hand("NEW") == standby.on_hand("NEW") == -1


@pytest.mark.parametrize("is_told", [False, True], ids=["its row", "what it came to"])
@pytest.mark.parametrize("has_forgotten", [True, False])
@pytest.mark.parametrize("is_larger", [True, False])
async def test_the_same_sale_on_both_hubs_counts_once_where_one_has_forgotten_its_row(  # noqa: PLR0917 - fixtures
    world: World,
    hub: Machine,
    standby: Machine,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    is_larger: bool,
    has_forgotten: bool,
    is_told: bool,
) -> None:
    """The other was cut off for longer than a sale is kept. Who has the larger name gives way, also with a row that is gone."""
    [sold] = await world.sell(hub, 2)
    await standby.sell(sold)
    forgetful, late = sorted((hub, standby), key=lambda machine: machine.rep, reverse=is_larger)
    await meet(forgetful, cloud)
    await forgetful.forget()
    if has_forgotten:
        await forgetful.forget(days=500)
    assert (forgetful.sale_ids() == []) == has_forgotten
    if is_told:
        monkeypatch.setattr(openings, "DAYS_SEEN", 0)
        cloud.now_ms += 500 * DAY_MS
    await everybody(cloud, late, forgetful)

    assert cloud.sales()[0] == 1
    assert cloud.stock_by_keys()["TEA-01"] == cloud.stock_by_tallies()["TEA-01"] == world.on_hand
    assert hub.on_hand() == standby.on_hand() == world.on_hand


@pytest.mark.parametrize("how", ["both forgotten", "one forgotten", "one told, one forgotten"])
async def test_a_row_that_gave_way_and_is_forgotten_stands_again_when_its_life_is_sealed(  # noqa: PLR0917 - fixtures
    world: World, hub: Machine, standby: Machine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The seal counts it: whose row stood takes it back, also where that one is forgotten, too."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)
    heir, beaten = sorted((hub, standby), key=lambda machine: machine.rep)
    [sold] = await world.sell(beaten, 2)
    await meet(beaten, cloud)
    for machine in (heir, cloud):
        machine.now_ms += {"both forgotten": 0, "one forgotten": 300, "one told, one forgotten": 500}[how] * DAY_MS
    await heir.sell(sold)
    await everybody(cloud, heir, beaten)
    await heir.forget()
    await heir.forget(days=150 if how == "one forgotten" else 450)
    assert heir.db.read.execute("SELECT count(*) FROM second_row").fetchone() == (0,)
    assert (heir.sale_ids() != []) == (how == "one forgotten")

    await beaten.books.forked("its card was copied")
    await everybody(cloud, beaten, heir)

    assert len(cloud.sealed()) == 1
    assert cloud.stock_by_keys()["TEA-01"] == cloud.stock_by_tallies()["TEA-01"] == world.on_hand
    assert hub.on_hand() == standby.on_hand() == world.on_hand


async def test_a_row_that_came_when_the_one_that_stands_was_forgotten_counts_when_its_life_is_sealed(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    """It was cut off for longer than a sale is kept, gave way to a key, and ends before it is forgotten itself."""
    heir, beaten = sorted((hub, standby), key=lambda machine: machine.rep)
    [sold] = await world.sell(heir, 2)
    await meet(heir, cloud)
    await beaten.sell(sold)
    await heir.forget()
    await heir.forget(days=500)
    assert heir.sale_ids() == []
    await everybody(cloud, beaten, heir)
    assert heir.db.read.execute("SELECT count(*) FROM second_row").fetchone() == (1,)

    await beaten.books.forked("its card was copied")
    await everybody(cloud, beaten, heir)

    assert len(cloud.sealed()) == 1
    assert cloud.stock_by_keys()["TEA-01"] == cloud.stock_by_tallies()["TEA-01"] == world.on_hand
    assert hub.on_hand() == standby.on_hand() == world.on_hand


@pytest.mark.parametrize("is_sealed_first", [False, True])
async def test_a_row_that_gave_way_and_was_told_as_a_sum_stands_when_its_life_is_sealed(  # noqa: PLR0917 - fixtures
    world: World, hub: Machine, standby: Machine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, is_sealed_first: bool
) -> None:
    """Of a row that does not stand the sum said nothing: the writer whose row stood knew of none to give way to."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)
    heir, beaten = sorted((hub, standby), key=lambda machine: machine.rep)
    former, books = beaten.rep, CloudBooks(cloud.store, "hk01")
    [sold] = await world.sell(beaten, 2)
    await meet(beaten, cloud)
    await heir.sell(sold)
    [own] = [head for head in heir.books.heads() if (head.rep, head.stream) == (heir.rep, Stream.SALES)]
    for batch in await heir.books.load(own, START, 100):
        await books.apply(batch)
    cloud.now_ms += 500 * DAY_MS
    told = await books.opening(Head(former, Stream.SALES, Feed.LOG, 1), 1)
    assert told is not None
    if is_sealed_first:
        await heir.books.note_sealed((former,))
    await heir.books.jump(former, Stream.SALES, told.at, told)

    await beaten.books.forked("its card was copied")
    await everybody(cloud, beaten, heir)

    assert cloud.sealed() == [former]
    assert cloud.stock_by_keys()["TEA-01"] == cloud.stock_by_tallies()["TEA-01"] == world.on_hand
    assert hub.on_hand() == standby.on_hand() == world.on_hand


async def test_a_row_that_stands_by_its_seal_and_is_told_as_a_sum_beats_one_that_is_forgotten(
    world: World, hub: Machine, standby: Machine, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose row stood until then has no row any more: its key says that it has to give way."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)
    heir, beaten = sorted((hub, standby), key=lambda machine: machine.rep)
    former, books = beaten.rep, CloudBooks(cloud.store, "hk01")
    [sold] = await world.sell(heir, 2)
    await meet(heir, cloud)
    await heir.forget()
    await heir.forget(days=500)
    assert heir.sale_ids() == []
    await beaten.sell(sold)
    [own] = [head for head in beaten.books.heads() if (head.rep, head.stream) == (former, Stream.SALES)]
    for batch in await beaten.books.load(own, START, 100):
        await books.apply(batch)
    cloud.now_ms += 500 * DAY_MS
    await beaten.books.forked("its card was copied")
    await everybody(cloud, beaten, heir)

    assert cloud.sealed() == [former]
    assert cloud.stock_by_keys()["TEA-01"] == cloud.stock_by_tallies()["TEA-01"] == world.on_hand
    assert hub.on_hand() == standby.on_hand() == world.on_hand


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_a_life_that_has_written_a_key_and_adopts_a_row_under_it_counts_one_of_them(
    world: World, hub: Machine, standby: Machine, cloud: Cloud, *, is_sealed: bool
) -> None:
    """The card put back sold it anew before it heard from the other hub what it had lost, and the cloud never got."""
    await meet(hub, cloud)
    copy = hub.copy_to(world.folder / "backup.db")
    [sold] = await world.sell(hub, 2)
    await follow(standby, hub)
    again = await world.machine("restored", copy)
    await again.books.forked("a client was answered what is not here")
    await again.sell(sold)
    await meet(again, cloud)
    await follow(standby, again)
    await everybody(cloud, again, standby)
    of_life = """
        SELECT count(*) FROM fact JOIN replica ON replica.id = fact.replica
        WHERE stream = (SELECT id FROM feed WHERE stream = 'sales') AND incarnation = ?
    """
    assert cloud.db.read.execute(of_life, (again.rep.rpartition(":")[2],)).fetchone() == (2,)
    if is_sealed:
        await again.books.forked("a client was answered what is not here")
        await everybody(cloud, again, standby)

    assert len(cloud.sealed()) == 1 + is_sealed
    world.check(cloud, again, standby)
    stands = {dot_of(machine, sold.sale_id) for machine in (again, standby)}
    assert len(stands) == 1, stands


@pytest.mark.parametrize("does_beaten_know", [False, True])
@pytest.mark.parametrize("digit", ["0", "f"], ids=["smaller", "larger"])
async def test_of_two_rows_under_a_key_one_counts_whatever_the_name_of_the_life_that_writes_the_one_again(  # noqa: PLR0917 - fixtures
    world: World, hub: Machine, standby: Machine, cloud: Cloud, digit: str, does_beaten_know: bool
) -> None:
    """Its row stood beside the other hub's; under a larger name it does not, and nobody but this hub can say so."""
    winner, beaten = sorted((hub, standby), key=lambda machine: machine.rep)
    winner.next_incarnation = digit * 16
    [sold] = await world.sell(beaten, 2)
    await winner.sell(sold)
    if does_beaten_know:
        await follow(standby, hub)
    else:
        [head] = [head for head in beaten.books.heads() if (head.rep, head.stream) == (beaten.rep, Stream.SALES)]
        for batch in await beaten.books.load(head, START, 100):
            await winner.books.apply(batch)
    await winner.books.forked("its card was copied")
    await everybody(cloud, winner, beaten)

    world.check(cloud, winner, beaten)
    assert dot_of(winner, sold.sale_id) == dot_of(beaten, sold.sale_id)


def dot_of(machine: Machine, sale_id: str) -> tuple[str, int]:
    """Which row of a sale stands here."""
    found: tuple[str, int] = machine.db.read.execute(
        "SELECT incarnation, seq FROM sale JOIN replica ON replica.id = sale.replica WHERE sale_id = ?", (sale_id,)
    ).fetchone()
    return found


async def test_the_number_of_a_sale_that_gave_way_is_void_when_its_life_ends(
    world: World, hub: Machine, standby: Machine
) -> None:
    """It is on paper: nobody may take it for a gap, or for lost."""
    [sold] = await world.sell(hub, 2)
    numbers = {hub.rep: hub.sold_number(sold.sale_id)}
    await standby.sell(sold)
    numbers[standby.rep] = standby.sold_number(sold.sale_id)
    await follow(standby, hub)
    beaten = max((hub, standby), key=lambda machine: machine.rep)
    number = numbers[beaten.rep]
    await beaten.books.forked("its card was copied")

    assert beaten.db.read.execute("SELECT receipt_no, sale_id FROM void_receipt").fetchall() == [(number, sold.sale_id)]
    assert "is void" in "\n".join(explain(beaten.db.read, beaten.books.replica, number))
    assert beaten.sale_ids() == [sold.sale_id] and beaten.on_hand() == world.on_hand
