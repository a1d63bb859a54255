"""A cloud end in this process on real sockets and a real file, a store that writes real batches, a judge in plain SQL."""

import asyncio
import io
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bench.postgres import Server, binaries, temporary_server
from sync.batch import START, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.cloud.config import CloudConfig, parse_cloud_config
from sync.cloud.databases import open_books
from sync.cloud.main import open_cloud, pullers
from sync.cloud.store import CloudBooks
from sync.cloud.talk.pull import Puller
from sync.cloud.web.app import serve
from sync.cloud.web.http import Cloud
from sync.line.link import Conversation
from sync.line.telling import Telling
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL
from sync.session import End
from tests.cloud_engines import Engine, OnPostgres

STARTED_MS = 1_790_000_000_000
WAIT_S = 60.0
OFFICE = "office-token-0123456789"
TOKENS = {"hk01": "hk01-token-0123456789", "hk02": "hk02-token-0123456789"}


@dataclass
class Clock:
    """The cloud's clock; it moves when a test says so."""

    now_ms: int = STARTED_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Writer:
    """One life of a store's hub: streams of real rows, batches of real digests."""

    rep: str = "hk01:aaaaaaaaaaaaaaaa"
    logs: dict[str, list[bytes]] = field(default_factory=dict)

    def sell(self, sale_id: str, total: int = 1090, currency: str = "HKD", **more: Any) -> bytes:
        """Write a sale; return its row."""
        line = {"line": 1, "sku": "TEA-01", "qty": 1, "unit_price": total, "per": 1}
        sale = {"sale_id": sale_id, "till_id": "t1", "currency": currency, "lines": [line], "total": total}
        sale["tenders"] = [{"type": "cash", "amount": total}]
        return self.write("sales", {"sale": sale, "receipt_no": f"r-{sale_id}", "business_date": "2026-09-21"} | more)

    def give_back(self, return_id: str, sale_id: str, refund: int = 500) -> bytes:
        """Write a return."""
        content = {"return_id": return_id, "till_id": "t1", "sale_id": sale_id, "lines": [{"line": 1, "qty": 1}]}
        return self.write("returns", {"return": content, "currency": "HKD", "lines": [], "refund": refund})

    def write(self, stream: str, row: Any) -> bytes:
        """Write a row of a log; bytes as they are, anything else as JSON."""
        row = row if isinstance(row, bytes) else msgspec.json.encode(row)
        self.logs.setdefault(stream, []).append(row)
        return row

    def boundary(self, stream: str, last: int) -> Boundary:
        """The stream's digest at `last`, computed without the product."""
        digest = bytes(8)
        for row in self.logs[stream][:last]:
            digest = blake2b(digest + row, digest_size=8).digest()
        return Boundary(last, digest)

    def batch(self, stream: str = "sales", after: int = 0, last: int | None = None) -> Batch:
        """A batch of a log's range."""
        last = len(self.logs[stream]) if last is None else last
        rows = list(enumerate(self.logs[stream][after:last], after + 1))
        return batch_of(self.rep, stream, Feed.LOG, self.boundary(stream, after), rows)

    def state(self, stream: str, *rows: tuple[int, Any], after: Boundary = START) -> Batch:
        """A batch of a state stream: (seq, row)."""
        encoded = [(seq, row if isinstance(row, bytes) else msgspec.json.encode(row)) for seq, row in rows]
        return batch_of(self.rep, stream, Feed.STATE, after, encoded)


def product(sku: str, n: int = 1, *, gtins: tuple[str, ...] = (), en: str = "", **more: Any) -> dict[str, Any]:
    row = {"v": 1, "kind": "product", "sku": sku, "n": n, "gone": False, "gtins": list(gtins)}
    return row | {"attributes": {}, "name": {"en": en or sku}, "unit": "each", "stocked": True} | more


def price(sku: str, amount: int, n: int = 1) -> dict[str, Any]:
    return {"v": 1, "kind": "price", "sku": sku, "n": n, "gone": False, "amount": amount, "currency": "HKD", "per": 1}


@dataclass
class HubSide:
    """The books of a store, in memory: the writer's logs out, the catalogue in."""

    writer: Any
    offered: set[Boundary] = field(default_factory=lambda: {START})
    held: dict[tuple[str, str], Boundary] = field(default_factory=dict)
    catalogue: list[bytes] = field(default_factory=list)
    safe: dict[str, int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    lie: bool = False
    forks: list[str] = field(default_factory=list)
    sealed_reps: list[str] = field(default_factory=list)

    @property
    def rep(self) -> str:
        return str(self.writer.rep)

    def heads(self) -> list[Head]:
        return [Head(self.rep, stream, Feed.LOG, len(rows)) for stream, rows in self.writer.logs.items()]

    def vector(self, _peer_rep: str) -> dict[tuple[str, str], Boundary]:
        return self.held

    def is_offered(self, _rep: str, _stream: str, boundary: Boundary) -> bool:
        return boundary in self.offered

    def floor(self, _head: Head) -> Boundary:
        return START

    def is_told_elsewhere(self, _head: Head) -> bool:
        return False

    def told_up_to(self, _head: Head, _at: Boundary) -> int:
        return 0

    async def opening(self, _head: Head, _to: int) -> None:
        raise AssertionError("a hub that has pruned nothing tells no sum")

    async def jump(self, _rep: str, _stream: str, to: Boundary, _opening: object) -> Boundary:
        return to

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        del batches_max  # one is enough here
        last = min(head.last, after.last + rows_max)
        if last == after.last:
            return []
        batch = self.writer.batch(head.stream, after.last, last)
        self.offered.add(batch.end)
        fields = (b"8 bytes!" if self.lie and f == "digest" else getattr(batch, f) for f in batch.__struct_fields__)
        return [Batch(*fields)]

    async def apply(self, batch: Batch) -> Boundary | Gap:
        rows = new_rows(self.held.get((batch.rep, batch.stream), START), batch)
        assert not isinstance(rows, Gap)
        self.catalogue += [row for _, row in rows]
        self.held[batch.rep, batch.stream] = batch.end
        self.news.set()
        return batch.end

    async def acked(self, _peer_rep: str, _rep: str, stream: str, boundary: Boundary) -> None:
        self.safe[stream] = boundary.last
        self.news.set()

    def meet(self, peer_rep: str) -> None:
        """A test has met its cloud before."""

    def former(self) -> tuple[Any, ...]:
        return ()

    def sealed(self, _peer_rep: str) -> tuple[str, ...]:
        return ()

    async def note_sealed(self, reps: tuple[str, ...]) -> None:
        self.sealed_reps += reps

    async def forked(self, why: str) -> None:
        self.forks.append(why)

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self.news.wait()
                self.news.clear()


@asynccontextmanager
async def talk_with(
    url: str, hub: HubSide, token: str, *, now_ms: Clock, telling: Telling | None = None
) -> AsyncIterator["asyncio.Task[End]"]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX) as ws,
    ):
        conversation = Conversation("dialler", hub, now_ms=now_ms, telling=telling)
        task = asyncio.create_task(conversation.run(ws))
        yield task
        await ws.close()
        async with asyncio.timeout(WAIT_S):
            await task


@dataclass
class Answer:
    """What came back by HTTP; `body` is unpacked."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class CloudEnd:
    """A cloud in this process."""

    config: CloudConfig
    clock: Clock
    cloud: Cloud = field(init=False)
    pulls: list[Puller] = field(init=False)
    port: int = 0
    session: aiohttp.ClientSession = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def books(self, store: str = "hk01") -> CloudBooks:
        return CloudBooks(self.cloud.books, store)

    def head(self) -> Head:
        """The catalogue's."""
        (head,) = [head for head in self.books().heads() if head.rep == self.books().rep]
        return head

    async def get(self, path: str, *, token: str = OFFICE, **params: Any) -> Answer:
        return await self.request("GET", path, token=token, params=params or None)

    async def post(self, path: str, body: Any, *, token: str = OFFICE, headers: Any = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request(
            "POST",
            path,
            token=token,
            data=io.BytesIO(raw),
            headers={"Content-Type": "application/json"} | (headers or {}),
        )

    async def request(self, method: str, path: str, *, token: str = "", headers: Any = None, **more: Any) -> Answer:
        sent = (headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self.session.request(method, self.url + path, headers=sent, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    async def feed(self, stream: str, *, after: int = 0, limit: int = 1000) -> tuple[list[Any], Any]:
        """Return (rows, trailer) of a feed, its digest proved over the bytes of the rows as they came."""
        answer = await self.get("/cloud/v1/feed", stream=stream, after=after, limit=limit)
        assert answer.status == 200, answer.body
        header, *lines, trailer = answer.body.splitlines()
        assert json.loads(header) == {"v": 1, "stream": stream, "after": after}
        digest = bytes(8)
        for line in lines:
            row = line.partition(b',"row":')[2][:-1]
            digest = blake2b(digest + row, digest_size=8).digest()
        told = json.loads(trailer)
        raw = any(b',"raw":' in line for line in lines)
        assert raw or (told["rows"], told["digest"]) == (len(lines), digest.hex())
        return [json.loads(line) for line in lines], told

    async def store_item(self, store: str = "hk01") -> Any:
        items = (await self.get("/cloud/v1/stores")).json["items"]
        return next(item for item in items if item["store"] == store)

    async def run(self, started: "asyncio.Future[None]", stop: asyncio.Event, pulling: bool) -> None:
        async with open_books(self.config) as db:
            self.cloud = await open_cloud(self.config, db, now_ms=self.clock)
            self.pulls = pullers(self.cloud, rng=random.Random(1))
            async with (
                serve(self.cloud) as self.port,
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as self.session,
                asyncio.TaskGroup() as group,
            ):
                tasks = [group.create_task(pull.run(), name="pull") for pull in self.pulls if pulling]
                if self.cloud.hear_others is not None:
                    tasks.append(group.create_task(self.cloud.hear_others()))
                started.set_result(None)
                await stop.wait()
                for task in tasks:
                    task.cancel()


StartCloud = Callable[..., Awaitable[CloudEnd]]
IS_FULL = bool(os.environ.get("STOREHUB_FULL"))
ONLY_ON_SQLITE = (  # PostgreSQL's disk is not this folder's: files are not filled, begun or copied there
    "test_disk.py",
    "test_a_cloud_of_the_version_before_takes_channels_up_and_keeps_its_orders",
    "test_a_cloud_of_the_version_before_asks_for_what_it_had_accepted",
)
ONLY_ON_POSTGRES = ("test_postgres.py",)
ALSO_ON_POSTGRES = ("test_apply.py", "test_gathering.py")  # beside the rest of them in --full


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a cloud runs on SQLite, and on PostgreSQL as well."""
    name = metafunc.definition.path.name
    if "engine" in metafunc.fixturenames and name not in ONLY_ON_POSTGRES:
        is_alone = name in ONLY_ON_SQLITE or metafunc.function.__name__ in ONLY_ON_SQLITE
        is_on_both = not is_alone and (IS_FULL or name in ALSO_ON_POSTGRES)
        metafunc.parametrize("engine", ["sqlite", "postgres"] if is_on_both else ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server of this test process's own."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    where = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    with temporary_server(Path(where) if where else None) as server:
        yield server


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The database that the test's clouds have."""
    if request.param == "sqlite":
        yield Engine()
        return
    one = OnPostgres(dsn=request.getfixturevalue("postgres_server").dsn)
    yield one
    one.end()


@pytest.fixture
async def start_cloud(tmp_path: Path, engine: Engine) -> AsyncIterator[StartCloud]:
    """Start a cloud in this process: `await start_cloud(stores={...}, cloud={...}, ...)`."""
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def start(
        *,
        demo_line: bool = True,
        stores: Any = None,
        scopes: Any = None,
        folder: Path = tmp_path,
        pulling: bool = True,
        cloud: Any = None,
        now: datetime | None = None,
        others: Any = None,
        **sections: Any,
    ) -> CloudEnd:
        raw = {
            "cloud": {"id": "cloud", "port": 0, "demo_line": demo_line} | engine.settings(folder) | (cloud or {}),
            "stores": stores or {store: {"token": token} for store, token in TOKENS.items()},
            "tokens": [{"name": "office", "token": OFFICE, "scope": "office"}],
            "scopes": scopes or {},
            **(others or {}),
            **sections,
        }
        end = CloudEnd(parse_cloud_config(raw, base=folder), Clock())
        if now is not None:  # certificates are read by OpenSSL, which has a clock of its own
            end.clock.now_ms = int(now.timestamp() * 1000)
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(end.run(started, stop, pulling))
        running.append((stop, task))
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({started, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return end

    yield start
    for stop, task in running:
        stop.set()
        async with asyncio.timeout(WAIT_S):
            await task


@pytest.fixture
async def cloud(start_cloud: StartCloud) -> CloudEnd:
    """A cloud with two stores and the demo's line."""
    return await start_cloud()


@pytest.fixture
def writer() -> Writer:
    """The hub of store hk01."""
    return Writer()


@pytest.fixture
def new_writer() -> Callable[[str], Writer]:
    """The hub of another store, or another life of one, by its rep."""
    return Writer


@pytest.fixture
def rows_of() -> Any:
    """Builders of catalogue rows: (product, price)."""
    return product, price


@pytest.fixture
def sql(tmp_path: Path, engine: Engine) -> Callable[..., list[Any]]:
    """Ask the cloud's database in plain SQL, past the cloud's own ways to it."""

    def ask(statement: str, *parameters: Any, folder: Path = tmp_path) -> list[Any]:
        return engine.ask(folder, statement, parameters)

    return ask


@pytest.fixture
def tokens() -> dict[str, str]:
    """The tokens of the stores, and of the office."""
    return TOKENS | {"office": OFFICE}


@dataclass(frozen=True)
class Talking:
    """Be a store on the line: `async with talking(cloud, talking.hub(writer), token) as conversation`."""

    hub: type[HubSide] = HubSide

    def __call__(
        self, cloud: Any, hub: HubSide, token: str, telling: Telling | None = None
    ) -> AbstractAsyncContextManager[Any]:
        return talk_with(cloud.url, hub, token, now_ms=cloud.clock, telling=telling)


@pytest.fixture
def talking() -> Talking:
    """The store's side of the WebSocket."""
    return Talking()
