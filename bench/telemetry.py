"""Benchmark `telemetry`: people counters flood a broker; how many of their messages a second become durable in the hub.

A round is three floods of bench/reference/mqtt_flood.py, 100 sensors, 400 messages on the way, each over its own hub process:
running totals and deltas with ids over mosquitto, running totals over the hub's embedded broker. Figures are medians:

- events_per_s: messages a second from the start of the flood's process until the last one is in the hub's database file.
- lost, doubled: all rounds together, from the database file, opened here read-only. Deltas: each message is one visitor, so the
  sums by entrance say it of every message. Totals: the sums, and the number of messages that /metrics says were judged.
- hub_cpu_us, publisher_cpu_us: CPU a message, of the hub's process and of the flood's. rss_mib, broker_rss_mib: after the floods.

mosquitto runs as configured in docs/mqtt.md: password file, ACL, persistence.
"""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import Figures, Target, median_of_rounds
from bench.machine import reference_sha256
from bench.processes import HubProcess, free_port, run_reference, stopped_at_end, working_folder

EVENTS_PER_SECOND = 20_000  # events of a flood for each second of its length
EMBEDDED_SHARE = 4  # the embedded broker gets so much less
DEVICES = 100
WINDOW = 400
ACCOUNT = ("hub", "bench-secret")
POLL_S = 0.01  # the error of a flood's time
PATIENCE_S = 30.0  # without one more event for so long, the rest is lost
PAYLOADS = {
    "totals": '{"in":{n},"out":0,"boot":"%s"}',
    "deltas": '{"in_delta":1,"id":{n},"boot":"%s"}',
    "embedded": '{"in":{n},"out":0,"boot":"%s"}',
}
_DEVICE = """
[devices.doors]
kind = "mqtt_counter"
store = "bench"
address = "127.0.0.1:{port}"
username = "{user}"
password = "{password}"
"""
_READINGS = re.compile(rb"^storehub_visitor_readings_total\{[^}]*\} (\S+)", re.MULTILINE)


@dataclass(slots=True)
class _Line:
    """One sort of flood: its hub, the broker's port, what has come of it."""

    name: str
    hub: HubProcess
    broker_port: int
    sent: int = 0
    counted: int = 0
    lost: int = 0
    doubled: int = 0
    rounds: list[Figures] = field(default_factory=list)

    @property
    def events_of(self) -> int:
        """How many messages a visitor figure of 1 stands for: a first total of a boot is no visitor."""
        return 0 if self.name == "deltas" else DEVICES


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of `rounds` rounds, each flood of `seconds` × EVENTS_PER_SECOND events. Any: JSON."""
    with working_folder(folder) as work, mosquitto(work) as (port, process):
        embedded_port = free_port()
        embedded = f'[mqtt]\nport = {embedded_port}\nusername = "{ACCOUNT[0]}"\npassword = "{ACCOUNT[1]}"\n'
        lines = [
            _Line("totals", HubProcess(work / "totals", extra=_device(port)), port),
            _Line("deltas", HubProcess(work / "deltas", extra=_device(port)), port),
            _Line("embedded", HubProcess(work / "embedded", extra=embedded + _device(embedded_port)), embedded_port),
        ]
        for line in lines:
            with stopped_at_end(line.hub):
                line.hub.start()
                await _until_listening(line.hub)
                for number in range(1, rounds + 1):
                    count = round(seconds * EVENTS_PER_SECOND) // (EMBEDDED_SHARE if line.name == "embedded" else 1)
                    line.rounds.append(await _flood(line, number, count // DEVICES * DEVICES))
                line.rounds = [each | {"rss_mib": line.hub.rss_mib()} for each in line.rounds]
            told = median_of_rounds(line.rounds)
            say(f"{line.name}: {told['events_per_s']:.0f}/s, lost {line.lost}, doubled {line.doubled}")
        broker_rss_mib = _rss_mib(process.pid)
    return _result(lines, broker_rss_mib) | {
        "reference_sha256": reference_sha256(),
        "rounds": rounds,
        "seconds": seconds,
    }


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets of the design, section 8. Any: what `measure` returned."""
    return [
        Target("durable events/s (totals)", result["totals"]["events_per_s"], 10_000, "at_least"),
        Target("durable events/s (deltas)", result["deltas"]["events_per_s"], 10_000, "at_least"),
        Target("lost", result["lost"], 0, "at_most"),
        Target("doubled", result["doubled"], 0, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    return {name: result[name] for name in PAYLOADS}


@contextmanager
def mosquitto(work: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run mosquitto with a password file and an ACL; yield its port and process."""
    if shutil.which("mosquitto") is None or shutil.which("mosquitto_passwd") is None:
        raise SystemExit("bench: mosquitto is not installed; apt-get install mosquitto")
    folder, port = work / "mosquitto", free_port()
    folder.mkdir()
    passwords, acl, config = folder / "passwords", folder / "acl", folder / "mosquitto.conf"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), *ACCOUNT], check=True, capture_output=True)
    acl.write_text(f"user {ACCOUNT[0]}\ntopic readwrite store/bench/#\n")
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n"
        f"persistence true\npersistence_location {folder}/\nmax_queued_messages 100000\n"
        + ("user root\n" if os.geteuid() == 0 else "")
    )
    with (folder / "log").open("wb") as log, subprocess.Popen(["mosquitto", "-c", str(config)], stderr=log) as process:
        try:
            yield port, process
        finally:
            process.terminate()


def _device(port: int) -> str:
    return _DEVICE.replace("{port}", str(port)).replace("{user}", ACCOUNT[0]).replace("{password}", ACCOUNT[1])


async def _until_listening(hub: HubProcess) -> None:
    """The driver is up when its first session at the broker is: what is published before that nobody keeps."""
    async with asyncio.timeout(PATIENCE_S):
        while b'storehub_device_ready{device="doors"} 1.0' not in await _metrics(hub):  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_S)


async def _flood(line: _Line, number: int, count: int) -> Figures:
    payload = PAYLOADS[line.name] % f"round-{number}"
    arguments = ["127.0.0.1", str(line.broker_port), *ACCOUNT, "store/bench/counter/{device}/count", payload]
    before, cpu_s = _visitors(line.hub), line.hub.cpu_s()
    began_s = time.perf_counter()
    flood = asyncio.to_thread(
        run_reference, "mqtt_flood.py", *arguments, *(str(each) for each in (count, DEVICES, WINDOW))
    )
    waiting = _until_durable(line, sum(before.values()) + count - line.events_of)
    published, took_to_s = await asyncio.gather(flood, waiting)
    line.sent += count
    each = count // DEVICES - (1 if line.events_of else 0)
    grown = {name: total - before.get(name, 0) for name, total in _visitors(line.hub).items()}
    line.lost += sum(max(0, each - grown.get(f"d{n}", 0)) for n in range(DEVICES))
    line.doubled += sum(max(0, more - each) for more in grown.values())
    judged = sum(float(figure) for figure in _READINGS.findall(await _metrics(line.hub)))
    line.lost = max(line.lost, round(line.sent - judged))
    line.doubled = max(line.doubled, round(judged - line.sent))
    return {
        "events_per_s": count / (took_to_s - began_s),
        "published_per_s": published["per_s"],
        "hub_cpu_us": (line.hub.cpu_s() - cpu_s) / count * 1e6,
        "publisher_cpu_us": published["publisher_cpu_us"],
    }


async def _until_durable(line: _Line, expected: int) -> float:
    """Return when all were in the file, or when the last one was and no other came for PATIENCE_S."""
    seen, seen_s = -1, time.perf_counter()
    while True:
        total, now_s = sum(_visitors(line.hub).values()), time.perf_counter()
        if total > seen:
            seen, seen_s = total, now_s
        if total >= expected or now_s > seen_s + PATIENCE_S:
            return seen_s
        await asyncio.sleep(POLL_S)


def _visitors(hub: HubProcess) -> dict[str, int]:
    with closing(sqlite3.connect(f"{(hub.folder / 'hub.db').as_uri()}?mode=ro", uri=True)) as read:
        return dict(read.execute("SELECT entrance, sum(entered) FROM footfall GROUP BY entrance"))


async def _metrics(hub: HubProcess) -> bytes:
    async with aiohttp.ClientSession(hub.url) as session, session.get("/metrics") as response:
        return await response.read()


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _result(lines: list[_Line], broker_rss_mib: float) -> dict[str, Any]:
    by_name: dict[str, Any] = {line.name: median_of_rounds(line.rounds) for line in lines}
    for line in lines:
        by_name[line.name] |= {"sent": line.sent, "lost": line.lost, "doubled": line.doubled}
    totals = by_name["totals"]
    return by_name | {
        "events_per_s": totals["events_per_s"],
        "lost": sum(line.lost for line in lines),
        "doubled": sum(line.doubled for line in lines),
        "rss_mib": totals["rss_mib"],
        "publisher_cpu_us": totals["publisher_cpu_us"],
        "broker_rss_mib": broker_rss_mib,
    }
