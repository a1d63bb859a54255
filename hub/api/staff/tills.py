"""Clients that were paired: who they are, and taking the token of one that was lost or sold away. For a manager.

Also here: that a till speaks for itself only (`check_till`).
"""

from msgspec import Struct

from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.errors import RefusedError
from hub.store.staff import tills
from hub.store.staff.tills import TillView


class TillList(Struct, frozen=True):
    """All that were ever paired, in that order."""

    items: list[TillView]


def check_till(call: Call, till_id: str, *, what: str, pointer: str = "/till_id") -> None:
    """Refuse what a till says in another one's name; a manager may."""
    if call.client.scope == "till" and till_id != call.client.till_id:
        detail = f"this token is {call.client.till_id}, the {what} says {till_id}"
        raise RefusedError("not_your_till", detail, pointer=pointer)


async def list_tills(call: Call) -> Reply:
    """GET /v1/tills"""
    return Reply(TillList(tills.list_tills(call.hub.db.read)))


async def delete_till(call: Call) -> Reply:
    """DELETE /v1/tills/{till_id}"""
    return await revoke(call, by=call.actor)


async def revoke(call: Call, *, by: str) -> Reply:
    """Shut a client out, for a manager or for a command of this machine."""
    hub, till_id = call.hub, call.path["till_id"]
    now_ms = hub.now_ms()

    def shut_out(_: TillView) -> None:
        hub.tokens.shut_out(till_id)
        hub.bus.cut(till_id)
        hub.replication.standby.shut_out(till_id)

    view = await hub.db.write(lambda tx: tills.revoke(tx, till_id, actor=by, now_ms=now_ms), then=shut_out)
    return Reply(view)


ROUTES = (
    Route("GET", "/v1/tills", list_tills, "Clients that were paired", MANAGER, TillList, problems=(403,)),
    Route(
        "DELETE",
        "/v1/tills/{till_id}",
        delete_till,
        "Make a client's token worth nothing",
        MANAGER,
        TillView,
        problems=(403, 404, 503),
    ),
)
