"""Simulated shoppers at lane 2: in by a door, goods over the scanner, a look-up for each label, a sale, a printed receipt.

They use what every till uses: the pty, the event socket, the API. Their token is kept, so that a restart is the same till.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from devices.codecs.gtin import check_digit
from devices.testing.serial_line import VirtualSerialLine
from hub.api.sales import SaleRequest
from hub.client import HubClient, new_id
from hub.demo.credentials import client_credentials
from hub.demo.visitors import Visitors
from hub.store.model import Item
from sync.errors import SyncError
from sync.retail.money import cash_rounding, line_amount
from sync.retail.sales import SaleLine, Tender

SCANNER = "lane2-scanner"
PAUSE_S = (0.8, 3.0)  # between two shoppers
BEEP_S = (0.15, 0.6)  # between two labels
SCAN_TIMEOUT_S = 5.0
AGAIN_S = 1.0  # after the hub went away
_TENDERS = ("cash", "octopus", "card", "fps", "payme")

log = logging.getLogger(__name__)


class Shoppers:
    """One till with an endless queue."""

    def __init__(
        self,
        base_url: str,
        token_file: Path,
        control: HubClient,
        scanner: VirtualSerialLine,
        visitors: Visitors,
        *,
        rng: random.Random,
    ) -> None:
        self._base_url = base_url
        self._token_file = token_file
        self._control = control
        self._scanner = scanner
        self._visitors = visitors
        self._rng = rng

    async def run(self) -> None:
        """Serve shoppers until cancelled; when the hub goes away, come back when it is back."""
        while True:
            try:
                await self._serve()
            except (aiohttp.ClientError, TimeoutError, OSError, StopAsyncIteration, SyncError) as err:
                log.debug("shoppers wait for the hub: %r", err)
            await asyncio.sleep(AGAIN_S)

    async def _serve(self) -> None:
        known = await client_credentials(self._token_file, self._base_url, self._control, "till", "lane 2")
        async with HubClient(self._base_url, known.token) as till:
            till.till_id = known.till_id
            goods = await self._goods(till)
            async with till.events() as events:
                await till.claim(SCANNER)
                while True:
                    self._visitors.enter()
                    await self._serve_one(till, goods, events)
                    self._visitors.leave()
                    await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _goods(self, till: HubClient) -> list[Item]:
        return [item for item in (await till.products(limit="200")).items if item.gtins and item.price]

    async def _serve_one(self, till: HubClient, goods: list[Item], events: AsyncIterator[dict[str, Any]]) -> None:
        lines: list[SaleLine] = []
        for item in self._rng.sample(goods, k=min(len(goods), self._rng.choice((1, 1, 2, 2, 3, 4, 6)))):
            label = self._label(item)
            await self._scanner.write(label.encode() + b"\r")
            async with asyncio.timeout(SCAN_TIMEOUT_S):
                scanned = await anext(e["data"] async for e in events if e["type"] == "scan")
            for found in (await till.products(scan=scanned["label"])).items:
                lines.append(_line(found, len(lines) + 1))
            await asyncio.sleep(self._rng.uniform(*BEEP_S))
        if lines:
            await till.sell(self._sale(till, lines))

    def _sale(self, till: HubClient, lines: list[SaleLine]) -> SaleRequest:
        tender = self._rng.choice(_TENDERS)
        goods = sum(line_amount(line.unit_price, line.qty, line.per or 1) for line in lines)
        rounding = cash_rounding(goods, "HKD") if tender == "cash" else 0
        total = goods + rounding
        return SaleRequest(
            sale_id=new_id(),
            till_id=till.till_id,
            currency="HKD",
            lines=tuple(lines),
            tenders=(Tender(tender, total),),
            rounding=rounding,
            total=total,
            print=True,
        )

    def _label(self, item: Item) -> str:
        gtin = item.gtins[0].removeprefix("0")
        if item.unit == "each":
            return gtin
        body = f"{gtin[:7]}{self._rng.randrange(80, 1500):05}"  # the scale's label: item code and grams
        return f"{body}{check_digit(body)}"


def _line(item: Item, number: int) -> SaleLine:
    assert item.price is not None
    qty = item.measure.qty if item.measure and item.measure.qty else 1
    return SaleLine(number, item.sku, qty, item.price.amount, unit=item.unit, per=item.price.per)  # type: ignore[arg-type]
