"""Scopes on real sockets: a cloud and a hub in this process, a till that asks the hub."""

from typing import Any

from sync.cloud.scopes.scope_work import fold

STORES: dict[str, dict[str, Any]] = {
    "hk01": {"token": "hk01-token-0123456789", "catalogue": "tea", "branches": "hk"},
    "hk02": {"token": "hk02-token-0123456789"},
}
SCOPES = {
    "catalogue": {"tea": {"currency": "HKD", "categories": ["tea"]}},
    "branches": {"hk": {"stores": ["hk01", "hk02"]}},
}


def entry(sku: str, category: str) -> dict[str, Any]:
    product = {"sku": sku, "name": {"en": sku}, "category": category, "style": "S"}
    return {"product": product, "price": {"amount": 100, "currency": "HKD"}}


async def test_a_hub_gets_its_scope_and_sees_the_other_branch(
    start_cloud: Any, start_hub: Any, pair_till: Any, until: Any, new_writer: Any
) -> None:
    cloud = await start_cloud(stores=STORES, scopes=SCOPES)
    entries = [entry(f"TEA-{n}", "tea") for n in range(300)] + [entry("CUP-1", "cups")]
    await cloud.post("/cloud/v1/products", {"entries": entries})
    hub = await start_hub(cloud={"url": cloud.url, "token": STORES["hk01"]["token"], "reconnect_max_s": 0.1})
    till = await pair_till(hub)

    async def has(sku: str) -> bool:
        return bool((await till.get(f"/v1/products/{sku}")).status == 200)

    await until(lambda: has("TEA-299"), bool)
    writer = new_writer("hk02:bb")
    levels = writer.state("levels", (1, {"v": 1, "sku": "TEA-7", "location": "shop", "received": 9, "issued": 2}))
    await cloud.books("hk02").apply(levels)
    await fold(cloud.cloud.books)

    async def elsewhere() -> list[Any]:
        return list((await till.get("/v1/stock/TEA-7")).json["branches"])

    (other,) = await until(elsewhere, bool)
    assert (other["store"], other["on_hand"]) == ("hk02", 7)
    assert not await has("CUP-1")
