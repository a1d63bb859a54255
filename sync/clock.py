"""The clock of a replica: corrected time with how far it may be trusted, and the stamps of a hybrid logical clock (HLC).

A clock never orders facts, frees a right or decides ownership. Stamps order the fields of SHARED registers, and nothing else.

    trust      since                                              windows        physical part of our stamps
    UNSURE     boot, or a step of the wall clock                  with a grace   frozen at the highest seen; `logical` counts
    CONFIRMED  a person confirmed the date                        sharp          frozen: a mistyped year is no stamp
    CONTACT    the cloud answered, or NTP says it is synchronous  sharp          moves with the corrected time

    unsure time    max(saved, last commit, median of the tills' clocks), and what the wall clock has gone since
    far future     a stamp more than AHEAD_MAX_MS[trust] ahead of the corrected time: it never moves our clock and is named;
                   the cloud writes its own stamp in its place on arrival (`restamped`), and names what it replaced

Why an unsure clock is not simply made to lose: "sure beats unsure" either forgets causality (an edit made in full sight of a sure
one would lose to it), or, with an exception for what was seen, goes in circles: tests/sync/test_clock.py finds the circle.
The state is a value: save it in the transaction of the writes that it stamped. Pure: the wall clock is passed in, in ms since
1970 UTC; call `at` at least every STEP_MAX_MS / 2, or silence looks like a step. A hub that slept so long asks the cloud again.
Source: Kulkarni et al., "Logical physical clocks" (2014); RFC 5905, section 8 (the four stamps); the design, section 3.2.
"""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from sync.errors import RuleError

TIME_MIN_MS = 1_577_836_800_000  # 2020-01-01; a clock that shows less was never set
TIME_MAX_MS = 7_258_118_400_000  # 2200-01-01; no clock in a shop shows more, and time stops there
PHYSICAL_MAX_MS = 2**43 - 1  # the year 2248: room for carries above TIME_MAX_MS
LOGICAL_MAX = 2**24 - 1  # beyond it one millisecond is carried: nobody writes 16 million times in a millisecond
STEP_MAX_MS = 10 * 60 * 1000  # a wall clock that moved more between two readings was set: unsure until the next contact
DRIFT_PPM_MAX = 200  # a cheap quartz, warm; 17 s a day without a contact
GRACE_MAX_MS = 3 * 24 * 3600 * 1000  # the longest grace that a window may declare
TILLS_MIN = 3  # fewer clocks have no median that outvotes a liar: they are not asked
REP_CHARS_MAX = 128
_TEXT = re.compile(r"([0-9a-f]{11})([0-9a-f]{6})([^\x00-\x1f\x7f]+)")


class Trust(IntEnum):
    """How far the corrected time may be trusted."""

    UNSURE = 0
    CONFIRMED = 1
    CONTACT = 2


AHEAD_MAX_MS = {Trust.UNSURE: 7 * 24 * 3600 * 1000, Trust.CONFIRMED: 24 * 3600 * 1000, Trust.CONTACT: 5 * 60 * 1000}
"""A stamp further ahead is far-future. Unsure: a week switched off; confirmed: the right day, perhaps the wrong hour."""


class Stamp(Struct, frozen=True, order=True, array_like=True):
    """When a field was written, in the order of causality; ties end with the writer. On the wire: [physical, logical, rep]."""

    physical_ms: int
    logical: int
    rep: str

    def __post_init__(self) -> None:
        if not 0 <= self.physical_ms <= PHYSICAL_MAX_MS:
            raise ValueError(f"stamp: {self.physical_ms} ms is no time before the year 2248")
        if not 0 <= self.logical <= LOGICAL_MAX:
            raise ValueError(f"stamp: logical part {self.logical} is not within 0 to {LOGICAL_MAX}")
        if not 1 <= len(self.rep) <= REP_CHARS_MAX:
            raise ValueError(f"stamp: a writer of {len(self.rep)} characters")

    @property
    def text(self) -> str:
        """Sorts as the stamp does: 11 hex digits, 6 hex digits, the writer."""
        return f"{self.physical_ms:011x}{self.logical:06x}{self.rep}"


class Contact(Struct, frozen=True):
    """What the four stamps of an exchange say: the peer's clock less ours, and how long the wire took both ways."""

    offset_ms: int
    round_trip_ms: int


class Clock(Struct, frozen=True, kw_only=True):
    """The state of one replica's clock at its last reading. Every method returns the next state; nothing is changed."""

    rep: str
    physical_ms: int = 0
    logical: int = 0
    time_ms: int = TIME_MIN_MS
    wall_ms: int = 0
    trust: Trust = Trust.UNSURE
    contact_ms: int = TIME_MIN_MS
    slack_ms: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether windows are read sharply, as of the last reading."""
        return self.trust is not Trust.UNSURE

    @property
    def highest(self) -> tuple[int, int]:
        """The highest physical part seen, and the logical part counted at it."""
        return self.physical_ms, self.logical

    @property
    def error_ms(self) -> int:
        """How far the time of a CONTACT may be off: half the round trip, and drift since. Of any other trust nothing is known."""
        return self.slack_ms + 1 + max(0, self.time_ms - self.contact_ms) * DRIFT_PPM_MAX // 1_000_000

    def booted(
        self, wall_ms: int, *, last_commit_ms: int = 0, tills_ms: Iterable[int] = (), highest: Stamp | None = None
    ) -> Self:
        """Return the unsure clock of a program that starts from this saved one.

        `highest` is the largest stamp in the store, for a saved state that is older than the last write.
        """
        time_ms = max(self.time_ms, last_commit_ms, median_of_tills(tills_ms) or 0)
        top = self.highest if highest is None else max(self.highest, (highest.physical_ms, highest.logical))
        return type(self)(
            rep=self.rep, physical_ms=top[0], logical=top[1], time_ms=_within_years(time_ms), wall_ms=wall_ms
        )

    def at(self, wall_ms: int) -> Self:
        """Return the clock read: time goes on as the wall clock went; a step is no time passed, and leaves us unsure."""
        went_ms = wall_ms - self.wall_ms
        if abs(went_ms) > STEP_MAX_MS:
            return replace(self, wall_ms=wall_ms, trust=Trust.UNSURE)
        return replace(self, wall_ms=wall_ms, time_ms=_within_years(self.time_ms + went_ms))

    def corrected_ms(self, wall_ms: int) -> int:
        """Return the corrected time; whether it is sure, `at(wall_ms).is_sure` says."""
        return self.at(wall_ms).time_ms

    def contact(self, measured: Contact, wall_ms: int) -> Self:
        """Return the clock set by a peer that knows the time; raise RuleError (clock_range) for a year that cannot be."""
        return self._set(wall_ms + measured.offset_ms, wall_ms, Trust.CONTACT, measured.round_trip_ms // 2)

    def confirm(self, time_ms: int, wall_ms: int) -> Self:
        """Return the clock as a person confirmed it; a contact stays in force. RuleError (clock_range) as for `contact`."""
        read = self.at(wall_ms)
        return read if read.trust is Trust.CONTACT else self._set(time_ms, wall_ms, Trust.CONFIRMED, 0)

    def with_tills(self, tills_ms: Iterable[int], wall_ms: int) -> Self:
        """Return an unsure clock moved up to the median of what the tills' clocks show now; any other only read."""
        read = self.at(wall_ms)
        median_ms = median_of_tills(tills_ms)
        if read.is_sure or median_ms is None:
            return read
        return replace(read, time_ms=max(read.time_ms, median_ms))

    def now(self, wall_ms: int) -> tuple[Self, Stamp]:
        """Return the clock and the stamp of a write: larger than every stamp that this replica made or took."""
        after = self.at(wall_ms)._advanced(None)
        return after, Stamp(after.physical_ms, after.logical, after.rep)

    def receive(self, stamp: Stamp, wall_ms: int) -> tuple[Self, bool]:
        """Return the clock having seen a stamp, and whether it took it: a far-future stamp is not taken, the caller names it."""
        read = self.at(wall_ms)
        if read.is_far_future(stamp):
            return read, False
        return read._advanced(stamp), True

    def restamped(self, stamp: Stamp, wall_ms: int) -> tuple[Self, Stamp | None]:
        """Return the cloud's clock and its own stamp for one that arrives from the far future, None for one that may stay."""
        after, is_taken = self.receive(stamp, wall_ms)
        return (after, None) if is_taken else after.now(wall_ms)

    def is_far_future(self, stamp: Stamp) -> bool:
        """Say whether a stamp is further ahead of the last reading than this trust allows."""
        return stamp.physical_ms > self.time_ms + AHEAD_MAX_MS[self.trust]

    def _set(self, time_ms: int, wall_ms: int, trust: Trust, slack_ms: int) -> Self:
        if not TIME_MIN_MS <= time_ms < TIME_MAX_MS:
            raise RuleError("clock_range", "", f"{time_ms} ms is before 2020 or after 2199: set that clock")
        return replace(self, wall_ms=wall_ms, time_ms=time_ms, trust=trust, contact_ms=time_ms, slack_ms=slack_ms)

    def _advanced(self, seen: Stamp | None) -> Self:
        """Kulkarni's cases are one maximum: a physical part that is ahead alone begins at 0, any other counts on."""
        candidates = [(self.physical_ms, self.logical + 1)]
        if seen is not None:
            candidates.append((seen.physical_ms, seen.logical + 1))
        if self.trust is Trust.CONTACT:
            candidates.append((self.time_ms, 0))
        physical_ms, logical = max(candidates)
        if logical > LOGICAL_MAX:
            physical_ms, logical = physical_ms + 1, 0
        return replace(self, physical_ms=physical_ms, logical=logical)


def measured(*, sent_ms: int, arrived_ms: int, answered_ms: int, returned_ms: int) -> Contact:
    """Return NTP's offset and delay: `sent` and `returned` by our wall clock, the other two by the peer's. RFC 5905, 8."""
    offset_ms = ((arrived_ms - sent_ms) + (answered_ms - returned_ms)) // 2
    return Contact(offset_ms, max(0, (returned_ms - sent_ms) - (answered_ms - arrived_ms)))


def median_of_tills(tills_ms: Iterable[int]) -> int | None:
    """Return the lower median of the clocks that were ever set, None of fewer than TILLS_MIN.

    Of n clocks fewer than n / 2 may lie as they like: the median stays between two honest ones. Three bear one liar, five two.
    """
    told = sorted(till_ms for till_ms in tills_ms if TIME_MIN_MS <= till_ms < TIME_MAX_MS)
    return told[(len(told) - 1) // 2] if len(told) >= TILLS_MIN else None


def is_open(opens_ms: int, closes_ms: int, time_ms: int, *, is_sure: bool, grace_ms: int) -> bool:
    """Say whether a window [opens, closes) is open; an unsure time has the declared grace (GRACE_MAX_MS at most) at both ends."""
    grace_ms = 0 if is_sure else min(grace_ms, GRACE_MAX_MS)
    return opens_ms - grace_ms <= time_ms < closes_ms + grace_ms


def effective(stamp: Stamp, restamps: Mapping[Stamp, Stamp]) -> Stamp:
    """Return the stamp that counts: the cloud's, where it replaced this one. Whoever merges compares these."""
    return restamps.get(stamp, stamp)


def read_stamp(text: str) -> Stamp:
    """Return the stamp of its text; raise RuleError (stamp) for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise RuleError("stamp", "", f"{text[:40]!r}: 17 hex digits and a writer")
    try:
        return Stamp(int(match[1], 16), int(match[2], 16), match[3])
    except ValueError as err:
        raise RuleError("stamp", "", str(err)) from err


def _within_years(time_ms: int) -> int:
    return min(max(time_ms, TIME_MIN_MS), TIME_MAX_MS)
