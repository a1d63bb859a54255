"""What the tests of the hub share: a small catalogue, a store on a real file, a hub in this process, tills on real HTTP.

The hub is wired by hub.app with the test's clock. Every answer is held against the OpenAPI document (fixture `contract`).
"""

import asyncio
import gc
import io
import json
import os
import random
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import hypothesis
import jsonschema
import pytest

from devices.testing.printer import SimulatedPrinter
from devices.testing.sockets import SimulatedSockets
from hub import app
from hub.api.openapi import openapi
from hub.api.server import routes, serve
from hub.claims import CLAIM_GRACE_S
from hub.client import HubClient, new_id
from hub.config import Config, parse_config
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
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.store.replicas import identify
from tests.files import open_fresh

# how long an example takes is a matter of the machine: figures are measured by `python -m bench`
hypothesis.settings.register_profile("storehub", deadline=None)
hypothesis.settings.load_profile("storehub")

STARTED_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
WAIT_S = 60.0  # whatever a test waits for has happened long before, or never does; the machine may be busy
ASK_AGAIN_S = 0.005  # the hub in this process wants its turn, too
GARBAGE = 20_000  # new objects between two looks for cycles; at Python's 700 that is a tenth of the simulator's time
LONG = (
    "tests/appliance/",
    "tests/sim/",
    "tests/faults/",
    "tests/demo/",
    "tests/replay/",
    "tests/console/",
    "tests/cloud/test_kill.py",
)
QUICK_PRINTER = {
    "poll_s": 0.05,
    "connect_timeout_s": 1.0,
    "answer_timeout_s": 0.5,
    "send_timeout_s": 1.0,
    "confirm_timeout_s": 0.5,
}
"""Time-outs of a printer driver in tests: loopback answers in a millisecond."""

NO_LIMITS = {"requests_per_s": 1e6, "burst": 1_000_000, "at_once": 10_000, "connections": 10_000}
"""What a test sends in a second no till sends in an hour; those of the limits have the defaults, or their own."""

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


StartHub = Callable[..., Awaitable[LocalHub]]


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The document that all answers are held against."""
    return Contract()


@pytest.fixture
def catalogue() -> tuple[Entry, ...]:
    """The products that store and hub begin with."""
    return CATALOGUE


@pytest.fixture
def shop() -> Shop:
    """A shop in Hong Kong that closes its day at 4 a.m."""
    name = Name(zh_hant="示範店", en="Demo shop")
    return Shop("hk01", name, ZoneInfo("Asia/Hong_Kong"), "HKD", cut_over_hour=4, footer=("多謝惠顧 Thank you",))


@pytest.fixture
async def store(tmp_path: Path, shop: Shop) -> AsyncIterator[Store]:
    """The catalogue in a real file."""
    path = tmp_path / "hub.db"
    async with open_fresh(path, migrations=MIGRATIONS) as db:
        replica = await db.write(lambda tx: identify(tx, "hk01", incarnation="0123456789abcdef", now_ms=STARTED_MS))
        store = Store(db, replica, shop, path)
        await store.put(*CATALOGUE)
        yield store


@pytest.fixture
def sale() -> Callable[..., Sale]:
    """Return a sale of `qty` teas; keywords replace its fields."""

    def make(qty: int = 1, **fields: Any) -> Sale:
        total = qty * 1090
        values: dict[str, Any] = {
            "sale_id": new_id(),
            "till_id": "t1",
            "currency": "HKD",
            "lines": (SaleLine(1, "TEA-01", qty, 1090),),
            "tenders": (Tender("cash", total),),
            "total": total,
        }
        return Sale(**(values | fields))

    return make


@pytest.fixture
async def start_hub(tmp_path: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StartHub]:
    """Start a hub in this process: `await start_hub(devices=..., cloud=..., tax=..., ...)`; a second one has its own folder."""
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []
    for what in ("hub.replication.FOLD_EVERY_S", "hub.spooler.PRINTED_WITHIN_S"):
        monkeypatch.setattr(what, 0.05)  # a shop has time, a test waits

    async def start(
        *,
        devices: dict[str, Any] | None = None,
        receipt_printer: str | None = None,
        cloud: dict[str, Any] | None = None,
        standby: dict[str, Any] | None = None,
        grace_s: float = CLAIM_GRACE_S,
        **sections: Any,
    ) -> LocalHub:
        raw = {
            "store": {
                "id": "hk01",
                "name_zh_hant": "示範店",
                "name_en": "Demo",
                "currency": "HKD",
                "zone": "Asia/Hong_Kong",
            },
            "api": {"port": 0},
            "receipt": {"printer": receipt_printer} if receipt_printer else {},
            "devices": devices or {},
            "limits": NO_LIMITS,
        } | {name: section for name, section in (("cloud", cloud), ("standby", standby)) if section}
        raw |= sections
        if standby:
            raw["data"] = {"dir": "beside"}
            (tmp_path / "beside").mkdir()
        hub = LocalHub(parse_config(raw, base=tmp_path), Clock(), contract)
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(hub.run(started, stop, grace_s), name="hub")
        running.append((stop, task))
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return hub

    yield start
    for stop, task in running:
        stop.set()
        async with asyncio.timeout(WAIT_S):
            await task


@pytest.fixture
async def pair_till() -> AsyncIterator[Callable[..., Awaitable[Till]]]:
    """Pair a till with a hub: `await pair_till(hub, scope=...)`; scope None is a client without a token."""
    sessions: list[aiohttp.ClientSession] = []

    async def pair(hub: LocalHub, scope: Scope | None = "till", name: str = "Counter") -> Till:
        session = aiohttp.ClientSession(hub.url, timeout=aiohttp.ClientTimeout(total=WAIT_S))
        sessions.append(session)
        till = Till(hub, session, "", "")
        if scope is not None:
            answer = await till.post("/v1/pair", {"code": await hub.make_code(scope), "name": name})
            assert answer.status == 201, answer.body
            till.token, till.till_id = answer.json["token"], answer.json["till_id"]
        return till

    yield pair
    for session in sessions:
        await session.close()


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of four megabytes, or of the mark `megabytes`, below the test's folder; only root can mount one."""
    folder, mark = tmp_path / "small", request.node.get_closest_marker("megabytes")
    folder.mkdir()
    size = f"size={mark.args[0] if mark else 4}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
async def hub(start_hub: StartHub) -> LocalHub:
    """A hub without devices."""
    return await start_hub()


@pytest.fixture
async def till(hub: LocalHub, pair_till: Callable[..., Awaitable[Till]]) -> Till:
    """A till of `hub`."""
    return await pair_till(hub)


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Ask again until it holds: `await until(lambda: till.get(path), lambda answer: ...)`; each question is a real one."""

    async def ask_until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(WAIT_S):
            while not holds(answer := await ask()):  # noqa: ASYNC110 - an answer is no event
                await asyncio.sleep(ASK_AGAIN_S)
        return answer

    return ask_until


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Return a function that gives a port for a server to come, as often as it is started.

    It stays bound without listening: nobody else is given it meanwhile, and a server may bind it, too (SO_REUSEADDR).
    """
    with ExitStack() as stack:

        def hold() -> int:
            held = stack.enter_context(socket.socket())
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            port: int = held.getsockname()[1]
            return port

        yield hold


@pytest.fixture
async def printer() -> AsyncIterator[SimulatedPrinter]:
    """A network receipt printer on loopback."""
    async with SimulatedPrinter() as printer:
        yield printer


@pytest.fixture
def printer_section(printer: SimulatedPrinter) -> dict[str, Any]:
    """The configuration of a device that is `printer`, with time-outs for loopback."""
    return {"kind": "escpos_printer", "address": printer.address, **QUICK_PRINTER}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker of `./test` is left with it when the others are done."""
    long = [item for item in items if item.nodeid.startswith(LONG)]
    short = [item for item in items if not item.nodeid.startswith(LONG)]
    items.clear()
    for workers in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), 0, -1):
        # each worker is given so many in a row, and may keep its last two: they must be short ones
        share = (len(long) + len(short)) // workers
        begins = len(long) // workers
        items += long[:begins] + short[: share - begins]
        long, short = long[begins:], short[share - begins :]


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the collector need not go through it, nor look so often for what is new."""
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the skips that tests/skips.txt does not allow."""
    for skip in _unlisted_skips(terminalreporter):
        terminalreporter.write_line("not in tests/skips.txt: " + ": ".join(skip), red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip that nobody has allowed is a failure."""
    may_fail = os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK
    if may_fail and _unlisted_skips(session.config.pluginmanager.get_plugin("terminalreporter")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unlisted_skips(reporter: Any) -> list[tuple[str, str]]:
    if reporter is None:  # a worker of pytest-xdist: whoever started it hears of every skip
        return []
    listed = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8")
    allowed = [line for line in listed.splitlines() if line and not line.startswith("#")]
    skips = [
        (report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in reporter.stats.get("skipped", [])
    ]
    return [(nodeid, reason) for nodeid, reason in skips if not any(fnmatch(reason, pattern) for pattern in allowed)]
