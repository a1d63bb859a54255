"""A hub that joins late, on real files: what rows came to in their place, and the stock of one that downloaded them all.

Judged by the hub's own audit, which recomputes every sum from rows and opening balances, and by a hub that speaks as an older
one.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hub.standby.books import StandbyBooks
from hub.store.model import Shop
from hub.store.replica.pruned import pruned_sale
from hub.store.selling.sales import find_sale
from hub.store.upkeep.audit import audit
from sync.batch import START, batch_of
from sync.cloud.arrivals import openings
from sync.cloud.store import CloudBooks
from sync.model import Feed
from sync.protocol import FEATURES
from sync.store.reading import rows_after
from sync.store.retention import DAY_MS
from tests.hub.lives_world import Machine, converse, meet
from tests.hub.openings_world import WITHOUT, Store, told, years

WHAT = ("sell", "sell", "twice", "twice", "back", "receive", "days", "days", "meet", "meet", "forget", "life", "join")


@pytest.fixture
def every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows stand for rows on every day."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)


@pytest.fixture
async def world(tmp_path: Path, store: Any, shop: Shop, sale: Callable[..., Any]) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        world = Store(tmp_path, shop, stack, sale)
        await world.begin(store.path)
        yield world


@pytest.mark.usefixtures("every_day")
async def test_a_late_hub_gets_what_is_within_keep_as_rows_and_what_the_rest_came_to(world: Store) -> None:
    old, new = await years(world)

    late = await world.joined()

    assert late.sale_ids() == [new.sale_id]
    assert late.db.read.execute("SELECT count(*) FROM hole").fetchone() == (0,)
    await meet(world.hubs[0], world.cloud)
    world.check(world.hubs[0], late)
    left = pruned_sale(late.db.read, old)
    assert left is not None and left.answer is not None, "a till that repeats it is answered as known"
    assert find_sale(late.db.read, new.sale_id) is not None


@pytest.mark.usefixtures("every_day")
async def test_a_hub_that_was_told_a_sum_passes_on_what_comes_behind_it_on_the_same_line(world: Store) -> None:
    """The first hub has no line to the cloud any more; the second one hears of it beside."""
    first = world.hubs[0]
    await years(world)
    late = await world.machine("late")
    known = world.cloud.sales()[0]

    async def sell_beside() -> None:
        sold = world.sale(2)
        await first.sell(sold)
        await world.take_back(first, sold)
        assert await converse(StandbyBooks(late.books), StandbyBooks(first.books)) is None

    end = await converse(late.books, CloudBooks(world.cloud.store, "hk01"), meanwhile=sell_beside)

    assert end is None and world.cloud.sales()[0] == known + 1
    world.check(late)


async def test_a_clock_that_has_jumped_makes_no_row_old(world: Store) -> None:
    first = world.hubs[0]
    sold = world.sale(3)
    await first.sell(sold)
    await meet(first, world.cloud)
    world.cloud.now_ms += 30 * 365 * DAY_MS
    late = await world.joined()

    assert late.sale_ids() == [sold.sale_id]


@pytest.mark.parametrize(("days_between", "told"), [(1, 101), (0, 0)])
async def test_rows_are_old_where_others_came_on_half_of_the_days_since(
    world: Store, days_between: int, told: int
) -> None:
    """400 days are kept of a sale: with one a day, those before the last 200 that are older; all of one day are not old."""
    first, cloud = world.hubs[0], world.cloud
    for _ in range(301):
        await first.sell(world.sale(1))
    await meet(first, cloud)
    await cloud.db.write(
        lambda tx: tx.execute(
            "UPDATE fact SET received_ms = ? - (301 - seq) * ? WHERE stream = (SELECT id FROM feed WHERE stream = 'sales')",
            (cloud.now_ms - 350 * DAY_MS, days_between * DAY_MS),
        )
    )
    books = CloudBooks(cloud.store, "hk01")
    head = next(head for head in books.heads() if (head.rep, head.stream) == (first.rep, "sales"))
    assert books.told_up_to(head, START) == told


@pytest.mark.usefixtures("every_day")
@pytest.mark.parametrize("is_repeated_first", [False, True])
async def test_a_cloud_whose_clock_is_decades_ahead_tells_the_keys_of_yesterday(
    world: Store, is_repeated_first: bool
) -> None:
    """A till repeats at a hub what it has sold at another: it counts once, whether this one has heard from the cloud or not."""
    first, late = world.hubs
    sold = world.sale(3)
    await first.sell(sold)
    await meet(first, world.cloud)
    world.cloud.now_ms += 30 * 365 * DAY_MS

    if is_repeated_first:
        await late.sell(sold)
    await meet(late, world.cloud)

    left = pruned_sale(late.db.read, sold)
    assert left is not None and left.answer is not None, "a till that repeats it is answered as known"
    assert late.on_hand() == first.on_hand()


@pytest.mark.usefixtures("every_day")
async def test_keys_of_rows_that_the_cloud_took_in_1970_are_not_forgotten_as_old(world: Store) -> None:
    """Its clock was not set yet: to the hub that is told of them they would be 56 years old."""
    first = world.hubs[0]
    sold = world.sale(3)
    await first.sell(sold)
    world.cloud.now_ms = 0
    await meet(first, world.cloud)
    world.later(1)
    late = await world.joined()
    assert late.sale_ids() == []
    await late.forget(days=1)

    left = pruned_sale(late.db.read, sold)
    assert left is not None and left.answer is not None, "a till that repeats it is answered as known"


async def test_a_hub_that_cannot_read_a_sum_downloads_every_row(world: Store) -> None:
    old, new = await years(world)

    late = await world.joined(features=WITHOUT)

    assert late.sale_ids() == sorted([*world.hubs[0].sale_ids()])
    assert old.sale_id in late.sale_ids() and new.sale_id in late.sale_ids()


async def test_a_return_stays_a_row_while_its_sale_is_one(world: Store) -> None:
    """As when the hub that sold it was without a line for a year, and the one that took it back was not."""
    first = world.hubs[0]
    sold = world.sale(2)
    await first.sell(sold)
    await world.take_back(first, sold)
    await meet(first, world.cloud)
    world.later(450)
    await world.cloud.db.write(
        lambda tx: tx.execute(
            "UPDATE fact SET received_ms = ? WHERE stream = (SELECT id FROM feed WHERE stream = 'sales')",
            (world.now_ms - DAY_MS,),
        )
    )

    late = await world.joined()

    assert late.sale_ids() == [sold.sale_id]
    assert late.db.read.execute("SELECT sale_id FROM sale_return").fetchall() == [(sold.sale_id,)]
    world.check(first, late)


async def test_what_a_hub_had_pruned_and_the_cloud_lost_reaches_a_late_hub_as_a_sum(world: Store) -> None:
    first = world.hubs[0]
    world.cloud.copy_to(world.folder / "old.db")
    for qty in (1, 2, 3):
        await first.sell(world.sale(qty))
    await world.tell_and_forget(first)
    assert first.sale_ids() == []
    await first.sell(world.sale(4))

    await world.restore_cloud()
    await meet(first, world.cloud, times=10)
    late = await world.joined(times=10)

    assert late.on_hand() == first.on_hand() == 20 + 100 - 10
    assert [found.said for found in audit(late.db.read, late.books.replica)] == []
    assert late.db.read.execute("SELECT count(*) FROM hole").fetchone() == (0,)


@pytest.mark.parametrize("is_older", [True, False], ids=["cannot read a sum", "is told none"])
async def test_what_the_other_hub_cannot_tell_comes_from_the_cloud_and_leaves_no_hole(
    world: Store, is_older: bool
) -> None:
    """Cut off from the other for longer than rows are kept: neither the rows nor what they came to are to be had there."""
    first = world.hubs[0]
    await first.sell(world.sale(3))
    await world.tell_and_forget(first)
    await first.sell(world.sale(4))
    if not is_older:  # forgotten before balances were kept by log
        await first.db.write(lambda tx: tx.execute("UPDATE opening SET stream = '' WHERE stream = 'sales'"))
    late = await world.machine("late")
    features = WITHOUT if is_older else FEATURES

    assert await converse(StandbyBooks(late.books), StandbyBooks(first.books), features) is None
    await meet(first, world.cloud)
    await meet(late, world.cloud, features=features)
    assert await converse(StandbyBooks(late.books), StandbyBooks(first.books), features) is None
    await first.sell(world.sale(2))
    assert await converse(StandbyBooks(late.books), StandbyBooks(first.books), features) is None

    assert late.db.read.execute("SELECT count(*) FROM hole").fetchone() == (0,)
    assert late.on_hand() == first.on_hand()
    assert [found.said for found in audit(late.db.read, late.books.replica)] == []


async def test_where_nobody_can_tell_a_hole_stays_a_hole(world: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.hubs[0]
    world.cloud.copy_to(world.folder / "old.db")
    await first.sell(world.sale(1))
    await world.tell_and_forget(first)
    await first.sell(world.sale(4))
    await world.restore_cloud()
    await meet(first, world.cloud, times=10, features=WITHOUT)

    late = await world.joined(times=10)

    found = [found.check for found in audit(late.db.read, late.books.replica)]
    assert found and set(found) <= {"hole", "receipt"}


async def test_a_told_key_makes_another_lifes_row_give_way(world: Store) -> None:
    """A card that was in a drawer for years has a sale of its own that the cloud holds from its former life."""
    first = world.hubs[0]
    await meet(first, world.cloud)
    shared = world.sale(5)
    await first.sell(shared)
    drawer = await world.machine("drawer", first.copy_to(world.folder / "card.db"))
    await meet(first, world.cloud)
    world.later(450)
    for _ in range(4):
        await meet(drawer, world.cloud)
        await meet(first, world.cloud)

    late = await world.joined()

    world.check(late, drawer, first)


@pytest.mark.parametrize("days", [0, 900])  # of rows of 900 days no key is told any more
async def test_at_any_floor_and_from_any_cursor_a_sum_and_the_rows_behind_it_are_the_whole(
    world: Store, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openings, "KEYS_ALWAYS", 0)
    first = world.hubs[0]
    for qty in (1, 2, 3, 4):
        await first.sell(world.sale(qty))
    await meet(first, world.cloud)
    world.later(days)
    rows = rows_after(first.db.read, first.books.replica.local_id, "sales", 0, 10)
    for cursor, floor in product(range(len(rows) + 1), repeat=2):
        late = await world.machine(f"late {cursor} {floor}")
        opening = await told(world, first.rep, "sales", floor)
        for after, upto in ((0, cursor), (max(cursor, floor), len(rows))):
            at = (await told(world, first.rep, "sales", after)).at
            if upto > after:
                await late.books.apply(batch_of(first.rep, "sales", Feed.LOG, at, rows[after:upto]))
            for _ in range(2):
                await late.books.jump(first.rep, "sales", opening.at, opening)
        assert late.on_hand() == -10, (cursor, floor)
        assert [found.said for found in audit(late.db.read, late.books.replica)] == []


async def test_two_sums_told_between_two_rulings_count_one_sale_once(world: Store) -> None:
    """The second hub's life is sealed after the first's sum was told: its row stands at the cloud from then on."""
    first, second = world.hubs
    shared = world.sale(5)
    await first.sell(shared)
    await second.sell(shared)
    await meet(first, world.cloud)
    before = await told(world, first.rep, "sales", 1)
    sealed = second.rep
    await meet(second, world.cloud)
    await second.books.forked("a test says so")
    await meet(second, world.cloud)
    assert world.cloud.sealed() == [sealed]
    late = await world.machine("late")

    await late.books.jump(first.rep, "sales", before.at, before)
    after = await told(world, sealed, "sales", 1)
    await late.books.jump(sealed, "sales", after.at, after)

    assert late.on_hand() == -5


async def trade(world: Store, what: str, rng: random.Random, sold: list[Any]) -> None:
    first, second = world.hubs[:2]
    hub = rng.choice((first, second))
    if what == "sell":
        sold.append(world.sale(rng.randint(1, 4)))
        await hub.sell(sold[-1])
    elif what == "twice":  # the till asked both hubs, which have not heard of each other
        sold.append(world.sale(rng.randint(1, 4)))
        await first.sell(sold[-1])
        await second.sell(sold[-1])
    elif what == "back" and sold and find_sale(hub.db.read, sold[-1].sale_id) is not None:
        await world.take_back(hub, sold.pop())
    elif what == "receive":
        await first.receive(rng.randint(1, 20))


async def live(world: Store, what: str, rng: random.Random, late: dict[str, Machine]) -> None:
    hub = rng.choice(world.hubs[:2])
    if what == "days":
        world.later(rng.choice((1, 20, 90, 250)))
    elif what == "meet":
        await meet_as(world, rng.choice((*world.hubs[:2], *late.values())), late)
    elif what == "forget":
        await hub.forget()
    elif what == "life" and rng.random() < 0.5:
        await hub.books.forked("a test says so")
    elif what == "join" and not late:
        late["sums"], late["rows"] = await world.machine("by_sums"), await world.machine("by_rows")
        for each in late.values():
            await meet_as(world, each, late)


async def meet_as(world: Store, machine: Machine, late: dict[str, Machine]) -> None:
    """One of the late hubs is of an older version."""
    await meet(machine, world.cloud, features=WITHOUT if machine is late.get("rows") else FEATURES)


async def walk(world: Store, rng: random.Random) -> tuple[Machine, Machine]:
    """Live through years with two hubs and lives that end; two hubs join late, one by sums, one by rows. Return those."""
    late: dict[str, Machine] = {}
    sold: list[Any] = []
    for step in range(45):
        what = rng.choice(WHAT) if step != 30 else "join"
        await trade(world, what, rng, sold)
        await live(world, what, rng, late)
    for machine in (*world.hubs[:2], *late.values()) * 4:
        await meet_as(world, machine, late)
    return late["sums"], late["rows"]


@pytest.mark.parametrize("seed", range(6))
async def test_a_joiner_by_sum_has_the_stock_of_one_that_downloaded_every_row(world: Store, seed: int) -> None:
    by_sum, by_rows = await walk(world, random.Random(seed))

    world.check(by_sum, by_rows)
