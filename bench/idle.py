"""Benchmark `idle`: how soon a hub is ready, and its memory: idle with everything configured, and after work of every kind.

`ready_s` is from exec to the first 200 of /readyz with an existing database of 20,000 products, median of the rounds; two
scanners and a printer are configured, and beside them a device of every kind there is (bench.every_device). `rss_mib` is the
resident memory a while after the last start, `rss_after_mib` after the work: sales that print, look-ups, searches, scans, event
sockets that come and go, for `seconds`; the table ends with how often. RSS (smaps_rollup) has the shared libraries, too.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from bench.every_device import every_device
from bench.figures import Figures, Target
from bench.processes import HubProcess, printers, run_tills, stopped_at_end, working_folder
from bench.scan import open_wires
from bench.tills import Order
from bench.workload import draw_product, gtin13_of, sku_of
from hub.client import HubClient

SETTLE_S = 2.0  # what a start leaves behind is freed or never will be
TILLS = 8
SCAN_PAUSE_S = 0.02
VISITS = 500  # events read before a socket leaves and another comes
QUERIES = ("烏龍茶", "樂活", "tea", "egg rolls 00", "毛巾 300", "thermos gold", "00123", "T恤 海岸")


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures; `rounds` starts, then `seconds` of work. Any: JSON."""
    with (
        working_folder(folder) as work,
        printers(1) as addresses,
        open_wires(2) as wires,
        every_device(work) as (devices, left_out),
    ):
        hub = HubProcess(work / "hub", printer=addresses[0], scanners=[path for _, path in wires], extra=devices)
        with stopped_at_end(hub):
            hub.start()
            await hub.fill()
            tokens = await hub.pair(TILLS)
            ready_s = []
            for _ in range(rounds):
                hub.stop()
                hub.start()
                ready_s.append(hub.ready_s)
            say(f"ready in {median(ready_s):.2f} s with {devices.count('kind =')} kinds of devices")
            await asyncio.sleep(SETTLE_S)
            idle_cpu_s, rss_mib = hub.cpu_s(), hub.rss_mib()
            done = await _work(hub, tokens, wires[0][0], seconds)
            await asyncio.sleep(SETTLE_S)
            result = {
                "ready_s": median(ready_s),
                "ready_max_s": max(ready_s),
                "start_cpu_s": idle_cpu_s,
                "rss_mib": rss_mib,
                "rss_after_mib": hub.rss_mib(),
                "work_cpu_s": hub.cpu_s() - idle_cpu_s,
                "database_mib": hub.database_bytes / 2**20,
                "kinds": devices.count("kind ="),
                "kinds_left_out": left_out,
            }
    return result | {"work": dict(done), "rounds": rounds, "seconds": seconds}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets of the design, section 8, and what was reached. Any: what `measure` returned."""
    return [
        Target("ready_s", result["ready_s"], 1, "at_most"),
        Target("rss_mib, idle", result["rss_mib"], 60, "at_most"),
        Target("rss_mib, after work", result["rss_after_mib"], 90, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    return {"hub": {key: value for key, value in (result | result["work"]).items() if isinstance(value, int | float)}}


async def _work(hub: HubProcess, tokens: list[tuple[str, str]], wire: int, seconds: float) -> Counter[str]:
    """Let everything happen at once; return how often it did."""
    done: Counter[str] = Counter()
    end = asyncio.get_running_loop().time() + seconds
    token = tokens[0][1]
    async with asyncio.TaskGroup() as group, HubClient(f"http://127.0.0.1:{hub.port}", token) as client:
        await client.claim("s1")
        tills = group.create_task(run_tills(Order(hub.port, tokens, seconds)), name="tills")
        workers = (_look_up(hub, token, done, end), _search(hub, token, done, end), _scan(wire, done, end))
        tasks = [group.create_task(worker, name=f"work-{place}") for place, worker in enumerate(workers)]
        tasks += [group.create_task(_listen(hub, each, done), name=f"listen-{each}") for _, each in tokens]
        sold = await tills
        for task in tasks:
            task.cancel()
    done["sales"] = sold.sales
    return done


async def _look_up(hub: HubProcess, token: str, done: Counter[str], end: float) -> None:
    rng = random.Random(1)
    async with _session(hub, token) as session:
        while asyncio.get_running_loop().time() < end:
            number = draw_product(rng)
            for path in (f"/v1/products/{sku_of(number)}", f"/v1/products?gtin={gtin13_of(number)}", "/v1/devices"):
                await _get(session, path)
                done["look_ups"] += 1


async def _search(hub: HubProcess, token: str, done: Counter[str], end: float) -> None:
    async with _session(hub, token) as session:
        while asyncio.get_running_loop().time() < end:
            for query in QUERIES:
                await _get(session, f"/v1/products?q={query}&limit=50")
                done["searches"] += 1
            await _get(session, "/metrics")
            await _get(session, "/openapi.json")


async def _scan(wire: int, done: Counter[str], end: float) -> None:
    rng = random.Random(2)
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(SCAN_PAUSE_S)
        os.write(wire, gtin13_of(draw_product(rng)).encode() + b"\r")
        done["scans"] += 1


async def _listen(hub: HubProcess, token: str, done: Counter[str]) -> None:
    """Read events; after VISITS of them leave and come back by cursor."""
    cursor = None
    async with HubClient(f"http://127.0.0.1:{hub.port}", token) as client:
        while True:
            done["sockets"] += 1
            async with client.events(cursor) as events:
                for _ in range(VISITS):
                    event = await anext(events)
                    cursor = event.get("cursor", cursor)
                    done["events"] += 1


def _session(hub: HubProcess, token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(f"http://127.0.0.1:{hub.port}", headers={"Authorization": f"Bearer {token}"})


async def _get(session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(path) as response:
        content = await response.read()
        assert response.status == 200, f"{path}: {response.status} {content[:200]!r}"
