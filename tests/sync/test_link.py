"""The hub's side of the line against far ends that misbehave, on real sockets; what it says is wrong, and that it recovers."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from sync.line import link
from sync.line.dialler import Dialler
from sync.line.link import Conversation
from sync.line.state import REMEDIES, LinkState, backoff_s
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL, Ack, Hello, HelloOk, decode, encode
from sync.testing.memory_books import MemoryBooks

HUB, CLOUD = "hk01:aa", "cloud:bb"
WAIT_S = 60.0
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Line:
    """A dialler, its states as they came, and the books of both ends."""

    def __init__(self) -> None:
        self.hub, self.cloud = MemoryBooks(HUB), MemoryBooks(CLOUD)
        self.hub.write("sales", b'{"n":1}')
        self.states: list[LinkState] = []
        self.answers: list[Answer] = []
        self.seen_tokens: set[str] = set()
        self.dialler: Dialler

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Be the far end: each connection as the next of `answers` says, then as an honest cloud."""
        self.seen_tokens.add(request.headers.get("Authorization", ""))
        if self.answers:
            return await self.answers.pop(0)(request)
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        await Conversation("acceptor", self.cloud, now_ms=lambda: 5_000).run(ws)
        return ws

    @property
    def reasons(self) -> list[str]:
        """Why the line was down, in order."""
        return [state.reason for state in self.states if not state.is_up and state.reason != "starting"]

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not what():  # noqa: ASYNC110 - anything may be waited for
                await asyncio.sleep(0.005)

    async def until_delivered(self) -> None:
        await self.until(lambda: self.cloud.rows_of(HUB, "sales") and self.hub.acks.get("sales"))


@pytest.fixture
async def line() -> AsyncIterator[Callable[..., Any]]:
    @asynccontextmanager
    async def start(*answers: Answer, url: str = "", **options: Any) -> AsyncIterator[Line]:
        made = Line()
        made.answers = list(answers)
        app = web.Application()
        app.router.add_get("/sync/v1/link", made.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.dialler = Dialler(
            url or f"http://127.0.0.1:{runner.addresses[0][1]}",
            "secret-token",
            made.hub,
            now_ms=lambda: 1_000,
            rng=random.Random(1),
            on_state=made.states.append,
            reconnect_max_s=0.02,
            **options,
        )
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(made.dialler.run(), name="dialler")
                yield made
                running.cancel()
        finally:
            await runner.cleanup()

    yield start


async def test_rows_arrive_and_are_acknowledged(line: Callable[..., Any]) -> None:
    async with line() as made:
        await made.until_delivered()

        assert made.cloud.rows_of(HUB, "sales") == {1: b'{"n":1}'}
        assert [state.reason for state in made.states] == ["starting", ""]
        assert made.states[1].is_up and made.states[1].peer_rep == CLOUD
        assert made.states[1].clock_offset_ms == 4_000
        assert made.seen_tokens == {"Bearer secret-token"}


async def test_what_grows_is_sent_at_once_both_ways(line: Callable[..., Any]) -> None:
    async with line() as made:
        await made.until_delivered()
        made.hub.write("sales", b'{"n":2}')
        made.cloud.write("catalogue", b'{"price":2}', feed=Feed.STATE)
        made.dialler.grown()
        await made.until(lambda: len(made.cloud.rows_of(HUB, "sales")) == 2)
        await made.until(lambda: made.hub.rows_of(CLOUD, "catalogue"))


async def page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>Welcome to the mall's Wi-Fi</html>", content_type="text/html")


async def fault(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="oops")


async def stranger(_: web.Request) -> web.StreamResponse:
    return web.Response(status=401)


async def slammed(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def says(*messages: bytes | str) -> Answer:
    """A far end that opens the socket, says these, and waits for the end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await ws.prepare(request)
        for message in messages:
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        async for _ in ws:
            pass
        return ws

    return answer


HELLO_OK = encode(HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0))


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (page, "captive_portal"),
        (fault, "server_error"),
        (stranger, "refused"),
        (slammed, "unreachable"),
        (says(b"\xc1 noise"), "protocol"),
        (says("text"), "protocol"),
        (says(HELLO_OK, encode(Ack(HUB, "sales", 99, bytes(8)))), "fork"),
        (says(encode(Hello(rep=CLOUD, vector=(), t1_ms=0))), "unexpected"),
        (says(b"x" * (FRAME_MAX + 1)), "protocol"),
    ],
    ids=["portal", "500", "401", "reset", "noise", "text", "lying-ack", "two-hellos", "huge"],
)
async def test_a_far_end_that_misbehaves_is_named_and_the_next_try_works(
    line: Callable[..., Any], misbehaves: Answer, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with line(misbehaves, misbehaves) as made:
        await made.until_delivered()

        assert set(made.reasons) == {reason}
        assert made.cloud.applied == 1
    said = [record for record in caplog.records if record.message == "the line to the cloud is down"]
    assert len(said) == 1, "one outage, one line, also for a peer that greets and hangs up"
    assert reason in REMEDIES
    assert "secret-token" not in caplog.text


async def test_a_far_end_that_says_nothing_is_given_up(
    line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing before the handshake, then nothing after it."""
    never = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 0.05)
    monkeypatch.setattr("sync.session.HELLO_TIMEOUT_MS", -1)
    monkeypatch.setattr(link, "TICK_S", 0.02)
    async with line(silent, says()) as made:
        await made.until(lambda: len(made.reasons) >= 2)
        never.set()

        assert made.reasons[:2] == ["timeout", "no_hello"]


async def test_nobody_at_the_address_is_unreachable(line: Callable[..., Any], unused_tcp_port: int) -> None:
    async with line(url=f"http://127.0.0.1:{unused_tcp_port}") as made:
        await made.until(lambda: made.reasons)

        assert made.reasons[0] == "unreachable"


async def test_a_disk_that_takes_no_commit_here_is_named_and_the_row_comes_later(line: Callable[..., Any]) -> None:
    async with line() as made:
        made.cloud.write("catalogue", b'{"price":2}', feed=Feed.STATE)
        made.hub.fail_next.add("apply")
        await made.until(lambda: made.hub.rows_of(CLOUD, "catalogue"))

        assert made.reasons == ["cannot_write"]


async def test_a_cut_in_the_middle_of_batches_loses_and_doubles_nothing(line: Callable[..., Any]) -> None:
    """The far end hangs up after each third message; every connection gets a little further."""

    async def cut_short(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        conversation = Conversation("acceptor", made.cloud, now_ms=lambda: 0)

        async def cut() -> None:
            before = made.cloud.applied
            await made.until(lambda: made.cloud.applied > before)
            assert request.transport is not None
            request.transport.abort()

        async with asyncio.TaskGroup() as group:
            group.create_task(cut(), name="cut")
            await conversation.run(ws)
        return ws

    async with line() as made:
        made.answers = [cut_short] * 4
        for n in range(2, 2_001):
            made.hub.write("sales", b'{"n":%d}' % n)
        await made.until(lambda: made.hub.acks.get("sales") and made.hub.acks["sales"].last == 2_000)

        assert made.cloud.applied == 2_000
        assert made.cloud.vector(HUB)[HUB, "sales"].digest == made.hub.digest_of("sales")


@pytest.mark.parametrize("failures", [0, 1, 20, 5_000])
def test_the_back_off_is_capped_after_days_of_failures(failures: int) -> None:
    assert 0 <= backoff_s(failures, random.Random(3), max_s=300.0) <= min(300.0, 2.0 ** min(failures, 20))


def test_the_frames_of_this_file_are_real() -> None:
    assert isinstance(decode(HELLO_OK), HelloOk)
