"""GET /sync/v1/link: the WebSocket by which the store's other hub follows this one; a token of scope `standby`.

The frames are those of the line to the cloud (sync.protocol), subprotocol storehub.sync.v1. Not here: what is said
(hub.standby.line).
"""

from aiohttp import web

from hub.api.events import SOCKETS
from hub.api.problems import problem
from hub.api.routing import RUNTIME, client_of, may
from sync.line.link import HEARTBEAT_S
from sync.protocol import FRAME_MAX, SUBPROTOCOL


async def link(request: web.Request) -> web.StreamResponse:
    """Talk until either side ends."""
    hub = request.app[RUNTIME]
    client = client_of(request, hub)
    if client is None:
        return problem(401, "unauthorized")
    if not may(client, frozenset({"standby"})):
        return problem(403, "forbidden", f"needs standby, this token is {client.scope}")
    ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX, heartbeat=HEARTBEAT_S, compress=False)
    offered = {each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not ws.can_prepare(request).ok or SUBPROTOCOL not in offered:
        return problem(426, "not_a_link", f"a WebSocket of subprotocol {SUBPROTOCOL} is spoken here")
    if hub.replication.standby.is_full:
        return problem(503, "busy", "enough hubs follow this one; see that none dials twice")
    await ws.prepare(request)
    transport = request.transport

    def cut() -> None:
        if transport is not None:
            transport.abort()

    if client_of(request, hub) is None:  # revoked while the socket was opened
        cut()
        return ws
    request.app[SOCKETS].add(ws)
    try:
        await hub.replication.standby.answer(ws, till_id=client.till_id, cut=cut)
    finally:
        request.app[SOCKETS].discard(ws)
    return ws
