"""What the tests of the hub share: a small catalogue, a store on a real file, a hub in this process, tills on real HTTP.

The hub is wired by hub.app with the test's clock. Every answer is held against the OpenAPI document (fixture `contract`).
"""

import asyncio
import gc
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import hypothesis
import pytest

from devices.testing.printer import SimulatedPrinter
from hub.claims import CLAIM_GRACE_S
from hub.client import new_id
from hub.config import parse_config
from hub.migrations import MIGRATIONS
from hub.store.model import Entry, Shop
from hub.store.staff.tills import Scope
from sync.retail.names import Name
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.store.replicas import identify
from tests.files import open_fresh
from tests.local_hub import CATALOGUE, STARTED_MS, WAIT_S, Clock, Contract, LocalHub, Store, Till

# how long an example takes is a matter of the machine: figures are measured by `python -m bench`
hypothesis.settings.register_profile("storehub", deadline=None)
hypothesis.settings.load_profile("storehub")
ASK_AGAIN_S = 0.005  # the hub in this process wants its turn, too
GARBAGE = 20_000  # new objects between two looks for cycles; at Python's 700 that is a tenth of the simulator's time
LONG = (
    "tests/appliance/",
    "tests/sim/",
    "tests/faults/",
    "tests/demo/",
    "tests/replay/",
    "tests/console/",
    "tests/cloud/test_kill.py",
)
QUICK_PRINTER = {
    "poll_s": 0.05,
    "connect_timeout_s": 1.0,
    "answer_timeout_s": 0.5,
    "send_timeout_s": 1.0,
    "confirm_timeout_s": 0.5,
}
"""Time-outs of a printer driver in tests: loopback answers in a millisecond."""

NO_LIMITS = {"requests_per_s": 1e6, "burst": 1_000_000, "at_once": 10_000, "connections": 10_000}
"""What a test sends in a second no till sends in an hour; those of the limits have the defaults, or their own."""


StartHub = Callable[..., Awaitable[LocalHub]]


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The document that all answers are held against."""
    return Contract()


@pytest.fixture
def catalogue() -> tuple[Entry, ...]:
    """The products that store and hub begin with."""
    return CATALOGUE


@pytest.fixture
def shop() -> Shop:
    """A shop in Hong Kong that closes its day at 4 a.m."""
    name = Name(zh_hant="示範店", en="Demo shop")
    return Shop("hk01", name, ZoneInfo("Asia/Hong_Kong"), "HKD", cut_over_hour=4, footer=("多謝惠顧 Thank you",))


@pytest.fixture
async def store(tmp_path: Path, shop: Shop) -> AsyncIterator[Store]:
    """The catalogue in a real file."""
    path = tmp_path / "hub.db"
    async with open_fresh(path, migrations=MIGRATIONS) as db:
        replica = await db.write(lambda tx: identify(tx, "hk01", incarnation="0123456789abcdef", now_ms=STARTED_MS))
        store = Store(db, replica, shop, path)
        await store.put(*CATALOGUE)
        yield store


@pytest.fixture
def sale() -> Callable[..., Sale]:
    """Return a sale of `qty` teas; keywords replace its fields."""

    def make(qty: int = 1, **fields: Any) -> Sale:
        total = qty * 1090
        values: dict[str, Any] = {
            "sale_id": new_id(),
            "till_id": "t1",
            "currency": "HKD",
            "lines": (SaleLine(1, "TEA-01", qty, 1090),),
            "tenders": (Tender("cash", total),),
            "total": total,
        }
        return Sale(**(values | fields))

    return make


@pytest.fixture
async def start_hub(tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StartHub]:
    """Start a hub in this process: `await start_hub(devices=..., cloud=..., tax=..., ...)`; a second one has its own folder."""
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []
    for what in ("hub.replication.FOLD_EVERY_S", "hub.printing.spooler.PRINTED_WITHIN_S"):
        monkeypatch.setattr(what, 0.05)  # a shop has time, a test waits

    async def start(
        *,
        devices: dict[str, Any] | None = None,
        receipt_printer: str | None = None,
        cloud: dict[str, Any] | None = None,
        standby: dict[str, Any] | None = None,
        grace_s: float = CLAIM_GRACE_S,
        **sections: Any,
    ) -> LocalHub:
        raw = {
            "store": {
                "id": "hk01",
                "name_zh_hant": "示範店",
                "name_en": "Demo",
                "currency": "HKD",
                "zone": "Asia/Hong_Kong",
            },
            "api": {"port": 0},
            "receipt": {"printer": receipt_printer} if receipt_printer else {},
            "devices": devices or {},
            "limits": NO_LIMITS,
        } | {name: section for name, section in (("cloud", cloud), ("standby", standby)) if section}
        raw |= sections
        if standby:
            raw["data"] = {"dir": "beside"}
            (tmp_path / "beside").mkdir()
        hub = LocalHub(parse_config(raw, base=tmp_path), Clock(), contract)
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(hub.run(started, stop, grace_s), name="hub")
        running.append((stop, task))
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return hub

    yield start
    for stop, task in running:
        stop.set()
        async with asyncio.timeout(WAIT_S):
            await task


@pytest.fixture
async def pair_till() -> AsyncIterator[Callable[..., Awaitable[Till]]]:
    """Pair a till with a hub: `await pair_till(hub, scope=...)`; scope None is a client without a token."""
    sessions: list[aiohttp.ClientSession] = []

    async def pair(hub: LocalHub, scope: Scope | None = "till", name: str = "Counter") -> Till:
        session = aiohttp.ClientSession(hub.url, timeout=aiohttp.ClientTimeout(total=WAIT_S))
        sessions.append(session)
        till = Till(hub, session, "", "")
        if scope is not None:
            answer = await till.post("/v1/pair", {"code": await hub.make_code(scope), "name": name})
            assert answer.status == 201, answer.body
            till.token, till.till_id = answer.json["token"], answer.json["till_id"]
        return till

    yield pair
    for session in sessions:
        await session.close()


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of four megabytes, or of the mark `megabytes`, below the test's folder; only root can mount one."""
    folder, mark = tmp_path / "small", request.node.get_closest_marker("megabytes")
    folder.mkdir()
    size = f"size={mark.args[0] if mark else 4}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
async def hub(start_hub: StartHub) -> LocalHub:
    """A hub without devices."""
    return await start_hub()


@pytest.fixture
async def till(hub: LocalHub, pair_till: Callable[..., Awaitable[Till]]) -> Till:
    """A till of `hub`."""
    return await pair_till(hub)


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Ask again until it holds: `await until(lambda: till.get(path), lambda answer: ...)`; each question is a real one."""

    async def ask_until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(WAIT_S):
            while not holds(answer := await ask()):  # noqa: ASYNC110 - an answer is no event
                await asyncio.sleep(ASK_AGAIN_S)
        return answer

    return ask_until


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Return a function that gives a port for a server to come, as often as it is started.

    It stays bound without listening: nobody else is given it meanwhile, and a server may bind it, too (SO_REUSEADDR).
    """
    with ExitStack() as stack:

        def hold() -> int:
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            port: int = held.getsockname()[1]
            return port

        yield hold


@pytest.fixture
async def printer() -> AsyncIterator[SimulatedPrinter]:
    """A network receipt printer on loopback."""
    async with SimulatedPrinter() as printer:
        yield printer


@pytest.fixture
def printer_section(printer: SimulatedPrinter) -> dict[str, Any]:
    """The configuration of a device that is `printer`, with time-outs for loopback."""
    return {"kind": "escpos_printer", "address": printer.address, **QUICK_PRINTER}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker of `./test` is left with it when the others are done."""
    long = [item for item in items if item.nodeid.startswith(LONG)]
    short = [item for item in items if not item.nodeid.startswith(LONG)]
    items.clear()
    for workers in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), 0, -1):
        # each worker is given so many in a row, and may keep its last two: they must be short ones
        share = (len(long) + len(short)) // workers
        begins = len(long) // workers
        items += long[:begins] + short[: share - begins]
        long, short = long[begins:], short[share - begins :]


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the collector need not go through it, nor look so often for what is new."""
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the skips that tests/skips.txt does not allow."""
    for skip in _unlisted_skips(terminalreporter):
        terminalreporter.write_line("not in tests/skips.txt: " + ": ".join(skip), red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip that nobody has allowed is a failure."""
    may_fail = os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK
    if may_fail and _unlisted_skips(session.config.pluginmanager.get_plugin("terminalreporter")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unlisted_skips(reporter: Any) -> list[tuple[str, str]]:
    if reporter is None:  # a worker of pytest-xdist: whoever started it hears of every skip
        return []
    listed = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8")
    allowed = [line for line in listed.splitlines() if line and not line.startswith("#")]
    skips = [
        (report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reporter.stats.get("skipped", [])
    ]
    return [(nodeid, reason) for nodeid, reason in skips if not any(fnmatch(reason, pattern) for pattern in allowed)]
