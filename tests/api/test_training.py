"""Training over real HTTP: answered and printed like a sale, and in no book."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

from devices.testing.paper import PaperPulse

PairTill = Callable[..., Awaitable[Any]]
PAPER = {"print_job", "print_result", "stream"}
"""What paper that came out leaves: the print ledger and its facts."""


def books(hub: Any) -> dict[str, list[Any]]:
    """Return every row of every table, as another program reads them, the print ledger aside."""
    with closing(sqlite3.connect(f"file:{hub.config.database}?mode=ro", uri=True)) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            if not row[0].startswith("product_text") and row[0] not in PAPER
        ]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


async def test_training_is_answered_like_a_sale_and_changes_no_book(till: Any) -> None:
    sale = till.sale(training=True)
    before = books(till.hub)

    answers = [await till.post("/v1/sales", sale) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert (answers[0].json["training"], answers[0].json["receipt_no"]) == (True, "TRAINING")
    assert books(till.hub) == before
    assert (await till.get(f"/v1/sales/{sale['sale_id']}")).status == 404


async def test_the_sale_after_training_has_the_first_number_and_may_have_its_id(till: Any) -> None:
    sale = till.sale(training=True)
    await till.post("/v1/sales", sale)

    booked = await till.post("/v1/sales", {name: value for name, value in sale.items() if name != "training"})

    assert (booked.status, booked.json["stock"]) == (201, {"TEA-01": 19})
    assert booked.json["receipt_no"].endswith("-000001") and booked.json["dot"]["seq"] == 1


async def test_training_is_refused_for_what_a_sale_is_refused_for(till: Any) -> None:
    answer = await till.post("/v1/sales", till.sale(training=True, total=1))

    assert (answer.status, answer.json["code"]) == (422, "total")


async def test_training_tells_no_other_screen(till: Any) -> None:
    async with till.events() as ws:
        await till.post("/v1/sales", till.sale(training=True))
        await till.post("/v1/sales", sale := till.sale())
        event = {"type": ""}
        while event["type"] not in ("sale", "stock"):
            event = await ws.receive_json(timeout=60)

    assert event["data"]["sale_id"] == sale["sale_id"]


async def test_a_till_that_shows_what_training_told_it_begins_no_new_life(till: Any) -> None:
    trained = (await till.post("/v1/sales", sale := till.sale(training=True))).json
    seen = {"rep": trained["dot"]["rep"], "seq": trained["dot"]["seq"], "key": sale["sale_id"]}

    answer = await till.post("/v1/sales", till.sale(seen=seen))

    assert answer.json["dot"]["rep"] == trained["dot"]["rep"]


async def test_its_paper_is_marked_at_both_ends_and_opens_no_drawer(
    start_hub: Any, printer_section: Any, printer: Any, pair_till: PairTill, until: Any
) -> None:
    till = await pair_till(await start_hub(devices={"p1": printer_section}, receipt_printer="p1"))
    sale = till.sale(training=True, print=True)

    first, again = await till.post("/v1/sales", sale), await till.post("/v1/sales", sale)
    path = "/v1/print/" + first.json["print_job"].replace("~", "%7E")
    await until(lambda: till.get(path), lambda answer: answer.json["state"] == "printed")

    (paper,) = [receipt.paper for receipt in printer.receipts]
    assert paper.text().count("訓練單，並非收據") == 2 and paper.text().count("TRAINING, NOT A RECEIPT") == 2
    assert not [element for element in paper.elements if isinstance(element, PaperPulse)]
    assert again.json["print_job"] == first.json["print_job"]


async def test_a_return_for_training_is_answered_like_one_and_changes_no_book(till: Any, pair_till: PairTill) -> None:
    sale = till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090})
    await till.post("/v1/sales", sale)
    back = {
        "return_id": "r-1",
        "till_id": till.till_id,
        "sale_id": sale["sale_id"],
        "lines": [{"line": 1, "qty": 2}],
        "reason": "too big",
    }
    before = books(till.hub)

    answers = [await till.post("/v1/returns", back | {"training": True}) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201] and books(till.hub) == before
    said = answers[0].json
    assert (said["training"], said["refund"], said["stock"], said["dot"]["seq"]) == (True, 2180, {}, 0)
    assert (await till.get("/v1/returns/r-1")).status == 404

    too_many = await till.post("/v1/returns", back | {"training": True, "lines": [{"line": 1, "qty": 4}]})
    assert too_many.status == 422 and books(till.hub) == before
    booked = await till.post("/v1/returns", back)
    assert booked.status == 201 and booked.json["stock"] == {"TEA-01": 19} and "training" not in booked.json


def exchange(till: Any, sold: Any, sale: Any, qty: int = 1, **fields: Any) -> dict[str, Any]:
    """So many teas of a sale for another sale."""
    back = {"return_id": "r-1", "till_id": till.till_id, "sale_id": sold["sale_id"], "reason": "too big"}
    return {"exchange_id": "x-1", "return": back | {"lines": [{"line": 1, "qty": qty}]} | fields, "sale": sale}


async def test_an_exchange_for_training_is_answered_like_one_and_changes_no_book(till: Any) -> None:
    sold = till.sale({"sku": "TEA-01", "qty": 3, "unit_price": 1090})
    await till.post("/v1/sales", sold)
    plums = {"sku": "PLUM", "qty": 600, "unit_price": 2500, "unit": "g"}
    sale = till.sale(plums, total=2500, tenders=[{"type": "cash", "amount": 1410}], training=True)
    before = books(till.hub)

    answers = [await till.post("/v1/exchanges", exchange(till, sold, sale)) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201] and books(till.hub) == before
    said = answers[0].json
    assert [said[name] for name in ("value", "to_pay", "due_back")] == [1090, 1410, 0]
    for part in (said["return"], said["sale"]):
        assert (part["training"], part["stock"], part["dot"]["seq"]) == (True, {}, 0)
    assert (said["return"]["refund"], said["sale"]["receipt_no"]) == (1090, "TRAINING")
    for path in ("/v1/exchanges/x-1", "/v1/returns/r-1", f"/v1/sales/{sale['sale_id']}"):
        assert (await till.get(path)).status == 404

    booked = await till.post("/v1/exchanges", exchange(till, sold, sale | {"training": False}))
    assert booked.status == 201 and booked.json["return"]["stock"] == {"TEA-01": 18}
    assert "training" not in booked.json["sale"] and "training" not in booked.json["return"]


async def test_an_exchange_for_training_is_refused_for_what_an_exchange_is_refused_for(till: Any) -> None:
    await till.post("/v1/sales", sold := till.sale())
    sale = till.sale(tenders=[], training=True)
    before = books(till.hub)

    too_many = await till.post("/v1/exchanges", exchange(till, sold, sale, qty=2))
    unpaid = await till.post("/v1/exchanges", exchange(till, sold, sale | {"total": 1}))
    in_cash = await till.post("/v1/exchanges", exchange(till, sold, sale, tenders=[{"type": "cash", "amount": 5}]))

    assert [(each.status, each.json["code"], each.json["pointer"]) for each in (too_many, unpaid, in_cash)] == [
        (422, "more_than_sold", "/return/lines/0/qty"),
        (422, "refund_tenders", "/return/tenders"),
        (422, "refund_tenders", "/return/tenders"),
    ]
    assert books(till.hub) == before


async def test_an_exchange_for_training_tells_no_other_screen(till: Any) -> None:
    await till.post("/v1/sales", sold := till.sale())
    async with till.events() as ws:
        await till.post("/v1/exchanges", exchange(till, sold, till.sale(tenders=[], training=True)))
        await till.post("/v1/sales", sale := till.sale())
        event = {"type": ""}
        while event["type"] not in ("sale", "return", "stock"):
            event = await ws.receive_json(timeout=60)

    assert event["type"] == "sale" and event["data"]["sale_id"] == sale["sale_id"]


async def test_both_parts_of_an_exchange_for_training_stand_on_one_marked_paper(
    start_hub: Any, printer_section: Any, printer: Any, pair_till: PairTill, until: Any
) -> None:
    till = await pair_till(await start_hub(devices={"p1": printer_section}, receipt_printer="p1"))
    await till.post("/v1/sales", sold := till.sale())
    sale = till.sale({"sku": "BAG", "qty": 1, "unit_price": 100}, tenders=[], training=True, print=True)
    before = books(till.hub)

    asked = exchange(till, sold, sale, tenders=[{"type": "cash", "amount": 990}])
    answer = await till.post("/v1/exchanges", asked)
    path = "/v1/print/" + answer.json["sale"]["print_job"].replace("~", "%7E")
    await until(lambda: till.get(path), lambda answer: answer.json["state"] == "printed")

    (paper,) = [receipt.paper for receipt in printer.receipts]
    assert paper.text().count("TRAINING, NOT A RECEIPT") == 2
    for words in ("退回 Returned", "凍頂烏龍茶", "膠袋", "應退 Due back HKD"):
        assert words in paper.text()
    assert not [element for element in paper.elements if isinstance(element, PaperPulse)]
    assert books(till.hub) == before
