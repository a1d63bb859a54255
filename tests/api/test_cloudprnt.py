"""A Star printer that fetches its receipts from the hub over HTTP, with its own name and password."""

import io
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from devices.testing.cloud_printer import CloudPrinter

WIRE = "/v1/devices/lane1/wire"
POLLS_MAX = 20  # the ledger takes a job to its printer between two polls
DOCUMENT = {"elements": [{"type": "text", "text": "早安"}, {"type": "cut"}]}


async def _printer(hub: Any, pair_till: Callable[..., Awaitable[Any]]) -> CloudPrinter:
    client = await pair_till(hub, scope="device", name="lane1")

    async def ask(method: str, query: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        headers = {"Authorization": f"Bearer {client.token}"}
        data = io.BytesIO(body) if body else None
        async with client.session.request(method, WIRE, params=query, data=data, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.read()

    return CloudPrinter(ask)


async def test_a_document_is_fetched_printed_and_confirmed_in_the_ledger(start_hub: Any, pair_till: Any) -> None:
    hub = await start_hub(devices={"lane1": {"kind": "star_cloudprnt"}})
    till, printer = await pair_till(hub), await _printer(hub, pair_till)
    await printer.poll()
    await till.post("/v1/print", {"job_id": "p-1", "printer_id": "lane1", "document": DOCUMENT})

    for _ in range(POLLS_MAX):
        if await printer.poll():
            break
    await till.post("/v1/print", {"job_id": "p-2", "printer_id": "lane1", "document": DOCUMENT})  # one more commit
    job = (await till.get("/v1/print/p-1")).json

    assert printer.papers[0].lines() == ["早安", "[cut]"]
    assert (job["state"], set(printer.answers)) == ("printed", {200})


async def test_paper_out_is_seen_in_health(start_hub: Any, pair_till: Any) -> None:
    hub = await start_hub(devices={"lane1": {"kind": "star_cloudprnt"}})
    till, printer = await pair_till(hub), await _printer(hub, pair_till)
    printer.status = "410 Paper out"

    await printer.poll()
    (device,) = (await till.get("/v1/devices")).json["items"]

    assert (device["health"], device["reason"]) == ("degraded", "paper_out")
    assert "roll of paper" in device["detail"]
