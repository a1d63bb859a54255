"""A sum is booked in small jobs: a crash between any two of them, a till that repeats meanwhile, a peer that tells it otherwise.

What is committed at a moment is what a crash leaves: the file is copied after each commit, and another machine goes on with the
copy. Judged by the cloud's facts, added up by plain SQL, and by the hub's audit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hub.store.model import Shop
from hub.store.upkeep.audit import audit
from sync import opening
from sync.batch import START, Boundary, batch_of
from sync.cloud.arrivals import openings
from sync.errors import ProtocolError
from sync.model import Feed
from sync.opening import Came, Opening, encode
from sync.protocol import FEATURES
from sync.retail.selling.sales import SaleLine
from sync.store.reading import rows_after
from tests.hub.lives_world import Cloud, Machine, meet
from tests.hub.openings_world import WITHOUT, Store, told

SOLD = ("TEA-01", "SHIRT-M", "A/B 50%")
SKUS = (*SOLD, "PLUM", "HAM")
PIECE_ROWS = 2
Moment = tuple[Path, Path]
"""The late hub's file and the cloud's, as they were together."""


@pytest.fixture
async def world(
    tmp_path: Path, store: Any, shop: Shop, sale: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """Rows of two years, all of which but the last are told as sums, in pieces of two."""
    monkeypatch.setattr(openings, "DAYS_SEEN", 0)
    monkeypatch.setattr(opening, "PIECE_ROWS", PIECE_ROWS)
    async with AsyncExitStack() as stack:
        world = Store(tmp_path, shop, stack, sale)
        await world.begin(store.path)
        first = world.hubs[0]
        for number, sku in enumerate(SKUS):
            await first.receive(10 + number, sku)
        for sku in SOLD * 2:
            await first.sell(sold_of(world, sku))
        await meet(first, world.cloud)
        world.later(450)
        await first.sell(sold_of(world, "TEA-01"))
        await meet(first, world.cloud)
        world.later(1)
        yield world


def sold_of(world: Store, sku: str) -> Any:
    return world.sale(2, lines=(SaleLine(1, sku, 2, 1090),))


def differences(machine: Machine, cloud: Cloud) -> dict[str, tuple[int, int]]:
    """By SKU what is on hand there and what the cloud's facts come to, where they differ."""
    facts = cloud.stock_by_keys()
    return {sku: (machine.on_hand(sku), facts[sku]) for sku in SKUS if machine.on_hand(sku) != facts[sku]}


def faults(machine: Machine) -> list[str]:
    return [found.said for found in audit(machine.db.read, machine.books.replica)]


def pieces(machine: Machine) -> int:
    return int(machine.db.read.execute("SELECT count(*) FROM told_piece").fetchone()[0])


async def join(world: Store) -> tuple[Machine, list[Moment]]:
    """Let a hub join late; return it, and every moment at which pieces waited."""
    late, moments = await world.machine("late"), []

    def keep(_jobs: int, _ok: bool) -> None:
        if pieces(late):
            name = f"moment {len(moments)}"
            moments.append(
                (late.copy_to(world.folder / f"{name}.db"), world.cloud.copy_to(world.folder / f"{name} cloud.db"))
            )

    late.db.on_group = keep
    await meet(late, world.cloud)
    late.db.on_group = lambda _jobs, _ok: None
    return late, moments


async def at(world: Store, stack: AsyncExitStack, moment: Moment) -> tuple[Machine, Cloud]:
    """A machine and a cloud that go on from a moment."""
    machine, cloud = Machine(moment[0], world.shop), Cloud(moment[1])
    machine.now_ms = cloud.now_ms = world.now_ms
    await machine.start(stack)
    await cloud.start(stack)
    return machine, cloud


async def test_a_sum_is_counted_piece_by_piece_and_between_any_two_the_books_agree(world: Store) -> None:
    late, moments = await join(world)

    assert differences(late, world.cloud) == {} and faults(late) == [] and pieces(late) == 0
    assert len(moments) > 2 * len(SKUS)
    for moment in moments:
        async with AsyncExitStack() as stack:
            machine, _ = await at(world, stack, moment)
            assert faults(machine) == []


@pytest.mark.parametrize("features", [FEATURES, WITHOUT])
async def test_a_crash_between_two_pieces_counts_nothing_twice_and_loses_nothing(
    world: Store, features: tuple[str, ...]
) -> None:
    """Whether the cloud tells the sum again or, of an older version by then, sends the rows; a till sells meanwhile."""
    _, moments = await join(world)
    for moment in moments:
        async with AsyncExitStack() as stack:
            machine, cloud = await at(world, stack, moment)
            await machine.sell(sold_of(world, "SHIRT-M"))
            await machine.books.sums.book()
            await meet(machine, cloud, features=features)

            assert differences(machine, cloud) == {}, moment
            assert faults(machine) == [], moment
            assert pieces(machine) == 0


async def test_a_sale_that_is_told_and_repeated_here_before_its_key_is_booked_counts_once(world: Store) -> None:
    first = world.hubs[0]
    repeated = sold_of(world, "SHIRT-M")
    await first.sell(repeated)
    await meet(first, world.cloud)
    world.later(450)
    _, moments = await join(world)
    for moment in moments:
        async with AsyncExitStack() as stack:
            machine, cloud = await at(world, stack, moment)
            await machine.sell(repeated)
            await machine.books.sums.book()
            await meet(machine, cloud)

            assert differences(machine, cloud) == {}, moment
            assert faults(machine) == [], moment


async def test_rows_that_are_here_are_counted_once_wherever_the_folding_of_them_was_cut(
    world: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three sales are here as rows, and all of them are told as a sum."""
    monkeypatch.setattr("hub.store.upkeep.openings.PRUNE_MAX", 1)
    first, late, moments = world.hubs[0], await world.machine("late"), []
    rows = rows_after(first.db.read, first.books.replica.local_id, "sales", 0, 3)
    await late.books.apply(batch_of(first.rep, "sales", Feed.LOG, START, rows))
    received = await told(world, first.rep, "stock", 99)
    await late.books.jump(first.rep, "stock", received.at, received)
    whole = await told(world, first.rep, "sales", 99)

    late.db.on_group = lambda _jobs, _ok: moments.append(late.copy_to(world.folder / f"moment {len(moments)}.db"))
    await late.books.jump(first.rep, "sales", whole.at, whole)
    late.db.on_group = lambda _jobs, _ok: None

    assert differences(late, world.cloud) == {} and faults(late) == []
    assert len(moments) > len(rows) + len(SKUS)
    for path in moments:
        async with AsyncExitStack() as stack:
            machine = Machine(path, world.shop)
            await machine.start(stack)
            assert faults(machine) == []
            await machine.books.sums.book()
            await machine.books.jump(first.rep, "sales", whole.at, whole)
            assert differences(machine, world.cloud) == {}, path
            assert faults(machine) == [], path


async def test_sales_are_made_between_the_pieces(world: Store) -> None:
    """A till that posts sale after sale: not one waits for more than a piece or two."""
    late = await world.machine("late")
    groups: list[int] = []
    late.db.on_group = lambda _jobs, _ok: groups.append(pieces(late))
    joining = asyncio.gather(meet(late, world.cloud))
    waited: list[int] = []
    while not joining.done():
        before = len(groups)
        await late.sell(world.sale(1, offline=True))  # the catalogue may still be on its way
        if groups[before] or groups[-1]:
            waited.append(len(groups) - before)
    await joining

    assert len(waited) > len(SKUS) and max(waited) <= 2
    await meet(late, world.cloud)
    assert differences(late, world.cloud) == {}


@pytest.mark.parametrize(
    "rows",
    [
        [Came("TEA-01", "shop", 5, 5), Came("HAM", "shop", 1, 1)],
        [Came("TEA-01", "shop", 5, 5), Came("TEA-01", "shop", 5, 5)],
        [Came("HAM", "shop", 1, 1), ["stock", 7]],
    ],
)
async def test_a_sum_that_is_none_changes_nothing(world: Store, rows: list[Any]) -> None:
    late = await world.machine("late")
    at_ten = Boundary(10, bytes(8))

    with pytest.raises(ProtocolError):
        await late.books.jump("hk01:00000000000000ff", "sales", at_ten, Opening(at_ten, tuple(map(encode, rows))))

    assert late.books.received() == {} and pieces(late) == 0 and faults(late) == []
    assert late.db.read.execute("SELECT count(*) FROM opening").fetchone() == (0,)
    assert START not in late.books.received().values()
