"""Replication over HTTP: how this hub stands to the cloud, and the routes by which a cloud on the same network asks for rows.

    GET  /v1/sync                                   staff: line, next contact, rows waiting, what is safe
    POST /v1/sync/now                               staff: speak with the cloud at once, whatever the schedule says
    POST /sync/v1/hello                             cloud: who are you, how far do you hold my streams; which lives have ended
    GET  /sync/v1/streams                           cloud: what there is, own and of other lives of the store
    GET  /sync/v1/feed?stream=&rep=&after=&limit=   cloud: rows as NDJSON, zstd when asked; `after` frees nothing
    GET  /sync/v1/snapshot?stream=&rep=&n=          cloud: what rows below the floor came to, a part of it as a frame
    POST /sync/v1/ack {stream,last,digest}          cloud: committed up to here
    POST /sync/v1/batch                             cloud: rows or a sum (frames of sync.protocol), answered when durable

Source: the design, 3.4. Not here: the WebSocket, which the hub dials itself (sync.line.link).
"""

from typing import Annotated

import msgspec
from aiohttp import web
from backports import zstd
from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.problems import problem
from hub.api.routing import RUNTIME, Call, Reply, Route, client_of, may, read_query
from hub.books import HubBooks
from hub.errors import ConflictError, NotFoundError
from hub.holders import PEER
from hub.replication import SyncView
from hub.runtime import Runtime
from hub.store.staff.tills import Scope
from sync.batch import ROWS_MAX, START, Boundary, Gap, Head, Seq
from sync.errors import ForkError, ProtocolError
from sync.feed import CONTENT_TYPE, write_feed
from sync.opening import parts_of
from sync.protocol import FEATURES, Packed, Snapshot, decode, encode, part_of, snapshot, unpacked

CLOUD: frozenset[Scope] = frozenset({"cloud"})
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]


class HeldView(Struct, frozen=True):
    """How far a stream is held; `digest` is in hex."""

    rep: str
    stream: str
    last: Seq
    digest: Digest


class LifeView(Struct, frozen=True):
    """A life of this hub that has ended, and how far this hub holds its logs."""

    rep: str
    heads: dict[str, int]


class AskedView(Struct, frozen=True):
    """Whether somebody dials now; where nobody does (no cloud, or the cloud asks) `mode` says why."""

    dials: bool
    mode: str


class HelloRequest(Struct, frozen=True):
    """Who asks, how far it holds this hub's streams, which lives of this store it has sealed, and what time it is there."""

    rep: str
    vector: list[HeldView] = []
    sealed: list[str] = []
    now_ms: int | None = None


class HelloAnswer(Struct, frozen=True):
    """Who this is, how far it holds the asker's streams, which of its lives have ended, which features it has."""

    rep: str
    vector: list[HeldView]
    now_ms: int
    former: list[LifeView] = []
    features: tuple[str, ...] = FEATURES


class StreamView(Struct, frozen=True):
    """A stream of this hub: its last seq, how far the cloud acknowledged it, and up to where its rows are no more."""

    rep: str
    stream: str
    feed: str
    last: int
    acked: int
    floor: int = 0


class StreamList(Struct, frozen=True):
    """All streams, the urgent ones first."""

    rep: str
    streams: list[StreamView]


class FeedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows. `rep` and `digest` (of the boundary `after`) are for streams that this hub passes on."""

    stream: str
    rep: str = ""
    digest: Digest = "0000000000000000"
    after: Seq = 0
    limit: Annotated[int, Meta(ge=1, le=ROWS_MAX)] = ROWS_MAX


class PartQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the sum of which log."""

    stream: str
    rep: str = ""
    n: Seq = 0


class AckRequest(Struct, frozen=True):
    """Everything up to `last` is durable at the asker's."""

    stream: str
    last: Seq
    digest: Digest
    rep: str | None = None


class AckView(Struct, frozen=True):
    """How far a stream is held now; `gap` when rows before a batch are missing: send again from there."""

    rep: str
    stream: str
    last: int
    digest: Digest
    gap: bool = False


async def get_sync(call: Call) -> Reply:
    """GET /v1/sync"""
    return Reply(call.hub.replication.view())


async def post_now(call: Call) -> Reply:
    """POST /v1/sync/now"""
    ask = call.hub.replication.link.ask
    if ask is not None:
        ask()
    return Reply(AskedView(ask is not None, call.hub.replication.view().mode), 202 if ask is not None else 200)


async def post_hello(call: Call) -> Reply:
    """POST /sync/v1/hello"""
    hub, request = call.hub, call.body
    hub.replication.asked(request.rep)
    if request.now_ms is not None:
        hub.replication.told_time(call.client.till_id, request.now_ms)
    books = hub.replication.books
    why = "sealed" if books.rep in request.sealed else _never_offered(books, request)
    if why:
        await _begin_anew(call, why)
        raise ConflictError("fork", why)
    if hub.replication.peer_of(call.client.till_id) == PEER:
        await books.held_by_cloud({(each.rep, each.stream): _boundary(each) for each in request.vector})
    if request.sealed:
        await books.note_sealed(tuple(request.sealed))
    vector = [_view(rep, stream, at) for (rep, stream), at in books.vector(request.rep).items()]
    former = [LifeView(life.rep, life.heads) for life in books.former()]
    hub.replication.greeted_as = books.rep
    return Reply(HelloAnswer(books.rep, vector, hub.now_ms(), former))


async def get_streams(call: Call) -> Reply:
    """GET /sync/v1/streams"""
    replication = call.hub.replication
    replication.asked()
    await replication.fold_now()
    books = replication.books
    held = books.holders.of(replication.peer_of(call.client.till_id))
    streams = [
        StreamView(
            *(head.rep, head.stream, head.feed, head.last),
            held.get(head.stream, 0) if head.rep == books.rep else 0,
            books.floor(head).last,
        )
        for head in books.heads()
    ]
    return Reply(StreamList(books.rep, streams))


async def post_ack(call: Call) -> Reply:
    """POST /sync/v1/ack"""
    request, books = call.body, call.hub.replication.books
    boundary = Boundary(request.last, bytes.fromhex(request.digest))
    rep = request.rep or books.rep
    if not books.is_offered(rep, request.stream, boundary):
        raise ConflictError("fork", f"{request.stream}: {request.last} was never offered with this digest")
    if rep == books.rep:  # what is passed on is safe where it came from
        await books.acked_by(call.hub.replication.peer_of(call.client.till_id), request.stream, boundary)
    return Reply(_ack(rep, request.stream, boundary))


async def get_feed(request: web.Request) -> web.StreamResponse:
    """GET /sync/v1/feed"""
    hub, refused = _cloud(request)
    if refused is not None:
        return refused
    body = await feed_of(hub, read_query(request, FeedQuery))
    if "zstd" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=zstd.compress(body), content_type=CONTENT_TYPE, headers={"Content-Encoding": "zstd"})
    return web.Response(body=body, content_type=CONTENT_TYPE)


async def feed_of(hub: Runtime, query: FeedQuery) -> bytes:
    """Return a page of a stream; raise NotFoundError or ConflictError."""
    books = hub.replication.books
    head = _head(books, query)
    is_own = head.rep == books.rep
    after = _boundary_at(hub, head, query.after) if is_own else Boundary(query.after, bytes.fromhex(query.digest))
    found = await books.load(head, after, query.limit)
    return write_feed(head, after, found[0] if found else None)


async def get_snapshot(request: web.Request) -> web.StreamResponse:
    """GET /sync/v1/snapshot"""
    hub, refused = _cloud(request)
    if refused is not None:
        return refused
    query: PartQuery = read_query(request, PartQuery)
    books = hub.replication.books
    head = _head(books, query)
    floor, opening = books.floor(head), await books.opening(head, 0)
    parts = parts_of(head.rep, head.stream, opening) if opening is not None else []
    if query.n >= max(1, len(parts)):
        raise NotFoundError("part", f"{head.stream}: there are {len(parts)} parts")
    gone = Snapshot(head.rep, head.stream, floor.last, floor.digest)
    body = encode(snapshot(parts[query.n]) if parts else gone)
    return web.Response(body=body, content_type="application/octet-stream")


async def post_batch(request: web.Request) -> web.StreamResponse:
    """POST /sync/v1/batch"""
    hub, refused = _cloud(request)
    if refused is not None:
        return refused
    try:
        answer = await take_frame(hub, await request.read())
    except ProtocolError as err:
        return problem(400, "protocol", err.detail)
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


async def take_frame(hub: Runtime, message: bytes) -> AckView:
    """Take the frame of a batch or of a part of a sum, durably; raise ProtocolError for what is neither.

    Raise ConflictError for what is said to a life that has ended: the asker has left out what that one had itself.
    """
    greeted, now = hub.replication.greeted_as, hub.replication.books.rep
    if greeted != now:
        raise ConflictError("fork", f"this hub was greeted as {greeted} and is {now}: say hello again")
    frame = decode(message)
    if not isinstance(frame, Packed | Snapshot):
        raise ProtocolError(f"a {type(frame).__name__} where a batch belongs")
    cursor = await _take(hub, frame)
    at = cursor.cursor if isinstance(cursor, Gap) else cursor
    return _ack(frame.rep, frame.stream, at, gap=isinstance(cursor, Gap))


async def _take(hub: Runtime, frame: Packed | Snapshot) -> Boundary | Gap:
    """Take rows, or a part of a sum: that changes nothing before the last one is here."""
    books = hub.replication.books
    if isinstance(frame, Packed):
        try:
            return await books.apply(unpacked(frame))
        except ForkError as err:
            raise ConflictError("fork", err.detail) from err
    opening = hub.replication.gathered.take(part_of(frame)) if frame.opens else None
    if frame.opens and opening is None:
        return START
    return await books.jump(frame.rep, frame.stream, Boundary(frame.last, frame.digest), opening)


def _head(books: HubBooks, query: FeedQuery | PartQuery) -> Head:
    wanted = (query.rep or books.rep, query.stream)
    head = next((head for head in books.heads() if (head.rep, head.stream) == wanted), None)
    if head is None:
        raise NotFoundError(
            "stream", f"no stream {query.stream!r}; streams: {', '.join(h.stream for h in books.heads())}"
        )
    return head


def _cloud(request: web.Request) -> tuple[Runtime, web.Response | None]:
    hub = request.app[RUNTIME]
    client = client_of(request, hub)
    if client is None:
        return hub, problem(401, "unauthorized")
    return hub, None if may(client, CLOUD) else problem(403, "forbidden", f"needs cloud, this token is {client.scope}")


def _boundary_at(hub: Runtime, head: Head, last: int) -> Boundary:
    digest = hub.replication.books.digest_at(head.stream, last)
    if digest is None:
        raise ConflictError(
            "fork", f"{head.stream}: {last} was never the end of a range; use `last` of an earlier answer"
        )
    return Boundary(last, digest)


def _never_offered(books: HubBooks, request: HelloRequest) -> str:
    """Return what the asker holds of this life that it was never offered, "" when all is well."""
    for held in request.vector:
        if held.rep == books.rep and not books.is_offered(held.rep, held.stream, _boundary(held)):
            return f"{held.stream}: {held.last} was never offered"
    return ""


async def _begin_anew(call: Call, why: str) -> None:
    """The store's own cloud knows another past of this hub: begin a new life. What a reader beside it says changes nothing."""
    replication = call.hub.replication
    if replication.peer_of(call.client.till_id) != PEER:
        return
    try:
        await replication.books.forked(why)
    except (ForkError, ProtocolError) as err:
        raise ConflictError("fork", err.detail) from err


def _boundary(held: HeldView) -> Boundary:
    return Boundary(held.last, bytes.fromhex(held.digest))


def _view(rep: str, stream: str, at: Boundary) -> HeldView:
    return HeldView(rep, stream, at.last, at.digest.hex())


def _ack(rep: str, stream: str, at: Boundary, *, gap: bool = False) -> AckView:
    return AckView(rep, stream, at.last, at.digest.hex(), gap)


ROUTES = (
    Route("GET", "/v1/sync", get_sync, "The line to the cloud, rows waiting, what is safe", STAFF, SyncView),
    Route(
        "POST", "/v1/sync/now", post_now, "Speak with the cloud at once", STAFF, AskedView, status=202, statuses=(200,)
    ),
    Route("POST", "/sync/v1/hello", post_hello, "Who is who", CLOUD, HelloAnswer, body=HelloRequest, problems=(409,)),
    Route("GET", "/sync/v1/streams", get_streams, "The streams of this hub", CLOUD, StreamList),
    Route("POST", "/sync/v1/ack", post_ack, "Committed up to here", CLOUD, AckView, body=AckRequest, problems=(409,)),
)
