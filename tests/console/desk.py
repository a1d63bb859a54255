"""A hub in this process with the test's clock, which may be joined to a cloud end in this process."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devices.model import CounterReading
from hub import app
from hub.api.selling.sales import SaleRequest
from hub.api.server import serve
from hub.client import HubClient, new_id
from hub.config import parse_config
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

STORE_TOKEN = "hk01-token-0123456789"
OFFICE_TOKEN = "office-token-0123456789"
TEA = Entry(
    Product(sku="TEA-01", gtins=["04890000000010"], name=Name(zh_hant="凍頂烏龍茶", en="Oolong tea")),
    Price(1090, "HKD"),
    20,
)


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
