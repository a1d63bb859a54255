"""Benchmark `sync`: three replicas that wrote apart are merged pairwise until all agree; a cold start; rights on and off line.

Three traces (bench.sync_workload), the third with a seed drawn at the start: nobody has tuned on it. Every engine, ours and the
peers, does the same work in processes of its own (bench.sync_child says what is counted), interleaved in rounds; a figure is
the median of its rounds and then the worst of the three traces. The cold start runs a real cloud and a real hub
(bench.sync_cold), the peers' ships an export within one process. Rights are simulated (bench.sync_rights). `growth` compares
what ten times as many deltas leave: the file, and the process that has it open; it is null for an engine that cannot `grow`.

A peer that is not installed says so.
"""

import asyncio
import math
import secrets
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import msgspec

from bench.figures import Figures, Target, median_of_rounds
from bench.machine import REPOSITORY
from bench.processes import working_folder
from bench.sync_child import ENGINES
from bench.sync_cold import cold_start
from bench.sync_rights import rights_figures
from bench.sync_workload import DELTAS, GROWN_DELTAS, TUNING_SEEDS
from sync.retail.stock.rebalance import Policy

OURS = "own"
PEERS = tuple(name for name in ENGINES if name != OURS)
REMEDY = "pip install -e '.[bench]'"
STEP_TIMEOUT_S = 600.0
MERGED = ("wire_zstd_bytes", "wire_raw_bytes", "merge_cpu_s", "rss_over_imports_mib")


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures; the work is the same whatever `seconds` is. Any: JSON."""
    del seconds
    seeds = (*TUNING_SEEDS, secrets.randbits(32))
    say(f"seeds {seeds}; one step again: python -m bench.sync_child own write|merge FOLDER SEED")
    engines = [OURS, *(name for name in PEERS if find_spec(name) is not None)]
    with working_folder(folder) as work:
        merged = await _merged(work, engines, seeds, rounds=rounds, say=say)
        figures = {name: {**worst(merged[name]), **await _shipped(work, name, say)} for name in engines}
        cold = await cold_start(work / "cold", say)
    say("rights: 28 hours in four kinds of shop")
    rights = rights_figures(seeds, Policy())
    return {
        **figures[OURS],
        **cold,
        **rights,
        "peers": {name: figures.get(name) or {"error": "not installed", "remedy": REMEDY} for name in PEERS},
        "seeds": seeds,
        "rounds": rounds,
        "each_trace": merged,
    }


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets and what was reached; a figure that there is none of meets none. Any: what `measure` returned."""
    oversold, extra = result["oversold"], result["extra_refused_pct"]
    growth = {name: math.nan if ratio is None else abs(ratio - 1) for name, ratio in result["growth"].items()}
    return [
        Target("wire_zstd_bytes", result["wire_zstd_bytes"], 1_000_000, "at_most"),
        Target("merge_cpu_s", result["merge_cpu_s"], 1.2, "at_most"),
        Target("rss_over_imports_mib", result["rss_over_imports_mib"], 15, "at_most"),
        Target("bytes_per_sale_batch100", result["bytes_per_sale_batch100"], 61, "at_most"),
        *(Target(f"oversold, contact {name}", pieces, 0, "at_most") for name, pieces in oversold.items()),
        Target("extra_refused_pct, hourly", extra["hourly"], 0.5, "at_most"),
        Target("extra_refused_pct, never", extra["never"], 3.0, "at_most"),
        *(Target(f"growth {name}, off by", ratio, 0.1, "at_most") for name, ratio in growth.items()),
        Target("cold_resync_cpu_s", result["cold_resync_cpu_s"], 20, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table: ours, and the peers that were measured. Any: what `measure` returned."""
    keys = (*MERGED, "write_cpu_s", "bytes_per_sale_batch100", "cold_resync_cpu_s")
    measured = {name: peer for name, peer in result["peers"].items() if "error" not in peer}
    return {name: {key: each[key] for key in keys} for name, each in {OURS: result, **measured}.items()}


def worst(traces: dict[str, Figures]) -> Figures:
    """Return the largest of each figure; of all of them less is better."""
    return {key: max(each[key] for each in traces.values()) for key in next(iter(traces.values()))}


async def _merged(
    work: Path, engines: Sequence[str], seeds: Sequence[int], *, rounds: int, say: Callable[[str], None]
) -> dict[str, dict[str, Figures]]:
    """Return the median of the rounds by engine and seed; engines take turns, so that a noisy minute hits all of them."""
    medians: dict[str, dict[str, Figures]] = {name: {} for name in engines}
    for seed in seeds:
        written: dict[str, Figures] = {}
        done: dict[str, list[Figures]] = {name: [] for name in engines}
        for name in engines:
            (work / f"{name}-{seed}").mkdir()
            written[name] = await _step(name, "write", work / f"{name}-{seed}", seed)
        for number in range(rounds):
            for name in engines:
                again = copytree(work / f"{name}-{seed}", work / "again")
                done[name].append(await _step(name, "merge", again, seed))
                rmtree(again)
            took = ", ".join(f"{name} {done[name][-1]['merge_cpu_s']:.2f} s" for name in engines)
            say(f"seed {seed}, round {number + 1}: {took}")
        for name in engines:
            medians[name][str(seed)] = median_of_rounds(done[name]) | written[name]
    return medians


async def _shipped(work: Path, name: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Return what an engine's batches of sales weigh, how it grows and, of a peer, what its cold start costs. Any: JSON."""
    say(f"{name}: sales, growth, cold start")
    figures: dict[str, Any] = {**await _step(name, "sales", work, TUNING_SEEDS[0])}
    if name != OURS:
        figures |= await _step(name, "cold", work, TUNING_SEEDS[0])
    return figures | {"growth": await _growth(work, name)}


async def _growth(work: Path, name: str) -> dict[str, float | None]:
    """Return what GROWN_DELTAS leave over what DELTAS leave."""
    left = []
    for deltas in (DELTAS, GROWN_DELTAS):
        folder = work / f"{name}-grown-{deltas}"
        folder.mkdir()
        grown = await _step(name, "grow", folder, deltas)
        left.append(grown | await _step(name, "grown", folder, deltas) if grown else {})
        rmtree(folder)
    few, many = left
    if not many:
        return {"file_ratio_2m": None, "rss_ratio_2m": None}
    return {f"{key}_ratio_2m": many[f"{key}_bytes"] / few[f"{key}_bytes"] for key in ("file", "rss")}


async def _step(engine: str, step: str, folder: Path, seed: int) -> Figures:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.sync_child", engine, step, str(folder), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    async with asyncio.timeout(STEP_TIMEOUT_S):
        answer, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"bench: {engine} gave up at `{step}`; the reason is above")
    return msgspec.json.decode(answer, type=dict[str, float])
