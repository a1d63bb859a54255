"""Hub and cloud end as processes of their own that can be killed and started again on the same folder and port."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from hub.client import HubClient

READY_S = 60.0  # a start takes under a second; one that takes this long never ends
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
[api]
port = {port}
[disk]
reserve_mib = 0
"""
PRINTER = """
[receipt]
printer = "p1"
[devices.p1]
kind = "escpos_printer"
address = "{address}"
poll_s = 0.05
answer_timeout_s = 0.5
confirm_timeout_s = 1.0
"""


class DiedError(Exception):
    """The hub ended before it was ready."""


@dataclass
class ServerProcess:
    """`start` returns when the process has told its NOTIFY_SOCKET that it is ready; `kill` is SIGKILL."""

    folder: Path
    port: int
    command: str = "run"
    name: str = "hub"
    process: asyncio.subprocess.Process | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / f"{self.name}.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *, failpoint: str = "") -> None:
        """Start it; raise DiedError when it ends before it is ready, as a failpoint of the start makes it."""
        notified = self.folder / "notify.sock"
        notified.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, self.log.open("ab") as log:
            ready.bind(str(notified))
            ready.setblocking(False)
            environment = os.environ | {"NOTIFY_SOCKET": str(notified), "STOREHUB_FAILPOINT": failpoint}
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub", self.command, "--config", str(self.folder / f"{self.name}.toml")),
                env=environment,
                stderr=log,
            )
            await self._ready_or_dead(ready)

    async def _ready_or_dead(self, ready: socket.socket) -> None:
        assert self.process is not None
        told = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(ready, 64))
        died = asyncio.ensure_future(self.process.wait())
        async with asyncio.timeout(READY_S):
            await asyncio.wait({told, died}, return_when=asyncio.FIRST_COMPLETED)
        is_ready = told.done()
        for task in (told, died):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if not is_ready:
            raise DiedError(self.process.returncode)

    async def died(self, within_s: float) -> bool:
        """Wait for the process's end; say whether it came."""
        assert self.process is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.process.wait()
        return self.process.returncode is not None

    async def kill(self) -> None:
        """End it as a power cut would, as far as this machine's page cache allows."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def control(self) -> HubClient:
        """Return a client of the control socket."""
        return HubClient("http://hub", unix_socket=self.folder / "hub.sock")


@pytest.fixture
async def hub_process(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Callable[..., ServerProcess]]:
    """Make a hub's folder: `hub_process(printer_address=..., cloud=TOML)`; what still runs at the end is killed."""
    made: list[ServerProcess] = []

    def make(*, printer_address: str = "", cloud: str = "", folder: str = "") -> ServerProcess:
        printer = PRINTER.format(address=printer_address) if printer_address else ""
        made.append(ServerProcess(tmp_path / folder, free_port()))
        made[-1].folder.mkdir(exist_ok=True)
        toml = CONFIG.format(port=made[-1].port) + printer + cloud
        (made[-1].folder / "hub.toml").write_text(toml, encoding="utf-8")
        return made[-1]

    yield make
    for hub in made:
        if hub.process is not None:
            await hub.kill()


@pytest.fixture
async def cloud_process(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Callable[..., ServerProcess]]:
    """Make a cloud end's folder: `cloud_process(toml)`, {port} is its port; what still runs at the end is killed."""
    made: list[ServerProcess] = []

    def make(toml: str, *, folder: str = "cloud") -> ServerProcess:
        (tmp_path / folder).mkdir()
        made.append(ServerProcess(tmp_path / folder, free_port(), "cloud", "cloud"))
        text = toml.replace("{port}", str(made[-1].port))
        (tmp_path / folder / "cloud.toml").write_text(text, encoding="utf-8")
        return made[-1]

    yield make
    for cloud in made:
        if cloud.process is not None:
            await cloud.kill()


@dataclass
class Verdict:
    """What an independent reader finds in a copy of the database file."""

    integrity: str
    sales: list[tuple[int, int, str, str, str, str]]  # replica, seq, sale_id, receipt_no, body, told
    replicas: dict[int, str]
    returns: list[tuple[int, int, str, str, str]]  # replica, seq, return_id, body, told
    movements: list[tuple[int, int, str]]  # replica, seq, body
    results: list[tuple[int, int, str]]  # replica, seq, body
    streams: list[tuple[int, str, int, bytes]]
    stock: dict[str, int]
    jobs: list[tuple[str, str | None, str, int]]  # job_id, sale_id, state, attempts

    @property
    def answers(self) -> dict[str, Any]:
        """Sale by sale, what its till was told; a sale that is there twice is told as a list."""
        told: dict[str, Any] = {}
        for replica, seq, sale_id, receipt_no, body, beside in self.sales:
            fact = json.loads(body)
            said = ("receipt_no", "committed_at", "business_date", "warnings")
            one = {"sale_id": fact["sale"]["sale_id"]} | {key: fact[key] for key in said if key in fact}
            one |= {"dot": {"rep": self.replicas[replica], "stream": "sales", "seq": seq}} | json.loads(beside)
            agrees = (one["sale_id"], one["receipt_no"]) == (sale_id, receipt_no)
            told[sale_id] = one if agrees and sale_id not in told else [told.get(sale_id), one]
        return told

    @property
    def return_answers(self) -> dict[str, Any]:
        """Return by return, what its till was told; a return that is there twice is told as a list."""
        told: dict[str, Any] = {}
        for replica, seq, return_id, body, beside in self.returns:
            fact = json.loads(body)
            said = ("refund", "currency", "lines", "committed_at", "business_date", "warnings")
            one = {key: fact["return"][key] for key in ("return_id", "sale_id")}
            one |= {key: fact[key] for key in said if key in fact}
            one |= {"dot": {"rep": self.replicas[replica], "stream": "returns", "seq": seq}} | json.loads(beside)
            told[return_id] = one if return_id not in told else [told[return_id], one]
        return told

    @property
    def prints(self) -> set[str]:
        """The sales whose receipt is in the print ledger."""
        return {sale_id for _, sale_id, _, _ in self.jobs if sale_id is not None}

    def results_that_differ(self) -> list[str]:
        """Return the jobs whose last result is not how the ledger says that they ended, or whose results repeat an attempt."""
        ends: dict[str, list[tuple[str, int]]] = {}
        for _, _, body in sorted(self.results):
            result = json.loads(body)
            ends.setdefault(result["job_id"], []).append((result["state"], result["attempts"]))
        wrong = set(ends) - {job_id for job_id, *_ in self.jobs}
        for job_id, _, state, attempts in self.jobs:
            known = ends.get(job_id, [])
            tried = [attempt for _, attempt in known]
            is_over = state in ("printed", "failed", "unknown")
            agrees = known[-1:] == [(state, attempts)] if is_over else all(end != "printed" for end, _ in known)
            if not agrees or tried != sorted(set(tried)):
                wrong.add(job_id)
        return sorted(wrong)

    def gaps(self) -> list[str]:
        """Return the (till, series) whose numbers are not 1, 2, 3, ..."""
        numbers: dict[str, list[int]] = {}
        for sale in self.sales:
            series, _, n = sale[3].rpartition("-")
            numbers.setdefault(series, []).append(int(n))
        return [series for series, given in numbers.items() if sorted(given) != list(range(1, len(given) + 1))]

    def streams_that_differ(self) -> list[str]:
        """Return the log streams whose seqs are not dense, or whose stored digest is not that of the bodies."""
        bodies = {
            "sales": [(replica, seq, body) for replica, seq, _, _, body, _ in self.sales],
            "returns": [(replica, seq, body) for replica, seq, _, body, _ in self.returns],
            "stock": self.movements,
            "prints": self.results,
        }
        wrong = []
        for replica, name, last, digest in self.streams:
            rows = sorted((seq, body) for owner, seq, body in bodies.get(name, []) if owner == replica)
            rolled = bytes(8)
            for _, body in rows:
                rolled = blake2b(rolled + body.encode(), digest_size=8).digest()
            if name in bodies and ([seq for seq, _ in rows] != list(range(1, last + 1)) or rolled != digest):
                wrong.append(name)
        return wrong

    def wrong_stock(
        self, opening: dict[str, int], sales: Iterable[Any], returns: Iterable[Any] = ()
    ) -> dict[str, tuple[int, int]]:
        """Return sku: (stored, expected) where the figure is not the opening less what was sold and did not come back.

        `returns` are what the tills were answered.
        """
        sold: Counter[str] = Counter()
        for sale in sales:
            sold.update({line["sku"]: line["qty"] for line in sale["lines"]})
        for back in returns:
            sold.subtract({line["sku"]: line["qty"] for line in back["lines"]})
        return {
            sku: (self.stock.get(sku, 0), first - sold[sku])
            for sku, first in opening.items()
            if self.stock.get(sku) != first - sold[sku]
        }


@pytest.fixture
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Verdict]:
    """Read a dead hub's folder: copy the file with its WAL, open the copy, ask plain SQL."""

    def read(folder: Path) -> Verdict:
        copy = tmp_path_factory.mktemp("copy")
        for file in folder.glob("hub.db*"):
            shutil.copy(file, copy)
        with closing(sqlite3.connect(copy / "hub.db")) as file:

            def rows(sql: str) -> list[Any]:
                return file.execute(sql).fetchall()

            return Verdict(
                integrity=rows("PRAGMA integrity_check")[0][0],
                sales=rows("SELECT replica, seq, sale_id, receipt_no, body, told FROM sale"),
                replicas=dict(rows("SELECT id, store || ':' || incarnation FROM replica")),
                returns=rows("SELECT replica, seq, return_id, body, told FROM sale_return"),
                results=rows("SELECT replica, seq, body FROM print_result"),
                movements=rows("SELECT replica, seq, body FROM stock_movement"),
                streams=rows("SELECT replica, name, seq, digest FROM stream"),
                stock=dict(rows("SELECT sku, on_hand FROM stock")),
                jobs=rows("SELECT job_id, sale_id, state, attempts FROM print_job"),
            )

    return read
