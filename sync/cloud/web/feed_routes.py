"""What a retailer's own systems read: a page of a stream, waited for if they like, and which streams there are.

GET /cloud/v1/feed?stream=&after=&limit=&wait=&rep=    NDJSON, zstd or gzip, see sync.cloud.web.feed_page       (office)
GET /cloud/v1/streams                                  heads, and each store's digest                           (office)
"""

import asyncio
from typing import Annotated

from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.arrivals.cursors import STREAM_CHARS_MAX
from sync.cloud.handing.news import RECHECK_S
from sync.cloud.handing.streams import stream_views
from sync.cloud.web import views
from sync.cloud.web.encodings import coding_of, packed
from sync.cloud.web.feed_page import CONTENT_TYPE, write_page
from sync.cloud.web.http import CLOUD, AnswerError, Cloud, answer, office, read_query
from sync.errors import BusyError

FEED_ROWS_MAX = 1000  # rows of one answer; more are asked for with the next one
WAIT_MAX_S = 30.0  # proxies give up after 60
WAITING_MAX = 200  # who waits at once; one more is answered 503 and asks again
PLAIN_MAX = 16 * 1024  # a body up to here is packed on the loop; a larger one in a thread
WAITING = web.AppKey("feed_waiting", set[object])


class FeedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a stream behind `after`; with `wait` the answer comes when there is one, at the latest after so many seconds.

    `rep` is the cloud's life that gave `after` its meaning; another one answers 409.
    """

    stream: Annotated[str, Meta(min_length=1, max_length=STREAM_CHARS_MAX)]
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=FEED_ROWS_MAX)] = FEED_ROWS_MAX
    wait: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = 0.0
    rep: Annotated[str, Meta(max_length=128)] = ""


def feed_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.get("/cloud/v1/feed", office(get_feed)),
        web.get("/cloud/v1/streams", office(get_streams)),
    ]


async def get_feed(request: web.Request) -> web.StreamResponse:
    """A page of a stream, all stores together."""
    cloud, query = request.app[CLOUD], read_query(request, FeedQuery)
    db = cloud.books.db
    known = views.known_streams(db.read)
    if query.stream not in known:
        raise AnswerError(404, "stream", f"no stream {query.stream!r}; known: {', '.join(known)}")
    if query.rep and query.rep != cloud.books.replica.rep:
        raise AnswerError(409, "feed_reborn", f"this is {cloud.books.replica.rep}, not {query.rep}", pointer="/rep")
    rows = await _rows(cloud, query, request.app[WAITING])
    body = write_page(query.stream, rows, after=query.after, limit=query.limit)
    coding = coding_of(request.headers.get("Accept-Encoding", ""))
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": coding} if coding else {})
    body = packed(body, coding) if len(body) <= PLAIN_MAX else await asyncio.to_thread(packed, body, coding)
    return web.Response(body=body, content_type=CONTENT_TYPE, headers=headers)


async def get_streams(request: web.Request) -> web.StreamResponse:
    """Every stream with its head."""
    books = request.app[CLOUD].books
    return answer({"rep": books.replica.rep, "items": await books.db.look(stream_views)})


async def _rows(cloud: Cloud, query: FeedQuery, waiting: set[object]) -> list[views.FeedRow]:
    """Return rows, at once or as soon as there are some."""
    loop = asyncio.get_running_loop()
    until_s, place = loop.time() + query.wait, object()
    try:
        while True:
            mark = cloud.news.mark()
            rows = await views.feed_rows(cloud.books.db, query.stream, after=query.after, limit=query.limit)
            left_s = until_s - loop.time()
            if rows or left_s <= 0:
                return rows
            if place not in waiting and len(waiting) >= WAITING_MAX:
                raise BusyError("busy", f"{len(waiting)} readers are waiting")
            waiting.add(place)
            await cloud.news.after(mark, min(left_s, RECHECK_S))
    finally:
        waiting.discard(place)
