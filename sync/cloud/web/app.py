"""The aiohttp application of the cloud end: the stores' WebSocket beside the routes of head office.

GET  /sync/v1/link       a store's own token, subprotocol storehub.sync.v1; one connection a replica
POST /sync/v1/exchange   the same frames in HTTP bodies

With TLS a store may have to show its certificate as well ([cloud] client_certificates).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from sync.cloud.collect.guesses import Guesses
from sync.cloud.talk import exchange
from sync.cloud.talk.talks import Patience, talk
from sync.cloud.web.enrol_routes import GUESSES, store_of
from sync.cloud.web.feed_routes import WAITING
from sync.cloud.web.http import BODY_MAX, CLOUD, AnswerError, Cloud, Handler, translate_errors
from sync.cloud.web.promise_routes import CONTACT
from sync.cloud.web.routes import routes
from sync.errors import StartError
from sync.line.link import HEARTBEAT_S
from sync.protocol import FRAME_MAX, SUBPROTOCOL

STOP_TIMEOUT_S = 1.0  # requests under way at a stop; their write jobs finish whatever happens to the answer
LINK_PATH = "/sync/v1/link"
PATIENCE = web.AppKey("patience", Patience)
EXCHANGES = web.AppKey("exchanges", exchange.Exchanges)


def application(cloud: Cloud) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[cut_off_when_down, translate_errors], client_max_size=BODY_MAX)
    app[CLOUD] = cloud
    app[CONTACT] = cloud.contact
    app[PATIENCE] = Patience()
    app[GUESSES] = Guesses()
    app[WAITING] = set()
    app.cleanup_ctx.append(_hold_exchanges)
    app.on_shutdown.append(_hang_up)
    app.router.add_get(LINK_PATH, link)
    app.router.add_post(exchange.PATH, post_exchange)
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
            await web.TCPSite(runner, config.host, config.port, ssl_context=cloud.tls).start()
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
    cloud, (holder, token) = request.app[CLOUD], store_of(request)
    request.app[PATIENCE].check(holder.name, asyncio.get_running_loop().time())
    ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX, heartbeat=HEARTBEAT_S, compress=False)
    offered = {each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    if not ws.can_prepare(request).ok or SUBPROTOCOL not in offered:
        raise AnswerError(400, "not_a_link", f"offered: {', '.join(sorted(offered - {''}))[:200] or 'no subprotocol'}")
    await ws.prepare(request)
    await talk(cloud, holder.name, ws, token=token, cut=_aborter(request), patience=request.app[PATIENCE])
    return ws


async def post_exchange(request: web.Request) -> web.StreamResponse:
    """Take frames in and hand frames out; wait a while for some."""
    return await request.app[EXCHANGES].answer(request, *store_of(request))


def _aborter(request: web.Request) -> Callable[[], None]:
    """Return what ends a request's connection without a word; while the other end is not told why, it must dial again."""
    transport = request.transport

    def cut() -> None:
        if transport is not None:
            transport.abort()

    return cut


async def _hold_exchanges(app: web.Application) -> AsyncIterator[None]:
    async with exchange.exchanges(app[CLOUD], app[PATIENCE]) as held:
        app[EXCHANGES] = held
        yield


async def _hang_up(app: web.Application) -> None:
    """At the end of the process: the stores dial again, nothing unacknowledged is lost."""
    app[CLOUD].line.cut_all()
    app[EXCHANGES].cut_all()
