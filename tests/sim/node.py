"""A machine: its disk, its clock, its lives. What dies with it and what does not.

    up ──crash, power cut──▶ down ──after a drawn time──▶ start ──▶ up      what was committed is there, nothing else

Not here: what it is for (hub_node, cloud_node).
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from sync.errors import SyncError
from sync.testing.sim_database import Crash, SimDatabase, drive
from tests.sim.disk import Disk, new_file
from tests.sim.sim_loop import SimLoop
from tests.sim.versions import Program, use

if TYPE_CHECKING:
    from tests.sim.world import World

T = TypeVar("T")
DOWN_MS = (50, 20_000)
SLOW_MS = 500


class Node:
    """One machine. A subclass opens what runs on it in `open` and lets go of it in `gone`."""

    kind = ""
    migrations = ""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.disk = Disk(new_file(self.migrations))
        self.life = 0
        self.is_up = False
        self.is_retired = False
        self.offset_ms = 0.0
        self.drift_ppm = 0.0
        self.boots = 1  # of the machine: its uptime begins anew; a program that starts again alone is no boot
        self.booted_ms = 0
        self.commit_ms_max = world.options.commit_ms_max
        self.log: Counter[str] = Counter()
        self.seen_failpoints: dict[str, int] = {}
        self._armed: tuple[str, int] | None = None
        self._loop: SimLoop | None = None
        self.program: Program | None = None  # where versions differ

    def wall_ms(self) -> int:
        """What the clock on this machine's wall says."""
        from tests.sim.world import EPOCH_MS

        now_ms = self.world.now_ms
        return max(0, round(EPOCH_MS + self.offset_ms + now_ms * (1 + self.drift_ppm / 1e6)))

    def told_ms(self) -> int:
        """What this machine tells others of the time."""
        return self.wall_ms()

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Do something later, unless this life has ended by then."""
        life = self.life
        self.world.after(delay_ms, lambda: self.run(action) if self.is_up and self.life == life else None)

    def run(self, action: Callable[[], None]) -> None:
        """Let the machine do something now; it may die of it."""
        before, self.world.running = self.world.running, self
        if self.program is not None:
            use(self.program)
        try:
            action()
        except Crash as crash:
            self.log["crash"] += 1
            self.world.meet(f"crash at {crash.where}")
            self.die(crash.where)
        finally:
            self.world.running = before
            if before is not None and before.program is not None:
                use(before.program)

    def spawn(
        self,
        coroutine: Coroutine[Any, Any, T],
        *,
        done: Callable[[T], None] = lambda _: None,
        failed: Callable[[SyncError], None] = lambda _: None,
    ) -> None:
        """Run a coroutine of the product."""

        def on_failed(err: SyncError) -> None:
            self.log[err.code] += 1
            failed(err)

        drive(coroutine, done=done, failed=on_failed)

    def start(self) -> None:
        """Switch on; what the disk refuses is tried again, as the service manager does."""
        assert not self.is_up
        self.life += 1
        self.is_up = True
        self.disk.settle()
        self.world.note(self.name, f"starts, life {self.life}")
        self.run(self._open)

    def die(self, why: str) -> None:
        """Lose everything but what is committed; start again after a while."""
        self.world.note(self.name, f"dies: {why}")
        self.is_up = False
        self.life += 1
        self._armed = None
        self.disk.settle()
        self.gone()
        if self._loop is not None:
            self.world.after(0, self._loop.abandon)  # it may be one of its tasks that died here
            self._loop = None
        life = self.life
        again_ms = self.world.rng.randint(*DOWN_MS)
        self.world.after(again_ms, lambda: self.start() if self.life == life and not self.is_retired else None)

    def become(self, image: bytes) -> None:
        """Die, and have another file at the next start: a backup, or another machine's card."""
        self.die("gets another file")
        self.disk = Disk(image)

    def arm(self, failpoint: str, *, nth: int) -> None:
        """Die when this failpoint is hit for the nth time from now."""
        self._armed = (failpoint, nth)

    @property
    def loop(self) -> SimLoop:
        """The event loop of this life."""
        if self._loop is None:
            self._loop = SimLoop(self)
        return self._loop

    def end(self) -> None:
        """The run is over."""
        if self._loop is not None:
            self._loop.abandon()

    def disarm(self) -> None:
        """No more traps."""
        self._armed = None
        self.disk.connection.before = None
        self.disk.free()

    def on_failpoint(self, name: str) -> None:
        """The product passes a named moment."""
        self.seen_failpoints[name] = self.seen_failpoints.get(name, 0) + 1
        if self._armed is None or self._armed[0] != name:
            return
        nth = self._armed[1] - 1
        self._armed = (name, nth) if nth else None
        if not nth:
            raise Crash(name)

    def database(self) -> SimDatabase:
        """Open the database of this life; commits take their time."""
        life = self.life

        def later(delay_s: float, action: Callable[[], None]) -> None:
            if self.life == life:
                self.after(delay_s * 1000, action)

        db = SimDatabase(self.disk.connection, later=later, commit_s=self._commit_s)
        db.make_room = self.disk.give
        return db

    def open(self) -> Coroutine[Any, Any, None]:
        """Start what runs here."""
        raise AssertionError("a machine runs something")

    def gone(self) -> None:
        """Let go of what was running."""

    def _open(self) -> None:
        self.spawn(self.open(), failed=lambda err: self.die(f"does not start: {err.code}"))

    def _commit_s(self) -> float:
        delay_ms = self.world.rng.randint(0, self.commit_ms_max)
        if delay_ms >= SLOW_MS:
            self.world.meet("slow card")
        return delay_ms / 1000
