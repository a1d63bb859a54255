"""POST /v1/approvals over real HTTP: a PIN says yes to one deed; wrong PINs count; too low a role does not approve."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
PEOPLE = (("c7", "7", "cashier", "4819"), ("c2", "2", "supervisor", "730648"), ("boss", "1", "manager", "481937"))


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    """A manager's client; a cashier, a supervisor and a manager are enrolled."""
    client = await pair_till(hub, scope="manager")
    for cashier_id, number, role, pin in PEOPLE:
        body = {"cashier_id": cashier_id, "number": number, "name": cashier_id, "role": role, "pin": pin}
        assert (await client.post("/v1/cashiers", body)).status == 201
    return client


def wanted(**fields: Any) -> dict[str, Any]:
    said = {"approval_id": "a1", "action": "void", "subject": "sale-1", "cashier_id": "c2", "pin": "730648"}
    return said | {"reason": "typed twice"} | fields


async def test_a_supervisor_approves_and_is_named(till: Any, manager: Any) -> None:
    first = await till.post("/v1/approvals", wanted())
    again = await till.post("/v1/approvals", wanted())

    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert first.json == {
        "approval_id": "a1",
        "action": "void",
        "subject": "sale-1",
        "till_id": "t1",
        "given_by": "c2",
        "role": "supervisor",
        "expires_at": "2026-09-21T14:18:20Z",
        "is_taken": False,
    }
    (line, *_) = (await manager.get("/v1/trail", action="approved")).json["items"]
    assert (line["actor"], line["subject"], line["reason"]) == ("cashier:c2", "sale-1", "void: typed twice")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"pin": "730649"}, 403, "pin"),
        ({"cashier_id": "c7", "pin": "4819"}, 403, "role_too_low"),
        ({"action": "return_without_receipt"}, 403, "role_too_low"),
        ({"cashier_id": "c9"}, 404, "cashier"),
        ({"action": "free_beer"}, 422, "invalid_field"),
        ({"reason": ""}, 422, "invalid_field"),
        ({"subject": "a b"}, 422, "invalid_field"),
    ],
)
async def test_what_is_no_approval_leaves_nothing(
    till: Any, manager: Any, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = await till.post("/v1/approvals", wanted(**fields))

    assert (answer.status, answer.json["code"]) == (status, code)
    assert (await manager.get("/v1/trail", action="approved")).json["items"] == []
    assert (await till.post("/v1/approvals", wanted())).status == 201, "the id is still free"


async def test_another_content_under_the_id_is_refused(till: Any, manager: Any) -> None:
    await till.post("/v1/approvals", wanted())

    answer = await till.post("/v1/approvals", wanted(subject="sale-2"))

    assert (answer.status, answer.json["code"], answer.json["holder"]) == (409, "other_content", "c2")


async def test_wrong_pins_of_an_approval_count_like_those_of_a_sign_in(till: Any, manager: Any) -> None:
    for n in range(3):
        await till.post("/v1/approvals", wanted(pin=f"00000{n}"))

    assert (await till.post("/v1/approvals", wanted())).status == 429
    assert (await till.post("/v1/cashiers/sign-in", {"cashier_id": "c2", "pin": "730648"})).status == 429


async def test_a_till_is_told_what_needs_whom(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub(approvals={"void": "none", "discount_above_pct": 30}))

    rules = (await till.get("/v1/approvals")).json

    assert rules["roles"]["void"] is None and rules["roles"]["return_without_receipt"] == "manager"
    assert (rules["discount_above_pct"], rules["expires_s"]) == (30, 300)
