"""Tills that go over to the other hub of their store by the rules of docs/build-a-till.md, and remember what they were told.

A till sells one basket after the other, keeps each sale until it is safe, asks the hubs of its list when its own does not answer,
and posts again there what is not safe.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from bench.workload import draw_basket, encode_tail
from hub.client import new_id

SALE_EVERY_S = 0.2
ASK_SAFE_EVERY_S = 0.25
ANSWER_S = 5.0  # the page's: a request that takes longer has no answer
READY_S = 2.0
LOOK_AGAIN_S = 0.1  # while no hub of the list answers
STATUS_MAX = 1_000


@dataclass(slots=True)
class Told:
    """What a till was told: when and by whom each sale was answered; which were safe."""

    answered: dict[str, tuple[float, str]] = field(default_factory=dict)
    safe: set[str] = field(default_factory=set)
    fresh_again: set[str] = field(default_factory=set)  # answered by the one hub, and news to the other


class FailingOverTill:
    """One till; `hubs` are the addresses of its list."""

    def __init__(self, http: aiohttp.ClientSession, hubs: Sequence[str], till_id: str, token: str, seed: int) -> None:
        self._http, self._hubs, self.at = http, hubs, hubs[0]
        self._till_id, self._headers = till_id, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._rng = random.Random(seed)
        self._kept: dict[str, bytes] = {}
        self.told = Told()
        self.went_over = asyncio.Event()  # another hub than the first has answered a new sale

    async def sell_until(self, stop: asyncio.Event) -> None:
        """Sell; a sale that was not answered is posted again until it is, wherever the till is by then."""
        while not stop.is_set():
            sale_id = new_id()
            head = f'{{"sale_id":"{sale_id}","till_id":"{self._till_id}",'.encode()
            self._kept[sale_id] = head + encode_tail(draw_basket(self._rng), prints=False)
            while not await self._post(sale_id):
                await self._go_over()
            await asyncio.sleep(SALE_EVERY_S)

    async def ask_safe_until(self, stop: asyncio.Event) -> None:
        """Forget what is safe, once a while; after a stop, until all is."""
        while not stop.is_set() or self._kept:
            await asyncio.sleep(ASK_SAFE_EVERY_S)
            at, body = self.at, {"ids": [each for each in self._kept if each in self.told.answered][:STATUS_MAX]}
            try:
                async with self._request("POST", f"{at}/v1/sales/status", json=body) as answer:
                    said = (await answer.json())["sales"] if answer.status == 200 else []
            except (aiohttp.ClientError, TimeoutError):
                continue
            for sale_id in (each["sale_id"] for each in said if each["safe"]):
                self.told.safe.add(sale_id)
                self._kept.pop(sale_id, None)

    async def _post(self, sale_id: str) -> bool:
        at = self.at
        if sale_id not in self._kept:
            return True  # it has become safe meanwhile
        try:
            async with self._request("POST", f"{at}/v1/sales", data=self._kept[sale_id]) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return False
        if answer.status not in (200, 201):
            return False
        if answer.status == 201 and sale_id in self.told.answered:
            self.told.fresh_again.add(sale_id)
        self.told.answered.setdefault(sale_id, (time.perf_counter(), at))
        if self.told.answered[sale_id][1] != self._hubs[0]:
            self.went_over.set()
        return True

    async def _go_over(self) -> None:
        before = self.at
        for place in self._hubs:
            if await self._is_ready(place):
                self.at = place
                break
        else:
            await asyncio.sleep(LOOK_AGAIN_S)
        if self.at != before:
            for sale_id in [each for each in self._kept if each in self.told.answered]:
                await self._post(sale_id)

    async def _is_ready(self, place: str) -> bool:
        try:
            async with self._http.get(f"{place}/readyz", timeout=aiohttp.ClientTimeout(total=READY_S)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _request(self, method: str, url: str, **content: object) -> "aiohttp.client._RequestContextManager":
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        return self._http.request(method, url, headers=self._headers, timeout=timeout, **content)  # type: ignore[arg-type]
