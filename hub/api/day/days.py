"""Trading days of the store: which one is open, closing one."""

from datetime import date

from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import ConflictError
from hub.store.selling import days
from hub.store.selling.days import DayView
from sync.retail.selling.drawers import DayClosed
from sync.retail.selling.sales import Id


class CloseDayRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Close a trading day, and with it all before it; `close_id` is made by the client."""

    close_id: Id
    business_date: date


async def get_days(call: Call) -> Reply:
    """GET /v1/days"""
    hub = call.hub
    return Reply(days.day_view(hub.db.read, hub.shop, now_ms=hub.now_ms()))


async def post_close_day(call: Call) -> Reply:
    """POST /v1/days/close"""
    hub, request, now_ms = call.hub, call.body, call.hub.now_ms()
    if not hub.clock.is_sure:
        raise ConflictError("clock_unsure", "this hub is not sure which day it is")
    day = request.business_date.isoformat()
    closed, is_new = await hub.db.write(
        lambda tx: days.close_day(tx, hub.replica, hub.shop, request.close_id, day, by=call.actor, now_ms=now_ms)
    )
    return Reply(closed, 201 if is_new else 200)


ROUTES = (
    Route("GET", "/v1/days", get_days, "Today's trading day, what is closed and what is open", STAFF, DayView),
    Route(
        "POST",
        "/v1/days/close",
        post_close_day,
        "Close a trading day: what comes late goes to the open one",
        STAFF,
        DayClosed,
        body=CloseDayRequest,
        duty="day.close",
        status=201,
        statuses=(200,),
        problems=(403, 409, 422, 503),
    ),
)
