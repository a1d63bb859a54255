"""Tablets in a process of their own, each at an address of its own. Usage: python -m bench.tablet honest|flood|sleep < ORDER.

    honest   an event socket that is read; at random distances a look-up and a sale
    flood    an event socket that is read; FLOOD_CONNECTIONS that ask and sell as fast as they are answered, refused or not
    sleep    an event socket that nobody reads, with the smallest buffer that the kernel gives

ORDER is one JSON object: {port, tablets: [[till_id, token], …], first, seconds, seed}; tablet n is at 127.0.1.(first + n).
Answers one JSON line (Seen) when the time is over.
"""

import asyncio
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import msgspec

from bench.workload import draw_basket, draw_product, encode_tail, gtin13_of
from hub.client import new_id

SALES_PER_S = 1.0  # of one honest tablet: ten times a busy counter
FLOOD_CONNECTIONS = 32
BASKETS = 500
REQUEST_TIMEOUT_S = 30.0
TINY_BUFFER = 2048
SLEEPER_LOOKS_EVERY_S = 1.0
_ESTABLISHED = 1  # the first byte of TCP_INFO; linux/include/net/tcp_states.h
_PROTOCOLS = "storehub.v1, storehub.bearer."


class Order(msgspec.Struct, frozen=True):
    """Who they are and how long; `tablets` are [till_id, token]."""

    port: int
    tablets: list[tuple[str, str]]
    first: int
    seconds: float
    seed: int = 1


class Seen(msgspec.Struct, frozen=True):
    """What they were answered; durations in seconds, `heard_s` from a sale's request to its event on the tablet's own socket."""

    statuses: dict[str, int]
    sale_s: list[float]
    look_up_s: list[float]
    heard_s: list[float]


@dataclass(slots=True)
class _Run:
    order: Order
    end_s: float
    tails: list[bytes]
    statuses: Counter[str] = field(default_factory=Counter)
    sale_s: list[float] = field(default_factory=list)
    look_up_s: list[float] = field(default_factory=list)
    heard_s: list[float] = field(default_factory=list)
    sent_s: dict[str, float] = field(default_factory=dict)


async def run(role: str, order: Order) -> Seen:
    """Be all tablets of the order until its time is over."""
    rng = random.Random(order.seed)
    tails = [encode_tail(draw_basket(rng), prints=False) for _ in range(BASKETS)]
    state = _Run(order, time.perf_counter() + order.seconds, tails)
    being = {"honest": _honest, "flood": _flood, "sleep": _sleep}[role]
    await asyncio.gather(*(being(state, place) for place in range(len(order.tablets))))
    return Seen(dict(state.statuses), state.sale_s, state.look_up_s, state.heard_s)


async def _honest(state: _Run, place: int) -> None:
    rng = random.Random(state.order.seed * 1000 + place)
    async with _session(state, place) as session, _hearing(state, session):
        while True:
            await asyncio.sleep(rng.expovariate(SALES_PER_S))
            if time.perf_counter() > state.end_s:
                return
            before_s = time.perf_counter()
            await _look_up(state, session, rng)
            state.look_up_s.append(time.perf_counter() - before_s)
            before_s = time.perf_counter()
            await _sell(state, session, place, rng)
            state.sale_s.append(time.perf_counter() - before_s)


async def _flood(state: _Run, place: int) -> None:
    async with _session(state, place) as session, _hearing(state, session):
        await asyncio.gather(*(_hammer(state, session, place, number) for number in range(FLOOD_CONNECTIONS)))


async def _hammer(state: _Run, session: aiohttp.ClientSession, place: int, number: int) -> None:
    rng = random.Random(number)
    while time.perf_counter() < state.end_s:
        with suppress(aiohttp.ClientConnectionError):
            await (_sell(state, session, place, rng) if number % 2 else _look_up(state, session, rng))


async def _sleep(state: _Run, place: int) -> None:
    """Open the event socket; when the hub has closed it, as too slow or because no ping is answered, open it again."""
    while time.perf_counter() < state.end_s:
        with _unread(state, place) as ear:
            while ear.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:  # noqa: ASYNC110 - a kernel has no Event
                await asyncio.sleep(SLEEPER_LOOKS_EVERY_S)


@contextmanager
def _unread(state: _Run, place: int) -> Iterator[socket.socket]:
    """An event socket opened by hand: a client library would read it."""
    _, token = state.order.tablets[place]
    with socket.socket() as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY_BUFFER)
        ear.bind((_address(state, place), 0))
        ear.connect(("127.0.0.1", state.order.port))
        head = "GET /v1/events HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
        ear.sendall(f"{head}Sec-WebSocket-Protocol: {_PROTOCOLS}{token}\r\n\r\n".encode())
        yield ear


async def _look_up(state: _Run, session: aiohttp.ClientSession, rng: random.Random) -> None:
    async with session.get("/v1/products", params={"gtin": gtin13_of(draw_product(rng))}) as response:
        await response.read()
    state.statuses[str(response.status)] += 1


async def _sell(state: _Run, session: aiohttp.ClientSession, place: int, rng: random.Random) -> None:
    sale_id = new_id()
    head = f'{{"sale_id":"{sale_id}","till_id":"{state.order.tablets[place][0]}",'.encode()
    state.sent_s[sale_id] = time.perf_counter()
    async with session.post("/v1/sales", data=head + rng.choice(state.tails)) as response:
        await response.read()
    state.statuses[str(response.status)] += 1


@asynccontextmanager
async def _hearing(state: _Run, session: aiohttp.ClientSession) -> AsyncIterator[None]:
    """Read the tablet's event socket meanwhile."""

    async def listen(ws: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ws:
            event = msgspec.json.decode(message.data)
            sent_s = state.sent_s.pop(event["data"]["sale_id"], None) if event["type"] == "sale" else None
            if sent_s is not None:
                state.heard_s.append(time.perf_counter() - sent_s)

    token = session.headers["Authorization"].partition(" ")[2]
    async with (
        session.ws_connect("/v1/events", protocols=("storehub.v1", f"storehub.bearer.{token}")) as ws,
        asyncio.TaskGroup() as group,
    ):
        listener = group.create_task(listen(ws), name="listen")
        yield
        listener.cancel()


def _session(state: _Run, place: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{state.order.port}",
        connector=aiohttp.TCPConnector(limit=0, local_addr=(_address(state, place), 0)),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        headers={"Authorization": f"Bearer {state.order.tablets[place][1]}", "Content-Type": "application/json"},
    )


def _address(state: _Run, place: int) -> str:
    return f"127.0.1.{state.order.first + place}"


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    print(msgspec.json.encode(asyncio.run(run(sys.argv[1], told))).decode())
