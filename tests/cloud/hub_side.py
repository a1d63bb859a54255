"""A store on the line to a cloud: a hub that is a writer's rows and whatever comes down, and its conversation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import aiohttp
import msgspec

from sync.batch import START, Batch, Boundary, Gap, Head, batch_of, new_rows
from sync.line.link import Conversation
from sync.line.telling import Telling
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL
from sync.session import End

STARTED_MS = 1_790_000_000_000
WAIT_S = 60.0


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


@dataclass(frozen=True)
class Talking:
    """Be a store on the line: `async with talking(cloud, talking.hub(writer), token) as conversation`."""

    hub: type[HubSide] = HubSide

    def __call__(
        self, cloud: Any, hub: HubSide, token: str, telling: Telling | None = None
    ) -> AbstractAsyncContextManager[Any]:
        return talk_with(cloud.url, hub, token, now_ms=cloud.clock, telling=telling)
