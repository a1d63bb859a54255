"""Approvals: somebody of a higher role says yes to one deed at one till, with their PIN. Single use, gone after minutes.

    given   ─ take, the same deed again ─▶ taken, and told the same again
            ─ take, another deed, action or till ─▶ refused
            └ expires_ms ─▶ refused

Which deeds need one is declared in `[approvals]`: the role that may do it alone, or give it. A deed takes its approval in its own
write job, so that a refused deed leaves it as it was. A plain local table: what stays of it is the line in the audit trail, and
the approval's id on the deed's own fact. Not here: checking the PIN (hub.pin_desk), who may ask (hub.duties).
"""

from datetime import datetime
from sqlite3 import Connection
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from hub.store.staff.audit_trail import note
from sync.retail.staff.cashiers import Role, is_at_least

Action = Literal[
    "price_override", "discount", "void", "return_without_receipt", "no_sale", "pay_in", "pay_out", "cash_drop"
]
ACTIONS: tuple[Action, ...] = get_args(Action)
Needs = Role | Literal["none"]


class ApprovalRules(Struct, frozen=True, forbid_unknown_fields=True):
    """[approvals]: who may do what alone, or approve of it for others; `none`: it needs no approval.

    A discount needs one where it takes off more than `discount_above_pct` of what it is on.
    """

    price_override: Needs = "supervisor"
    discount: Needs = "supervisor"
    discount_above_pct: Annotated[int, Meta(ge=0, le=100)] = 20
    void: Needs = "supervisor"
    return_without_receipt: Needs = "manager"
    no_sale: Needs = "supervisor"
    pay_in: Needs = "none"
    pay_out: Needs = "supervisor"
    cash_drop: Needs = "none"
    expires_s: Annotated[int, Meta(ge=30, le=3600)] = 300

    def role_for(self, action: Action) -> Role | None:
        """Return who may do this alone, None for anybody."""
        needs: Needs = getattr(self, action)
        return None if needs == "none" else needs

    def is_large(self, discount: int, amount: int) -> bool:
        """Whether a discount on an amount (minor units) needs an approval."""
        return discount * 100 > amount * self.discount_above_pct


class Given(Struct, frozen=True):
    """An approval: of what, for what, by whom, until when."""

    approval_id: str
    action: Action
    subject: str
    till_id: str
    given_by: str
    role: Role
    expires_at: datetime
    is_taken: bool = False


def give(tx: Connection, given: Given, *, reason: str, now_ms: int) -> tuple[Given, bool]:
    """Write down an approval and say whether it is new; raise ConflictError when its id is known with other content."""
    known = find(tx, given.approval_id)
    if known is not None:
        if _said(known) != _said(given):
            detail = f"approval {given.approval_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/approval_id", holder=known.given_by)
        return known, False
    tx.execute(
        """
        INSERT INTO approval (approval_id, action, subject, till_id, given_by, role, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (*_said(given), given.role, round(given.expires_at.timestamp() * 1000)),
    )
    actor, said = f"cashier:{given.given_by}", f"{given.action}: {reason}"
    note(tx, actor=actor, action="approved", subject=given.subject, reason=said, now_ms=now_ms)
    return given, True


def find(read: Connection, approval_id: str) -> Given | None:
    """Return an approval by its id."""
    row = read.execute(
        """
        SELECT approval_id, action, subject, till_id, given_by, role, expires_ms, taken_ms IS NOT NULL
        FROM approval WHERE approval_id = ?
        """,
        (approval_id,),
    ).fetchone()
    if row is None:
        return None
    approval_id, action, subject, till_id, given_by, role, expires_ms, is_taken = row
    return Given(approval_id, action, subject, till_id, given_by, role, utc(expires_ms), bool(is_taken))


def take(tx: Connection, approval_id: str, action: Action, *, subject: str, till_id: str, now_ms: int) -> Given:
    """Spend an approval on a deed, in the deed's job; raise RefusedError when it is not for this. The same deed may ask again."""
    found = find(tx, approval_id)
    if found is None or (found.action, found.subject, found.till_id) != (action, subject, till_id):
        detail = f"approval {approval_id} is not for {action} of {subject} at {till_id}"
        raise RefusedError("approval", detail, pointer="/approval_id")
    if found.is_taken:
        return found
    if found.expires_at <= utc(now_ms):
        raise RefusedError("approval", f"approval {approval_id} has expired", pointer="/approval_id")
    tx.execute("UPDATE approval SET taken_ms = ? WHERE approval_id = ?", (now_ms, approval_id))
    return found


def authorise(
    tx: Connection,
    rules: ApprovalRules,
    action: Action,
    approval_id: str | None,
    *,
    role: Role | None,
    subject: str,
    till_id: str,
    now_ms: int,
) -> Given | None:
    """Hold a deed against the rules, in its job: None where whoever does it (None: nobody is signed in) may do so alone.

    Raise RefusedError `approval_needed` without one, `approval` with one that is not for this.
    """
    wanted = rules.role_for(action)
    if approval_id is not None:
        return take(tx, approval_id, action, subject=subject, till_id=till_id, now_ms=now_ms)
    if wanted is None or (role is not None and is_at_least(role, wanted)):
        return None
    raise RefusedError("approval_needed", f"{action} needs a {wanted}", pointer="/approval_id")


def _said(given: Given) -> tuple[str, Action, str, str, str]:
    return given.approval_id, given.action, given.subject, given.till_id, given.given_by
