"""A real Chromium that looks at the console of a hub: `shop` is a process of its own with a printer, its paper and a scanner;
`desk` is a hub in this process with the test's clock, which may be joined to a cloud end in this process (`cloud`).
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from devices.testing.printer import SimulatedPrinter
from devices.testing.serial_line import VirtualSerialLine
from hub.api.selling.sales import SaleRequest
from hub.client import HubClient, new_id
from hub.demo.paper_page import PaperPage
from hub.store.model import Entry, SaleAnswer
from hub.store.staff.tills import Scope
from sync.retail.selling.sales import SaleLine, Tender
from tests.console.desk import OFFICE_TOKEN, TEA, Clock, CloudEnd, Desk

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
