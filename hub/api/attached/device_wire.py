"""Devices that speak HTTP to the hub: a counter that pushes its figures, a printer that asks for its next job.

ANY /v1/devices/{device_id}/wire    handed to the device's driver as it is, and its answer handed back

The client is paired with scope `device` under the name of the device's section, and speaks for that device only: with the token
of a counter nobody reads what a printer prints. Its token comes as Bearer or, what devices can do, as the password of HTTP
Basic (RFC 7617), with its id as the user name; nowhere else. Not here: what a request means (devices/drivers), who may come
without TLS (hub.api.staff.trust).
"""

from devices.driver import DEVICE_ANSWER_TIMEOUT_S
from devices.supervision.requests import DeviceRequest
from hub.api.routing import Call, Reply, Route
from hub.errors import HubError, NotFoundError
from hub.store.staff.tills import Paired, Scope
from sync.errors import BusyError

PATH = "/v1/devices/{device_id}/wire"
NO_FORM = "application/octet-stream"
DEVICE: frozenset[Scope] = frozenset({"device"})


class NotItsDeviceError(HubError):
    """A client may not speak for this device; nothing was changed."""


async def call_wire(call: Call) -> Reply:
    """ANY /v1/devices/{device_id}/wire"""
    device_id, said = call.path["device_id"], call.body
    _check_client(call.client, device_id)
    request = DeviceRequest(said.method, query=said.query, content_type=said.content_type, body=said.body)
    try:
        is_taken = call.hub.ask_device(device_id, request)
    except KeyError:
        raise NotFoundError("device", f"no device {device_id!r} that speaks HTTP to this hub") from None
    if not is_taken:
        raise BusyError("wire_busy", f"{device_id}: too many requests wait for its driver")
    try:
        answer = await request.answered(DEVICE_ANSWER_TIMEOUT_S)
    except TimeoutError:
        raise BusyError("wire_busy", f"{device_id}: no answer within {DEVICE_ANSWER_TIMEOUT_S:g} s") from None
    return Reply(answer.body, answer.status, content_type=answer.content_type or NO_FORM, headers=dict(answer.headers))


def _check_client(client: Paired, device_id: str) -> None:
    if client.name != device_id:
        said = f"{client.till_id} was paired as {client.name!r}, not as {device_id!r}"
        raise NotItsDeviceError("not_its_device", said)


async def get_wire(call: Call) -> Reply:
    """GET /v1/devices/{device_id}/wire"""
    return await call_wire(call)


async def post_wire(call: Call) -> Reply:
    """POST /v1/devices/{device_id}/wire"""
    return await call_wire(call)


async def put_wire(call: Call) -> Reply:
    """PUT /v1/devices/{device_id}/wire"""
    return await call_wire(call)


async def delete_wire(call: Call) -> Reply:
    """DELETE /v1/devices/{device_id}/wire"""
    return await call_wire(call)


ROUTES = tuple(
    Route(
        method,
        PATH,
        handle,
        f"A device speaks to its driver by HTTP {method}",
        DEVICE,
        None,
        statuses=(204,),
        problems=(400, 404, 405, 413, 422, 503),
        is_wire=True,
    )
    for method, handle in (("GET", get_wire), ("POST", post_wire), ("PUT", put_wire), ("DELETE", delete_wire))
)
