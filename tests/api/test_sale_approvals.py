"""What of a sale has to be approved of, over real HTTP: spent in the sale's own job, once, or not at all."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]
OVERRIDE = {"sku": "TEA-01", "qty": 1, "unit_price": 900, "override": {"reason": "shelf label"}}
LARGE = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 219}


@pytest.fixture
async def manager(hub: Any, pair_till: PairTill) -> Any:
    """A manager's client; a supervisor is enrolled."""
    client = await pair_till(hub, scope="manager")
    body = {"cashier_id": "c2", "number": "2", "name": "c2", "role": "supervisor", "pin": "730648"}
    assert (await client.post("/v1/cashiers", body)).status == 201
    return client


async def approve(till: Any, subject: str, action: str) -> list[dict[str, str]]:
    wanted = {"approval_id": f"a-{subject}", "action": action, "subject": subject, "reason": "regular"}
    answer = await till.post("/v1/approvals", wanted | {"cashier_id": "c2", "pin": "730648"})
    assert answer.status == 201, answer.body
    return [{"action": action, "by": "c2", "approval_id": f"a-{subject}"}]


@pytest.mark.parametrize(
    ("line", "action", "pointer"),
    [(OVERRIDE, "price_override", "/lines/0/override"), (LARGE, "discount", "/lines/0/discount")],
)
async def test_without_an_approval_it_is_refused_with_one_it_is_sold_once(
    till: Any, manager: Any, line: dict[str, Any], action: str, pointer: str
) -> None:
    bare = await till.post("/v1/sales", sale := till.sale(line))
    approvals = await approve(till, sale["sale_id"], action)
    approved = await till.post("/v1/sales", sale | {"approvals": approvals})
    again = await till.post("/v1/sales", sale | {"approvals": approvals})
    other = await till.post("/v1/sales", till.sale(line, approvals=approvals))

    assert (bare.status, bare.json["code"], bare.json["pointer"]) == (422, "approval_needed", pointer)
    assert (approved.status, again.status, approved.body) == (201, 200, again.body)
    assert (other.status, other.json["code"], other.json["pointer"]) == (422, "approval", pointer)


async def test_a_members_discount_for_nobody_is_given_by_hand(till: Any, manager: Any) -> None:
    parts = [{"amount": 219, "kind": "member"}]

    nobody = await till.post("/v1/sales", till.sale(LARGE | {"discounts": parts}))
    somebody = await till.post("/v1/sales", till.sale(LARGE | {"discounts": parts}, member_id="m1"))

    assert (nobody.status, nobody.json["code"], nobody.json["pointer"]) == (422, "approval_needed", "/lines/0/discount")
    assert somebody.status == 201


async def test_a_refused_sale_leaves_its_approval(till: Any, manager: Any) -> None:
    sale = till.sale(OVERRIDE)
    approvals = await approve(till, sale["sale_id"], "price_override")

    wrong = await till.post("/v1/sales", sale | {"approvals": approvals, "total": 1})
    right = await till.post("/v1/sales", sale | {"approvals": approvals})

    assert (wrong.status, wrong.json["code"], right.status) == (422, "total", 201)


async def test_training_spends_no_approval(till: Any, manager: Any) -> None:
    sale = till.sale(OVERRIDE)
    approvals = await approve(till, sale["sale_id"], "price_override")

    trained = await till.post("/v1/sales", sale | {"approvals": approvals, "training": True})
    sold = await till.post("/v1/sales", sale | {"approvals": approvals})

    assert (trained.status, sold.status) == (201, 201)


async def test_what_already_happened_is_booked_and_the_missing_approval_is_noted(till: Any) -> None:
    answer = await till.post("/v1/sales", till.sale(OVERRIDE, offline=True))

    assert answer.status == 201
    assert [each["code"] for each in answer.json["warnings"]] == ["price_override", "approval_needed"]


async def test_a_manager_needs_none_and_whoever_is_named_must_have_given_it(till: Any, manager: Any) -> None:
    sale = till.sale(OVERRIDE)
    approvals = await approve(till, sale["sale_id"], "price_override")
    forged = [approvals[0] | {"by": "boss"}]

    assert (await till.post("/v1/sales", sale | {"approvals": forged})).json["code"] == "approval"
    assert (await manager.post("/v1/sales", till.sale(OVERRIDE))).status == 201


async def test_small_discounts_and_those_that_no_hand_gave_need_none(till: Any) -> None:
    small = LARGE | {"discount": 218}
    promoted = LARGE | {"discount": 600, "discounts": [{"amount": 600, "kind": "promotion", "reference": "p"}]}

    for line in (small, promoted):
        assert (await till.post("/v1/sales", till.sale(line))).status == 201


async def test_goods_go_for_nothing_where_the_shop_says_so_or_somebody_approves(till: Any, manager: Any) -> None:
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 0}
    nothing = {"tenders": [], "total": 0}
    bare = await till.post("/v1/sales", till.sale(line, **nothing))
    happened = await till.post("/v1/sales", till.sale(line, offline=True, **nothing))
    given = till.sale(line | {"override": {"reason": "a broken box"}}, **nothing)
    approvals = await approve(till, given["sale_id"], "price_override")
    approved = await till.post("/v1/sales", given | {"approvals": approvals})
    await manager.post("/v1/store-prices", {"sku": "TEA-01", "amount": 0, "reason": "a gift for everybody"})
    free = await till.post("/v1/sales", till.sale(line, **nothing))

    assert (bare.status, bare.json["code"], bare.json["pointer"]) == (422, "price_zero", "/lines/0/unit_price")
    assert (happened.status, [each["code"] for each in happened.json["warnings"]]) == (
        201,
        ["price_zero", "price_differs"],
    )
    assert (approved.status, free.status) == (201, 201)
    assert "price_zero" not in str(approved.json) + str(free.json)
