"""Two hubs of a store on the line between them: what either has sold is on two machines, counts once, and survives either's card.

Judged as in test_lives: what the tills were answered against facts, tallies and caches, by plain SQL.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.holders import PEER
from hub.standby.books import StandbyBooks
from sync.actions import Effect, End, Load, Send
from sync.batch import START, Batch, Boundary
from sync.errors import ForkError, ProtocolError
from sync.kinds import Entity
from sync.model import Dot, Stream
from sync.protocol import Ack, HelloOk
from sync.retail.people.coupon_rows import COUPON_ISSUE, REDEMPTION, RELEASE, CouponIssueFact
from sync.retail.people.coupons import RedemptionFact, ReleaseFact
from sync.session import Session
from sync.store.streams import append_fact
from sync.store.unknown import keep_unknown
from sync.store.writing import record_fact
from tests.hub.lives.conftest import World, confirmed, everybody, follow
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet


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


async def test_an_ack_of_more_than_is_here_says_that_the_writer_has_told_it_himself(
    world: World, hub: Machine, standby: Machine
) -> None:
    """The conversation goes on, once for each batch; how much it says nobody believes: no digest proves it."""
    session = Session("dialler", standby.books, features=())

    async def sent(effects: list[Effect]) -> list[tuple[int, int]]:
        """Carry out what there is to do; return (after, last) of the batches of the other hub's sales."""
        assert not [effect for effect in effects if isinstance(effect, End)]
        batches = [effect.frame for effect in effects if isinstance(effect, Send) and isinstance(effect.frame, Batch)]
        found = [(batch.after, batch.last) for batch in batches if (batch.rep, batch.stream) == (hub.rep, "sales")]
        for load in [effect for effect in effects if isinstance(effect, Load)]:
            loaded = await standby.books.load(load.head, load.after, load.rows_max)
            found += await sent(session.loaded(loaded, 0))
        return found

    await world.sell(hub, 1)
    await follow(standby, hub)
    session.start(0, wall_ms=NOW_MS)
    met = HelloOk(rep=PEER, features=(), vector=(), t1_ms=NOW_MS, t2_ms=NOW_MS, t3_ms=NOW_MS)
    assert await sent(session.receive(met, 0, wall_ms=NOW_MS)) == [(0, 1)]

    await world.sell(hub, 2, 3)
    digest = hub.books.digest_at("sales", 3)
    assert digest is not None
    assert await sent(session.receive(Ack(hub.rep, "sales", 3, digest), 0, wall_ms=NOW_MS)) == []
    await world.sell(hub, 4)
    await follow(standby, hub)
    assert await sent(session.changed(0)) == [(1, 4)]
    ack = Ack(hub.rep, "sales", 9, digest)
    assert await sent(session.receive(ack, 0, wall_ms=NOW_MS)) == []
    assert [effect.code for effect in session.receive(ack, 0, wall_ms=NOW_MS) if isinstance(effect, End)] == ["fork"]


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
