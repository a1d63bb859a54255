"""What the web may sell: rights held over all places less what is promised, told by SKU, each change once."""

from typing import Any

from sync.cloud.allocation.availability import availability


async def told(chain: Any, after: int = 0) -> tuple[dict[str, int], int]:
    page = (await chain.end.get("/cloud/v1/availability", after=after)).json
    return {item["sku"]: item["available"] for item in page["items"]}, page["next"]


async def promise(chain: Any, promise_id: str, qty: int, store: str = "hk01") -> int:
    body = {"promise_id": promise_id, "order_id": "o1", "sku": "TEA-01", "store": store, "qty": qty}
    return int((await chain.end.post("/cloud/v1/promises", body | {"keeper": "cloud"})).status)


async def test_what_the_web_may_sell_is_what_the_stores_have_granted_less_what_is_promised(chain_of: Any) -> None:
    chain = await chain_of()
    await chain.stock("hk01", "TEA-01", 10, held=6)
    await chain.stock("hk02", "TEA-01", 3)
    await chain.stock("hk02", "CUP-01", 5, held=2)
    assert await promise(chain, "p1", 4) == 201

    read = chain.end.cloud.books.db.read
    assert availability(read) == {"TEA-01": 5, "CUP-01": 2}
    assert availability(read, skus=["TEA-01", "NEVER-HEARD"]) == {"TEA-01": 5, "NEVER-HEARD": 0}
    one = await chain.end.get("/cloud/v1/availability", sku="TEA-01")
    assert one.json == {"sku": "TEA-01", "available": 5}


async def test_a_sku_whose_name_begins_like_another_is_another(chain_of: Any) -> None:
    chain = await chain_of()
    await chain.stock("hk01", "TEA-01", 10)
    await chain.stock("hk01", "TEA-011", 7)
    await chain.stock("hk01", 'TEA-01","x', 3)

    assert availability(chain.end.cloud.books.db.read, skus=["TEA-01"]) == {"TEA-01": 10}


async def test_a_change_is_told_once_with_its_newest_figure(chain_of: Any) -> None:
    chain = await chain_of()
    await chain.stock("hk01", "TEA-01", 10)
    await chain.stock("hk01", "CUP-01", 2)
    await chain.look()
    first, after = await told(chain)
    await promise(chain, "p1", 4)
    await promise(chain, "p2", 1)
    await chain.look()
    second, last = await told(chain, after)
    await chain.look()

    assert (first, second) == ({"TEA-01": 10, "CUP-01": 2}, {"TEA-01": 5})
    assert await told(chain, last) == ({}, last)
    assert await told(chain) == ({"CUP-01": 2, "TEA-01": 5}, last)


async def test_goods_that_are_sold_out_are_told_as_none_and_a_cancelled_promise_brings_them_back(chain_of: Any) -> None:
    chain = await chain_of()
    await chain.stock("hk01", "TEA-01", 4)
    await promise(chain, "p1", 4)
    await chain.look()
    gone, after = await told(chain)
    await chain.end.post("/cloud/v1/promises/p1/cancel", {})
    await chain.look()

    assert (gone, (await told(chain, after))[0]) == ({"TEA-01": 0}, {"TEA-01": 4})


async def test_a_cloud_that_begins_a_new_life_holds_nothing_until_it_is_granted_again(chain_of: Any) -> None:
    chain = await chain_of()
    await chain.stock("hk01", "TEA-01", 4)
    await chain.look()
    _, after = await told(chain)
    await chain.end.cloud.books.begin_anew("a test")
    await chain.look()

    assert (await told(chain, after))[0] == {"TEA-01": 0}


async def test_more_changes_than_one_look_takes_are_all_told(chain_of: Any, monkeypatch: Any) -> None:
    chain = await chain_of()
    for n in range(7):
        await chain.stock("hk01", f"SKU-{n}", n + 1)
    monkeypatch.setattr("sync.cloud.allocation.availability.ROWS_MAX", 3)
    await chain.look()
    page = (await chain.end.get("/cloud/v1/availability", limit=5)).json
    rest = (await chain.end.get("/cloud/v1/availability", after=page["next"], limit=5)).json

    assert (page["more"], rest["more"]) == (True, False)
    assert [item["available"] for item in (*page["items"], *rest["items"])] == [1, 2, 3, 4, 5, 6, 7]
