"""The aiohttp applications: the API for tills on TCP, the control socket for commands of this machine."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from hub.api import control, disk, service, shop
from hub.api.attached import attachments, counter_top, device_wire, devices, insights
from hub.api.catalogue import catalogue, labels, mirror, pricing, styles
from hub.api.day import days, drawer_sessions
from hub.api.door import Door
from hub.api.events import SOCKETS, close_all, events
from hub.api.guard import LANES, LIMITS, guard
from hub.api.lan import LanSite, listen
from hub.api.lanes import Lanes
from hub.api.openapi import openapi
from hub.api.orders import order_papers, orders
from hub.api.people import coupons, members
from hub.api.replica import clock, hubs, standby_keys, standby_registers, sync
from hub.api.replica.link import link
from hub.api.routing import BODY_MAX, RUNTIME, Route, endpoint, translate_errors
from hub.api.selling import baskets, elsewhere, exchanges, printing, quotes, receipts, returns, sales, suspended
from hub.api.staff import approvals, cashiers, pairing, tills, trail, trust
from hub.api.stock import attention, counts, documents, requests, reservations, stock
from hub.limits import Limits
from hub.monitoring.scrape import Scrape
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
        *disk.ROUTES,
        *catalogue.ROUTES,
        *mirror.ROUTES,
        *requests.ROUTES,
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
        *elsewhere.ROUTES,
        *members.ROUTES,
        *exchanges.ROUTES,
        *coupons.ROUTES,
        *orders.ROUTES,
        *order_papers.ROUTES,
        *printing.ROUTES,
        *counter_top.ROUTES,
        *labels.ROUTES,
        *devices.ROUTES,
        *device_wire.ROUTES,
        *attachments.ROUTES,
        *insights.ROUTES,
        *clock.ROUTES,
        *attention.ROUTES,
        *trail.ROUTES,
        *cashiers.ROUTES,
        *approvals.ROUTES,
        *drawer_sessions.ROUTES,
        *days.ROUTES,
        *sync.ROUTES,
        *hubs.ROUTES,
        *standby_keys.ROUTES,
        *standby_registers.ROUTES,
    )


def api_application(hub: Runtime, limits: Limits) -> web.Application:
    """Return the application that tills talk to."""
    table = routes()
    app = _application(hub, table, body_max=BODY_MAX, first=(guard,))
    app[SOCKETS] = set()
    app[LIMITS] = limits
    app[LANES] = Lanes()
    app[service.SCRAPE] = Scrape(hub)
    app.on_shutdown.append(close_all)
    app.router.add_get("/v1/events", events)
    app.router.add_get("/sync/v1/link", link)
    app.router.add_get("/sync/v1/feed", sync.get_feed)
    app.router.add_get("/sync/v1/snapshot", sync.get_snapshot)
    app.router.add_post("/sync/v1/batch", sync.post_batch)
    app.router.add_get("/r/{code}", receipts.get_page)
    trust.add_routes(app)
    app.router.add_get("/healthz", service.healthz)
    app.router.add_get("/readyz", service.readyz)
    app.router.add_get("/metrics", service.metrics)
    app.router.add_get("/openapi.json", service.describe(partial(_document, hub.version)))
    app.router.add_get("/", service.console_file)
    app.router.add_get("/docs", service.console_file)
    app.router.add_get("/console/{name}", service.console_file)
    return app


def control_application(hub: Runtime) -> web.Application:
    """Return the application behind DIR/hub.sock; who may open the socket may do everything."""
    return _application(hub, control.ROUTES, body_max=control.BODY_MAX)


@cache
def _document(version: str) -> bytes:
    """The description of the API: the same for every hub, and forty milliseconds of work that no start waits for."""
    return orjson.dumps(openapi(routes(), version=version))


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
    socket_path = hub.config.control_socket
    try:
        await api.setup()
        await local.setup()
        async with _on_the_network(hub, api, limits):
            socket_path.unlink(missing_ok=True)  # ours or a dead hub's: we hold the lock
            await _listen(local, socket_path)
            yield hub.port
    finally:
        with suppress(OSError):  # a disk that takes no writes: the next start removes it
            socket_path.unlink()
        await api.cleanup()
        await local.cleanup()


@asynccontextmanager
async def _on_the_network(hub: Runtime, api: web.AppRunner, limits: Limits) -> AsyncIterator[None]:
    """Listen where the configuration says: without TLS on this machine, with it on the LAN."""
    host, port = hub.config.host, hub.config.port
    assert api.server is not None
    door = Door(limits, hub.metrics, api.server)
    if hub.tls is None:
        try:
            server = await door.listen(host, port)
        except OSError as err:
            raise StartError(_busy_port(host, port, err)) from err
        hub.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
        return
    try:
        listening = listen(host, port)
    except OSError as err:
        raise StartError(_busy_port(host, port, err)) from err
    hub.port = listening.getsockname()[1]
    doorstep = web.AppRunner(trust.doorstep_application(hub, limits), access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    await doorstep.setup()
    async with asyncio.TaskGroup() as group:
        assert doorstep.server is not None
        outside = Door(limits, hub.metrics, doorstep.server)
        site = LanSite(api, listening, door=door, doorstep=outside, tls=hub.tls, group=group)
        await site.start()
        renewing = group.create_task(hub.tls.run(), name="certificate")
        try:
            yield
        finally:
            renewing.cancel()
            await site.stop()
            await doorstep.cleanup()


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
