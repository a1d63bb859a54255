"""Benchmark `scan`: from a label on the wire to the till that claims the scanner, with 8 scanners busy, against pty_ws.py.

Four pseudo-terminals and four named pipes are the scanners of one hub; each is claimed by a till of its own with a WebSocket.
The pipes carry the kernel's input events of a scanner that types, a whole label at once: the keys of a real one come 1 ms apart.
Labels are EAN-13 of the 20,000 products, SCANS_PER_S on each line at random distances: faster than a cashier, as fast as a fixed
scanner.
Labels are written and events received in this process, so one clock measures both ends, as in the reference.
A round is pty_ws.py (one line, nothing else going on) and one load; figures are medians of the rounds.
"""

import asyncio
import os
import random
import time
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import Figures, Target, median_of_rounds, p50_p99_ms
from bench.machine import reference_sha256
from bench.processes import HubProcess, run_reference, stopped_at_end, working_folder
from bench.workload import draw_product, gtin13_of
from devices.testing.hid_keyboard import input_events, strokes
from hub.client import HubClient

SERIAL_SCANNERS = 4
TYPING_SCANNERS = 4
SCANNERS = SERIAL_SCANNERS + TYPING_SCANNERS
SCANS_PER_S = 10.0
REFERENCE_LINES = 1000
EVENT_TIMEOUT_S = 5.0  # the last scans of a load arrive within this time or are lost


@dataclass(slots=True)
class _Lane:
    """A scanner and its till: labels under way with the time they were written, oldest first."""

    wire: int
    device_id: str
    encode: Callable[[str], bytes]
    rng: random.Random
    under_way: deque[tuple[str, float]] = field(default_factory=deque)
    took_s: list[float] = field(default_factory=list)
    is_last_sent: bool = False


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of `rounds` rounds, each load `seconds` long. Any: JSON."""
    done: list[Figures] = []
    with (
        working_folder(folder) as work,
        open_wires(SERIAL_SCANNERS) as lines,
        open_pipes(work, TYPING_SCANNERS) as pipes,
    ):
        hub = HubProcess(
            work / "hub", scanners=[path for _, path in lines], typing_scanners=[path for _, path in pipes]
        )
        ends = [*((wire, _line) for wire, _ in lines), *((wire, _typed) for wire, _ in pipes)]
        lanes = [_Lane(wire, f"s{n}", encode, random.Random(n)) for n, (wire, encode) in enumerate(ends, 1)]
        with stopped_at_end(hub):
            hub.start()
            await hub.fill()
            tokens = await hub.pair(SCANNERS)
            for number in range(1, rounds + 1):
                raw = await asyncio.to_thread(run_reference, "pty_ws.py", str(REFERENCE_LINES))
                done.append(await _round(hub, lanes, tokens, raw, seconds))
                say(f"round {number} of {rounds}: p99 {done[-1]['p99_ms']:.2f} ms, reference {raw['p99_ms']:.2f} ms")
    extra = {"scanners": SCANNERS, "scans_per_s": SCANS_PER_S * SCANNERS, "rounds": rounds, "seconds": seconds}
    return median_of_rounds(done) | extra | {"reference_sha256": reference_sha256()}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the target of the design, section 8, and what was reached. Any: what `measure` returned."""
    return [Target("p99 over the reference's p99", result["ratio"], 5, "at_most")]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the column of the table. Any: what `measure` returned."""
    return {"8 scanners": {key: value for key, value in result.items() if isinstance(value, float)}}


async def _round(
    hub: HubProcess, lanes: list[_Lane], tokens: list[tuple[str, str]], raw: Figures, seconds: float
) -> Figures:
    cpu_s = hub.cpu_s()
    took_s = await _load(hub, lanes, tokens, seconds)
    p50_ms, p99_ms = p50_p99_ms(took_s)
    by_wire = [[took for lane in lanes if lane.encode is encode for took in lane.took_s] for encode in (_line, _typed)]
    return {
        "p50_ms": p50_ms,
        "p99_ms": p99_ms,
        "max_ms": max(took_s) * 1e3,
        "serial_p99_ms": p50_p99_ms(by_wire[0])[1],
        "typing_p99_ms": p50_p99_ms(by_wire[1])[1],
        "ref_p50_ms": raw["p50_ms"],
        "ref_p99_ms": raw["p99_ms"],
        "ratio": p99_ms / raw["p99_ms"],
        "cpu_us_per_scan": (hub.cpu_s() - cpu_s) / len(took_s) * 1e6,
    }


async def _load(hub: HubProcess, lanes: list[_Lane], tokens: list[tuple[str, str]], seconds: float) -> list[float]:
    """Scan on all lanes for so long; return how long each scan took in seconds."""
    async with AsyncExitStack() as stack:
        sockets = []
        for lane, (_, token) in zip(lanes, tokens, strict=True):
            client = await stack.enter_async_context(HubClient(f"http://127.0.0.1:{hub.port}", token))
            await client.claim(lane.device_id)
            events = await stack.enter_async_context(client.events())
            await anext(events)  # hello: from here on nothing is missed
            sockets.append(events)
        end_s = time.perf_counter() + seconds
        async with asyncio.timeout(seconds + EVENT_TIMEOUT_S), asyncio.TaskGroup() as group:
            for lane, events in zip(lanes, sockets, strict=True):
                lane.took_s.clear()
                lane.is_last_sent = False
                group.create_task(_run_lane(lane, events, end_s), name=f"lane-{lane.device_id}")
    return [took for lane in lanes for took in lane.took_s]


async def _run_lane(lane: _Lane, events: AsyncIterator[dict[str, Any]], end_s: float) -> None:
    async with asyncio.TaskGroup() as group:
        receiver = group.create_task(_receive(lane, events), name=f"receive-{lane.device_id}")
        while time.perf_counter() < end_s:
            await asyncio.sleep(lane.rng.expovariate(SCANS_PER_S))
            label = gtin13_of(draw_product(lane.rng))
            sent = lane.encode(label)
            lane.under_way.append((label, time.perf_counter()))
            os.write(lane.wire, sent)
        lane.is_last_sent = True
        if not lane.under_way:
            receiver.cancel()


async def _receive(lane: _Lane, events: AsyncIterator[dict[str, Any]]) -> None:
    async for event in events:
        now_s = time.perf_counter()
        if event["type"] != "scan":
            continue
        label, written_s = lane.under_way.popleft()
        assert event["data"]["label"] == label, f"{event['data']['label']} came instead of {label}"
        lane.took_s.append(now_s - written_s)
        if lane.is_last_sent and not lane.under_way:
            return


def _line(label: str) -> bytes:
    return label.encode() + b"\r"


def _typed(label: str) -> bytes:
    return b"".join(input_events([stroke for typed in strokes(f"{label}\r") for stroke in typed]))


@contextmanager
def open_pipes(folder: Path, count: int) -> Iterator[list[tuple[int, str]]]:
    """Make named pipes; yield (end to write to, path of the hub's end) of each."""
    paths = [folder / f"event{number}" for number in range(count)]
    for path in paths:
        os.mkfifo(path)
    ends = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in paths]
    try:
        yield list(zip(ends, map(str, paths), strict=True))
    finally:
        for end in ends:
            os.close(end)


@contextmanager
def open_wires(count: int) -> Iterator[list[tuple[int, str]]]:
    """Open pseudo-terminals; yield (master, path of the hub's end) of each. The slaves stay open against hang-ups."""
    pairs = [os.openpty() for _ in range(count)]
    try:
        for _, slave in pairs:
            tty.setraw(slave)
        yield [(master, os.ttyname(slave)) for master, slave in pairs]
    finally:
        for pair in pairs:
            for fd in pair:
                os.close(fd)
