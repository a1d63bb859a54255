"""Quotes over real HTTP: prices, promotions and tax of this shop now, and the sale that follows is held against the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
TEA = {"line": 1, "sku": "TEA-01", "qty": 2}
ANY_TWO = {
    "promotion_id": "two-for-16",
    "name": {"zh-Hant": "任選兩件十六元", "en": "Any 2 for $16"},
    "does": "n_for_amount",
    "count": 2,
    "amount": 1600,
    "skus": ["TEA-01"],
}
AUTUMN = {"list_id": "autumn", "name": {"en": "Autumn"}, "valid_from": "2026-09-21", "valid_until": "2026-09-30"}


@pytest.fixture
async def manager(till: Any, pair_till: PairTill) -> Any:
    """A manager of the till's shop, which has no cloud."""
    return await pair_till(till.hub, scope="manager")


async def quote(till: Any, *lines: dict[str, Any], **fields: Any) -> Any:
    answer = await till.post("/v1/quotes", {"lines": list(lines or (TEA,))} | fields)
    assert answer.status == 200, answer.body
    return answer.json


async def sell(till: Any, quoted: dict[str, Any], **fields: Any) -> Any:
    """Sell what was quoted, as it was quoted."""
    tenders = [{"type": "card", "amount": quoted["total"]}]
    return await till.post(
        "/v1/sales", till.sale(lines=quoted["lines"], total=quoted["total"], tenders=tenders, **fields)
    )


async def test_a_quote_is_at_the_catalogues_price_and_sells_without_a_warning(till: Any) -> None:
    quoted = await quote(till, TEA, {"line": 2, "sku": "PLUM", "qty": 250, "unit": "g"})

    assert [(line["unit_price"], line["per"]) for line in quoted["lines"]] == [(1090, 1), (2500, 600)]
    assert (quoted["total"], quoted["cash_rounding"], quoted["promotions"]) == (3222, -2, [])
    assert "warnings" not in (await sell(till, quoted)).json


async def test_any_two_for_16_dollars_is_quoted_explained_and_printed_on_the_sale(till: Any, manager: Any) -> None:
    written = await manager.post("/v1/pricing", {"promotions": [ANY_TWO]})
    again = await manager.post("/v1/pricing", {"promotions": [ANY_TWO]})

    quoted = await quote(till, TEA | {"qty": 3})
    sold = await sell(till, quoted)

    assert (written.json, again.json) == ({"written": 1, "unchanged": 0}, {"written": 0, "unchanged": 1})
    (line,) = quoted["lines"]
    said = {"kind": "promotion", "reference": "two-for-16", "reason": "任選兩件十六元 Any 2 for $16"}
    assert line["discounts"] == [said | {"amount": 580}] and quoted["total"] == 2690
    assert quoted["promotions"] == [{"promotion_id": "two-for-16", "why": "applied", "saved": {"1": 580}}]
    assert sold.status == 201 and "warnings" not in sold.json


async def test_a_till_that_misses_a_promotion_or_takes_too_much_sells_with_a_warning(till: Any, manager: Any) -> None:
    await manager.post("/v1/pricing", {"promotions": [ANY_TWO]})
    tea = {"sku": "TEA-01", "qty": 2, "unit_price": 1090}
    part = {"kind": "promotion", "reference": "two-for-16", "amount": 600}

    missed = await till.post("/v1/sales", till.sale(tea))
    beyond = await till.post("/v1/sales", till.sale(tea | {"discount": 600, "discounts": [part]}))

    for answer in (missed, beyond):
        assert answer.status == 201
        assert [(each["code"], each["line"]) for each in answer.json["warnings"]] == [("promotion_differs", 1)]


async def test_a_list_counts_while_it_is_valid_and_the_shops_own_price_before_it(till: Any, manager: Any) -> None:
    prices = [{"list_id": "autumn", "sku": "TEA-01", "amount": 990}]
    await manager.post("/v1/pricing", {"lists": [AUTUMN], "prices": prices})

    in_autumn = (await quote(till))["lines"][0]["unit_price"]
    own = await manager.post("/v1/store-prices", {"sku": "TEA-01", "amount": 950, "reason": "last ones"})
    set_here = (await quote(till))["lines"][0]["unit_price"]
    standing = (await till.get("/v1/store-prices")).json["items"]
    await manager.request("DELETE", "/v1/store-prices/TEA-01")
    back = (await quote(till))["lines"][0]["unit_price"]
    till.hub.clock.now_ms += 10 * 24 * 3600 * 1000
    in_winter = (await quote(till))["lines"][0]["unit_price"]

    assert (in_autumn, set_here, back, in_winter) == (990, 950, 990, 1090)
    assert own.status == 200 and standing == [own.json]
    assert (await manager.request("DELETE", "/v1/store-prices/TEA-01")).json["code"] == "store_price"


async def test_a_sale_is_held_against_the_prices_of_when_it_was_sold(till: Any, manager: Any) -> None:
    prices = [{"list_id": "autumn", "sku": "TEA-01", "amount": 990}]
    await manager.post("/v1/pricing", {"lists": [AUTUMN], "prices": prices})
    till.hub.clock.now_ms += 10 * 24 * 3600 * 1000
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 990}

    then = await till.post("/v1/sales", till.sale(line, sold_at="2026-09-22T12:00:00+08:00", offline=True))
    now = await till.post("/v1/sales", till.sale(line))

    assert "warnings" not in then.json
    assert [each["code"] for each in now.json["warnings"]] == ["price_differs"]


async def test_a_discount_on_the_basket_is_shared_out_and_the_tax_is_of_what_is_left(
    start_hub: Any, pair_till: PairTill
) -> None:
    till = await pair_till(await start_hub(tax={"rate_bp": 500}))
    bag = {"line": 2, "sku": "BAG", "qty": 1}

    quoted = await quote(till, TEA, bag, discount={"amount": 180, "reason": "opening day"})

    assert quoted["total"] == 2280 - 180 and quoted["tax"] == [[500, 100]]
    assert [line["discount"] for line in quoted["lines"]] == [172, 8]
    assert (await sell(till, quoted)).status == 201


async def test_members_promotions_are_for_members(till: Any, manager: Any) -> None:
    await manager.post("/v1/pricing", {"promotions": [ANY_TWO | {"members_only": True}]})

    stranger, member = await quote(till), await quote(till, member_id="m1")

    assert (stranger["total"], stranger["promotions"][0]["why"]) == (2180, "members")
    assert (member["total"], member["promotions"][0]["why"]) == (1600, "applied")
    assert "warnings" not in (await sell(till, member, member_id="m1")).json


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"lines": [{"line": 1, "sku": "NOPE", "qty": 1}]}, "unknown_sku", "/lines/0/sku"),
        ({"lines": [{"line": 1, "sku": "NOPE", "qty": 1, "open_item": True}]}, "no_price", "/lines/0/unit_price"),
        ({"lines": [{"line": 1, "sku": "PLUM", "qty": 1}]}, "unit", "/lines/0/unit"),
        ({"lines": [TEA, TEA]}, "line_number_twice", "/lines/1/line"),
        ({"lines": [TEA], "discount": {"amount": 2181}}, "discount_above_amount", "/discount"),
        (
            {"lines": [TEA | {"discounts": [{"amount": 2181, "kind": "manual"}]}]},
            "discount_above_amount",
            "/lines/0/discounts",
        ),
        ({"lines": []}, "invalid_field", "/lines"),
    ],
)
async def test_what_cannot_be_quoted_is_refused_with_its_pointer(
    till: Any, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await till.post("/v1/quotes", body)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, code, pointer)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"promotions": [ANY_TWO | {"count": 0}]}, "/promotions/0/count"),
        ({"promotions": [ANY_TWO | {"does": "n_for_price_of", "pay_for": 2}]}, "/promotions/0/pay_for"),
        ({"promotions": [ANY_TWO | {"does": "percent_off"}]}, "/promotions/0/rate_bp"),
        ({"promotions": [ANY_TWO | {"does": "amount_off", "amount": 0}]}, "/promotions/0/amount"),
        ({"promotions": [ANY_TWO | {"hour_from": 9, "hour_until": 9}]}, "/promotions/0/hour_until"),
        ({"promotions": [ANY_TWO | {"valid_from": "2026-02-30"}]}, "/promotions/0/valid_from"),
        ({"lists": [AUTUMN | {"valid_until": "2026-09-01"}]}, "/lists/0/valid_until"),
        ({"lists": [AUTUMN | {"scope": "store"}]}, "/lists/0/place"),
    ],
)
async def test_what_is_wrong_with_a_list_or_a_promotion_is_said_and_nothing_is_written(
    manager: Any, body: dict[str, Any], pointer: str
) -> None:
    good = {"prices": [{"list_id": "autumn", "sku": "TEA-01", "amount": 990}]}

    answer = await manager.post("/v1/pricing", good | body)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, "pricing", pointer)
    assert (await manager.post("/v1/pricing", good)).json == {"written": 1, "unchanged": 0}


async def test_what_stands_is_told_and_what_is_gone_is_not(manager: Any) -> None:
    await manager.post("/v1/pricing", {"lists": [AUTUMN], "promotions": [ANY_TWO]})
    stands = (await manager.get("/v1/pricing")).json

    await manager.post("/v1/pricing", {"lists": [AUTUMN | {"gone": True}], "promotions": [ANY_TWO | {"gone": True}]})

    assert [each["list_id"] for each in stands["lists"]] == ["autumn"]
    assert ANY_TWO.items() <= stands["promotions"][0].items()
    assert (await manager.get("/v1/pricing")).json == {"lists": [], "promotions": []}


async def test_a_shop_with_a_cloud_leaves_lists_to_it_and_keeps_its_own_prices(
    start_hub: Any, pair_till: PairTill
) -> None:
    hub = await start_hub(cloud={"url": "http://127.0.0.1:9", "token": "t", "reconnect_max_s": 300})
    manager = await pair_till(hub, scope="manager")

    refused = await manager.post("/v1/pricing", {"promotions": [ANY_TWO]})
    own = await manager.post("/v1/store-prices", {"sku": "TEA-01", "amount": 950, "reason": "last ones"})

    assert (refused.status, refused.json["code"]) == (409, "joined")
    assert own.status == 200 and (await quote(manager))["total"] == 1900
