"""Benchmark `tablets`: 32 tablets on event sockets, 4 of them asleep, 2 flooding; what do the others notice?

Each tablet has an address of its own, the hub its default limits. 26 tablets look up and sell at random distances, SALES_PER_S
each: ten times a busy counter. A round is http_floor.py with as many clients as there are honest tablets, a load without and a
load with the two that flood (in changing order); figures are medians of the rounds. The sleepers sleep through all of it.

- sale_p99_ms, look_up_p99_ms, heard_p99_ms: honest tablets beside the flood; heard is from a sale's request to its event on the
  tablet's own socket. calm_…: the same without the flood.
- ratio_sale, ratio_look_up: over the p99 of http_floor.py's POST and GET, which has no disk, no database and no sockets.
- flood_served_per_s, flood_refused_per_s: what came of the two floods.
- cpu_share, calm_cpu_share: the hub's processor time over the length of the load, with and without the flood.
- rss_growth_mib: the most that the hub had while anybody sold or flooded, over what it had after warming up.
- slow_closed: how often a socket was closed as too slow by the end: the 4 that sleep open theirs again whenever it was closed, as
  it also is because they answer no ping. honest_refused: answers other than 200 and 201.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from bench.figures import Figures, Target, median_of_rounds, p50_p99_ms
from bench.machine import REPOSITORY, reference_sha256
from bench.processes import RUN_TIMEOUT_S, HubProcess, run_reference, stopped_at_end, working_folder
from bench.tablet import Order, Seen

HONEST, ASLEEP, FLOODING = 26, 4, 2
REFERENCE_SECONDS = 2.0
WARM_UP_SECONDS = 3.0
RSS_EVERY_S = 0.2
RSS_GROWTH_MAX_MIB = (
    32  # 10,000 events in the ring, 256 frames and 64 KiB a socket, 16 requests a flooder, SQLite's cache
)
GOOD = {"200", "201"}
_DROPPED = re.compile(rb"^storehub_event_clients_dropped (\S+)", re.MULTILINE)


class _Loads(NamedTuple):
    """What honest tablets saw alone and beside the flood, what the flood saw, and the hub's processor time for each load."""

    calm: Seen
    beside: Seen
    stirred: Seen
    calm_cpu_s: float
    beside_cpu_s: float


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of `rounds` rounds, each load `seconds` long. Any: JSON."""
    with working_folder(folder) as work:
        hub = HubProcess(work / "hub", is_limited=True)
        with stopped_at_end(hub):
            hub.start()
            await hub.fill()
            result = await _rounds(hub, await hub.pair(HONEST + ASLEEP + FLOODING), rounds, seconds, say)
            result["slow_closed"] = await _dropped(hub)
    return result | {
        "tablets": HONEST + ASLEEP + FLOODING,
        "asleep": ASLEEP,
        "flooding": FLOODING,
        "rounds": rounds,
        "seconds": seconds,
        "reference_sha256": reference_sha256(),
    }


def targets(result: dict[str, Any]) -> list[Target]:
    """Return what has to be shown, and what was reached. Any: what `measure` returned."""
    return [
        Target("sale p99 over the reference's POST p99", result["ratio_sale"], 5, "at_most"),
        Target("look-up p99 over the reference's GET p99", result["ratio_look_up"], 5, "at_most"),
        Target("memory: growth in MiB", result["rss_growth_mib"], RSS_GROWTH_MAX_MIB, "at_most"),
        Target("honest requests refused", result["honest_refused"], 0, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the column of the table. Any: what `measure` returned."""
    return {f"{HONEST} tablets": {key: value for key, value in result.items() if isinstance(value, float)}}


async def _rounds(
    hub: HubProcess, tablets: list[tuple[str, str]], rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    honest, asleep, flooding = tablets[:HONEST], tablets[HONEST:-FLOODING], tablets[-FLOODING:]
    await _ask("honest", Order(hub.port, honest, 1, WARM_UP_SECONDS))
    with _sleepers(Order(hub.port, asleep, 1 + HONEST, 1e6)):
        before_mib, done, grown_mib, refused = hub.rss_mib(), list[Figures](), 0.0, 0
        for number in range(1, rounds + 1):
            order = Order(hub.port, honest, 1, seconds, seed=number)
            flood = Order(hub.port, flooding, 1 + HONEST + ASLEEP, seconds, seed=number)
            raw = await asyncio.to_thread(run_reference, "http_floor.py", str(HONEST), str(REFERENCE_SECONDS))
            loads, peak_mib = await _with_peak(hub, _loads(hub, order, flood, is_calm_first=bool(number % 2)))
            grown_mib = max(grown_mib, peak_mib - before_mib)
            refused += sum(
                count
                for seen in (loads.calm, loads.beside)
                for status, count in seen.statuses.items()
                if status not in GOOD
            )
            done.append(_figures(raw, loads, seconds))
            say(
                f"round {number} of {rounds}: sale p99 {done[-1]['sale_p99_ms']:.1f} ms, reference {raw['post_p99_ms']:.1f} ms"
            )
    return median_of_rounds(done) | {"rss_growth_mib": grown_mib, "honest_refused": float(refused)}


async def _loads(hub: HubProcess, order: Order, flood: Order, *, is_calm_first: bool) -> _Loads:
    """Have honest tablets alone, and beside the flood."""
    calm, calm_cpu_s = Seen({}, [], [], []), 0.0
    for is_calm in (is_calm_first, not is_calm_first):
        cpu_s = hub.cpu_s()
        if is_calm:
            calm = await _ask("honest", order)
            calm_cpu_s = hub.cpu_s() - cpu_s
        else:
            beside, stirred = await asyncio.gather(_ask("honest", order), _ask("flood", flood))
            beside_cpu_s = hub.cpu_s() - cpu_s
    return _Loads(calm, beside, stirred, calm_cpu_s, beside_cpu_s)


def _figures(raw: Figures, loads: _Loads, seconds: float) -> Figures:
    calm, beside, stirred = loads.calm, loads.beside, loads.stirred
    sale, look_up, heard = (p50_p99_ms(took_s) for took_s in (beside.sale_s, beside.look_up_s, beside.heard_s))
    served = sum(count for status, count in stirred.statuses.items() if status in GOOD)
    return {
        "sale_p50_ms": sale[0],
        "sale_p99_ms": sale[1],
        "look_up_p50_ms": look_up[0],
        "look_up_p99_ms": look_up[1],
        "heard_p50_ms": heard[0],
        "heard_p99_ms": heard[1],
        "calm_sale_p99_ms": p50_p99_ms(calm.sale_s)[1],
        "calm_look_up_p99_ms": p50_p99_ms(calm.look_up_s)[1],
        "ref_post_p99_ms": raw["post_p99_ms"],
        "ref_get_p99_ms": raw["get_p99_ms"],
        "ratio_sale": sale[1] / raw["post_p99_ms"],
        "ratio_look_up": look_up[1] / raw["get_p99_ms"],
        "cpu_share": loads.beside_cpu_s / seconds,
        "calm_cpu_share": loads.calm_cpu_s / seconds,
        "flood_served_per_s": served / seconds,
        "flood_refused_per_s": stirred.statuses.get("429", 0) / seconds,
    }


async def _with_peak(hub: HubProcess, loads: Coroutine[Any, Any, _Loads]) -> tuple[_Loads, float]:
    """Await the loads; return what they saw and the most memory that the hub had. Any: of a coroutine."""
    peak_mib = hub.rss_mib()

    async def watch() -> None:
        nonlocal peak_mib
        while True:
            peak_mib = max(peak_mib, await asyncio.to_thread(hub.rss_mib))
            await asyncio.sleep(RSS_EVERY_S)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch(), name="rss")
        seen = await loads
        watching.cancel()
    return seen, peak_mib


async def _ask(role: str, order: Order) -> Seen:
    """Be tablets in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        *_command(role), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, limit=1 << 26
    )
    async with asyncio.timeout(order.seconds + RUN_TIMEOUT_S):
        answer, _ = await process.communicate(msgspec.json.encode(order))
    if process.returncode:
        raise SystemExit(f"bench: the tablets ({role}) gave up; the reason is above")
    return msgspec.json.decode(answer, type=Seen)


@contextmanager
def _sleepers(order: Order) -> Iterator[None]:
    """Have tablets asleep in a process of their own; it is ended at the end of the block."""
    with subprocess.Popen(
        _command("sleep"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=REPOSITORY
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(order))
            process.stdin.close()
            yield
        finally:
            process.kill()


def _command(role: str) -> tuple[str, ...]:
    return sys.executable, "-m", "bench.tablet", role


async def _dropped(hub: HubProcess) -> float:
    async with aiohttp.ClientSession(hub.url) as session, session.get("/metrics") as response:
        found = _DROPPED.search(await response.read())
    assert found is not None, "the hub counts the sockets that it closed"
    return float(found[1])
