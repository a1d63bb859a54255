"""A hub as a process of its own under a service manager: fed from its start on, starved by a commit that hangs."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

LIMIT_S = 0.2
SILENT_S = 1.5  # seven times as long: a busy machine is no hang
CONFIG = '[store]\nid = "hk01"\nname_zh_hant = "店"\nname_en = "Shop"\ncurrency = "HKD"\n[api]\nport = {port}\n'
HANGING = 25  # a commit after the start's own: a sign of life


class Managed:
    """The process, and what its manager hears."""

    def __init__(self, process: asyncio.subprocess.Process, notify: socket.socket) -> None:
        self.process, self._notify = process, notify

    async def says(self) -> str:
        async with asyncio.timeout(60):
            return (await asyncio.get_running_loop().sock_recv(self._notify, 4096)).decode()

    async def is_silent_for(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_recv(self._notify, 4096)
                return False
        return True


@asynccontextmanager
async def managed(folder: Path, port: int, **environment: str) -> AsyncIterator[Managed]:
    (folder / "hub.toml").write_text(CONFIG.format(port=port), encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, (folder / "log").open("wb") as log:
        notify.bind(str(folder / "notify.sock"))
        notify.setblocking(False)
        said = {"NOTIFY_SOCKET": str(folder / "notify.sock"), "WATCHDOG_USEC": str(int(LIMIT_S * 1e6))}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", "run", "--config", str(folder / "hub.toml")),
            env=os.environ | said | environment,
            stderr=log,
        )
        try:
            yield Managed(process, notify)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_a_hub_is_ready_then_fed_then_stopping(tmp_path: Path, free_port: Callable[[], int]) -> None:
    async with managed(tmp_path, free_port()) as hub:
        first = [await hub.says() for _ in range(4)]
        hub.process.send_signal(signal.SIGTERM)
        while (last := await hub.says()) == "WATCHDOG=1":
            pass
        code = await hub.process.wait()

    assert first[0].startswith("READY=1\n") and set(first[1:]) == {"WATCHDOG=1"}
    assert last.startswith("STOPPING=1\n")
    assert code == 0


async def test_a_commit_that_hangs_starves_the_watchdog_and_its_end_names_the_place(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The manager ends it by SIGABRT; each thread's place is then in the log."""
    async with managed(tmp_path, free_port(), STOREHUB_FAILPOINT=f"commit.before:{HANGING}:hang") as hub:
        assert (await hub.says()).startswith("READY=1\n")
        fed = 0
        while not await hub.is_silent_for(SILENT_S):
            fed += 1
        hub.process.send_signal(signal.SIGABRT)
        code = await hub.process.wait()
    said = (tmp_path / "log").read_text()

    assert 0 < fed <= HANGING
    assert code == -signal.SIGABRT
    assert "run_group" in said and "failpoints.py" in said
