"""A running hub with a simulated printer, its paper and a scanner; a real Chromium that looks at the hub's console."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright

from devices.testing.printer import SimulatedPrinter
from devices.testing.serial_line import VirtualSerialLine
from hub.api.sales import SaleRequest
from hub.client import HubClient, new_id
from hub.demo.paper_page import PaperPage
from hub.store.model import Entry, SaleAnswer
from hub.store.tills import Scope
from sync.retail.catalogue import Name, Price, Product
from sync.retail.sales import SaleLine, Tender

CHROMIUM = Path("/usr/bin/chromium")
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
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
class Screen:
    """A browser window; `complaints` are console errors, script errors and CSP violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
async def open_screen(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Screen]]]:
    """Return a function that opens a Chromium window with a profile of its own."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        contexts = []

        async def open_one(width: int = 1440, height: int = 900, **options: Any) -> Screen:
            context = await playwright.chromium.launch_persistent_context(
                tmp_path / f"profile-{len(contexts)}",
                executable_path=CHROMIUM,
                args=FLAGS,
                viewport={"width": width, "height": height},
                **{"locale": "en-US", **options},
            )
            contexts.append(context)
            screen = Screen(context.pages[0])
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
