"""Two hubs of one store that live through years with their cloud, and hubs that join late."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copyfile
from typing import Any

from hub.store.model import Shop
from hub.store.upkeep.audit import audit
from sync.cloud.store import CloudBooks
from sync.opening import Opening
from sync.protocol import FEATURES, OPENING
from sync.retail.selling.returns import Return, ReturnLine
from sync.store.retention import DAY_MS
from tests.hub.lives_world import Cloud, Machine, meet

WITHOUT = tuple(feature for feature in FEATURES if feature != OPENING)


class Store:
    """Two hubs of one store with a catalogue, their cloud, and time."""

    def __init__(self, folder: Path, shop: Shop, stack: AsyncExitStack, sale: Callable[..., Any]) -> None:
        self.folder, self.shop, self.stack, self.sale = folder, shop, stack, sale
        self.cloud = Cloud(folder / "cloud.db")
        self.hubs: list[Machine] = []
        self.now_ms = self.cloud.now_ms

    async def begin(self, catalogue: Path) -> None:
        await self.cloud.start(self.stack)
        first = await self.machine("first", Machine(catalogue, self.shop).copy_to(self.folder / "copy.db"))
        await first.receive(100)
        await meet(first, self.cloud)
        await meet(await self.machine("second"), self.cloud)

    async def machine(self, name: str, copy: Path | None = None) -> Machine:
        path = self.folder / f"{name}.db"
        if copy is not None:
            copyfile(copy, path)
        machine = Machine(path, self.shop)
        machine.now_ms = self.now_ms
        await machine.start(self.stack)
        self.hubs.append(machine)
        return machine

    async def joined(self, *, times: int = 6, features: tuple[str, ...] = FEATURES) -> Machine:
        """Return a hub that joins late, when it has heard all from the cloud."""
        machine = await self.machine("late")
        await meet(machine, self.cloud, times=times, features=features)
        return machine

    async def restore_cloud(self) -> None:
        """Have another cloud on from the copy that was made of it, `old.db`."""
        copyfile(self.folder / "old.db", self.folder / "restored.db")
        self.cloud = Cloud(self.folder / "restored.db")
        self.cloud.now_ms = self.now_ms
        await self.cloud.start(self.stack)

    async def tell_and_forget(self, hub: Machine) -> None:
        """Let the cloud have all rows of a hub, which forgets them when they are old enough."""
        await meet(hub, self.cloud)
        await hub.forget()
        self.later(500)
        await hub.forget()

    def later(self, days: int) -> None:
        self.now_ms += days * DAY_MS
        for end in (self.cloud, *self.hubs):
            end.now_ms = self.now_ms

    async def take_back(self, hub: Machine, sale: Any) -> Any:
        content = Return(
            return_id=f"r-{sale.sale_id}"[:60],
            sale_id=sale.sale_id,
            till_id="t1",
            lines=(ReturnLine(line=1, qty=1),),
            reason="too big",
        )
        return await hub.take_back(content)

    def check(self, *hubs: Machine) -> None:
        """All have the stock that the cloud's facts with different keys come to, and none finds a fault in its books."""
        on_hand = {hub.rep: hub.on_hand() for hub in hubs}
        assert set(on_hand.values()) == {self.cloud.stock_by_keys()["TEA-01"]}, on_hand
        for hub in hubs:
            assert [found.said for found in audit(hub.db.read, hub.books.replica)] == []


async def years(world: Store) -> tuple[Any, Any]:
    """Sales of two years; return an old one and one of yesterday."""
    first = world.hubs[0]
    old = world.sale(3)
    await first.sell(old)
    await first.sell(world.sale(2))
    await meet(first, world.cloud)
    world.later(450)
    new = world.sale(1)
    await first.sell(new)
    await world.take_back(first, new)
    await meet(first, world.cloud)
    world.later(1)
    return old, new


async def told(world: Store, rep: str, stream: str, to: int) -> Opening:
    """What the cloud tells of a log's rows up to there."""
    books = CloudBooks(world.cloud.store, "hk01")
    head = next(head for head in books.heads() if (head.rep, head.stream) == (rep, stream))
    opening = await books.opening(head, to)
    assert opening is not None
    return opening
