"""The aiohttp applications: the API for tills on TCP, the control socket for commands of this machine."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from hub.api import (
    approvals,
    attention,
    baskets,
    cashiers,
    catalogue,
    clock,
    control,
    counts,
    coupons,
    days,
    devices,
    documents,
    drawer_sessions,
    exchanges,
    insights,
    members,
    mirror,
    order_papers,
    orders,
    pairing,
    pricing,
    printing,
    quotes,
    receipts,
    reservations,
    returns,
    sales,
    service,
    shop,
    standby_keys,
    stock,
    styles,
    suspended,
    sync,
    tills,
    trail,
)
from hub.api.door import Door
from hub.api.events import SOCKETS, close_all, events
from hub.api.guard import LIMITS, guard
from hub.api.link import link
from hub.api.openapi import openapi
from hub.api.routing import BODY_MAX, RUNTIME, Route, endpoint, translate_errors
from hub.limits import Limits
from hub.runtime import Runtime
from sync.errors import StartError

STOP_TIMEOUT_S = 1.0  # requests under way at a stop; their write jobs finish whatever happens to the answer

LINE_MAX = 128 * 1024  # of a request: every query that the description allows has room, written as %XX throughout


def routes() -> tuple[Route, ...]:
    """Return every route of the API."""
    return (
        *pairing.ROUTES,
        *tills.ROUTES,
        *shop.ROUTES,
        *catalogue.ROUTES,
        *mirror.ROUTES,
        *documents.ROUTES,
        *counts.ROUTES,
        *reservations.ROUTES,
        *stock.ROUTES,
        *sales.ROUTES,
        *receipts.ROUTES,
        *suspended.ROUTES,
        *quotes.ROUTES,
        *styles.ROUTES,
        *pricing.ROUTES,
        *baskets.ROUTES,
        *returns.ROUTES,
        *members.ROUTES,
        *exchanges.ROUTES,
        *coupons.ROUTES,
        *orders.ROUTES,
        *order_papers.ROUTES,
        *printing.ROUTES,
        *devices.ROUTES,
        *insights.ROUTES,
        *clock.ROUTES,
        *attention.ROUTES,
        *trail.ROUTES,
        *cashiers.ROUTES,
        *approvals.ROUTES,
        *drawer_sessions.ROUTES,
        *days.ROUTES,
        *sync.ROUTES,
        *standby_keys.ROUTES,
    )


def api_application(hub: Runtime, limits: Limits) -> web.Application:
    """Return the application that tills talk to."""
    table = routes()
    app = _application(hub, table, body_max=BODY_MAX, first=(guard,))
    app[SOCKETS] = set()
    app[LIMITS] = limits
    app.on_shutdown.append(close_all)
    app.router.add_get("/v1/events", events)
    app.router.add_get("/sync/v1/link", link)
    app.router.add_get("/sync/v1/feed", sync.get_feed)
    app.router.add_get("/sync/v1/snapshot", sync.get_snapshot)
    app.router.add_post("/sync/v1/batch", sync.post_batch)
    app.router.add_get("/r/{code}", receipts.get_page)
    app.router.add_get("/healthz", service.healthz)
    app.router.add_get("/readyz", service.readyz)
    app.router.add_get("/metrics", service.metrics)
    app.router.add_get("/openapi.json", service.describe(_document()))
    app.router.add_get("/", service.console_file)
    app.router.add_get("/docs", service.console_file)
    app.router.add_get("/console/{name}", service.console_file)
    return app


def control_application(hub: Runtime) -> web.Application:
    """Return the application behind DIR/hub.sock; who may open the socket may do everything."""
    return _application(hub, control.ROUTES, body_max=control.BODY_MAX)


@cache
def _document() -> dict[str, Any]:
    """The description of the API (Any: JSON): the same for every hub, and forty milliseconds of work."""
    return openapi(routes(), version=version("store-hub"))


def _application(
    hub: Runtime, table: Sequence[Route], *, body_max: int, first: Sequence[Middleware] = ()
) -> web.Application:
    app = web.Application(middlewares=[*first, translate_errors], client_max_size=body_max)
    app[RUNTIME] = hub
    for path in sorted(
        {route.path for route in table}, key=lambda path: "{" in path
    ):  # a name stands before what fits any
        resource, methods = (
            app.router.add_resource(path),
            {route.method: route for route in table if route.path == path},
        )
        for method, route in methods.items():
            resource.add_route(method, endpoint(route))
        if "{" not in path:
            resource.add_route("*", _refuse_method(sorted(methods)))
    return app


def _refuse_method(allowed: Sequence[str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of every other method: /v1/sales/status is no sale of the name `status`."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, allowed)

    return refuse


@asynccontextmanager
async def serve(hub: Runtime) -> AsyncIterator[int]:
    """Listen on the configured address and on the control socket; yield the port."""
    limits = Limits(hub.config.limits)
    api = web.AppRunner(
        api_application(hub, limits), access_log=None, shutdown_timeout=STOP_TIMEOUT_S, max_line_size=LINE_MAX
    )
    local = web.AppRunner(control_application(hub), access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    config = hub.config
    server: asyncio.Server | None = None
    try:
        await api.setup()
        await local.setup()
        assert api.server is not None
        try:
            server = await Door(limits, hub.metrics, api.server).listen(config.host, config.port)
        except OSError as err:
            raise StartError(_busy_port(config.host, config.port, err)) from err
        config.control_socket.unlink(missing_ok=True)  # ours or a dead hub's: we hold the lock
        await _listen(local, config.control_socket)
        yield server.sockets[0].getsockname()[1]
    finally:
        config.control_socket.unlink(missing_ok=True)
        if server is not None:
            server.close()
        await api.cleanup()
        await local.cleanup()


async def _listen(local: web.AppRunner, path: Path) -> None:
    before = os.umask(0o177)
    try:
        await web.UnixSite(local, str(path)).start()
    except OSError as err:
        raise StartError(f"{path}: {err}; choose a data folder with a shorter or writable path") from err
    finally:
        os.umask(before)


def _busy_port(host: str, port: int, err: OSError) -> str:
    return f"cannot listen on {host}:{port} ({err.strerror or err}); stop what uses it or choose another [api] port"
