"""A cloud end in this process on real sockets and a real file, a store that writes real batches, a judge in plain SQL."""

import asyncio
import io
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.postgres import Server, binaries, temporary_server
from sync.batch import Head
from sync.cloud.config import CloudConfig, parse_cloud_config
from sync.cloud.databases import open_books
from sync.cloud.main import open_cloud, pullers
from sync.cloud.store import CloudBooks
from sync.cloud.talk.pull import Puller
from sync.cloud.web.app import serve
from sync.cloud.web.http import Cloud
from tests.cloud.hub_side import WAIT_S, Clock, Talking, Writer, price, product
from tests.cloud_engines import Engine, OnPostgres

OFFICE = "office-token-0123456789"
TOKENS = {"hk01": "hk01-token-0123456789", "hk02": "hk02-token-0123456789"}


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


@pytest.fixture
def talking() -> Talking:
    """The store's side of the WebSocket."""
    return Talking()
