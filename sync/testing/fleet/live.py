"""A sample of the fleet on real sockets: one cloud that listens, a WebSocket for each store, all in this process, in real time.

One of them may come with a backlog, days without a line: how long it takes, and what the others notice of it, are figures. Not
here: shops (sync.testing.fleet.shop), hours of a thousand of them (sync.testing.fleet.virtual).
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from sync.cloud.databases import open_books
from sync.cloud.main import open_cloud
from sync.cloud.web.app import serve
from sync.db import Database
from sync.errors import StartError
from sync.line.link import Conversation, connector
from sync.testing.fleet.balance import unbalanced
from sync.testing.fleet.figures import LiveRun, lags_of
from sync.testing.fleet.running import fleet_config, make_shops, store_names, token_of
from sync.testing.fleet.shop import Shop

FOLD_S = 2.0
SALES_A_SECOND = 40.0  # of all stores together
SETTLE_S = 300.0
LOOK_S = 0.02


async def run_live(
    folder: Path,
    *,
    stores: int,
    seconds: float,
    backlog_lines: int,
    seed: int,
    now_ms: Callable[[], int],
    database: str = "",
) -> LiveRun:
    """Let stores sell on real sockets for a while; raise StartError when not all comes in.

    `database` names an empty one of PostgreSQL for the cloud's books, which are a file in `folder` otherwise.
    """
    rng = Random(seed)  # noqa: S311 - a simulation
    shops = make_shops(stores, rng)
    while shops[0].lines < backlog_lines:
        shops[0].sell(float(now_ms()), is_up=False)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        config = fleet_config(Path(work), store_names(stores), database=database)
        async with open_books(config) as db:
            cloud = await open_cloud(config, db, now_ms=now_ms)
            async with serve(cloud) as port, asyncio.TaskGroup() as group:
                looking = group.create_task(cloud.contact.run(), name="rights")
                run = _Sample(shops, f"http://127.0.0.1:{port}", db, rng, now_ms)
                try:
                    return await run.live(seconds, backlog_lines, group)
                finally:
                    looking.cancel()


class _Sample:
    def __init__(self, shops: list[Shop], url: str, db: Database, rng: Random, now_ms: Callable[[], int]) -> None:
        self._shops, self._url, self._db, self._rng, self._now_ms = shops, url, db, rng, now_ms
        self._talks: dict[str, Conversation] = {}
        for shop in shops:
            shop.clock = now_ms

    async def live(self, seconds: float, backlog_lines: int, group: asyncio.TaskGroup) -> LiveRun:
        others = self._shops[1:] if backlog_lines else self._shops
        loop = asyncio.get_running_loop()
        lines = [group.create_task(self._talk(shop), name=shop.store) for shop in others]
        timing = None
        await self._until(lambda: len(self._talks) == len(others))
        began_s = loop.time()
        if backlog_lines:
            lines.append(group.create_task(self._talk(self._shops[0]), name="the backlog"))
            timing = group.create_task(self._until(lambda: self._shops[0].is_safe), name="drained")
        await self._sell(others, lambda: loop.time() - began_s < seconds or not self._is_safe(backlog_lines))
        drained_s = await timing - began_s if timing is not None else 0.0
        await self._until(lambda: all(shop.is_safe for shop in self._shops))
        took_s = loop.time() - began_s
        for line in lines:
            line.cancel()
        rows = sum(head.last for shop in self._shops for head in shop.heads())
        return LiveRun(
            stores=len(self._shops),
            sales=sum(shop.sold for shop in self._shops),
            rows_per_s=rows / took_s,
            lags=lags_of([lag for shop in others for lag in shop.lags_ms]),
            backlog_lines=self._shops[0].lines if backlog_lines else 0,
            backlog_s=drained_s,
            unbalanced=await unbalanced(self._db, self._shops),
        )

    def _is_safe(self, backlog_lines: int) -> bool:
        return not backlog_lines or self._shops[0].is_safe

    async def _talk(self, shop: Shop) -> None:
        async with connector(self._url, token_of(shop.store), rng=self._rng) as connect:
            wire = await connect.websocket()
            opened = asyncio.Event()
            talk = Conversation("dialler", shop, now_ms=self._now_ms, on_open=lambda _: opened.set())
            try:
                async with asyncio.TaskGroup() as group:
                    talking = group.create_task(talk.run(wire), name="talk")
                    await opened.wait()
                    self._talks[shop.store] = talk
                    await talking
            finally:
                await wire.close()

    async def _sell(self, shops: list[Shop], goes_on: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        fold_s = loop.time() + FOLD_S
        while goes_on():
            shop = self._rng.choice(shops)
            shop.sell(float(self._now_ms()), is_up=True)
            self._talks[shop.store].grown()
            if loop.time() > fold_s:
                fold_s = loop.time() + FOLD_S
                self._fold(shops)
            await asyncio.sleep(self._rng.expovariate(SALES_A_SECOND))
        self._fold(self._shops)

    def _fold(self, shops: list[Shop]) -> None:
        for shop in shops:
            if shop.fold() and shop.store in self._talks:
                self._talks[shop.store].grown()

    async def _until(self, holds: Callable[[], bool]) -> float:
        """Wait; return when it held. Raise StartError when it does not come about."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + SETTLE_S
        while not holds():
            if loop.time() > ends_s:
                raise StartError(f"what the stores have sent was not taken within {SETTLE_S:g} s")
            await asyncio.sleep(LOOK_S)
        return loop.time()
