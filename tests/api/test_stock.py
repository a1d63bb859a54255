"""Stock by HTTP: here, at the other branches with the age of each figure; a kit and its parts."""

from typing import Any

import msgspec

from hub.store.catalogue.products import put_products
from hub.store.model import Entry
from sync.retail.catalogue.branches import BranchRow
from sync.retail.names import Name
from sync.retail.stock.branch_levels import BranchLevelRow
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows

CLOUD, OTHER = "cloud:00000000000000cc", "hk02:00000000000000b2"


async def tell(hub: Any, stream: str, rep: str, *rows: Any) -> None:
    """Let rows of others arrive."""

    def job(tx: Any) -> None:
        writer = replica_id(tx, rep, now_ms=1)
        encoded = [(row.n, msgspec.json.encode(row)) for row in rows]
        apply_rows(tx, stream, encoded, replica=writer, rep=rep)

    await hub.runtime.db.write(job)


def level(n: int, sku: str, on_hand: int, as_of_ms: int) -> BranchLevelRow:
    location = "shop" if sku else ""
    return BranchLevelRow(store="hk02", location=location, sku=sku, n=n, on_hand=on_hand, as_of_ms=as_of_ms)


async def test_each_figure_of_another_branch_has_its_age(hub: Any, till: Any) -> None:
    now_ms = hub.runtime.now_ms()
    await tell(hub, "branch_levels", CLOUD, level(1, "TEA-01", 4, now_ms - 7_200_000))
    await tell(hub, "branches", OTHER, BranchRow(branch="hk02", n=1, name=Name(en="Mong Kok"), zone="Asia/Hong_Kong"))
    two_hours = (await till.get("/v1/stock/TEA-01")).json
    await tell(hub, "branch_levels", CLOUD, level(2, "", 0, now_ms - 60_000))
    heard_of = (await till.get("/v1/stock/TEA-01")).json

    (other,) = two_hours["branches"]
    assert (other["store"], other["location"], other["on_hand"], other["age_s"]) == ("hk02", "shop", 4, 7200)
    assert other["name"] == {"en": "Mong Kok"}
    assert heard_of["branches"][0]["age_s"] == 60
    assert two_hours["stock"]["on_hand"] == 20


async def test_without_other_branches_there_are_none(till: Any) -> None:
    answer = (await till.get("/v1/stock/TEA-01")).json

    assert (answer["branches"], answer["sku"]) == ([], "TEA-01")


async def test_a_kit_is_sold_by_its_name_and_leaves_as_its_parts(hub: Any, till: Any) -> None:
    parts = [{"sku": "TEA-01", "qty": 3}, {"sku": "BAG", "qty": 1}]
    product = {"sku": "BOX", "name": {"en": "Box of tea"}, "stocked": False, "parts": parts}
    entry = msgspec.convert({"product": product, "price": {"amount": 3000, "currency": "HKD"}}, Entry)
    runtime = hub.runtime
    await runtime.db.write(lambda tx: put_products(tx, runtime.replica, [entry], location="shop", now_ms=1))

    item = (await till.get("/v1/products/BOX")).json
    sold = await till.post("/v1/sales", till.sale({"sku": "BOX", "qty": 2, "unit_price": 3000}))
    held = {"reservation_id": "r1", "lines": [{"sku": "BOX", "qty": 4}], "basket_id": "b1"}
    kept = [await till.post("/v1/reservations", held | {"reservation_id": f"r{n}"}) for n in range(2)]

    assert (item["parts"], item["stock"]) == (parts, {"on_hand": 6, "available": 6, "promised": 0})
    assert sold.json["stock"] == {"TEA-01": 14}
    assert [answer.status for answer in kept] == [201, 422]
    assert (await till.get("/v1/products/TEA-01")).json["stock"] == {"on_hand": 14, "available": 2, "promised": 12}
    assert (await till.get("/v1/stock/BOX")).json["stock"] == {"on_hand": 4, "available": 0, "promised": 0}
