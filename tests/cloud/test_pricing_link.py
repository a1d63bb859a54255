"""Head office's price lists and promotions on real sockets: to the stores that they are for, and out of those that they leave."""

from typing import Any

STORES: dict[str, dict[str, Any]] = {
    "hk01": {"token": "hk01-token-0123456789", "region": "kowloon"},
    "hk02": {"token": "hk02-token-0123456789", "region": "island"},
}
ANY_TWO = {
    "promotion_id": "two-for-16",
    "name": {"zh-Hant": "任選兩件", "en": "Any 2"},
    "does": "n_for_amount",
    "count": 2,
    "amount": 1600,
    "skus": ["TEA-01"],
}


def list_of(list_id: str, **fields: Any) -> dict[str, Any]:
    return {"list_id": list_id, "name": {"en": list_id}} | fields


def listed(list_id: str, amount: int) -> dict[str, Any]:
    return {"list_id": list_id, "sku": "TEA-01", "amount": amount}


class Joined:
    """A cloud, and a till of the hub of hk01 that is joined to it."""

    def __init__(self, cloud: Any, till: Any, until: Any) -> None:
        self.cloud, self.till, self._until = cloud, till, until

    async def write(self, **body: Any) -> Any:
        answer = await self.cloud.post("/cloud/v1/pricing", body)
        assert answer.status == 200, answer.body
        return answer.json

    async def costs(self, total: int, qty: int = 2) -> Any:
        """Wait until so many teas cost this."""

        async def ask() -> Any:
            lines = [{"line": 1, "sku": "TEA-01", "qty": qty}]
            return (await self.till.post("/v1/quotes", {"lines": lines})).json

        return await self._until(ask, lambda quoted: quoted["total"] == total)


async def joined(start_cloud: Any, start_hub: Any, pair_till: Any, until: Any, **more: Any) -> Joined:
    cloud = await start_cloud(stores=STORES | more)
    line = {"url": cloud.url, "token": STORES["hk01"]["token"], "reconnect_max_s": 0.1}
    return Joined(cloud, await pair_till(await start_hub(cloud=line)), until)


async def test_lists_and_promotions_come_down_and_change_and_end(
    start_cloud: Any, start_hub: Any, pair_till: Any, until: Any
) -> None:
    shop = await joined(start_cloud, start_hub, pair_till, until)
    await shop.costs(2180)

    first = await shop.write(promotions=[ANY_TWO])
    again = await shop.write(promotions=[ANY_TWO])
    await shop.costs(1600)
    await shop.write(promotions=[ANY_TWO | {"amount": 1500}])
    await shop.costs(1500)
    await shop.write(promotions=[ANY_TWO | {"amount": 1500, "gone": True}])
    await shop.costs(2180)
    await shop.write(lists=[list_of("hq")], prices=[listed("hq", 900)])
    quoted = await shop.costs(1800)

    assert (first, again) == ({"written": 1, "unchanged": 0}, {"written": 0, "unchanged": 1})
    assert quoted["lines"][0]["unit_price"] == 900


async def test_a_store_gets_its_regions_and_its_own_lists_and_no_others(
    start_cloud: Any, start_hub: Any, pair_till: Any, until: Any
) -> None:
    shop = await joined(start_cloud, start_hub, pair_till, until)
    lists = [
        list_of("region", scope="region", place="kowloon"),
        list_of("other", scope="region", place="island", rank=9),
        list_of("theirs", scope="store", place="hk02"),
    ]

    await shop.write(lists=lists, prices=[listed("region", 800), listed("other", 1), listed("theirs", 2)])
    await shop.costs(1600)

    stands = (await shop.till.get("/v1/pricing")).json["lists"]
    assert [each["list_id"] for each in stands] == ["region"]


async def test_a_list_that_moves_to_another_region_leaves_with_its_prices_and_comes_back(
    start_cloud: Any, start_hub: Any, pair_till: Any, until: Any
) -> None:
    shop = await joined(start_cloud, start_hub, pair_till, until)
    here, there = ({"scope": "region", "place": place} for place in ("kowloon", "island"))
    await shop.write(lists=[list_of("r", **here)], prices=[listed("r", 800)])
    await shop.costs(1600)

    await shop.write(lists=[list_of("r", **there)])
    await shop.costs(2180)
    await shop.write(lists=[list_of("r", **here)])
    await shop.costs(1600)


async def test_a_store_that_joins_later_gets_what_stands(
    start_cloud: Any, start_hub: Any, pair_till: Any, until: Any, tmp_path: Any
) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    before = await start_cloud(stores={"hk02": STORES["hk02"]}, folder=folder)
    assert (await before.post("/cloud/v1/pricing", {"promotions": [ANY_TWO]})).status == 200

    after = await start_cloud(stores=STORES, folder=folder)
    line = {"url": after.url, "token": STORES["hk01"]["token"], "reconnect_max_s": 0.1}
    shop = Joined(after, await pair_till(await start_hub(cloud=line)), until)

    await shop.costs(1600)


async def test_what_is_wrong_is_refused_with_its_pointer_and_a_store_writes_nothing(cloud: Any) -> None:
    wrong = await cloud.post("/cloud/v1/pricing", {"promotions": [ANY_TWO | {"scope": "region"}]})
    store = await cloud.post("/cloud/v1/pricing", {"promotions": [ANY_TWO]}, token="hk01-token-0123456789")

    assert (wrong.status, wrong.json["code"], wrong.json["pointer"]) == (422, "pricing_refused", "/promotions/0/place")
    assert store.status == 403
