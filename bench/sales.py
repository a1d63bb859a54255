"""Benchmark `sales`: durable sales with 1 and 16 tills against the disk, against synchronous=OFF, against aiohttp's POST.

A round is: fsync.py in the same folder; http_floor.py; the hub and a second hub with synchronous=OFF, each with 1 and with 16
tills. The first then prints everything that was sold; the second starts each time from the file as it was imported, and is
only asked for its sales a second. Figures are medians of the rounds. What they count:

- sales_per_s, p50_ms, p99_ms: tills that sell as fast as they are answered, from the request to the whole 201.
- ratio_to_ceiling: sales_per_s / min(12 × raw_syncs_per_s, sync_off_per_s).
- cpu_ratio_to_post: the hub's user and system CPU with all threads, until the last receipt of the run is printed, a sale, over
  the CPU of one POST of http_floor.py.
- disk_bytes_per_sale: write_bytes of /proc/PID/io until the last receipt is printed, a sale: the 4 KiB pages of WAL and
  database that were made dirty (again after each sync), checkpoints included; not the file system's journal. It is the sum of
  all rounds over their sales, because a checkpoint comes once in several thousand pages.
- wal_frames_per_sale, checkpoint_pages_per_sale (database pages): from the bytes and calls of the same file.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

import aiohttp
import msgspec

from bench.figures import Figures, Target, median_of_rounds
from bench.machine import reference_sha256
from bench.processes import (
    DiskUse,
    HubProcess,
    printers,
    run_reference,
    run_tills,
    stopped_at_end,
    working_folder,
)
from bench.tills import Order

TILLS = (1, 16)
HTTP_CLIENTS = 16
SYNCS_PER_SALE_CEILING = 12  # a group commit may share one sync: the ceiling is 12 sales a sync
REFERENCE_SECONDS = 1.0
WARM_UP_SECONDS = 0.3
PRINT_TIMEOUT_S = 600.0
PRINT_POLL_S = 0.5  # a scrape takes the hub 3 ms: it is no part of a sale
FRAME_HEADER_BYTES = 24  # SQLite file format 4.1: a frame is a header and a page, written by two calls
_COUNTS = {
    "commits": re.compile(rb'^storehub_commits_total\{outcome="committed"\} (\S+)', re.MULTILINE),
    "printed": re.compile(rb'^storehub_print_states_total\{printer="p1",state="printed"\} (\S+)', re.MULTILINE),
}


@dataclass(slots=True)
class _Total:
    """What a hub did in all rounds of one number of tills."""

    sales: int = 0
    dirtied_bytes: int = 0
    wal_frames: float = 0.0
    checkpoint_pages: float = 0.0


@dataclass(slots=True)
class _Bench:
    """The hubs and what the first has done; `off` is the same without syncs, `imported` the file both began with."""

    full: HubProcess
    off: HubProcess
    imported: Path
    tills: list[tuple[str, str]] = field(default_factory=list)
    rounds: dict[int, list[Figures]] = field(default_factory=lambda: {tills: [] for tills in TILLS})
    totals: dict[int, _Total] = field(default_factory=lambda: {tills: _Total() for tills in TILLS})


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of `rounds` rounds, each load `seconds` long. Any: JSON."""
    with working_folder(folder) as work, printers(2) as addresses:
        full = HubProcess(work / "full", printer=addresses[0])
        off = HubProcess(work / "off", printer=addresses[1], synchronous="off")
        with stopped_at_end(full, off):
            bench = _Bench(full, off, work / "imported.db")
            await _prepare(bench, say)
            for number in range(1, rounds + 1):
                await _round(bench, work, number, seconds)
                say(_progress(bench, number, rounds))
            page_bytes = full.page_bytes
    result: dict[str, Any] = {f"tills_{tills}": _fold(bench, tills, page_bytes) for tills in TILLS}
    return result | {"reference_sha256": reference_sha256(), "rounds": rounds, "seconds": seconds}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets of the design, section 8, and what was reached. Any: what `measure` returned."""
    one, many = result["tills_1"], result["tills_16"]
    return [
        Target("16 tills: ratio_to_ceiling", many["ratio_to_ceiling"], 0.70, "at_least"),
        Target("16 tills: p99_ms (3 × raw p99 + 15)", many["p99_ms"], 3 * many["raw_p99_ms"] + 15, "at_most"),
        Target("16 tills: cpu_ratio_to_post", many["cpu_ratio_to_post"], 12, "at_most"),
        Target("16 tills: disk KiB a sale", many["disk_bytes_per_sale"] / 1024, 16, "at_most"),
        Target("1 till: p50_ms (raw p50 + 3)", one["p50_ms"], one["raw_p50_ms"] + 3, "at_most"),
        Target("1 till: disk KiB a sale", one["disk_bytes_per_sale"] / 1024, 32, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    return {"1 till": result["tills_1"], "16 tills": result["tills_16"]}


async def _prepare(bench: _Bench, say: Callable[[str], None]) -> None:
    bench.full.start()
    began_s = time.perf_counter()
    await bench.full.fill()
    say(f"20,000 products imported in {time.perf_counter() - began_s:.1f} s")
    bench.tills = await bench.full.pair(max(TILLS))
    bench.full.stop()
    copyfile(bench.full.folder / "hub.db", bench.imported)
    bench.full.start()
    await _warm_up(bench, bench.full)


async def _round(bench: _Bench, work: Path, number: int, seconds: float) -> None:
    raw = await asyncio.to_thread(run_reference, "fsync.py", str(work), str(REFERENCE_SECONDS))
    http = await asyncio.to_thread(run_reference, "http_floor.py", str(HTTP_CLIENTS), str(REFERENCE_SECONDS))
    for tills in TILLS:
        order = Order(bench.full.port, bench.tills[:tills], seconds, seed=number)
        if number % 2:
            full, off_per_s = await _load(bench, order), await _sync_off_per_s(bench, order)
        else:
            off_per_s, full = await _sync_off_per_s(bench, order), await _load(bench, order)
        ceiling = min(SYNCS_PER_SALE_CEILING * raw["syncs_per_s"], off_per_s)
        bench.rounds[tills].append(
            full
            | {
                "raw_syncs_per_s": raw["syncs_per_s"],
                "raw_p50_ms": raw["p50_ms"],
                "raw_p99_ms": raw["p99_ms"],
                "sync_off_per_s": off_per_s,
                "ratio_to_ceiling": full["sales_per_s"] / ceiling,
                "post_cpu_us": http["post_cpu_us"],
                "cpu_ratio_to_post": full["cpu_us_per_sale"] / http["post_cpu_us"],
            }
        )


async def _sync_off_per_s(bench: _Bench, order: Order) -> float:
    """Sell with synchronous=OFF; what is left to print is thrown away with the file."""
    hub = bench.off
    for path in hub.folder.glob("hub.db*"):
        path.unlink()
    copyfile(bench.imported, hub.folder / "hub.db")
    with stopped_at_end(hub):
        hub.start()
        await _warm_up(bench, hub)
        sold = await run_tills(msgspec.structs.replace(order, port=hub.port))
    return sold.sales / sold.took_s


async def _warm_up(bench: _Bench, hub: HubProcess) -> None:
    await run_tills(Order(hub.port, bench.tills, WARM_UP_SECONDS, seed=0, prints=False))


async def _load(bench: _Bench, order: Order) -> Figures:
    """Sell, wait until all is printed, and count what it took."""
    hub = bench.full
    before, cpu_s, disk = await _counts(hub), hub.cpu_s(), hub.disk_use()
    began_s = time.perf_counter()
    sold = await run_tills(order)
    printed_meanwhile = (await _counts(hub))["printed"] - before["printed"]
    after = await _until_printed(hub, before["printed"] + sold.sales)
    printed_s = time.perf_counter() - began_s
    _add(bench.totals[len(order.tills)], _difference(disk, hub.disk_use()), sold.sales, hub.page_bytes)
    return {
        "sales_per_s": sold.sales / sold.took_s,
        "p50_ms": sold.p50_ms,
        "p99_ms": sold.p99_ms,
        "max_ms": sold.max_ms,
        "cpu_us_per_sale": (hub.cpu_s() - cpu_s) / sold.sales * 1e6,
        "client_cpu_us_per_sale": sold.client_cpu_s / sold.sales * 1e6,
        "commits_per_sale": (after["commits"] - before["commits"]) / sold.sales,
        "printed_meanwhile_share": printed_meanwhile / sold.sales,
        "sold_and_printed_per_s": sold.sales / printed_s,
    }


async def _until_printed(hub: HubProcess, receipts: float) -> dict[str, float]:
    async with asyncio.timeout(PRINT_TIMEOUT_S):
        while (counts := await _counts(hub))["printed"] < receipts:  # noqa: ASYNC110 - another process has no Event
            await asyncio.sleep(PRINT_POLL_S)
    return counts


async def _counts(hub: HubProcess) -> dict[str, float]:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{hub.port}") as session,
        session.get("/metrics") as response,
    ):
        text = await response.read()
    found = {name: pattern.search(text) for name, pattern in _COUNTS.items()}
    return {name: float(match[1]) if match else 0.0 for name, match in found.items()}


def _difference(before: DiskUse, after: DiskUse) -> DiskUse:
    return DiskUse(
        after.dirtied_bytes - before.dirtied_bytes,
        after.written_bytes - before.written_bytes,
        after.writes - before.writes,
    )


def _add(total: _Total, used: DiskUse, sales: int, page_bytes: int) -> None:
    frames, pages = split_writes(used, page_bytes)
    total.sales += sales
    total.dirtied_bytes += used.dirtied_bytes
    total.wal_frames += frames
    total.checkpoint_pages += pages


def split_writes(used: DiskUse, page_bytes: int) -> tuple[float, float]:
    """Return (WAL frames, checkpointed pages): a frame is two calls, a page one; sockets and logs count as noise."""
    frames = (page_bytes * used.writes - used.written_bytes) / (page_bytes - FRAME_HEADER_BYTES)
    return frames, used.writes - 2 * frames


def _fold(bench: _Bench, tills: int, page_bytes: int) -> Figures:
    total = bench.totals[tills]
    return median_of_rounds(bench.rounds[tills]) | {
        "disk_bytes_per_sale": total.dirtied_bytes / total.sales,
        "wal_frames_per_sale": total.wal_frames / total.sales,
        "checkpoint_pages_per_sale": total.checkpoint_pages / total.sales,
        "page_bytes": page_bytes,
    }


def _progress(bench: _Bench, number: int, rounds: int) -> str:
    told = [f"{tills} till: {bench.rounds[tills][-1]['sales_per_s']:.0f}/s" for tills in TILLS]
    ratio = bench.rounds[max(TILLS)][-1]["ratio_to_ceiling"]
    return f"round {number} of {rounds}: {', '.join(told)}, ratio {ratio:.2f}"
