"""The tills' day between machines: the store's other hub goes on with a drawer, a card of yesterday gets its Z reports back."""

from hub.store.day import drawers
from hub.store.day.drawers import Doer
from hub.store.staff import cashiers
from hub.store.staff.cashiers import Asked
from sync.retail.selling.drawers import Counting, Opening
from sync.retail.selling.z_reports import ZReport
from sync.retail.staff.cashiers import PinHash
from tests.hub.lives.conftest import World, everybody, follow
from tests.hub.lives_world import NOW_MS, Cloud, Machine, meet

BY = Doer("cashier:c7", "cashier")
PIN = PinHash(n=16384, r=8, p=1, salt="s", hash="h", key="k")


async def opened(machine: Machine, session_id: str) -> None:
    opening = Opening(session_id, "t1", 1000)
    await machine.db.write(
        lambda tx: drawers.open_session(tx, machine.books.replica, machine.shop, opening, by=BY, now_ms=NOW_MS)
    )


async def closed(machine: Machine, session_id: str) -> ZReport:
    own, shop, nothing = machine.books.replica, machine.shop, Counting(())
    report, _ = await machine.db.write(
        lambda tx: drawers.close_session(tx, own, shop, session_id, nothing, by=BY, now_ms=NOW_MS)
    )
    return report


def z_reports(machine: Machine) -> list[str]:
    return [z_no for (z_no,) in machine.db.read.execute("SELECT z_no FROM z_report ORDER BY z_no").fetchall()]


def trail(machine: Machine) -> list[tuple[str, str]]:
    return machine.db.read.execute("SELECT action, subject FROM trail ORDER BY action, subject").fetchall()


async def test_the_other_hub_closes_what_the_first_has_opened_and_both_tell_the_same(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    standby = await world.machine("standby")
    await everybody(cloud, hub, standby)
    await opened(hub, "s1")
    await world.sell(hub, 2)
    assert await follow(standby, hub) == ["quiet"]

    await world.sell(standby, 1)
    report = await closed(standby, "s1")
    await follow(standby, hub)

    assert (report.figures.sales, report.figures.total, report.figures.expected_cash) == (2, 3270, 4270)
    assert z_reports(hub) == z_reports(standby) == [report.z_no]
    assert trail(hub) == trail(standby) == [("drawer_session_closed", report.z_no), ("drawer_session_opened", "s1")]
    await opened(hub, "s2")
    await world.sell(hub, 1)
    following = await closed(hub, "s2")
    assert (following.figures.sales, following.previous) == (1, report.z_no)


async def test_a_cashier_who_was_shut_out_at_one_hub_is_out_at_the_other(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    standby = await world.machine("standby")
    await everybody(cloud, hub, standby)
    own = hub.books.replica
    new = Asked(change_id="e", cashier_id="c7", number="7", name="Mei", role="cashier", pin=PIN)
    await hub.db.write(lambda tx: cashiers.enrol(tx, own, new, by="machine", now_ms=NOW_MS))
    await follow(standby, hub)
    there = standby.books.replica
    out = Asked(change_id="x", cashier_id="c7", is_disabled=True)
    await standby.db.write(lambda tx: cashiers.change(tx, there, out, by="cashier:boss", now_ms=NOW_MS))
    named = Asked(change_id="y", cashier_id="c7", name="Mei Ling")
    await hub.db.write(lambda tx: cashiers.change(tx, own, named, by="cashier:boss", now_ms=NOW_MS))

    await follow(standby, hub)

    assert cashiers.cashier(hub.db.read, "c7") == cashiers.cashier(standby.db.read, "c7")
    assert cashiers.cashier(hub.db.read, "c7").is_disabled


async def test_a_card_of_yesterday_gets_its_z_reports_back_and_counts_nothing_twice(
    world: World, hub: Machine, cloud: Cloud
) -> None:
    await opened(hub, "s1")
    await world.sell(hub, 1)
    yesterday = hub.copy_to(world.folder / "backup.db")
    await world.sell(hub, 2)
    first = await closed(hub, "s1")
    await meet(hub, cloud)

    restored = await world.machine("restored", yesterday)
    await world.sell(restored, 3)
    await everybody(cloud, restored)
    await opened(restored, "s2")
    await world.sell(restored, 1)
    second = await closed(restored, "s2")

    assert (first.figures.sales, first.figures.total) == (2, 3270)
    assert (second.figures.sales, second.figures.total) == (2, 4360), "also what it sold before it knew"
    assert second.previous == first.z_no and z_reports(restored) == sorted([first.z_no, second.z_no])
    await everybody(cloud, restored)
    world.check(cloud, restored)
