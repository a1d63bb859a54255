"""32 tablets on event sockets, 4 asleep, 2 flooding: every honest sale is booked, nobody waits for a tablet that does not read.

What it costs in time is measured by `python -m bench tablets`; here nothing is timed.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from hub.api import events, guard
from hub.bus import CLIENT_QUEUE_MAX, RING_MAX

HONEST, ASLEEP, FLOODING = 26, 4, 2
SALES = 2  # of each honest tablet
LIMITS = {"requests_per_s": 100.0, "burst": 20, "at_once": 4, "connections": 10_000}
FLOOD = 12  # requests at a time of each that floods
WAIT_S = 120.0
NOISE = {"text": "x" * 4000}


def n_of(cursor: str) -> int:
    return int(cursor.split(".")[1])


async def read_on(ws: Any, seen: list[int], upto: int) -> None:
    """Read until the event of this number; note the numbers of all."""
    async with asyncio.timeout(WAIT_S):
        while not seen or seen[-1] < upto:
            event = await ws.receive_json()
            if event["type"] not in ("hello", "reset"):
                seen.append(n_of(event["cursor"]))


async def flood(till: Any, stop: asyncio.Event, statuses: Counter[int]) -> None:
    """Ask as much at once as there is, whatever the answer is."""
    while not stop.is_set():
        answers = await asyncio.gather(*(till.get("/v1/shop") for _ in range(FLOOD)))
        statuses.update(answer.status for answer in answers)


async def wake(till: Any, ws: Any) -> tuple[int | None, list[int]]:
    """Read what was sent to a sleeper, to the end; return how it was closed and the numbers of what came."""
    seen = []
    async with asyncio.timeout(WAIT_S):
        async for message in ws:
            event = json.loads(message.data)
            if event["type"] != "hello":
                seen.append(n_of(event["cursor"]))
    return ws.close_code, seen


async def test_tablets_that_sleep_or_flood_cost_the_others_nothing_that_they_were_promised(
    start_hub: Any, pair_till: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "REFUSED_HOLD_S", 0.05)
    monkeypatch.setattr(
        events, "CLOSE_TIMEOUT_S", WAIT_S
    )  # a sleeper here wakes before it is cut, however slow the machine
    hub = await start_hub(limits=LIMITS)
    tills = [await pair_till(hub) for _ in range(HONEST + ASLEEP + FLOODING)]
    honest, asleep, flooding = tills[:HONEST], tills[HONEST:-FLOODING], tills[-FLOODING:]
    bus, stop, statuses, sold = hub.runtime.bus, asyncio.Event(), Counter[int](), list[str]()

    async with AsyncExitStack() as stack:
        sockets = {till.till_id: await stack.enter_async_context(till.events()) for till in tills}
        seen: dict[str, list[int]] = {till.till_id: [] for till in [*honest, *flooding]}

        async def all_read_on() -> None:
            """Whoever is awake reads what there is."""
            upto = n_of(bus.cursor)
            await asyncio.gather(*(read_on(sockets[name], numbers, upto) for name, numbers in seen.items()))

        async def sell(till: Any) -> None:
            answer = await till.post("/v1/sales", till.sale(offline=True))
            assert answer.status == 201, answer.body
            sold.append(answer.json["sale_id"])

        async with asyncio.TaskGroup() as group:
            for till in flooding:
                group.create_task(flood(till, stop, statuses))
            for _ in range(SALES):
                await asyncio.gather(*(sell(till) for till in honest))
                await all_read_on()
            async with asyncio.timeout(WAIT_S):
                while bus.dropped_clients < ASLEEP or statuses[429] < 10:
                    for _ in range(50):
                        bus.publish("alarm", NOISE, now_ms=0)
                    assert all(each.queue.qsize() <= CLIENT_QUEUE_MAX for each in bus._subscribers)
                    await all_read_on()
            stop.set()
        await sell(honest[0])
        await all_read_on()
        everything = list(range(1, n_of(bus.cursor) + 1))
        slept = [await wake(till, sockets[till.till_id]) for till in asleep]
        resumed: list[list[int]] = []
        for till, (_, numbers) in zip(asleep, slept, strict=True):
            resumed.append([])
            async with till.events(f"{bus.epoch}.{numbers[-1]}") as ws:
                await read_on(ws, resumed[-1], everything[-1])

    assert [numbers == everything for numbers in seen.values()] == [True] * len(seen), "all of it, in order"
    assert [code for code, _ in slept] == [aiohttp.WSCloseCode.TRY_AGAIN_LATER] * ASLEEP
    assert [numbers + rest == everything for (_, numbers), rest in zip(slept, resumed, strict=True)] == [True] * ASLEEP
    assert bus.dropped_clients == ASLEEP, "who reads is not dropped"
    assert set(statuses) == {200, 429} and len(sold) == len(set(sold)) == HONEST * SALES + 1
    known = (await honest[0].post("/v1/sales/status", {"ids": sold})).json["sales"]
    assert [each["durable"] for each in known] == [True] * len(sold)
    assert len(bus._ring) <= RING_MAX
