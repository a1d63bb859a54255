"""Devices: what is attached, how it is, and claiming one for a till."""

from msgspec import Struct

from devices.model import Category, Health
from devices.supervision.outside import DeviceState
from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError, RefusedError
from hub.store.staff.tills import Scope

CLAIMABLE: frozenset[Category] = frozenset({"Scanner", "Scale", "LineDisplay", "RFIDScanner"})
WATCHERS: frozenset[Scope] = STAFF | {"ops"}


class DeviceView(Struct, frozen=True):
    """A configured device and its health; `counters` are its driver's own since the start."""

    device_id: str
    kind: str
    category: Category
    health: Health
    reason: str
    detail: str
    since_ms: int
    counters: dict[str, int]
    claimed_by: str | None


class DeviceList(Struct, frozen=True):
    """All configured devices."""

    items: list[DeviceView]


async def list_devices(call: Call) -> Reply:
    """GET /v1/devices"""
    return Reply(DeviceList([_view(call, state) for state in call.hub.device_states()]))


async def post_claim(call: Call) -> Reply:
    """POST /v1/devices/{device_id}/claim"""
    state = _known(call)
    if state.category not in CLAIMABLE:
        raise RefusedError("not_claimable", f"{state.device_id} is a {state.category}; it is shared")
    call.hub.claims.claim(state.device_id, call.client.till_id)
    return Reply(_view(call, state))


async def delete_claim(call: Call) -> Reply:
    """DELETE /v1/devices/{device_id}/claim"""
    state = _known(call)
    call.hub.claims.release(state.device_id, call.client.till_id)
    return Reply(_view(call, state))


def _known(call: Call) -> DeviceState:
    states = {state.device_id: state for state in call.hub.device_states()}
    device_id = call.path["device_id"]
    if device_id not in states:
        raise NotFoundError("device", f"no device {device_id!r}; devices: {', '.join(sorted(states)) or 'none'}")
    return states[device_id]


def _view(call: Call, state: DeviceState) -> DeviceView:
    return DeviceView(
        device_id=state.device_id,
        kind=state.kind,
        category=state.category,
        health=state.health,
        reason=state.reason,
        detail=state.detail,
        since_ms=state.since_ms,
        counters=dict(state.counters),
        claimed_by=call.hub.claims.holder(state.device_id),
    )


ROUTES = (
    Route("GET", "/v1/devices", list_devices, "All devices and their health", WATCHERS, DeviceList),
    Route(
        "POST",
        "/v1/devices/{device_id}/claim",
        post_claim,
        "Claim a device for this till",
        STAFF,
        DeviceView,
        problems=(404, 409, 422),
    ),
    Route(
        "DELETE",
        "/v1/devices/{device_id}/claim",
        delete_claim,
        "Release a claimed device",
        STAFF,
        DeviceView,
        problems=(404,),
    ),
)
