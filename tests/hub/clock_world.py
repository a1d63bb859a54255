"""A machine whose clock a test turns, and a hub on it: the product's own start and routes; it is killed by copying its files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

import msgspec

from hub.api.replica.clock import ConfirmRequest, get_clock, post_confirm
from hub.api.routing import Call, Reply
from hub.api.selling.returns import ReturnRequest, post_return
from hub.api.selling.sales import SaleRequest, post_sale
from hub.app import open_hub
from hub.bus import Subscriber
from hub.config import parse_config
from hub.machine_clock import MachineClock
from hub.migrations import MIGRATIONS
from hub.runtime import Runtime
from hub.store.catalogue.products import put_products
from hub.store.model import SaleAnswer
from hub.store.selling.returns import ReturnAnswer
from hub.store.staff.tills import Paired
from sync.retail.selling.returns import ReturnLine
from tests.files import open_fresh

NOW = 1_790_000_000_000  # 2026-09-21T14:13:20Z
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
STORE = {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD", "zone": "Asia/Hong_Kong"}


@dataclass
class Machine:
    """Wall clock, NTP, uptime. Time passes for all three; the wall clock may be turned, a boot begins the uptime anew."""

    wall_ms: int = NOW
    is_synchronous: bool = False
    has_rtc: bool = False
    uptime_ms: int = 5 * MINUTE
    boots: int = 1

    def passes(self, ms: int) -> None:
        self.wall_ms += ms
        self.uptime_ms += ms

    def boot(self, wall_ms: int) -> None:
        self.wall_ms, self.uptime_ms, self.boots = wall_ms, 0, self.boots + 1

    @property
    def clock(self) -> MachineClock:
        """As the hub asks it."""
        return MachineClock(
            lambda: self.wall_ms,
            lambda: self.is_synchronous,
            f"boot-{self.boots}",
            lambda: self.uptime_ms,
            self.has_rtc,
        )


@dataclass
class Shop:
    """A running hub, asked by its routes."""

    hub: Runtime
    machine: Machine
    screen: Subscriber = field(default_factory=lambda: Subscriber("console", is_console=True))

    def __post_init__(self) -> None:
        self.hub.bus.subscribe(self.screen, None, now_ms=NOW)

    async def _ask(self, handle: Any, body: Any = None, scope: Any = "manager") -> Reply:
        reply: Reply = await handle(Call(self.hub, Paired("t1", "t1", scope), {}, body))
        return reply

    async def sell(self, sale: Any, **fields: Any) -> SaleAnswer:
        values = {name: getattr(sale, name) for name in sale.__struct_fields__} | fields
        reply = await self._ask(post_sale, SaleRequest(**values))
        assert isinstance(reply.body, bytes)
        return msgspec.json.decode(reply.body, type=SaleAnswer)

    async def take_back(self, sale_id: str) -> ReturnAnswer:
        lines = (ReturnLine(1, 1),)
        content = ReturnRequest(return_id=f"r-{sale_id}", till_id="t1", sale_id=sale_id, lines=lines, reason="unwanted")
        reply = await self._ask(post_return, content)
        assert isinstance(reply.body, bytes)
        return msgspec.json.decode(reply.body, type=ReturnAnswer)

    async def confirm(self, body: ConfirmRequest = ConfirmRequest()) -> Any:  # noqa: B008 - frozen
        return (await self._ask(post_confirm, body)).body

    async def view(self) -> Any:
        return (await self._ask(get_clock)).body

    def alarms(self) -> list[str]:
        """The codes of the alarms that tablets were told since this was asked last."""
        frames = [msgspec.json.decode(self.screen.queue.get_nowait()) for _ in range(self.screen.queue.qsize())]
        return [frame["data"]["code"] for frame in frames if frame["type"] == "alarm"]


@asynccontextmanager
async def shop_on(path: Path, machine: Machine, catalogue: Any = ()) -> AsyncIterator[Shop]:
    """Start the hub on a file; leaving ends it without a word, as a kill does: nothing is saved on the way out."""
    config = parse_config({"store": STORE}, base=path.parent)
    async with open_fresh(path, migrations=MIGRATIONS) as db:
        hub = await open_hub(config, db, now_ms=lambda: machine.wall_ms, clock=machine.clock)
        if catalogue:
            location = hub.shop.location
            await db.write(lambda tx: put_products(tx, hub.replica, catalogue, location=location, now_ms=NOW))
        yield Shop(hub, machine)


def card_of(path: Path, to: Path) -> Path:
    """What a power cut leaves now: what is committed."""
    for suffix in ("", "-wal"):
        if (path.parent / f"{path.name}{suffix}").exists():
            copyfile(f"{path}{suffix}", f"{to}{suffix}")
    return to
