"""Benchmark `beacons`: what 2,000 advertisements a second from 500 beacons cost, in processor time of one core.

A round is three loads, each of the same advertisements at that rate in real time:

- core_pct: the driver from bleak's callback on, called in this process; only the calls and the driver's work are timed.
  read_pct: the advertisements that were read; the others were replaced by the next one of their address before.
- core_pct_with_dbus: a process of its own that runs the driver, bleak and the D-Bus library beneath it; all of it is timed.
- core_pct_bleak: the same with a callback that does nothing: what of it is no work of ours.

The air is devices.testing.bluez on a private dbus-daemon, whose time is not counted, nor is bluetoothd's. Figures are medians.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from bench.beacons_load import ADVERTS_PER_S, BEACONS, OPTIONS, Crowd, address_of, payload_of
from bench.figures import Figures, Target, median_of_rounds
from bench.machine import reference_sha256
from devices.drivers._beacon_floor import DRAIN_S, Floor, Watch
from devices.drivers.ble_beacons import listed_of, rules_of
from devices.testing.bluez import BURST_MAX, FakeBlueZ
from devices.testing.context import RecordingContext
from devices.testing.private_bus import private_bus

SLOT_S = 0.02
WARM_S = 1.0
ANSWER_TIMEOUT_S = 20.0


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:  # noqa: ARG001
    """Return the figures of `rounds` rounds, each load `seconds` long. Any: JSON."""
    done: list[Figures] = []
    for number in range(1, rounds + 1):
        crowd = Crowd(random.Random(number))
        own = await _from_callback(crowd, seconds)
        own_pct, own_rate = own["core_pct"], own.pop("own_per_s")
        dbus_pct, rate = await _over_dbus("driver", crowd, seconds)
        bleak_pct, _ = await _over_dbus("bleak", crowd, seconds)
        figures = (
            {"adverts_per_s": min(rate, own_rate)} | own | {"core_pct_with_dbus": dbus_pct, "core_pct_bleak": bleak_pct}
        )
        done.append(
            figures | {"us_per_advert": own_pct * 1e4 / own_rate, "us_per_advert_with_dbus": dbus_pct * 1e4 / rate}
        )
        say(
            f"round {number} of {rounds}: {own_pct:.1f} % from the callback, {dbus_pct:.1f} % with D-Bus at {rate:.0f} a second"
        )
    extra = {"beacons": BEACONS, "rounds": rounds, "seconds": seconds}
    return median_of_rounds(done) | extra | {"reference_sha256": reference_sha256()}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return what must be reached, and what was. Any: what `measure` returned."""
    return [
        Target("advertisements a second", result["adverts_per_s"], 0.95 * ADVERTS_PER_S, "at_least"),
        Target("driver, share of a core in %", result["core_pct"], 25, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the column of the table. Any: what `measure` returned."""
    return {f"{BEACONS} beacons": {key: value for key, value in result.items() if isinstance(value, float)}}


async def _from_callback(crowd: Crowd, seconds: float) -> Figures:
    """Return the driver's share of a core, the advertisements a second, and how many were read before the next one came."""
    ctx = RecordingContext("radio")
    floor, watch = Floor(ctx, rules_of(OPTIONS), listed_of(OPTIONS)), Watch(0)
    devices = [BLEDevice(address_of(n), None, None) for n in range(BEACONS)]
    spent_s, sent, begin_s = 0.0, 0, time.perf_counter()
    worked_s = begin_s
    while (now_s := time.perf_counter()) < begin_s + seconds:
        due = int((now_s - begin_s) * ADVERTS_PER_S) - sent
        heard = [(n := (sent + k) % BEACONS, _heard(n, crowd)) for k in range(due)]
        sent += due
        cpu_s = time.process_time()
        for n, advertisement in heard:
            floor.hear("hci0", watch, devices[n], advertisement)
        if now_s - worked_s >= DRAIN_S:
            worked_s = now_s
            await floor.work()
        spent_s += time.process_time() - cpu_s
        await asyncio.sleep(SLOT_S)
    await floor.work()
    assert ctx.counters["adverts"] == sent and ctx.counters["beacons_visitor"] == BEACONS, "the driver has worked"
    read_pct = 100 * (1 - ctx.counters["adverts_replaced"] / ctx.counters["adverts"])
    return {"core_pct": 100 * spent_s / seconds, "own_per_s": sent / seconds, "read_pct": read_pct}


def _heard(n: int, crowd: Crowd) -> AdvertisementData:
    return AdvertisementData(None, payload_of(n), {}, [], None, crowd.next_rssi(n), ())


async def _over_dbus(mode: Literal["driver", "bleak"], crowd: Crowd, seconds: float) -> tuple[float, float]:
    """Return the hearing process's share of a core in %, and the advertisements a second that it heard."""
    async with private_bus() as address, FakeBlueZ(address) as bluez:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.beacons_child", mode),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"DBUS_SYSTEM_BUS_ADDRESS": address, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        try:
            await bluez.until(lambda: bluez.adapters["hci0"].hears)
            await _send(bluez, crowd, WARM_S)
            cpu_s, heard = await _ask(child)
            begin_s = time.perf_counter()
            await _send(bluez, crowd, seconds)
            cpu_after_s, heard_after = await _ask(child)
            took_s = time.perf_counter() - begin_s
        finally:
            assert child.stdin is not None
            child.stdin.close()
            await child.wait()
    return 100 * (cpu_after_s - cpu_s) / took_s, (heard_after - heard) / took_s


async def _send(bluez: FakeBlueZ, crowd: Crowd, seconds: float) -> None:
    begin_s, sent = time.perf_counter(), 0
    while (now_s := time.perf_counter()) < begin_s + seconds:
        for _ in range(min(BURST_MAX, int((now_s - begin_s) * ADVERTS_PER_S) - sent)):
            n = sent % BEACONS
            bluez.advertise(address_of(n), manufacturer=payload_of(n), rssi=crowd.next_rssi(n))
            sent += 1
        await bluez.settle()
        await asyncio.sleep(SLOT_S / 2)


async def _ask(child: asyncio.subprocess.Process) -> tuple[float, int]:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(b"\n")
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        cpu_s, heard = (await child.stdout.readline()).split()
    return float(cpu_s), int(heard)
