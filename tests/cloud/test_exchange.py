"""A store whose line lets only HTTP pass: a hub that dials, a proxy that breaks WebSockets, the real cloud. Real sockets."""

import asyncio
import gzip
import io
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sync.cloud.talk import exchange, talks
from sync.line import dialler as dialling
from sync.line.dialler import Dialler
from sync.line.push import BODY_MAX, CONTENT_TYPE, Envelope, read_body, write_body
from sync.line.state import LinkState
from sync.protocol import SUBPROTOCOL, Hello, encode
from sync.schedule import Schedule

WAIT_S = 60.0
SESSION = "0123456789abcdef"


class Proxy:
    """What stands between shop and cloud: does as `blocks` says to a WebSocket, passes exchanges, loses every n-th answer."""

    def __init__(self, cloud_url: str, blocks: str) -> None:
        self.cloud_url, self.blocks = cloud_url, blocks
        self.lose_every = 0
        self.exchanges = self.lost = self.port = 0
        self.http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def link(self, request: web.Request) -> web.StreamResponse:
        if self.blocks == "nothing":
            return await self.pass_on(request)
        if self.blocks == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.blocks == "close":
            ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
            await ws.prepare(request)
            await ws.close()
            return ws
        if self.blocks == "strip":  # the upgrade is taken off, the cloud itself answers
            headers = {"Authorization": request.headers["Authorization"]}
            async with self.http.get(self.cloud_url + request.path, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), headers=_type_of(answer))
        return web.Response(status=int(self.blocks), text="<html>proxy</html>", content_type="text/html")

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {"Authorization": request.headers["Authorization"]}
        down = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await down.prepare(request)
        async with (
            self.http.ws_connect(self.cloud_url + request.path, headers=headers, protocols=(SUBPROTOCOL,)) as up,
            asyncio.TaskGroup() as group,
        ):

            async def carry(source: Any, sink: Any) -> None:
                async for message in source:
                    await sink.send_bytes(message.data)
                await sink.close()

            group.create_task(carry(down, up), name="up")
            group.create_task(carry(up, down), name="down")
        return down

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        self.exchanges += 1
        is_to_be_lost = self.lose_every and self.exchanges % self.lose_every == 0
        headers = {"Authorization": request.headers["Authorization"], "Content-Type": request.content_type}
        body = await request.read()
        async with self.http.post(self.cloud_url + request.path, data=body, headers=headers) as answer:
            whole = web.Response(status=answer.status, body=await answer.read(), headers=_type_of(answer))
        if is_to_be_lost:
            self.lost += 1
            assert request.transport is not None
            request.transport.abort()
        return whole


def _type_of(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {"Content-Type": answer.headers["Content-Type"]}


@asynccontextmanager
async def proxied(cloud_url: str, blocks: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(cloud_url, blocks)
    app = web.Application(client_max_size=2 * BODY_MAX)
    app.router.add_get("/sync/v1/link", proxy.link)
    app.router.add_post("/sync/v1/exchange", proxy.exchange)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    async with aiohttp.ClientSession() as proxy.http:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.port = runner.addresses[0][1]
        try:
            yield proxy
        finally:
            await runner.cleanup()


@pytest.fixture
def dialling_in(tokens: Any) -> Any:
    """Run a hub's dialler: `async with dialling_in(url, hub, **options) as states`."""

    @asynccontextmanager
    async def dial(url: str, hub: Any, **options: Any) -> AsyncIterator[list[LinkState]]:
        states: list[LinkState] = []
        options = {"reconnect_max_s": 0.02, "token": tokens["hk01"]} | options
        dialler = Dialler(
            url,
            options.pop("token"),
            hub,
            now_ms=lambda: 1_000,
            rng=random.Random(1),
            on_state=states.append,
            **options,
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(dialler.run(), name="dialler")
            yield states
            running.cancel()

    return dial


def entry(sku: str) -> dict[str, Any]:
    return {"product": {"sku": sku, "name": {"en": sku}}, "price": {"amount": 1, "currency": "HKD"}}


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not what():  # noqa: ASYNC110 - anything may be waited for
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("blocks", ["400", "403", "405", "426", "501", "502", "503", "reset", "close", "strip"])
async def test_where_a_proxy_breaks_websockets_the_same_frames_go_by_http(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any, blocks: str
) -> None:
    for n in range(700):
        writer.sell(f"s{n}", 1)
    hub = talking.hub(writer)
    await cloud.post("/cloud/v1/products", {"entries": [entry("A")]})

    async with proxied(cloud.url, blocks) as proxy, dialling_in(proxy.url, hub) as states:
        await until(lambda: hub.safe.get("sales") == 700 and len(hub.catalogue) == 2)
        item = await cloud.store_item()

    up = next(state for state in states if state.is_up)
    assert (up.transport, up.peer_rep) == ("http", cloud.books().rep)
    assert (item["connected"], item["rep"], item["sales"]["count"]) == (True, writer.rep, 700)


async def test_news_of_the_cloud_come_at_once_by_http(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the poll is over: that is long after `until` has given up."""
    monkeypatch.setattr("sync.line.push.HOLD_S", 10 * WAIT_S)
    hub = talking.hub(writer)
    async with proxied(cloud.url, "403") as proxy, dialling_in(proxy.url, hub, transport="http") as states:
        await until(lambda: states and states[-1].is_up)
        await cloud.post("/cloud/v1/products", {"entries": [entry("A")]})
        await until(lambda: len(hub.catalogue) == 2)


async def test_a_lost_answer_harms_nothing(
    *, cloud: Any, writer: Any, talking: Any, dialling_in: Any, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.line.push.RETRY_S", 0.001)
    for n in range(4000):
        writer.sell(f"s{n}", 1)
    hub = talking.hub(writer)
    async with proxied(cloud.url, "403") as proxy, dialling_in(proxy.url, hub, transport="http") as states:
        proxy.lose_every = 2
        await until(lambda: hub.safe.get("sales") == 4000)
        proxy.lose_every = 0

    assert proxy.lost >= 2
    assert sql("SELECT count(*), max(seq) FROM fact") == [(4000, 4000)]
    assert len([state for state in states if state.is_up]) == 1, "and the line never went down"


async def test_a_websocket_is_tried_again_later(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "WEBSOCKET_AGAIN_S", 0.05)
    writer.sell("s1")
    hub = talking.hub(writer)
    async with proxied(cloud.url, "502") as proxy, dialling_in(proxy.url, hub) as states:
        await until(lambda: any(state.is_up for state in states))
        proxy.blocks = "nothing"
        await until(lambda: any(state.is_up and state.transport == "websocket" for state in states))
        assert hub.safe["sales"] == 1

    assert next(state for state in states if state.is_up).transport == "http"


async def test_a_cloud_that_does_not_know_the_store_is_no_proxy(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any
) -> None:
    async with proxied(cloud.url, "nothing") as proxy:
        async with dialling_in(cloud.url, talking.hub(writer), token="a-token-of-nobody") as states:
            await until(lambda: len(states) > 5)

        assert {state.reason for state in states[1:]} == {"refused"}
        assert proxy.exchanges == 0


async def test_a_configured_websocket_never_falls_back(cloud: Any, writer: Any, talking: Any, dialling_in: Any) -> None:
    async with (
        proxied(cloud.url, "502") as proxy,
        dialling_in(proxy.url, talking.hub(writer), transport="websocket") as states,
    ):
        await until(lambda: len(states) > 8)

    assert proxy.exchanges == 0 and not any(state.is_up for state in states)


async def test_a_scheduled_contact_by_http_ends_politely(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    writer.sell("s1")
    hub = talking.hub(writer)
    options = {"transport": "http", "schedule": Schedule("scheduled", 3600.0)}
    async with dialling_in(cloud.url, hub, **options) as states:
        await until(lambda: states and states[-1].reason == "scheduled")
        await until(lambda: [record for record in caplog.records if "has ended" in record.message])

    assert hub.safe["sales"] == 1
    assert [record.reason for record in caplog.records if "has ended" in record.message] == ["done"]


async def test_a_lying_hub_is_told_so_by_http(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any, sql: Any
) -> None:
    writer.sell("s1")
    async with dialling_in(cloud.url, talking.hub(writer, lie=True), transport="http") as states:
        await until(lambda: any(state.reason == "protocol" for state in states))

    assert any("digest" in state.detail for state in states)
    assert sql("SELECT count(*) FROM fact") == [(0,)]


async def test_a_store_that_lies_again_and_again_has_to_wait(
    cloud: Any, writer: Any, talking: Any, dialling_in: Any
) -> None:
    writer.sell("s1")
    async with dialling_in(cloud.url, talking.hub(writer, lie=True)) as states:
        await until(lambda: any(state.reason == "server_error" for state in states))
    lies = [state for state in states if state.reason == "protocol"]

    assert len(lies) == talks.LIES_MAX
    assert (await cloud.get("/readyz")).status == 200


async def test_a_cut_line_ends_an_exchange(cloud: Any, writer: Any, talking: Any, dialling_in: Any) -> None:
    async with dialling_in(cloud.url, talking.hub(writer), transport="http") as states:
        await until(lambda: states and states[-1].is_up)
        await cloud.post("/cloud/v1/demo/line", {"up": False})
        await until(lambda: not states[-1].is_up)
        assert not (await cloud.store_item())["connected"]
        await cloud.post("/cloud/v1/demo/line", {"up": True})
        await until(lambda: states[-1].is_up)


async def post(cloud: Any, token: str, body: bytes, **headers: str) -> Any:
    headers = {"Content-Type": CONTENT_TYPE} | headers
    return await cloud.request("POST", "/sync/v1/exchange", token=token, data=io.BytesIO(body), headers=headers)


HELLO = encode(Hello(rep="hk01:aaaaaaaaaaaaaaaa", vector=(), t1_ms=1))
FIRST = write_body(Envelope(SESSION, 1), [HELLO])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"\x00\x00\x00\x05noise", {}, 400),
        (FIRST[:-3], {}, 400),
        (bytes(BODY_MAX + 1), {}, 413),
        (gzip.compress(bytes(64 * 1024 * 1024)), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(FIRST)[:20], {"Content-Encoding": "gzip"}, 400),
        (write_body(Envelope(SESSION, 7), []), {}, 404),
        (FIRST, {"Content-Type": "application/json"}, 415),
    ],
    ids=["nothing", "noise", "cut", "too-long", "bomb", "cut-gzip", "over", "json"],
)
async def test_a_body_that_is_none_is_refused_and_the_cloud_lives(
    cloud: Any, tokens: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await post(cloud, tokens["hk01"], body, **headers)).status == status
    answer = await post(cloud, tokens["hk01"], FIRST)

    assert (answer.status, read_body(answer.body)[0].n) == (200, 1)


async def test_who_may_exchange(cloud: Any, tokens: Any) -> None:
    assert (await post(cloud, "", FIRST)).status == 401
    assert (await post(cloud, tokens["office"], FIRST)).status == 403


async def test_stores_do_not_share_their_sessions(cloud: Any, tokens: Any) -> None:
    assert (await post(cloud, tokens["hk01"], FIRST)).status == 200

    assert (await post(cloud, tokens["hk02"], write_body(Envelope(SESSION, 2), []))).status == 404


async def test_a_store_has_few_wires_at_once(cloud: Any, tokens: Any) -> None:
    """The hellos come from different replicas, so that none cuts the other for being the same."""
    bodies = [
        write_body(Envelope(f"{n:016x}", 1), [encode(Hello(rep=f"hk01:{n:016x}", vector=(), t1_ms=1))])
        for n in range(9)
    ]
    for body in bodies:
        assert (await post(cloud, tokens["hk01"], body)).status == 200
    gone = await post(cloud, tokens["hk01"], write_body(Envelope(f"{0:016x}", 2), []))

    assert gone.status == 404
    assert len(cloud.cloud.line.connections) <= exchange.WIRES_MAX
