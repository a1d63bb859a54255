"""POST /v1/exchanges over real HTTP: both parts or none, what is paid and paid back, repeats, one paper."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devices.document import Columns, DrawerPulse, Text
from hub.client import new_id
from hub.store.selling.printing import OpenJob, known_job

PairTill = Callable[..., Awaitable[Any]]


@pytest.fixture
async def sold(till: Any) -> Any:
    """A sale of two teas for 21.80, paid in cash."""
    sale = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090})
    assert (await till.post("/v1/sales", sale)).status == 201
    return sale


def exchange(till: Any, sold: Any, sale: Any, qty: int = 1, tenders: Any = (), **fields: Any) -> dict[str, Any]:
    """Return the body of an exchange of so many teas for a sale."""
    back = {
        "return_id": new_id(),
        "till_id": till.till_id,
        "sale_id": sold["sale_id"],
        "lines": [{"line": 1, "qty": qty}],
        "reason": "too small",
        "tenders": list(tenders),
    }
    return {"exchange_id": new_id(), "return": back, "sale": sale} | fields


async def facts(till: Any, asked: Any) -> tuple[Any, Any]:
    """Return both facts, each asked for by its own id."""
    back = await till.get(f"/v1/returns/{asked['return']['return_id']}")
    sale = await till.get(f"/v1/sales/{asked['sale']['sale_id']}")
    assert (back.status, sale.status) == (200, 200)
    return back.json["fact"], sale.json["fact"]


async def test_the_customer_pays_the_difference_and_both_facts_add_up(till: Any, sold: Any) -> None:
    """10.90 back; 25.00 for 600 g out: 14.10 to pay."""
    plums = {"sku": "PLUM", "qty": 600, "unit_price": 2500, "unit": "g"}
    sale = till.sale(plums, total=2500, tenders=[{"type": "cash", "amount": 1410, "tendered": 2000}])

    answer = await till.post("/v1/exchanges", asked := exchange(till, sold, sale))

    assert answer.status == 201, answer.body
    assert [answer.json[name] for name in ("value", "to_pay", "due_back")] == [1090, 1410, 0]
    back, new = await facts(till, asked)
    assert [(each["type"], each["amount"]) for each in new["sale"]["tenders"]] == [("exchange", 1090), ("cash", 1410)]
    assert back["return"]["tenders"] == [{"type": "exchange", "amount": 1090, "reference": sale["sale_id"]}]
    assert new["sale"]["tenders"][0]["reference"] == asked["return"]["return_id"]
    assert (back["refund"], answer.json["return"]["stock"], answer.json["sale"]["stock"]) == (
        1090,
        {"TEA-01": 19},
        {"PLUM": 4400},
    )


async def test_the_customer_gets_what_is_left_in_cash(till: Any, sold: Any) -> None:
    """21.80 back, a bag for 1.00 out: 20.80 due back."""
    sale = till.sale({"sku": "BAG", "qty": 1, "unit_price": 100}, tenders=[])
    asked = exchange(till, sold, sale, qty=2, tenders=[{"type": "cash", "amount": 2080}])

    answer = await till.post("/v1/exchanges", asked)

    assert answer.status == 201, answer.body
    assert [answer.json[name] for name in ("value", "to_pay", "due_back")] == [100, 0, 2080]
    wrong = exchange(till, sold, sale | {"sale_id": new_id()}, tenders=[{"type": "cash", "amount": 1}])
    assert (await till.post("/v1/exchanges", wrong)).json["code"] == "more_than_sold"


async def test_cash_is_rounded_by_what_is_left_to_pay(till: Any, sold: Any) -> None:
    """10.90 back, 11.54 out: 0.64 to pay, 0.60 in coins."""
    plums = {"sku": "PLUM", "qty": 253, "unit_price": 2500, "unit": "g"}  # 10.54
    sale = till.sale(plums, {"sku": "BAG", "qty": 1, "unit_price": 100}, total=1150, rounding=-4)
    sale["tenders"] = [{"type": "cash", "amount": 60}]
    by_total = sale | {"sale_id": new_id(), "rounding": -3, "total": 1151}

    answer = await till.post("/v1/exchanges", exchange(till, sold, sale))
    refused = await till.post("/v1/exchanges", exchange(till, sold, by_total))

    assert (answer.status, answer.json["to_pay"]) == (201, 60), answer.body
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "rounding", "/sale/rounding")


async def test_an_even_exchange_moves_goods_and_no_money(till: Any, sold: Any) -> None:
    answer = await till.post("/v1/exchanges", exchange(till, sold, till.sale(tenders=[])))

    assert [answer.json[name] for name in ("value", "to_pay", "due_back")] == [1090, 0, 0]
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 18


async def test_a_repeated_exchange_is_told_the_same_bytes_and_counted_once(till: Any, sold: Any) -> None:
    asked = exchange(till, sold, till.sale(tenders=[]))
    first = await till.post("/v1/exchanges", asked)
    again = await till.post("/v1/exchanges", json.dumps(dict(reversed(asked.items())), indent=1).encode())

    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert (await till.get(f"/v1/sales/{sold['sale_id']}")).json["returned"] == {"1": 1}
    view = (await till.get(f"/v1/exchanges/{asked['exchange_id']}")).json
    assert view["return"]["fact"]["return"]["return_id"] == asked["return"]["return_id"]
    assert view["sale"]["fact"]["sale"]["sale_id"] == asked["sale"]["sale_id"]
    assert (await till.get("/v1/exchanges/nothing")).json["code"] == "exchange"


async def test_other_content_under_any_of_the_three_ids_is_a_conflict(till: Any, sold: Any) -> None:
    asked = exchange(till, sold, till.sale(tenders=[]))
    await till.post("/v1/exchanges", asked)
    other_pair = exchange(till, sold, till.sale(tenders=[]), exchange_id=asked["exchange_id"])
    other_sale = asked | {"exchange_id": new_id(), "sale": asked["sale"] | {"cashier_id": "c9"}}
    other_return = asked | {"return": asked["return"] | {"reason": "else"}}

    answers = [await till.post("/v1/exchanges", body) for body in (other_pair, other_sale, other_return)]

    assert [(each.status, each.json["code"]) for each in answers] == [(409, "other_content")] * 3
    assert answers[0].json["pointer"] == "/exchange_id" and answers[2].json["pointer"] == "/return/return_id"
    manager_sees = (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"]
    assert manager_sees == 18


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("return", {"lines": [{"line": 1, "qty": 3}]}, (422, "more_than_sold", "/return/lines/0/qty")),
        ("return", {"sale_id": "nothing"}, (404, "sale", "/return/sale_id")),
        ("return", {"void": True}, (422, "exchange_part", "/return/void")),
        ("return", {"tenders": [{"type": "cash", "amount": 5}]}, (422, "refund_tenders", "/return/tenders")),
        ("return", {"till_id": "t99"}, (403, "not_your_till", "/return/till_id")),
        ("sale", {"till_id": "t99"}, (403, "not_your_till", "/sale/till_id")),
        ("sale", {"total": 5000}, (422, "total", "/sale/total")),
        ("sale", {"tenders": [{"type": "cash", "amount": 5}]}, (422, "tenders", "/sale/tenders")),
        ("sale", {"tenders": [{"type": "exchange", "amount": 5}]}, (422, "exchange_tender", "/sale/tenders")),
        (None, {"value": 7}, (422, "exchange_value", "/value")),
    ],
)
async def test_what_is_wrong_in_either_part_books_neither(
    till: Any, sold: Any, part: str | None, change: dict[str, Any], said: tuple[int, str, str]
) -> None:
    asked = exchange(till, sold, till.sale(tenders=[]))
    asked = asked | ({part: asked[part] | change} if part else change)

    answer = await till.post("/v1/exchanges", asked)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == said
    assert (await till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"] == 18
    assert (await till.get(f"/v1/returns/{asked['return']['return_id']}")).status == 404
    assert (await till.get(f"/v1/sales/{asked['sale']['sale_id']}")).status == 404


async def test_neither_part_is_taken_alone(till: Any, sold: Any) -> None:
    asked = exchange(till, sold, till.sale(tenders=[{"type": "exchange", "amount": 1090}]))

    by_id = await till.post("/v1/returns", asked["return"] | {"exchange_id": "x1"})
    by_tender = await till.post("/v1/returns", asked["return"] | {"tenders": [{"type": "exchange", "amount": 1090}]})
    sale = await till.post("/v1/sales", asked["sale"])

    assert [by_id.json["code"], by_tender.json["code"], sale.json["code"]] == [
        "exchange_alone",
        "exchange_alone",
        "tender_unknown",
    ]


async def test_an_exchange_that_has_happened_is_booked_with_what_the_till_has_carried_over(
    till: Any, sold: Any
) -> None:
    """Off line the till took 10.90 for the first piece; two of two are back by now."""
    body = {"return_id": "r0", "till_id": till.till_id, "sale_id": sold["sale_id"], "reason": "x"}
    await till.post("/v1/returns", body | {"lines": [{"line": 1, "qty": 2}]})
    asked = exchange(till, sold, till.sale(tenders=[], offline=True), value=1090)

    answer = await till.post("/v1/exchanges", asked)

    assert answer.status == 201, answer.body
    assert "more_than_sold" in {each["code"] for each in answer.json["return"]["warnings"]}


async def test_an_exchanged_sale_is_returned_and_not_voided(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(approvals={"void": "none"}))
    await till.post("/v1/sales", sold := till.sale())
    await till.post("/v1/exchanges", asked := exchange(till, sold, till.sale(tenders=[])))
    void = {"void_id": "v1", "till_id": till.till_id, "reason": "x"}

    answer = await till.post(f"/v1/sales/{asked['sale']['sale_id']}/void", void)

    assert (answer.status, answer.json["code"]) == (422, "void_exchange")


async def test_both_parts_stand_on_one_paper_in_both_languages(
    start_hub: Any, pair_till: PairTill, printer_section: dict[str, Any]
) -> None:
    till = await pair_till(hub := await start_hub(devices={"front": printer_section}, receipt_printer="front"))
    await till.post("/v1/sales", sold := till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}))
    sale = till.sale({"sku": "BAG", "qty": 1, "unit_price": 100}, tenders=[], print=True)
    asked = exchange(till, sold, sale, qty=2, tenders=[{"type": "cash", "amount": 2080}])

    answer = await till.post("/v1/exchanges", asked)
    job = known_job(hub.runtime.db.read, answer.json["sale"]["print_job"])
    assert job is not None
    paper = hub.runtime.render(OpenJob(job.job_id, job.mark, job.sale_id, None, job.created_ms))

    said = [each.text for each in paper.elements if isinstance(each, Text)]
    rows = {each.left.strip(): each.right for each in paper.elements if isinstance(each, Columns)}
    assert "退回 Returned" in said and "凍頂烏龍茶" in said
    assert (rows["退回合計 Returned HKD"], rows["合計 Total HKD"]) == ("-21.80", "1.00")
    assert (rows["換貨抵付 Exchange"], rows["應退 Due back HKD"]) == ("1.00", "20.80")
    assert rows["退 Paid back: 現金 Cash"] == "20.80"
    assert isinstance(paper.elements[0], DrawerPulse)
