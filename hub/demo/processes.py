"""The demo's children: the hub and the cloud as ordinary processes, started, waited for, started again, stopped.

The parent leads the process group; a child dies with it (PR_SET_PDEATHSIG). Devices stay while a killed hub is started
again, as they would in a shop.
"""

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sync.errors import StartError

_SERVERS_PORTS = range(20_000, 32_000)

READY_TIMEOUT_S = 20.0  # a slow card and a first migration; a child that needs longer is broken
STOP_TIMEOUT_S = 1.5  # Ctrl-C stops everything within two seconds
RESTART_PAUSE_S = 0.3
FAILURES_MAX = 5  # a child that does not get ready so often in a row is broken: stop and show its last words
_PR_SET_PDEATHSIG = 1


class Child:
    """One `storehub` command as a child process; its log is a file. `environment` is added to ours."""

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self._arguments = arguments
        self._log = log
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start and return when it says it is ready; raise StartError with its last words when it ends first."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self._log.open("ab") as log:
            name = f"storehub-demo-{secrets.token_hex(6)}"
            notify.bind(f"\0{name}")
            notify.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub", *self._arguments),
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **self._environment, "NOTIFY_SOCKET": f"@{name}"},
                preexec_fn=_die_with_parent,
            )
            await self._wait_ready(notify, self._process)
        self.ready.set()

    async def keep(self) -> None:
        """Start it again whenever it dies."""
        failures = 0
        while True:
            assert self._process is not None
            code = await self._process.wait()
            self.ready.clear()
            print(f"the {self.name} ended ({code}); starting it again", flush=True)
            await asyncio.sleep(RESTART_PAUSE_S)
            try:
                await self.start()
            except StartError:
                if self._process.returncode == -signal.SIGKILL:
                    continue  # somebody took it away before it was ready: no fault of its own
                failures += 1
                if failures == FAILURES_MAX:
                    raise
            else:
                failures = 0

    def kill(self) -> None:
        """Take it away without a word, as a pulled plug does; `keep` starts it again."""
        assert self._process is not None
        self.ready.clear()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """Ask it to stop, and end it when it takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _wait_ready(self, notify: socket.socket, process: asyncio.subprocess.Process) -> None:
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(_said_ready(notify), name=f"{self.name} ready")
            ended = group.create_task(process.wait(), name=f"{self.name} ended")
            done, _ = await asyncio.wait({ready, ended}, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            ended.cancel()
        if ready not in done:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise StartError(f"the {self.name} did not start: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("storehub: ") if lines else f"see {self._log}"


async def _said_ready(notify: socket.socket) -> None:
    """Return when READY was said; a start that takes long asks for more time before."""
    while not (await asyncio.get_running_loop().sock_recv(notify, 256)).startswith(b"READY=1"):
        pass


async def stop_all(*children: Child) -> None:
    """Stop children side by side: the time of one is enough for all."""
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(child.stop(), name=f"stop {child.name}")


def refuse_busy_port(port: int, option: str) -> None:
    """Raise StartError when a port cannot be used, naming the option that chooses another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as err:
            raise StartError(f"port {port} cannot be used ({err}); choose another with {option}") from err


def free_port() -> int:
    """Return a port that nobody listens on now, and none that the kernel gives to connections meanwhile (from 32768 on)."""
    while True:
        port = secrets.choice(_SERVERS_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def lead_process_group() -> None:
    """Own a process group, so that Ctrl-C and `kill -- -PGID` reach all of the demo and nothing else."""
    if os.getpgrp() == os.getpid():
        return
    on_terminal = sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    os.setpgid(0, 0)
    if on_terminal:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
