"""Drawer sessions over real HTTP: a day at a till from float to paper; who may what; counting blind; refusals change nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.api.staff.persons import SESSION_HEADER

PairTill = Callable[..., Awaitable[Any]]
PEOPLE = (("c7", "7", "cashier", "4819"), ("c2", "2", "supervisor", "730648"), ("boss", "1", "manager", "481937"))
OPENING = {"session_id": "s1", "till_id": "t1", "float_amount": 50_000}


class Staffed:
    """A till with somebody signed in."""

    def __init__(self, till: Any, session: dict[str, str]) -> None:
        self.till, self.session = till, session

    async def get(self, path: str, **params: str) -> Any:
        return await self.till.request("GET", path, params=params or None, **self.session)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.till.request("POST", path, body, **self.session)


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    return await enrolled(hub, pair_till)


async def enrolled(hub: Any, pair_till: PairTill) -> Any:
    """A manager's client; a cashier, a supervisor and a manager are enrolled."""
    client = await pair_till(hub, scope="manager")
    for cashier_id, number, role, pin in PEOPLE:
        body = {"cashier_id": cashier_id, "number": number, "name": f"{cashier_id} 陳", "role": role, "pin": pin}
        assert (await client.post("/v1/cashiers", body)).status == 201
    return client


async def signed_in(till: Any, cashier_id: str = "c7") -> Staffed:
    pin = next(pin for known, _, _, pin in PEOPLE if known == cashier_id)
    answer = await till.post("/v1/cashiers/sign-in", {"cashier_id": cashier_id, "pin": pin})
    assert answer.status == 201
    return Staffed(till, {SESSION_HEADER: answer.json["session"]})


async def test_a_day_at_a_till(till: Any, manager: Any) -> None:
    desk = await signed_in(till)
    opened = await desk.post("/v1/drawer-sessions", OPENING)
    assert (opened.status, opened.json["opened_by"], opened.json["business_date"]) == (201, "cashier:c7", "2026-09-21")
    sale = till.sale(session_id="s1")
    assert (await till.post("/v1/sales", sale)).status == 201
    moved = await desk.post(
        "/v1/drawer-sessions/s1/movements",
        {"movement_id": "m1", "what": "pay_in", "amount": 10_000, "reason": "change"},
    )
    assert moved.status == 201

    closed = await desk.post(
        "/v1/drawer-sessions/s1/close", {"counted": [[50_000, 1], [10_000, 1], [1000, 1], [50, 1]]}
    )

    report = closed.json["z_report"]
    assert (closed.status, report["z_no"][:4], report["closed_by"]) == (201, "t1-Z", "cashier:c7")
    assert (report["figures"]["expected_cash"], report["counted_cash"], report["difference"]) == (61_090, 61_050, -40)
    assert report["figures"]["tenders"] == [["cash", 1, 1090, 0]]
    assert (await manager.get(f"/v1/z-reports/{report['z_no']}")).json == report
    assert (await manager.get("/v1/z-reports", till_id="t1", business_date="2026-09-21")).json["items"] == [report]
    assert (await till.get("/v1/drawer-sessions")).json["items"] == []
    day = await manager.post("/v1/days/close", {"close_id": "d1", "business_date": "2026-09-21"})
    assert (day.status, day.json["z_reports"]) == (201, [report["z_no"]])
    late = await till.post("/v1/sales", till.sale())
    assert late.json["business_date"] == "2026-09-22"
    assert [each["code"] for each in late.json["warnings"]] == ["late"]
    assert (await till.get("/v1/days")).json == {
        "business_date": "2026-09-21",
        "closed_through": "2026-09-21",
        "open_sessions": {},
    }
    actions = [line["action"] for line in (await manager.get("/v1/trail", limit="6")).json["items"]]
    assert actions[:4] == ["day_closed", "drawer_session_closed", "pay_in", "drawer_session_opened"]


async def test_nothing_tells_who_counts_what_is_expected(till: Any, manager: Any) -> None:
    desk = await signed_in(till)
    await desk.post("/v1/drawer-sessions", OPENING)
    await till.post("/v1/sales", till.sale())

    x_report = await desk.get("/v1/drawer-sessions/s1/x-report")
    printed = await desk.post("/v1/drawer-sessions/s1/x-report/print", {"print_id": "p1"})
    seen = [await desk.get("/v1/drawer-sessions/s1"), await desk.get("/v1/drawer-sessions")]

    assert [(a.status, a.json["code"]) for a in (x_report, printed)] == [(403, "role_too_low")] * 2
    assert not any(b"expected" in answer.body or b"51090" in answer.body for answer in seen)
    assert (await desk.get("/v1/z-reports")).json["code"] == "role_too_low"
    over_there = await signed_in(till, "c2")
    told = await over_there.get("/v1/drawer-sessions/s1/x-report")
    assert (told.status, told.json["figures"]["expected_cash"]) == (200, 51_090)


async def test_a_repeat_is_answered_the_same_and_a_second_count_is_refused(till: Any, manager: Any) -> None:
    desk = await signed_in(till)
    movement = {"movement_id": "m1", "what": "pay_in", "amount": 100, "reason": "change"}
    counted = {"counted": [[50_000, 1], [100, 1]], "note": "ok"}
    calls = (
        ("/v1/drawer-sessions", OPENING),
        ("/v1/drawer-sessions/s1/movements", movement),
        ("/v1/drawer-sessions/s1/close", counted),
    )
    first = [await desk.post(*call) for call in calls]
    again = [await desk.post(*call) for call in calls[1:]]

    assert [answer.status for answer in first] == [201] * 3 and [answer.status for answer in again] == [200] * 2
    assert [answer.body for answer in again] == [answer.body for answer in first[1:]]
    other = await desk.post("/v1/drawer-sessions/s1/close", {"counted": [[50_000, 1]]})
    assert (other.status, other.json["code"]) == (409, "other_content")


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("", OPENING | {"session_id": "s2"}, (409, "session_open")),
        ("", OPENING | {"till_id": "t9", "session_id": "s2"}, (403, "not_your_till")),
        ("", OPENING | {"float_amount": -1}, (422, "invalid_field")),
        ("", {"session_id": "s2"}, (422, "invalid_field")),
        ("/s9/movements", {"movement_id": "m", "what": "pay_in", "amount": 1, "reason": "x"}, (404, "session")),
        ("/s1/movements", {"movement_id": "m", "what": "pay_in", "amount": 0, "reason": "x"}, (422, "drawer_amount")),
        ("/s1/movements", {"movement_id": "m", "what": "pay_in", "amount": 1, "reason": ""}, (422, "invalid_field")),
        ("/s1/movements", {"movement_id": "m", "what": "steal", "amount": 1, "reason": "x"}, (422, "invalid_field")),
        (
            "/s1/movements",
            {"movement_id": "m", "what": "pay_out", "amount": 1, "reason": "x"},
            (422, "approval_needed"),
        ),
        (
            "/s1/movements",
            {"movement_id": "m", "what": "pay_out", "amount": 1, "reason": "x", "approval_id": "a9"},
            (422, "approval"),
        ),
        ("/s1/close", {"counted": [[7, 1]]}, (422, "denomination")),
        ("/s1/close", {"counted": [[10, 1], [10, 2]]}, (422, "denomination_twice")),
        ("/s1/close", {"counted": [[10, -1]]}, (422, "invalid_field")),
        ("/s1/close", {}, (422, "invalid_field")),
        ("/s1/close", {"counted": [], "print": True}, (422, "no_receipt_printer")),
        ("/s1/close", {"counted": [], "print": "p9"}, (404, "printer")),
    ],
)
async def test_what_is_refused_leaves_the_books_as_they_were(
    till: Any, manager: Any, path: str, body: dict[str, Any], told: tuple[int, str]
) -> None:
    desk = await signed_in(till)
    await desk.post("/v1/drawer-sessions", OPENING)
    read = till.hub.runtime.db.read
    tables = ("drawer_opened", "drawer_movement", "z_report", "z_series", "z_print", "trail")
    before = [read.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]

    answer = await desk.post(f"/v1/drawer-sessions{path}", body)

    assert (answer.status, answer.json["code"]) == told
    assert [read.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == before


async def test_a_till_alone_opens_no_drawer_and_no_other_till_touches_it(
    hub: Any, till: Any, manager: Any, pair_till: PairTill
) -> None:
    assert (await till.post("/v1/drawer-sessions", OPENING)).json["code"] == "sign_in_needed"
    await (await signed_in(till)).post("/v1/drawer-sessions", OPENING)
    stranger = await signed_in(await pair_till(hub))

    for path, body in (
        ("movements", {"movement_id": "m", "what": "pay_in", "amount": 1, "reason": "x"}),
        ("close", {"counted": []}),
    ):
        answer = await stranger.post(f"/v1/drawer-sessions/s1/{path}", body)
        assert (answer.status, answer.json["code"]) == (403, "not_your_till"), path
    closed = await manager.post("/v1/drawer-sessions/s1/close", {"counted": []})
    assert (closed.status, closed.json["z_report"]["closed_by"]) == (201, "till:manager1")


async def test_a_supervisors_pin_lets_a_cashier_pay_out(till: Any, manager: Any) -> None:
    desk = await signed_in(till)
    await desk.post("/v1/drawer-sessions", OPENING)
    approval = {"approval_id": "a1", "action": "pay_out", "subject": "m1", "reason": "taxi"}
    assert (await till.post("/v1/approvals", approval | {"cashier_id": "c2", "pin": "730648"})).status == 201

    body = {"movement_id": "m1", "what": "pay_out", "amount": 8000, "reason": "taxi", "approval_id": "a1"}
    answer = await desk.post("/v1/drawer-sessions/s1/movements", body)

    assert (answer.status, answer.json["approved_by"], answer.json["by"]) == (201, "c2", "cashier:c7")


async def test_a_z_report_is_printed_once_and_every_copy_is_marked(
    start_hub: Any, pair_till: PairTill, printer: Any, printer_section: dict[str, Any], until: Any
) -> None:
    hub = await start_hub(devices={"receipts": printer_section}, receipt_printer="receipts")
    manager, till = await enrolled(hub, pair_till), await pair_till(hub)
    desk = await signed_in(till)
    await desk.post("/v1/drawer-sessions", OPENING)
    closed = await desk.post("/v1/drawer-sessions/s1/close", {"counted": [[50_000, 1]], "print": True})
    again = await desk.post("/v1/drawer-sessions/s1/close", {"counted": [[50_000, 1]], "print": True})
    z_no = closed.json["z_report"]["z_no"]

    async def printed(job_id: str) -> Any:
        return await until(lambda: till.get(f"/v1/print/{job_id}"), lambda answer: answer.json["state"] == "printed")

    assert again.body == closed.body and closed.json["print_job"] == f"z~{z_no}"
    assert (await printed(f"z~{z_no}")).json["mark"] == ""
    for _ in range(2):
        copy = await manager.post(f"/v1/z-reports/{z_no}/print", {"print_id": "copy-1"})
        assert (copy.status, copy.json["job_id"], copy.json["mark"]) == (202, "copy-1", "reprint")
    await printed("copy-1")
    assert len((await till.get("/v1/print")).json["items"]) == 2


async def test_a_z_report_without_a_printer_is_printed_later_as_the_first(
    start_hub: Any, pair_till: PairTill, printer_section: dict[str, Any]
) -> None:
    hub = await start_hub(devices={"receipts": printer_section}, receipt_printer="receipts")
    manager, till = await enrolled(hub, pair_till), await pair_till(hub)
    desk = await signed_in(till)
    await desk.post("/v1/drawer-sessions", OPENING)
    z_no = (await desk.post("/v1/drawer-sessions/s1/close", {"counted": []})).json["z_report"]["z_no"]

    jobs = [await manager.post(f"/v1/z-reports/{z_no}/print", {"print_id": name}) for name in ("p1", "p1", "p2")]

    assert [(job.json["job_id"], job.json["mark"]) for job in jobs] == [("p1", ""), ("p1", ""), ("p2", "reprint")]
    assert (await manager.post("/v1/z-reports/t1-Z9999-0001/print", {"print_id": "p3"})).status == 404


async def test_z_reports_are_paged_newest_first(till: Any, manager: Any) -> None:
    numbers = []
    for n in range(5):
        await manager.post("/v1/drawer-sessions", OPENING | {"session_id": f"s{n}"})
        closed = await manager.post(f"/v1/drawer-sessions/s{n}/close", {"counted": []})
        numbers.append(closed.json["z_report"]["z_no"])
    found, after = [], ""
    while True:
        page = (await manager.get("/v1/z-reports", limit="2", **({"after": after} if after else {}))).json
        found += [report["z_no"] for report in page["items"]]
        after = page["next"]
        if not after:
            break

    assert found == numbers[::-1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"close_id": "d1", "business_date": "2026-09-22"}, 422, "day_to_come"),
        ({"close_id": "d1", "business_date": "2026-02-30"}, 422, "invalid_field"),
        ({"close_id": "d1", "business_date": "2026-9-1"}, 422, "invalid_field"),
        ({"close_id": "d1"}, 422, "invalid_field"),
    ],
)
async def test_a_day_that_cannot_be_closed_is_not(till: Any, manager: Any, body: Any, status: int, code: str) -> None:
    answer = await manager.post("/v1/days/close", body)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert (await till.get("/v1/days")).json["closed_through"] == ""


async def test_a_cashier_closes_no_day_and_an_open_drawer_keeps_it_open(till: Any, manager: Any) -> None:
    desk = await signed_in(till)
    day = {"close_id": "d1", "business_date": "2026-09-21"}
    assert (await desk.post("/v1/days/close", day)).json["code"] == "role_too_low"
    await desk.post("/v1/drawer-sessions", OPENING)
    refused = await manager.post("/v1/days/close", day)

    assert (refused.status, refused.json["code"], refused.json["holder"]) == (409, "sessions_open", "s1")


async def test_a_drawer_that_is_kicked_open_leaves_a_line(
    start_hub: Any, pair_till: PairTill, printer_section: dict[str, Any]
) -> None:
    hub = await start_hub(devices={"receipts": printer_section}, receipt_printer="receipts")
    manager, till = await enrolled(hub, pair_till), await pair_till(hub)
    desk = await signed_in(till)

    assert (await desk.post("/v1/drawers/receipts/open")).status == 200
    assert (await till.post("/v1/drawers/receipts/open")).status == 200

    lines = (await manager.get("/v1/trail", action="drawer_opened")).json["items"]
    assert [(line["actor"], line["subject"]) for line in lines] == [("till:t1", "receipts"), ("cashier:c7", "receipts")]
