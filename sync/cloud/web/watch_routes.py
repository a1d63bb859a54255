"""The fleet, as JSON and as a page.

GET /cloud/v1/fleet        every store of the configuration, and every one that ever spoke                     (office)
GET /  GET /fleet/{file}   the page: plain files without any data; it asks for an office token and keeps it for the window (open)
"""

from functools import cache
from importlib import resources

from aiohttp import web
from aiohttp.web_routedef import RouteDef

from sync.cloud.collect.tokens import shut_out
from sync.cloud.watch.fleet import facts_of, watched
from sync.cloud.web.http import CLOUD, AnswerError, answer, office

FILES = {
    "index.html": "text/html",
    "fleet.css": "text/css",
    "fleet.js": "text/javascript",
    "language.js": "text/javascript",
    "words.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def get_fleet(request: web.Request) -> web.StreamResponse:
    """How every store is, all of one moment."""
    cloud = request.app[CLOUD]
    line, now_ms = cloud.line, cloud.books.now_ms()
    facts = facts_of(cloud.books.db.read)
    shut, asked = shut_out(cloud.books.db.read, cloud.config), {each.store for each in cloud.config.pulls}
    stores = sorted({*cloud.config.stores, *facts.received_ms, *facts.said})
    items = [
        watched(
            store,
            facts,
            line.hubs_of(store),
            cloud.config.schedules.get(store),
            seen_ms=line.last_seen_ms.get(store),
            now_ms=now_ms,
            is_shut=store in shut,
            is_asked=store in asked,
        )
        for store in stores
    ]
    return answer({"now_ms": now_ms, "cloud": cloud.config.cloud_id, "items": items})


async def get_page(_: web.Request) -> web.StreamResponse:
    """The page."""
    return _file("index.html")


async def get_file(request: web.Request) -> web.StreamResponse:
    """What belongs to the page."""
    return _file(request.match_info["file"])


def watch_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.get("/cloud/v1/fleet", office(get_fleet)),
        web.get("/", get_page),
        web.get("/fleet/{file}", get_file),
    ]


def _file(name: str) -> web.Response:
    if name not in FILES:
        raise AnswerError(404, "not_found", f"no file {name[:40]!r}")
    return web.Response(body=_content(name), content_type=FILES[name], charset="utf-8", headers=HEADERS)


@cache
def _content(name: str) -> bytes:
    return resources.files("sync.cloud.watch").joinpath("page", name).read_bytes()
