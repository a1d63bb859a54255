"""A style over real HTTP: every colour and size, what it costs, where it lies."""

from typing import Any

import msgspec
import pytest

from hub.store.catalogue import products
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.stock.branch_levels import BRANCH_LEVEL, BranchLevelRow
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows

CLOUD = "cloud:00000000000000c1"


@pytest.fixture
async def till(till: Any) -> Any:
    """A till of a shop with shirts in two colours, one of them in two sizes; another branch has the one that is sold out."""
    hub = till.hub.runtime
    shirts = [
        Entry(
            Product(sku=f"POLO-{n}", style="POLO", name=Name(en="Polo"), attributes={"colour": colour, "size": size}),
            Price(9900, "HKD"),
            stock,
        )
        for n, (colour, size, stock) in enumerate((("red", "L", 3), ("red", "M", 0), ("blue", "L", 1)))
    ]
    now_ms = hub.now_ms()
    row = BranchLevelRow(store="hk02", location="shop", sku="POLO-1", n=1, on_hand=7, as_of_ms=now_ms - 600_000)

    def job(tx: Any) -> None:
        products.put_products(tx, hub.replica, shirts, location=hub.shop.location, now_ms=now_ms)
        cloud = replica_id(tx, CLOUD, now_ms=now_ms)
        apply_rows(tx, BRANCH_LEVEL.stream, [(1, msgspec.json.encode(row))], replica=cloud, rep=CLOUD)

    await hub.db.write(job)
    return till


async def test_every_colour_and_size_is_there_with_price_and_stock_here_and_elsewhere(till: Any) -> None:
    answer = await till.get("/v1/styles/POLO")

    assert answer.status == 200
    assert answer.json["attributes"] == {"colour": ["red", "blue"], "size": ["M", "L"]}
    items = {item["sku"]: item for item in answer.json["items"]}
    assert {sku: item["stock"]["on_hand"] for sku, item in items.items()} == {"POLO-0": 3, "POLO-1": 0, "POLO-2": 1}
    assert {item["price"]["amount"] for item in items.values()} == {9900}
    (branch,) = items["POLO-1"]["branches"]
    assert (branch["store"], branch["on_hand"], branch["age_s"]) == ("hk02", 7, 600)
    assert "branches" not in items["POLO-0"]


async def test_the_price_is_that_of_now(till: Any, pair_till: Any) -> None:
    manager = await pair_till(till.hub, scope="manager")
    await manager.post("/v1/store-prices", {"sku": "POLO-2", "amount": 5000, "reason": "last one"})

    items = {item["sku"]: item["price"] for item in (await till.get("/v1/styles/POLO")).json["items"]}

    assert (items["POLO-2"]["amount"], items["POLO-2"]["source"]) == (5000, "store_price")
    assert items["POLO-0"]["source"] == "catalogue"


async def test_a_style_that_nobody_has_is_said_so(till: Any) -> None:
    answer = await till.get("/v1/styles/NOPE")

    assert (answer.status, answer.json["code"]) == (404, "style")
