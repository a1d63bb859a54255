"""A cloud that asks a hub by HTTP: rows below a floor go as what they came to, up and down. The hub and both files are real."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.holders import PEER
from hub.store.catalogue.products import put_products
from hub.store.upkeep.audit import audit
from hub.store.upkeep.retention import note_marks, prune
from sync.cloud.arrivals import openings
from sync.cloud.config import PullFrom
from sync.cloud.metrics import CloudMetrics
from sync.cloud.talk.line import Line
from sync.cloud.talk.pull import Puller
from sync.store.retention import DAY_MS
from tests.hub.lives_world import Cloud, Machine, meet


@pytest.fixture(autouse=True)
def every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows stand for rows on every day."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def asked(start_hub: Any, pair_till: Any) -> Any:
    """A hub that waits to be asked, with a till and a token for its cloud."""
    hub = await start_hub(cloud={"mode": "pull"})
    hub.till = await pair_till(hub)
    hub.cloud_token = (await pair_till(hub, "cloud")).token
    return hub


async def ask(hub: Any, cloud: Cloud, rounds: int = 3) -> None:
    line = Line(metrics=CloudMetrics(), now_ms=lambda: cloud.now_ms)
    puller = Puller(PullFrom("hk01", hub.url, 60.0, hub.cloud_token), cloud.store, line, rng=random.Random(1))
    for _ in range(rounds):
        await puller.round()


async def forget(hub: Any) -> None:
    runtime = hub.runtime
    own = runtime.replica
    for now_ms in (hub.clock.now_ms, hub.clock.now_ms + 450 * DAY_MS):
        await runtime.db.write(lambda tx, at=now_ms: note_marks(tx, own, peer=PEER, now_ms=at))
        while (await runtime.db.write(lambda tx, at=now_ms: prune(tx, own, peer=PEER, now_ms=at))).rows:
            pass


async def test_a_cloud_below_the_floor_takes_the_sum_and_goes_on(
    asked: Any, tmp_path: Path, stack: AsyncExitStack
) -> None:
    first = Cloud(tmp_path / "first.db")
    await first.start(stack)
    for _ in range(3):
        await asked.till.post("/v1/sales", asked.till.sale())
    await ask(asked, first)
    await forget(asked)
    assert asked.runtime.db.read.execute("SELECT count(*) FROM sale").fetchone() == (0,)
    new = (await asked.till.post("/v1/sales", asked.till.sale())).json["sale_id"]

    restored = Cloud(tmp_path / "restored.db")  # of before the first sale
    await restored.start(stack)
    await ask(asked, restored)

    keys = restored.db.read.execute(
        "SELECT key FROM fact_key JOIN feed ON feed.id = fact_key.stream AND feed.stream = 'sales'"
    )
    assert keys.fetchall() == [(new,)]
    assert restored.db.read.execute("SELECT last, is_told FROM floor WHERE stream = 'sales'").fetchall() == [(3, 1)]
    late = Machine(tmp_path / "late.db", asked.runtime.shop)
    await late.start(stack)
    await meet(late, restored)
    assert late.on_hand() == 20 - 4


async def test_a_hub_that_is_asked_is_told_what_another_lifes_years_came_to(
    asked: Any, tmp_path: Path, stack: AsyncExitStack, sale: Any, catalogue: Any
) -> None:
    cloud = Cloud(tmp_path / "cloud.db")
    await cloud.start(stack)
    former = Machine(tmp_path / "former.db", asked.runtime.shop)
    await former.start(stack)
    put = partial(put_products, entries=catalogue, location=former.shop.location, now_ms=former.now_ms)
    await former.db.write(lambda tx: put(tx, former.books.replica))
    old, new = sale(3), sale(1)
    await former.sell(old)
    await meet(former, cloud)
    cloud.now_ms = former.now_ms = former.now_ms + 450 * DAY_MS
    await former.sell(new)
    await meet(former, cloud)
    before = asked.runtime.db.read.execute("SELECT on_hand FROM stock WHERE sku = 'TEA-01'").fetchone()[0]

    await ask(asked, cloud)

    runtime = asked.runtime
    assert runtime.db.read.execute("SELECT sale_id FROM sale").fetchall() == [(new.sale_id,)]
    after = runtime.db.read.execute("SELECT on_hand FROM stock WHERE sku = 'TEA-01'").fetchone()[0]
    assert after - before == -4
    assert [found.said for found in audit(runtime.db.read, runtime.replica)] == []
