"""Where beacons are: a state machine for each, fed with what receivers hear and when. Pure; time is passed in, never back.

    a receiver hears a beacon at    the median of its last SAMPLES strengths, none of them older than SAMPLE_AGE_MS
    a beacon is heard best by       the strongest receiver; the one of its zone, unless another is HANDOVER_DB stronger
    it is heard in                  that receiver's narrowest zone whose `enter_dbm` it reaches (of its own: `leave_dbm`), or none

    state      what is heard                                 next       what is told
    nowhere    one zone for `enter_ms`                       that zone  entered; the stay begins when it was first heard there
    a zone     another zone for `enter_ms`                   that zone  left and entered; the stay ended when it was last not away
    a zone     anything but this zone for `leave_ms`         nowhere    left; the same
    any        nothing for `gone_ms`                         forgotten  left; the stay ended when the beacon was last heard
    any        TRACKS_MAX others, this one the longest ago   forgotten  the same
    a zone     this zone, and the stay is `cut_ms` long      the same   a stay that goes on; the next one begins where it ends

So a stay lasts `enter_ms` at least, stays of one beacon never overlap, and a `tick` changes nothing but how soon a leave is told.
Not here: radio, what a beacon is, and whose.
"""

from collections import OrderedDict, deque
from statistics import median_low
from typing import TypeAlias

from msgspec import Struct

SAMPLES = 5  # a fade or a reflection is one or two advertisements long
SAMPLE_AGE_MS = 10_000  # what was heard longer ago is about another place: a person walks ten metres in it
HANDOVER_DB = 4  # two receivers that hear a beacon alike do not pass it to and fro
TRACKS_MAX = 4096  # beacons whose place is known; of a further one, that heard longest ago is forgotten
REFERENCE_DBM = -59  # the power at 1 m that strengths are levelled to: what most beacons are set to
POWERS_DBM = range(-100, -29)  # what a beacon may say of its power; others are wrong, or 0 for unknown


class Zone(Struct, frozen=True):
    """What is near a receiver: heard at `enter_dbm` or stronger, until it is weaker than `leave_dbm`."""

    name: str
    receiver: str
    enter_dbm: int
    leave_dbm: int


class Rules(Struct, frozen=True):
    """Zones, and how long something must hold before it is believed."""

    zones: tuple[Zone, ...]
    enter_ms: int = 3_000
    leave_ms: int = 10_000
    gone_ms: int = 30_000
    cut_ms: int = 900_000


class Moved(Struct, frozen=True):
    """A beacon left a zone, entered one, or both."""

    beacon: str
    left: str | None
    entered: str | None


class Stay(Struct, frozen=True):
    """A beacon was in a zone, by the caller's time; `goes_on`: another one begins where this one ends."""

    beacon: str
    zone: str
    begun_ms: int
    ended_ms: int
    goes_on: bool = False


Told: TypeAlias = Moved | Stay


class _Track:
    """What is known of one beacon. `away_ms`: since when it is not heard in its zone; `near`: where else, and since when."""

    __slots__ = ("away_ms", "begun_ms", "heard_ms", "near", "near_ms", "samples", "zone")

    def __init__(self, now_ms: int) -> None:
        self.samples: dict[str, deque[tuple[int, int]]] = {}
        self.zone: str | None = None
        self.begun_ms = self.heard_ms = self.near_ms = now_ms
        self.away_ms: int | None = None
        self.near: str | None = None


class Zones:
    """All beacons that are heard."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._tracks: OrderedDict[str, _Track] = OrderedDict()  # heard longest ago first
        self._receiver_of = {zone.name: zone.receiver for zone in rules.zones}
        self._by_receiver: dict[str, list[Zone]] = {}
        for zone in sorted(rules.zones, key=lambda zone: -zone.enter_dbm):
            self._by_receiver.setdefault(zone.receiver, []).append(zone)

    def __len__(self) -> int:
        return len(self._tracks)

    def hear(self, beacon: str, receiver: str, dbm: int, now_ms: int) -> list[Told]:
        """Take one advertisement; return what it makes known."""
        told: list[Told] = []
        track = self._tracks.get(beacon)
        if track is not None and now_ms - track.heard_ms >= self._rules.gone_ms:
            told += self._forget(beacon)
            track = None
        if track is None:
            if len(self._tracks) >= TRACKS_MAX:
                told += self._forget(next(iter(self._tracks)))
            track = self._tracks[beacon] = _Track(now_ms)
        self._tracks.move_to_end(beacon)
        track.heard_ms = now_ms
        track.samples.setdefault(receiver, deque(maxlen=SAMPLES)).append((now_ms, dbm))
        return told + self._judge(beacon, track, self._place(track, now_ms), now_ms)

    def tick(self, now_ms: int) -> list[Told]:
        """Forget beacons that are silent by now; return what they left."""
        told: list[Told] = []
        while self._tracks:
            beacon, track = next(iter(self._tracks.items()))
            if now_ms - track.heard_ms < self._rules.gone_ms:
                break
            told += self._forget(beacon)
        return told

    def close(self) -> list[Told]:
        """Forget everybody: nobody listens any more."""
        return [told for beacon in tuple(self._tracks) for told in self._forget(beacon)]

    def _place(self, track: _Track, now_ms: int) -> str | None:
        strengths = {}
        for receiver, samples in track.samples.items():
            fresh = [dbm for at_ms, dbm in samples if now_ms - at_ms <= SAMPLE_AGE_MS]
            if fresh:
                strengths[receiver] = median_low(fresh)
        best = max(strengths, key=strengths.__getitem__)
        own = self._receiver_of.get(track.zone or "")
        if own in strengths and strengths[best] < strengths[own] + HANDOVER_DB:
            best = own
        for zone in self._by_receiver.get(best, ()):
            if strengths[best] >= (zone.leave_dbm if zone.name == track.zone else zone.enter_dbm):
                return zone.name
        return None

    def _judge(self, beacon: str, track: _Track, place: str | None, now_ms: int) -> list[Told]:
        rules = self._rules
        if place == track.zone:
            track.away_ms = track.near = None
            if place is not None and now_ms - track.begun_ms >= rules.cut_ms:
                begun_ms, track.begun_ms = track.begun_ms, now_ms
                return [Stay(beacon, place, begun_ms, now_ms, goes_on=True)]
            return []
        if track.away_ms is None:
            track.away_ms = now_ms
        if place != track.near:
            track.near, track.near_ms = place, now_ms
        if place is not None and now_ms - track.near_ms >= rules.enter_ms:
            return self._move(beacon, track, place)
        if track.zone is not None and now_ms - track.away_ms >= rules.leave_ms:
            return self._move(beacon, track, None)
        return []

    def _move(self, beacon: str, track: _Track, entered: str | None) -> list[Told]:
        assert track.away_ms is not None
        told = _left(beacon, track, track.away_ms, entered)
        track.zone, track.begun_ms = entered, track.near_ms
        if entered is not None:
            track.away_ms = track.near = None
        return told

    def _forget(self, beacon: str) -> list[Told]:
        track = self._tracks.pop(beacon)
        return _left(beacon, track, track.heard_ms if track.away_ms is None else track.away_ms, None)


def levelled(rssi_dbm: int, power_dbm: int) -> int:
    """Return how strong a beacon would be heard if it sent at REFERENCE_DBM; as it is where its power is unknown or absurd."""
    return rssi_dbm - power_dbm + REFERENCE_DBM if power_dbm in POWERS_DBM else rssi_dbm


def _left(beacon: str, track: _Track, ended_ms: int, entered: str | None) -> list[Told]:
    if track.zone is None:
        return [Moved(beacon, None, entered)] if entered is not None else []
    return [Moved(beacon, track.zone, entered), Stay(beacon, track.zone, track.begun_ms, ended_ms)]
