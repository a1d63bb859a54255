"""The cold start of benchmark `sync`: a new hub on an empty disk joins a cloud that has COLD_PRODUCTS products with prices.

Real processes over loopback, as in bench.drain: `cold_resync_cpu_s` is user and system time of both, from the hub's exec until
its database, read through a read-only connection, holds every price. `cold_sell_s` is the time from exec until the hub answers
ready: from then on a till can sell, what is not here yet as an open item.
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
from bench.sync_workload import COLD_PRODUCTS, cold_catalogue
from sync.cloud.catalogue import ENTRIES_MAX
from sync.db import connect_reader

POLL_S = 0.25  # a poll costs the bench, not the hub; it is the error of `cold_resync_s`
TIMEOUT_S = 300.0


async def cold_start(folder: Path, say: Callable[[str], None]) -> Figures:
    """Fill a cloud, start a new hub, and measure until it has everything."""
    token = secrets.token_urlsafe(24)
    cloud = CloudProcess(folder / "cloud", store="bench", token=token)
    hub = HubProcess(folder / "hub", extra=f'[cloud]\nurl = "{cloud.url}"\ntoken = "{token}"\nreconnect_max_s = 0.1\n')
    with stopped_at_end(cloud, hub):
        cloud.start()
        await _fill(cloud)
        say(f"{COLD_PRODUCTS} products are at the cloud")
        cloud_cpu_s, began_s = cloud.cpu_s(), time.perf_counter()
        hub.start()
        await _until_held(hub)
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


async def _until_held(hub: HubProcess) -> None:
    with closing(connect_reader(hub.folder / "hub.db")) as read:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                if read.execute("SELECT count(*) FROM price").fetchone()[0] >= COLD_PRODUCTS:
                    return
                await asyncio.sleep(POLL_S)
