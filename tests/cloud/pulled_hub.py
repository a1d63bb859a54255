"""A hub's HTTP side on a real socket: it serves real feeds to a cloud that asks, or lies in every way we know."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from backports import zstd

from sync.batch import START, Boundary, Gap, Head, new_rows
from sync.feed import CONTENT_TYPE, write_feed
from sync.model import Feed
from sync.protocol import Packed, decode, unpacked

HUB_TOKEN = "what-the-hub-gave-out-1"


@dataclass
class PulledHub:
    """The routes of hub/api/replica/sync.py over the test's writer. `fault` is what it does to the next feed, or to
    everything.
    """

    writer: Any
    fault: str = ""
    held: dict[tuple[str, str], Boundary] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)
    catalogue: list[bytes] = field(default_factory=list)
    forget_catalogue: bool = False
    asked: int = 0
    rep: str = ""
    port: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    former: list[dict[str, Any]] = field(default_factory=list)
    siblings: list[Any] = field(default_factory=list)  # writers of other lives, passed on
    sealed: list[str] = field(default_factory=list)  # as the cloud told
    relayed: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    meanwhile: Callable[[], Awaitable[Any]] | None = None  # what happens before it answers

    async def hello(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        told = await request.json()
        assert {"rep", "vector"} <= set(told) <= {"rep", "vector", "sealed", "now_ms"}
        self.sealed = told.get("sealed", [])
        if self.fault == "fork":
            return web.json_response({"code": "fork"}, status=409)
        vector = [
            {"rep": rep, "stream": stream, "last": at.last, "digest": at.digest.hex()}
            for (rep, stream), at in self.held.items()
        ]
        greeting = {"rep": self.rep or self.writer.rep, "vector": vector, "now_ms": 1_790_000_000_500}
        return web.json_response(greeting | ({"former": self.former} if self.former else {}))

    async def streams(self, _: web.Request) -> web.StreamResponse:
        streams = [
            {"rep": self.writer.rep, "stream": name, "feed": "log", "last": len(rows), "acked": self.acked.get(name, 0)}
            for name, rows in self.writer.logs.items()
        ]
        streams += [
            {"rep": sibling.rep, "stream": name, "feed": "log", "last": len(rows), "acked": 0}
            for sibling in self.siblings
            for name, rows in sibling.logs.items()
        ]
        return web.json_response({"rep": self.writer.rep, "streams": streams})

    async def feed(self, request: web.Request) -> web.StreamResponse:
        name, after, limit = request.query["stream"], int(request.query["after"]), int(request.query["limit"])
        rep = request.query.get("rep", self.writer.rep)
        (writer,) = [each for each in (self.writer, *self.siblings) if each.rep == rep]
        assert rep == self.writer.rep or request.query["digest"] == writer.boundary(name, after).digest.hex()
        last = min(after + min(limit, 400), len(writer.logs[name]))
        batch = writer.batch(name, after, last) if last > after else None
        body = write_feed(Head(writer.rep, name, Feed.LOG, last), writer.boundary(name, after), batch)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.fault == "busy" and name == "sales":
            writer.sell(f"sold-at-{last}", 1)
            writer.give_back(f"back-at-{last}", f"sold-at-{last}")
        if self.fault == "digest":
            assert batch is not None
            body = body.replace(batch.digest.hex().encode(), b"00" * 8)
        if self.fault == "cut":
            body = body[: len(body) // 2]
        if self.fault == "skip":
            later = self.writer.boundary(name, after + 1)
            head = Head(self.writer.rep, name, Feed.LOG, last)
            body = write_feed(head, later, self.writer.batch(name, after + 1, last))
        if self.fault == "garbage":
            return _zstd(b"\x28\xb5\x2f\xfd nonsense")
        if self.fault == "bomb":
            return _zstd(zstd.compress(bytes(64 * 1024 * 1024)))
        if self.fault == "hang_up":
            response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": CONTENT_TYPE})
            await response.prepare(request)
            await response.write(body[:100])
            assert request.transport is not None
            request.transport.abort()
            return response
        if self.fault == "endless":
            response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
            await response.prepare(request)
            while True:
                await response.write(bytes(1024 * 1024))
        return _zstd(zstd.compress(body))

    async def ack(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert body["rep"] == self.writer.rep
        assert bytes.fromhex(body["digest"]) == self.writer.boundary(body["stream"], body["last"]).digest
        self.acked[body["stream"]] = body["last"]
        return web.json_response(body)

    async def batch(self, request: web.Request) -> web.StreamResponse:
        frame = decode(await request.read())
        assert isinstance(frame, Packed) and request.content_type == "application/octet-stream"
        batch = unpacked(frame)
        at = START if self.forget_catalogue else self.held.get((batch.rep, batch.stream), START)
        self.forget_catalogue = False
        rows = new_rows(at, batch)
        if not isinstance(rows, Gap):
            if batch.stream == "catalogue":
                self.catalogue += [row for _, row in rows]
            else:
                self.relayed.setdefault((batch.rep, batch.stream), []).extend(seq for seq, _ in rows)
            at = self.held[batch.rep, batch.stream] = batch.end
        told = {"rep": batch.rep, "stream": batch.stream, "last": at.last, "digest": at.digest.hex()}
        return web.json_response(told | {"gap": isinstance(rows, Gap)})

    @web.middleware
    async def door(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {HUB_TOKEN}" or self.fault == "token":
            return web.Response(status=401)
        if self.fault == "500":
            return web.Response(status=500, text="oops")
        if self.fault == "portal":
            return web.Response(text="<html>Welcome to Free WiFi</html>", content_type="text/html")
        if self.fault == "redirect":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/login"})
        if self.fault == "silent":
            await self.gate.wait()
        response: web.StreamResponse = await handler(request)
        return response


def _zstd(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Encoding": "zstd"}, content_type=CONTENT_TYPE)
