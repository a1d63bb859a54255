"""Tills in a process of their own: each sells as fast as the hub answers. Usage: python -m bench.tills < ORDER.

ORDER is one JSON object: {port, tills: [[till_id, token], …], seconds, seed, prints}. Bodies are encoded beforehand, only the
ids are put in while selling, so that the load costs as little as an aiohttp client can. Answers one JSON line (Sold).
"""

import asyncio
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import msgspec

from bench.figures import p50_p99_ms
from bench.workload import draw_basket, encode_tail
from hub.client import new_id

BASKETS = 2_000  # drawn and encoded before the clock starts, then used again with new ids
REQUEST_TIMEOUT_S = 20.0


class Order(msgspec.Struct, frozen=True):
    """How to sell; `tills` are [till_id, token]."""

    port: int
    tills: list[tuple[str, str]]
    seconds: float
    seed: int = 1
    prints: bool = True


class Sold(msgspec.Struct, frozen=True):
    """What came of it; `refused` counts answers other than 201 by their status, `client_cpu_s` is this process's."""

    sales: int
    took_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    client_cpu_s: float
    refused: dict[str, int]


@dataclass(slots=True)
class _Run:
    order: Order
    tails: list[bytes]
    took_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    end_s: float = 0.0


async def sell(order: Order) -> Sold:
    """Sell for `order.seconds` with all tills at once."""
    rng = random.Random(order.seed)
    run = _Run(order, [encode_tail(draw_basket(rng), prints=order.prints) for _ in range(BASKETS)])
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{order.port}",
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
    ) as session:
        await asyncio.gather(*(_greet(session) for _ in order.tills))
        cpu_s, start_s = _cpu_s(), time.perf_counter()
        run.end_s = start_s + order.seconds
        await asyncio.gather(*(_till(run, session, place) for place in range(len(order.tills))))
        took_s = time.perf_counter() - start_s
    p50_ms, p99_ms = p50_p99_ms(run.took_s)
    return Sold(
        sales=len(run.took_s),
        took_s=took_s,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        max_ms=max(run.took_s) * 1e3,
        client_cpu_s=_cpu_s() - cpu_s,
        refused=dict(run.refused),
    )


async def _greet(session: aiohttp.ClientSession) -> None:
    async with session.get("/healthz") as response:
        await response.read()


async def _till(run: _Run, session: aiohttp.ClientSession, place: int) -> None:
    till_id, token = run.order.tills[place]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    between = f'","till_id":"{till_id}",'.encode()
    number = place * BASKETS // len(run.order.tills)
    while (before_s := time.perf_counter()) < run.end_s:
        body = b'{"sale_id":"' + new_id().encode() + between + run.tails[number % BASKETS]
        number += 1
        async with session.post("/v1/sales", data=body, headers=headers) as response:
            answer = await response.read()
        if response.status == 201:
            run.took_s.append(time.perf_counter() - before_s)
            continue
        run.refused[str(response.status)] += 1
        if response.status != 503:
            raise SystemExit(f"the hub refused a sale: {response.status} {answer.decode('utf-8', 'replace')}")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(sell(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))).decode())
