"""The hybrid clock: laws over whatever a wall clock, a peer or a person may do; each law finds its planted faults."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Self

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sync.clock import (
    AHEAD_MAX_MS,
    DRIFT_PPM_MAX,
    LOGICAL_MAX,
    PHYSICAL_MAX_MS,
    STEP_MAX_MS,
    TILLS_MIN,
    TIME_MAX_MS,
    TIME_MIN_MS,
    Clock,
    Contact,
    Stamp,
    Trust,
    measured,
)

NOW = 1_790_000_000_000
YEAR = 365 * 24 * 3600 * 1000
HOUR = 3600 * 1000
ME, PEER, CLOUD = "hk01:a", "hk02:b", "cloud:c"

walls = st.one_of(st.integers(NOW - HOUR, NOW + HOUR), st.integers(-60 * YEAR, 300 * YEAR))
logicals = st.one_of(st.integers(0, 3), st.integers(LOGICAL_MAX - 2, LOGICAL_MAX))


class Step(Struct, frozen=True):
    """One thing that happens to a clock, at a reading of its wall clock; `ms` is relative to its corrected time."""

    what: str
    wall_ms: int
    ms: int = 0
    logical: int = 0


steps = st.builds(
    Step,
    st.sampled_from(["now", "now", "take", "take", "contact", "confirm", "tills", "boot"]),
    walls,
    st.one_of(st.integers(-3, 3), st.integers(-HOUR, HOUR), st.integers(-3 * YEAR, 3 * YEAR)),
    logicals,
)
# a quiet wall clock as well: most writes come within one millisecond, and many while in contact
scripts = st.one_of(
    st.lists(steps, max_size=12),
    st.lists(steps.map(lambda step: replace(step, wall_ms=NOW, ms=min(step.ms, 3))), max_size=12),
)


class UnsureMoves(Clock, frozen=True):
    """The planted fault: the physical part follows a clock that nobody trusts."""

    def _advanced(self, seen: Stamp | None) -> Self:
        after = replace(self, trust=Trust.CONTACT)
        return replace(Clock._advanced(after, seen), trust=self.trust)


class FarFutureTaken(Clock, frozen=True):
    """The planted fault: whatever a peer says moves our clock."""

    def is_far_future(self, stamp: Stamp) -> bool:
        return False


class LogicalReset(Clock, frozen=True):
    """The planted fault: a physical part that stands still begins its count again."""

    def _advanced(self, seen: Stamp | None) -> Self:
        after = Clock._advanced(self, seen)
        return replace(after, logical=0) if self.trust is Trust.CONTACT else after


class LogicalWraps(Clock, frozen=True):
    """The planted fault: the count overflows without a carry."""

    def _advanced(self, seen: Stamp | None) -> Self:
        after = Clock._advanced(self, seen)
        return replace(after, physical_ms=self.physical_ms) if after.physical_ms == self.physical_ms + 1 else after


class PhysicalOnly(Clock, frozen=True):
    """The planted fault: of a received stamp the logical part is dropped."""

    def _advanced(self, seen: Stamp | None) -> Self:
        return Clock._advanced(self, seen if seen is None else replace(seen, logical=0))


class StepsBelieved(Clock, frozen=True):
    """The planted fault: a wall clock that was set is time that passed."""

    def at(self, wall_ms: int) -> Self:
        time_ms = min(max(self.time_ms + wall_ms - self.wall_ms, TIME_MIN_MS), TIME_MAX_MS)
        return replace(self, wall_ms=wall_ms, time_ms=time_ms)


class BootForgets(Clock, frozen=True):
    """The planted fault: a start begins from the time alone."""

    def booted(self, wall_ms: int, **known: object) -> Self:
        return type(self)(rep=self.rep, time_ms=self.time_ms, wall_ms=wall_ms)


class Seen(Struct, frozen=True):
    """What a run left: our stamps with the trust they were made in and the highest physical part seen before each, and takes."""

    made: list[tuple[Stamp, Trust, int]]
    taken: list[tuple[Stamp, Stamp]]
    refused: list[tuple[Clock, Clock]]


def run(kind: type[Clock], script: Sequence[Step]) -> Seen:
    clock = kind(rep=ME, time_ms=NOW, wall_ms=NOW)
    seen, highest = Seen([], [], []), 0
    for step in script:
        read = clock.at(step.wall_ms)
        there = min(max(read.time_ms + step.ms, TIME_MIN_MS), TIME_MAX_MS - 1)
        if step.what == "contact":
            clock = clock.contact(Contact(there - step.wall_ms, 40), step.wall_ms)
        elif step.what == "confirm":
            clock = clock.confirm(there, step.wall_ms)
        elif step.what == "tills":
            clock = clock.with_tills([there] * TILLS_MIN, step.wall_ms)
        elif step.what == "boot":
            clock = msgspec.json.decode(msgspec.json.encode(clock), type=kind).booted(step.wall_ms)
        elif step.what == "take":
            stamp = Stamp(there, step.logical, PEER)
            clock, is_taken = clock.receive(stamp, step.wall_ms)
            if is_taken:
                highest = max(highest, there, clock.physical_ms if read.trust is Trust.CONTACT else 0)
                clock, mine = clock.now(step.wall_ms)
                seen.taken.append((stamp, mine))
                seen.made.append((mine, clock.trust, highest))
                highest = max(highest, mine.physical_ms)
            else:
                seen.refused.append((read, clock))
        else:
            clock, mine = clock.now(step.wall_ms)
            seen.made.append((mine, clock.trust, highest))
            highest = max(highest, mine.physical_ms)
    return seen


Law = Callable[[type[Clock], Sequence[Step]], bool]


def own_stamps_increase(kind: type[Clock], script: Sequence[Step]) -> bool:
    made = [stamp for stamp, _, _ in run(kind, script).made]
    return all(earlier < later for earlier, later in pairwise(made))


def a_write_is_above_what_it_has_seen(kind: type[Clock], script: Sequence[Step]) -> bool:
    return all(mine > theirs for theirs, mine in run(kind, script).taken)


def an_unsure_stamp_stays_at_the_highest_seen(kind: type[Clock], script: Sequence[Step]) -> bool:
    """So it loses to every stamp it has not seen whose physical part is above all that it has seen. Short of a carry."""
    uncarried = [replace(step, logical=min(step.logical, 3)) for step in script]
    made = run(kind, uncarried).made
    return all(stamp.physical_ms == highest for stamp, trust, highest in made if trust is not Trust.CONTACT)


def a_far_future_stamp_moves_nothing(kind: type[Clock], script: Sequence[Step]) -> bool:
    """A refusal leaves the clock as read; in one contact nobody's word takes it further than the bound and its carries."""
    if any(read != after for read, after in run(kind, script).refused):
        return False
    clock = kind(rep=ME, wall_ms=NOW).contact(Contact(0, 0), NOW)
    for step in script:
        clock, _ = clock.receive(Stamp(min(max(NOW + step.ms, 0), PHYSICAL_MAX_MS), step.logical, PEER), NOW)
    return clock.physical_ms <= NOW + AHEAD_MAX_MS[Trust.CONTACT] + len(script)


LAWS: list[tuple[Law, list[type[Clock]]]] = [
    (own_stamps_increase, [LogicalReset, LogicalWraps, BootForgets]),
    (a_write_is_above_what_it_has_seen, [LogicalReset, PhysicalOnly, LogicalWraps]),
    (an_unsure_stamp_stays_at_the_highest_seen, [UnsureMoves]),
    (a_far_future_stamp_moves_nothing, [FarFutureTaken]),
]


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=lambda law: law.__name__)
@given(script=scripts)
def test_whatever_happens_the_law_holds(law: Law, script: list[Step]) -> None:
    assert law(Clock, script)


@pytest.mark.parametrize(
    ("law", "fault"), [(law, fault) for law, faults in LAWS for fault in faults], ids=lambda each: each.__name__
)
def test_the_law_finds_the_planted_fault(law: Law, fault: type[Clock]) -> None:
    """`find` raises when there is nothing to be found."""
    assert find(scripts, lambda script: not law(fault, script), settings=QUIET, random=random.Random(1))


QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)


class Turn(Struct, frozen=True):
    """Time passes; then one of the sure clocks is stepped, sets itself by the cloud, hears a liar, or hears another clock."""

    passes_ms: int
    who: int
    what: str
    ms: int


turns = st.lists(
    st.builds(
        Turn,
        st.integers(0, STEP_MAX_MS // 2),
        st.integers(0, 2),
        st.sampled_from(["step", "contact", "liar", "hear", "write"]),
        st.one_of(st.integers(-20 * YEAR, 20 * YEAR), st.integers(-HOUR, HOUR)),
    ),
    max_size=30,
)


def sure_clocks_stay_near_the_truth(kind: type[Clock], script: Sequence[Turn], drift_ppm: Sequence[int]) -> bool:
    """Time within `error_ms`; a stamp no further ahead than AHEAD_MAX_MS with it. Liars speak to whoever is in contact."""
    true_ms, wall_ms = NOW, [NOW - YEAR, NOW + YEAR, NOW]
    clocks = [kind(rep=f"r:{n}", wall_ms=wall).contact(Contact(NOW - wall, 0), wall) for n, wall in enumerate(wall_ms)]
    for turn in script:
        for n, wall in enumerate(wall_ms):
            wall_ms[n] = wall + turn.passes_ms
            clocks[n] = clocks[n].at(wall_ms[n])
        # a wall clock that runs fast shows more than what passed; the drift is counted in its own milliseconds
        true_ms += turn.passes_ms
        drifts = [turn.passes_ms * ppm // 1_000_000 for ppm in drift_ppm]
        for n, drifted in enumerate(drifts):
            wall_ms[n] += drifted
            clocks[n] = clocks[n].at(wall_ms[n])
        n, clock = turn.who, clocks[turn.who]
        if turn.what == "step" and abs(turn.ms) > STEP_MAX_MS:
            wall_ms[n] += turn.ms
            clock = clock.at(wall_ms[n])
        elif turn.what == "contact":
            out_ms, back_ms = abs(turn.ms) % 900, abs(turn.ms) % 70
            clock = clock.contact(_asked(true_ms, wall_ms[n], out_ms, back_ms), wall_ms[n])
        elif turn.what == "liar" and clock.trust is Trust.CONTACT:
            clock, _ = clock.receive(Stamp(max(true_ms + turn.ms, 0), 0, "liar:x"), wall_ms[n])
        elif turn.what == "hear":
            other = clocks[(n + 1) % 3]
            clock, _ = clock.receive(Stamp(other.physical_ms, other.logical, other.rep), wall_ms[n])
        elif turn.what == "write":
            clock, _ = clock.now(wall_ms[n])
        clocks[n] = clock
        if clock.trust is Trust.CONTACT:
            slack_ms = clock.error_ms + len(script)
            if abs(clock.time_ms - true_ms) > slack_ms:
                return False
            if clock.physical_ms > true_ms + AHEAD_MAX_MS[Trust.CONTACT] + slack_ms + _spread(clocks):
                return False
            if turn.what == "write" and clock.physical_ms < true_ms - slack_ms:
                return False
    return True


def _spread(clocks: Sequence[Clock]) -> int:
    return max(clock.error_ms for clock in clocks)


def _asked(true_ms: int, wall_ms: int, out_ms: int, back_ms: int) -> Contact:
    """The exchange that returns now: a peer with the true time, and a wire that is slower one way."""
    arrived_ms = true_ms - back_ms - 1
    return measured(
        sent_ms=wall_ms - back_ms - 1 - out_ms,
        arrived_ms=arrived_ms,
        answered_ms=arrived_ms + 1,
        returned_ms=wall_ms,
    )


drifts_ppm = st.tuples(*[st.integers(-DRIFT_PPM_MAX, DRIFT_PPM_MAX)] * 3)


@given(script=turns, drift_ppm=drifts_ppm)
def test_a_sure_clock_is_never_further_off_than_it_says(script: list[Turn], drift_ppm: tuple[int, ...]) -> None:
    assert sure_clocks_stay_near_the_truth(Clock, script, drift_ppm)


@pytest.mark.parametrize("fault", [StepsBelieved, FarFutureTaken])
def test_that_law_finds_a_clock_that_believes_a_step_or_a_liar(fault: type[Clock]) -> None:
    assert find(
        turns,
        lambda script: not sure_clocks_stay_near_the_truth(fault, script, (0, 0, 0)),
        settings=QUIET,
        random=random.Random(1),
    )
