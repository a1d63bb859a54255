"""Who asks a hub: a till or a stockroom. It makes its own ids, and asks again under the same id while it does not know.

It remembers what it was told. It does not know: no answer in time, the hub down, 503. Not here: what it wants (actions/), who
judges the answers (auditors/).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from hub.api.selling.sales import StatusRequest, post_status
from hub.replication import Seen
from sync.errors import SyncError
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

LAN_MS = (1, 25)
PATIENCE_MS = (4_000, 8_000)
AGAIN_MS = (200, 4_000)
ROAM_PCT = 50
LOOK_MS = 5_000  # how often a till asks for what another hub of its store was the one to book
ABROAD_MS = 30_000  # by then its own hub has heard of it, or hears it from the till


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
        world.tell("said", request, hub, status, body)
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
