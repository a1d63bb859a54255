"""The tills of a scripted day and the shoppers, who take only what lies on the shelf and bring back only with a receipt."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
from msgspec import Struct

from devices.codecs.gtin import check_digit
from devices.testing.scanners import SimulatedScanner
from hub.client import HubClient, new_id, now_ms
from hub.demo.desk import Desk, Json
from hub.store.model import Entry, Item
from sync.errors import SyncError
from sync.retail.money import cash_rounding, line_amount

SCAN_TIMEOUT_S = 3.0
AGAIN_S = 0.15  # after the hub went away
PRINTED_SHARE, RETURNED_SHARE = 0.75, 0.15
STATUS_EVERY, STATUS_RECENT, STATUS_MAX = 8, 40, 500
_TENDERS = ("cash", "octopus", "card", "fps", "payme")


class Wish(Struct, frozen=True):
    """A customer of the script: what is bought, and whether a receipt is wanted."""

    skus: tuple[str, ...]
    is_printed: bool = True


class Shelf:
    """What lies in the shop; both tills' customers take from it."""

    def __init__(self, entries: list[Entry]) -> None:
        self.there = {entry.product.sku: entry.stock for entry in entries if entry.stock}
        self.units = {entry.product.sku: entry.product.unit for entry in entries}

    def draw(self, rng: random.Random) -> list[str]:
        """Choose goods for a basket."""
        skus = [sku for sku, qty in self.there.items() if qty >= (1000 if self.units[sku] == "g" else 1)]
        return rng.sample(skus, k=min(len(skus), rng.choice((1, 1, 2, 2, 3, 4))))

    def take(self, sku: str, qty: int) -> None:
        """Goods leave the shelf."""
        self.there[sku] -= qty

    def put_back(self, sku: str, qty: int) -> None:
        """Goods come back."""
        self.there[sku] += qty


class Till:
    """One till with its scanner and its queue."""

    def __init__(
        self, desk: Desk, till_id: str, scanner: SimulatedScanner, shelf: Shelf, *, rng: random.Random, pause_s: float
    ) -> None:
        self.desk = desk
        self.wishes: deque[Wish] = deque()
        self.sold: list[Json] = []
        self._till_id, self._scanner, self._shelf = till_id, scanner, shelf
        self._rng, self._pause_s = rng, pause_s
        self._returned: dict[tuple[str, int], int] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """Close after the customers that the script still sends."""
        self._is_stopping = True

    async def shift(self) -> None:
        """Serve until stopped; when the hub goes away, come back when it is back."""
        while not self._is_done:
            try:
                async with HubClient(self.desk.hub_url, self.desk.token) as hub, hub.events() as events:
                    await hub.claim(f"{self.desk.name}-scanner")
                    goods = await self._goods(hub)
                    while not self._is_done:
                        await self._serve(hub, goods, events)
                        await asyncio.sleep(self._rng.uniform(0.3, 1.0) * self._pause_s)
            except (aiohttp.ClientError, TimeoutError, OSError, StopAsyncIteration, SyncError):
                await asyncio.sleep(AGAIN_S)

    async def ask_status(self, *, is_all: bool = False) -> list[str]:
        """Ask which sales may be forgotten; return those."""
        ids = [sale["sale_id"] for sale in self.sold]
        ids = ids if is_all else ids[-STATUS_RECENT:]
        safe: list[str] = []
        for begin in range(0, len(ids), STATUS_MAX):
            asked = {"ids": ids[begin : begin + STATUS_MAX]}
            answer = await self.desk.post("status", "/v1/sales/status", asked)
            safe += [each["sale_id"] for each in answer.get("sales", []) if each["safe"]]
        return safe

    @property
    def _is_done(self) -> bool:
        return self._is_stopping and not self.wishes

    async def _goods(self, hub: HubClient) -> dict[str, Item]:
        items: list[Item] = []
        while True:
            page = await hub.products(limit="200", **({"after": items[-1].sku} if items else {}))
            items += page.items
            if len(page.items) < 200:
                return {item.sku: item for item in items if item.gtins}

    async def _serve(self, hub: HubClient, goods: dict[str, Item], events: AsyncIterator[Json]) -> None:
        wish = self.wishes[0] if self.wishes else None
        skus = wish.skus if wish else [sku for sku in self._shelf.draw(self._rng) if sku in goods]
        lines: list[Json] = []
        is_sold = False
        try:
            for sku in skus:
                lines += await self._scan(hub, goods[sku], events, len(lines) + 1)
            if lines:
                is_printed = wish.is_printed if wish else self._rng.random() < PRINTED_SHARE
                await self._sell(lines, is_printed=is_printed)
            is_sold = True
        finally:
            for line in () if is_sold else lines:  # the customer goes without
                self._shelf.put_back(line["sku"], line["qty"])
        if wish:
            self.wishes.popleft()
        if self._rng.random() < RETURNED_SHARE:
            await self._take_back()
        if self.sold and self._rng.randrange(STATUS_EVERY) == 0:
            await self.ask_status()

    async def _scan(self, hub: HubClient, item: Item, events: AsyncIterator[Json], number: int) -> list[Json]:
        label, qty = self._label(item)
        if self._shelf.there.get(item.sku, 0) < qty:
            return []  # the other till's customer was quicker
        await self._scanner.scan(label)
        async with asyncio.timeout(SCAN_TIMEOUT_S):
            await anext(event async for event in events if event["type"] == "scan" and event["data"]["label"] == label)
        found = (await hub.products(scan=label)).items[0]
        assert found.price is not None
        qty = found.measure.qty if found.measure and found.measure.qty else qty
        self._shelf.take(found.sku, qty)
        price = found.price
        return [
            {
                "line": number,
                "sku": found.sku,
                "qty": qty,
                "unit": found.unit,
                "unit_price": price.amount,
                "per": price.per,
            }
        ]

    def _label(self, item: Item) -> tuple[str, int]:
        gtin = item.gtins[0].removeprefix("0")
        if item.unit == "each":
            return gtin, 1
        weight_g = self._rng.randrange(80, 900)
        body = f"{gtin[:7]}{weight_g:05}"  # the scale's label: item code and grams
        return f"{body}{check_digit(body)}", weight_g

    async def _sell(self, lines: list[Json], *, is_printed: bool) -> None:
        tender = self._rng.choice(_TENDERS)
        goods = sum(line_amount(line["unit_price"], line["qty"], line["per"]) for line in lines)
        rounding = cash_rounding(goods, "HKD") if tender == "cash" else 0
        sale = {
            "sale_id": new_id(),
            "till_id": self._till_id,
            "currency": "HKD",
            "sold_at": _moment(now_ms()),
            "lines": lines,
            "tenders": [{"type": tender, "amount": goods + rounding}],
            "rounding": rounding,
            "total": goods + rounding,
            "print": is_printed,
        }
        await self.desk.post("sale", "/v1/sales", sale)
        self.sold.append(sale)

    async def _take_back(self) -> None:
        receipts = [sale for sale in self.sold if sale["print"]]
        if not receipts:
            return
        sale = self._rng.choice(receipts)
        line = self._rng.choice(sale["lines"])
        key = (sale["sale_id"], line["line"])
        left = line["qty"] - self._returned.get(key, 0)
        if not left:
            return
        qty = self._rng.randint(1, left)
        self._returned[key] = self._returned.get(key, 0) + qty
        back = {
            "return_id": new_id(),
            "till_id": self._till_id,
            "sale_id": sale["sale_id"],
            "lines": [{"line": line["line"], "qty": qty}],
            "reason": "does not fit",
        }
        await self.desk.post("return", "/v1/returns", back)
        self._shelf.put_back(line["sku"], qty)


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
