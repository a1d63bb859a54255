"""Benchmark `lookup`: products among 200,000 looked up and searched by 16 clients, against http_floor.py.

Names are Chinese and English, as bench.workload makes them. Half of the look-ups are by bar code (`?gtin=`), a quarter by the
label of a scan, a quarter by SKU; SKUs by Zipf's law. A round is http_floor.py, then the look-ups, then searches: parts of
Chinese names, beginnings of words, two words, digits of a bar code; the file is in the machine's memory when it begins. CPU is
the hub's process. Figures are medians of rounds; a ratio is of figures of one round. Products are written by the hub's own bulk
job, prices and stock into their tables.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from sqlite3 import Connection
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from bench.figures import Figures, Target, median_of_rounds, p50_p99_ms
from bench.machine import reference_sha256
from bench.processes import HubProcess, run_reference, stopped_at_end, working_folder
from bench.workload import catalogue, draw_product, gtin13_of, sku_of
from hub import app
from hub.config import load_config
from hub.migrations import MIGRATIONS
from hub.store.catalogue.product_rows import Arrived, write_products
from hub.store.model import Entry
from sync.db import open_database
from sync.model import Replica, Stream
from sync.retail.catalogue.registers import ProductRow
from sync.store.streams import reserve_state_seqs

PRODUCTS = 200_000
CLIENTS = 16
WRITTEN_AT_ONCE = 2_000
SEARCH_SHARE = 0.5  # of a round's seconds
SEARCHES = (
    "烏龍茶",
    "龍茶 300",
    "圓領T恤",
    "thermos gold",
    "egg rolls {number:05}",
    "樂活毛巾",
    "{number:05}",
    "shamp 500",
    "{gtin}",
    "朱古力 海岸 1 L",
)


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of `rounds` rounds, each load `seconds` long. Any: JSON."""
    done: list[Figures] = []
    with working_folder(folder) as work:
        hub = HubProcess(work / "hub")
        began_s = time.perf_counter()
        await _fill(work / "hub" / "run.toml")
        say(f"{PRODUCTS:,} products written in {time.perf_counter() - began_s:.0f} s")
        with stopped_at_end(hub):
            hub.start()
            tokens = [token for _, token in await hub.pair(CLIENTS)]
            for number in range(1, rounds + 1):
                raw = await asyncio.to_thread(run_reference, "http_floor.py", str(CLIENTS), str(seconds))
                done.append(await _round(hub, tokens, raw, seconds, seed=number))
                say(_progress(done[-1], number, rounds))
            extra = {"rss_mib": hub.rss_mib(), "database_mib": hub.database_bytes / 2**20, "ready_s": hub.ready_s}
    figures = median_of_rounds(done) | extra | {"products": float(PRODUCTS)}
    return figures | {"rounds": rounds, "seconds": seconds, "reference_sha256": reference_sha256()}


def targets(result: dict[str, Any]) -> list[Target]:
    """Return the look-up targets of the design, section 8. Any: what `measure` returned."""
    return [
        Target("CPU over the floor's GET", result["cpu_ratio_to_get"], 3, "at_most"),
        Target("p99 over the floor's GET", result["p99_ratio"], 3, "at_most"),
        Target("search p99 over the floor's GET", result["search_p99_ratio"], 12, "at_most"),
    ]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the column of the table. Any: what `measure` returned."""
    return {f"{PRODUCTS:,} SKUs": {key: value for key, value in result.items() if isinstance(value, float)}}


async def _fill(config: Path) -> None:
    loaded, entries = load_config(config), catalogue(PRODUCTS)
    async with open_database(loaded.database, migrations=MIGRATIONS, synchronous="off") as db:
        hub = await app.open_hub(loaded, db, now_ms=lambda: time.time_ns() // 1_000_000)
        while batch := list(islice(entries, WRITTEN_AT_ONCE)):
            await db.write(partial(_write, replica=hub.replica, location=hub.shop.location, entries=batch))


def _write(tx: Connection, *, replica: Replica, location: str, entries: Sequence[Entry]) -> None:
    """Write products with the dots that the hub would have given them."""
    owner, first = replica.local_id, reserve_state_seqs(tx, replica, Stream.CATALOGUE, 2 * len(entries))
    rows = [(first + 2 * place, entry) for place, entry in enumerate(entries)]
    products = [Arrived(seq, ProductRow(n=1, **msgspec.structs.asdict(entry.product))) for seq, entry in rows]
    write_products(tx, products, owner=owner, rep=replica.rep)
    tx.executemany(
        "INSERT INTO price (sku, n, replica, seq, amount_minor, currency, per) VALUES (?, 1, ?, ?, ?, ?, 1)",
        [(entry.product.sku, owner, seq + 1, entry.price.amount, entry.price.currency) for seq, entry in rows],
    )
    tx.executemany(
        "INSERT INTO stock (sku, location, on_hand) VALUES (?, ?, ?)",
        [(entry.product.sku, location, entry.stock) for entry in entries],
    )


async def _round(hub: HubProcess, tokens: Sequence[str], raw: Figures, seconds: float, *, seed: int) -> Figures:
    hub.warm()
    looked, cpu_us = await _load(hub, tokens, _look_ups, seconds, seed=seed)
    searched, search_cpu_us = await _load(hub, tokens, _searches, seconds * SEARCH_SHARE, seed=seed)
    p50_ms, p99_ms = p50_p99_ms(looked)
    search_p50_ms, search_p99_ms = p50_p99_ms(searched)
    return {
        "cpu_ratio_to_get": cpu_us / raw["get_cpu_us"],
        "p99_ratio": p99_ms / raw["get_p99_ms"],
        "search_p99_ratio": search_p99_ms / raw["get_p99_ms"],
        "per_s": len(looked) / seconds,
        "cpu_us": cpu_us,
        "p50_ms": p50_ms,
        "p99_ms": p99_ms,
        "searches_per_s": len(searched) / (seconds * SEARCH_SHARE),
        "search_cpu_us": search_cpu_us,
        "search_p50_ms": search_p50_ms,
        "search_p99_ms": search_p99_ms,
        "ref_cpu_us": raw["get_cpu_us"],
        "ref_p99_ms": raw["get_p99_ms"],
    }


async def _load(
    hub: HubProcess,
    tokens: Sequence[str],
    paths: Callable[[random.Random], Iterator[tuple[str, str]]],
    seconds: float,
    *,
    seed: int,
) -> tuple[list[float], float]:
    """Ask with all clients at once; return how long each answer took in seconds, and the hub's CPU a request in us."""
    took_s, cpu_s, end_s = list[float](), hub.cpu_s(), time.perf_counter() + seconds
    async with aiohttp.ClientSession(hub.url, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(client: int) -> None:
            headers = {"Authorization": f"Bearer {tokens[client]}"}
            for path, wanted in paths(random.Random(seed * CLIENTS + client)):
                if (began_s := time.perf_counter()) >= end_s:
                    return
                async with session.get(f"/v1/products{path}", headers=headers) as response:
                    content = await response.read()
                took_s.append(time.perf_counter() - began_s)
                assert response.status == 200 and wanted.encode() in content, (path, wanted, content[:200])

        await asyncio.gather(*(one(client) for client in range(CLIENTS)))
    return took_s, (hub.cpu_s() - cpu_s) / len(took_s) * 1e6


def _look_ups(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield (path, what the answer must have)."""
    while True:
        number = draw_product(rng, PRODUCTS)
        gtin, sku = gtin13_of(number), sku_of(number)
        yield rng.choice((f"?gtin={gtin}", f"?gtin={gtin}", f"?scan={gtin}", f"/{sku}")), sku


def _searches(rng: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        number = rng.randrange(PRODUCTS)
        words = rng.choice(SEARCHES).format(number=number, gtin=gtin13_of(number))
        yield f"?q={quote(words)}&limit=20", '"items"'


def _progress(figures: Figures, number: int, rounds: int) -> str:
    ratios = ", ".join(f"{key} {figures[key]:.2f}" for key in ("cpu_ratio_to_get", "p99_ratio", "search_p99_ratio"))
    return f"round {number} of {rounds}: {ratios}"
