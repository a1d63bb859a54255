"""What stands at the till beside scanner and printer: the scale's weight, its zero, and the customer's display."""

from typing import Annotated

from msgspec import Meta, Struct

from devices.supervision.commands import ShowText, ZeroScale
from hub.api.attached.devices import WATCHERS
from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.attached.commands import device_of, tell
from hub.attached.weight_view import WeightView
from sync.errors import BusyError

LINE_MAX = 200  # characters of a line; the display cuts at its own width


class DisplayText(Struct, frozen=True, forbid_unknown_fields=True):
    """Lines from the top; none clears the display."""

    lines: Annotated[list[Annotated[str, Meta(max_length=LINE_MAX)]], Meta(max_length=4)]


class Done(Struct, frozen=True):
    """The device did it."""

    device_id: str


async def get_weight(call: Call) -> Reply:
    """GET /v1/devices/{device_id}/weight"""
    state = device_of(call.hub, call.path["device_id"], "Scale")
    shown = call.hub.weights.get(state.device_id)
    if shown is None or state.health == "offline":
        raise BusyError("device_offline", state.detail or f"{state.device_id} has shown nothing yet")
    return Reply(shown)


async def post_zero(call: Call) -> Reply:
    """POST /v1/devices/{device_id}/zero"""
    state = device_of(call.hub, call.path["device_id"], "Scale")
    await tell(call.hub, state.device_id, ZeroScale(), till_id=call.client.till_id)
    return Reply(Done(state.device_id))


async def put_text(call: Call) -> Reply:
    """PUT /v1/devices/{device_id}/text"""
    state = device_of(call.hub, call.path["device_id"], "LineDisplay")
    await tell(call.hub, state.device_id, ShowText(tuple(call.body.lines)), till_id=call.client.till_id)
    return Reply(Done(state.device_id))


ROUTES = (
    Route(
        "GET",
        "/v1/devices/{device_id}/weight",
        get_weight,
        "What a scale shows now",
        WATCHERS,
        WeightView,
        problems=(404, 422, 503),
    ),
    Route(
        "POST",
        "/v1/devices/{device_id}/zero",
        post_zero,
        "Make what lies on a scale its zero",
        STAFF,
        Done,
        problems=(404, 409, 422, 503),
    ),
    Route(
        "PUT",
        "/v1/devices/{device_id}/text",
        put_text,
        "Show text on a customer display",
        STAFF,
        Done,
        body=DisplayText,
        problems=(404, 409, 422, 503),
    ),
)
