"""Two receipt printers over TCP: one stands in for the other, and what it stood in for is printed once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from devices.testing.paper import PaperPulse
from devices.testing.printer import SimulatedPrinter


@pytest.fixture
async def printers() -> AsyncIterator[tuple[SimulatedPrinter, SimulatedPrinter]]:
    async with SimulatedPrinter() as one, SimulatedPrinter() as two:
        yield one, two


async def test_what_a_printer_without_paper_cannot_print_comes_out_of_the_other_one_once(
    start_hub: Any, pair_till: Any, printers: Any, until: Any
) -> None:
    one, two = printers
    quick = {"kind": "escpos_printer", "poll_s": 0.05}
    first = quick | {"address": one.address, "instead": "p2", "instead_after_s": 1}
    hub = await start_hub(devices={"p1": first, "p2": quick | {"address": two.address}}, receipt_printer="p1")
    till = await pair_till(hub)

    async def ready(names: set[str]) -> None:
        await until(
            lambda: till.get("/v1/devices"),
            lambda at: {each["device_id"] for each in at.json["items"] if each["health"] == "ready"} == names,
        )

    async def sell() -> Any:
        job = (await till.post("/v1/sales", till.sale(print=True))).json["print_job"]
        path = f"/v1/print/{job}"
        return (await until(lambda: till.get(path), lambda at: at.json["state"] == "printed")).json

    await ready({"p1", "p2"})
    one.paper_out = True
    await ready({"p2"})
    moved = await sell()
    one.paper_out = False
    await ready({"p1", "p2"})
    own = await sell()

    assert (moved["printer_id"], moved["instead_of"], moved["attempts"]) == ("p2", "p1", 1)
    assert (own["printer_id"], own.get("instead_of")) == ("p1", None)
    assert (len(one.receipts), len(two.receipts)) == (1, 1)
    assert not any(isinstance(element, PaperPulse) for element in two.receipts[0].paper.elements)
