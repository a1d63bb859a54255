"""Approvals: POST /v1/approvals, a supervisor's or manager's PIN for one deed at this till; what needs one."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import RefusedError
from hub.pin_desk import check_guess
from hub.store.model import utc
from hub.store.staff import approvals
from hub.store.staff.approvals import ACTIONS, Action, Given
from hub.store.staff.cashiers import cashier
from sync.retail.selling.sales import Id
from sync.retail.staff.cashiers import CashierId, Pin, Role, is_at_least


class ApprovalRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who approves of what: `subject` is the id of the sale, return or movement that is to be. `approval_id` is the client's."""

    approval_id: Id
    action: Action
    subject: Id
    cashier_id: CashierId
    pin: Pin
    reason: Annotated[str, Meta(min_length=1, max_length=150, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class RulesView(Struct, frozen=True):
    """Who may do what alone, or approve of it; null for anybody. Larger discounts than `discount_above_pct` need approval."""

    roles: dict[str, Role | None]
    discount_above_pct: int
    expires_s: int


async def get_rules(call: Call) -> Reply:
    """GET /v1/approvals"""
    rules = call.hub.config.approvals
    roles: dict[str, Role | None] = {action: rules.role_for(action) for action in ACTIONS}
    return Reply(RulesView(roles, rules.discount_above_pct, rules.expires_s))


async def post_approval(call: Call) -> Reply:
    """POST /v1/approvals"""
    hub, request, till_id, rules = call.hub, call.body, call.client.till_id, call.hub.config.approvals
    known, wanted = cashier(hub.db.read, request.cashier_id), rules.role_for(request.action)
    if wanted is not None and not is_at_least(known.role, wanted):
        detail = f"{request.action} is approved by a {wanted}; {known.cashier_id} is {known.role}"
        raise RefusedError("role_too_low", detail, pointer="/cashier_id")
    await check_guess(hub, known, request.pin, till_id=till_id)
    now_ms = hub.now_ms()
    given = Given(
        approval_id=request.approval_id,
        action=request.action,
        subject=request.subject,
        till_id=till_id,
        given_by=known.cashier_id,
        role=known.role,
        expires_at=utc(now_ms) + timedelta(seconds=rules.expires_s),
    )
    answer, is_new = await hub.db.write(lambda tx: approvals.give(tx, given, reason=request.reason, now_ms=now_ms))
    return Reply(answer, 201 if is_new else 200)


ROUTES = (
    Route(
        "GET",
        "/v1/approvals",
        get_rules,
        "What needs an approval, and by whom",
        STAFF,
        RulesView,
        duty="approvals.give",
    ),
    Route(
        "POST",
        "/v1/approvals",
        post_approval,
        "Approve of one deed at this till, with a PIN",
        STAFF,
        Given,
        body=ApprovalRequest,
        duty="approvals.give",
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 429, 503),
    ),
)
