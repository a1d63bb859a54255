"""A real Chromium that looks at the console of a hub: `shop` is a process of its own with a printer, its paper and a scanner;
`desk` is a hub in this process with the test's clock, which may be joined to a cloud end in this process (`cloud`).
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from devices.model import CounterReading
from devices.testing.printer import SimulatedPrinter
from devices.testing.serial_line import VirtualSerialLine
from hub import app
from hub.api.selling.sales import SaleRequest
from hub.api.server import serve
from hub.client import HubClient, new_id
from hub.config import parse_config
from hub.demo.paper_page import PaperPage
from hub.migrations import MIGRATIONS
from hub.runtime import Runtime
from hub.service.lines import run_line
from hub.store.catalogue import products
from hub.store.model import Entry, SaleAnswer
from hub.store.selling.returns import ReturnAnswer
from hub.store.staff.tills import Scope
from hub.visitors import Visitors
from sync.cloud.config import parse_cloud_config
from sync.cloud.databases import begin_file
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.cloud.web.app import serve as serve_cloud
from sync.cloud.web.http import Cloud
from sync.db import open_database
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import SaleLine, Tender
from tests.files import open_fresh

CHROMIUM = Path("/usr/bin/chromium")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0  # the machine may be busy
EXPECT_TIMEOUT_MS = 30_000  # the machine may be busy
FLAGS = [
    "--headless",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
STORE_TOKEN = "hk01-token-0123456789"
OFFICE_TOKEN = "office-token-0123456789"
TEA = Entry(
    Product(sku="TEA-01", gtins=["04890000000010"], name=Name(zh_hant="凍頂烏龍茶", en="Oolong tea")),
    Price(1090, "HKD"),
    20,
)
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "示範店"
name_en = "Demo shop"
currency = "HKD"
zone = "Asia/Hong_Kong"
[api]
port = {port}
[receipt]
printer = "p1"
[[console.pages]]
title_zh_hant = "紙"
title_en = "Paper"
url = "{paper}"
[devices.s1]
kind = "serial_scanner"
port = "{scanner}"
[devices.p1]
kind = "escpos_printer"
address = "{printer}"
"""


@dataclass
class Shop:
    """A hub in a process of its own, and the outside ends of its wires."""

    folder: Path
    printer: SimulatedPrinter
    scanner: VirtualSerialLine
    paper: PaperPage
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the hub; the second time on the port of the first."""
        config = self.folder / "hub.toml"
        config.write_text(
            CONFIG.format(
                port=self.port, paper=self.paper.url, scanner=self.scanner.device_path, printer=self.printer.address
            )
        )
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub", "run", "--config", str(config), stderr=asyncio.subprocess.PIPE
        )
        assert self.process.stderr is not None
        said = b""
        async with asyncio.timeout(START_TIMEOUT_S):
            while b'"hub ready"' not in said:
                said = await self.process.stderr.readline()
                assert said, "the hub ended"
        self.port = json.loads(said)["port"]

    async def stop(self) -> None:
        """Stop the hub and read the rest of its log, so that its pipe ends."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.process.communicate()

    async def code(self, scope: Scope = "manager") -> str:
        """Return a pairing code."""
        async with HubClient("http://hub", unix_socket=self.folder / "hub.sock") as control:
            return await control.make_code(scope)

    async def sell(self, *, unit_price: int = 1090) -> SaleAnswer:
        """Sell two teas at a till and print the receipt."""
        async with HubClient(self.url) as till:
            await till.pair(await self.code("till"), "t")
            return await till.sell(
                SaleRequest(
                    sale_id=new_id(),
                    till_id=till.till_id,
                    currency="HKD",
                    lines=(SaleLine(1, "TEA-01", 2, unit_price),),
                    tenders=(Tender("cash", 2 * unit_price),),
                    total=2 * unit_price,
                    print=True,
                )
            )


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    async with PaperPage() as paper, SimulatedPrinter(on_receipt=paper.add) as printer, VirtualSerialLine() as scanner:
        shop = Shop(folder, printer, scanner, paper)
        try:
            await shop.start()
            async with HubClient("http://hub", unix_socket=folder / "hub.sock") as control:
                await control.put_products([TEA])
            yield shop
        finally:
            await shop.stop()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """The shop, open."""
    async with open_shop(tmp_path) as shop:
        yield shop


@dataclass
class Clock:
    """The clock of hub, cloud and screen: a Saturday in November, 13:40 in Hong Kong; it moves when a test says so."""

    at: datetime = datetime(2026, 11, 21, 5, 40, tzinfo=UTC)

    def __call__(self) -> int:
        return int(self.at.timestamp() * 1000)


@dataclass
class Desk:
    """A hub in this process."""

    folder: Path
    clock: Clock
    hub: Runtime = field(init=False)
    port: int = 0
    delta_n: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, sections: dict[str, Any], started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        """Be the hub's main until `stop`: hub.app's own wiring with the test's clock."""
        store = {"id": "hk01", "name_zh_hant": "示範店", "name_en": "Demo shop", "currency": "HKD"}
        raw = {"store": {**store, "zone": "Asia/Hong_Kong", "cut_over_hour": 4}, "api": {"port": 0}, **sections}
        config = parse_config(raw, base=self.folder)
        async with open_fresh(config.database, migrations=MIGRATIONS) as db:
            self.hub = hub = await app.open_hub(config, db, now_ms=self.clock)
            await db.write(
                lambda tx: products.put_products(tx, hub.replica, [TEA], location="shop", now_ms=self.clock())
            )
            async with serve(hub) as self.port, asyncio.TaskGroup() as group:
                line = group.create_task(run_line(hub, rng=random.Random(1)), name="line")
                started.set_result(None)
                await stop.wait()
                line.cancel()

    async def code(self, scope: Scope = "manager") -> str:
        """Return a pairing code."""
        async with HubClient("http://hub", unix_socket=self.hub.config.control_socket) as control:
            return await control.make_code(scope)

    async def sell(self, qty: int = 2) -> SaleAnswer:
        """Sell teas at a till."""
        async with HubClient(self.url) as till:
            await till.pair(await self.code("till"), "t")
            return await till.sell(
                SaleRequest(
                    sale_id=new_id(),
                    till_id=till.till_id,
                    currency="HKD",
                    lines=(SaleLine(1, "TEA-01", qty, 1090),),
                    tenders=(Tender("cash", qty * 1090),),
                    total=qty * 1090,
                )
            )

    async def take_back(self, sale_id: str) -> ReturnAnswer:
        """Take one tea of a sale back."""
        async with HubClient(self.url) as till:
            await till.pair(await self.code("till"), "t")
            lines = (ReturnLine(1, 1),)
            content = Return(return_id=new_id(), till_id=till.till_id, sale_id=sale_id, lines=lines, reason="unwanted")
            return await till.take_back(content)

    async def count(self, entered: int, exited: int, *, entrance: str = "door") -> None:
        """Let a counter say who came and left just now."""
        self.delta_n += 1
        reading = CounterReading(
            sensor=entrance,
            entrance=entrance,
            at_ms=self.clock(),
            in_delta=entered,
            out_delta=exited,
            delta_id=str(self.delta_n),
        )
        await Visitors(self.hub).on_readings("counters", [reading])


@dataclass
class CloudEnd:
    """A cloud in this process with a line that can be cut; `port` is its own from the beginning, `start` listens there."""

    folder: Path
    clock: Clock
    port: int
    cloud: Cloud = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def section(self) -> dict[str, Any]:
        """[cloud] of a hub that is joined."""
        return {"url": self.url, "token": STORE_TOKEN, "reconnect_max_s": 0.1}

    async def run(self, _: None, started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        raw = {
            "cloud": {"id": "cloud", "port": self.port, "demo_line": True},
            "stores": {"hk01": {"token": STORE_TOKEN}},
            "tokens": [{"name": "office", "token": OFFICE_TOKEN, "scope": "office"}],
        }
        config = parse_cloud_config(raw, base=self.folder)
        begin_file(config.database)
        async with open_database(config.database, migrations=CLOUD_MIGRATIONS) as db:
            self.cloud = await open_cloud(config, db, now_ms=self.clock)
            async with serve_cloud(self.cloud):
                started.set_result(None)
                await stop.wait()


@pytest.fixture
async def keep_running() -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Return a function that starts `run(argument, started, stop)` of a desk or a cloud and returns when it has started."""
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def start(run: Callable[..., Any], argument: Any = None) -> None:
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(run(argument, started, stop))
        running.append((stop, task))
        async with asyncio.timeout(START_TIMEOUT_S):
            await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()

    yield start
    for stop, task in running:
        stop.set()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await task


@pytest.fixture
def clock() -> Clock:
    """The clock of hub, cloud and screen."""
    return Clock()


@pytest.fixture
def cloud(tmp_path: Path, clock: Clock, free_port: Callable[[], int]) -> CloudEnd:
    """A cloud that does not run yet: nothing listens on its port."""
    (tmp_path / "cloud").mkdir()
    return CloudEnd(tmp_path / "cloud", clock, free_port())


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """A hub that does not run yet: `await keep_running(desk.run, {sections})`."""
    return Desk(tmp_path, clock)


@pytest.fixture
async def look_at(open_screen: Callable[..., Awaitable[Any]], clock: Clock) -> Callable[..., Awaitable[Any]]:
    """Return a function that opens the console of a desk, paired and live, at the clock's time."""

    async def look(desk: Desk, *size: int, **options: Any) -> Screen:
        screen = await open_screen(*size, **options)
        await screen.page.clock.set_fixed_time(clock.at)
        await screen.page.goto(f"{desk.url}/#pair={await desk.code()}")
        await screen.page.wait_for_selector('#connection[data-state="live"]')
        return screen

    return look


@dataclass
class Screen:
    """A browser window; `complaints` are console errors, script errors and CSP violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the browser that all screens of this process share; return where it is spoken to."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("chromium")
    where = folder / "DevToolsActivePort"
    command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            ends_s = time.monotonic() + START_TIMEOUT_S
            while not where.exists() or len(said := where.read_text().split()) < 2:
                assert process.poll() is None and time.monotonic() < ends_s, "the browser did not start"
                time.sleep(0.01)  # it is a file: there is nothing to wait for but its coming
            yield f"ws://127.0.0.1:{said[0]}{said[1]}"
        finally:
            process.terminate()


@pytest.fixture
async def open_screen(chromium: str) -> AsyncIterator[Callable[..., Awaitable[Screen]]]:
    """Return a function that opens a Chromium window with a profile of its own."""
    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        contexts = []

        async def open_one(width: int = 1440, height: int = 900, **options: Any) -> Screen:
            context = await browser.new_context(
                viewport={"width": width, "height": height}, **{"locale": "en-US", **options}
            )
            contexts.append(context)
            screen = Screen(await context.new_page())
            screen.page.on("console", screen.hear)
            screen.page.on("pageerror", lambda error: screen.complaints.append(str(error)))
            return screen

        try:
            yield open_one
        finally:
            for context in contexts:
                await context.close()


@pytest.fixture
async def console(shop: Shop, open_screen: Callable[..., Awaitable[Screen]]) -> Screen:
    """The console, wide, in English, paired by its link and live."""
    screen = await open_screen()
    await screen.page.goto(f"{shop.url}/#pair={await shop.code()}")
    await screen.page.wait_for_selector('#connection[data-state="live"]')
    return screen


@pytest.fixture
def office_token() -> str:
    """Head office's token at `cloud`."""
    return OFFICE_TOKEN


@pytest.fixture
def tea() -> Entry:
    """The product that shop and desk begin with."""
    return TEA
