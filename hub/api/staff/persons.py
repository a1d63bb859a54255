"""The person behind a request: whoever is signed in at the till, by the session token in the header SESSION_HEADER.

A session token is good at its own till only and for nothing without the till's. What needs a person, and of which role, is
declared in hub.duties; approvals in hub.store.staff.approvals.
"""

from hub.duties import DUTIES, Person, is_enough
from hub.errors import RefusedError
from hub.runtime import Runtime
from hub.store.staff.cashiers import cashier
from hub.store.staff.sign_ins import sign_in_of
from hub.store.staff.tills import Paired

SESSION_HEADER = "Storehub-Session"


def person_for(hub: Runtime, client: Paired, session: str, *, duty: str) -> Person | None:
    """Return who does a duty, None where nobody need be named; raise RefusedError when somebody else has to."""
    wanted, person = DUTIES[duty], person_at(hub, client, session)
    if is_enough(duty, person):
        return person
    if person is not None:
        raise RefusedError("role_too_low", f"this is for a {wanted}; {person.name} is {person.role}")
    if session:
        raise RefusedError("sign_in_over", f"nobody is signed in at {client.till_id} by this session")
    raise RefusedError("sign_in_needed", f"a {wanted} has to be signed in at {client.till_id}")


def person_at(hub: Runtime, client: Paired, session: str) -> Person | None:
    """Return who stands at a till: by the session, else whoever holds a manager's token; None for nobody."""
    read, is_manager = hub.db.read, client.scope == "manager"
    found = sign_in_of(read, session, client.till_id, now_ms=hub.now_ms()) if session else None
    known = cashier(read, found.cashier_id) if found else None
    if known is None or known.is_disabled:
        return Person("", "", "manager", client.till_id) if is_manager else None
    return Person(known.cashier_id, known.name, "manager" if is_manager else known.role, client.till_id)
