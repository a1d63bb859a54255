"""What a dialler says of a bad line, and that it drains when the line is back. Real sockets, a real cloud behind the line."""

import asyncio
import random
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hub.tls.files import serving_context
from hub.tls.making import make_authority, make_leaf
from sync import lookups
from sync.line import link
from sync.line.dialler import Dialler
from sync.line.faults import reason_of_status
from sync.line.link import Conversation
from sync.line.state import LOCAL_MAX_S, REMEDIES, Attempts, LinkState
from sync.protocol import FRAME_MAX, SUBPROTOCOL
from sync.schedule import Schedule
from sync.testing.bad_line import PORTAL, REDIRECT, BadLine, bad_line
from sync.testing.memory_books import MemoryBooks

WAIT_S = 60.0


class Longest(random.Random):
    """Every draw is the largest."""

    def uniform(self, _low: float, high: float) -> float:
        return high


class Shop:
    """Books of both ends, the line between them, what was said of it."""

    def __init__(self) -> None:
        self.hub, self.cloud = MemoryBooks("hk01:aa"), MemoryBooks("cloud:bb")
        self.states: list[LinkState] = []
        self.line: BadLine
        self._news = asyncio.Event()
        self.hub.write("sales", b'{"n":1}')

    async def answer(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        await Conversation("acceptor", self.cloud, now_ms=lambda: 0).run(ws)
        return ws

    def on_state(self, state: LinkState) -> None:
        self.states.append(state)
        self._news.set()

    async def until(self, reason: str) -> LinkState:
        async with asyncio.timeout(WAIT_S):
            while not self.states or self.states[-1].reason != reason:
                self._news.clear()
                await self._news.wait()
        return self.states[-1]

    async def until_held(self, last: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.hub.acks.get("sales") is None or self.hub.acks["sales"].last < last:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def shop_behind(
    *,
    scheme: str = "http",
    host: str = "127.0.0.1",
    context: ssl.SSLContext | None = None,
    transport: Any = "websocket",
) -> AsyncIterator[Shop]:
    shop = Shop()
    app = web.Application()
    app.router.add_get("/sync/v1/link", shop.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with bad_line(runner.addresses[0][1], rng=random.Random(1), context=context) as shop.line:
            dialler = Dialler(
                f"{scheme}://{host}:{shop.line.port}",
                "secret-token",
                shop.hub,
                now_ms=lambda: 1_000,
                rng=random.Random(1),
                on_state=shop.on_state,
                reconnect_max_s=0.02,
                transport=transport,
            )
            async with asyncio.TaskGroup() as group:
                running = group.create_task(dialler.run(), name="dialler")
                yield shop
                running.cancel()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("answer", "transport"), [(PORTAL, "websocket"), (PORTAL, "http"), (REDIRECT, "http")])
async def test_a_login_page_is_called_one_and_the_line_drains_when_somebody_has_logged_in(
    answer: bytes, transport: str
) -> None:
    async with shop_behind(transport=transport) as shop:
        shop.line.answer = answer
        shop.line.drop()
        state = await shop.until("captive_portal")
        if transport == "websocket":
            shop.line.answer = b""
            await shop.until_held(1)

    assert not state.is_up and "log in" in REMEDIES["captive_portal"]


@pytest.mark.parametrize("opens_tls", [True, False])
async def test_somebody_who_opens_tls_is_told_from_a_line_that_is_down(opens_tls: bool, tmp_path: Path) -> None:
    async with shop_behind(scheme="https", context=_wrong_certificate(tmp_path) if opens_tls else None) as shop:
        if not opens_tls:
            shop.line.answer = PORTAL
        state = await shop.until("tls")

    assert "clock" in REMEDIES["tls"] and state.detail


async def test_a_name_that_is_not_found_is_told_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, is_gone = socket.getaddrinfo, True

    def resolver(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "cloud.example" and is_gone:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1" if host == "cloud.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    async with shop_behind(host="cloud.example") as shop:
        state = await shop.until("dns")
        is_gone = False
        await shop.until_held(1)

    assert "DNS" in REMEDIES["dns"] and "cloud.example" in state.detail


@pytest.mark.parametrize("way", ["cut_up", "cut_down"])
async def test_a_line_cut_one_way_is_noticed_and_drains_when_it_is_back(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HEARTBEAT_S", 0.1)
    async with shop_behind() as shop:
        await shop.until_held(1)
        setattr(shop.line, way, True)
        shop.hub.write("sales", b'{"n":2}')
        state = await shop.until("hung_up")
        held = shop.hub.acks["sales"].last
        setattr(shop.line, way, False)
        shop.line.drop()
        await shop.until_held(2)

    assert (state.is_up, held) == (False, 1)


async def test_a_proxy_that_shuts_one_side_ends_the_contact_and_the_next_one_drains() -> None:
    async with shop_behind() as shop:
        await shop.until_held(1)
        shop.line.half_close_after, before = 1, shop.line.connections
        shop.hub.write("sales", b'{"n":2}')
        shop.line.drop()
        async with asyncio.timeout(WAIT_S):
            while shop.line.connections < before + 3:  # noqa: ASYNC110 - each of them was given up by itself
                await asyncio.sleep(0.005)
        shop.line.half_close_after = None
        await shop.until_held(2)

    assert {state.reason for state in shop.states} <= {"starting", "", "hung_up", "unreachable"}


async def test_a_slow_and_lossy_line_drains_without_being_given_up() -> None:
    async with shop_behind() as shop:
        shop.line.delay_s, shop.line.loss, shop.line.stall_s = 0.05, 0.3, 0.1
        for n in range(50):
            shop.hub.write("sales", b'{"n":%d}' % n)
        await shop.until_held(51)


def test_what_answers_instead_of_a_cloud_has_its_name() -> None:
    said = [
        (200, "text/html; charset=utf-8"),
        (302, ""),
        (511, "text/html"),
        (200, "application/json"),
        (403, ""),
        (503, ""),
    ]
    found = [reason_of_status(*each) for each in said]
    assert found == ["captive_portal"] * 3 + ["not_a_cloud", "refused", "server_error"]


def test_what_is_wrong_in_the_shop_is_tried_again_soon_and_a_line_that_comes_nearer_as_after_one_failure() -> None:
    attempts = Attempts(Longest())
    waits = [attempts.wait_s(code, Schedule(), held_ms=0) for code in (*["captive_portal"] * 10, "timeout", "timeout")]
    assert waits[9:] == [LOCAL_MAX_S, 2, 4]


def test_a_resolver_that_hangs_takes_one_thread_and_nobody_else_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, asked = threading.Event(), []

    def resolver(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        hangs.wait(WAIT_S)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    async def look_up() -> None:
        async with asyncio.timeout(0.02):
            await asyncio.get_running_loop().getaddrinfo("cloud.example", 443)

    async def shop() -> tuple[list[Any], str]:
        ends = await asyncio.gather(*(look_up() for _ in range(100)), return_exceptions=True)
        return ends, await asyncio.to_thread(lambda: "a receipt is drawn")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    try:
        ends, other = lookups.run(shop())  # it ends while the look-up still hangs
    finally:
        hangs.set()

    assert (asked, other) == (["cloud.example"], "a receipt is drawn")
    assert {type(end) for end in ends} == {TimeoutError}


def test_more_names_than_the_bound_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait(WAIT_S))

    async def shop() -> BaseException:
        loop = asyncio.get_running_loop()
        waiting = [asyncio.ensure_future(loop.getaddrinfo(f"{n}.example", 1)) for n in range(lookups.LOOKUPS_MAX)]
        await asyncio.sleep(0)
        (end,) = await asyncio.gather(loop.getaddrinfo("one-more.example", 1), return_exceptions=True)
        for each in waiting:
            each.cancel()
        return end

    try:
        end = lookups.run(shop())
    finally:
        hangs.set()
    assert isinstance(end, socket.gaierror)


def _wrong_certificate(folder: Path) -> ssl.SSLContext:
    """A proxy's own, good for this address and signed by nobody whom this machine trusts."""
    address, days = ip_address("127.0.0.1"), (0, 4_000_000_000_000)
    authority = make_authority("mall", names=["mall.local"], addresses=[address], days=days)
    leaf = make_leaf(authority.pem, names=["mall.local"], addresses=[address], days=days)
    path = folder / "proxy.pem"
    path.write_text(leaf.pem, encoding="ascii")
    return serving_context(path)
