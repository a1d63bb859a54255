"""Members by HTTP: found by what they are known by, enrolled off line, joined, asked; what a till may see, what nobody may."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devices.model import Scan
from hub.attached.events import Events
from hub.client import new_id

PairTill = Callable[..., Awaitable[Any]]
PHONES = ("9123 4567", "+852 9123-4567", "９１２３４５６７", "00852 91234567", "(852) 9123 4567")


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    return await pair_till(hub, "manager")


def chan(**fields: Any) -> dict[str, Any]:
    return {"member_id": new_id(), "name": "Chan Tai Man 陳大文", "phone": "9123 4567"} | fields


async def enrol(client: Any, **fields: Any) -> str:
    answer = await client.post("/v1/members", body := chan(**fields))
    assert answer.status == 201, answer.body
    return str(body["member_id"])


async def found(client: Any, **query: str) -> list[str]:
    answer = await client.get("/v1/members", **query)
    assert answer.status == 200, answer.body
    return [item["member_id"] for item in answer.json["items"]]


@pytest.mark.parametrize("written", PHONES)
async def test_a_member_is_found_by_any_way_of_writing_the_phone(till: Any, written: str) -> None:
    member = await enrol(till)
    assert await found(till, phone=written) == [member]
    assert await found(till, phone="9123 4568") == []


async def test_a_member_is_found_by_card_mail_line_and_code(till: Any) -> None:
    line = "U" + "4af4980629" * 3 + "ab"
    member = await enrol(till, card="HK 0012-3456", email="Chan.TM@Example.com", line_id=line)
    for query in (
        {"card": "hk00123456"},
        {"email": "ＣＨＡＮ.tm@example.COM"},
        {"line": line.lower()},
        {"scan": "HK00123456"},
        {"scan": f"urn:storehub:member:{member}"},
    ):
        assert await found(till, **query) == [member], query
    assert await found(till, scan="urn:storehub:member:nobody") == []


async def test_a_till_sees_enough_to_ask_and_a_manager_sees_all(till: Any, manager: Any) -> None:
    member = await enrol(till, email="chan@example.com", card="00123456", birth_month=5)
    masked = (await till.get(f"/v1/members/{member}")).json
    assert masked["phone"].endswith("567") and "9123" not in masked["phone"]
    assert masked["email"] == "c***@example.com"
    assert not {"Chan", "Tai", "陳大文", "00123456"} & set(
        json.dumps(masked, ensure_ascii=False).replace('"', " ").split()
    )
    whole = (await manager.get(f"/v1/members/{member}")).json
    assert (whole["name"], whole["phone"]) == ("Chan Tai Man 陳大文", "+85291234567")
    assert (whole["card"], whole["birth_month"]) == ("00123456", 5)


async def test_enrolling_again_answers_the_same_and_other_content_is_refused(till: Any) -> None:
    body = chan(consents={"marketing": "in"})
    first = await till.post("/v1/members", body)
    again = await till.post("/v1/members", body)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    other = await till.post("/v1/members", body | {"name": "Wong"})
    assert (other.status, other.json["code"]) == (409, "other_content")


async def test_a_taken_identity_is_named_by_no_personal_word(till: Any, hub: Any) -> None:
    member = await enrol(till)
    refused = await till.post("/v1/members", chan(name="Wong", phone="+852 91234567"))
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (409, "identity_taken", "/phone")
    assert refused.json["holder"] == member
    assert "Chan" not in refused.body.decode() and "9123" not in refused.body.decode()
    assert await found(till, phone="91234567") == [member]


async def test_a_taken_identity_joins_when_the_cashier_says_so(till: Any, manager: Any) -> None:
    one = await enrol(till)
    joined = await till.post("/v1/members", chan(name="T M Chan", join=True))
    assert joined.status == 201
    person = joined.json["member"]
    assert len(person["ids"]) == 2 and person["member_id"] == min(person["ids"]) and one in person["ids"]
    (link,) = person["links"]
    assert link["evidence"] == "same phone"
    undone = await manager.post(f"/v1/members/{one}/unlinks", {"undo_id": "u1", "link_id": link["link_id"]})
    assert undone.json["member"]["ids"] == [one]
    again = await manager.post(f"/v1/members/{one}/unlinks", {"undo_id": "u1", "link_id": link["link_id"]})
    assert (again.status, again.json) == (200, undone.json)
    gone = await manager.post(f"/v1/members/{one}/unlinks", {"undo_id": "u2", "link_id": link["link_id"]})
    assert (gone.status, gone.json["code"]) == (404, "link")


async def test_an_enrolment_that_has_happened_is_never_refused_for_a_taken_identity(till: Any) -> None:
    one = await enrol(till)
    answer = await till.post("/v1/members", body := chan(offline=True))
    assert answer.status == 201
    assert [each["code"] for each in answer.json["warnings"]] == ["identity_taken"]
    assert await found(till, phone="91234567") == sorted([one, body["member_id"]])


async def test_members_joined_by_hand_show_as_one_and_a_till_may_not_take_it_back(till: Any) -> None:
    one, two = await enrol(till), await enrol(till, phone="6123 4567")
    link = {"link_id": "l1", "other": two}
    joined = await till.post(f"/v1/members/{one}/links", link)
    assert (joined.status, joined.json["member"]["ids"]) == (201, sorted([one, two]))
    assert (await till.post(f"/v1/members/{one}/links", link)).status == 200
    assert (await till.post(f"/v1/members/{one}/links", {"link_id": "l2", "other": one})).status == 422
    assert (await till.post(f"/v1/members/{one}/links", {"link_id": "l3", "other": "nobody"})).status == 404
    assert (await till.post(f"/v1/members/{one}/unlinks", {"undo_id": "u", "link_id": "l1"})).status == 403


async def test_a_changed_phone_finds_and_the_former_one_no_more(till: Any, manager: Any) -> None:
    member = await enrol(till, card="HK001")
    edit = {"edit_id": "e1", "phone": "6123 4567", "note": "likes tea", "name": "Chan T.M."}
    assert (await till.post(f"/v1/members/{member}/edits", edit)).status == 201
    assert (await till.post(f"/v1/members/{member}/edits", edit)).status == 200
    assert await found(till, phone="9123 4567") == []
    assert await found(till, phone="6123 4567") == [member]
    assert (await manager.get(f"/v1/members/{member}")).json["note"] == "likes tea"
    assert "note" not in (await till.get(f"/v1/members/{member}")).json
    await till.post(f"/v1/members/{member}/edits", {"edit_id": "e2", "phone": None})
    assert await found(till, phone="6123 4567") == []
    assert (await till.post(f"/v1/members/{member}/edits", {"edit_id": "e3", "tier": "gold"})).status == 422


async def test_an_opt_in_after_an_opt_out_counts_and_the_word_is_the_persons(till: Any) -> None:
    one, two = await enrol(till), await enrol(till, phone="6123 4567")
    await till.post(f"/v1/members/{one}/links", {"link_id": "l1", "other": two})

    async def say(member: str, n: int, choice: str) -> str:
        body = {"consent_id": f"c{n}", "purpose": "marketing", "choice": choice, "how": "form-7"}
        answer = await till.post(f"/v1/members/{member}/consents", body)
        assert answer.status == 201, answer.body
        return str(answer.json["member"]["consents"]["marketing"])

    assert await say(one, 1, "in") == "in"
    assert await say(two, 2, "out") == "out"
    assert await say(one, 3, "in") == "in"
    assert (await till.get(f"/v1/members/{one}")).json["consents"]["profile"] == "unknown"


async def test_a_manager_searches_by_name_and_last_digits_and_a_till_does_not(till: Any, manager: Any) -> None:
    one, two = await enrol(till), await enrol(till, name="Wong Ka 王嘉", phone="6123 9999")
    assert await found(manager, q="陳大") == [one]
    assert await found(manager, q="wong") == [two]
    assert await found(manager, q="4567") == [one]
    assert await found(manager, q="wong 4567") == []
    refused = await till.get("/v1/members", q="wong")
    assert (refused.status, refused.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"phone": "12"}, "identity", "/phone"),
        ({"phone": None}, "member_empty", "/phone"),
        ({"email": "nobody"}, "identity", "/email"),
        ({"identities": {"staff_no": "1"}}, "identity_kind", "/identities/staff_no"),
        ({"birth_month": 13}, "invalid_field", "/birth_month"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_written(
    till: Any, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await till.post("/v1/members", chan(**body))
    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, code, pointer)
    assert (await till.get("/v1/members", phone="9123 4567")).json["items"] == []


async def test_one_identity_is_looked_up_at_a_time(till: Any) -> None:
    for query in ({}, {"phone": "91234567", "card": "123"}, {"of": "staff_no"}):
        answer = await till.get("/v1/members", **query)
        assert (answer.status, answer.json["code"]) == (422, "member_query"), query


async def test_points_are_corrected_with_a_reason_once(manager: Any, till: Any) -> None:
    member = await enrol(till)
    entry = {"entry_id": "p1", "points": 120, "why": "goodwill"}
    assert (await manager.post(f"/v1/members/{member}/points", entry)).json["points"] == 120
    again = await manager.post(f"/v1/members/{member}/points", entry)
    assert (again.status, again.json["points"]) == (200, 120)
    other = await manager.post(f"/v1/members/{member}/points", entry | {"points": 5})
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (await till.get(f"/v1/members/{member}")).json["points"] == 120
    assert (await till.post(f"/v1/members/{member}/points", entry)).status == 403
    assert (await manager.post("/v1/members/nobody/points", entry | {"entry_id": "p2"})).status == 404


async def test_an_event_of_a_member_names_ids_only(till: Any) -> None:
    async with till.events() as socket:
        await socket.receive_json()
        member = await enrol(till)
        event = await socket.receive_json()
    assert (event["type"], event["data"]) == ("member", {"member_id": member, "what": "enrolled"})


async def test_a_scanned_member_code_and_card_say_whose_they_are(hub: Any, till: Any, manager: Any) -> None:
    member = await enrol(till, card="HK-00123456")
    async with manager.events() as socket:
        await socket.receive_json()
        for label in (f"urn:storehub:member:{member}", "HK00123456", "HK99999999"):
            await Events(hub.runtime).hear("lane1", Scan(label=label, symbology="QR"))
        told = [(await socket.receive_json())["data"].get("member_id") for _ in range(3)]
    assert told == [member, member, None]


async def test_a_search_is_paged_to_its_end_and_finds_each_once(till: Any, manager: Any) -> None:
    expected = {await enrol(till, name=f"Chan {name}", phone=f"6123 45{n:02}") for n, name in enumerate("abcdefg")}
    await enrol(till, name="Wong a", phone="6123 4599")
    told: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await manager.get("/v1/members", q="chan 45", limit="3", after=after)).json
        told += [item["member_id"] for item in page["items"]]
        after = page["next"]
    assert sorted(told) == sorted(expected)
    assert (await manager.get("/v1/members", q="chan", after="nonsense")).status == 200


async def test_the_last_identity_of_a_member_stays(till: Any) -> None:
    member = await enrol(till, card="HK001")
    path = f"/v1/members/{member}/edits"
    assert (await till.post(path, {"edit_id": "e1", "card": None})).status == 201
    refused = await till.post(path, {"edit_id": "e2", "phone": None})
    assert (refused.status, refused.json["code"]) == (422, "member_empty")
    assert await found(till, phone="91234567") == [member]
    assert (await till.post(path, {"edit_id": "e3", "phone": None, "email": "chan@example.com"})).status == 201
    assert await found(till, email="chan@example.com") == [member]


async def test_what_a_member_says_already_is_said_again_though_another_says_it_too(till: Any, manager: Any) -> None:
    first = await enrol(till)
    second = await enrol(till, join=True)
    (link,) = (await manager.get(f"/v1/members/{first}")).json["links"]
    await manager.post(f"/v1/members/{first}/unlinks", {"undo_id": "u1", "link_id": link["link_id"]})
    edit = {"edit_id": "e1", "phone": "9123 4567", "name": "Chan"}
    assert (await till.post(f"/v1/members/{first}/edits", edit)).status == 201
    assert await found(till, phone="91234567") == sorted([first, second])


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ({"of": "tattoo", "value": "x"}, "identity_kind", "/of"),
        ({"line": ""}, "identity", "/line"),
        ({"phone": "12"}, "identity", "/phone"),
    ],
)
async def test_a_look_up_that_cannot_be_names_its_part_of_the_query(
    till: Any, query: dict[str, str], code: str, pointer: str
) -> None:
    answer = await till.get("/v1/members", **query)
    assert (answer.status, answer.json["code"], answer.json["pointer"]) == (422, code, pointer)
