"""`kill -9` of the cloud's process at every named moment, in the middle of batches; then the store sends again: once each.

The judge shares no code with the cloud: plain sqlite3 or asyncpg, json and hashlib.
"""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import pytest

READY_S = 60.0
TOKEN, OFFICE = "hk01-token-0123456789", "office-token-0123456789"
CONFIG = """
[cloud]
port = {port}
{database}
[stores.hk01]
token = "hk01-token-0123456789"
[[tokens]]
name = "office"
token = "office-token-0123456789"
"""
SALES, RETURNS = 1100, 30
AT_BATCHES = ("cloud.applied", "cloud.committed", "job.done", "commit.before", "commit.after")
AT_EXPORT = ("export.written",)  # tests/cloud/test_exports.py
AT_START = ("migrate.before_commit", "cloud.identified")
AT_IMPORT = ("cloud.imported",)
AT_RIGHTS = (
    "cloud.promised",
    "cloud.given_back",
    "cloud.debt_covered",
    "cloud.looked",
)  # tests/sync/test_rights_stored.py
AT_COUPONS = ("cloud.coupons_looked",)  # the simulator
AT_ALLOCATION = ("cloud.order_given",)  # tests/cloud/allocation


@dataclass
class CloudProcess:
    """`storehub cloud` as a process of its own."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None
    now_ms: int = 1_790_000_000_000
    clock: Any = field(init=False)

    def __post_init__(self) -> None:
        self.clock = lambda: self.now_ms

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, failpoint: str = "") -> bool:
        """Start it; say whether it got ready."""
        path = self.folder / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, (self.folder / "cloud.log").open("ab") as log:
            ready.bind(str(path))
            ready.setblocking(False)
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub", "cloud", "--config", str(self.folder / "cloud.toml")),
                env=os.environ | {"NOTIFY_SOCKET": str(path), "STOREHUB_FAILPOINT": failpoint},
                stderr=log,
            )
            told = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(ready, 64))
            died = asyncio.ensure_future(self.process.wait())
            async with asyncio.timeout(READY_S):
                await asyncio.wait({told, died}, return_when=asyncio.FIRST_COMPLETED)
            is_ready = told.done()
            for task in (told, died):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return is_ready

    async def died(self) -> int:
        """Wait for its end."""
        assert self.process is not None
        async with asyncio.timeout(READY_S):
            return await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.died()


@pytest.fixture
async def process(tmp_path: Path, free_port: Callable[[], int], engine: Any) -> Any:
    """A cloud's folder; what still runs at the end is killed."""
    port = free_port()
    database = "\n".join(f'{key} = "{value}"' for key, value in engine.settings(tmp_path).items())
    (tmp_path / "cloud.toml").write_text(CONFIG.format(port=port, database=database))
    cloud = CloudProcess(tmp_path, port)
    yield cloud
    if cloud.process is not None:
        await cloud.stop(signal.SIGKILL)


def fill(writer: Any) -> Any:
    for n in range(SALES):
        writer.sell(f"s{n}", n)
    for n in range(RETURNS):
        writer.give_back(f"r{n}", f"s{n}", n)
    return writer


async def send(cloud: CloudProcess, hub: Any, talking: Any) -> None:
    """Talk until everything is acknowledged or the line breaks."""
    with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
        async with talking(cloud, hub, TOKEN) as talk:
            done = asyncio.ensure_future(hub.until(lambda: hub.safe == {"sales": SALES, "returns": RETURNS}))
            await asyncio.wait({done, talk}, return_when=asyncio.FIRST_COMPLETED)
            done.cancel()


def judge(sql: Any, writer: Any, is_whole: bool) -> None:
    """Assert that every row is there once, in its order, and that cursors and sums are those of the rows."""
    for stream in ("sales", "returns"):
        rows = sql(
            "SELECT n, seq, body FROM fact WHERE stream = (SELECT id FROM feed WHERE stream = ?) ORDER BY n", stream
        )
        count = len(writer.logs[stream])
        assert [(n, seq) for n, seq, _ in rows] == [(n, n) for n in range(1, count + 1)]
        assert [body for _, _, body in rows] == writer.logs[stream]
        digest = bytes(8)
        for row in writer.logs[stream]:
            digest = blake2b(digest + row, digest_size=8).digest()
        assert sql("SELECT last, digest, row_count FROM received WHERE stream = ?", stream) == [(count, digest, count)]
        assert sql("SELECT n FROM feed WHERE stream = ?", stream) == [(count,)]
    assert sql("SELECT measure, unit, row_count, amount FROM store_sum ORDER BY measure") == [
        ("returns", "HKD", RETURNS, sum(range(RETURNS))),
        ("sales", "HKD", SALES, sum(range(SALES))),
    ]
    assert sql("SELECT count(*) FROM duplicate") == [(0,)]
    assert is_whole


@pytest.mark.parametrize(
    "failpoint", [f"{name}:{nth}" for name in AT_BATCHES for nth in ((2, 4) if name.startswith("cloud") else (6, 8))]
)
async def test_rows_sent_again_after_a_kill_are_there_once(
    *, process: CloudProcess, writer: Any, talking: Any, sql: Any, failpoint: str, engine: Any
) -> None:
    hub = talking.hub(fill(writer))
    assert await process.start(failpoint)

    await send(process, hub, talking)
    code = await process.died()
    acknowledged = dict(hub.safe)
    held = dict(sql("SELECT stream, last FROM received"))
    await process.start()
    await send(process, hub, talking)
    end = await process.stop()

    assert code == -signal.SIGKILL
    assert all(held.get(stream, 0) >= last for stream, last in acknowledged.items()), "an ack is a promise"
    assert hub.safe == {"sales": SALES, "returns": RETURNS}
    assert end == 0
    judge(sql, writer, engine.is_whole(process.folder))


@pytest.mark.parametrize("failpoint", AT_START)
async def test_a_start_that_was_killed_is_done_again(
    *, process: CloudProcess, writer: Any, talking: Any, sql: Any, failpoint: str, engine: Any
) -> None:
    hub = talking.hub(fill(writer))

    assert not await process.start(failpoint)
    assert await process.start()
    await send(process, hub, talking)
    await process.stop()

    assert sql("SELECT count(*) FROM replica WHERE own = 1") == [(1,)]
    judge(sql, writer, engine.is_whole(process.folder))


@pytest.mark.parametrize("failpoint", [*AT_IMPORT, "commit.before:2", "commit.after:2"])
async def test_an_import_that_was_killed_is_written_whole_or_not_at_all(
    process: CloudProcess, sql: Any, failpoint: str
) -> None:
    entries = [
        {"product": {"sku": f"S{n}", "name": {"en": "x"}}, "price": {"amount": n, "currency": "HKD"}}
        for n in range(200)
    ]
    headers = {"Authorization": f"Bearer {OFFICE}"}
    async with aiohttp.ClientSession(process.url, headers=headers) as session:
        await process.start(failpoint)
        with pytest.raises(aiohttp.ClientError):
            await session.post("/cloud/v1/products", json={"entries": entries})
        await process.died()
        before = sql("SELECT count(*) FROM register")[0][0]
        await process.start()
        async with session.post("/cloud/v1/products", json={"entries": entries}) as response:
            answer = await response.json()
    await process.stop()

    assert before in (0, 400)
    assert (answer["created"], answer["unchanged"]) == ((200, 0) if before == 0 else (0, 200))
    assert sql("SELECT count(*), max(seq), max(n) FROM register") == [(400, 400, 1)]
    assert sql("SELECT seq FROM stream WHERE name = 'catalogue'") == [(400,)]


def test_every_failpoint_of_the_cloud_is_killed_at() -> None:
    code = "\n".join(path.read_text() for path in (Path(__file__).parents[2] / "sync" / "cloud").rglob("*.py"))

    used = {*AT_BATCHES, *AT_START, *AT_IMPORT, *AT_RIGHTS, *AT_COUPONS, *AT_ALLOCATION, *AT_EXPORT}
    assert set(re.findall(r'failpoints\.hit\("([a-z_.]+)"\)', code)) <= used


async def test_what_cannot_start_says_so_in_one_sentence(process: CloudProcess, tmp_path: Path) -> None:
    assert await process.start()
    second = CloudProcess(tmp_path, process.port)

    assert not await second.start()
    assert await second.died() == 1
    await process.stop()
    (tmp_path / "cloud.toml").write_text("[cloud]\nprt = 1\n")
    third = CloudProcess(tmp_path, process.port)
    assert not await third.start()
    assert await third.died() == 78

    said = [line for line in (tmp_path / "cloud.log").read_text().splitlines() if line.startswith("storehub:")]
    assert "is in use by process" in said[0]
    assert "did you mean 'port'" in said[1]
