"""What the tests of the demo share: a running `storehub demo` in a process group of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

START_TIMEOUT_S = 60.0


class Demo:
    """A running `storehub demo`."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path, port: int) -> None:
        self.process = process
        self.data = data
        self.port = port

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return facts

    async def read_until(self, word: str) -> str:
        assert self.process.stdout is not None
        said = ""
        async with asyncio.timeout(START_TIMEOUT_S):
            while word not in said:
                line = await self.process.stdout.readline()
                assert line, f"the demo ended: {said}"
                said += line.decode()
        return said

    async def signal_group(self, number: signal.Signals) -> None:
        """Signal all of the demo; return when every process of it has let go of its output."""
        os.killpg(self.process.pid, number)
        assert self.process.stdout is not None
        await self.process.stdout.read()
        await self.process.wait()


@asynccontextmanager
async def _started(data: Path, *options: str, port: int, cloud_port: int) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "demo", "--port", str(port), "--cloud-port", str(cloud_port)),
        *("--data", str(data), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    demo = Demo(process, data, port)
    try:
        await demo.read_until("Ctrl-C stops it.")
        yield demo
    finally:
        if process.returncode is None:
            await demo.signal_group(signal.SIGKILL)


@pytest.fixture
def started(free_port: Callable[[], int]) -> Callable[..., AbstractAsyncContextManager[Demo]]:
    """`async with started(data, *options, port=0) as demo:` is an open demo store."""

    def start(data: Path, *options: str, port: int = 0) -> AbstractAsyncContextManager[Demo]:
        return _started(data, *options, port=port or free_port(), cloud_port=free_port())

    return start
