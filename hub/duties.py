"""Who may do what at a till: the one place where it is declared. A route names its duty; hub.api.routing asks here.

    None          the till's token alone is enough: nobody need be signed in
    a role        somebody of this role or above is signed in at the till (header `Storehub-Session`), or its token is a manager's

What a person of too low a role may do with another's approval is declared in `[approvals]` (hub.config), not here.
"""

from msgspec import Struct

from sync.retail.staff.cashiers import Role, is_at_least

DUTIES: dict[str, Role | None] = {
    "cashiers.list": None,
    "cashiers.sign_in": None,
    "cashiers.own_pin": None,
    "cashiers.manage": "manager",
    "members.serve": None,  # names and identities masked, unless a manager asks
    "members.manage": "manager",
    "sales.sell": None,
    "sales.void": None,  # [approvals] void says who may do it alone
    "orders.work": None,  # picking, packing, handing over
    "returns.take": None,  # [approvals] return_without_receipt says who may do so alone
    "stock.move": None,  # documents, counts, corrections: who stood there is in the trail
    "drawer.look": None,
    "drawer.kick": None,  # noted in the trail; a session's `no_sale` is how a drawer is opened for a reason
    "drawer.open": "cashier",
    "drawer.move": "cashier",
    "drawer.close": "cashier",
    "drawer.x_report": "supervisor",  # it says what is expected in the drawer: who counts must not know
    "drawer.z_reports": "supervisor",
    "day.close": "supervisor",
    "approvals.give": None,  # the PIN of whoever approves is in the request
}


class Person(Struct, frozen=True):
    """Who stands at the till: a cashier who is signed in, or whoever holds a manager's token (`cashier_id` empty)."""

    cashier_id: str
    name: str
    role: Role
    till_id: str

    @property
    def actor(self) -> str:
        """How the audit trail calls them."""
        return f"cashier:{self.cashier_id}" if self.cashier_id else f"till:{self.till_id}"


def is_enough(duty: str, person: Person | None) -> bool:
    """Whether a duty may be done by whoever is there, None for nobody."""
    wanted = DUTIES[duty]
    return wanted is None or (person is not None and is_at_least(person.role, wanted))
