"""Printing through a real simulated printer on TCP: once when all is well, marked when nobody can know."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from devices.testing.paper import PaperPulse
from hub.store.selling.printing import QUEUE_MAX

PairTill = Callable[..., Awaitable[Any]]
COPY, REPEAT = "副本 COPY", "重印"
DOCUMENT = {"elements": [{"type": "text", "text": "交班表 Shift report"}, {"type": "cut"}]}


class Counter:
    """A till, the hub it talks to, and how to wait for a print job."""

    def __init__(self, till: Any, until: Any) -> None:
        self.till, self._until = till, until

    async def sell(self, **fields: Any) -> str:
        """Post a sale that prints; return its print job."""
        answer = await self.till.post("/v1/sales", self.till.sale(print=True, **fields))
        assert answer.status == 201, answer.body
        return answer.json["print_job"]

    async def state(self, job: str, *states: str) -> Any:
        """Wait until the job is in one of these states."""
        path = f"/v1/print/{quote(job, safe='')}"
        return (await self._until(lambda: self.till.get(path), lambda answer: answer.json["state"] in states)).json

    async def verb(self, job: str, verb: str, body: Any = None) -> Any:
        return await self.till.post(f"/v1/print/{quote(job, safe='')}/{verb}", body)


@pytest.fixture
async def counter(start_hub: Any, printer_section: Any, pair_till: PairTill, until: Any) -> Counter:
    """A till of a hub with receipt printer `p1`."""
    hub = await start_hub(devices={"p1": printer_section}, receipt_printer="p1")
    return Counter(await pair_till(hub), until)


def marks(receipts: list[Any]) -> list[str]:
    return [COPY if COPY in r.paper.text() else REPEAT if REPEAT in r.paper.text() else "" for r in receipts]


async def test_a_sale_prints_once_and_opens_the_drawer_for_cash(counter: Counter, printer: Any) -> None:
    job = await counter.sell()

    view = await counter.state(job, "printed")

    (receipt,) = printer.receipts
    assert "合計 Total HKD" in receipt.paper.text() and "凍頂烏龍茶" in receipt.paper.text()
    assert [type(e) for e in receipt.paper.elements].count(PaperPulse) == 1
    assert receipt.paper.unknown == () and marks(printer.receipts) == [""]
    assert (view["attempts"], view["mark"]) == (1, "")


async def test_who_asks_for_the_newest_jobs_is_told_what_is_on_paper(counter: Counter) -> None:
    job = await counter.sell()
    await counter.state(job, "printed")

    (listed,) = (await counter.till.get("/v1/print")).json["items"]

    assert (listed["job_id"], listed["state"]) == (job, "printed")


async def test_a_repeated_sale_prints_nothing_more(counter: Counter, printer: Any) -> None:
    sale = counter.till.sale(print=True)
    first = await counter.till.post("/v1/sales", sale)
    again = await counter.till.post("/v1/sales", sale)
    await counter.state(await counter.sell(), "printed")

    assert (again.status, again.body) == (200, first.body)
    assert len(printer.receipts) == 2


async def test_print_events_tell_what_becomes_of_a_job(counter: Counter) -> None:
    async with counter.till.events() as ws:
        job = await counter.sell()
        states: list[str] = []
        while not states or states[-1] != "printed":
            event = await ws.receive_json(timeout=30)
            if event["type"] == "print":
                assert event["data"]["job_id"] == job
                states.append(event["data"]["state"])

    assert states in (["printing", "printed"], ["queued", "printing", "printed"]), (
        "begun at once when the printer waits"
    )


async def test_a_printer_that_is_away_prints_once_when_it_is_back(counter: Counter, printer: Any) -> None:
    await printer.go_away()
    jobs = [await counter.sell() for _ in range(2)]
    assert [(await counter.state(job, "queued"))["attempts"] for job in jobs] == [0, 0]

    await printer.come_back()
    for job in jobs:
        await counter.state(job, "printed")

    assert marks(printer.receipts) == ["", ""]


async def test_no_paper_leaves_the_job_queued_until_there_is_some(counter: Counter, printer: Any, until: Any) -> None:
    printer.paper_out = True
    devices = await until(
        lambda: counter.till.get("/v1/devices"), lambda answer: answer.json["items"][0]["health"] == "degraded"
    )
    job = await counter.sell()
    assert (await counter.state(job, "queued"))["attempts"] == 0

    printer.paper_out = False
    await counter.state(job, "printed")

    assert devices.json["items"][0]["reason"] == "paper_out"
    assert marks(printer.receipts) == [""]


async def test_paper_that_ends_in_the_middle_is_waited_for(counter: Counter, printer: Any) -> None:
    printer.paper_out_after_lines = 3
    job = await counter.sell()
    await printer.wait_for(lambda: printer.paper_out)
    assert (await counter.state(job, "printing"))["attempts"] == 1

    printer.paper_out = False
    await counter.state(job, "printed")

    assert marks(printer.receipts) == [""]


async def test_a_printer_that_hangs_makes_the_job_unknown_and_its_retry_marked(counter: Counter, printer: Any) -> None:
    printer.paper_out_after_lines = 3
    job = await counter.sell()
    await printer.wait_for(lambda: printer.paper_out)
    printer.hangs = True

    assert (await counter.state(job, "unknown"))["reason"] == "no_answer"
    printer.hangs = printer.paper_out = False
    retried = await counter.verb(job, "retry")
    view = await counter.state(job, "printed")

    assert (retried.status, retried.json["mark"], view["attempts"]) == (202, "repeat", 2)
    assert marks(printer.receipts)[-1] == REPEAT and marks(printer.receipts).count("") <= 1
    pulses = [
        e for r in printer.receipts if REPEAT in r.lines()[0] for e in r.paper.elements if isinstance(e, PaperPulse)
    ]
    assert pulses == []


async def test_a_connection_closed_mid_receipt_is_unknown_and_nothing_is_retried_by_itself(
    counter: Counter, printer: Any
) -> None:
    printer.close_after_bytes = 200
    job = await counter.sell()
    assert (await counter.state(job, "unknown"))["reason"] == "connection_lost"

    await counter.state(await counter.sell(), "printed")
    assert len(printer.receipts) == 1

    await counter.verb(job, "retry")
    await counter.state(job, "printed")
    assert REPEAT in printer.receipts[-1].lines()[0] and len(printer.receipts) == 2


async def test_a_printed_job_is_not_retried_and_a_reprint_is_marked_copy(counter: Counter, printer: Any) -> None:
    job = await counter.sell()
    await counter.state(job, "printed")

    refused = await counter.verb(job, "retry")
    copies = [await counter.verb(job, "reprint", {"copy_id": "copy-1"}) for _ in range(2)]
    await counter.state("copy-1", "printed")
    await counter.state(await counter.sell(), "printed")

    assert (refused.status, refused.json["code"]) == (409, "already_printed")
    assert [(c.status, c.json["job_id"]) for c in copies] == [(202, "copy-1")] * 2
    assert marks(printer.receipts) == ["", COPY, ""]


async def test_a_document_prints_and_its_copy_is_marked_as_well(counter: Counter, printer: Any) -> None:
    request = {"job_id": "report-1", "printer_id": "p1", "document": DOCUMENT}

    first, again = [await counter.till.post("/v1/print", request) for _ in range(2)]
    other = await counter.till.post("/v1/print", request | {"document": {"elements": [{"type": "cut"}]}})
    await counter.state("report-1", "printed")
    await counter.verb("report-1", "reprint", {"copy_id": "report-1-copy"})
    await counter.state("report-1-copy", "printed")

    assert (first.status, again.status, other.status, other.json["code"]) == (202, 202, 409, "other_content")
    assert "交班表 Shift report" in printer.receipts[0].paper.text()
    assert marks(printer.receipts) == ["", COPY]


async def test_a_drawer_opens_now_or_never(counter: Counter, printer: Any) -> None:
    opened = await counter.till.post("/v1/drawers/p1/open")
    pulses = [element for element in printer.uncut.elements if isinstance(element, PaperPulse)]
    await printer.go_away()
    missed = await counter.till.post("/v1/drawers/p1/open")
    await printer.come_back()
    await counter.state(await counter.sell(tenders=[{"type": "card", "amount": 1090}]), "printed")

    assert (opened.status, opened.json, len(pulses)) == (200, {"drawer_id": "p1"}, 1)
    assert (missed.status, missed.json["code"]) == (503, "drawer_not_opened")
    assert not any(isinstance(e, PaperPulse) for r in printer.receipts for e in r.paper.elements)
    assert (await counter.till.post("/v1/drawers/p9/open")).json["code"] == "printer"


async def test_a_full_queue_refuses_documents_and_never_a_sale(counter: Counter, printer: Any) -> None:
    await printer.go_away()
    for n in range(QUEUE_MAX):
        request = {"job_id": f"doc-{n}", "printer_id": "p1", "document": DOCUMENT}
        assert (await counter.till.post("/v1/print", request)).status == 202

    refused = await counter.till.post("/v1/print", {"job_id": "more", "printer_id": "p1", "document": DOCUMENT})
    job = await counter.sell()

    assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (503, "print_queue_full", "1")
    assert (await counter.state(job, "queued"))["printer_id"] == "p1"


async def test_a_print_job_with_the_id_of_a_sales_receipt_does_not_stop_that_sale(
    counter: Counter, printer: Any
) -> None:
    """Whatever id a client makes for its document, the receipt of no sale can be taken."""
    known = await counter.sell()
    sale = counter.till.sale(print=True)
    taken = known.replace((await counter.state(known, "printed"))["sale_id"], sale["sale_id"])
    await counter.till.post("/v1/print", {"job_id": taken, "printer_id": "p1", "document": DOCUMENT})

    assert (await counter.till.post("/v1/sales", sale)).status == 201


@pytest.mark.parametrize(
    ("element", "pointer"),
    [
        ({"type": "hologram"}, "/document/elements/0/type"),
        ({"type": "text"}, "/document/elements/0/text"),
        ({"type": "text", "text": "x", "width": 9}, "/document/elements/0/width"),
        ({"type": "barcode", "symbology": "QR", "data": "1"}, "/document/elements/0/symbology"),
    ],
)
async def test_a_wrong_document_is_refused_with_its_pointer(counter: Counter, element: Any, pointer: str) -> None:
    request = {"job_id": "j1", "printer_id": "p1", "document": {"elements": [element]}}

    answer = await counter.till.post("/v1/print", request)

    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, "invalid_field", pointer)


async def test_a_bar_code_that_cannot_be_drawn_fails_and_the_next_job_prints(counter: Counter, printer: Any) -> None:
    wrong = {"elements": [{"type": "barcode", "symbology": "EAN13", "data": "no digits"}]}
    await counter.till.post("/v1/print", {"job_id": "bad", "printer_id": "p1", "document": wrong})
    job = await counter.sell()

    await counter.state(job, "printed")

    assert (await counter.state("bad", "failed"))["attempts"] == 0


async def test_the_ledger_lists_the_newest_first(counter: Counter) -> None:
    jobs = [await counter.sell() for _ in range(3)]
    for job in jobs:
        await counter.state(job, "printed")

    listed = await counter.till.get("/v1/print", limit="2")

    assert [item["job_id"] for item in listed.json["items"]] == [jobs[2], jobs[1]]
    assert (await counter.till.get("/v1/print/nothing")).json["code"] == "print_job"
