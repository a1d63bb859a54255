"""Benchmark `cloud`: head office on PostgreSQL 15 with fsync on: how fast batches are taken, how soon a sale is in the feed.

A server by initdb in the working folder. `ratio_to_asyncpg` and `redelivery_ratio` are of bench.cloud_ingest, medians of rounds.
Then real processes: a cloud, a shop that sells once in SALE_EVERY_S and a client that follows the feed; `feed_p99_ms` is from
the till's 201 until the sale is in the client's hands; the shop joins and hands its catalogue over meanwhile. Then a second
shop comes back on the line with SALES sales of three lines in the mean, 180,000 lines; `drain_s` is until the cloud holds them,
`others_lag_s` the longest that a sale of the first shop took meanwhile. Last the fleet of
bench.cloud_fleet.
"""

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

import aiohttp
import asyncpg

from bench.cloud_fleet import STORES, fleet_figures
from bench.cloud_ingest import BATCH, Rows, ingest_round
from bench.drain import make_backlog
from bench.figures import Figures, Target, median_of_rounds, p50_p99_ms
from bench.postgres import temporary_server
from bench.processes import CloudProcess, HubProcess, stopped_at_end, working_folder
from bench.workload import draw_basket, encode_tail
from hub.client import new_id
from sync.connections import connect_reader
from sync.store.reading import rows_after

SALES, LINES_A_SALE = 60_000, 3  # 180,000 lines
INGEST_STORES, INGEST_SALES = 8, 1000  # of each store
SALE_EVERY_S = 0.1
FOLLOW_EVERY_S = 0.02
SETTLE_S = 60.0  # after the last sale; what is not in the feed by then was lost, and the benchmark fails
DRAIN_TIMEOUT_S = 600.0


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures; `seconds` is how long the feed is followed before the backlog comes. Any: JSON."""
    with working_folder(folder) as work:
        backlog = work / "backlog.db"
        replica = await make_backlog(backlog, SALES)
        say(f"{SALES} sales made")
        rows = _rows(backlog, replica.local_id)
        with temporary_server(folder) as server:
            done = []
            for number in range(rounds):
                done.append(await _ingest(work, server.dsn, rows, number))
                say(
                    f"round {number + 1}: {done[-1]['rows_per_s']:.0f} rows/s, asyncpg {done[-1]['asyncpg_rows_per_s']:.0f}"
                )
            live = await _live(work, server.dsn, backlog, seconds=seconds)
            say(f"{STORES} stores on sockets, and what a row costs")
            fleet = await fleet_figures(work, await _schema(server.dsn, "fleet"))
    return median_of_rounds(done) | live | fleet | {"rounds": rounds, "each_round": done}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the targets and what was reached. Any: what `measure` returned."""
    return [
        Target("ratio_to_asyncpg", result["ratio_to_asyncpg"], 0.6, "at_least"),
        Target("redelivery_ratio", result["redelivery_ratio"], 0.3, "at_most"),
        Target("feed_p99_ms", result["feed_p99_ms"], 1000, "at_most"),
        Target("drain_s, 180,000 lines", result["drain_s"], 60, "at_most"),
        Target("others_lag_s meanwhile", result["others_lag_s"], 2, "at_most"),
        Target("stores_live", result["stores_live"], 200, "at_least"),
        Target("cost_per_row_spread", result["cost_per_row_spread"], 0.2, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    keys = (
        *("rows_per_s", "asyncpg_rows_per_s", "unnest_rows_per_s", "ratio_to_asyncpg", "ratio_to_unnest"),
        *("redelivery_ratio", "feed_p50_ms", "feed_p99_ms", "drain_s", "others_lag_s", "cloud_cpu_us_per_sale"),
        *("stores_live", "live_lag_p99_ms", "row_us", "cost_per_row_spread"),
    )
    return {"cloud": {key: result[key] for key in keys}}


def _rows(backlog: Path, local_id: int) -> Rows:
    rows: list[tuple[str, bytes]] = []
    with closing(connect_reader(backlog)) as read:
        while len(rows) <= INGEST_STORES * INGEST_SALES:
            found = rows_after(read, local_id, "sales", len(rows), INGEST_SALES)
            rows += [(json.loads(body)["sale"]["sale_id"], bytes(body)) for _, body in found]
    starts = range(0, INGEST_STORES * INGEST_SALES, INGEST_SALES)
    by_store = {f"s{at // INGEST_SALES}": rows[at : at + INGEST_SALES] for at in starts}
    return Rows(by_store, rows[starts.stop :][:BATCH])


async def _ingest(work: Path, dsn: str, rows: Rows, number: int) -> Figures:
    return await ingest_round(work, await _schema(dsn, f"round{number}"), rows)


async def _schema(dsn: str, name: str) -> str:
    """Make a schema and return the DSN of it."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE SCHEMA {name}")
    await connection.close()
    return f"{dsn}&search_path={name}"


@dataclass
class _Lag:
    """When each sale of the live shop was answered at its till, and when it stood in the feed."""

    answered_s: dict[str, float] = field(default_factory=dict)
    seen_s: dict[str, float] = field(default_factory=dict)
    is_over: bool = False

    def took_s(self, since_s: float = 0.0, until_s: float = float("inf")) -> list[float]:
        """How long each took that was answered meanwhile."""
        return [
            max(self.seen_s[sale] - at_s, 0.0)
            for sale, at_s in self.answered_s.items()
            if since_s <= at_s < until_s and sale in self.seen_s
        ]


async def _live(work: Path, dsn: str, backlog: Path, *, seconds: float) -> Figures:
    token, other = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    extra = f'[stores.live]\ntoken = "{other}"\n'
    cloud_extra = f'database = "{dsn}"'
    cloud = CloudProcess(work / "cloud", store="bench", token=token, cloud_extra=cloud_extra, extra=extra)
    alone = HubProcess(work / "live", store="live")
    with stopped_at_end(alone):
        await asyncio.to_thread(alone.start)
        await alone.fill()
    live = HubProcess(work / "live", store="live", extra=f'[cloud]\nurl = "{cloud.url}"\ntoken = "{other}"\n')
    hub = HubProcess(work / "hub", extra=f'[cloud]\nurl = "{cloud.url}"\ntoken = "{token}"\n')
    copyfile(backlog, hub.folder / "hub.db")
    lag = _Lag()
    with stopped_at_end(cloud, live, hub):
        await asyncio.to_thread(cloud.start)
        await asyncio.to_thread(live.start)
        tills = await live.pair(1)
        async with aiohttp.ClientSession(cloud.url, headers=cloud.headers) as office, asyncio.TaskGroup() as group:
            await _until_held(office, "live", 0)
            selling = group.create_task(_sell(live.port, tills[0], lag), name="till")
            following = group.create_task(_follow(office, lag), name="feed")
            await asyncio.sleep(seconds)
            quiet = lag.took_s()
            began_s, cpu_s = time.perf_counter(), cloud.cpu_s()
            await asyncio.to_thread(hub.start)
            first_s = await _until_held(office, "bench", 1)
            ended_s = await _until_held(office, "bench", SALES)
            cpu_s = cloud.cpu_s() - cpu_s
            selling.cancel()
            lag.is_over = True
            async with asyncio.timeout(SETTLE_S):
                await following
    p50_ms, p99_ms = p50_p99_ms(quiet)
    return {
        "feed_p50_ms": p50_ms,
        "feed_p99_ms": p99_ms,
        "drain_s": ended_s - first_s,
        "others_lag_s": max(lag.took_s(began_s, ended_s)),
        "sales_measured": float(len(lag.answered_s)),
        "cloud_cpu_us_per_sale": cpu_s / SALES * 1e6,
    }


async def _sell(port: int, till: tuple[str, str], lag: _Lag) -> None:
    rng = random.Random(5)
    headers = {"Authorization": f"Bearer {till[1]}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        while True:
            sale_id = new_id()
            tail = encode_tail(draw_basket(rng), prints=False)
            body = b'{"sale_id":"' + sale_id.encode() + f'","till_id":"{till[0]}",'.encode() + tail
            async with session.post("/v1/sales", data=body) as answer:
                if answer.status != 201:
                    raise SystemExit(f"bench: a sale was refused: {await answer.text()}")
            lag.answered_s[sale_id] = time.perf_counter()
            await asyncio.sleep(SALE_EVERY_S)


async def _follow(office: aiohttp.ClientSession, lag: _Lag) -> None:
    """Follow the feed of sales as an ERP does: again at once while there is more."""
    after = 0
    while not (lag.is_over and lag.answered_s.keys() <= lag.seen_s.keys()):
        query = {"stream": "sales", "after": str(after), "limit": "1000"}
        async with office.get("/cloud/v1/feed", params=query) as answer:
            lines = (await answer.read()).splitlines()[1:-1]
        now_s = time.perf_counter()
        for line in lines:
            row = json.loads(line)
            after = row["n"]
            if row["store"] == "live":
                lag.seen_s[row["row"]["sale"]["sale_id"]] = now_s
        if not lines:
            await asyncio.sleep(FOLLOW_EVERY_S)


async def _until_held(office: aiohttp.ClientSession, store: str, sales: int) -> float:
    """Ask until the cloud has committed so many sales of a store; return when."""
    async with asyncio.timeout(DRAIN_TIMEOUT_S):
        while True:
            async with office.get("/cloud/v1/stores") as answer:
                items = (await answer.json())["items"]
            (item,) = [each for each in items if each["store"] == store]
            held = max((each["last"] for each in item["streams"] if each["stream"] == "sales"), default=0)
            if held >= sales and (sales or item["connected"]):
                return time.perf_counter()
            await asyncio.sleep(FOLLOW_EVERY_S)
