"""The simulated world: virtual time, one source of chance, who hears of what, and the course of a run.

    build -> operations and faults until all are done -> heal: every fault is taken back -> quiescence -> the auditors' end

Everything that happens is an event of one queue; the same seed gives the same events in any process. What can be done, what can
go wrong and who judges are one file each in actions/, faults/ and auditors/.
"""

import heapq
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hub import sums, upkeep
from hub.store.upkeep import retention as hub_retention
from sync import failpoints
from sync.cloud.arrivals import openings
from sync.line import link
from sync.store import retention
from tests.sim import plugins, versions
from tests.sim.beside import Beside
from tests.sim.cloud_node import CloudNode
from tests.sim.hub_node import UPKEEP_MS, HubNode
from tests.sim.network import Network
from tests.sim.node import Node
from tests.sim.options import Options, draw
from tests.sim.people import People
from tests.sim.samples import Samples
from tests.sim.turns import Turns
from tests.sim.web_shop import WebShop

EPOCH_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
LOOK_EVERY_MS = 2_000
KEEP_MS = 40_000  # of a fact, where hubs prune
RECOVERY_MS = 10_000
LATE_MS = 2 * KEEP_MS
_kept_for = retention.keep_days
OPERATION_MS = (20, 1_400)  # between two operations


class Broken(Exception):  # noqa: N818 - what an auditor says
    """The product did not keep a promise."""


class World:
    """One run."""

    def __init__(self, options: Options, *, write: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.rng = random.Random(options.seed)
        self.now_ms = 0
        self.is_healing = False
        self.met: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._write = write
        self._digest = blake2b(digest_size=8)
        self._undo: list[Callable[[], None]] = []
        self._left = options.operations
        self.running: Node | None = None
        self.seen_failpoints: dict[str, Node] = {}
        self.network = Network(self)
        self.cloud = CloudNode(self)
        modes = [*options.modes, *["realtime"] * options.hubs]
        self.hubs = [HubNode(self, f"hub{n}", _store_of(n), modes[n]) for n in range(options.hubs)]
        self.beside = Beside(self, self.hubs[1], self.hubs[0]) if options.has_standby else None
        self.people = People(self)
        self.samples = Samples(self)
        self.auditors: list[Any] = [kind(self) for kind in plugins.auditors()]
        self._hear: dict[str, list[Callable[..., None]]] = {}

    @property
    def nodes(self) -> list[Node]:
        """All machines."""
        return [self.cloud, *self.hubs]

    @property
    def digest(self) -> str:
        """What happened, in eight bytes."""
        return self._digest.hexdigest()

    @property
    def is_forked(self) -> bool:
        """Whether a file was copied or a hub left yet: until then every promise holds that holds without forks."""
        return any(self.tried[name] for name, is_fork in plugins.fault_kinds() if is_fork)

    @cached_property
    def web_shop(self) -> WebShop:
        """Head office's, opened when it is first asked for."""
        return WebShop(self)

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._queue, (self.now_ms + max(0, round(delay_ms)), self._count, action))

    def tell(self, event: str, *said: Any) -> None:
        """Let every auditor hear who has a method `on_<event>`."""
        listeners = self._hear.get(event)
        if listeners is None:
            name = f"on_{event}"
            listeners = [
                getattr(auditor, name)
                for auditor in (self.people, self.samples, self.beside, *self.auditors)
                if hasattr(auditor, name)
            ]
            self._hear[event] = listeners
        for listener in listeners:
            listener(*said)

    def note(self, who: str, what: str) -> None:
        """Write into the trace."""
        line = f"{self.now_ms:>9} {who:<8} {what}"
        self._digest.update(line.encode())
        if self._write is not None:
            self._write(line)

    def meet(self, fault: str) -> None:
        """A victim's log shows a fault's effect."""
        self.met[fault] += 1
        self.note("fault", f"met {fault}")

    def until_healed(self, undo: Callable[[], None], *, ms: tuple[int, int]) -> None:
        """Take a fault back after a drawn time, or when the run is over."""

        def once() -> None:
            if undo in self._undo:
                self._undo.remove(undo)
                undo()

        self._undo.append(undo)
        self.after(self.rng.randint(*ms), once)

    def copy_ages_ms(self) -> tuple[int, int]:
        """How old a copy of the cloud's disk is: where hubs prune, within the window in which they keep what it held.

        By a clock that jumps ahead the window of two of their days is over after one.
        """
        return (2_000, UPKEEP_MS if self.options.prunes else 60_000)

    def run(self) -> None:
        """Run to the end; raise Broken when a promise was not kept."""
        with self._patched():
            if self.options.has_versions:
                versions.begin(self)
            late = self.hubs[1] if self.options.joins_late else None
            for node in self.nodes:
                self.after(LATE_MS, node.start) if node is late else node.start()
            self.people.begin()
            self.after(0, self._operate)
            self.after(self.options.fault_every_ms, self._fault)
            self._until(lambda: self._left <= 0)
            self._heal()
            for auditor in self.auditors:
                for problem in auditor.check():
                    raise Broken(f"{type(auditor).__module__.rpartition('.')[2]}: {problem}")

    def to_fork(self) -> HubNode:
        """Draw a hub whose card is copied: not the one that keeps another's copies, or what was safe would be with nobody."""
        spared = None if self.beside is None else self.beside.follower
        return self.rng.choice([each for each in self.hubs if not each.is_retired and each is not spared])

    def unsettled(self) -> Iterator[str]:
        """What is still on its way."""
        yield from self.people.waiting()
        for hub in self.hubs:
            yield from hub.unsettled(self.cloud)
        if self.beside is not None:
            yield from self.beside.unsettled()

    def _operate(self) -> None:
        if self.is_healing:
            return
        if plugins.act(self):
            self._left -= 1
        self.after(self.rng.randint(*OPERATION_MS), self._operate)

    def _fault(self) -> None:
        if self.is_healing:
            return
        plugins.strike(self)
        self.after(self.rng.randint(1, 2 * self.options.fault_every_ms), self._fault)

    def _heal(self) -> None:
        self.is_healing = True
        self.note("world", "heals")
        while self._undo:
            self._undo.pop()()
        for node in self.nodes:
            node.disarm()
        self.network.heal()
        self._settle()
        if self.cloud.give_up_orphans([hub.rep for hub in self.hubs if not hub.is_retired]):
            self._settle()
        self.note("world", "is quiet")

    def _settle(self) -> None:
        """Go on until nothing waits anywhere."""
        minutes = self.options.heal_minutes
        deadline_ms, look_ms = self.now_ms + minutes * 60_000, self.now_ms
        quiet = 0
        while quiet < 2:  # twice, with time between: a fold or an ack may be about to begin something new
            look_ms += LOOK_EVERY_MS
            self._until(partial(self._is_past, look_ms))
            waits = list(self.unsettled())
            quiet = 0 if waits else quiet + 1
            if waits and self.now_ms > deadline_ms:
                raise Broken(f"not settled {minutes} minutes after the last fault: {'; '.join(waits[:5])}")

    def _is_past(self, at_ms: int) -> bool:
        return self.now_ms >= at_ms

    def _until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            self.now_ms, _, action = heapq.heappop(self._queue)
            action()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        """Failpoints are ours, and what the product would draw by itself comes from the seed."""
        with ExitStack() as stack:
            stack.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.CRITICAL)  # what it says is known; saying it takes a third of the time
            stack.enter_context(patch.object(failpoints, "hit", self._on_failpoint))
            stack.callback(versions.use, versions.today())
            stack.callback(lambda: [node.end() for node in self.nodes])
            stack.enter_context(patch.object(link, "_steady_ms", lambda: self.now_ms))
            stack.enter_context(patch.object(secrets, "token_hex", lambda count: self.rng.randbytes(count).hex()))
            for module in (openings, sums):
                stack.enter_context(patch.object(module, "asyncio", SimpleNamespace(sleep=_no_pause, Lock=Turns)))
            stack.enter_context(patch.object(openings, "DAYS_SEEN", 0 if self.options.prunes else openings.DAYS_SEEN))
            if self.options.prunes:
                stack.enter_context(patch.object(upkeep, "asyncio", SimpleNamespace(sleep=_no_pause)))
                stack.enter_context(patch.object(upkeep, "AGES_MS_MAX", 2 * UPKEEP_MS))
                stack.enter_context(patch.object(retention, "keep_days", _keep_days))
                for module in (retention, hub_retention):
                    stack.enter_context(patch.object(module, "RECOVERY_DAYS", RECOVERY_MS / retention.DAY_MS))
            yield

    def _on_failpoint(self, name: str) -> None:
        if self.running is not None:
            self.running.on_failpoint(name)


async def _no_pause(_seconds: float) -> None:
    """Between two steps of a long task."""


def _keep_days(stream: str) -> float | None:
    """What is kept for days is kept for seconds."""
    return KEEP_MS / retention.DAY_MS if _kept_for(stream) is not None else None


def _store_of(n: int) -> str:
    return "shop-a" if n < 2 else f"shop-{chr(ord('a') + n - 1)}"


def build(seed: int, *, given: dict[str, str] | None = None, write: Callable[[str], None] | None = None) -> World:
    """Return the world of a seed."""
    return World(draw(seed, plugins.fault_kinds(), given or {}), write=write)
