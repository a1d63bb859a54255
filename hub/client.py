"""Small typed clients for tools, tests, the bench and the demo's shoppers: of the hub's API and control socket, of the cloud.

Times out after REQUEST_TIMEOUT_S; repeats nothing by itself: a repeat with the same id is the caller's decision and is safe.
"""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import aiohttp
import msgspec
from msgspec import Struct

from hub.api.attached.devices import DeviceList, DeviceView
from hub.api.catalogue.catalogue import ProductPage
from hub.api.control import (
    Mended,
    Opened,
    OpeningsRequest,
    PutRequest,
    Renewed,
    RenewRequest,
    RepairRequest,
    ScopeRequest,
)
from hub.api.problems import Problem
from hub.api.replica.standby_keys import KeysTold, KeyTold, StoreAuthority
from hub.api.replica.standby_registers import RegistersTold
from hub.api.routing import SUBPROTOCOL, SUBPROTOCOL_TOKEN
from hub.api.selling.printing import JobList, PrintRequest
from hub.api.selling.sales import SaleRequest
from hub.api.staff.cashiers import EnrolRequest, UnlockRequest
from hub.api.staff.pairing import CodeAnswer, PairAnswer, PairRequest
from hub.api.staff.tills import TillList
from hub.errors import HubError
from hub.replication import SyncView
from hub.store.catalogue.products import Opening, Put
from hub.store.model import Entry, Item, SaleAnswer
from hub.store.selling.printing import PrintJobView
from hub.store.selling.returns import ReturnAnswer
from hub.store.staff.cashiers import CashierView
from hub.store.staff.tills import Scope, TillView
from hub.store.upkeep.audit import Finding
from hub.tls.files import Leaf
from sync.audit import Asked, Names, Sums
from sync.retail.selling.returns import Return

REQUEST_TIMEOUT_S = 10.0
CERTIFICATE_MAX = 16_384  # bytes; what is longer is none of ours and compares with nothing
T = TypeVar("T")


class ProblemError(HubError):
    """The hub answered with a problem; nothing was changed unless its code is outcome_unknown."""

    def __init__(self, problem: Problem) -> None:
        said = [f"{problem.title}: {problem.detail}", problem.remedy.get("en", "")]
        super().__init__(problem.code, "; ".join(filter(None, said)), pointer=problem.pointer)
        self.problem = problem


class UnreachableError(HubError):
    """Nobody answers there, or not in time; whether a request was carried out is not known, and it may be repeated."""

    def __init__(self, detail: str) -> None:
        super().__init__("unreachable", detail)


class HubClient:
    """One till's view of the hub. Use as a context manager."""

    def __init__(
        self, base_url: str, token: str = "", *, unix_socket: Path | None = None, context: SSLContext | None = None
    ) -> None:
        """`context` says whom TLS trusts, without one what this machine trusts."""
        self._base_url = base_url
        self._context = context
        self._token = token
        self._unix_socket = unix_socket
        self.till_id = ""

    async def __aenter__(self) -> Self:
        connector = (
            aiohttp.UnixConnector(str(self._unix_socket))
            if self._unix_socket
            else aiohttp.TCPConnector(limit=0, ssl=self._context or True)
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

    async def take_back(self, content: Return) -> ReturnAnswer:
        """Take goods of a sale back, durable when this returns."""
        return await self._call("POST", "/v1/returns", ReturnAnswer, body=content)

    async def devices(self) -> list[DeviceView]:
        """Return all devices and their health."""
        return (await self._call("GET", "/v1/devices", DeviceList)).items

    async def claim(self, device_id: str) -> DeviceView:
        """Claim an input device for this till."""
        return await self._call("POST", f"/v1/devices/{device_id}/claim", DeviceView)

    async def print_job(self, job_id: str) -> PrintJobView:
        """Return a job of the print ledger."""
        return await self._call("GET", f"/v1/print/{quote(job_id, safe='')}", PrintJobView)

    async def print_document(self, request: PrintRequest) -> PrintJobView:
        """Queue a document for a printer."""
        return await self._call("POST", "/v1/print", PrintJobView, body=request)

    async def print_jobs(self) -> list[PrintJobView]:
        """Return the newest jobs of the print ledger."""
        return (await self._call("GET", "/v1/print", JobList, query={"limit": "500"})).items

    async def make_code(self, scope: Scope) -> str:
        """Make a pairing code (control socket only)."""
        return (await self.pairing(scope)).code

    async def pairing(self, scope: Scope) -> CodeAnswer:
        """Make a pairing code and be told where it is spent (control socket only)."""
        return await self._call("POST", "/control/codes", CodeAnswer, body=ScopeRequest(scope))

    async def renew_certificate(self) -> Leaf:
        """Make the hub's certificate anew (control socket only)."""
        return (await self._call("POST", "/control/tls/renew", Renewed, body=RenewRequest())).leaf

    async def tills(self) -> list[TillView]:
        """Return every client that was ever paired (control socket only)."""
        return (await self._call("GET", "/control/tills", TillList)).items

    async def revoke_till(self, till_id: str) -> TillView:
        """Make a client's token worth nothing (control socket only)."""
        return await self._call("DELETE", f"/control/tills/{quote(till_id, safe='')}", TillView)

    async def rotate(self) -> PairAnswer:
        """Take another token; this client uses it from here on, which ends the one before."""
        answer = await self._call("POST", "/v1/pair/rotate", PairAnswer)
        self._token = answer.token
        return answer

    async def enrol_cashier(self, request: EnrolRequest) -> CashierView:
        """Enrol a cashier (control socket only)."""
        return await self._call("POST", "/control/cashiers", CashierView, body=request)

    async def unlock_cashier(self, cashier_id: str, reason: str) -> CashierView:
        """Let a cashier guess again (control socket only)."""
        path = f"/control/cashiers/{quote(cashier_id, safe='')}/unlock"
        return await self._call("POST", path, CashierView, body=UnlockRequest(reason))

    async def share_pin_keys(self, keys: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Tell the store's other hub our PIN keys (secret, made_ms) and return its own; raise UnreachableError, ProblemError."""
        told = await self.ask_beside("/sync/v1/pin-keys", KeysTold, KeysTold([KeyTold(*key) for key in keys]))
        return [(key.secret, key.made_ms) for key in told.keys]

    async def store_authority(self) -> str:
        """Return the store's CA with its key, PEM (scope standby only)."""
        return (await self._call("GET", "/sync/v1/store-ca", StoreAuthority)).pem

    async def share_registers(self, told: RegistersTold) -> RegistersTold:
        """Tell the store's other hub our members and return what it tells; raise UnreachableError, ProblemError."""
        return await self.ask_beside("/sync/v1/registers", RegistersTold, told)

    async def ask_beside(self, path: str, answer: type[T], body: Struct) -> T:
        """Ask the store's other hub; raise UnreachableError, ProblemError."""
        try:
            return await self._call("POST", path, answer, body=body)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as err:
            raise UnreachableError(f"{self._base_url} does not answer ({err or 'too slow'})") from err

    async def put_products(self, entries: Sequence[Entry]) -> Put:
        """Write a batch of products (control socket only)."""
        return await self._call("POST", "/control/products", Put, body=PutRequest(list(entries)))

    async def open_stock(self, openings: Sequence[Opening]) -> int:
        """Book opening stock of SKUs that never moved but by sales; return how many were (control socket only)."""
        try:
            return (await self._call("POST", "/control/openings", Opened, body=OpeningsRequest(list(openings)))).booked
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise UnreachableError(f"the hub does not answer ({err or 'too slow'})") from err

    async def repair(self, findings: Sequence[Finding], *, seen: int) -> int:
        """Correct what an audit found that saw `seen` repairs (control socket only); return how many were."""
        body = RepairRequest(seen, list(findings))
        return (await self._call("POST", "/control/audit/repair", Mended, body=body)).mended

    async def sync(self) -> SyncView:
        """Return how the hub stands to the cloud."""
        return await self._call("GET", "/v1/sync", SyncView)

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


class FeedPage(Struct, frozen=True):
    """A page of a feed of the cloud: `next` goes into `after`. Any: rows are what their store has sent."""

    rows: list[dict[str, Any]]
    next: int
    more: bool


class CloudClient:
    """Head office's view of the cloud. Use as a context manager."""

    def __init__(self, base_url: str, token: str, *, context: SSLContext | None = None) -> None:
        """`context` as of HubClient."""
        self._base_url = base_url
        self._token = token
        self._context = context

    async def __aenter__(self) -> Self:
        try:
            self._session = aiohttp.ClientSession(
                self._base_url,
                connector=aiohttp.TCPConnector(ssl=self._context or True),
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                headers={"Authorization": f"Bearer {self._token}"},
            )
        except ValueError as err:
            raise UnreachableError(f"{self._base_url!r} is no address; write http://…") from err
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def put_products(self, entries: Sequence[Entry]) -> Put:
        """Write products and prices, at most 500; the stores get them by themselves. Opening stock is not the cloud's."""
        body = {"entries": [{"product": entry.product, "price": entry.price} for entry in entries]}
        return msgspec.json.decode(await self._call("POST", "/cloud/v1/products", body=body), type=Put)

    async def feed(self, stream: str, *, after: int = 0, limit: int = 1000) -> FeedPage:
        """Return rows of a stream behind a number."""
        query = {"stream": stream, "after": str(after), "limit": str(limit)}
        lines = (await self._call("GET", "/cloud/v1/feed", query=query)).splitlines()
        _, *rows, trailer = [msgspec.json.decode(line) for line in lines]
        return FeedPage(rows, trailer["next"], trailer["more"])

    async def sales(self, sale_id: str) -> dict[str, Any]:
        """Return a sale with its returns; raise ProblemError while the cloud does not have it. Any: JSON."""
        return self._decoded(await self._call("GET", f"/cloud/v1/sales/{quote(sale_id, safe='')}"))

    async def audit_sums(self, asked: Asked) -> Sums:
        """Return the sums of what the cloud holds of a stream; a store's own token will do."""
        return msgspec.json.decode(await self._call("POST", "/cloud/v1/audit", body=asked), type=Sums)

    async def audit_names(self, asked: Asked) -> Names:
        """Return the rows of one bucket of a stream by name."""
        return msgspec.json.decode(await self._call("POST", "/cloud/v1/audit", body=asked), type=Names)

    async def stores(self) -> dict[str, Any]:
        """Return what the cloud knows of each store. Any: JSON."""
        return self._decoded(await self._call("GET", "/cloud/v1/stores"))

    async def put_pricing(self, pricing: dict[str, Any]) -> None:
        """Write price lists and promotions, as `POST /cloud/v1/pricing` takes them. Any: JSON."""
        await self._call("POST", "/cloud/v1/pricing", body=pricing)

    async def put_coupons(self, coupons: dict[str, Any]) -> None:
        """Write coupons and batches, as `POST /cloud/v1/coupons` takes them. Any: JSON."""
        await self._call("POST", "/cloud/v1/coupons", body=coupons)

    async def grant_coupons(self, batch_id: str, store: str) -> None:
        """Give each serial of a batch to a store's hub."""
        await self._call("POST", "/cloud/v1/coupons/grants", body={"batch_id": batch_id, "store": store})

    async def set_line(self, *, is_up: bool) -> None:
        """Cut the stores off or let them in again, where the cloud is a demo's."""
        await self._call("POST", "/cloud/v1/demo/line", body={"up": is_up})

    @staticmethod
    def _decoded(content: bytes) -> dict[str, Any]:
        return msgspec.json.decode(content, type=dict[str, Any])

    async def _call(self, method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None) -> bytes:
        sent = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"} if sent else {}
        try:
            async with self._session.request(method, path, params=query, data=sent, headers=headers) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise UnreachableError(f"{self._base_url} does not answer ({err or 'too slow'})") from err
        if response.status < 400:
            return content
        try:
            problem = msgspec.json.decode(content, type=Problem)
        except msgspec.MsgspecError as err:
            raise UnreachableError(f"{self._base_url}: HTTP {response.status}, no cloud") from err
        raise ProblemError(problem)


async def fetch_authority(base_url: str) -> bytes:
    """Return the certificate (DER) of the CA that a hub offers; raise UnreachableError. Nobody vouches for it: compare it.

    It is asked for without a token, of whoever answers.
    """
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{base_url.rstrip('/')}/ca.crt", ssl=False, allow_redirects=False) as response,
        ):
            content = await response.content.read(CERTIFICATE_MAX)
    except (aiohttp.ClientError, TimeoutError, OSError) as err:
        raise UnreachableError(f"{base_url} does not answer ({err or 'too slow'})") from err
    if response.status != 200:
        raise UnreachableError(f"{base_url} offers no CA: HTTP {response.status}")
    return content


async def _frames(ws: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in ws:
        if message.type is aiohttp.WSMsgType.TEXT:
            yield msgspec.json.decode(message.data)


def new_id() -> str:
    """Return a UUIDv7: ids that grow with time keep the hub's index pages together. RFC 9562, 5.7."""
    number = now_ms() << 80 | int.from_bytes(os.urandom(10))
    return str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def now_ms() -> int:
    """Return this machine's clock, for tools that have no hub to ask."""
    return time.time_ns() // 1_000_000
