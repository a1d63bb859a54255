"""Who asks: tills and stockrooms at the hubs, people counters at the doors, head office at the cloud.

A client makes its own ids, remembers what it was told, and asks again under the same id while it does not know: no
answer in time, the hub down, 503. Not here: what they want (actions/), who judges the answers (auditors/).
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from devices.model import CounterReading
from hub.api.selling.sales import StatusRequest, post_status
from hub.replication import Seen
from hub.store import footfall
from sync.errors import SyncError
from tests.sim.goods import Entry, first_entries
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

LAN_MS = (1, 25)
PATIENCE_MS = (4_000, 8_000)
AGAIN_MS = (200, 4_000)
ROAM_PCT = 50
LOOK_MS = 5_000  # how often a till asks for what another hub of its store was the one to book
ABROAD_MS = 30_000  # by then its own hub has heard of it, or hears it from the till
CONNECTS_MS = 1_000


@dataclass(slots=True, eq=False)
class Request:
    """Something asked under an id of the client's own. A repeat has happened: it is asked until a hub takes it."""

    kind: str
    key: str
    hub: HubNode
    handle: Callable[..., Any]
    body: Any
    hubs: list[str] = field(default_factory=list)
    status: int = 0
    answer: bytes = b""
    by: str = ""  # the hub that answered
    is_repeat: bool = False
    then: Callable[[], None] | None = None


class Client:
    """A till or a stockroom."""

    def __init__(self, world: "World", name: str, hubs: list[HubNode]) -> None:
        self.world = world
        self.name = name
        self.hubs = hubs
        self.made = 0
        self.open: dict[str, Request] = {}
        self.kept: list[Request] = []  # told by its hub and not known to be on a second machine
        self.abroad: dict[str, tuple[int, Request]] = {}  # sales told by another hub, when, not known to be safe
        self.seen: dict[tuple[str, str], Seen] = {}  # of each life and stream the newest fact that it was ever answered
        self.unsaid: list[Seen] = []  # what newer answers have put in the shade since the socket broke
        self.is_connected = True

    @property
    def home(self) -> HubNode:
        """The hub that it is paired with."""
        return self.hubs[0]

    def new_id(self, kind: str) -> str:
        """Make an id."""
        self.made += 1
        return f"{kind}-{self.name}-{self.made}"

    def ask(
        self, kind: str, key: str, handle: Callable[..., Any], body: Any, *, then: Callable[[], None] | None = None
    ) -> None:
        """Ask until it is answered; `then` follows a good answer of its own hub."""
        request = Request(kind, key, self.home, handle, body, then=then)
        self.open[key] = request
        self.world.note(self.name, f"wants {key}")
        self.world.tell("asked", request)
        self._try(request)

    def ask_again(self, told: Request) -> None:
        """Ask what was answered already, as a till does whose user is nervous: a return has happened by now."""
        body = msgspec.structs.replace(told.body, offline=True) if told.kind == "return" else told.body
        again = Request(told.kind, told.key, self.home, told.handle, body, is_repeat=True)
        again.hubs = told.hubs
        self.open[f"{told.key} again"] = again
        self._try(again)

    def hear_of_new_life(self) -> None:
        """The hub has begun a new life: what may be on no second machine is asked again, in its order."""
        kept, self.kept = self.kept, []
        for request in kept:
            if f"{request.key} again" not in self.open:
                self.ask_again(request)
        self.world.tell("heard_of_new_life", self)

    def connect(self) -> None:
        """The hub has started: say what the last facts were that it answered, as the event socket does."""
        hub = self.home.hub
        if hub is not None:
            said = [each for each in (*self.unsaid, *self.seen.values()) if each.rep == self.home.rep]
            self.unsaid.clear()
            self.is_connected = True
            for seen in said:
                heard = partial(self.home.spawn, hub.replication.witness(seen), failed=partial(self._cut_off, seen))
                self.home.run(heard)

    def _cut_off(self, seen: Seen, _: SyncError) -> None:
        """The hub could not take it: the socket ends with an error, and the client comes back and says the same again."""
        self.unsaid.append(seen)
        if self.is_connected:
            self.is_connected = False
            self.world.after(self.world.rng.randint(*AGAIN_MS), self.connect)

    def remember(self, seen: Seen) -> None:
        """Be a witness of what was answered; what the hub has not been told since the socket broke is not forgotten for it."""
        life = seen.rep, seen.stream
        if life not in self.seen or self.seen[life].seq < seen.seq:
            if not self.is_connected and life in self.seen:
                self.unsaid.append(self.seen[life])
            self.seen[life] = seen

    def _keep_abroad(self, request: Request) -> None:
        """Another hub has booked it, whose fate this client does not hear of: it is safe when the own hub says so."""
        if not self.abroad:
            self.world.after(LOOK_MS, self._look_abroad)
        self.abroad[request.key] = (self.world.now_ms, request)

    def _look_abroad(self) -> None:
        """Ask the own hub for the sales that another one has booked."""
        home = self.home
        if home.hub is not None:
            wanted = StatusRequest(list(self.abroad))
            home.run(lambda: home.post(post_status, wanted, self.name, self._told_abroad))
        if self.abroad:
            self.world.after(LOOK_MS, self._look_abroad)

    def _told_abroad(self, status: int, body: bytes) -> None:
        assert status == 200, body
        for said in json.loads(body)["sales"]:
            told_ms, request = self.abroad[said["sale_id"]]
            is_due = self.world.now_ms - told_ms > ABROAD_MS and f"{request.key} again" not in self.open
            if said["safe"] or (is_due and not said["durable"]):
                del self.abroad[request.key]
            if is_due and not said["durable"]:
                self.ask_again(request)

    def _keep(self, request: Request) -> None:
        """Remember until it is safe."""
        hub = self.home.hub
        dot = json.loads(request.answer)["dot"]
        self.remember(Seen(rep=dot["rep"], seq=dot["seq"], key=request.key, stream=dot["stream"]))
        self.kept.append(request)
        if hub is not None:
            holders = hub.replication.books.holders
            held = {
                stream: max(each.get(stream, 0) for each in (holders.cloud, holders.beside)) for _, stream in self.seen
            }
            self.kept = [each for each in self.kept if not _is_safe(each, self.home.last_rep, held)]

    def _try(self, request: Request) -> None:
        world = self.world
        if request.status:
            return
        if request.kind == "sale" and request.hubs and world.options.roams and world.rng.randrange(100) < ROAM_PCT:
            request.hub = world.rng.choice(self.hubs)
        world.after(world.rng.randint(*LAN_MS), lambda: self._arrive(request, request.hub))
        world.after(world.rng.randint(*PATIENCE_MS), lambda: self._try(request))

    def _arrive(self, request: Request, hub: HubNode) -> None:
        if request.status or hub.hub is None or self._is_lost():
            return
        if hub.name not in request.hubs:
            request.hubs.append(hub.name)
        said = self._as_witness(request)
        hub.run(
            lambda: hub.post(
                request.handle, said, self.name, lambda status, body: self._told(request, hub, status, body)
            )
        )

    def _as_witness(self, request: Request) -> Any:
        """As it was made; without a socket a sale says what was answered last."""
        if self.is_connected or request.kind != "sale":
            return request.body
        return msgspec.structs.replace(request.body, seen=self.seen.get((self.home.last_rep, "sales")))

    def _told(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        world = self.world
        if self._is_lost():
            world.meet("answer lost")
            return
        delay_ms = world.rng.randint(*LAN_MS)
        if status == 503:
            world.note(self.name, f"{request.key}: {hub.name} does not know")
            world.tell("unknown", request, hub)
            world.after(world.rng.randint(*AGAIN_MS), lambda: self._try(request))
        elif request.is_repeat and status not in (200, 201):
            world.note(self.name, f"{request.key}: {hub.name} refuses what was told: {body.decode()}")
            if request.kind == "return" and body == b"sale" and hub.has_forgotten(request.body.sale_id):
                self._give_up(request, status)
        else:
            world.after(delay_ms, lambda: self._settle(request, hub, status, body))

    def _settle(self, request: Request, hub: HubNode, status: int, body: bytes) -> None:
        self.world.tell("answered", request, hub, status, body)
        if request.status:
            return
        request.status, request.answer, request.by = status, body, hub.name
        self.world.note(self.name, f"{request.key}: {status} {body.decode()}")
        self.open.pop(f"{request.key} again" if request.is_repeat else request.key, None)
        if status in (200, 201) and hub is self.home:
            self._keep(request)
        elif status in (200, 201):
            self._keep_abroad(request)
        if status in (200, 201) and not request.is_repeat:
            self.world.people.told.append(request)
            if request.kind == "sale":
                self.world.people.sold.setdefault(hub.name, []).append(request)
            if request.then is not None and hub is self.home:
                request.then()

    def _give_up(self, request: Request, status: int) -> None:
        """The sale is older than the hub keeps it: what was taken back is claimed by hand, see docs/returns.md."""
        request.status = status
        del self.open[f"{request.key} again"]
        self.world.tell("given_up", request)

    def _is_lost(self) -> bool:
        return not self.world.is_healing and self.world.rng.randrange(100) < self.world.options.lost_answer_pct


def _is_safe(request: Request, rep: str, held: dict[str, int]) -> bool:
    dot = json.loads(request.answer)["dot"]
    return bool(dot["rep"] == rep and held.get(dot["stream"], 0) >= dot["seq"])


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
