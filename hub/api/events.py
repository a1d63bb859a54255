"""GET /v1/events: the WebSocket of a tablet. First frame `hello{rep,cursor,epoch,schema}`, then events as they come.

A client that stops reading fills its queue, is closed with 1013 and resumes by cursor; if even the close does not go out in
CLOSE_TIMEOUT_S its connection is cut. Frames that a client sends are ignored, commands go by HTTP; each takes one of its turns,
and who sends more than it has is closed with 1008.
"""

import asyncio
import socket
from contextlib import suppress

import msgspec
import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from hub.api.frames import Line
from hub.api.guard import turns_of
from hub.api.problems import problem
from hub.api.routing import RUNTIME, SUBPROTOCOL, client_of, may
from hub.bus import Subscriber
from hub.replication import Seen
from hub.runtime import Runtime
from hub.store.staff.tills import Paired

SEEN_MAX = 8  # streams that a client may bear witness of
SCHEMA = 1
HEARTBEAT_S = 20.0  # a tablet that sleeps or left the network is noticed within this time
CLOSE_TIMEOUT_S = 2.0
STOP_TIMEOUT_S = 0.5  # all of a stop has to fit into two seconds
SOCKETS = web.AppKey("event_sockets", set[web.WebSocketResponse])
KERNEL_BUFFER = 64 * 1024  # of what a sleeping tablet does not fetch; left alone the kernel would take megabytes
NOW_DIGITS = 15
FRAME_MAX = 4096  # clients have nothing to say here
CONSOLE_SCOPES = frozenset({"manager"})


async def events(request: web.Request) -> web.StreamResponse:
    """Serve one event socket until either side ends it."""
    hub = request.app[RUNTIME]
    client = client_of(request, hub)
    if client is None:
        return problem(401, "unauthorized")
    if not may(client, frozenset({"till", "manager"})):
        return problem(403, "forbidden", f"this token is {client.scope}")
    ws = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S,
        max_msg_size=FRAME_MAX,
        protocols=(SUBPROTOCOL,),
        timeout=CLOSE_TIMEOUT_S,
        compress=False,  # a frame is 300 bytes; a browser would have 300 KiB of zlib's memory kept for it here
        autoping=False,  # a ping is a frame that costs a turn
    )
    if not ws.can_prepare(request).ok:
        return problem(426, "not_a_websocket")
    await _witness(hub, request)  # before there is a socket: one that cannot be written is answered 503
    line = Line(ws, request, await ws.prepare(request))
    _bound_kernel(request)
    request.app[SOCKETS].add(ws)
    try:
        await _serve(hub, client, line)
    finally:
        request.app[SOCKETS].discard(ws)
    return ws


def _bound_kernel(request: web.Request) -> None:
    line = request.transport.get_extra_info("socket") if request.transport is not None else None
    if line is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)


async def close_all(app: web.Application) -> None:
    """Tell every tablet that the hub goes away; they come back by cursor. Who does not answer is cut by the server."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S), asyncio.TaskGroup() as group:
            sockets = app[SOCKETS].copy()
            for ws in sockets:
                group.create_task(_go_away(ws), name="events-close")
    except TimeoutError:
        pass


async def _go_away(ws: web.WebSocketResponse) -> None:
    await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the hub stops")


async def _serve(hub: Runtime, client: Paired, line: Line) -> None:
    ws, request = line.ws, line.request
    _hear_till(hub, client, request)
    subscriber = Subscriber(client.till_id, is_console=client.scope in CONSOLE_SCOPES)
    after = request.query.get("after")
    must_reset, missed = hub.bus.subscribe(subscriber, after, now_ms=hub.now_ms())
    cursor = hub.bus.cursor if must_reset or after is None else after
    hello = {"type": "hello", "rep": hub.replica.rep, "cursor": cursor, "epoch": hub.bus.epoch, "schema": SCHEMA}
    frames = [orjson.dumps(hello), *([b'{"type":"reset"}'] if must_reset else []), *missed]
    try:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(_send(line, subscriber, frames), name=f"events-send-{client.till_id}")
            watcher = group.create_task(_watch(ws, subscriber, request), name=f"events-watch-{client.till_id}")
            await _listen(ws, request)
            sender.cancel()
            watcher.cancel()
    finally:
        hub.bus.unsubscribe(subscriber)
        hub.claims.till_left(client.till_id)


async def _witness(hub: Runtime, request: web.Request) -> None:
    """Take `?seen=<rep>/<stream>/<seq>/<id>`, once for each stream: the newest fact that the client was ever answered."""
    for said in request.query.getall("seen", [])[:SEEN_MAX]:
        names = dict(zip(("rep", "stream", "seq", "key"), said.split("/", 3), strict=False))
        with suppress(
            msgspec.ValidationError
        ):  # nothing that a till says of the past keeps it from hearing the present
            await hub.replication.witness(msgspec.convert(names, Seen, strict=False))


def _hear_till(hub: Runtime, client: Paired, request: web.Request) -> None:
    """Take `?now=<milliseconds since 1970>`: what the till's clock shows."""
    shown = request.query.get("now", "")
    if shown.isascii() and shown.isdecimal() and len(shown) <= NOW_DIGITS:
        hub.clock.till_shows(client.till_id, int(shown))


async def _send(line: Line, subscriber: Subscriber, frames: list[bytes]) -> None:
    with suppress(ConnectionError):
        while line.is_open:
            await line.write(frames)
            frames = await subscriber.take()


async def _listen(ws: web.WebSocketResponse, request: web.Request) -> None:
    """Take what the client sends until it has nothing more to say, or says too much."""
    turns, who = turns_of(request)
    loop = asyncio.get_running_loop()
    async for message in ws:
        turn = turns.begin(who, now_s=loop.time(), lasts=False)
        if turn.wait_s or turn.retry_after_s:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"nothing is to be said here")
            return
        if message.type is WSMsgType.PING:
            await ws.pong(message.data)


async def _watch(ws: web.WebSocketResponse, subscriber: Subscriber, request: web.Request) -> None:
    await subscriber.dropped.wait()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow, resume by cursor")
    except TimeoutError:
        pass
    if request.transport is not None:
        request.transport.abort()
