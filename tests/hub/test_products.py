"""Products and prices in the store: new versions only for news, GTINs belong to one SKU, pages in order."""

from collections.abc import Callable
from typing import Any

import pytest

from hub.store.catalogue.products import PAGE_MAX, Put, item_by_gtin, item_by_sku, list_items, sku_of_gtin
from hub.store.model import Entry
from hub.store.stock.stock import Movement, move
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.sales import Sale, SaleLine, Tender
from tests.local_hub import STARTED_MS

TEA_GTIN = "04890000000010"


def product(sku: str, **fields: Any) -> Entry:
    """Return an entry; `price` and `stock` are its own, the rest the product's."""
    price, stock = fields.pop("price", 100), fields.pop("stock", None)
    return Entry(Product(sku=sku, **({"name": Name(en=sku)} | fields)), Price(price, "HKD"), stock)


def versions(store: Any, sku: str) -> tuple[Any, Any]:
    """Return (n of the product, n of its price)."""
    return store.db.read.execute(
        "SELECT product.n, price.n FROM product JOIN price USING (sku) WHERE sku = ?", (sku,)
    ).fetchone()


async def test_the_same_batch_again_writes_nothing(store: Any, catalogue: Any) -> None:
    before = store.db.read.execute("SELECT seq FROM stream WHERE name = 'catalogue'").fetchone()

    put = await store.put(*catalogue)

    assert put == Put(unchanged=len(catalogue))
    assert store.db.read.execute("SELECT seq FROM stream WHERE name = 'catalogue'").fetchone() == before
    assert versions(store, "TEA-01") == (1, 1)


async def test_a_new_price_is_a_new_version_of_the_price_alone(store: Any) -> None:
    await store.put(product("NEW"))

    put = await store.put(product("NEW", price=101))

    assert (put, versions(store, "NEW")) == (Put(updated=1), (1, 2))


@pytest.mark.parametrize(
    "change",
    [{"name": Name(en="Other")}, {"unit": "g"}, {"stocked": False}, {"gtins": [TEA_GTIN[:-1] + "0"]}, {"style": "S"},
     {"attributes": {"size": "L"}}, {"category": "C"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
async def test_a_changed_field_is_a_new_version_of_the_product_alone(store: Any, change: dict[str, Any]) -> None:
    await store.put(product("TEA-01"))
    before = versions(store, "TEA-01")

    put = await store.put(product("TEA-01", **change))

    assert (put, versions(store, "TEA-01")) == (Put(updated=1), (before[0] + 1, before[1]))


async def test_attributes_in_another_order_are_no_news(store: Any) -> None:
    await store.put(product("NEW", attributes={"size": "M", "colour": "red"}))

    assert await store.put(product("NEW", attributes={"colour": "red", "size": "M"})) == Put(unchanged=1)


async def test_a_gtin_stays_with_the_sku_that_has_it(store: Any) -> None:
    put = await store.put(product("THIEF", gtins=[TEA_GTIN, "00000000000017"]))
    again = await store.put(product("THIEF", gtins=[TEA_GTIN, "00000000000017"]))

    assert put.gtins_taken == ((TEA_GTIN, "THIEF", "TEA-01"),) == again.gtins_taken
    assert (sku_of_gtin(store.db.read, TEA_GTIN), again.unchanged) == ("TEA-01", 1)
    assert item_by_gtin(store.db.read, "00000000000017", location="shop").sku == "THIEF"  # type: ignore[union-attr]


async def test_a_gtin_that_was_given_up_may_be_taken(store: Any) -> None:
    await store.put(product("TEA-01"), product("HEIR", gtins=[TEA_GTIN]))

    assert sku_of_gtin(store.db.read, TEA_GTIN) == "HEIR"


async def test_opening_stock_is_counted_once_and_only_for_a_new_product(store: Any) -> None:
    await store.put(product("NEW", stock=7))
    await store.put(product("NEW", stock=9, price=5))

    item = item_by_sku(store.db.read, "NEW", location="shop")

    assert item is not None and item.stock is not None and item.stock.on_hand == 7
    assert store.db.read.execute("SELECT count(*) FROM stock_movement WHERE body LIKE '%NEW%'").fetchone() == (1,)


async def test_goods_that_tills_sold_before_they_were_known_open_with_their_stock_less_what_was_sold(
    store: Any, sale: Callable[..., Sale]
) -> None:
    line = SaleLine(1, "NEW", 2, 500)
    await store.sell(sale(lines=(line,), tenders=(Tender("card", 1000),), total=1000, offline=True))
    for stock in (7, 9):
        await store.put(product("NEW", stock=stock))

        item = item_by_sku(store.db.read, "NEW", location="shop")

        assert item is not None and item.stock is not None and item.stock.on_hand == 5


async def test_goods_that_came_before_they_were_known_and_are_sold_out_have_no_opening_stock(
    store: Any, sale: Callable[..., Sale]
) -> None:
    came = Movement(movement_id="m1", sku="NEW", qty=1, reason="receive")
    await store.db.write(
        lambda tx: move(tx, store.replica, came, location="shop", now_ms=STARTED_MS, must_be_known=False)
    )
    line = SaleLine(1, "NEW", 2, 500)
    await store.sell(sale(lines=(line,), tenders=(Tender("card", 1000),), total=1000, offline=True))
    await store.put(product("NEW", stock=7))

    item = item_by_sku(store.db.read, "NEW", location="shop")

    assert item is not None and item.stock is not None and item.stock.on_hand == -1


async def test_a_movement_that_a_client_named_like_an_opening_does_not_stop_the_product(store: Any) -> None:
    """Opening movements have ids that no client can make."""
    await store.put(product("NEW", stock=7))
    (taken,) = store.db.read.execute("SELECT movement_id FROM stock_movement WHERE body LIKE '%NEW%'").fetchone()

    assert "~" in taken


async def test_stock_at_another_location_is_not_this_shops(store: Any) -> None:
    item = item_by_sku(store.db.read, "TEA-01", location="warehouse")

    assert item is not None and item.stock is not None and item.stock.on_hand == 0


async def test_pages_are_in_order_of_the_sku_without_a_gap(store: Any) -> None:
    await store.put(*(product(f"P{n:04}") for n in range(PAGE_MAX + 50)))
    found: list[str] = []
    while page := await list_items(store.db, location="shop", after=found[-1] if found else "", limit=PAGE_MAX):
        found += [item.sku for item in page]

    assert found == sorted(found) and len(found) == PAGE_MAX + 50 + 6


async def test_a_renamed_product_is_no_longer_found_by_its_old_name(store: Any) -> None:
    from hub.store.catalogue.products import search_items

    await store.put(product("TEA-01", name=Name(en="Coffee")))

    assert await search_items(store.db, "tea oolong", location="shop", after="", limit=5) == []
    assert [i.sku for i in await search_items(store.db, "coffee", location="shop", after="", limit=5)] == ["TEA-01"]
