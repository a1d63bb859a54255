"""What of a sale somebody has to approve of: a price set by hand, a large discount given by hand. Held in the sale's own job.

    asks                             unless
    a line's `override`              whoever is signed in may do it alone (`[approvals] price_override`)
    a hand's discount on a line,     `[approvals] discount`; promotions, coupons, members' and points' discounts are no hand's
    above `discount_above_pct`       (a member's on a sale that names none is)

One approval of an action is for the whole sale; its subject is the sale_id. Training asks for none: it would spend it.
Not here: giving approvals (hub.store.staff.approvals).
"""

from collections.abc import Iterator
from sqlite3 import Connection

from msgspec import Struct

from hub.errors import RefusedError
from hub.store.staff.approvals import Action, ApprovalRules, authorise
from sync.retail.money import line_amount
from sync.retail.selling.sales import Sale, SaleLine
from sync.retail.staff.cashiers import Role

BY_HAND = frozenset({"manual", "sale"})
WITHOUT_A_MEMBER = BY_HAND | {"member"}


class Authority(Struct, frozen=True):
    """The shop's rules, and the role of whoever is signed in at the till, None for nobody."""

    rules: ApprovalRules
    role: Role | None = None


def unapproved(tx: Connection, sale: Sale, authority: Authority, *, now_ms: int) -> Iterator[tuple[RefusedError, int]]:
    """Yield what nobody has approved of, and on which line; approvals that are there are spent on this sale."""
    kinds = BY_HAND if sale.member_id else WITHOUT_A_MEMBER
    overrides = ((index, line) for index, line in enumerate(sale.lines) if line.override is not None)
    discounts = ((index, line) for index, line in enumerate(sale.lines) if _is_large(line, authority.rules, kinds))
    if (first := next(overrides, None)) is not None:
        yield from _refused(tx, sale, authority, "price_override", "override", *first, now_ms=now_ms)
    if (first := next(discounts, None)) is not None:
        yield from _refused(tx, sale, authority, "discount", "discount", *first, now_ms=now_ms)


def _refused(  # noqa: PLR0917 - a line and what is asked of it
    tx: Connection,
    sale: Sale,
    authority: Authority,
    action: Action,
    field: str,
    index: int,
    line: SaleLine,
    *,
    now_ms: int,
) -> Iterator[tuple[RefusedError, int]]:
    named = next((each for each in sale.approvals if each.action == action), None)
    try:
        given = authorise(
            tx,
            authority.rules,
            action,
            named.approval_id if named else None,
            role=authority.role,
            subject=sale.sale_id,
            till_id=sale.till_id,
            now_ms=now_ms,
        )
        if given is not None and named is not None and given.given_by != named.by:
            detail = f"approval {given.approval_id} was given by {given.given_by}, not by {named.by}"
            raise RefusedError("approval", detail, pointer="/approvals")
    except RefusedError as err:
        yield RefusedError(err.code, err.detail, pointer=f"/lines/{index}/{field}"), line.line


def _is_large(line: SaleLine, rules: ApprovalRules, kinds: frozenset[str]) -> bool:
    if not line.discount or line.per is None:
        return False
    by_hand = line.discount if not line.discounts else sum(p.amount for p in line.discounts if p.kind in kinds)
    return rules.is_large(by_hand, line_amount(line.unit_price, line.qty, line.per))
