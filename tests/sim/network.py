"""The line between the shops and the cloud: connections that keep their frames in order, are slow, stall, break and linger.

    up        frames arrive in their order, each after its delay
    stalled   a partition or a one-way cut holds them back; they arrive after it, if the connection lives
    broken    what is under way is lost; each end learns of it soon, or only by its heartbeat

In a hostile run frames are also doubled, dropped, swapped and changed inside a connection: a proxy gone mad. What is
changed is what the protocol itself protects; TLS protects the rest.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from sync.batch import Batch
from sync.errors import ProtocolError
from sync.model import Feed
from sync.protocol import Ack, Frame, Packed, Pull, decode, unpacked

if TYPE_CHECKING:
    from tests.sim.talk import Talk
    from tests.sim.world import World

HEARTBEAT_MS = (20_000, 40_000)  # by then the WebSocket's ping has found a dead peer
TOLD_MS = (1, 2_000)
HOSTILE_PCT = 4  # of the frames
Way = Literal["up", "down"]
Sent = Frame | Batch | bytes


class Tampered(NamedTuple):
    """What a hostile line made of a frame; `what` is None for one that it dropped."""

    trick: str
    what: object


class HungUp:
    """The last thing in a pipe: the other end has closed."""


class Pipe:
    """One direction of a connection."""

    def __init__(self, network: "Network", shop: str, way: Way, deliver: Callable[[object], None]) -> None:
        self._network = network
        self._shop = shop
        self._way: Way = way
        self._deliver = deliver
        self._under_way: deque[tuple[int, object]] = deque()
        self._last_ms = 0
        self.is_broken = False

    def send(self, what: object) -> None:
        """Put something on its way."""
        world = self._network.world
        if self.is_broken:
            return
        delay_ms = world.rng.randint(1, 1 + self._network.way_ms_max)
        self._last_ms = max(self._last_ms, world.now_ms + delay_ms)
        self._under_way.append((self._last_ms, what))
        world.after(self._last_ms - world.now_ms, self.arrive)

    def swap(self) -> bool:
        """Let the last two frames change places."""
        if len(self._under_way) < 2:
            return False
        (early, one), (late, other) = self._under_way[-2], self._under_way[-1]
        self._under_way[-2], self._under_way[-1] = (early, other), (late, one)
        return True

    def arrive(self) -> None:
        """Deliver what is due, unless the way is cut."""
        while self._under_way and self._under_way[0][0] <= self._network.world.now_ms:
            if self._network.is_cut(self._shop, self._way):
                self._network.feel(self._shop, self._way)
                return
            self._deliver(self._under_way.popleft()[1])

    def break_(self) -> int:
        """Lose what is under way; return how many frames that were."""
        lost = len(self._under_way)
        self._under_way.clear()
        self.is_broken = True
        return lost


class Wire:
    """A connection: the shop's end `dialler`, the cloud's end `acceptor`."""

    is_http = False

    def __init__(self, network: "Network", shop: str) -> None:
        self.network = network
        self.shop = shop
        self.dialler: Talk | None = None
        self.acceptor: Talk | None = None
        self.up = Pipe(network, shop, "up", lambda what: self._arrived(self.acceptor, what))
        self.down = Pipe(network, shop, "down", lambda what: self._arrived(self.dialler, what))

    def send(self, way: Way, frame: Frame | Batch, encoded: Callable[[Frame | Batch], Sent]) -> None:
        """Send a frame; a hostile line does what it likes with it."""
        world = self.network.world
        pipe = self.up if way == "up" else self.down
        sent: list[Sent] = [encoded(frame)]
        if self.network.is_hostile and world.rng.randrange(100) < HOSTILE_PCT:
            trick = world.rng.choice(("double", "drop", "swap", "change"))
            if trick == "double":
                sent = sent * 2
            elif trick == "drop":
                sent = []
            elif trick == "change":
                sent = [encoded(_changed(frame, world.rng.randrange(1, 256)))]
            world.note(self.shop, f"{way}: {trick} {_name(frame)}")
            for each in sent:
                pipe.send(Tampered(trick, each))
            if not sent:
                pipe.send(Tampered(trick, None))
            if trick == "swap":
                pipe.swap()
            return
        for each in sent:
            pipe.send(each)

    @property
    def is_alive(self) -> bool:
        """Whether anything may still come of it."""
        return not (self.up.is_broken and self.down.is_broken)

    def close(self, way: Way, *, is_told: bool = True) -> None:
        """The end that sends this way has closed: what it sent before still arrives, nothing reaches it any more."""
        world = self.network.world
        (self.down if way == "up" else self.up).break_()
        pipe = self.up if way == "up" else self.down
        if is_told:
            pipe.send(HungUp())
        else:
            world.after(world.rng.randint(*HEARTBEAT_MS), lambda: pipe.send(HungUp()))

    def cut(self) -> None:
        """The connection breaks under way; either end may be the last to know."""
        world = self.network.world
        lost = self.up.break_() + self.down.break_()
        if lost:
            world.meet("connection cut with frames under way")
        for end in (self.dialler, self.acceptor):
            if end is not None:
                lingers = world.rng.random() < 0.3
                delay_ms = world.rng.randint(*(HEARTBEAT_MS if lingers else TOLD_MS))
                if lingers:
                    world.tried["lingering connection"] += 1
                world.after(delay_ms, end.hung_up)

    def _arrived(self, end: "Talk | None", what: object) -> None:
        if end is None or end.is_over:
            return
        if isinstance(what, Tampered):
            self.network.world.meet(f"hostile {what.trick}")
            what = what.what
            if what is None:
                return
        if isinstance(what, HungUp):
            end.hung_up()
        elif isinstance(what, bytes):
            try:
                frame = decode(what)
                end.deliver(unpacked(frame) if isinstance(frame, Packed) else frame)
            except ProtocolError as err:
                end.deliver(err)
        else:
            end.deliver(what)


class Network:
    """All connections, and which ways are cut."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.way_ms_max = world.options.way_ms_max
        self.is_hostile = world.options.is_hostile
        self.wires: list[Wire] = []
        self._cut: dict[tuple[str, Way], str] = {}

    def is_cut(self, shop: str, way: Way) -> bool:
        """Whether nothing passes this way."""
        return (shop, way) in self._cut

    def feel(self, shop: str, way: Way) -> None:
        """Something did not pass."""
        name = self._cut[shop, way]
        if not name.endswith("!"):
            self._cut[shop, way] = f"{name}!"
            self.world.meet(name)

    def close_way(self, shop: str, way: Way, name: str) -> None:
        """Cut a way; `name` is the fault that is met when something does not pass."""
        self._cut[shop, way] = name

    def open_way(self, shop: str, way: Way) -> None:
        """Let pass again: what was held back arrives."""
        self._cut.pop((shop, way), None)
        for wire in list(self.wires):
            if wire.shop == shop:
                (wire.up if way == "up" else wire.down).arrive()

    def connect(self, shop: str) -> Wire:
        """Return a new connection of a shop."""
        wire = Wire(self, shop)
        self.wires = [each for each in self.wires if each.is_alive]
        self.wires.append(wire)
        return wire

    def heal(self) -> None:
        """All ways are open and quick, nobody is mad."""
        self.is_hostile = False
        self.way_ms_max = min(self.way_ms_max, 80)
        for shop, way in list(self._cut):
            self.open_way(shop, way)


def _name(frame: Frame | Batch) -> str:
    return f"{type(frame).__name__} {getattr(frame, 'stream', '')} {getattr(frame, 'last', '')}"


def _changed(frame: Frame | Batch, noise: int) -> Frame | Batch:
    """Return a frame with something changed that its digests protect; another frame as it is."""
    if isinstance(frame, Batch) and frame.feed is Feed.LOG:
        seq, row = frame.rows[noise % len(frame.rows)]
        place = noise * 7 % len(row)
        spoilt = row[:place] + bytes([row[place] ^ 1]) + row[place + 1 :]
        return replace(frame, rows=tuple((n, spoilt if n == seq else each) for n, each in frame.rows))
    if isinstance(frame, Ack | Pull):
        return replace(frame, last=frame.last + noise)
    return frame
