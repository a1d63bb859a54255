"""A shop with goods, its hubs and its cloud; what tills were answered is held against facts, tallies and caches, by plain SQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hub.standby.books import StandbyBooks
from hub.store.model import Shop
from tests.hub.lives_world import Cloud, Machine, converse, meet, restored

PRICE = 1090


class World:
    """A shop with goods, a cloud, and what the tills were answered."""

    def __init__(self, folder: Path, shop: Shop, stack: AsyncExitStack, sale: Callable[..., Any]) -> None:
        self.folder, self.shop, self.stack, self._sale = folder, shop, stack, sale
        self.answered: dict[str, int] = {}
        self.received = 20  # what the catalogue opens with

    async def machine(self, name: str, copy: Path | None = None, *, fingerprint: str = "") -> Machine:
        path = self.folder / f"{name}.db"
        machine = Machine(path, self.shop) if copy is None else restored(path, self.shop, copy)
        await machine.start(self.stack, fingerprint=fingerprint)
        return machine

    async def sell(self, machine: Machine, *quantities: int) -> list[Any]:
        sales = [self._sale(qty) for qty in quantities]
        for sale in sales:
            await machine.sell(sale)
            self.answered[sale.sale_id] = sale.lines[0].qty
        return sales

    async def receive(self, machine: Machine, qty: int) -> None:
        await machine.receive(qty)
        self.received += qty

    @property
    def on_hand(self) -> int:
        return self.received - sum(self.answered.values())

    def check(self, cloud: Cloud, *machines: Machine) -> None:
        """Everything answered is at the cloud, once; facts, tallies and caches say the same."""
        assert cloud.sales() == (len(self.answered), sum(self.answered.values()) * PRICE)
        assert cloud.stock_by_keys()["TEA-01"] == self.on_hand
        assert cloud.stock_by_tallies()["TEA-01"] == self.on_hand
        for machine in machines:
            assert machine.sale_ids() == sorted(self.answered), machine.rep
            assert machine.on_hand() == self.on_hand, machine.rep


@pytest.fixture
async def world(tmp_path: Path, store: Any, shop: Shop, sale: Callable[..., Any]) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(tmp_path, shop, stack, sale)


@pytest.fixture
async def hub(world: World, store: Any) -> Machine:
    """The primary, with a catalogue and thirty teas."""
    machine = Machine(store.path, world.shop)
    copy = machine.copy_to(world.folder / "catalogue.db")
    primary = await world.machine("primary", copy)
    await world.receive(primary, 30)
    return primary


@pytest.fixture
async def cloud(world: World) -> Cloud:
    end = Cloud(world.folder / "cloud.db")
    await end.start(world.stack)
    return end


@pytest.fixture
async def standby(world: World, hub: Machine, cloud: Cloud) -> Machine:
    """The one that follows; the cloud has told it what is sold here."""
    await meet(hub, cloud)
    machine = await world.machine("standby")
    await meet(machine, cloud)
    return machine


async def follow(standby: Machine, hub: Machine) -> list[str]:
    """Let the standby dial until nothing is said any more."""
    ends = []
    for _ in range(4):
        end = await converse(StandbyBooks(standby.books), StandbyBooks(hub.books))
        ends.append(end.code if end else "quiet")
        if end is None:
            break
    for machine in (standby, hub):
        await machine.db.write(lambda tx: tx.execute("UPDATE replica SET own = own WHERE own = 1"))
    return ends


async def everybody(cloud: Cloud, *machines: Machine, rounds: int = 4) -> None:
    """Let all speak with the cloud until nothing changes any more."""
    for _ in range(rounds):
        for machine in machines:
            await meet(machine, cloud)


def confirmed(machine: Machine) -> int:
    return machine.db.read.execute("SELECT count(*) FROM confirmed").fetchone()[0]
