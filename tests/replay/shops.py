"""A script played at the product: five hubs and a cloud in this process, on real files, with real sockets between them.

Wired by hub.app and sync.cloud.main. A till's request goes through the API's own route (body, handler, write job), without HTTP.
Each line is a relay that can be cut: a place's week off line is a week in which its hub dials in vain. When it is over, the
line breaks once more in the middle of what it has to send, and the tills send a part of that week's sales and returns again.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from hub import app
from hub.api.routing import Call, Reply
from hub.api.selling.returns import ReturnRequest, post_return
from hub.api.selling.sales import SaleRequest, post_sale, post_void
from hub.api.stock.documents import DocumentRequest, post_document
from hub.config import parse_config
from hub.duties import Person
from hub.importing.authority import send_products
from hub.migrations import MIGRATIONS
from hub.runtime import Runtime
from hub.service.lines import run_line
from hub.store.selling.voids import Void
from hub.store.staff.tills import Paired
from hub.store.stock.levels import facts_to_fold
from sync.cloud.config import parse_cloud_config
from sync.cloud.databases import begin_file
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.cloud.web.app import serve
from sync.db import open_database
from sync.model import Stream
from tests.replay.plan import PLACES, Plan, week_of
from tests.replay.script import CURRENCY, Event, Script

OFFICE = "office-token-0123456789"
TOGETHER = 32  # sales of a place that are under way at once
AGAIN_EVERY = 10  # of the week off line, each so many-th sale and return is sent a second time
WAIT_S = 600.0  # whatever is waited for has happened long before, or never does
ASK_AGAIN_S = 0.02
CHUNK_BYTES = 65536
BYTES_A_ROW_MIN = 20  # a sale takes three times as much, so the line breaks before all that waits is said


class Clock:
    """What time it is everywhere; the script moves it."""

    def __init__(self, at: datetime) -> None:
        self.now_ms = round(at.timestamp() * 1000)

    def __call__(self) -> int:
        return self.now_ms

    def move_to(self, at: datetime) -> None:
        """Time passes, and only forwards."""
        self.now_ms = max(self.now_ms, round(at.timestamp() * 1000))


class Relay:
    """The line of a place to the cloud: a port of its own, which while it is cut hangs up on whoever dials."""

    def __init__(self) -> None:
        self.url = ""
        self.is_cut = False
        self.has_broken = False
        self._breaks_after: int | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def lead_to(self, port: int) -> AsyncIterator[None]:
        """Pass on to a port."""

        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.is_cut:
                writer.transport.abort()
                return
            back, on = await asyncio.open_connection("127.0.0.1", port)
            self._open |= {writer, on}
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, on, self._count))
                group.create_task(_pass_on(back, writer, _heed_nothing))
            self._open -= {writer, on}

        async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield
            self.cut()

    def cut(self) -> None:
        """Cut what is open, let nobody in."""
        self.is_cut = True
        for writer in tuple(self._open):
            writer.transport.abort()

    def mend(self, *, breaks_after: int | None = None) -> None:
        """Let everybody in; once more break what is open when so many bytes have gone up."""
        self.is_cut, self.has_broken, self._breaks_after = False, False, breaks_after

    def _count(self, size: int) -> None:
        if self._breaks_after is None:
            return
        self._breaks_after -= size
        if self._breaks_after < 0:
            self.cut()
            self.mend()
            self.has_broken = True


def _heed_nothing(_: int) -> None:
    """What comes down is not counted."""


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk[: len(chunk) // 2])
            count(len(chunk))
            writer.write(chunk[len(chunk) // 2 :])
            await writer.drain()
    writer.close()


class Place:
    """A shop, or the web channel: its hub, its line, its till."""

    def __init__(self, name: str, hub: Runtime, relay: Relay, counts: Counter[str]) -> None:
        self.name, self.hub, self.relay = name, hub, relay
        self._counts = counts
        self._client = Paired(f"{name}-till", f"{name}-till", "manager")
        self._person = Person("", "", "manager", f"{name}-till")

    async def play(self, events: list[Event]) -> None:
        """Let these happen, in order; sales that follow one another are under way together."""
        for is_sale, some in groupby(events, key=lambda event: event.kind == "sale"):
            waiting = list(some)
            for start in range(0, len(waiting), TOGETHER if is_sale else 1):
                part = waiting[start : start + (TOGETHER if is_sale else 1)]
                for event, status in zip(part, await asyncio.gather(*map(self.post, part)), strict=True):
                    assert status == 201, f"{event.id}: {status}"

    async def post(self, event: Event) -> int:
        """Say what happens to the hub as a till does; return the status of the answer."""
        reply = await self._ask(event)
        answer = msgspec.json.decode(reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body))
        if reply.status == 201:
            self._counts.update(each["code"] for each in (*answer.get("warnings", ()), *answer.get("flags", ())))
        return reply.status

    async def _ask(self, event: Event) -> Reply:
        till = self._client.till_id
        match event.kind:
            case "sale":
                return await self._call(post_sale, SaleRequest, _sale(event, till))
            case "return":
                lines = [{"line": line, "qty": qty} for line, qty in event.lines]
                body = {"return_id": event.id, "till_id": till, "sale_id": event.sale_id, "lines": lines}
                told = {"reason": "cancelled", "returned_at": event.at.isoformat()}
                return await self._call(post_return, ReturnRequest, body | told)
            case "no_receipt":
                lines = [{"line": each.line, "qty": each.qty} for each in event.lines]
                body = {"return_id": event.id, "till_id": till, "sale_id": event.id, "lines": lines, "offline": True}
                told = {"reason": "cancelled", "returned_at": event.at.isoformat(), "claim": {"lines": _lines(event)}}
                return await self._call(post_return, ReturnRequest, body | told)
            case "void":
                body = {"void_id": event.id, "till_id": till, "reason": "cancelled"}
                return await self._call(post_void, Void, body, sale_id=event.sale_id)
        lines = [{"sku": sku, "qty": qty} for sku, qty in event.lines]
        does = {"kind": "receive"} if event.kind == "receive" else {"kind": "adjust", "cause": event.kind}
        return await self._call(post_document, DocumentRequest, {"document_id": event.id, "lines": lines} | does)

    async def _call(
        self, handle: Callable[[Call], Awaitable[Reply]], body: type[Any], said: dict[str, Any], **path: str
    ) -> Reply:
        read = msgspec.json.decode(msgspec.json.encode(said), type=body)
        return await handle(Call(self.hub, self._client, path, read, person=self._person))

    @property
    def behind(self) -> int:
        """How many sales and returns the cloud does not hold yet."""
        return sum(self.hub.replication.books.behind(stream) for stream in (Stream.SALES, Stream.RETURNS))

    async def come_back(self, off: list[Event]) -> None:
        """The week off line is over: the line is up, breaks while it sends, is up; tills send again what they sent then."""
        replication, waiting = self.hub.replication, self.behind
        assert replication.is_cut_off, f"{self.name} was on line"
        self._counts["facts that waited"] += waiting
        assert waiting, f"{self.name} has sold nothing off line"
        self.relay.mend(breaks_after=BYTES_A_ROW_MIN * waiting)
        await until(lambda: self.relay.has_broken)
        self._counts["broken while sending"] += 1
        for event in off[::AGAIN_EVERY]:
            assert await self.post(event) == 200, f"{event.id} was not known"
            self._counts["sent twice"] += 1

    async def settle(self) -> None:
        """Wait until the cloud holds all there is."""
        hub = self.hub
        await until(lambda: not hub.replication.is_cut_off)
        while facts_to_fold(hub.db.read, hub.replica):
            await hub.replication.fold_now()
        await until(lambda: not hub.replication.view().rows_waiting)


async def until(holds: Callable[[], bool]) -> None:
    """Ask again and again."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(ASK_AGAIN_S)


def _lines(event: Event) -> list[dict[str, Any]]:
    return [
        {"line": each.line, "sku": each.sku, "qty": each.qty, "unit_price": each.price_minor} for each in event.lines
    ]


def _sale(event: Event, till: str) -> dict[str, Any]:
    """Return a sale; what went for nothing was set so by hand."""
    total = sum(line.qty * line.price_minor for line in event.lines)
    free = {"override": {"reason": "free of charge"}}
    return {
        "sale_id": event.id,
        "till_id": till,
        "currency": CURRENCY,
        "lines": [line if line["unit_price"] else line | free for line in _lines(event)],
        "tenders": [{"type": "cash", "amount": total}] if total else [],
        "total": total,
        "sold_at": event.at.isoformat(),
    }


async def play(folder: Path, script: Script, plan: Plan) -> Counter[str]:
    """Play all of it in a folder, which then holds the books as files; return what happened, and how often."""
    counts: Counter[str] = Counter()
    clock = Clock(script.events[0].at)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(_cloud(folder, clock))
        places = {
            name: await stack.enter_async_context(_place(folder / name, name, port, clock, counts)) for name in PLACES
        }
        url = f"http://127.0.0.1:{port}"
        await send_products(url, OFFICE, script.entries, progress=lambda _: None)
        for place in places.values():
            await until(lambda place=place: _products(place) == len(script.entries))  # type: ignore[misc]
        await _play_weeks(script.events, places, plan, clock)
        for place in places.values():
            await place.settle()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {OFFICE}"}) as http,
            http.get(f"{url}/cloud/v1/stores") as answer,
        ):
            (folder / "stores.json").write_bytes(await answer.read())
    _write_told(folder, script)
    return counts


async def _play_weeks(events: list[Event], places: dict[str, Place], plan: Plan, clock: Clock) -> None:
    last = week_of(events[-1].at)
    selling = {
        name: sorted({week_of(each.at) for each in events if (each.place, each.kind) == (name, "sale")})
        for name in places
    }
    off = {name: plan.off_week(name, [week for week in selling[name] if week != last]) for name in places}
    for week, of_week in groupby(events, key=lambda event: week_of(event.at)):
        during: dict[str, list[Event]] = {name: [] for name in places}
        for name, place in places.items():
            if off[name] == week:
                place.relay.cut()
        for _, of_hour in groupby(of_week, key=lambda event: (event.at.date(), event.at.hour)):
            now = list(of_hour)
            clock.move_to(now[-1].at)
            for event in now:
                during[event.place].append(event)
            await _at_once(
                place.play([event for event in now if event.place == name]) for name, place in places.items()
            )
        for name, place in places.items():
            if off[name] == week:
                await place.come_back(
                    [each for each in during[name] if each.kind in ("sale", "return", "void", "no_receipt")]
                )


async def _at_once(work: Iterable[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


def _write_told(folder: Path, script: Script) -> None:
    """Write down what is input of the judge, and what the importer said."""
    came = [(event.place, sku, qty) for event in script.events if event.kind == "receive" for sku, qty in event.lines]
    (folder / "deliveries.json").write_text(json.dumps(came))
    (folder / "told.json").write_text(json.dumps({"refused": script.refused, "counts": script.counts}))


def _products(place: Place) -> int:
    return int(place.hub.db.read.execute("SELECT count(*) FROM product").fetchone()[0])


@asynccontextmanager
async def _cloud(folder: Path, clock: Clock) -> AsyncIterator[int]:
    raw = {
        "cloud": {"id": "cloud", "port": 0},
        "stores": {name: {"token": _token(name)} for name in PLACES},
        "tokens": [{"name": "office", "token": OFFICE, "scope": "office"}],
    }
    config = parse_cloud_config(raw, base=folder)
    begin_file(config.database)
    async with (
        open_database(config.database, migrations=CLOUD_MIGRATIONS) as db,
        serve(await open_cloud(config, db, now_ms=clock)) as port,
    ):
        yield port


@asynccontextmanager
async def _place(folder: Path, name: str, cloud_port: int, clock: Clock, counts: Counter[str]) -> AsyncIterator[Place]:
    folder.mkdir()
    relay = Relay()
    async with relay.lead_to(cloud_port):
        raw = {
            "store": {"id": name, "name_en": name, "name_zh_hant": name, "currency": CURRENCY, "zone": "Europe/London"},
            "data": {"dir": str(folder)},
            "cloud": {"url": relay.url, "token": _token(name), "reconnect_max_s": 0.5},
            "approvals": {"void": "none", "return_without_receipt": "none"},
        }
        config = parse_config(raw, base=folder)
        async with open_database(config.database, migrations=MIGRATIONS) as db:
            hub = await app.open_hub(config, db, now_ms=clock)
            line = asyncio.create_task(run_line(hub, rng=random.Random(name)))
            yield Place(name, hub, relay, counts)
            line.cancel()
            with suppress(asyncio.CancelledError):
                await line


def _token(name: str) -> str:
    return f"{name}-token-0123456789"
