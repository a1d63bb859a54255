"""The hub's clock: what time it is here and who said so, and the one confirmation that a shop without a line needs."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.clock import ClockView
from hub.errors import ConflictError, RefusedError
from hub.store.staff.tills import Scope
from sync.errors import RuleError

MANAGER: frozenset[Scope] = frozenset({"manager"})


class ConfirmRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The time as a person reads it from a clock; without `now` what the hub shows is right."""

    now: Annotated[datetime, Meta(tz=True)] | None = None


async def get_clock(call: Call) -> Reply:
    """GET /v1/clock"""
    return Reply(call.hub.clock.view)


async def post_confirm(call: Call) -> Reply:
    """POST /v1/clock/confirm"""
    hub, now = call.hub, call.body.now
    view = hub.clock.view
    if view.sure and view.source != "manager":
        raise ConflictError("clock_is_sure", f"the {view.source} tells the time; correct that clock")
    try:
        hub.clock.confirm(None if now is None else round(now.timestamp() * 1000))
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer="/now") from err
    await hub.clock.save(hub.db)
    return Reply(hub.clock.view)


ROUTES = (
    Route("GET", "/v1/clock", get_clock, "What time it is here, how sure that is, and who said so", STAFF, ClockView),
    Route(
        "POST",
        "/v1/clock/confirm",
        post_confirm,
        "Confirm the date and time once, where neither cloud nor NTP tells it",
        MANAGER,
        ClockView,
        body=ConfirmRequest,
        problems=(403, 409, 422),
    ),
)
