"""Tills that sell, take back, take goods in and enrol members, each write under an id of its own until it is answered.

They know a hub by its address only: it may be a process of this machine or run on one of its own (tests/appliance).
"""

import asyncio
import random
import re
from contextlib import suppress
from typing import Any

import aiohttp

from hub.client import HubClient, new_id
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name

TILLS = 8
OPENING = 1000
SKUS = ("TEA", "CUP", "POT")
PRINTING_TILL, PRINTED_SHARE = "t1", 0.1  # always some receipts waiting, never more than the end can print
RETURNED_SHARE = 0.3  # of the sales: something of them comes back
DELIVERED_SHARE, ENROLLED_SHARE = 0.1, 0.1  # beside so many sales goods come, and a customer becomes a member
ANSWER_TIMEOUT_S = 5
QUIET_S = 60.0


class Tills:
    """Tills that work until told to stop, what they have sent, and what they were answered."""

    def __init__(self, rng: random.Random, base_url: str, *, printed_share: float = PRINTED_SHARE) -> None:
        self.answers: dict[str, Any] = {}
        self.posted: dict[str, Any] = {}
        self.returns: dict[str, Any] = {}
        self.deliveries: dict[str, Any] = {}
        self.delivered: dict[str, Any] = {}
        self.enrolled: set[str] = set()
        self.asked_for: set[str] = set()
        self._rng, self._url, self._printed_share = rng, base_url, printed_share
        self._receipts = 0
        self._stop = asyncio.Event()
        self._up = asyncio.Event()
        self._news = asyncio.Event()

    def hub_is(self, is_up: bool) -> None:
        """Tell the tills whether repeating is of any use."""
        self._up.set() if is_up else self._up.clear()

    def stop(self) -> None:
        """Let every till finish the sale in its hand."""
        self._stop.set()

    @property
    def answered(self) -> int:
        """How many writes of all kinds were answered."""
        return len(self.answers) + len(self.returns) + len(self.delivered) + len(self.enrolled)

    async def have_sold(self, sales: int) -> None:
        """Wait until so many sales are answered."""
        while len(self.answers) < sales:
            await self._something_new()

    async def are_ahead_of(self, kills: int) -> None:
        """Wait until for each kill every till has sold, something came back and was printed, however slow all is."""
        while not (len(self.answers) > kills * TILLS and len(self.returns) > kills and self._receipts > kills):
            await self._something_new()

    async def shift(self, token: str, till_id: str) -> None:
        """Sell, sale after sale, and what comes beside it, until stopped; each is repeated until it is answered."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(self._url, headers=headers, timeout=timeout) as session:
            while not self._stop.is_set():
                sale = self.draw_sale(till_id)
                self.posted[sale["sale_id"]] = sale
                self.answers[sale["sale_id"]] = await self._until_answered(session, "/v1/sales", sale)
                self._receipts += sale["print"]
                self._news.set()
                if self._rng.random() < RETURNED_SHARE:
                    back = self.draw_return(sale)
                    self.returns[back["return_id"]] = await self._until_answered(session, "/v1/returns", back)
                if self._rng.random() < DELIVERED_SHARE:
                    await self._deliver(session)
                if self._rng.random() < ENROLLED_SHARE:
                    await self._enrol(session)

    async def _deliver(self, session: aiohttp.ClientSession) -> None:
        line = {"sku": self._rng.choice(SKUS), "qty": self._rng.randint(1, 12)}
        delivery = {"document_id": new_id(), "kind": "receive", "lines": [line]}
        self.deliveries[delivery["document_id"]] = delivery
        answer = await self._until_answered(session, "/v1/stock/documents", delivery)
        self.delivered[answer["document_id"]] = answer["dot"]

    async def _enrol(self, session: aiohttp.ClientSession) -> None:
        member = {"member_id": new_id(), "card": f"{self._rng.randrange(10**12):012}"}
        self.asked_for.add(member["member_id"])
        await self._until_answered(session, "/v1/members", member)
        self.enrolled.add(member["member_id"])

    async def _something_new(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _until_answered(self, session: aiohttp.ClientSession, path: str, asked: Any) -> Any:
        while True:
            await self._up.wait()
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(path, json=asked) as response:
                    body = await response.json()
                    assert response.status in (200, 201, 503), body
                    if response.status != 503:
                        return body

    def draw_sale(self, till_id: str) -> Any:
        chosen = self._rng.sample(SKUS, self._rng.randint(1, len(SKUS)))
        lines = [
            {"line": n, "sku": sku, "qty": self._rng.randint(1, 3), "unit_price": 1000}
            for n, sku in enumerate(chosen, 1)
        ]
        total = sum(line["qty"] * 1000 for line in lines)
        return {
            "sale_id": new_id(),
            "till_id": till_id,
            "currency": "HKD",
            "lines": lines,
            "tenders": [{"type": "card", "amount": total}],
            "total": total,
            "print": till_id == PRINTING_TILL and self._rng.random() < self._printed_share,
        }

    def draw_return(self, sale: Any) -> Any:
        chosen = self._rng.sample(sale["lines"], self._rng.randint(1, len(sale["lines"])))
        return {
            "return_id": new_id(),
            "till_id": sale["till_id"],
            "sale_id": sale["sale_id"],
            "lines": [{"line": line["line"], "qty": self._rng.randint(1, line["qty"])} for line in chosen],
            "reason": "changed their mind",
        }


async def open_shop(control: HubClient, url: str) -> list[tuple[str, str]]:
    """Put the goods on the shelf and pair the tills; return their tokens and names."""
    await control.put_products(
        [Entry(Product(sku=sku, name=Name(en=sku)), Price(1000, "HKD"), OPENING) for sku in SKUS]
    )
    codes = [await control.make_code("till") for _ in range(TILLS)]
    paired = []
    for code in codes:
        async with HubClient(url) as client:
            answer = await client.pair(code, "till")
            paired.append((answer.token, answer.till_id))
    return paired


async def settle_prints(url: str, token: str) -> None:
    """Have every unknown receipt printed again, as a person would, until the ledger is at rest."""
    open_states = {"queued", "printing", "unknown"}
    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as session:
        async with asyncio.timeout(QUIET_S):
            while True:
                async with session.get("/v1/print", params={"limit": "500"}) as response:
                    jobs = [job for job in (await response.json())["items"] if job["state"] in open_states]
                if not jobs:
                    return
                for job in jobs:
                    if job["state"] == "unknown":
                        async with session.post(f"/v1/print/{job['job_id']}/retry") as response:
                            assert response.status == 202


def receipts_on(paper: list[str]) -> list[tuple[str, bool]]:
    """Return the numbers of the receipts that stand on the paper, in order, and whether each bears a mark above it."""
    found: list[tuple[str, bool]] = []
    is_marked = False
    for line in paper:
        if "重印" in line or "副本" in line:
            is_marked = True
        elif number := re.search(r"單號 Receipt\s+(\S+)", line):
            found.append((number[1], is_marked))
            is_marked = False
    return found


def printed_twice_unmarked(paper: list[str]) -> list[str]:
    """Return the receipt numbers that stand on the paper more than once without a mark above them."""
    unmarked = [number for number, is_marked in receipts_on(paper) if not is_marked]
    return sorted({number for number in unmarked if unmarked.count(number) > 1})
