"""The cold start of benchmark `sync`: a new hub on an empty disk joins a cloud that has COLD_PRODUCTS products with prices, and
as many tallies of another branch, which the cloud has summed for it.

Real processes over loopback, as in bench.drain: `cold_resync_cpu_s` is user and system time of both, from the hub's exec until
its database, read through a read-only connection, holds every price and every level of the other branch. `cold_sell_s` is the
time from exec until the hub answers ready: from then on a till can sell, what is not here yet as an open item. The other branch's
hub wrote its tallies before, sent them, and is off.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import aiohttp
import msgspec

from bench.figures import Figures
from bench.processes import CloudProcess, HubProcess, stopped_at_end
from bench.sync_workload import BEGAN_MS, COLD_PRODUCTS, cold_catalogue
from bench.workload import sku_of
from hub.migrations import MIGRATIONS
from sync.cloud.catalogue import ENTRIES_MAX
from sync.connections import connect_reader, connect_writer
from sync.retail.stock.levels import LEVEL
from sync.store.replicas import identify
from sync.store.writing import Key, grow_tally

POLL_S = 0.25  # a poll costs the bench, not the hub; it is the error of `cold_resync_s`
TIMEOUT_S = 300.0
OTHER = "other"
LEVELS_A_STEP = 1000
SUMMED = "SELECT count(*) FROM scope_row WHERE entity = 'branch_level' AND key NOT LIKE '[\"\",%'"
HELD = "SELECT (SELECT count(*) FROM price), (SELECT count(*) FROM branch_level WHERE sku <> '')"
_BRANCHES = """
[stores.other]
token = "{token}-other"
[scopes.branches.all]
stores = ["bench", "other"]
"""


async def cold_start(folder: Path, say: Callable[[str], None]) -> Figures:
    """Fill a cloud, start a new hub, and measure until it has everything."""
    token = secrets.token_urlsafe(24)
    cloud = CloudProcess(
        folder / "cloud",
        store="bench",
        token=token,
        store_extra='branches = "all"',
        extra=_BRANCHES.format(token=token),
    )
    line = f'[cloud]\nurl = "{cloud.url}"\ntoken = "{token}"\nreconnect_max_s = 0.1\n'
    hub = HubProcess(folder / "hub", extra=line)
    other = HubProcess(folder / "other", store=OTHER, extra=line.replace(token, f"{token}-{OTHER}"))
    with stopped_at_end(cloud, hub, other):
        cloud.start()
        await _fill(cloud)
        _write_levels(other.folder / "hub.db")
        other.start()
        await _until(cloud.folder / "cloud.db", SUMMED)
        other.stop()
        say(f"{COLD_PRODUCTS} products and tallies are at the cloud")
        cloud_cpu_s, began_s = cloud.cpu_s(), time.perf_counter()
        hub.start()
        await _until(hub.folder / "hub.db", HELD)
        took_s = time.perf_counter() - began_s
        hub_cpu_s, cloud_cpu_s = hub.cpu_s(), cloud.cpu_s() - cloud_cpu_s
        return {
            "cold_resync_cpu_s": hub_cpu_s + cloud_cpu_s,
            "cold_hub_cpu_s": hub_cpu_s,
            "cold_cloud_cpu_s": cloud_cpu_s,
            "cold_resync_s": took_s,
            "cold_sell_s": hub.ready_s,
            "cold_hub_rss_mib": hub.rss_mib(),
        }


async def _fill(cloud: CloudProcess) -> None:
    entries = cold_catalogue()
    async with aiohttp.ClientSession(cloud.url, headers=cloud.headers) as session:
        while batch := list(islice(entries, ENTRIES_MAX)):
            body = msgspec.json.encode({"entries": [{"product": each.product, "price": each.price} for each in batch]})
            headers = {"Content-Type": "application/json"}
            async with session.post("/cloud/v1/products", data=body, headers=headers) as response:
                if response.status != 200:
                    raise SystemExit(f"bench: the cloud does not take products: {await response.text()}")


def _write_levels(path: Path) -> None:
    """Leave what a branch's facts leave: for each product what ever came and what ever left."""
    with closing(connect_writer(path, MIGRATIONS)) as tx:
        tx.execute("BEGIN IMMEDIATE")
        replica = identify(tx, OTHER, incarnation=secrets.token_hex(8), now_ms=BEGAN_MS)
        for first in range(0, COLD_PRODUCTS, LEVELS_A_STEP):
            grown: dict[Key, tuple[int, ...]] = {
                (sku_of(number), "shop"): (number % 50 + 1, number % 7, 0)
                for number in range(first, first + LEVELS_A_STEP)
            }
            grow_tally(tx, replica, LEVEL, grown)
        tx.execute("COMMIT")


async def _until(path: Path, counts: str) -> None:
    """Wait until the smallest of the counts says that all are there."""
    with closing(connect_reader(path)) as read:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                if min(read.execute(counts).fetchone()) >= COLD_PRODUCTS:
                    return
                await asyncio.sleep(POLL_S)
