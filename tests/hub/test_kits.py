"""Kits: sold by their own SKU, moved by their parts, promised as often as the scarcest part is free. Judged by sums of parts."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.store.catalogue.products import item_by_sku
from hub.store.model import Entry, StockView
from hub.store.selling.returns import return_job
from hub.store.stock.availability import Shelf, with_stock
from hub.store.stock.kits import goods_of
from hub.store.stock.rights import Debt, debts
from hub.store.stock.stock import on_hand
from hub.store.upkeep.audit import audit
from sync.cloud.catalogue import Entry as CloudEntry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Override, Sale, SaleLine, Tender
from sync.retail.stock.stock import Component
from tests.sync.scope_world import World

FREE = Override("goods without a price are not what is tested here")

GIFT = Entry(
    Product(
        sku="GIFT",
        name=Name(en="Gift"),
        stocked=False,
        parts=[Component(sku="TEA-01", qty=2), Component(sku="SHIRT-M", qty=1), Component(sku="BAG", qty=1)],
    ),
    Price(5000, "HKD"),
)
PARTS = {"TEA-01": 2, "SHIRT-M": 1}


@pytest.fixture
async def shop_with_kit(store: Any) -> Any:
    await store.put(GIFT)
    return store


def sale_of(name: str, *lines: tuple[str, int]) -> Sale:
    said = tuple(SaleLine(n, sku, qty, 0, per=1, override=FREE) for n, (sku, qty) in enumerate(lines, 1))
    return Sale(sale_id=name, till_id="t1", currency="HKD", lines=said, tenders=(Tender("cash", 0),), total=0)


def shelf_of(store: Any, **fields: Any) -> Shelf:
    return replace(Shelf(store.replica, "shop", None, 0, 1), **fields)


def shown(store: Any, sku: str, **fields: Any) -> StockView | None:
    item = item_by_sku(store.db.read, sku, location="shop")
    assert item is not None
    return with_stock(store.db.read, shelf_of(store, **fields), [item])[0].stock


async def take_back(store: Any, name: str, sale_id: str, *lines: tuple[int, int]) -> None:
    content = Return(
        return_id=name, till_id="t1", sale_id=sale_id, lines=tuple(ReturnLine(*line) for line in lines), reason="x"
    )
    await store.db.write(return_job(store.replica, store.shop, content, now_ms=1))


def there(store: Any) -> dict[str, int]:
    return {sku: on_hand(store.db.read, sku, "shop") for sku in (*PARTS, "GIFT", "BAG")}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sold=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)), max_size=4),
)
async def test_kits_sold_and_brought_back_move_their_parts_and_nothing_else(shop_with_kit: Any, sold: Any) -> None:
    """A sale of so many kits and single teas; of the kits some come back. Each example goes on with the same store."""
    store = shop_with_kit
    expected = there(store)
    start = store.db.read.execute("SELECT count(*) FROM sale").fetchone()[0]
    for n, (count, singles, back) in enumerate(sold, start):
        lines = (("GIFT", count), ("TEA-01", singles)) if singles else (("GIFT", count),)
        await store.sell(sale_of(f"k{n}", *lines))
        returned = min(back, count)
        if returned:
            await take_back(store, f"r{n}", f"k{n}", (1, returned))
        expected["TEA-01"] -= singles
        for sku, qty in PARTS.items():
            expected[sku] -= qty * (count - returned)

    assert there(store) == expected
    assert audit(store.db.read, store.replica) == []


async def test_a_kit_is_free_as_often_as_its_scarcest_part(shop_with_kit: Any) -> None:
    store = shop_with_kit

    assert shown(store, "GIFT") == StockView(5, 5, 0)  # five shirts
    assert shown(store, "GIFT", safety_stock=3) == StockView(5, 2, 0)
    await store.sell(sale_of("s1", ("TEA-01", 17)))
    assert shown(store, "GIFT") == StockView(1, 1, 0)
    assert shown(store, "BAG") is None


async def test_what_was_sold_before_it_was_known_to_have_no_stock_is_owed_by_nobody(store: Any) -> None:
    await store.sell(replace(sale_of("s1", ("FEE", 2)), offline=True))
    assert debts(store.db.read, store.replica) == [Debt("FEE", "shop", 2)]

    await store.put(Entry(Product(sku="FEE", name=Name(en="Fee"), stocked=False), Price(500, "HKD")))

    assert debts(store.db.read, store.replica) == []
    await store.sell(replace(sale_of("s2", ("FEE", 2)), offline=True))
    assert on_hand(store.db.read, "FEE", "shop") == -2, "it moves no more"


async def test_a_kit_of_fees_has_no_limit_and_a_part_that_is_not_known_is_not_there(store: Any) -> None:
    fees = replace(GIFT, product=replace(GIFT.product, sku="FEES", parts=[Component(sku="BAG", qty=1)]))
    later = replace(GIFT, product=replace(GIFT.product, sku="LATER", parts=[Component(sku="COMES", qty=1)]))
    await store.put(fees, later)

    assert shown(store, "FEES") is None
    assert shown(store, "LATER") == StockView(0, 0, 0)
    await store.sell(sale_of("s1", ("LATER", 2), ("FEES", 1)))
    assert on_hand(store.db.read, "COMES", "shop") == -2


async def test_a_kit_that_was_declared_anew_brings_back_no_more_than_was_taken(shop_with_kit: Any) -> None:
    store = shop_with_kit
    before = there(store)
    await store.sell(sale_of("s1", ("GIFT", 1)))
    more = [Component(sku="TEA-01", qty=9), Component(sku="PLUM", qty=500)]
    await store.put(replace(GIFT, product=replace(GIFT.product, parts=more)))
    await take_back(store, "r1", "s1", (1, 1))

    assert there(store) == before | {"SHIRT-M": before["SHIRT-M"] - 1}
    assert on_hand(store.db.read, "PLUM", "shop") == 5000


async def test_a_kit_travels_as_a_version_of_its_product(shop_with_kit: Any) -> None:
    store = shop_with_kit
    versions = [await store.put(GIFT)]
    versions.append(await store.put(replace(GIFT, product=replace(GIFT.product, parts=GIFT.product.parts[:1]))))

    assert [(put.updated, put.unchanged) for put in versions] == [(0, 1), (1, 0)]
    kept = store.db.read.execute("SELECT n, parts FROM product WHERE sku = 'GIFT'").fetchone()
    assert kept == (2, '[{"qty":2,"sku":"TEA-01"}]')
    assert goods_of(store.db.read, ["GIFT"]).taken("GIFT", 3) == {"TEA-01": 6}


def test_head_offices_kit_reaches_the_shops_in_the_snapshot_and_as_a_change() -> None:
    world = World("hk01")
    kit = CloudEntry(GIFT.product, GIFT.price)
    world.sell(kit)
    world.settle()
    first = goods_of(world.hubs["hk01"].db.read, ["GIFT"]).kits
    world.sell(replace(kit, product=replace(kit.product, parts=kit.product.parts[:1])))
    world.settle()

    assert first == {"GIFT": tuple(GIFT.product.parts)}
    assert goods_of(world.hubs["hk01"].db.read, ["GIFT"]).kits == {"GIFT": tuple(GIFT.product.parts[:1])}
