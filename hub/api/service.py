"""What is open without a token: health, readiness, metrics, the API's description, the console's files."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import resources

from aiohttp import web

from hub.api.problems import problem
from hub.api.routing import RUNTIME, client_of, may
from hub.monitoring.scrape import Scrape
from hub.store.model import utc
from sync.errors import SyncError
from sync.store.replicas import touch

SCRAPE = web.AppKey("scrape", Scrape)
CONSOLE_FILES = {
    "docs.html": "text/html",
    "index.html": "text/html",
    "pair.html": "text/html",
    "build-a-till.md": "text/plain",  # docs/ has it: the same file
    "client.js": "text/javascript",
    "closing.js": "text/javascript",
    "cloud.js": "text/javascript",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "day.js": "text/javascript",
    "devices.js": "text/javascript",
    "docs.js": "text/javascript",
    "disk.js": "text/javascript",
    "dom.js": "text/javascript",
    "enrol.js": "text/javascript",
    "figures.js": "text/javascript",
    "fingerprint.js": "text/javascript",
    "format.js": "text/javascript",
    "hubs.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "labels.js": "text/javascript",
    "language.js": "text/javascript",  # the fleet's page has it: the same file
    "members.js": "text/javascript",
    "orders.js": "text/javascript",
    "pace.js": "text/javascript",
    "packing.js": "text/javascript",
    "pair.css": "text/css",
    "pair.js": "text/javascript",
    "people.js": "text/javascript",
    "plot.js": "text/javascript",
    "prices.js": "text/javascript",
    "prints.js": "text/javascript",
    "products.js": "text/javascript",
    "receipts.js": "text/javascript",
    "reports.js": "text/javascript",
    "requests.js": "text/javascript",
    "sales.js": "text/javascript",
    "scans.js": "text/javascript",
    "seconds.js": "text/javascript",
    "settle.js": "text/javascript",
    "stock.js": "text/javascript",
    "tablets.js": "text/javascript",
    "trail.js": "text/javascript",
    "uPlot.LICENSE.txt": "text/plain",
    "uPlot.css": "text/css",
    "uPlot.js": "text/javascript",
    "view.js": "text/javascript",
    "views.js": "text/javascript",
    "visitors.js": "text/javascript",
    "words-pages.js": "text/javascript",
    "words.js": "text/javascript",
    "zones.js": "text/javascript",
}
_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-src {frames}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


async def healthz(_: web.Request) -> web.StreamResponse:
    """The process lives and its loop turns."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """The hub sells: this process has committed, and its last commit went through."""
    hub = request.app[RUNTIME]
    hub.room.look()
    await hub.room.try_again()  # now: without traffic nobody else would
    if hub.db.fault is None and not hub.db.is_proven:
        with suppress(SyncError):
            await hub.db.write(touch)
    if not hub.db.is_proven:
        return problem(503, "not_ready", f"the last commit failed: {hub.db.fault}")
    said = {"status": "ready", "rep": hub.replica.rep, "copies": hub.replication.copies, "version": hub.version}
    began = utc(hub.started_ms).isoformat(timespec="milliseconds")
    return web.json_response(said | {"started_at": began, "disk": hub.room.state})


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text, to this machine or to a token with `ops`."""
    hub = request.app[RUNTIME]
    client = client_of(request, hub)
    if not _is_local(request) and not (client and may(client, frozenset({"ops"}))):
        return problem(401, "unauthorized")
    return web.Response(
        body=await request.app[SCRAPE].render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


def describe(document: Callable[[], bytes]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of /openapi.json; the document is made in a thread, when somebody asks."""

    async def openapi_json(_: web.Request) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(document), content_type="application/json")

    return openapi_json


async def console_file(request: web.Request) -> web.StreamResponse:
    """Serve a file of the console; `/` is its page."""
    name = (
        request.match_info.get("name") or {"/": "index.html", "/docs": "docs.html", "/pair": "pair.html"}[request.path]
    )
    if name not in CONSOLE_FILES:
        raise web.HTTPNotFound
    frames = " ".join(page.url for page in request.app[RUNTIME].config.pages) or "'none'"
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY.format(frames=frames)}
    content = resources.files("hub.console").joinpath(name).read_bytes()
    return web.Response(body=content, content_type=CONSOLE_FILES[name], charset="utf-8", headers=headers)


def _is_local(request: web.Request) -> bool:
    return request.remote is not None and ipaddress.ip_address(request.remote).is_loopback
