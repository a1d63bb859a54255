"""Benchmark `drain`: a backlog of 50,000 sales, days without a line, goes to the cloud when the line is back.

A hub's database is filled with sales as the benchmarks' shop makes them (see bench.workload), one about every 15 seconds, with
UUIDv7 ids and the hub's own receipt numbers. Each round starts a cloud end on an empty file and a hub on a copy of that
database; `rows_per_s` counts sales that the cloud has committed, from its first batch to its last, over loopback. The cloud
is asked by HTTP how far it is. `bytes_per_sale` is what the codec makes of these sales in batches of 100, whole frames.
CPU is user and system time of all threads of each process.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import copyfile
from sqlite3 import Connection
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import aiohttp

from bench.figures import Figures, Target, median_of_rounds
from bench.processes import CloudProcess, HubProcess, stopped_at_end, working_folder
from bench.workload import CURRENCY, Basket, catalogue, draw_basket
from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import Put, put_products
from hub.store.model import Entry, Shop
from hub.store.selling.sales import sale_job
from sync.batch import START, batch_of
from sync.connections import connect_reader
from sync.db import Database, open_database
from sync.model import Feed, Replica, Stream
from sync.protocol import encode, packed
from sync.retail.names import Name
from sync.retail.selling.sales import Sale
from sync.store.reading import rows_after
from sync.store.replicas import identify

SALES = 50_000
TILLS = 4
BATCH = 100
BEGAN_MS = 1_790_000_000_000
MEAN_PAUSE_MS = 15_000
WAITING = 256  # write jobs at once while the backlog is made
POLL_S = 0.01
DRAIN_TIMEOUT_S = 120.0
SHOP = Shop("bench", Name(en="Bench shop"), ZoneInfo("Asia/Hong_Kong"), CURRENCY)


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures, medians of the rounds; the backlog is the same whatever `seconds` is. Any: JSON."""
    del seconds
    with working_folder(folder) as work:
        backlog = work / "backlog.db"
        began_s = time.perf_counter()
        replica = await make_backlog(backlog, SALES)
        say(f"{SALES} sales made in {time.perf_counter() - began_s:.0f} s")
        result: dict[str, Any] = {"bytes_per_sale": _bytes_per_sale(backlog, replica), "json_bytes_per_sale": 0.0}
        result["json_bytes_per_sale"] = _json_bytes(backlog, replica)
        done = []
        for number in range(rounds):
            done.append(await _round(work / f"round{number}", backlog))
            say(f"round {number + 1}: {done[-1]['rows_per_s']:.0f} sales/s")
    return result | median_of_rounds(done) | {"sales": SALES, "rounds": rounds, "each_round": done}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets and what was reached. Any: what `measure` returned."""
    return [
        Target("rows_per_s", result["rows_per_s"], 20_000, "at_least"),
        Target("bytes_per_sale, batches of 100", result["bytes_per_sale"], 61, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    keys = (
        "rows_per_s",
        "bytes_per_sale",
        "json_bytes_per_sale",
        "cpu_us_per_row",
        "hub_cpu_us",
        "cloud_cpu_us",
        "drain_s",
    )
    return {"drain": {key: result[key] for key in keys}}


async def make_backlog(path: Path, sales: int) -> Replica:
    """Fill a hub's database with a catalogue and so many sales."""
    rng = random.Random(8)
    async with open_database(path, migrations=MIGRATIONS, synchronous="off") as db:
        incarnation = secrets.token_hex(8)
        replica = await db.write(lambda tx: identify(tx, SHOP.store_id, incarnation=incarnation, now_ms=BEGAN_MS))
        entries = catalogue()
        while batch := list(islice(entries, 500)):
            await db.write(partial(_put, replica, batch))
        await _sell(db, replica, rng, sales)
    with closing(connect_reader(path)) as read:
        assert len(rows_after(read, replica.local_id, "sales", sales - 1, 10)) == 1, "the backlog is whole"
    return replica


def _put(replica: Replica, entries: list[Entry], tx: Connection) -> Put:
    return put_products(tx, replica, entries, location=SHOP.location, now_ms=BEGAN_MS)


async def _sell(db: Database, replica: Replica, rng: random.Random, sales: int) -> None:
    now_ms = BEGAN_MS
    for first in range(0, sales, WAITING):
        async with asyncio.TaskGroup() as group:
            for number in range(first, min(first + WAITING, sales)):
                now_ms += int(rng.expovariate(1 / MEAN_PAUSE_MS)) + 1
                sale = sale_of(draw_basket(rng), f"till-{number % TILLS + 1}", now_ms, rng)
                job = sale_job(replica, SHOP, sale, print_to=None, now_ms=now_ms)
                group.create_task(db.write(job), name=sale.sale_id)


def sale_of(basket: Basket, till_id: str, now_ms: int, rng: random.Random) -> Sale:
    """Return a sale of a till, its id made before it came."""
    made_ms = now_ms - rng.randrange(20, 400)  # the till makes the id, then the sale crosses the shop
    number = made_ms << 80 | rng.getrandbits(80)
    return Sale(
        sale_id=str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)),
        till_id=till_id,
        currency=CURRENCY,
        lines=basket.lines,
        tenders=basket.tenders,
        total=basket.total,
        rounding=basket.rounding,
        cashier_id="c1",
        member_id=basket.member_id,
    )


def _bytes_per_sale(path: Path, replica: Replica) -> float:
    """Whole batch frames of BATCH sales, as they go over the wire."""
    size, at = 0, START
    with closing(connect_reader(path)) as read:
        while rows := rows_after(read, replica.local_id, "sales", at.last, BATCH):
            batch = batch_of(replica.rep, Stream.SALES, Feed.LOG, at, rows)
            size += len(encode(packed(batch)))
            at = batch.end
    return size / SALES


def _json_bytes(path: Path, replica: Replica) -> float:
    with closing(connect_reader(path)) as read:
        return sum(len(row) for _, row in rows_after(read, replica.local_id, "sales", 0, SALES)) / SALES


async def _round(folder: Path, backlog: Path) -> Figures:
    token = secrets.token_urlsafe(24)
    cloud = CloudProcess(folder / "cloud", store="bench", token=token)
    hub = HubProcess(folder / "hub", extra=f'[cloud]\nurl = "{cloud.url}"\ntoken = "{token}"\nreconnect_max_s = 0.1\n')
    copyfile(backlog, hub.folder / "hub.db")
    with stopped_at_end(cloud, hub):
        cloud.start()
        cloud_cpu_s = cloud.cpu_s()
        hub.start()
        async with aiohttp.ClientSession(cloud.url, headers=cloud.headers) as session:
            began_s, first = await _until_held(session, 1)
            ended_s, last = await _until_held(session, SALES)
        took_s, sales = ended_s - began_s, last - first
        hub_cpu_s, cloud_cpu_s = hub.cpu_s(), cloud.cpu_s() - cloud_cpu_s
    return {
        "rows_per_s": sales / took_s,
        "drain_s": took_s,
        "hub_cpu_us": hub_cpu_s / SALES * 1e6,
        "cloud_cpu_us": cloud_cpu_s / SALES * 1e6,
        "cpu_us_per_row": (hub_cpu_s + cloud_cpu_s) / SALES * 1e6,
    }


async def _until_held(session: aiohttp.ClientSession, sales: int) -> tuple[float, int]:
    """Ask until the cloud has committed so many sales; return when, and how many it had."""
    async with asyncio.timeout(DRAIN_TIMEOUT_S):
        while True:
            async with session.get("/cloud/v1/stores") as response:
                (store,) = (await response.json())["items"]
            held = next((stream["last"] for stream in store["streams"] if stream["stream"] == "sales"), 0)
            if held >= sales:
                return time.perf_counter(), held
            await asyncio.sleep(POLL_S)
