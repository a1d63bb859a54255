"""Benchmark `wan`: does a bad line to the cloud disturb the selling, and how long does the backlog take when it is back?

A hub, a cloud end and between them a line of sync.testing.bad_line. Each round sells once on every kind of line, in turn, with
four tills that do not print; a ratio is the p99 of sales on that line to the p99 on a good one of the same round. After each
the line is made good and `drain_s` is how long it takes until the cloud holds everything, back-off included.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import Figures, Target, median_of_rounds
from bench.processes import CloudProcess, HubProcess, run_tills, stopped_at_end, working_folder
from bench.tills import Order
from sync.testing.bad_line import PORTAL, BadLine, bad_line

TILLS = 4
POLL_S = 0.02
DRAIN_TIMEOUT_S = 120.0
RATIO_MAX = 1.5  # two runs of the same kind differ by as much on a shared machine
Kinds = dict[str, dict[str, Any]]  # Any: fields of BadLine
KINDS: Kinds = {
    "good": {},
    "slow": {"delay_s": 0.3, "loss": 0.05, "stall_s": 0.6},
    "cut_up": {"cut_up": True},
    "cut": {"cut_up": True, "cut_down": True},
    "login": {"answer": PORTAL},
}
GOOD: dict[str, Any] = {"delay_s": 0.0, "loss": 0.0, "cut_up": False, "cut_down": False, "answer": b""}


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures, medians of the rounds. Any: JSON."""
    token, done = secrets.token_urlsafe(24), []
    with working_folder(folder) as work:
        await _with_goods(work / "hub")
        cloud = CloudProcess(work / "cloud", store="bench", token=token)
        async with bad_line(cloud.port, rng=random.Random(3)) as line:
            joined = f'[cloud]\nurl = "http://127.0.0.1:{line.port}"\ntoken = "{token}"\nreconnect_max_s = 5\n'
            hub = HubProcess(work / "hub", extra=joined)
            with stopped_at_end(cloud, hub):
                await asyncio.to_thread(cloud.start)
                await asyncio.to_thread(hub.start)
                tills = await hub.pair(TILLS)
                for number in range(rounds):
                    done.append(await _round(hub, line, tills, seconds=seconds, seed=number))
                    say(f"round {number + 1}: p99 " + ", ".join(f"{k} {done[-1][f'{k}_p99_ms']:.1f} ms" for k in KINDS))
    return median_of_rounds(done) | {"rounds": rounds, "each_round": done}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets and what was reached. Any: what `measure` returned."""
    bad = [kind for kind in KINDS if kind != "good"]
    return [
        Target(f"p99 on a line that is {kind}, × good", result[f"{kind}_ratio"], RATIO_MAX, "at_most") for kind in bad
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    return {
        kind: {key: result[f"{kind}_{key}"] for key in ("sales_per_s", "p50_ms", "p99_ms", "ratio", "drain_s")}
        for kind in KINDS
    }


async def _with_goods(folder: Path) -> None:
    """Import the catalogue while the hub is alone: of one that is joined the cloud keeps it."""
    alone = HubProcess(folder)
    with stopped_at_end(alone):
        await asyncio.to_thread(alone.start)
        await alone.fill()


async def _round(hub: HubProcess, line: BadLine, tills: list[tuple[str, str]], *, seconds: float, seed: int) -> Figures:
    found: Figures = {}
    for kind, fields in KINDS.items():
        _make(line, GOOD | fields)
        sold = await run_tills(Order(hub.port, tills, seconds, seed=seed, prints=False))
        if sold.refused:
            raise SystemExit(f"bench: sales were refused on a line that is {kind}: {sold.refused}")
        found |= {
            f"{kind}_sales_per_s": sold.sales / sold.took_s,
            f"{kind}_p50_ms": sold.p50_ms,
            f"{kind}_p99_ms": sold.p99_ms,
            f"{kind}_ratio": sold.p99_ms / (sold.p99_ms if kind == "good" else found["good_p99_ms"]),
        }
        _make(line, GOOD)
        found[f"{kind}_drain_s"] = await _drained(hub, tills[0][1])
    return found


def _make(line: BadLine, fields: dict[str, Any]) -> None:
    """Change what the line is; connections of before end, as when a router is switched over. Any: fields of BadLine."""
    for name, value in fields.items():
        setattr(line, name, value)
    line.drop()


async def _drained(hub: HubProcess, token: str) -> float:
    began_s = time.perf_counter()
    async with aiohttp.ClientSession(hub.url, headers={"Authorization": f"Bearer {token}"}) as session:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while True:
                async with session.get("/v1/sync") as response:
                    said = await response.json()
                if said["up"] and not said["rows_waiting"]:
                    return time.perf_counter() - began_s
                await asyncio.sleep(POLL_S)
