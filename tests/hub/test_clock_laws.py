"""Laws of the hub's clock over whatever machine, cloud, tills and people may do; each law finds its planted faults."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from hub.clock import HubClock, start_clock
from hub.store.replica.clock import SavedClock, Stamped
from sync.batch import START, batch_of
from sync.clock import AHEAD_MAX_MS, STEP_MAX_MS, TIME_MAX_MS, TIME_MIN_MS, Stamp
from sync.errors import RuleError
from sync.merge import Cell
from sync.model import Feed
from sync.retail.people.members import MemberRow
from tests.hub.clock_world import HOUR, MINUTE, NOW, YEAR, Machine

ME, PEER = "hk01:a", "hk01:ffffffffffffffff"
WHATS = ("passes", "turned", "contact", "ntp", "confirm", "till", "hear", "stamp", "sell", "restart", "boot", "save")


class Step(Struct, frozen=True):
    """One thing that happens; `ms` is what that thing needs."""

    what: str
    ms: int


some_ms = st.one_of(st.integers(0, 20 * MINUTE), st.integers(-HOUR, HOUR), st.integers(-60 * YEAR, 300 * YEAR))
scripts = st.lists(st.builds(Step, st.sampled_from(WHATS), some_ms), max_size=30)
SET_BY_SOMEBODY = {"contact", "confirm", "ntp"}


class Course:
    """What a hub with this kind of clock does, with its row and its last commit kept as on a card."""

    def __init__(self, kind: type[HubClock]) -> None:
        self.kind = kind
        self.machine = Machine()
        self.row: SavedClock | None = None
        self.last_commit_ms = 0
        self.true_ms = NOW
        self.seq = 0
        self.clock = self._start()

    def _start(self) -> HubClock:
        clock = start_clock(self.machine.clock, self.row, rep=ME, last_commit_ms=self.last_commit_ms)
        clock.__class__ = self.kind
        clock.on_set = lambda: self.keep(clock.saved())
        return clock

    def keep(self, saved: SavedClock | None) -> None:
        """The row never takes a stamp back, as its statement says."""
        if saved is not None and (self.row is None or saved.clock.highest >= self.row.clock.highest):
            self.row = saved

    def hear(self, ms: int) -> Stamp:
        self.seq += 1
        stamp = Stamp(min(max(0, self.clock.corrected_ms() + ms), TIME_MAX_MS), 0, PEER)
        row = msgspec.json.encode(MemberRow(key="m", cells={"name": Cell("x", stamp)}))
        self.keep(self.clock.take(batch_of(PEER, "members", Feed.STATE, START, [(self.seq, row)])))
        return stamp

    def do(self, step: Step) -> Any:
        """Return the stamp that was made or heard, the time of a sale, or nothing."""
        if step.what == "passes":
            self.machine.passes(abs(step.ms) % (STEP_MAX_MS // 2))
        elif step.what == "turned":
            self.machine.wall_ms += step.ms
        elif step.what == "contact":
            self.clock.cloud_said(step.ms)
        elif step.what == "ntp":
            self.machine.is_synchronous = not self.machine.is_synchronous
            self.clock.tick()
        elif step.what == "confirm":
            try:
                self.clock.confirm(self.clock.corrected_ms() + step.ms)
            except RuleError as err:
                assert err.code == "clock_range"
        elif step.what == "till":
            self.clock.till_shows(f"t{step.ms % 5}", self.clock.corrected_ms() + step.ms)
        elif step.what == "save":
            self.keep(self.clock.saved())
        elif step.what in ("restart", "boot"):
            if step.what == "boot":
                self.machine.boot(self.machine.wall_ms + step.ms)
            self.clock = self._start()
        return self._written(step)

    def _written(self, step: Step) -> Any:
        if step.what == "hear":
            return self.hear(step.ms)
        if step.what == "stamp":
            stamped = self.clock.stamp()
            self.keep(stamped.saved)
            return stamped.stamp
        if step.what == "sell":
            self.last_commit_ms = self.clock.now_ms()
            return self.last_commit_ms
        return None


def no_sale_goes_back_unless_somebody_set_the_clock(kind: type[HubClock], script: list[Step]) -> bool:
    """Within a life of the program, and over its restarts too; who sets it by less than STEP_MAX_MS turns nothing back."""
    course, before_ms, may_go_back = Course(kind), 0, False
    for step in script:
        by_ntp = course.machine.is_synchronous
        written = course.do(step)
        is_set = step.what in SET_BY_SOMEBODY or by_ntp or course.machine.is_synchronous
        may_go_back = may_go_back or (is_set and course.clock.corrected_ms() < before_ms - STEP_MAX_MS)
        if step.what == "sell":
            if written < before_ms and not may_go_back:
                return False
            before_ms, may_go_back = written, False
    return True


def stamps_grow_over_kills_and_over_what_was_seen(kind: type[HubClock], script: list[Step]) -> bool:
    """Own stamps are larger than all own ones before, and than those heard within the bound; the others move nothing."""
    course, highest = Course(kind), Stamp(0, 0, ME)
    for step in script:
        read_ms, trust = course.clock.corrected_ms(), course.clock._clock.trust
        written = course.do(step)
        if step.what == "stamp":
            if written <= highest:
                return False
            highest = written
        elif step.what == "hear":
            bound_ms = read_ms + AHEAD_MAX_MS[trust]
            if written.physical_ms <= bound_ms:
                highest = max(highest, written)
            elif course.clock._clock.physical_ms > max(highest.physical_ms, bound_ms) + 1:
                return False
    return True


def nothing_leaves_the_years(kind: type[HubClock], script: list[Step]) -> bool:
    """Whatever a wall clock shows: a time that a calendar can hold, and a view of it."""
    course = Course(kind)
    for step in script:
        course.do(step)
        if not TIME_MIN_MS <= course.clock.now_ms() <= TIME_MAX_MS:
            return False
        assert msgspec.json.encode(course.clock.view)
    return True


class NoFloor(HubClock):
    """Follows every correction back."""

    def now_ms(self) -> int:
        return self.corrected_ms()


class NotSaved(HubClock):
    """Keeps no clock with what it stamps."""

    def stamp(self) -> Stamped:
        before = super().saved()
        return Stamped(super().stamp().stamp, before)


class NotSeen(HubClock):
    """Looks at no peer's stamps."""

    def take(self, batch: Any) -> None:
        return None


class WallIsTime(HubClock):
    """Believes the machine whatever it shows."""

    def now_ms(self) -> int:
        return self._machine.wall_ms()

    def corrected_ms(self) -> int:
        return self._machine.wall_ms()


class FarFutureTaken(HubClock):
    """Takes every stamp for seen."""

    def take(self, batch: Any) -> SavedClock | None:
        self._read()
        row = msgspec.json.decode(batch.rows[0][1], type=MemberRow)
        self._clock = self._clock._advanced(row.cells["name"].stamp)
        return self.saved()


Law = Callable[[type[HubClock], list[Step]], bool]
LAWS: list[tuple[Law, list[type[HubClock]]]] = [
    (no_sale_goes_back_unless_somebody_set_the_clock, [NoFloor, WallIsTime]),
    (stamps_grow_over_kills_and_over_what_was_seen, [NotSaved, NotSeen, FarFutureTaken]),
    (nothing_leaves_the_years, [WallIsTime]),
]
QUIET = settings(max_examples=20_000, phases=[Phase.generate], database=None, deadline=None)


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=lambda law: law.__name__)
@given(script=scripts)
@settings(deadline=None)
def test_whatever_happens_the_law_holds(law: Law, script: list[Step]) -> None:
    assert law(HubClock, script)


@pytest.mark.parametrize(
    ("law", "fault"), [(law, fault) for law, faults in LAWS for fault in faults], ids=lambda each: each.__name__
)
def test_the_law_finds_the_planted_fault(law: Law, fault: type[HubClock]) -> None:
    """`find` raises when there is nothing to be found."""
    assert find(scripts, lambda script: not law(fault, script), settings=QUIET, random=random.Random(1))
