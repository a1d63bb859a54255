"""What every request passes before it is looked at: its client's turn, and whose page it comes from.

    turn      hub.limits; who is refused is answered after a while, so that asking again at once costs this hub next to nothing;
              of those let in, one of each client begins in a pass of the loop (hub.api.lanes), and each has
              its share of a group commit (sync.groups)
    origin    a browser names the page that asks; only this hub's own pages may (CORS is closed, also for WebSockets)

Not here: connections (hub.api.door), tokens and scopes (hub.api.routing).
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from aiohttp import web

from hub.api.lanes import Lanes
from hub.api.problems import problem
from hub.api.routing import RUNTIME, client_of
from hub.limits import Limits, Turn, Turns
from sync.groups import WRITES_FOR

REFUSED_HOLD_S = (
    1.0  # and up to as much again before a 429 goes out: a connection gets one a second at most, whatever it sends
)
SOCKETS_AT = frozenset(
    {"/v1/events", "/sync/v1/link"}
)  # these last; how many there are is bounded where they are served
LIMITS = web.AppKey("limits", Limits)
LANES = web.AppKey("lanes", Lanes)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in when it is its client's turn."""
    turns, who = turns_of(request)
    turn = turns.begin(who, now_s=asyncio.get_running_loop().time(), lasts=request.path not in SOCKETS_AT)
    if turn.retry_after_s:
        return await _refuse(request, who, turn)
    try:
        if turn.wait_s:
            await asyncio.sleep(turn.wait_s)
        await request.app[LANES].begin(who)
        WRITES_FOR.set(who)
        if is_foreign(request):
            return problem(403, "foreign_origin", "this page is not one of this hub's")
        return await handler(request)
    finally:
        turns.end(turn)


def turns_of(request: web.Request) -> tuple[Turns, str]:
    """Return where a request's turns are counted, and under which name: the paired client, else the address."""
    app = request.app
    limits, client = app[LIMITS], client_of(request, app[RUNTIME])
    return (limits.strangers, request.remote or "") if client is None else (limits.clients, client.till_id)


def is_foreign(request: web.Request) -> bool:
    """Whether a browser asks for a page that another server gave it; http or https is all one. Fetch Standard, 3.2; RFC 6454."""
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.host.lower()


async def _refuse(request: web.Request, who: str, turn: Turn) -> web.StreamResponse:
    request.app[RUNTIME].metrics.limited.labels("requests").inc()
    if turn.is_news:
        log.warning("a client asks too much and is slowed down", extra={"client": who, "address": request.remote})
    await asyncio.sleep(REFUSED_HOLD_S * (1 + turn.share))
    said = f"{who} asks too much at once"
    response = problem(429, "too_many_requests", said, retry_after_s=math.ceil(turn.retry_after_s))
    if not request.content.is_eof():
        response.force_close()  # its body is not read
    return response
