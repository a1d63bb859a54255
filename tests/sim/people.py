"""Who asks: tills and stockrooms at the hubs, people counters at the doors, head office at the cloud.

Not here: how a till asks (tests.sim.client), what they want (actions/), who judges the answers (auditors/).
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from devices.model import CounterReading
from hub.store import footfall
from sync.errors import SyncError
from tests.sim.client import AGAIN_MS, PATIENCE_MS, Client, Request
from tests.sim.goods import Entry, first_entries
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

CONNECTS_MS = 1_000


class Counter:
    """A people counter and the broker between it and its hub: a message is kept until the hub has taken it, in order."""

    def __init__(self, world: "World", name: str, hub: HubNode, *, has_totals: bool, has_clock: bool) -> None:
        self.world = world
        self.name = name
        self.hub = hub
        self.entrance = f"door-{name}"
        self.taken: list[CounterReading] = []
        self._has_totals = has_totals
        self._has_clock = has_clock
        self._totals = [0, 0]
        self._n = 0
        self._waiting: deque[CounterReading] = deque()
        self._is_sending = False

    @property
    def waiting(self) -> int:
        """Messages that the hub has not taken."""
        return len(self._waiting)

    def count(self, entered: int, exited: int) -> None:
        """Somebody came or left: say so."""
        from tests.sim.world import EPOCH_MS

        self._n += 1
        at_ms = EPOCH_MS + self.world.now_ms if self._has_clock else None
        if self._has_totals:
            self._totals[0] += entered
            self._totals[1] += exited
            said = CounterReading(
                self.name, self.entrance, at_ms=at_ms, in_total=self._totals[0], out_total=self._totals[1]
            )
        else:
            said = CounterReading(
                self.name, self.entrance, at_ms=at_ms, in_delta=entered, out_delta=exited, delta_id=str(self._n)
            )
        self._waiting.append(said)
        self.send()

    def repeat(self) -> bool:
        """The broker brings an old message again."""
        if not self.taken or self.hub.hub is None:
            return False
        old = self.world.rng.choice(self.taken[-20:])
        self.hub.run(lambda: self._record([old], done=lambda _: None, failed=lambda _: None))
        return True

    def send(self) -> None:
        """Hand over what waits, up to a few at a time."""
        if self._is_sending or not self._waiting:
            return
        self._is_sending = True
        hub, batch = self.hub, list(self._waiting)[: self.world.rng.randint(1, 5)]
        life = hub.life

        def done(_: object) -> None:
            for _each in batch:
                self.taken.append(self._waiting.popleft())
            self.world.tell("counted", self, batch)
            self._is_sending = False
            self.send()

        def again(_: object = None) -> None:
            self._is_sending = False
            self.world.after(self.world.rng.randint(*AGAIN_MS), self.send)

        def look() -> None:
            if self._is_sending and hub.life != life:  # the connection went with the hub
                again()
            elif self._is_sending:
                self.world.after(500, look)

        if hub.hub is None:
            again()
            return
        self.world.after(500, look)
        hub.run(lambda: self._record(batch, done=done, failed=again))

    def _record(
        self, batch: list[CounterReading], *, done: Callable[[object], None], failed: Callable[[SyncError], None]
    ) -> None:
        """As hub.visitors, without its events."""
        hub = self.hub.hub
        assert hub is not None
        now_ms = hub.now_ms()
        self.hub.spawn(
            hub.db.write(lambda tx: footfall.record(tx, hub.replica, batch, now_ms=now_ms)), done=done, failed=failed
        )


class Office:
    """Head office: one edit of a SKU at a time, repeated until it is known to stand."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.edits = 0
        self.open: dict[str, Entry] = {}

    def edit(self, wanted: list[Entry]) -> None:
        """Write products and prices; only SKUs that have no edit on its way."""
        self.edits += 1
        for entry in wanted:
            assert entry.sku not in self.open
            self.open[entry.sku] = entry
        self.world.note("office", f"edits {', '.join(entry.sku for entry in wanted)}")
        self._try(wanted)

    def _try(self, wanted: list[Entry]) -> None:
        if self.open.get(wanted[0].sku) is not wanted[0]:
            return
        world, cloud = self.world, self.world.cloud
        world.after(world.rng.randint(*PATIENCE_MS), lambda: self._try(wanted))
        if cloud.cloud is not None:
            cloud.run(lambda: cloud.import_products(wanted, lambda is_durable: self._told(wanted, is_durable)))

    def _told(self, wanted: list[Entry], is_durable: bool) -> None:
        if not is_durable or self.open.get(wanted[0].sku) is not wanted[0]:
            return
        for entry in wanted:
            del self.open[entry.sku]
        self.world.note("office", f"knows {', '.join(entry.sku for entry in wanted)}")
        self.world.tell("edited", wanted)


class People:
    """Everybody."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.told: list[Request] = []
        self.sold: dict[str, list[Request]] = {}
        self.printing: dict[str, int] = {}
        self.tills: list[Client] = []
        for hub in world.hubs:
            others = [other for other in world.hubs if other is not hub and other.store == hub.store]
            self.tills += [Client(world, f"{hub.name}.t{n}", [hub, *others]) for n in (1, 2)]
        self.stockrooms = [Client(world, f"{hub.name}.stock", [hub]) for hub in world.hubs]
        self.counters = [
            Counter(world, f"c{n}", hub, has_totals=n % 2 == 0, has_clock=world.rng.random() < 0.5)
            for n, hub in enumerate(world.hubs)
        ]
        self.office = Office(world)

    def on_opened(self, hub: HubNode) -> None:
        """A hub has started: its tills and its stockroom connect."""
        for till in self.tills:
            if till.home is hub:
                till.is_connected = False
                self.world.after(self.world.rng.randint(50, 2_000), till.connect)
        for room in self.stockrooms:
            if room.home is hub:
                room.is_connected = False
                self.world.after(CONNECTS_MS, room.connect)

    def on_new_life(self, hub: HubNode) -> None:
        """A hub is somebody else from now on: it says so in an event."""
        for client in (*self.tills, *self.stockrooms):
            if client.home is hub:
                self.world.after(self.world.rng.randint(5, 2_000), client.hear_of_new_life)

    def add_hub(self, hub: HubNode) -> None:
        """A hub more: it has tills of its own."""
        self.tills += [Client(self.world, f"{hub.name}.t{n}", [hub]) for n in (1, 2)]

    def move(self, hub: HubNode, to: HubNode) -> None:
        """Everybody at a hub goes to another one."""
        for client in (*self.tills, *self.stockrooms):
            client.hubs = [to if each is hub else each for each in client.hubs]
            for request in client.open.values():
                request.hub = to if request.hub is hub else request.hub
        for counter in self.counters:
            counter.hub = to if counter.hub is hub else counter.hub

    def fail_over(self, hub: HubNode, to: HubNode) -> None:
        """Everybody at a hub goes to the one beside it, and asks again what may be on no second machine."""
        clients = [client for client in (*self.tills, *self.stockrooms) if client.home is hub]
        self.move(hub, to)
        for client in clients:
            self.world.after(self.world.rng.randint(5, 2_000), client.hear_of_new_life)

    def begin(self) -> None:
        """The first day."""
        self.world.after(500, lambda: self.office.edit(first_entries()))

    def waiting(self) -> Iterator[str]:
        """What has not been answered."""
        for client in (*self.tills, *self.stockrooms):
            yield from (f"{key} was not answered" for key in client.open)
            yield from (f"{key} is at a hub that {client.name} does not hear" for key in client.abroad)
        for counter in self.counters:
            if counter.waiting:
                yield f"{counter.name}: {counter.waiting} messages"
        if self.office.open:
            yield f"edits of {', '.join(self.office.open)}"
