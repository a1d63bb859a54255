"""What look-ups tell of prices over real HTTP: the price of now and its source, beside the catalogue's, and what is promoted."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
LOOK_UPS = (
    ("/v1/products/TEA-01", {}),
    ("/v1/products", {"scan": "4890000000010"}),
    ("/v1/products", {"gtin": "4890000000010"}),
    ("/v1/products", {"q": "oolong"}),
    ("/v1/products", {"after": "SHIRT-M"}),
)
ANY_TWO = {
    "promotion_id": "two-for-16",
    "name": {"zh-Hant": "任選兩件十六元", "en": "Any 2 for $16"},
    "does": "n_for_amount",
    "count": 2,
    "amount": 1600,
    "skus": ["TEA-01"],
}
CATALOGUE = {"amount": 1090, "currency": "HKD", "per": 1, "version": 1}


@pytest.fixture
async def manager(till: Any, pair_till: PairTill) -> Any:
    """A manager of the till's shop, which has no cloud."""
    return await pair_till(till.hub, scope="manager")


async def teas(till: Any) -> list[dict[str, Any]]:
    """Look the tea up in every way there is."""
    answers = [(await till.get(path, **query)).json for path, query in LOOK_UPS]
    return [answer["items"][0] if "items" in answer else answer for answer in answers]


def told(item: dict[str, Any]) -> tuple[Any, ...]:
    price = item["price"]
    return price["amount"], price["source"], price.get("reference"), item.get("catalogue_price")


async def test_a_list_price_that_begins_at_midnight_is_told_from_midnight_on(till: Any, manager: Any) -> None:
    """The shop's midnight: 22 September in Hong Kong begins at 16:00 UTC."""
    autumn = {"list_id": "autumn", "name": {"en": "Autumn"}, "valid_from": "2026-09-22", "valid_until": "2026-09-22"}
    prices = [{"list_id": "autumn", "sku": "TEA-01", "amount": 950}]
    await manager.post("/v1/pricing", {"lists": [autumn], "prices": prices})
    clock = till.hub.clock

    def at(moment: str) -> None:
        clock.now_ms = int(datetime.fromisoformat(moment).timestamp() * 1000)

    said = []
    for moment in ("2026-09-21T23:59:59+08:00", "2026-09-22T00:00:00+08:00", "2026-09-23T00:00:00+08:00"):
        at(moment)
        said.append({told(item)[:3] for item in await teas(till)})

    before = {(1090, "catalogue", None)}
    assert said == [before, {(950, "price_list", "autumn")}, before]


async def test_the_catalogues_price_stands_beside_another_one_and_not_beside_its_own(till: Any, manager: Any) -> None:
    for amount, beside in ((990, CATALOGUE), (1090, None)):
        said = {"sku": "TEA-01", "amount": amount, "reason": "the shop next door"}
        await manager.post("/v1/store-prices", said)

        for item in await teas(till):
            assert told(item) == (amount, "store_price", None, beside)
    await manager.request("DELETE", "/v1/store-prices/TEA-01")

    assert {told(item) for item in await teas(till)} == {(1090, "catalogue", None, None)}


async def test_what_is_told_is_what_a_sale_may_send(till: Any, manager: Any) -> None:
    """Judged by the hub's own check of a sale: no warning of a price that differs."""
    await manager.post("/v1/store-prices", {"sku": "PLUM", "amount": 3000, "per": 500, "reason": "dear plums"})
    price = (await till.get("/v1/products/PLUM")).json["price"]
    line = {"sku": "PLUM", "qty": 250, "unit": "g", "unit_price": price["amount"], "per": price["per"]}

    sold = await till.post("/v1/sales", till.sale(line, total=1500))

    assert (sold.status, sold.json.get("warnings")) == (201, None)


async def test_open_promotions_for_the_goods_are_told_and_no_others(till: Any, manager: Any) -> None:
    named = {"name": {"en": "x"}, "does": "percent_off", "rate_bp": 1000}
    others = [
        named | {"promotion_id": "other-goods", "skus": ["TEA-010", 'A"TEA-01']},
        named | {"promotion_id": "other-sort", "categories": ["coffee"]},
        named | {"promotion_id": "over", "skus": ["TEA-01"], "valid_until": "2026-09-20"},
        named | {"promotion_id": "members", "members_only": True, "skus": ['A"TEA-01"', "TEA-01"]},
    ]
    await manager.post("/v1/pricing", {"promotions": [ANY_TWO, *others]})

    for item in await teas(till):
        assert [each["promotion_id"] for each in item["promotions"]] == ["members", "two-for-16"]
        members, two = item["promotions"]
        assert members["members_only"] and members["rate_bp"] == 1000
        assert two == {name: said for name, said in ANY_TWO.items() if name != "skus"}
        assert told(item)[0] == 1090, "what a promotion takes off is said by a quote"
    assert "promotions" not in (await till.get("/v1/products/SHIRT-M")).json


async def test_a_price_that_only_a_list_says_is_told(till: Any, manager: Any) -> None:
    hub = till.hub.runtime
    await hub.db.write(lambda tx: tx.execute("UPDATE price SET gone = 1 WHERE sku = 'BAG'"))
    await manager.post(
        "/v1/pricing",
        {
            "lists": [{"list_id": "bags", "name": {"en": "Bags"}}],
            "prices": [{"list_id": "bags", "sku": "BAG", "amount": 50}],
        },
    )

    item = (await till.get("/v1/products/BAG")).json

    price = {"amount": 50, "currency": "HKD", "per": 1, "version": 0, "source": "price_list", "reference": "bags"}
    assert item["price"] == price
    assert "catalogue_price" not in item
