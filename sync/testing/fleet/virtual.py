"""Many stores and one cloud on virtual time: the sessions, the frames and the cloud's jobs are real, lines and clocks are not.

The cloud is one worker. Whatever it does takes as long on virtual time as it took processor time here, and while it works others
wait; jobs that wait meanwhile share a commit, as in sync.db. What the stores do takes no time. The file is real, but nobody
waits for its disk.

Not here: what a shop writes (sync.testing.fleet.shop), what is made of the figures (sync.testing.fleet.figures).
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count

from sync.actions import Effect, End, Opened, Role, Send
from sync.books import Books
from sync.cloud.config import CloudConfig
from sync.cloud.databases import begin_file
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.store import CloudBooks
from sync.cloud.talk.line import Connection
from sync.cloud.web.http import Cloud
from sync.connections import connect_writer
from sync.line.link import DEBOUNCE_S, Conversation
from sync.protocol import Packed, decode, unpacked
from sync.testing.fleet.shop import Shop
from sync.testing.sim_database import SimDatabase, drive, run_now

TICK_MS = 1000.0  # while something waits for its ack
FOLD_MS = 2000.0
STARTED_MS = 1_790_000_000_000
LATENCY_MS = (10.0, 120.0)  # one way, of a shop's line
Action = Callable[[], None]


class Fleet:
    """The cloud's file and its worker. `busy_s` is what the worker has worked, `wire_bytes` what the stores have sent."""

    def __init__(self, config: CloudConfig) -> None:
        self.now_ms = float(STARTED_MS)
        self.busy_s = 0.0
        self.wire_bytes = 0
        self._busy_to_ms = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._work: deque[Action] = deque()
        self._is_working = False
        self._numbers = count()
        begin_file(config.database)
        self._connection = connect_writer(config.database, MIGRATIONS, "off")
        self.db = SimDatabase(self._connection, later=self._later)
        self.cloud = self._opened(config)
        self._is_looked_at = True
        on_rows = self.cloud.books.on_rows

        def look_soon(store: str) -> None:
            on_rows(store)
            if self._is_looked_at:
                self._is_looked_at = False
                self.work_at(self.now_ms, self._look)

        self.cloud.books.on_rows = look_soon

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def wall_ms(self) -> int:
        """What the clocks of all say."""
        return int(self.now_ms)

    def at(self, at_ms: float, action: Action) -> None:
        """Call something at a moment of virtual time."""
        heapq.heappush(self._due, (at_ms, next(self._numbers), action))

    def work_at(self, at_ms: float, action: Action) -> None:
        """Let the cloud's worker do something as soon as it can; it takes as long as it takes here."""
        self.at(at_ms, partial(self._queue, action))

    def run(self, until_ms: float, *, is_done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(_VirtualTime(self))  # type: ignore[arg-type]  # all that a conversation asks of it
        try:
            while self._due and self._due[0][0] <= until_ms and not is_done():
                at_ms, _, action = heapq.heappop(self._due)
                self.now_ms = max(self.now_ms, at_ms)
                action()
        finally:
            asyncio._set_running_loop(before)

    def _queue(self, action: Action) -> None:
        self._work.append(action)
        if not self._is_working:
            self._is_working = True
            self._next_work()

    def _next_work(self) -> None:
        if not self._work:
            self._is_working = False
            return
        began_s = time.process_time()
        self._work.popleft()()
        took_s = time.process_time() - began_s
        self.busy_s += took_s
        self._busy_to_ms = self.now_ms + took_s * 1000
        self.at(self._busy_to_ms, self._next_work)

    def _later(self, in_s: float, action: Action) -> None:
        self.work_at(self.now_ms + in_s * 1000, action)

    def done_at_ms(self) -> float:
        """When what the worker does now is done, as far as it has gone."""
        return max(self.now_ms, self._busy_to_ms)

    def _look(self) -> None:
        self._is_looked_at = True
        drive(self.cloud.contact.look(), done=lambda _: None, failed=lambda _: None)

    def _opened(self, config: CloudConfig) -> Cloud:
        inline = SimDatabase(self._connection)  # at the start everything happens at once
        opened = run_now(open_cloud(config, inline, now_ms=self.wall_ms))
        opened.books.db = self.db
        self.db.on_group = inline.on_group
        return opened


class _VirtualTime:
    """What a conversation asks of its loop: the time."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def time(self) -> float:
        """See asyncio."""
        return self._fleet.now_ms / 1000


class Side:
    """One end of a line: the product's session, its effects carried out one after the other."""

    def __init__(
        self,
        fleet: Fleet,
        role: Role,
        books: Books,
        send: Callable[[bytes], None],
        *,
        on_open: Callable[[Opened], None],
    ) -> None:
        self._fleet = fleet
        self._send = send
        self._conversation = Conversation(role, books, now_ms=fleet.wall_ms, on_open=on_open)
        self._session = self._conversation._session
        self._effects: deque[Effect] = deque()
        self._is_busy = False
        self.end: End | None = None

    def begin(self) -> None:
        """Say hello, or wait for one."""
        self._do(self._session.start(self._fleet.wall_ms(), wall_ms=self._fleet.wall_ms()))

    def hear(self, message: bytes) -> None:
        """A message has come."""
        frame = decode(message)
        heard = unpacked(frame) if isinstance(frame, Packed) else frame
        if self.end is None:
            self._do(self._session.receive(heard, self._fleet.wall_ms(), wall_ms=self._fleet.wall_ms()))

    def grown(self) -> None:
        """Own streams have grown."""
        if self.end is None:
            self._do(self._session.changed(self._fleet.wall_ms()))

    def tick(self) -> None:
        """Time has passed."""
        if self.end is None:
            self._do(self._session.tick(self._fleet.wall_ms()))

    @property
    def waits(self) -> bool:
        """Whether something was sent and is not acknowledged, or was put off."""
        return self.end is None and not self._session._sending.is_at_rest

    def _do(self, effects: list[Effect]) -> None:
        self._effects.extend(effects)
        while self._effects and not self._is_busy and self.end is None:
            effect = self._effects.popleft()
            if isinstance(effect, End):
                self.end = effect
            elif isinstance(effect, Send):
                self._send(self._conversation._encoded(effect.frame))
            else:
                self._is_busy = True
                carried_out = self._conversation._carry_out(effect, None)  # type: ignore[arg-type]  # only Send asks for the wire
                drive(carried_out, done=self._go_on, failed=self._fail)

    def _go_on(self, effects: list[Effect]) -> None:
        self._is_busy = False
        self._do(effects)

    def _fail(self, err: Exception) -> None:
        self.end = End("failed", str(err))
        self._is_busy = False


class Store:
    """A shop and its line to the cloud, which may be cut for a while."""

    def __init__(self, fleet: Fleet, shop: Shop) -> None:
        self.fleet = fleet
        self.shop = shop
        shop.clock = lambda: fleet.now_ms - self.latency_ms  # at an ack: when the cloud had committed
        self.latency_ms = shop.rng.uniform(*LATENCY_MS)
        self.hub: Side | None = None
        self.contacts = 0
        self._has_grown = self._is_ticking = False
        self._cut: Action = lambda: None

    def connect(self) -> None:
        """Dial; as a newer connection of the same hub it takes the place of the older one."""
        fleet, self.contacts = self.fleet, self.contacts + 1
        hub: Side
        cloud: Side

        def up(message: bytes) -> None:
            fleet.wire_bytes += len(message)
            fleet.work_at(fleet.now_ms + self.latency_ms, partial(cloud.hear, message))

        def down(message: bytes) -> None:
            fleet.at(fleet.done_at_ms() + self.latency_ms, partial(hub.hear, message))

        def greeted(opened: Opened) -> None:
            fleet.cloud.line.greeted(connection, opened.peer_rep)

        def cut() -> None:
            if cloud.end is not None:
                return
            hub.end = cloud.end = End("hung_up", is_ours=False)
            fleet.cloud.line.leave(connection)

        hub = Side(fleet, "dialler", self.shop, up, on_open=lambda _: None)
        cloud = Side(fleet, "acceptor", CloudBooks(fleet.cloud.books, self.shop.store), down, on_open=greeted)
        connection = Connection(
            self.shop.store, cut, partial(fleet.work_at, fleet.now_ms, cloud.grown), fleet.wall_ms()
        )
        self.hub, self._cut = hub, cut
        fleet.work_at(fleet.now_ms, partial(self._accept, cloud, connection))
        hub.begin()

    def hang_up(self) -> None:
        """The line is gone; the shop sells on."""
        if self.hub is not None and self.hub.end is None:
            self._cut()

    def sell_one(self) -> None:
        """Make a sale now."""
        self.shop.sell(self.fleet.now_ms, is_up=self.hub is not None and self.hub.end is None)
        if not self._has_grown:
            self._has_grown = True
            self.fleet.at(self.fleet.now_ms + DEBOUNCE_S * 1000, self._tell)
            self.fleet.at(self.fleet.now_ms + FOLD_MS, self._fold)

    def _accept(self, cloud: Side, connection: Connection) -> None:
        self.fleet.cloud.line.enter(connection)
        cloud.begin()

    def _fold(self) -> None:
        if self.shop.fold():
            self._tell()

    def _tell(self) -> None:
        self._has_grown = False
        if self.hub is not None:
            self.hub.grown()
            if not self._is_ticking:
                self._is_ticking = True
                self.fleet.at(self.fleet.now_ms + TICK_MS, self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        if self.hub is None or self.hub.end is not None:
            return
        self.hub.tick()
        if self.hub.waits or not self.shop.is_safe:
            self._is_ticking = True
            self.fleet.at(self.fleet.now_ms + TICK_MS, self._tick)
