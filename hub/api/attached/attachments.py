"""What is plugged into the hub's machine, and letting one device stand in for another that broke."""

from typing import Annotated

from msgspec import Meta, Struct

from hub.api.attached.devices import WATCHERS
from hub.api.routing import Call, Reply, Route
from hub.attachments import AttachedView
from hub.store.attachments import TakeOver
from hub.store.staff.tills import Scope

KEEPERS: frozenset[Scope] = frozenset({"manager", "ops"})


class AttachedList(Struct, frozen=True):
    """All that is attached, and which device stands in for which."""

    items: list[AttachedView]
    take_overs: list[TakeOver]


class TakeOverRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`node`: what stands in from now on, as GET /v1/devices/attached names it."""

    node: Annotated[str, Meta(min_length=1, max_length=200)]


class PutBack(Struct, frozen=True):
    """The device that the configuration names is meant again."""

    device_id: str


async def list_attached(call: Call) -> Reply:
    """GET /v1/devices/attached"""
    attachments = call.hub.attachments
    return Reply(AttachedList(attachments.views(), list(attachments.take_overs().values())))


async def post_take_over(call: Call) -> Reply:
    """POST /v1/devices/{device_id}/take-over"""
    return Reply(await call.hub.attachments.take_over(call.path["device_id"], call.body.node, actor=call.actor))


async def delete_take_over(call: Call) -> Reply:
    """DELETE /v1/devices/{device_id}/take-over"""
    await call.hub.attachments.put_back(call.path["device_id"], actor=call.actor)
    return Reply(PutBack(call.path["device_id"]))


ROUTES = (
    Route(
        "GET",
        "/v1/devices/attached",
        list_attached,
        "What is plugged in, and whom it could replace",
        WATCHERS,
        AttachedList,
        problems=(422,),
    ),
    Route(
        "POST",
        "/v1/devices/{device_id}/take-over",
        post_take_over,
        "Let another attached device stand in for one that broke",
        KEEPERS,
        TakeOver,
        body=TakeOverRequest,
        problems=(403, 404, 409, 422, 503),
    ),
    Route(
        "DELETE",
        "/v1/devices/{device_id}/take-over",
        delete_take_over,
        "Undo it: the configured device is meant again",
        KEEPERS,
        PutBack,
        problems=(403, 404, 422, 503),
    ),
)
