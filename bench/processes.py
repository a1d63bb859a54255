"""Real processes of a benchmark: hubs, cloud ends, printers, tills, reference loops; and what /proc says of them.

A hub gets a folder, a configuration and a free port; it is stopped with SIGTERM. Nothing here measures time but readiness.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import REFERENCE, REPOSITORY
from bench.tills import Order, Sold
from bench.workload import catalogue
from hub.api.control import BATCH_MAX
from hub.client import HubClient
from hub.store.staff.tills import Scope

READY_TIMEOUT_S = 20.0
READY_POLL_S = 0.002  # the error of `ready_s`
STOP_TIMEOUT_S = 10.0
RUN_TIMEOUT_S = 60.0  # beyond what was ordered
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_CONFIG = """
[store]
id = "{store}"
name_zh_hant = "量度店"
name_en = "Bench shop"
currency = "HKD"
zone = "Asia/Hong_Kong"
receipt_footer = ["多謝惠顧 Thank you"]
[api]
port = {port}
[data]
synchronous = "{synchronous}"
"""
_NO_LIMITS = """
[limits]
requests_per_s = 1_000_000
burst = 1_000_000
at_once = 10_000
connections = 10_000
"""
_CLOUD_CONFIG = """
[cloud]
port = {port}
{cloud_extra}
[stores.{store}]
token = "{token}"
{store_extra}
[[tokens]]
name = "bench"
token = "{office}"
{extra}
"""


WARMED_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DiskUse:
    """/proc/PID/io. `dirtied_bytes` is write_bytes: pages (4 KiB each) made dirty, so counted again after each sync; it
    has the file system's data, not its journal. `written_bytes` and `writes` are what went through write calls."""

    dirtied_bytes: int
    written_bytes: int
    writes: int


class ServerProcess:
    """A hub or a cloud end: its folder, its configuration and, while started, its process."""

    def __init__(self, command: str, folder: Path, config: str) -> None:
        """`config` has {port} where the port goes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.ready_s = 0.0
        self._command = command
        self._config = folder / f"{command}.toml"
        self._config.write_text(config.replace("{port}", str(self.port)), encoding="utf-8")
        self._log = folder / f"{command}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, "start it first"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait for /readyz; `ready_s` is then the time from exec to its first 200."""
        command = [str(Path(sys.executable).with_name("storehub")), self._command, "--config", str(self._config)]
        with self._log.open("ab") as log:
            began_s = time.perf_counter()
            self._process = subprocess.Popen(command, stderr=log, cwd=self.folder)
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() > began_s + READY_TIMEOUT_S:
                raise SystemExit(
                    f"bench: `storehub {self._command}` did not start; its log says:\n{self._last_words()}"
                )
            time.sleep(READY_POLL_S)
        self.ready_s = time.perf_counter() - began_s

    def stop(self) -> None:
        """Stop it if it runs."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def cpu_s(self) -> float:
        """Return user and system time of all threads since the start, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def disk_use(self) -> DiskUse:
        """Return what the process wrote since its start."""
        lines = Path(f"/proc/{self.pid}/io").read_text("ascii").splitlines()
        use = {key: int(value) for key, value in (line.split(": ") for line in lines)}
        return DiskUse(use["write_bytes"], use["wchar"], use["syscw"])

    def rss_mib(self) -> float:
        """Return the resident memory."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii", "replace").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("smaps_rollup has no Rss")

    def _is_ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        return False

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-5:])


class HubProcess(ServerProcess):
    """One hub; `extra` is TOML for the end of its configuration.

    A load sells as fast as it is answered, from one address: it is no till, and not limited as one unless `is_limited`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        synchronous: str = "full",
        printer: str = "",
        scanners: Sequence[str] = (),
        typing_scanners: Sequence[str] = (),
        extra: str = "",
        store: str = "bench",
        is_limited: bool = False,
    ) -> None:
        config = _CONFIG.replace("{synchronous}", synchronous).replace("{store}", store)
        config += _device_sections(printer, scanners, typing_scanners) + ("" if is_limited else _NO_LIMITS) + extra
        super().__init__("run", folder, config)

    @property
    def database_bytes(self) -> int:
        """The size of the database file."""
        return (self.folder / "hub.db").stat().st_size

    def warm(self) -> None:
        """Have the database file in the machine's memory, where Linux leaves it; a virtual machine's host may take it back."""
        with (self.folder / "hub.db").open("rb") as file:
            while file.read(WARMED_AT_ONCE):
                pass

    def chill(self) -> None:
        """Have none of it there."""
        with (self.folder / "hub.db").open("rb") as file:
            os.fsync(file.fileno())  # what is not written stays
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    @property
    def page_bytes(self) -> int:
        """The database's page size, from its header. SQLite file format 1.3.2."""
        with (self.folder / "hub.db").open("rb") as file:
            size = int.from_bytes(file.read(18)[16:18], "big")
        return 65_536 if size == 1 else size

    @asynccontextmanager
    async def control(self) -> AsyncIterator[HubClient]:
        """Open the control socket."""
        async with HubClient("http://hub", unix_socket=self.folder / "hub.sock") as client:
            yield client

    async def fill(self) -> None:
        """Import the benchmark's catalogue through the control socket."""
        entries = catalogue()
        async with self.control() as client:
            while batch := list(islice(entries, BATCH_MAX)):
                await client.put_products(batch)

    async def pair(self, tills: int, *, scope: Scope = "till") -> list[tuple[str, str]]:
        """Pair so many tills; return (till_id, token) of each."""
        paired = []
        async with self.control() as control, HubClient(self.url) as client:
            for number in range(tills):
                answer = await client.pair(await control.make_code(scope), f"till {number + 1}")
                paired.append((answer.till_id, answer.token))
        return paired


class CloudProcess(ServerProcess):
    """One cloud end with one store and one token of head office.

    `store_extra` is TOML of the store, `cloud_extra` of [cloud], `extra` for the end.
    """

    def __init__(
        self, folder: Path, *, store: str, token: str, store_extra: str = "", cloud_extra: str = "", extra: str = ""
    ) -> None:
        office = secrets.token_urlsafe(24)
        self.headers = {"Authorization": f"Bearer {office}"}
        said = {"store": store, "token": token, "office": office, "store_extra": store_extra}
        said |= {"cloud_extra": cloud_extra, "extra": extra}
        super().__init__("cloud", folder, _CLOUD_CONFIG.format(port="{port}", **said))


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that is gone at the end; its name is short, Unix sockets have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="shb-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def stopped_at_end(*servers: ServerProcess) -> Iterator[None]:
    """Stop these whatever happens."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()


@contextmanager
def printers(count: int) -> Iterator[list[str]]:
    """Run simulated printers in a process of their own; yield their addresses."""
    command = [sys.executable, "-m", "bench.printers", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().split()
        finally:
            process.stdin.close()
            process.terminate()


async def run_tills(order: Order) -> Sold:
    """Sell with tills in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.tills"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    async with asyncio.timeout(order.seconds + RUN_TIMEOUT_S):
        answer, _ = await process.communicate(msgspec.json.encode(order))
    if process.returncode:
        raise SystemExit("bench: the tills gave up; the reason is above")
    return msgspec.json.decode(answer, type=Sold)


def run_reference(name: str, *arguments: str) -> dict[str, float]:
    """Run a reference loop in a process of its own and return its figures."""
    done = subprocess.run(
        [sys.executable, str(REFERENCE / name), *arguments], stdout=subprocess.PIPE, check=True, timeout=RUN_TIMEOUT_S
    )
    answer: Any = json.loads(done.stdout)  # Any: JSON, checked by the next line
    return {key: float(value) for key, value in answer.items()}


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _device_sections(printer: str, scanners: Sequence[str], typing_scanners: Sequence[str]) -> str:
    sections = [
        *(f'kind = "serial_scanner"\nport = "{path}"' for path in scanners),
        *(f'kind = "hid_scanner"\npath = "{path}"' for path in typing_scanners),
    ]
    sections = [f"[devices.s{number}]\n{section}" for number, section in enumerate(sections, 1)]
    if printer:
        sections += ['[receipt]\nprinter = "p1"', f'[devices.p1]\nkind = "escpos_printer"\naddress = "{printer}"']
    return "\n".join(sections) + "\n"
