"""Captures of a device's wire, for commands of this machine: begun, and ended with a masked trace. Nothing of it is stored."""

import secrets

from msgspec import Struct

from devices.errors import OptionError
from devices.plug.capture import CAPTURE_MAX_S, Trace
from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.errors import NotFoundError, RefusedError

SALT_BYTES = 32
PATH = "/control/devices/{device_id}/capture"


class Begun(Struct, frozen=True):
    """A capture is under way; it is forgotten when nobody ends it within `max_s`."""

    device_id: str
    max_s: float


async def post_capture(call: Call) -> Reply:
    """POST /control/devices/{device_id}/capture"""
    device_id = call.path["device_id"]
    try:
        call.hub.begin_capture(device_id)
    except KeyError:
        raise NotFoundError("device", f"no device {device_id!r}") from None
    except OptionError as err:
        raise RefusedError("no_capture", str(err)) from err
    return Reply(Begun(device_id, CAPTURE_MAX_S))


async def delete_capture(call: Call) -> Reply:
    """DELETE /control/devices/{device_id}/capture"""
    device_id = call.path["device_id"]
    try:
        trace = call.hub.end_capture(device_id, secrets.token_bytes(SALT_BYTES))
    except KeyError:
        raise NotFoundError("device", f"no device {device_id!r}") from None
    if trace is None:
        raise RefusedError("no_capture", f"nobody captures {device_id} now")
    return Reply(trace)


ROUTES = (
    Route("POST", PATH, post_capture, "Begin a capture", PUBLIC, Begun),
    Route("DELETE", PATH, delete_capture, "End it, and be told the masked trace", PUBLIC, Trace),
)
