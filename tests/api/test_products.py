"""Look-up over HTTP: pages, GTINs, scans, words, variable weight; stock movements."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from hub.client import HubClient

ALL = ["A/B 50%", "BAG", "HAM", "PLUM", "SHIRT-M", "TEA-01"]
PairTill = Callable[..., Awaitable[Any]]


def skus(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["sku"] for item in answer.json["items"]]


async def test_pages_follow_each_other_to_the_end(till: Any) -> None:
    found, after, pages = [], "", 0
    while after is not None:
        page = await till.get("/v1/products", limit="2", after=after)
        found += skus(page)
        after, pages = page.json["next"], pages + 1

    assert (found, pages) == (ALL, 3)


async def test_an_item_says_all_that_a_till_shows(till: Any) -> None:
    item = (await till.get("/v1/products/TEA-01")).json

    assert item["name"] == {"zh-Hant": "凍頂烏龍茶", "en": "Dong Ding oolong tea"}
    assert item["price"] == {"amount": 1090, "currency": "HKD", "per": 1, "version": 1, "source": "catalogue"}
    assert "catalogue_price" not in item and "promotions" not in item
    assert item["stock"] == {"on_hand": 20, "available": 20, "promised": 0}
    assert (item["gtins"], item["unit"], item["attributes"]) == (["04890000000010"], "each", {"size": "150 g"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"gtin": "4890000000010"}, ["TEA-01"]),
        ({"gtin": "04890000000010"}, ["TEA-01"]),
        ({"gtin": "4006381333931"}, []),
        ({"scan": "4890000000010"}, ["TEA-01"]),
        ({"scan": "]E04890000000010"}, ["TEA-01"]),
        ({"scan": "]C10104890000000010"}, ["TEA-01"]),
        ({"scan": "]d2010489000000001010LOT7\x1d21A1"}, ["TEA-01"]),
        ({"scan": "SHIRT-M"}, ["SHIRT-M"]),
        ({"scan": "nothing such"}, []),
        ({"q": "tea"}, ["TEA-01"]),
        ({"q": "TEA oolo"}, ["TEA-01"]),
        ({"q": "烏龍"}, ["TEA-01"]),
        ({"q": "龍茶 dong"}, ["TEA-01"]),
        ({"q": "T恤"}, ["SHIRT-M"]),
        ({"q": "梅"}, ["PLUM"]),
        ({"q": "4890000"}, ["TEA-01"]),
        ({"q": "tea shirt"}, []),
        ({"q": " "}, []),
        ({"q": '"*'}, []),
    ],
)
async def test_products_are_found(till: Any, query: dict[str, str], expected: list[str]) -> None:
    assert skus(await till.get("/v1/products", **query)) == expected


async def test_a_search_is_paged_in_the_order_in_which_products_came(till: Any) -> None:
    first = await till.get("/v1/products", q="t", limit="1")
    second = await till.get("/v1/products", q="t", limit="1", after=first.json["next"])

    assert skus(first) + skus(second) == ["TEA-01", "SHIRT-M"]
    assert second.json["next"] is None


async def test_a_label_with_a_weight_says_how_much(start_hub: Any, pair_till: PairTill) -> None:
    """The scanner's section declares the shop's scale labels; the same template reads a scan that a till hands on."""
    scanner = {"kind": "serial_scanner", "port": "/dev/no-such-port", "variable_measures": ["21IIIIIWWWWWC"]}
    till = await pair_till(await start_hub(devices={"s1": scanner}))

    (item,) = (await till.get("/v1/products", scan="2112345003337")).json["items"]

    assert (item["sku"], item["measure"]) == ("HAM", {"qty": 333, "amount": None})


async def test_a_bad_check_digit_is_refused_with_a_pointer(till: Any) -> None:
    answer = await till.get("/v1/products", scan="]E04890000000013")

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, "scan_label", "/scan")


@pytest.mark.parametrize("path", ["/v1/products/NONE", "/v1/stock/NONE", "/v1/products/%00", "/v1/products/%20"])
async def test_an_unknown_sku_is_not_found(till: Any, path: str) -> None:
    answer = await till.get(path)

    assert (answer.status, answer.json["code"]) == (404, "product")


async def test_a_service_has_no_stock_to_ask_for(till: Any) -> None:
    answer = await till.get("/v1/stock/BAG")

    assert (answer.status, answer.json["code"]) == (404, "not_stocked")


async def test_a_sku_with_signs_of_an_address_is_reached_when_quoted(till: Any) -> None:
    answer = await till.request("GET", f"/v1/products/{quote('A/B 50%', safe='')}")

    assert answer.json["sku"] == "A/B 50%"


@pytest.mark.parametrize("sku", ["A/B 50%", "TEA-01"])
async def test_the_client_quotes_what_it_puts_into_an_address(hub: Any, sku: str) -> None:
    async with HubClient(hub.url) as client:
        await client.pair(await hub.make_code(), "x")

        assert (await client.product(sku)).sku == sku


async def test_a_movement_is_booked_once(till: Any) -> None:
    movement = {"movement_id": "m1", "sku": "TEA-01", "qty": 5, "reason": "receive", "note": "箱 1"}

    first, again = [await till.post("/v1/stock/movements", movement) for _ in range(2)]
    other = await till.post("/v1/stock/movements", movement | {"qty": 6})

    assert (first.status, first.json["on_hand"], first.json["repeated"]) == (201, 25, False)
    assert (again.status, again.json["on_hand"], again.json["repeated"]) == (200, 25, True)
    assert again.json["dot"] == first.json["dot"]
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 25
