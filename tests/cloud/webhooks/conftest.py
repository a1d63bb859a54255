"""A retailer's own system on a real socket, and a cloud that may tell it."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from sync.cloud.handing.addresses import Allowed
from sync.cloud.handing.deliverer import Deliverer
from sync.cloud.talk.webhook_http import WebhookHttp

LOCAL = ("127.0.0.0/8",)


@dataclass
class Subscriber:
    """A retailer's own system: keeps what it is sent, answers as it is told."""

    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    hang: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def keys(self) -> list[str]:
        return [json.loads(body)["data"]["key"] for _, body in self.got]

    async def take(self, request: web.Request) -> web.Response:
        if self.hang is not None:
            await self.hang.wait()
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204, headers=self.headers)


Subscribe = Callable[[], Awaitable[Subscriber]]


@pytest.fixture
async def subscribe() -> AsyncIterator[Subscribe]:
    runners = []

    async def start() -> Subscriber:
        subscriber, app = Subscriber(), web.Application()
        app.router.add_post("/hook", subscriber.take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        subscriber.port = runner.addresses[0][1]
        runners.append(runner)
        return subscriber

    yield start
    for runner in runners:
        await runner.cleanup()


@asynccontextmanager
async def telling(cloud: Any, *, worker: str = "w1", allow: tuple[str, ...] = LOCAL) -> AsyncIterator[Deliverer]:
    async with WebhookHttp(Allowed(allow)) as http:
        cloud.cloud.books.metrics.registry = type(cloud.cloud.books.metrics.registry)()  # two workers are two processes
        yield Deliverer(cloud.cloud.books, cloud.cloud.news, http.send, worker=worker, rng=random.Random(1))


@pytest.fixture
async def cloud(start_cloud: Any) -> Any:
    return await start_cloud(handing={"allow": list(LOCAL)})


async def add(cloud: Any, to: Subscriber, name: str = "erp", **more: Any) -> Any:
    body = {"name": name, "url": to.url, "streams": ["sales", "returns"], "begin": "start"} | more
    answer = await cloud.post("/cloud/v1/webhooks", body)
    assert answer.status == 201, answer.body
    return answer.json


async def sell(cloud: Any, writer: Any, *sale_ids: str) -> None:
    for sale_id in sale_ids:
        writer.sell(sale_id, 100)
    await cloud.books().apply(writer.batch(after=len(writer.logs["sales"]) - len(sale_ids)))


async def look(cloud: Any, name: str = "erp") -> Any:
    return (await cloud.get(f"/cloud/v1/webhooks/{name}")).json


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver computes, by the specification and not by the product."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(base64.b64decode(secret.split("_", 1)[1]), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}" in headers["webhook-signature"].split(" ")
