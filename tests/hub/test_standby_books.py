"""Two hubs of a store on the line between them: what either has sold is on two machines, counts once, and survives either's card.

Judged as in test_lives: what the tills were answered against facts, tallies and caches, by plain SQL.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.holders import PEER
from hub.standby.books import StandbyBooks
from hub.store.model import Shop
from hub.store.upkeep.explain import explain
from sync.batch import START, Boundary, Head
from sync.cloud.arrivals import openings
from sync.cloud.store import CloudBooks
from sync.errors import ForkError, ProtocolError
from sync.kinds import Entity
from sync.model import Dot, Feed, Stream
from sync.retail.people.coupon_rows import COUPON_ISSUE, REDEMPTION, RELEASE, CouponIssueFact
from sync.retail.people.coupons import RedemptionFact, ReleaseFact
from sync.store.retention import DAY_MS
from sync.store.streams import append_fact
from sync.store.unknown import keep_unknown
from sync.store.writing import record_fact
from tests.hub.lives_world import Cloud, Machine, converse, meet
from tests.hub.test_lives import World


@pytest.fixture
async def world(tmp_path: Path, shop: Shop, sale: Callable[..., Any]) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(tmp_path, shop, stack, sale)


@pytest.fixture
async def cloud(world: World) -> Cloud:
    end = Cloud(world.folder / "cloud.db")
    await end.start(world.stack)
    return end


@pytest.fixture
async def hub(world: World, store: Any) -> Machine:
    """The one that is followed, with a catalogue and thirty teas."""
    copy = Machine(store.path, world.shop).copy_to(world.folder / "catalogue.db")
    primary = await world.machine("primary", copy)
    await world.receive(primary, 30)
    return primary


@pytest.fixture
async def standby(world: World, hub: Machine, cloud: Cloud) -> Machine:
    """The one that follows; the cloud has told it what is sold here."""
    await meet(hub, cloud)
    machine = await world.machine("standby")
    await meet(machine, cloud)
    return machine


async def follow(standby: Machine, hub: Machine) -> list[str]:
    """Let the standby dial until nothing is said any more."""
    ends = []
    for _ in range(4):
        end = await converse(StandbyBooks(standby.books), StandbyBooks(hub.books))
        ends.append(end.code if end else "quiet")
        if end is None:
            break
    for machine in (standby, hub):
        await machine.db.write(lambda tx: tx.execute("UPDATE replica SET own = own WHERE own = 1"))
    return ends


async def everybody(cloud: Cloud, *machines: Machine, rounds: int = 4) -> None:
    """Let all speak with the cloud until nothing changes any more."""
    for _ in range(rounds):
        for machine in machines:
            await meet(machine, cloud)


def confirmed(machine: Machine) -> int:
    return machine.db.read.execute("SELECT count(*) FROM confirmed").fetchone()[0]


async def test_a_sale_is_on_the_other_hub_before_the_cloud_knows_of_it(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    sold = await world.sell(hub, 1, 2)
    [beside] = await world.sell(standby, 3)
    assert await follow(standby, hub) == ["quiet"]

    assert hub.sale_ids() == standby.sale_ids() == sorted(world.answered)
    assert hub.on_hand() == standby.on_hand() == world.on_hand
    assert hub.books.holders.beside["sales"] == len(sold)
    assert standby.books.holders.beside["sales"] == len([beside])
    assert hub.books.holders.cloud.get("sales", 0) == 0

    await everybody(cloud, standby, hub)
    world.check(cloud, hub, standby)
    assert confirmed(hub) == confirmed(standby) == 0
    assert cloud.sealed() == []


async def test_what_a_dead_hub_had_sold_reaches_the_cloud_through_the_other(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    await world.sell(hub, 1, 2)
    await follow(standby, hub)
    await everybody(cloud, standby)  # the primary never comes back

    await cloud.store.end_life(hub.rep, heir="", why="its card is dead", wanted=None)
    await everybody(cloud, standby)
    world.check(cloud, standby)
    assert confirmed(standby) == 0


COUPON = {"serial": "TEN1", "rep": "hk01:aaaaaaaaaaaaaaaa"}
OF_COUPONS = (
    (
        REDEMPTION,
        RedemptionFact(redemption_id="r", store="hk01", amount=50, currency="HKD", business_date="x", **COUPON),
    ),
    (RELEASE, ReleaseFact(release_id="u", serial="TEN1", seen=(Dot("hk01:aaaaaaaaaaaaaaaa", "redemptions", 1),))),
    (COUPON_ISSUE, CouponIssueFact(issue_id="i", batch_id="b", number=1, issued_at=datetime(2026, 9, 21), **COUPON)),
)


@pytest.mark.parametrize(("entity", "fact"), OF_COUPONS, ids=[entity.stream for entity, _ in OF_COUPONS])
async def test_what_a_dead_hub_had_done_with_a_coupon_reaches_the_cloud_with_its_sale(
    hub: Machine, standby: Machine, cloud: Cloud, entity: Entity, fact: Any
) -> None:
    """A serial that is good for one use was used, whichever of the two machines is left to say so."""
    await hub.db.write(lambda tx: record_fact(tx, hub.books.replica, entity, fact))
    await follow(standby, hub)
    await everybody(cloud, standby)  # the primary never comes back

    of_stream = "SELECT body FROM fact WHERE stream = (SELECT id FROM feed WHERE stream = ?)"
    assert cloud.db.read.execute(of_stream, (entity.stream,)).fetchall() == [(msgspec.json.encode(fact),)]


async def test_what_came_after_a_hub_was_sealed_is_told_by_the_other_as_its_own(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    await world.sell(hub, 1)
    await everybody(cloud, hub, standby)
    await world.sell(hub, 2, 3)
    await follow(standby, hub)
    await cloud.store.end_life(hub.rep, heir="", why="its card is dead", wanted=None)
    await everybody(cloud, standby)

    world.check(cloud, standby)
    assert confirmed(standby) == 0


async def test_rows_of_a_later_version_that_only_the_other_holds_are_not_lost(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    """Nobody here can read them; their bytes go on, under the name of the one who has them."""
    await world.sell(hub, 1)
    await everybody(cloud, hub, standby)
    later = b'{"levitation":"l-1","stock":[["TEA-01","shop",-2]]}'

    def write(tx: Any) -> None:
        dot = append_fact(tx, hub.books.replica, Stream.SALES, later)
        keep_unknown(tx, hub.books.replica.local_id, Stream.SALES, [(dot.seq, later)])

    await hub.db.write(write)
    await follow(standby, hub)
    await cloud.store.end_life(hub.rep, heir="", why="its card is dead", wanted=None)
    await everybody(cloud, standby)

    at_cloud = "SELECT incarnation FROM fact JOIN replica ON replica.id = fact.replica WHERE body = ?"
    assert cloud.db.read.execute(at_cloud, (later,)).fetchall() == [(standby.rep.rpartition(":")[2],)]
    assert confirmed(standby) == 0
    assert standby.on_hand() == cloud.stock_by_tallies()["TEA-01"] == world.on_hand - 2


async def test_a_restored_hub_learns_it_from_the_other_and_gets_back_what_it_had_lost(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    await world.sell(hub, 1)
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2, 3)
    await follow(standby, hub)
    old = hub.rep
    again = await world.machine("restored", copy)
    await world.sell(again, 4)
    ends = await follow(standby, again)

    assert ends[0] == "fork" and ends[-1] == "quiet", ends
    assert again.rep != old
    assert again.sale_ids() == standby.sale_ids() == sorted(world.answered)
    assert again.on_hand() == standby.on_hand() == world.on_hand

    told: list[tuple[str, str]] = []
    cloud.store.on_sealed = lambda *said: told.append(said)
    await everybody(cloud, again, standby)
    world.check(cloud, again, standby)
    assert cloud.sealed() == [old]
    assert told == [("hk01", "")]  # when its last rows came, long after the hello: the heir has to hear of it, too


@pytest.mark.parametrize("sold_since", [(4,), (4, 5), (4, 5, 6)], ids=["fewer", "as many", "more"])
@pytest.mark.parametrize("is_standby_first", [True, False])
async def test_a_restored_hub_that_spoke_with_the_cloud_first_loses_nothing_that_the_other_holds(
    world: World, hub: Machine, standby: Machine, cloud: Cloud, *, sold_since: tuple[int, ...], is_standby_first: bool
) -> None:
    """The same dots mean two things: at the cloud what was sold after the restore, at the other hub what was sold before."""
    await world.sell(hub, 1)
    await everybody(cloud, hub, standby)
    copy = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2, 3)
    await follow(standby, hub)
    again = await world.machine("restored", copy)
    await world.sell(again, *sold_since)
    assert (await meet(again, cloud))[-1] == "quiet"  # nothing there says that it was restored
    if is_standby_first:
        await meet(standby, cloud)
        await follow(standby, again)
    else:
        await follow(standby, again)
    await everybody(cloud, again, standby)

    world.check(cloud, again, standby)
    assert confirmed(again) == confirmed(standby) == 0


async def test_the_same_sale_on_both_hubs_counts_once(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    """A till that got no answer asked the other one."""
    [sold] = await world.sell(hub, 2)
    await standby.sell(sold)
    await follow(standby, hub)
    await everybody(cloud, standby, hub)

    world.check(cloud, hub, standby)


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


async def test_a_copied_card_that_dials_its_original_begins_anew(world: World, hub: Machine, cloud: Cloud) -> None:
    await world.sell(hub, 1)
    clone = await world.machine("clone", hub.copy_to(world.folder / "card.db"))
    assert clone.rep == hub.rep
    await world.sell(clone, 2)
    ends = await follow(clone, hub)

    assert ends[0] == "sealed" and ends[-1] == "quiet", ends
    assert clone.rep != hub.rep
    assert clone.sale_ids() == hub.sale_ids() == sorted(world.answered)
    await everybody(cloud, hub, clone)
    world.check(cloud, hub, clone)


async def test_an_ack_that_lies_about_what_is_passed_on_is_not_believed(
    world: World, hub: Machine, standby: Machine
) -> None:
    """It would make us write again as ours what the cloud holds well."""
    await world.sell(hub, 1, 2)
    await follow(standby, hub)
    books, digest = standby.books, hub.books.digest_at("sales", 2)
    assert digest is not None

    assert books.is_offered(hub.rep, "sales", Boundary(2, digest))
    assert not books.is_offered(hub.rep, "sales", Boundary(1, digest))
    assert not books.is_offered(hub.rep, "sales", Boundary(3, digest))


async def test_rows_of_the_cloud_that_no_digest_proves_change_nothing(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    await world.sell(hub, 1)
    await everybody(cloud, hub, standby)
    await world.sell(hub, 2, 3)
    await follow(standby, hub)
    [true] = await hub.books.load(next(head for head in hub.books.heads() if head.stream == "sales"), START, 10)
    for n in range(3):
        rows = tuple(
            (seq, body.replace(b"HKD", b"TWD") if at == n else body) for at, (seq, body) in enumerate(true.rows)
        )
        with suppress(ProtocolError):
            await standby.books.apply(replace(true, rows=rows))
        assert standby.books.received()[hub.rep, "sales"] == true.end

    assert await standby.books.apply(true) == true.end
    assert confirmed(standby) == 0
    await everybody(cloud, hub, standby)
    world.check(cloud, hub, standby)


async def test_the_line_between_two_hubs_carries_the_logs_of_their_store_alone(
    world: World, hub: Machine, standby: Machine
) -> None:
    await world.sell(hub, 1)
    books = StandbyBooks(hub.books)
    logs = {"sales", "returns", "stock", "prints", "promises", "trail", "cashiers", "drawers", "transfers"}
    logs |= {
        "people",
        "points",
        "redemptions",
        "releases",
        "coupon_issues",
        "orders",
        "order_steps",
        "order_requests",
        "dwells",
    }
    assert {head.stream for head in books.heads()} <= logs
    assert {rep.rpartition(":")[0] for rep, _ in StandbyBooks(standby.books).vector("")} <= {"hk01"}
    assert PEER not in {head.rep for head in books.heads()}
    assert not books.admits("hk02:0123456789abcdef")


async def test_rows_that_a_copied_card_wrote_over_known_ones_end_the_conversation_before_what_follows_from_them(
    world: World, hub: Machine, standby: Machine
) -> None:
    """Else a return would pass on whose sale nobody but the copy has."""
    await follow(standby, hub)
    copy = await world.machine("copy", hub.copy_to(world.folder / "card.db"))
    [theirs] = await world.sell(copy, 3)
    await world.sell(hub, 1)
    await follow(standby, hub)
    head = next(head for head in copy.books.heads() if (head.rep, head.stream) == (copy.rep, "sales"))
    [batch] = await copy.books.load(head, START, 100)
    before = standby.sale_ids(), standby.books.received()

    with pytest.raises(ForkError, match="another past"):
        await standby.books.take_beside(batch)

    assert (standby.sale_ids(), standby.books.received()) == before
    assert theirs.sale_id not in standby.sale_ids()


async def test_rows_of_the_other_hub_that_the_cloud_is_not_known_to_hold_are_forgotten_by_nobody(
    world: World, hub: Machine, standby: Machine, cloud: Cloud
) -> None:
    await world.sell(hub, 1, 2)
    await follow(standby, hub)
    for days in (0, 500, 20):
        await standby.forget(days=days)
    assert standby.sale_ids() == sorted(world.answered)

    await everybody(cloud, standby, hub)
    for days in (1, 20):
        await standby.forget(days=days)
    assert standby.sale_ids() == []
    world.check(cloud, hub)
