"""Goods that one store sold and another took back, over real books of two stores and a cloud: counted once, too many found."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import RefusedError
from hub.store.model import Shop
from hub.store.selling.claims import ReturnRules, ReturnTerms
from hub.store.selling.returns import Taken, return_job, returned_by_line
from hub.store.selling.sales import sale_job
from hub.store.stock.attention import sources
from hub.store.stock.stock import on_hand
from hub.store.upkeep.audit import audit
from sync.retail.names import Name
from sync.retail.selling.claims import RETURNED_ELSEWHERE, Claim, LineElsewhere, ReturnedElsewhere
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.store.writing import record_fact
from sync.testing.sim_database import run_now
from tests.sync.scope_world import STARTED_MS, World

SOLD = 4
LINE = SaleLine(1, "TEA", SOLD, 1000, per=1)
TERMS = ReturnTerms(ReturnRules(elsewhere="accept", elsewhere_max_minor=10**6, elsewhere_day_max_minor=10**9))
Steps = list[tuple[str, int]]


@pytest.fixture
def shops() -> dict[str, Shop]:
    return shops_of()


def shops_of() -> dict[str, Shop]:
    return {store: Shop(store, Name(en=store), ZoneInfo("Asia/Hong_Kong"), "HKD") for store in ("hk01", "hk02")}


def sold_at_hk01(shops: dict[str, Shop], world: World) -> str:
    """Sell four teas at hk01; return the receipt's number."""
    sale = Sale(
        sale_id="s1",
        till_id="t1",
        currency="HKD",
        lines=(LINE,),
        tenders=(Tender("cash", 4000),),
        total=4000,
        offline=True,  # the catalogue is empty
        receipt_no="R-1",
    )
    hub = world.hubs["hk01"]
    run_now(hub.db.write(sale_job(hub.books.replica, shops["hk01"], sale, print_to=None, now_ms=STARTED_MS)))
    return "R-1"


def take(shops: dict[str, Shop], world: World, at: str, return_id: str, qty: int, *, sale: str = "s1") -> Taken:
    """Take teas back at a store: at hk01 by its books, elsewhere by the receipt."""
    claim = None if at == "hk01" else Claim(lines=(LINE,), store="hk01")
    content = Return(
        return_id=return_id, till_id="t1", sale_id=sale, lines=(ReturnLine(1, qty),), reason="x", claim=claim
    )
    hub = world.hubs[at]
    return run_now(hub.db.write(return_job(hub.books.replica, shops[at], content, now_ms=STARTED_MS, terms=TERMS)))


def listed(world: World, store: str, kind: str) -> list[str]:
    """Return the names in the manager's list."""
    found = sources(world.hubs[store].db.read, store=store, now_ms=STARTED_MS)[kind].page("", 100)
    return [line.key for line in found]


def test_goods_that_no_catalogue_has_leave_the_one_shelf_and_come_to_the_other(shops: dict[str, Shop]) -> None:
    world = World("hk01", "hk02")
    sold_at_hk01(shops, world)
    take(shops, world, "hk02", "r1", 3)

    shelves = {store: on_hand(hub.db.read, "TEA", shops[store].location) for store, hub in world.hubs.items()}

    assert shelves == {"hk01": -SOLD, "hk02": 3}


@pytest.mark.parametrize("named", ["s1", "R-1"])
def test_the_store_that_sold_them_counts_what_another_took_back(shops: dict[str, Shop], named: str) -> None:
    world = World("hk01", "hk02")
    sold_at_hk01(shops, world)
    take(shops, world, "hk02", "r1", 3, sale=named)
    world.settle()

    assert returned_by_line(world.hubs["hk01"].db.read, "s1") == {1: 3}
    with pytest.raises(RefusedError, match="1 of 4 are left"):
        take(shops, world, "hk01", "r2", 2)
    assert (listed(world, "hk01", "beyond_sold"), listed(world, "hk02", "claim")) == ([], ["r1"])
    assert listed(world, "hk02", "beyond_sold") == []


def test_what_two_stores_took_back_at_once_is_in_the_managers_list_of_the_one_that_sold(shops: dict[str, Shop]) -> None:
    world = World("hk01", "hk02")
    sold_at_hk01(shops, world)
    take(shops, world, "hk02", "r1", 3)
    take(shops, world, "hk01", "r2", 2)
    world.settle()

    assert returned_by_line(world.hubs["hk01"].db.read, "s1") == {1: 5}
    assert listed(world, "hk01", "beyond_sold") == ["hk02:r1"]
    hub = world.hubs["hk01"]
    found = [each.said for each in audit(hub.db.read, hub.books.replica) if each.check == "returned"]
    assert found == ["sale s1 line 1: 5 are back of 4 that were sold"]


def test_a_receipt_that_nobody_gave_out_is_found(shops: dict[str, Shop]) -> None:
    world = World("hk01", "hk02")
    take(shops, world, "hk02", "r1", 1, sale="R-9")
    world.settle()

    assert listed(world, "hk01", "beyond_sold") == ["hk02:r1"]


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["hk01", "hk02", "settle", "restore"]), st.integers(1, 3)), max_size=8))
def test_returned_is_within_sold_as_far_as_a_store_knows_and_the_rest_is_listed(steps: Steps) -> None:
    """Two stores, every request sent twice, a line that comes and goes, a cloud that is restored from its first copy."""
    shops, world = shops_of(), World("hk01", "hk02")
    sold_at_hk01(shops, world)
    copy = world.cloud_file.serialize()
    taken = {"hk01": 0, "hk02": 0}
    for number, (what, qty) in enumerate(steps):
        if what == "settle":
            world.settle()
        elif what == "restore":
            world.restore_cloud(copy)
        else:
            known = returned_by_line(world.hubs[what].db.read, "s1").get(1, 0)
            try:
                first = take(shops, world, what, f"r{number}", qty)
            except RefusedError:
                assert known + qty > SOLD
                continue
            assert known + qty <= SOLD
            assert take(shops, world, what, f"r{number}", qty).answer == first.answer
            taken[what] += qty
    world.settle()
    world.settle()

    total = sum(taken.values())
    assert returned_by_line(world.hubs["hk01"].db.read, "s1").get(1, 0) == total
    assert bool(listed(world, "hk01", "beyond_sold")) == (total > SOLD)
    assert taken["hk02"] <= SOLD, "a receipt gives no more than it says"


def test_a_store_cannot_count_in_the_name_of_another(shops: dict[str, Shop]) -> None:
    world = World("hk01", "hk02", "tw01")
    sold_at_hk01(shops, world)
    hub = world.hubs["tw01"]
    fact = ReturnedElsewhere(
        elsewhere_id="hk02:r1",
        return_id="r1",
        taker="hk02",
        seller="hk01",
        sale="s1",
        lines=(LineElsewhere(1, 4),),
        refund=1,
        currency="HKD",
        taken_at="2026-09-21T10:00:00Z",  # type: ignore[arg-type]
    )
    run_now(hub.db.write(lambda tx: record_fact(tx, hub.books.replica, RETURNED_ELSEWHERE, fact)))
    world.settle()

    assert returned_by_line(world.hubs["hk01"].db.read, "s1") == {}


def test_a_counter_that_forgets_what_others_took_back_is_found(
    shops: dict[str, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.selling.returns.taken_elsewhere", lambda *_: [])

    with pytest.raises(AssertionError):
        test_the_store_that_sold_them_counts_what_another_took_back(shops, "s1")
