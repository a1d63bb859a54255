"""Shelf labels over the API, on a simulated label printer and on the receipt printer."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devices.testing.label_printer import SimulatedLabelPrinter
from devices.testing.paper import PaperBarcode

PairTill = Callable[..., Awaitable[Any]]
LABELS = {"job_id": "l-1", "printer_id": "shelf", "labels": [{"sku": "TEA-01", "copies": 3, "was": 1290}]}


@pytest.fixture
async def label_till(start_hub: Any, printer_section: Any, pair_till: PairTill) -> Any:
    """A till of a hub with printer `shelf`."""
    return await pair_till(await start_hub(devices={"shelf": printer_section}))


async def test_labels_are_printed_at_the_price_of_now_and_sent_again_print_nothing_more(
    start_hub: Any, pair_till: PairTill, until: Any
) -> None:
    async with SimulatedLabelPrinter() as printer:
        section = {"kind": "zpl_printer", "address": printer.address, "poll_s": 0.05, "font": "E:NOTO.TTF"}
        till = await pair_till(await start_hub(devices={"shelf": section}))
        answers = [await till.post("/v1/labels", LABELS) for _ in range(2)]
        await until(lambda: till.get("/v1/print/l-1"), lambda answer: answer.json["state"] == "printed")

    (label,) = printer.labels
    assert [answer.status for answer in answers] == [202, 202]
    assert label.copies == 3
    assert "$10.90" in label.texts() and "$12.90" in label.texts()
    assert label.texts()[0].startswith("凍頂烏龍茶")


async def test_a_receipt_printer_prints_labels_as_well(
    start_hub: Any, printer_section: Any, printer: Any, pair_till: PairTill, until: Any
) -> None:
    till = await pair_till(await start_hub(devices={"p1": printer_section}))
    await till.post("/v1/labels", LABELS | {"printer_id": "p1"})
    await until(lambda: till.get("/v1/print/l-1"), lambda answer: answer.json["state"] == "printed")

    codes = [element for receipt in printer.receipts for element in receipt.paper.elements]
    assert len([code for code in codes if isinstance(code, PaperBarcode)]) == 3


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"labels": [{"sku": "TEA-01"}, {"sku": "NONE"}]}, (422, "unknown_sku", "/labels/1/sku")),
        ({"labels": []}, (422, "invalid_field", "/labels")),
        ({"labels": [{"sku": "TEA-01", "copies": 0}]}, (422, "invalid_field", "/labels/0/copies")),
        ({"printer_id": "nowhere"}, (404, "printer", None)),
    ],
)
async def test_labels_that_cannot_be_are_refused_with_their_place(
    label_till: Any, change: dict[str, Any], refusal: tuple[int, str, str | None]
) -> None:
    answer = await label_till.post("/v1/labels", LABELS | change)

    assert (answer.status, answer.json["code"], answer.json.get("pointer")) == refusal
    assert (await label_till.get("/v1/print")).json["items"] == []


async def test_the_same_job_with_other_labels_is_a_conflict(label_till: Any) -> None:
    await label_till.post("/v1/labels", LABELS)

    answer = await label_till.post("/v1/labels", LABELS | {"labels": [{"sku": "TEA-01", "copies": 4}]})

    assert (answer.status, answer.json["code"]) == (409, "other_content")
