"""GET /v1/disk: how much room there is where the books lie, what is held back for sales, and what is given up for them."""

from hub.api.routing import Call, Reply, Route
from hub.disk.room import DiskView
from hub.store.staff.tills import Scope

WATCHERS: frozenset[Scope] = frozenset({"till", "manager", "ops"})


async def get_disk(call: Call) -> Reply:
    """GET /v1/disk"""
    return Reply(call.hub.room.view)


ROUTES = (
    Route("GET", "/v1/disk", get_disk, "Room where the books lie, and what is given up for sales", WATCHERS, DiskView),
)
