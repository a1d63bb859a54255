"""Tenders and tax over real HTTP: declared in the configuration, told to tills, held against a sale, printed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
NOWHERE = {"url": "http://127.0.0.1:9", "token": "t", "reconnect_max_s": 300}
TENDERS = {
    "cash": {"kind": "cash", "name_zh_hant": "現金", "name_en": "Cash"},
    "visa": {"kind": "card", "name_en": "Visa", "provider": True, "reference": True},
    "gift": {"kind": "voucher", "name_zh_hant": "禮券", "offline": "cap", "offline_max_minor": 1000},
    "wallet": {"kind": "wallet", "name_en": "Wallet", "offline": "refuse"},
}


async def test_a_till_is_told_the_usual_tenders_and_no_tax(till: Any) -> None:
    shop = (await till.get("/v1/shop")).json

    told = {tender["type"]: tender for tender in shop["tenders"]}
    assert {"cash", "card", "octopus", "fps", "payme", "line_pay", "mall", "voucher"} == set(told)
    assert (told["cash"]["gives_change"], told["cash"]["opens_drawer"]) == (True, True)
    assert told["cash"]["name"] == {"zh-Hant": "現金", "en": "Cash"}
    assert shop["tax"] == {"rate_bp": 0, "categories": {}}


async def test_declared_tenders_take_the_place_of_the_usual_ones(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(tenders=TENDERS))

    shop = (await till.get("/v1/shop")).json
    octopus = await till.post("/v1/sales", till.sale(tenders=[{"type": "octopus", "amount": 1090}]))
    bare = await till.post("/v1/sales", till.sale(tenders=[{"type": "visa", "amount": 1090, "provider": "bank"}]))
    whole = {"type": "visa", "amount": 1090, "provider": "bank", "reference": "00042"}

    assert [tender["type"] for tender in shop["tenders"]] == list(TENDERS)
    assert (octopus.status, octopus.json["code"], octopus.json["pointer"]) == (
        422,
        "tender_unknown",
        "/tenders/0/type",
    )
    assert (bare.status, bare.json["code"], bare.json["pointer"]) == (422, "tender_reference", "/tenders/0/reference")
    assert (await till.post("/v1/sales", till.sale(tenders=[whole]))).status == 201
    assert (await till.get("/v1/products/TEA-01")).json["stock"]["on_hand"] == 19


async def test_change_is_noted_and_only_from_tenders_that_give_it(till: Any) -> None:
    cash = await till.post("/v1/sales", sale := till.sale(tenders=[{"type": "cash", "amount": 1090, "tendered": 2000}]))
    card = await till.post("/v1/sales", till.sale(tenders=[{"type": "card", "amount": 1090, "tendered": 2000}]))
    less = await till.post("/v1/sales", till.sale(tenders=[{"type": "cash", "amount": 1090, "tendered": 1000}]))

    assert cash.status == 201
    stored = (await till.get(f"/v1/sales/{sale['sale_id']}")).json["fact"]["sale"]
    assert stored["tenders"] == [{"type": "cash", "amount": 1090, "tendered": 2000}]
    assert (card.json["code"], card.json["pointer"]) == ("no_change", "/tenders/0/tendered")
    assert (less.json["code"], less.json["pointer"]) == ("tendered", "/tenders/0/tendered")


@pytest.mark.parametrize(
    ("tender", "status", "said"),
    [
        ({"type": "cash", "amount": 1090}, 201, []),
        ({"type": "wallet", "amount": 1090}, 422, "tender_offline"),
        ({"type": "gift", "amount": 1090}, 422, "tender_offline"),
    ],
)
async def test_without_a_line_a_tender_is_taken_as_its_policy_says(
    start_hub: Any, pair_till: PairTill, tender: dict[str, Any], status: int, said: Any
) -> None:
    till = await pair_till(await start_hub(tenders=TENDERS, cloud=NOWHERE))

    answer = await till.post("/v1/sales", sale := till.sale(tenders=[tender]))
    booked = await till.post("/v1/sales", sale | {"offline": True, "sale_id": "it-happened"})

    assert answer.status == status
    assert booked.status == 201
    if status == 422:
        assert answer.json["code"] == said
        assert [warning["code"] for warning in booked.json["warnings"]] == [said]


async def test_under_its_cap_a_tender_is_taken_without_a_line_and_noted(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(tenders=TENDERS, cloud=NOWHERE))
    tenders = [{"type": "gift", "amount": 1000}, {"type": "cash", "amount": 90}]

    answer = await till.post("/v1/sales", till.sale(tenders=tenders))

    assert (answer.status, [warning["code"] for warning in answer.json["warnings"]]) == (201, ["tender_offline"])


async def test_tax_is_contained_by_rate_and_stands_on_the_fact(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(tax={"rate_bp": 500}))
    discounts = [{"amount": 40, "kind": "manual", "reason": "box torn"}]
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 40, "discounts": discounts}

    answer = await till.post("/v1/sales", sale := till.sale(line))

    assert answer.status == 201, answer.body
    assert (await till.get("/v1/shop")).json["tax"]["rate_bp"] == 500
    assert (await till.get(f"/v1/sales/{sale['sale_id']}")).json["fact"]["tax"] == [[500, 50]]
