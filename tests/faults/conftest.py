"""Hub and cloud end as processes of their own that can be killed and started again on the same folder and port."""

import asyncio
import gc
import os
import shutil
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.client import HubClient
from tests.faults.verdict import Verdict, read_verdict

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Who is killed closes nothing: what is left of its connections goes here, and is not blamed on a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class DiedError(Exception):
    """The hub ended before it was ready."""


async def said_ready(notify: socket.socket) -> None:
    """Return when READY was said; a start that takes long asks for more time before."""
    while not (await asyncio.get_running_loop().sock_recv(notify, 256)).startswith(b"READY=1"):
        pass


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
        told = asyncio.ensure_future(said_ready(ready))
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


@pytest.fixture
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Verdict]:
    """Read a dead hub's folder: copy the file with its WAL, open the copy, ask plain SQL."""

    def read(folder: Path) -> Verdict:
        copy = tmp_path_factory.mktemp("copy")
        for file in folder.glob("hub.db*"):
            shutil.copy(file, copy)
        return read_verdict(copy)

    return read
