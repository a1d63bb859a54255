"""A small typed client of the local API and of the control socket, for tools, tests, the bench and the demo's shoppers.

Times out after REQUEST_TIMEOUT_S; repeats nothing by itself: a repeat with the same id is the caller's decision and is safe.
"""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import aiohttp
import msgspec

from hub.api.catalogue import ProductPage
from hub.api.control import CodeAnswer, CodeRequest, PutRequest
from hub.api.devices import DeviceList, DeviceView
from hub.api.pairing import PairAnswer, PairRequest
from hub.api.problems import Problem
from hub.api.routing import SUBPROTOCOL, SUBPROTOCOL_TOKEN
from hub.api.sales import SaleRequest
from hub.errors import HubError
from hub.store.model import Entry, Item, SaleAnswer
from hub.store.printing import PrintJobView
from hub.store.products import Put
from hub.store.tills import Scope

REQUEST_TIMEOUT_S = 10.0
T = TypeVar("T")


class ProblemError(HubError):
    """The hub answered with a problem; nothing was changed unless its code is outcome_unknown."""

    def __init__(self, problem: Problem) -> None:
        remedy = problem.remedy.get("en", "")
        super().__init__(problem.code, f"{problem.title}: {problem.detail} {remedy}".strip(), pointer=problem.pointer)
        self.problem = problem


class HubClient:
    """One till's view of the hub. Use as a context manager."""

    def __init__(self, base_url: str, token: str = "", *, unix_socket: Path | None = None) -> None:
        self._base_url = base_url
        self._token = token
        self._unix_socket = unix_socket
        self.till_id = ""

    async def __aenter__(self) -> Self:
        connector = (
            aiohttp.UnixConnector(str(self._unix_socket)) if self._unix_socket else aiohttp.TCPConnector(limit=0)
        )
        self._session = aiohttp.ClientSession(
            self._base_url, connector=connector, timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def pair(self, code: str, name: str) -> PairAnswer:
        """Spend a pairing code; from here on the client is that till."""
        answer = await self._call("POST", "/v1/pair", PairAnswer, body=PairRequest(code, name))
        self._token, self.till_id = answer.token, answer.till_id
        return answer

    async def product(self, sku: str) -> Item:
        """Return one product."""
        return await self._call("GET", f"/v1/products/{quote(sku, safe='')}", Item)

    async def products(self, **query: str) -> ProductPage:
        """Look up by `gtin`, `scan` or `q`, or list; `after` and `limit` page."""
        return await self._call("GET", "/v1/products", ProductPage, query=query)

    async def sell(self, sale: SaleRequest) -> SaleAnswer:
        """Record a sale, durable when this returns."""
        return await self._call("POST", "/v1/sales", SaleAnswer, body=sale)

    async def devices(self) -> list[DeviceView]:
        """Return all devices and their health."""
        return (await self._call("GET", "/v1/devices", DeviceList)).items

    async def claim(self, device_id: str) -> DeviceView:
        """Claim an input device for this till."""
        return await self._call("POST", f"/v1/devices/{device_id}/claim", DeviceView)

    async def print_job(self, job_id: str) -> PrintJobView:
        """Return a job of the print ledger."""
        return await self._call("GET", f"/v1/print/{quote(job_id, safe='')}", PrintJobView)

    async def make_code(self, scope: Scope) -> str:
        """Make a pairing code (control socket only)."""
        return (await self._call("POST", "/control/codes", CodeAnswer, body=CodeRequest(scope))).code

    async def put_products(self, entries: Sequence[Entry]) -> Put:
        """Write a batch of products (control socket only)."""
        return await self._call("POST", "/control/products", Put, body=PutRequest(list(entries)))

    @property
    def _headers(self) -> dict[str, str]:
        token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return {"Content-Type": "application/json", **token}

    @asynccontextmanager
    async def events(self, after: str | None = None) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Open the event socket; iterate over its frames, `hello` first. Any: JSON."""
        async with self._session.ws_connect(
            "/v1/events",
            params={"after": after} if after else None,
            protocols=(SUBPROTOCOL, f"{SUBPROTOCOL_TOKEN}{self._token}"),
            heartbeat=REQUEST_TIMEOUT_S,
        ) as ws:
            yield _frames(ws)

    async def _call(
        self, method: str, path: str, answer: type[T], *, body: Any = None, query: dict[str, str] | None = None
    ) -> T:
        async with self._session.request(
            method,
            path,
            params=query,
            data=None if body is None else msgspec.json.encode(body),
            headers=self._headers,
        ) as response:
            content = await response.read()
            if response.status >= 400:
                raise ProblemError(msgspec.json.decode(content, type=Problem))
            return msgspec.json.decode(content, type=answer)


async def _frames(ws: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            yield msgspec.json.decode(message.data)


def new_id() -> str:
    """Return a UUIDv7: ids that grow with time keep the hub's index pages together. RFC 9562, 5.7."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))
