"""Other branches' stock and particulars, and rows for one store: from a hub's books over the cloud's to another hub's."""

from itertools import count
from sqlite3 import Connection
from typing import Any

import msgspec
import pytest

from hub.store.model import Item
from hub.store.stock.branches import BranchStock, elsewhere, put_branch, sizes
from hub.store.stock.levels import fold as fold_facts
from hub.store.stock.stock import Movement
from hub.store.stock.stock import move as book
from sync.cloud.rights.rights import put_own
from sync.cloud.scopes import scope_branches
from sync.cloud.scopes.scope_branches import CONTACT_EVERY_MS
from sync.cloud.scopes.scope_work import note_contact
from sync.cloud.scopes.scopes import put_bytes, put_row
from sync.retail.catalogue.branches import BranchRow
from sync.retail.names import Name
from sync.retail.stock.grants import GRANT, GrantRow
from sync.testing.sim_database import run_now
from tests.sync.scope_world import World, entry

IDS = count()


@pytest.fixture
def world() -> World:
    """Three stores; the first two see each other, the third sees all and is seen by nobody."""
    world = World("hk01", "hk02", "tw01")
    world.definitions["branches"] = {"hk": {"stores": ["hk01", "hk02"]}}
    world.gets = {store: {"branches": "hk"} for store in world.gets}
    world.start_cloud()
    return world


def move(world: World, store: str, sku: str, *, received: int = 0, issued: int = 0) -> None:
    """Book movements and fold them, as a shop does."""
    hub = world.hubs[store]

    def job(tx: Connection) -> None:
        for qty in filter(None, (received, -issued)):
            movement = Movement(movement_id=f"m{next(IDS)}", sku=sku, qty=qty, reason="adjust")
            book(tx, hub.books.replica, movement, location="shop", now_ms=world.wall_ms(), must_be_known=False)
        while fold_facts(tx, hub.books.replica):
            pass

    run_now(hub.db.write(job))
    hub.grown("dialler")


def seen(world: World, store: str, sku: str = "TEA") -> dict[str, int]:
    return {each.store: each.on_hand for each in look(world, store, sku)}


def look(world: World, store: str, sku: str = "TEA") -> list[BranchStock]:
    return elsewhere(world.hubs[store].db.read, sku, store=store, now_ms=world.wall_ms())


def test_a_store_sees_the_others_shelves_and_not_its_own(world: World) -> None:
    move(world, "hk01", "TEA", received=10, issued=3)
    move(world, "hk02", "TEA", received=5)
    move(world, "tw01", "TEA", received=99)
    world.settle()

    assert seen(world, "hk01") == {"hk02": 5}
    assert seen(world, "hk02") == {"hk01": 7}
    assert seen(world, "tw01") == {"hk01": 7, "hk02": 5}


def test_a_store_that_may_see_nobody_gets_nothing(world: World) -> None:
    world.give("tw01")
    move(world, "hk01", "TEA", received=10)
    world.settle()

    assert seen(world, "tw01") == {}
    assert not {stream for stream in world.hubs["tw01"].streams if stream.startswith("branch")}


def test_what_a_scope_shows_first_is_what_was_there_before_it(world: World) -> None:
    world.give("tw01")
    move(world, "hk01", "TEA", received=10)
    world.settle()
    world.give("tw01", branches="hk")
    world.settle()

    assert seen(world, "tw01") == {"hk01": 10}


def test_a_level_that_changes_all_the_time_goes_out_once_a_fold(world: World) -> None:
    move(world, "hk01", "TEA", received=1000)
    world.settle()
    sent = world.hubs["hk02"].batches
    hub = world.hubs["hk01"]
    for _ in range(30):
        move(world, "hk01", "TEA", issued=1)
        world.now_ms += 1000
        hub.tick()
        hub.deliver_all()
    before_the_fold = seen(world, "hk02")
    world.settle()

    assert (before_the_fold, seen(world, "hk02")) == ({"hk01": 1000}, {"hk01": 970})
    assert world.hubs["hk02"].batches - sent <= 2


def test_all_lives_of_a_store_are_summed(world: World) -> None:
    move(world, "hk01", "TEA", received=10)
    world.settle()
    hub = world.hubs["hk01"]
    run_now(hub.books.forked("the test says so"))
    hub.cut()
    move(world, "hk01", "TEA", issued=4)
    world.settle()

    assert seen(world, "hk02") == {"hk01": 6}


def test_a_figure_is_as_old_as_the_last_word_of_its_store(world: World) -> None:
    move(world, "hk01", "TEA", received=10)
    world.settle()
    world.now_ms += 3_600_000
    (an_hour_old,) = look(world, "hk02")
    run_now(note_contact(world.cloud, {"hk01", "tw01"}))
    world.settle()
    (fresh,) = look(world, "hk02")

    assert 3_600 <= an_hour_old.age_s < 3_700
    assert fresh.age_s < CONTACT_EVERY_MS // 1000 and fresh.on_hand == 10


def test_figures_of_a_cloud_that_was_restored_replace_those_that_it_has_forgotten(world: World) -> None:
    """Its numbers of versions begin lower again; the sums of the life that serves now stand all the same."""
    world.settle()
    yesterday = world.cloud_file.serialize()
    for _ in range(20):
        move(world, "hk01", "TEA", received=1)
        world.settle()
    world.restore_cloud(yesterday)
    for _ in range(3):
        world.settle()
    move(world, "hk01", "TEA", issued=2)
    world.settle()

    assert seen(world, "hk02") == {"hk01": 18}


def test_rights_that_a_restored_cloud_has_forgotten_count_no_more(world: World) -> None:
    """Else the hub sees more than the cloud does, and both push rights to and fro."""
    lost, hub = world.cloud.replica, world.hubs["hk01"]

    def granted(sku: str, n: int) -> None:
        cloud, taker, place = world.cloud, hub.books.rep, ("hk01", GRANT)
        row = GrantRow(sku=sku, location="shop", giver=cloud.replica.rep, taker=taker, n=n)
        run_now(cloud.db.write(lambda tx: put_own(tx, cloud.replica, *place, row, by=cloud.replica.rep)))
        cloud.on_grown()
        world.settle()

    granted("TEA", 2)
    yesterday = world.cloud_file.serialize()
    granted("TEA", 5)
    granted("POT", 1)
    run_now(hub.db.write(lambda tx: tx.execute("INSERT INTO right_looked VALUES ('level', 1, 9)")))
    world.restore_cloud(yesterday)
    for _ in range(3):
        world.settle()
    granted("CUP", 4)

    new = world.cloud.replica
    assert new.rep != lost.rep
    known = hub.file.execute("SELECT giver, sku, granted FROM stock_grant ORDER BY sku").fetchall()
    assert known == [(new.rep, "CUP", 4), (lost.rep, "TEA", 2)]
    assert hub.file.execute("SELECT count(*) FROM right_looked").fetchone() == (0,), "every place is looked at again"


def test_branches_say_who_they_are(world: World) -> None:
    for store in ("hk01", "hk02", "tw01"):
        hub = world.hubs[store]
        row = BranchRow(branch=store, n=0, name=Name(en=store.upper()), zone="Asia/Hong_Kong", phone=f"+{store}")
        run_now(hub.db.write(lambda tx, row=row, hub=hub: put_branch(tx, hub.books.replica, row)))
    move(world, "hk01", "TEA", received=1)
    world.settle()

    (other,) = look(world, "hk02")
    assert (other.name, other.phone) == (Name(en="HK01"), "+hk01")
    known = world.hubs["hk02"].file.execute("SELECT branch FROM branch ORDER BY branch").fetchall()
    assert known == [("hk01",), ("hk02",)]


def test_what_a_branch_says_is_written_once(world: World) -> None:
    hub = world.hubs["hk01"]
    row = BranchRow(branch="hk01", n=0, name=Name(en="A"), zone="Asia/Hong_Kong", hours={"1": ("10:00", "22:00")})
    said = [run_now(hub.db.write(lambda tx: put_branch(tx, hub.books.replica, row))) for _ in range(2)]
    other = msgspec.structs.replace(row, phone="1")
    said.append(run_now(hub.db.write(lambda tx: put_branch(tx, hub.books.replica, other))))

    assert said == [True, False, True]
    assert hub.file.execute("SELECT n FROM branch").fetchone() == (2,)


def test_the_other_sizes_are_beside_it(world: World) -> None:
    small, large = (msgspec.structs.replace(entry(f"TEA-{size}").product, style="TEA") for size in "SL")
    world.sell(*(msgspec.structs.replace(entry("X"), product=each) for each in (small, large)))
    move(world, "hk01", "TEA-L", received=4)
    world.settle()

    hub = world.hubs["hk02"]
    item = Item(sku="TEA-S", name=Name(en="x"), unit="each", gtins=[], style="TEA")
    (other,) = sizes(hub.db.read, item, store="hk02", location="shop")
    assert (other.sku, other.on_hand, other.elsewhere) == ("TEA-L", 0, 4)


def test_a_row_for_one_store_goes_there_only(world: World) -> None:
    cloud, taker = world.cloud, world.hubs["hk01"].books.rep
    row = GrantRow(sku="TEA", location="shop", giver=cloud.replica.rep, taker=taker, n=5)
    run_now(cloud.db.write(lambda tx: put_row(tx, cloud.replica, "hk01", GRANT, row)))
    cloud.on_grown()
    world.settle()
    more = msgspec.json.encode(msgspec.structs.replace(row, n=7))
    run_now(cloud.db.write(lambda tx: put_bytes(tx, cloud.replica, "hk01", "grants", "grant", "k", more)))
    cloud.on_grown()
    world.settle()

    granted = "SELECT granted, taker FROM stock_grant"
    assert world.hubs["hk01"].file.execute(granted).fetchall() == [(7, taker)]
    assert world.hubs["hk02"].file.execute(granted).fetchall() == []


def test_facts_for_one_store_leave_no_hole_in_the_clouds_own_log(world: World) -> None:
    cloud = world.cloud
    body = b'{"v":1,"kind":"later","promise_id":"p1"}'
    before = cloud.db.read.execute("SELECT seq, digest FROM stream WHERE name = 'promises'").fetchall()
    run_now(cloud.db.write(lambda tx: put_bytes(tx, cloud.replica, "hk01", "promises", "promise", "p1", body)))
    cloud.on_grown()
    world.settle()

    assert cloud.db.read.execute("SELECT seq, digest FROM stream WHERE name = 'promises'").fetchall() == before
    kept = world.hubs["hk01"].file.execute("SELECT stream, body FROM unknown_row").fetchall()
    assert kept == [("promises", body)]


@pytest.mark.parametrize("mutant", ["no marks", "own lives only", "n wins", "lost rights"])
def test_faults_that_these_tests_kill(world: World, mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "no marks":
        monkeypatch.setattr(scope_branches, "_mark", lambda *_, **__: None)
        killer: Any = test_a_store_sees_the_others_shelves_and_not_its_own
    elif mutant == "own lives only":
        real = scope_branches._summed
        monkeypatch.setattr(scope_branches, "_summed", lambda *args: _of_one_life(real, *args))
        killer = test_all_lives_of_a_store_are_summed
    elif mutant == "lost rights":
        monkeypatch.setattr("hub.store.upkeep.scopes.forget_lost", lambda *_: None)
        killer = test_rights_that_a_restored_cloud_has_forgotten_count_no_more
    else:
        monkeypatch.setattr("hub.store.upkeep.scopes._forget_former_lives", lambda *_: None)
        killer = test_figures_of_a_cloud_that_was_restored_replace_those_that_it_has_forgotten

    with pytest.raises(AssertionError):
        killer(world)


def _of_one_life(real: Any, tx: Any, *rest: Any) -> Any:
    """As if only the newest life of a store counted."""
    tx.execute("SAVEPOINT one_life")
    tx.execute("DELETE FROM tally WHERE replica < (SELECT max(replica) FROM tally)")
    row = real(tx, *rest)
    tx.execute("ROLLBACK TO one_life")
    tx.execute("RELEASE one_life")
    return row
