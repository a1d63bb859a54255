"""POST /v1/returns of goods whose sale is not here, of damaged goods, to which tender, for which reason; over real HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.client import new_id

PairTill = Callable[..., Awaitable[Any]]
ACCEPT = {"elsewhere": "accept", "elsewhere_max_minor": 2500, "elsewhere_day_max_minor": 4000}
ANYBODY = {"return_without_receipt": "none"}
TEA = {"line": 1, "sku": "TEA-01", "qty": 3, "unit_price": 1000}


def claim(till: Any, qty: int = 1, store: str | None = "hk02", **fields: Any) -> dict[str, Any]:
    """Return the body of a return of teas that another store sold, or nobody knows who."""
    return_id = new_id()
    said: dict[str, Any] = {"lines": [TEA]} | ({"store": store} if store else {})
    whole = {
        "return_id": return_id,
        "till_id": till.till_id,
        "sale_id": "t9-K3FQ-000017" if store else return_id,
        "lines": [{"line": 1, "qty": qty}],
        "reason": "too dark",
        "claim": said,
    }
    return whole | fields


async def on_hand(till: Any) -> int:
    stock: int = (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"]
    return stock


async def test_goods_of_another_store_come_back_by_their_receipt_flagged_and_in_the_managers_list(
    start_hub: Any, pair_till: PairTill
) -> None:
    till = await pair_till(hub := await start_hub(returns=ACCEPT, approvals=ANYBODY))
    manager = await pair_till(hub, scope="manager")

    first = await till.post("/v1/returns", asked := claim(till, 2))
    again = await till.post("/v1/returns", asked)

    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert (first.json["refund"], first.json["stock"]) == (2000, {"TEA-01": 22})
    assert [each["code"] for each in first.json["warnings"]] == ["returned_elsewhere"]
    lines = (await manager.get("/v1/attention")).json["items"]
    assert [(line["kind"], line["said"]["en"]) for line in lines] == [
        ("claim", "Sold at hk02: t9-K3FQ-000017; HKD 20.00 paid back")
    ]
    (seen,) = (await manager.get("/v1/trail", action="returned_on_claim")).json["items"]
    assert seen["subject"] == asked["return_id"]


@pytest.mark.parametrize(
    ("rules", "change", "said"),
    [
        ({}, {}, (422, "elsewhere", "/claim/store")),
        (ACCEPT, {"lines": [{"line": 1, "qty": 3}]}, (422, "elsewhere_cap", "/claim/store")),
        (ACCEPT, {"lines": [{"line": 1, "qty": 4}]}, (422, "more_than_sold", "/lines/0/qty")),
        (ACCEPT, {"claim": {"store": "hk01", "lines": [TEA]}}, (422, "claim_own_store", "/claim/store")),
        (ACCEPT, {"claim": {"lines": [TEA]}}, (422, "claim_sale", "/sale_id")),
        (ACCEPT, {"claim": {"store": "hk02", "lines": [TEA, TEA]}}, (422, "line_number_twice", "/claim/lines/1/line")),
        (ACCEPT, {"claim": {"store": "hk02", "lines": []}}, (422, "invalid_field", "/claim/lines")),
    ],
)
async def test_a_claim_beyond_the_rules_is_refused_and_changes_nothing(
    start_hub: Any, pair_till: PairTill, rules: dict[str, Any], change: dict[str, Any], said: tuple[int, str, str]
) -> None:
    till = await pair_till(await start_hub(returns=rules, approvals=ANYBODY))

    answer = await till.post("/v1/returns", claim(till) | change)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == said
    assert await on_hand(till) == 20


async def test_the_caps_hold_by_day_and_a_receipt_gives_no_more_than_it_says(
    start_hub: Any, pair_till: PairTill
) -> None:
    till = await pair_till(
        hub := await start_hub(returns=ACCEPT | {"elsewhere_day_max_minor": 3000}, approvals=ANYBODY)
    )

    taken = await till.post("/v1/returns", claim(till, 2))
    more = await till.post("/v1/returns", claim(till, 2))
    of_the_day = await till.post("/v1/returns", claim(till, 2, sale_id="t9-K3FQ-000018"))
    hub.clock.now_ms += 24 * 3600 * 1000
    next_day = await till.post("/v1/returns", claim(till, 2, sale_id="t9-K3FQ-000018"))

    assert [taken.status, next_day.status] == [201, 201]
    assert (more.json["code"], of_the_day.json["code"]) == ("more_than_sold", "elsewhere_cap")


async def test_a_return_without_a_receipt_needs_a_manager_and_pays_the_price_of_now_at_most(
    start_hub: Any, pair_till: PairTill
) -> None:
    till = await pair_till(hub := await start_hub())
    manager = await pair_till(hub, scope="manager")
    bare = await till.post("/v1/returns", claim(till, store=None))
    wrong = claim(till, store=None)
    wrong["claim"]["approval_id"] = "a1"
    dear = claim(manager, store=None)
    dear["claim"]["lines"] = [TEA | {"unit_price": 1091}]

    answers = [await till.post("/v1/returns", wrong), await manager.post("/v1/returns", dear)]
    alone = await manager.post("/v1/returns", claim(manager, store=None))

    assert (bare.status, bare.json["code"], bare.json["pointer"]) == (422, "approval_needed", "/claim/approval_id")
    assert [each.json["code"] for each in answers] == ["approval", "claim_price"]
    assert answers[1].json["pointer"] == "/claim/lines/0/unit_price"
    assert (alone.status, alone.json.get("refund")) == (201, 1000), alone.body
    assert [each["code"] for each in alone.json["warnings"]] == ["no_receipt"]


async def test_what_has_happened_is_booked_with_what_would_have_refused_it(till: Any) -> None:
    answer = await till.post("/v1/returns", claim(till) | {"offline": True})

    dear = claim(till, store=None) | {"offline": True}
    dear["claim"]["lines"] = [TEA | {"unit_price": 9999}]
    bare = await till.post("/v1/returns", dear)

    assert (answer.status, bare.status) == (201, 201)
    assert {each["code"] for each in answer.json["warnings"]} == {"returned_elsewhere", "elsewhere"}
    assert {each["code"] for each in bare.json["warnings"]} == {"no_receipt", "claim_price"}


async def test_damaged_goods_are_refunded_and_do_not_come_back_to_the_shelf(till: Any) -> None:
    await till.post("/v1/sales", sale := till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090}))
    body = claim(till, sale_id=sale["sale_id"], lines=[{"line": 1, "qty": 3, "damaged": 2}])
    del body["claim"]

    too_many = await till.post("/v1/returns", body | {"lines": [{"line": 1, "qty": 1, "damaged": 2}]})
    answer = await till.post("/v1/returns", body)

    assert (too_many.status, too_many.json["code"]) == (422, "damaged")
    assert (answer.status, answer.json["refund"], answer.json["stock"]) == (201, 3270, {"TEA-01": 18})


async def test_a_refund_goes_back_to_the_tender_that_paid_and_in_cash_where_the_shop_says_so(
    start_hub: Any, pair_till: PairTill
) -> None:
    octopus = {"kind": "wallet", "name_en": "Octopus", "refund_in_cash": True}
    tenders = {
        "cash": {"kind": "cash", "name_en": "Cash"},
        "card": {"kind": "card", "name_en": "Card"},
        "octopus": octopus,
    }
    till = await pair_till(await start_hub(tenders=tenders))
    paid = [{"type": "card", "amount": 1000}, {"type": "octopus", "amount": 1180}]
    sale = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, tenders=paid)
    assert (await till.post("/v1/sales", sale)).status == 201

    async def refund(**amounts: int) -> Any:
        body = claim(till, sale_id=sale["sale_id"])
        del body["claim"]
        return await till.post(
            "/v1/returns", body | {"tenders": [{"type": t, "amount": a} for t, a in amounts.items()]}
        )

    refused = [await refund(card=1090), await refund(fps=1090)]
    in_cash = await refund(cash=1090)
    second_in_cash = await refund(cash=1090)
    rest = await refund(card=1000, octopus=90)

    assert [(each.status, each.json["code"]) for each in (*refused, second_in_cash)] == [(422, "refund_tender")] * 3
    assert (in_cash.status, rest.status) == (201, 201)


async def test_an_exchange_between_makes_no_cash_of_a_card(till: Any) -> None:
    sale = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, tenders=[{"type": "card", "amount": 2180}])
    await till.post("/v1/sales", sale)
    back = claim(till, sale_id=sale["sale_id"])
    del back["claim"]
    other = till.sale(tenders=[])
    exchanged = await till.post("/v1/exchanges", {"exchange_id": new_id(), "return": back, "sale": other})
    again = back | {"return_id": new_id(), "sale_id": other["sale_id"]}

    cash = await till.post("/v1/returns", again | {"tenders": [{"type": "cash", "amount": 1090}]})
    card = await till.post("/v1/returns", again | {"tenders": [{"type": "card", "amount": 1090}]})

    assert exchanged.status == 201
    assert (cash.status, cash.json["code"], card.status) == (422, "refund_tender", 201)


async def test_tax_comes_back_piece_by_piece_to_what_the_sale_contained(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(tax={"rate_bp": 500}))
    await till.post("/v1/sales", sale := till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090}))
    contained = (await till.get(f"/v1/sales/{sale['sale_id']}")).json["fact"]["tax"]
    parts = []
    for _ in range(3):
        body = claim(till, sale_id=sale["sale_id"])
        del body["claim"]
        await till.post("/v1/returns", body)
        parts += (await till.get(f"/v1/returns/{body['return_id']}")).json["fact"]["tax"]

    assert contained == [[500, 156]]  # 32.70 x 5 / 105
    assert parts == [[500, 52], [500, 52], [500, 52]]


async def test_only_declared_reasons_are_taken_where_there_are_any(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(returns=ACCEPT | {"reasons": ["wrong size", "damaged"]}, approvals=ANYBODY))

    refused = await till.post("/v1/returns", claim(till))
    taken = await till.post("/v1/returns", claim(till, reason="wrong size"))

    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "reason_unknown", "/reason")
    assert taken.status == 201
