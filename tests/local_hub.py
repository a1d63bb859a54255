"""A hub in this process, wired by hub.app with the test's clock, and tills that ask it over real HTTP."""

import asyncio
import io
import json
import random
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema

from devices.testing.sockets import SimulatedSockets
from hub import app
from hub.api.openapi import openapi
from hub.api.server import routes, serve
from hub.client import HubClient, new_id
from hub.config import Config
from hub.migrations import MIGRATIONS
from hub.runtime import Runtime
from hub.service.lines import run_line
from hub.store.catalogue import products
from hub.store.model import Entry, Shop
from hub.store.selling import sales
from hub.store.selling.printing import PrintTo
from hub.store.selling.sales import Recorded
from hub.store.staff.tills import Scope
from sync.db import Database
from sync.model import Replica
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.sales import Sale
from tests.files import open_fresh

STARTED_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
WAIT_S = 60.0  # whatever a test waits for has happened long before, or never does; the machine may be busy

CATALOGUE = (
    Entry(
        Product(
            sku="TEA-01",
            gtins=["04890000000010"],
            name=Name(zh_hant="凍頂烏龍茶", en="Dong Ding oolong tea"),
            attributes={"size": "150 g"},
        ),
        Price(1090, "HKD"),
        20,
    ),
    Entry(
        Product(sku="SHIRT-M", style="SHIRT", name=Name(zh_hant="純棉T恤", en="Cotton shirt")), Price(12_900, "HKD"), 5
    ),
    Entry(Product(sku="PLUM", name=Name(zh_hant="話梅", en="Dried plum"), unit="g"), Price(2500, "HKD", 600), 5000),
    Entry(
        Product(sku="HAM", gtins=["02112345000008"], name=Name(en="Cooked ham"), unit="g"), Price(999, "HKD", 100), 4000
    ),
    Entry(Product(sku="BAG", name=Name(zh_hant="膠袋", en="Bag"), stocked=False), Price(100, "HKD")),
    Entry(Product(sku="A/B 50%", name=Name(en="Odd code")), Price(300, "HKD"), 1),
)
"""Pieces, weighed goods (per 600 g and per 100 g), a fee without stock, a SKU that a URL must quote."""


@dataclass
class Clock:
    """The hub's clock; it moves when a test says so."""

    now_ms: int = STARTED_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Store:
    """The catalogue in a real file, written to as the hub does, without HTTP."""

    db: Database
    replica: Replica
    shop: Shop
    path: Path

    async def put(self, *entries: Entry) -> products.Put:
        location = self.shop.location
        return await self.db.write(
            lambda tx: products.put_products(tx, self.replica, entries, location=location, now_ms=STARTED_MS)
        )

    async def sell(self, sale: Sale, *, print_to: PrintTo | None = None, now_ms: int = STARTED_MS) -> Recorded:
        job = sales.sale_job(self.replica, self.shop, sale, print_to=print_to, now_ms=now_ms)
        return await self.db.write(job)


@dataclass
class Answer:
    """What came back by HTTP."""

    status: int
    headers: "aiohttp.typedefs.CIMultiDictProxy[str]"
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Contract:
    """The OpenAPI document as a judge of real answers."""

    def __init__(self) -> None:
        self.document = json.loads(json.dumps(openapi(routes(), version=version("store-hub"))))
        self._paths = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations)
            for path, operations in sorted(self.document["paths"].items(), key=lambda item: item[0].count("{"))
        ]
        self._validators: dict[str, jsonschema.Draft202012Validator] = {}
        self._valid: set[tuple[int, bytes]] = set()  # validator and body: who waits is often answered the same

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Assert that the document knows this route, this status and this body."""
        operation = next((ops.get(method.lower()) for known, ops in self._paths if known.fullmatch(path)), None)
        if operation is None:
            return
        responses = operation["responses"]
        assert str(answer.status) in responses, (
            f"{method} {path}: {answer.status} is not in the document: {answer.body!r}"
        )
        (content_type, described), *others = responses[str(answer.status)]["content"].items()
        if "*/*" in (content_type, *(each for each, _ in others)):
            return  # a device's own form
        assert answer.headers["Content-Type"].split(";")[0] == content_type
        validator = self._validator(described["schema"])
        if (id(validator), answer.body) not in self._valid:
            validator.validate(answer.json)
            self._valid.add((id(validator), answer.body))

    def _validator(self, schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
        whole = {**schema, "components": self.document["components"]}
        return self._validators.setdefault(json.dumps(schema), jsonschema.Draft202012Validator(whole))


@dataclass
class Till:
    """A paired client on raw HTTP: it sees statuses, headers and bytes."""

    hub: "LocalHub"
    session: aiohttp.ClientSession
    token: str
    till_id: str

    async def request(self, method: str, path: str, body: Any = None, *, params: Any = None, **headers: str) -> Answer:
        """Send a body (bytes as they are, anything else as JSON) and return the answer, checked by the contract."""
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        raw = None if raw is None else io.BytesIO(raw)
        sent = ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | headers
        async with self.session.request(method, path, data=raw, params=params, headers=sent) as response:
            answer = Answer(response.status, response.headers, await response.read())
        self.hub.contract.check(method, path.partition("?")[0], answer)
        return answer

    async def get(self, path: str, **params: str) -> Answer:
        return await self.request("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.request("POST", path, body)

    def events(self, after: str | None = None) -> Any:
        """Open the event socket: `async with till.events() as ws`."""
        protocols = ("storehub.v1", f"storehub.bearer.{self.token}")
        return self.session.ws_connect("/v1/events", params={"after": after} if after else None, protocols=protocols)

    def sale(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Return a sale of one tea, or of these lines, paid in cash; `fields` replace or add."""
        lines = lines or ({"sku": "TEA-01", "qty": 1, "unit_price": 1090},)
        numbered = [{"line": n, **line} for n, line in enumerate(lines, 1)]
        total = fields.pop("total", None)
        if total is None:
            total = sum(line["qty"] * line["unit_price"] - line.get("discount", 0) for line in numbered)
        whole = {
            "sale_id": new_id(),
            "till_id": self.till_id,
            "currency": "HKD",
            "lines": numbered,
            "tenders": [{"type": "cash", "amount": total}],
            "total": total,
        }
        return whole | fields


@dataclass
class LocalHub:
    """A hub in this process, on real sockets."""

    config: Config
    clock: Clock
    contract: Contract
    sockets: SimulatedSockets = field(default_factory=SimulatedSockets)
    runtime: Runtime = field(init=False)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def make_code(self, scope: Scope = "till") -> str:
        async with HubClient("http://hub", unix_socket=self.config.control_socket) as client:
            return await client.make_code(scope)

    async def run(self, started: "asyncio.Future[None]", stop: asyncio.Event, grace_s: float) -> None:
        """Be the hub's main until `stop`: hub.app's own wiring with the test's clock."""
        async with open_fresh(self.config.database, migrations=MIGRATIONS) as db:
            self.runtime = hub = await app.open_hub(self.config, db, now_ms=self.clock, claim_grace_s=grace_s)
            hub.attachments.machine = self.sockets
            supervisor = app.wire_devices(hub)
            await db.write(
                lambda tx: products.put_products(
                    tx, hub.replica, CATALOGUE, location=hub.shop.location, now_ms=STARTED_MS
                )
            )
            watch = app.watch_devices(hub, supervisor, blocked_s=WAIT_S)
            async with serve(hub) as self.port, watch, asyncio.TaskGroup() as group:
                devices = group.create_task(supervisor.run(), name="devices")
                line = group.create_task(run_line(hub, rng=random.Random(1)), name="line")
                started.set_result(None)
                await stop.wait()
                devices.cancel()
                line.cancel()
