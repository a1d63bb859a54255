"""What one client may ask of the hub, over real sockets: flooders are told 429, the others notice nothing."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from hub.api import guard
from hub.api.events import HEARTBEAT_S
from hub.bus import CLIENT_SOCKETS_MAX

PairTill = Callable[..., Awaitable[Any]]
TIGHT = {"requests_per_s": 200.0, "burst": 10, "at_once": 4, "connections": 8}
WAIT_S = 60.0


@pytest.fixture
async def tight(start_hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A hub that lets little be done at once."""
    monkeypatch.setattr(guard, "REFUSED_HOLD_S", 0.05)  # a flooder has time, a test waits
    return await start_hub(limits=TIGHT)


async def at_once(till: Any, count: int, path: str = "/v1/shop") -> Counter[int]:
    """Ask so many times at once over connections of their own; a connection that is closed counts as 0."""

    async def one() -> int:
        with suppress(aiohttp.ClientConnectionError):
            return int((await till.get(path)).status)
        return 0

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


@asynccontextmanager
async def under_way(hub: Any, count: int, *, token: str = "", path: str = "/v1/sales") -> AsyncIterator[None]:
    """Have so many requests under way: each on a connection of its own, with a body that does not come."""
    head = f"POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    head += f"Authorization: Bearer {token}\r\n\r\n"
    writers = []
    for _ in range(count):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        writer.write(head.encode())
        writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_who_asks_too_much_at_once_is_told_when_to_ask_again(tight: Any, pair_till: PairTill, until: Any) -> None:
    till = await pair_till(tight)
    async with under_way(tight, TIGHT["at_once"], token=till.token):
        refused = await until(lambda: till.get("/v1/shop"), lambda answer: answer.status != 200)

    assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (429, "too_many_requests", "1")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert set(refused.json["remedy"]) == {"en", "zh-Hant"}
    await until(lambda: till.get("/v1/shop"), lambda answer: answer.status == 200)


async def test_a_till_that_sends_one_sale_after_the_other_is_never_refused(tight: Any, pair_till: PairTill) -> None:
    till = await pair_till(tight)
    statuses = [(await till.post("/v1/sales", till.sale(offline=True))).status for _ in range(5 * TIGHT["burst"])]

    assert set(statuses) == {201}


async def test_one_that_floods_leaves_the_others_their_turns(tight: Any, pair_till: PairTill) -> None:
    flooder, honest = await pair_till(tight), await pair_till(tight)
    stop, seen = asyncio.Event(), Counter[int]()

    async def flood() -> None:
        while not stop.is_set():
            seen.update(await at_once(flooder, 6))

    async with asyncio.TaskGroup() as group:
        group.create_task(flood())
        answers = [await honest.post("/v1/sales", honest.sale(offline=True)) for _ in range(20)]
        while seen[429] < 10:
            answers.append(await honest.post("/v1/sales", honest.sale(offline=True)))
        stop.set()

    assert {answer.status for answer in answers} == {201}
    limited = tight.runtime.metrics.limited.labels("requests")._value.get()
    assert limited >= seen[429] >= 10


async def test_a_flood_is_one_line_in_the_log_without_a_token(
    tight: Any, pair_till: PairTill, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    till = await pair_till(tight)
    with caplog.at_level(logging.INFO):
        async with under_way(tight, TIGHT["at_once"], token=till.token):
            await until(lambda: till.get("/v1/shop"), lambda answer: answer.status == 429)
            assert (await till.get("/v1/shop")).status == 429
    lines = [record for record in caplog.records if record.name == "hub.api.guard"]

    assert [(line.getMessage(), line.client) for line in lines] == [  # type: ignore[attr-defined]
        ("a client asks too much and is slowed down", till.till_id)
    ]
    assert till.token not in caplog.text


async def test_strangers_are_counted_by_address_and_a_wrong_token_makes_nobody(
    tight: Any, pair_till: PairTill, until: Any
) -> None:
    stranger, till = await pair_till(tight, scope=None), await pair_till(tight)
    stranger.token = "x" * 43
    async with under_way(tight, TIGHT["at_once"], path="/v1/pair"):
        await until(lambda: stranger.get("/v1/shop"), lambda answer: answer.status == 429)

        assert (await till.get("/v1/shop")).status == 200


async def first_line(port: int, *, local: str = "127.0.0.1") -> bytes:
    """Ask on a connection of one's own; return the first line of the answer, nothing where it was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(local, 0))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
    try:
        async with asyncio.timeout(WAIT_S):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_connections_of_an_address_are_bounded_and_given_back(tight: Any, until: Any) -> None:
    good = b"HTTP/1.1 200 OK\r\n"
    async with under_way(tight, TIGHT["connections"], path="/v1/pair"):
        await until(lambda: first_line(tight.port), lambda line: line == b"")
        elsewhere = await first_line(tight.port, local="127.0.0.2")

    assert elsewhere == good
    await until(lambda: first_line(tight.port), lambda line: line == good)
    assert tight.runtime.metrics.limited.labels("connections")._value.get() >= 1


async def test_a_till_has_some_event_sockets_and_a_new_one_takes_the_place_of_the_oldest(till: Any) -> None:
    sockets = [await till.events() for _ in range(CLIENT_SOCKETS_MAX + 1)]
    async with asyncio.timeout(HEARTBEAT_S):
        await sockets[0].receive_json()
        ended = await sockets[0].receive()
    for ws in sockets[1:]:
        assert (await ws.receive_json())["type"] == "hello"
    await till.post("/v1/sales", till.sale())
    heard = [(await ws.receive_json(timeout=WAIT_S))["type"] for ws in sockets[1:]]
    for ws in sockets:
        await ws.close()

    assert ended.type is aiohttp.WSMsgType.CLOSE and sockets[0].close_code == 1013
    assert heard == ["sale"] * CLIENT_SOCKETS_MAX


@pytest.mark.parametrize("what", ["text", "ping"])
async def test_who_floods_a_socket_with_frames_is_closed_with_1008(tight: Any, pair_till: PairTill, what: str) -> None:
    till = await pair_till(tight)
    async with till.events() as ws:
        await ws.receive_json()
        with suppress(ConnectionError):
            for _ in range(2000):
                await (ws.ping() if what == "ping" else ws.send_str("x"))
        async with asyncio.timeout(WAIT_S):
            while not (message := await ws.receive()).type.name.startswith("CLOS"):
                pass
        code = ws.close_code

    assert (message.type, code) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.POLICY_VIOLATION)
    assert (await till.get("/v1/shop")).status == 200


async def test_a_ping_is_answered(till: Any) -> None:
    async with till.session.ws_connect(
        "/v1/events", protocols=("storehub.v1", f"storehub.bearer.{till.token}"), autoping=False
    ) as ws:
        await ws.receive_json()
        await ws.ping(b"there?")
        answer = await ws.receive(timeout=WAIT_S)

    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"there?")
