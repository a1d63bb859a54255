"""Simulated shoppers at lane 2: in by a door, goods over the scanner, a look-up for each label, a quote, a sale, a receipt.

They use what every till uses: the scanner, the event socket, the API. Their token is kept, so that a restart is the same till.
Not here: who stands at the till and what lies in its drawer (hub.demo.lane).
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from devices.codecs.gtin import check_digit
from devices.testing.scanners import Fault, SimulatedScanner
from hub.api.people.coupons import IssueRequest
from hub.api.selling.sales import SaleRequest
from hub.api.stock.documents import DocumentLine, DocumentRequest
from hub.client import HubClient, ProblemError, new_id
from hub.demo.counter_top import DISPLAY, SCALE, CounterTop
from hub.demo.credentials import client_credentials
from hub.demo.lane import Lane
from hub.demo.people import COUPON, REGULARS, SPEND_MIN, TAKES_OFF, regular_id
from hub.demo.till_client import TillClient
from hub.demo.visitors import Visitors
from hub.store.catalogue.quotes import QuoteLine, QuoteRequest, SaleDiscount
from hub.store.model import Item
from sync.errors import SyncError
from sync.retail.money import cash_rounding
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Coupon, Discount, SaleLine, Tender, amount_of

SCANNER = "lane2-scanner"
PAUSE_S = (0.8, 3.0)  # between two shoppers
BEEP_S = (0.15, 0.6)  # between two labels
SCAN_TIMEOUT_S = 5.0
AGAIN_S = 1.0  # after the hub went away
TORN_SHARE = 0.02  # labels that the scanner does not get to its end
MEMBER_SHARE, COUPON_SHARE, RETURN_SHARE = 0.35, 0.15, 0.06
LOOSE_SHARE = 0.5  # of weighed goods that have no label: they go onto the till's scale
GRAMS_MAX = 1500  # of weighed goods that one shopper takes
LEAST = {"each": 2, "g": GRAMS_MAX}  # on the shelf; below it a delivery is waited for
REMEMBERED = 50  # sales of which something may come back
_TENDERS = ("cash", "octopus", "card", "fps", "payme")

log = logging.getLogger(__name__)


class Shoppers:
    """One till with an endless queue."""

    def __init__(
        self,
        base_url: str,
        token_file: Path,
        control: HubClient,
        scanner: SimulatedScanner,
        visitors: Visitors,
        *,
        counter_top: CounterTop,
        rng: random.Random,
    ) -> None:
        self._base_url = base_url
        self._token_file = token_file
        self._control = control
        self._scanner = scanner
        self._counter_top = counter_top
        self._visitors = visitors
        self._rng = rng
        self._lane = Lane(rng=rng)
        self._sold: deque[SaleRequest] = deque(maxlen=REMEMBERED)

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
        async with TillClient(self._base_url, known.token) as till:
            till.till_id = known.till_id
            goods = await self._goods(till)
            async with till.events() as events:
                for device_id in (SCANNER, SCALE, DISPLAY):
                    await till.claim(device_id)
                while True:
                    if await self._lane.man(till):
                        await _restock(till)
                    self._visitors.enter()
                    await self._serve_one(till, goods, events)
                    self._visitors.leave()
                    await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _goods(self, till: TillClient) -> list[Item]:
        return [item for item in (await till.products(limit="200")).items if item.gtins and item.price]

    async def _serve_one(self, till: TillClient, goods: list[Item], events: AsyncIterator[dict[str, Any]]) -> None:
        if self._sold and self._rng.random() < RETURN_SHARE:
            await self._bring_back(till)
            return
        lines: list[QuoteLine] = []
        for item in self._rng.sample(goods, k=min(len(goods), self._rng.choice((1, 1, 2, 2, 3, 4, 6)))):
            if _has_run_low(await till.product(item.sku)):
                continue
            if item.unit == "g" and self._rng.random() < LOOSE_SHARE:
                lines.append(await self._weigh(till, item, len(lines) + 1))
                continue
            label = self._label(item)
            scanned = await self._scan(label, events, "torn" if self._rng.random() < TORN_SHARE else None)
            if "error" in scanned:  # as at every till: the cashier scans again
                scanned = await self._scan(label, events)
            for found in (await till.products(scan=scanned["label"])).items:
                lines.append(_line(found, len(lines) + 1))
                await self._counter_top.show(till, found.name.zh_hant or found.name.en, _price(found))
            await asyncio.sleep(self._rng.uniform(*BEEP_S))
        if lines:
            sale = await self._sale(till, tuple(lines))
            await till.sell(sale)
            await self._counter_top.show(till, "TOTAL 合計", _money(sale.total, sale.currency))
            self._lane.count(sale.tenders)
            self._sold.append(sale)

    async def _weigh(self, till: TillClient, item: Item, number: int) -> QuoteLine:
        """Loose goods go onto the scale of the till instead of having a label."""
        weight_g = await self._counter_top.weigh(till, self._rng.randrange(80, GRAMS_MAX, 5))
        await self._counter_top.show(till, item.name.zh_hant or item.name.en, f"{weight_g} g  {_price(item)}")
        await self._counter_top.clear(till)
        return QuoteLine(line=number, sku=item.sku, qty=weight_g, unit="g")

    async def _scan(
        self, label: str, events: AsyncIterator[dict[str, Any]], fault: Fault | None = None
    ) -> dict[str, Any]:
        """Return what the hub says of a scan. Any: JSON."""
        await self._scanner.scan(label, fault)
        async with asyncio.timeout(SCAN_TIMEOUT_S):
            return await anext(e["data"] async for e in events if e["type"] == "scan")

    async def _sale(self, till: TillClient, lines: tuple[QuoteLine, ...]) -> SaleRequest:
        """What the hub quotes, paid by one tender; some are members, some have a coupon."""
        member_id = None
        if self._rng.random() < MEMBER_SHARE:
            member_id = regular_id(self._rng.randint(1, len(REGULARS)))
        quote = await till.quote(QuoteRequest(lines=lines, member_id=member_id))
        coupons: tuple[Coupon, ...] = ()
        if quote.total >= SPEND_MIN and self._rng.random() < COUPON_SHARE:
            issued = await till.issue_coupon(IssueRequest(issue_id=new_id(), coupon_id=COUPON, member_id=member_id))
            coupons = (Coupon(issued.serial, TAKES_OFF),)
            whole = SaleDiscount(amount=TAKES_OFF)
            quote = await till.quote(QuoteRequest(lines=lines, member_id=member_id, discount=whole))
        sold = tuple(_with_coupon(line, coupons) for line in quote.lines)
        tender = self._rng.choice(_TENDERS)
        rounding = quote.cash_rounding if tender == "cash" else 0
        total = sum(map(amount_of, sold)) + rounding
        return SaleRequest(
            sale_id=new_id(),
            till_id=till.till_id,
            currency=quote.currency,
            lines=sold,
            tenders=(Tender(tender, total),),
            rounding=rounding,
            total=total,
            cashier_id=self._lane.cashier_id,
            session_id=self._lane.session_id,
            member_id=member_id,
            coupons=coupons,
            print=True,
        )

    async def _bring_back(self, till: TillClient) -> None:
        """Somebody comes back with a receipt and all of one of its lines; the money goes back as it came."""
        sale = self._sold.popleft()
        line, tender = self._rng.choice(sale.lines), sale.tenders[0].type
        refund = amount_of(line)
        paid = refund + cash_rounding(refund, sale.currency) if tender == "cash" else refund
        back = Return(
            return_id=new_id(),
            till_id=till.till_id,
            sale_id=sale.sale_id,
            lines=(ReturnLine(line.line, line.qty),),
            reason=self._rng.choice(("wrong size 尺碼不合", "changed mind 改變主意", "damaged 損壞")),
            cashier_id=self._lane.cashier_id,
            tenders=(Tender(tender, paid),) if paid else (),
        )
        try:
            await till.take_back(back)
        except ProblemError as err:  # more than was paid in that way: a receipt of rounded coins
            log.debug("not taken back: %s", err)
            return
        self._lane.count((), paid_back=back.tenders)

    def _label(self, item: Item) -> str:
        gtin = item.gtins[0].removeprefix("0")
        if item.unit == "each":
            return gtin
        body = f"{gtin[:7]}{self._rng.randrange(80, GRAMS_MAX):05}"  # the scale's label: item code and grams
        return f"{body}{check_digit(body)}"


def _has_run_low(item: Item) -> bool:
    """A till may find less than one shopper takes: on the shelf, or that it may promise."""
    return item.stock is not None and item.stock.available < LEAST[item.unit]


async def _restock(till: TillClient) -> None:
    """With each shift comes a delivery of what has run low, as much as its note says."""
    short = [item for item in (await till.products(limit="200")).items if _has_run_low(item)]
    lines = tuple(DocumentLine(item.sku, 10 * LEAST[item.unit], 10 * LEAST[item.unit]) for item in short)
    if lines:
        await till.book_document(DocumentRequest(new_id(), "receive", lines))


def _line(item: Item, number: int) -> QuoteLine:
    qty = item.measure.qty if item.measure and item.measure.qty else 1
    return QuoteLine(line=number, sku=item.sku, qty=qty, unit=item.unit)  # type: ignore[arg-type]


def _price(item: Item) -> str:
    assert item.price is not None, "goods without a price are not taken"
    per = "" if item.price.per == 1 else f" /{item.price.per} g"
    return _money(item.price.amount, item.price.currency) + per


def _money(amount_minor: int, currency: str) -> str:
    return f"{currency} {amount_minor / 100:.2f}"


def _with_coupon(line: SaleLine, coupons: tuple[Coupon, ...]) -> SaleLine:
    """A coupon's share of a line is told as a discount on the whole basket: give it the coupon's name."""
    if not coupons:
        return line
    parts = tuple(
        Discount(amount=part.amount, kind="coupon", reference=coupons[0].serial) if part.kind == "sale" else part
        for part in line.discounts
    )
    return SaleLine(
        line=line.line,
        sku=line.sku,
        qty=line.qty,
        unit_price=line.unit_price,
        unit=line.unit,
        discount=line.discount,
        per=line.per,
        discounts=parts,
    )
