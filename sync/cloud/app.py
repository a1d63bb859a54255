"""The aiohttp application of the cloud end: the stores' WebSocket beside the routes of head office.

GET /sync/v1/link   a store's own token, subprotocol storehub.sync.v1; one connection a store
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from sync.cloud.http import BODY_MAX, CLOUD, AnswerError, Cloud, Handler, holder_of, translate_errors
from sync.cloud.line import Connection
from sync.cloud.routes import routes
from sync.cloud.store import CloudBooks
from sync.errors import StartError
from sync.link import HEARTBEAT_S, Conversation
from sync.protocol import FRAME_MAX, SUBPROTOCOL
from sync.session import Opened

STOP_TIMEOUT_S = 1.0  # requests under way at a stop; their write jobs finish whatever happens to the answer
LINK_PATH = "/sync/v1/link"

log = logging.getLogger(__name__)


def application(cloud: Cloud) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[cut_off_when_down, translate_errors], client_max_size=BODY_MAX)
    app[CLOUD] = cloud
    app.on_shutdown.append(_hang_up)
    app.router.add_get(LINK_PATH, link)
    app.router.add_routes(routes(demo_line=cloud.config.demo_line))
    return app


@asynccontextmanager
async def serve(cloud: Cloud) -> AsyncIterator[int]:
    """Listen on the configured address; yield the port."""
    config = cloud.config
    runner = web.AppRunner(application(cloud), access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port).start()
        except OSError as err:
            reason = err.strerror or str(err)
            raise StartError(
                f"cannot listen on {config.host}:{config.port} ({reason}); stop what uses it or choose another [cloud] port"
            ) from err
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@web.middleware
async def cut_off_when_down(request: web.Request, handler: Handler) -> web.StreamResponse:
    """While the demo's line is down, end whatever a store begins, before anything of it is looked at."""
    if request.app[CLOUD].line.is_up or not request.path.startswith("/sync/"):
        return await handler(request)
    _aborter(request)()
    return web.Response()  # to nobody


async def link(request: web.Request) -> web.StreamResponse:
    """Talk with a store until either side ends."""
    cloud, holder = request.app[CLOUD], holder_of(request)
    if holder is None:
        raise AnswerError(401, "unauthorized")
    if holder.scope != "store":
        raise AnswerError(403, "forbidden", f"needs a store's token, this one is of scope {holder.scope}")
    ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX, heartbeat=HEARTBEAT_S, compress=False)
    offered = {each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not ws.can_prepare(request).ok or SUBPROTOCOL not in offered:
        raise AnswerError(400, "not_a_link", f"offered: {', '.join(sorted(offered - {''}))[:200] or 'no subprotocol'}")
    await ws.prepare(request)

    store, cut = holder.name, _aborter(request)

    def opened(what: Opened) -> None:
        connection.rep = what.peer_rep

    def admits(rep: str) -> bool:
        is_own = rep.rpartition(":")[0] == store
        if not is_own:
            log.error(
                "a store's token is used by another replica; correct [store] id or the token",
                extra={"store": store, "rep": rep[:80]},
            )
        return is_own

    conversation = Conversation(
        "acceptor", CloudBooks(cloud.books, store), now_ms=cloud.books.now_ms, on_open=opened, admits=admits
    )
    connection = Connection(store, cut, conversation.grown, cloud.books.now_ms())
    cloud.line.enter(connection)
    log.info("a store is connected", extra={"store": store})
    try:
        end = await conversation.run(ws)
    finally:
        cloud.line.leave(connection)
    log.info("a store's connection has ended", extra={"store": store, "reason": end.code, "detail": end.detail})
    return ws


def _aborter(request: web.Request) -> Callable[[], None]:
    """Return what ends a request's connection without a word; while the other end is not told why, it must dial again."""
    transport = request.transport

    def cut() -> None:
        if transport is not None:
            transport.abort()

    return cut


async def _hang_up(app: web.Application) -> None:
    """At the end of the process: the stores dial again, nothing unacknowledged is lost."""
    app[CLOUD].line.cut_all()
