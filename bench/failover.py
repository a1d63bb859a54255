"""Benchmark `failover`: the hub that a store's tills are at is killed under sales; how long until they sell at the other one.

A cloud, two hubs of one store, 8 tills of five sales a second each (bench.failover_tills). `killed`: `kill -9`, the kernel
refuses at once. `silent`: SIGSTOP, as a machine without power: connections stand and nobody answers, so that a till first waits
its five seconds. `sell_again_s` is from there to the first answer of the other hub to a new sale, of the slowest till of a round.

`safe_lost`     sales that a till was told are safe and that the other hub does not have in that moment: a promise broken
`unsafe_lost`   sales that were answered and not safe yet, and were news to the other hub when the tills posted them again: lost
                only with the till itself
`lost`          what is not there after the tills have posted again

That nothing is there twice is for tests/faults/test_standby.py, which adds the stock up.
"""

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import aiohttp

from bench.failover_tills import FailingOverTill
from bench.figures import Figures, Target, median_of_rounds
from bench.processes import CloudProcess, HubProcess, stopped_at_end, working_folder
from bench.workload import catalogue
from hub.client import CloudClient, HubClient

TILLS = 8
STORE = "bench"
KNOWN_TIMEOUT_S = 60.0
ENTRIES_MAX = 500
How = Literal["killed", "silent"]
_DIAL = """
[cloud]
url = "{url}"
token = "{token}"
reconnect_max_s = 0.5
"""
_FOLLOWS = """
[standby]
follows = "{url}"
token = "{token}"
reconnect_max_s = 0.5
"""


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Kill a hub `rounds` times each way, each time after `seconds` of sales; Any: JSON."""
    figures: dict[How, list[Figures]] = {"killed": [], "silent": []}
    for number in range(rounds):
        for how, found in figures.items():
            with working_folder(folder) as own:
                found.append(await _fail_over(own, how, seconds=seconds, seed=number))
            say(f"round {number + 1} of {rounds}, {how}: {found[-1]['sell_again_s']:.2f} s")
    every = [each for rounds_of in figures.values() for each in rounds_of]
    counted = {name: sum(each[name] for each in every) for name in ("safe_lost", "unsafe_lost", "lost", "sales")}
    medians = {how: median_of_rounds(rounds_of) for how, rounds_of in figures.items()}
    worst = {f"{how}_worst_s": max(each["sell_again_s"] for each in found) for how, found in figures.items()}
    return {"sell_again_s": medians["killed"]["sell_again_s"], **counted, **worst, "rounds": medians}


def targets(result: dict[str, Any]) -> list[Target]:
    """What must hold; the seconds are the till's own time-outs, with a second for the rest."""
    return [
        *(Target(name, result[name], 0, "at_most") for name in ("safe_lost", "lost")),
        Target("sell_again_s killed", result["rounds"]["killed"]["sell_again_s"], 1.0, "at_most"),
        Target("sell_again_s silent", result["rounds"]["silent"]["sell_again_s"], 8.0, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """The table: a column each way."""
    return dict(result["rounds"])


async def _fail_over(folder: Path, how: How, *, seconds: float, seed: int) -> Figures:
    token = secrets.token_urlsafe(24)
    cloud = CloudProcess(folder / "cloud", store=STORE, token=token)
    dial = _DIAL.format(url=cloud.url, token=token)
    first = HubProcess(folder / "first", store=STORE, extra=dial)
    cloud.start()
    async with CloudClient(cloud.url, cloud.headers["Authorization"].removeprefix("Bearer ")) as office:
        entries = list(catalogue())
        for at in range(0, len(entries), ENTRIES_MAX):
            await office.put_products(entries[at : at + ENTRIES_MAX])
    first.start()
    async with first.control() as control, HubClient(first.url) as client:
        standby = (await client.pair(await control.make_code("standby"), "second hub")).token
    second = HubProcess(folder / "second", store=STORE, extra=dial + _FOLLOWS.format(url=first.url, token=standby))
    second.start()
    with stopped_at_end(cloud, first, second):
        try:
            return await _round(first, second, how, seconds=seconds, seed=seed)
        finally:
            os.kill(first.pid, signal.SIGCONT)


async def _round(first: HubProcess, second: HubProcess, how: How, *, seconds: float, seed: int) -> Figures:
    paired = await first.pair(TILLS)
    stop, hubs = asyncio.Event(), (first.url, second.url)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        await _until_known(http, second.url, paired)
        tills = [FailingOverTill(http, hubs, *client, seed * TILLS + n) for n, client in enumerate(paired)]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for n, till in enumerate(tills):
            group.create_task(till.sell_until(stop), name=f"till {n}")
            group.create_task(till.ask_safe_until(stop), name=f"safe {n}")
        await asyncio.sleep(seconds * (0.5 + random.Random(seed).random()))
        os.kill(first.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        killed_s, was_safe = time.perf_counter(), [each for till in tills for each in till.told.safe]
        known = await _durable(http, second.url, paired[0][1], was_safe)
        await asyncio.gather(*(till.went_over.wait() for till in tills))
        stop.set()
    took_s = [_first_there(till, second.url) - killed_s for till in tills]
    answered = [each for till in tills for each in till.told.answered]
    async with aiohttp.ClientSession() as http:
        there = await _durable(http, second.url, paired[0][1], answered)
    return {
        "sell_again_s": max(took_s),
        "sell_again_first_s": min(took_s),
        "safe_lost": len(was_safe) - len(known),
        "unsafe_lost": sum(len(till.told.fresh_again) for till in tills),
        "lost": len(answered) - len(there),
        "sales": len(answered),
    }


def _first_there(till: FailingOverTill, place: str) -> float:
    """Return when the till was first answered at a hub, 0 where it was not yet."""
    return min((at_s for at_s, by in till.told.answered.values() if by == place), default=0.0)


async def _durable(http: aiohttp.ClientSession, place: str, token: str, sale_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for at in range(0, len(sale_ids), 1_000):
        async with http.post(
            f"{place}/v1/sales/status",
            json={"ids": sale_ids[at : at + 1_000]},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            found |= {each["sale_id"] for each in (await answer.json())["sales"] if each["durable"]}
    return found


async def _until_known(http: aiohttp.ClientSession, place: str, paired: Sequence[tuple[str, str]]) -> None:
    """Wait until a hub lets these tills in and has the goods."""
    async with asyncio.timeout(KNOWN_TIMEOUT_S):
        for _, token in paired:
            while True:
                async with http.get(
                    f"{place}/v1/products?limit=1", headers={"Authorization": f"Bearer {token}"}
                ) as answer:
                    if answer.status == 200 and (await answer.json())["items"]:
                        break
                await asyncio.sleep(0.05)
