"""Visitors: what a people counter's message adds to the figures. Pure. Source: the design, section 3.3 (Footfall).

A sensor sends running totals or deltas, over a wire that may repeat, reorder within what it repeats, and keep a last message.
The hub keeps each sensor's last reading; the difference goes to the entrance's UTC quarter hour. Nothing counts twice.

    said of a message                              verdict         counts
    retained by the broker                         retained        nothing (of an unknown sensor: is its baseline)
    first running total of a sensor                baseline        nothing: what was before the hub is not ours to date
    totals grew or stayed, and not older           counted         the difference
    same totals, not newer                         repeated        nothing
    totals went over the end of their range        counted         the difference, modulo `wraps_at`
    totals that wrap grew by over half of it       as if they fell they are from before the end (as in RFC 1982)
    a total fell, new boot or later time,          reset           the totals: it began again from 0
    or on a wire that brings nothing late
    a total fell without a sign of being newer     stale           nothing
    older than the last (time, or a former boot)   stale           nothing
    delta with an id not seen                      counted         the delta
    delta with an id seen                          repeated        nothing
    delta with an id far below the last one        stale, reset    nothing; or the delta, when its boot or time is newer
    delta without id                               at_least_once   the delta
    the same, redelivered as it was sent before    repeated        nothing
    any that counts, its `at` far off our clock    clock           the same, in the quarter hour of its arrival
    a sensor beyond SENSORS_MAX                    unknown_sensor  nothing (said by whoever keeps the sensors)

A boot id says that a sensor began again, not that it began from 0 before our eyes: a first total is a baseline in any case.
A sensor that sends neither `boot` nor `at` and falls stays stale until it has passed its old total: with no sign of which is
newer, counting would count twice what a publisher sends again.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from sync.kinds import Column, Entity, Keep, Kind, Measure, Priority, Shape
from sync.retail.stock.levels import Number

QUARTER_MS = 15 * 60 * 1000
AHEAD_MAX_MS = QUARTER_MS  # a clock further ahead of ours is wrong; local time sent as UTC is at least this far off
BEHIND_MAX_MS = 7 * 24 * 3600 * 1000  # what a broker or gateway kept for so long is late, not wrong
SENSORS_MAX = 4096  # sensors that a store keeps; of any further one nothing is counted
BOOTS_MAX = 8  # former boots remembered; a message of a still older one is taken for a new boot
DELTA_WINDOW = (
    62  # delta ids up to so far below the last are known one by one (as in RFC 4303, 3.4.3); fits SQLite's 63 bits
)
WRAP_SHARE = 8  # a counter that wraps has gone on by less than this share of its range, or it began again
DELTA_IDS_MAX = 256  # delta ids in words remembered, the oldest is forgotten; MQTT has no more than that in flight
DELTA_N_MAX = 2**53  # a longer number is an id in words


class Verdict(StrEnum):
    """What became of a reading; a metric's label."""

    COUNTED = "counted"
    CLOCK = "clock"
    RESET = "reset"
    AT_LEAST_ONCE = "at_least_once"
    BASELINE = "baseline"
    REPEATED = "repeated"
    RETAINED = "retained"
    STALE = "stale"
    UNKNOWN_SENSOR = "unknown_sensor"


class Reading(Protocol):
    """What a sensor said once; the fields are those of devices.model.CounterReading, which this package does not know."""

    @property
    def sensor(self) -> str: ...
    @property
    def entrance(self) -> str: ...
    @property
    def at_ms(self) -> int | None: ...
    @property
    def boot(self) -> str | None: ...
    @property
    def in_total(self) -> int | None: ...
    @property
    def out_total(self) -> int | None: ...
    @property
    def in_delta(self) -> int | None: ...
    @property
    def out_delta(self) -> int | None: ...
    @property
    def delta_id(self) -> str | None: ...
    @property
    def packet_id(self) -> int: ...
    @property
    def redelivered(self) -> bool: ...
    @property
    def retained(self) -> bool: ...
    @property
    def wraps_at(self) -> int | None: ...
    @property
    def is_in_order(self) -> bool: ...


class Sensor(Struct, frozen=True):
    """What is kept of a sensor. Bit n of `delta_bits` says that the id `delta_n` - n was seen."""

    at_ms: int | None = None
    is_at_good: bool = False
    boot: str | None = None
    former_boots: tuple[str, ...] = ()
    in_total: int | None = None
    out_total: int | None = None
    delta_n: int | None = None
    delta_bits: int = 0
    delta_ids: tuple[str, ...] = ()


class Judged(Struct, frozen=True):
    """A verdict; the sensor after it (the same object when nothing changed); who came and left in `quarter_ms`."""

    verdict: Verdict
    sensor: Sensor | None
    quarter_ms: int = 0
    entered: int = 0
    exited: int = 0


def judge(sensor: Sensor | None, reading: Reading, *, now_ms: int) -> Judged:
    """Return what a reading adds to a sensor's figures, at `now_ms` of the hub's clock."""
    if reading.retained:
        return Judged(Verdict.RETAINED, _baseline(reading, now_ms) if sensor is None else sensor)
    if sensor is not None and reading.boot in sensor.former_boots:
        return Judged(Verdict.STALE, sensor)
    judged = (
        _judge_totals(sensor, reading, now_ms)
        if reading.in_total is not None
        else _judge_delta(sensor, reading, now_ms)
    )
    if judged.verdict is Verdict.COUNTED and reading.at_ms is not None and not _is_good(reading.at_ms, now_ms):
        return replace(judged, verdict=Verdict.CLOCK)
    return judged


def quarter_of(at_ms: int) -> int:
    """Return the beginning of the UTC quarter hour of a moment."""
    return at_ms - at_ms % QUARTER_MS


def _judge_totals(sensor: Sensor | None, reading: Reading, now_ms: int) -> Judged:
    entered, exited = reading.in_total or 0, reading.out_total or 0
    if sensor is None or sensor.in_total is None or sensor.out_total is None:
        return Judged(Verdict.BASELINE, _told(sensor or Sensor(), reading, now_ms, in_total=entered, out_total=exited))
    is_new_boot = _is_new_boot(sensor, reading)
    if not is_new_boot and _is_older(sensor, reading, now_ms):
        return Judged(Verdict.STALE, sensor)
    has_fallen = entered < sensor.in_total or exited < sensor.out_total
    if reading.wraps_at is not None and not is_new_boot:
        came = (entered - sensor.in_total) % reading.wraps_at, (exited - sensor.out_total) % reading.wraps_at
        if has_fallen and max(came) < reading.wraps_at // WRAP_SHARE:
            after = _told(sensor, reading, now_ms, in_total=entered, out_total=exited)
            return Judged(Verdict.COUNTED, after, _quarter(reading, now_ms), *came)
        has_fallen = has_fallen or max(came) > reading.wraps_at // 2
    is_newer = is_new_boot or _is_newer(sensor, reading, now_ms) or (has_fallen and reading.is_in_order)
    if has_fallen and not is_newer:
        return Judged(Verdict.STALE, sensor)
    after = _told(sensor, reading, now_ms, in_total=entered, out_total=exited)
    if has_fallen:
        return Judged(Verdict.RESET, after, _quarter(reading, now_ms), entered, exited)
    entered, exited = entered - sensor.in_total, exited - sensor.out_total
    if entered or exited:
        return Judged(Verdict.COUNTED, after, _quarter(reading, now_ms), entered, exited)
    if is_new_boot:
        return Judged(Verdict.COUNTED, after)
    # nobody came: what is kept stays as it is, so that a silent night writes nothing to the card
    return Judged(Verdict.COUNTED if is_newer else Verdict.REPEATED, sensor)


def _judge_delta(sensor: Sensor | None, reading: Reading, now_ms: int) -> Judged:
    known = sensor or Sensor()
    is_new_boot = _is_new_boot(known, reading)
    if is_new_boot:
        known = replace(known, delta_n=None, delta_bits=0, delta_ids=())
    counts = Verdict.COUNTED
    words = reading.delta_id
    if words is None:
        counts, words = Verdict.AT_LEAST_ONCE, _packet_words(reading)
        is_seen = reading.redelivered and words in known.delta_ids
        after = _with_words(known, words)
    elif (n := _number(words)) is None:
        is_seen = words in known.delta_ids
        after = _with_words(known, words)
    else:
        place = 0 if known.delta_n is None else known.delta_n - n
        if place > DELTA_WINDOW:
            if not _is_newer(known, reading, now_ms):
                return Judged(Verdict.STALE, sensor)
            counts, known = Verdict.RESET, replace(known, delta_n=None)
        is_seen = place >= 0 and bool(known.delta_bits >> place & 1)
        after = _with_number(known, n)
    if is_seen:
        return Judged(Verdict.REPEATED, sensor)
    after = _told(after, reading, now_ms)
    return Judged(counts, after, _quarter(reading, now_ms), reading.in_delta or 0, reading.out_delta or 0)


def _baseline(reading: Reading, now_ms: int) -> Sensor | None:
    """A retained delta says nothing: its id comes again if it was not delivered."""
    if reading.in_total is None:
        return None
    return _told(Sensor(), reading, now_ms, in_total=reading.in_total, out_total=reading.out_total or 0)


def _told(
    sensor: Sensor, reading: Reading, now_ms: int, *, in_total: int | None = None, out_total: int | None = None
) -> Sensor:
    """Return the sensor with what the reading says of time, life and totals."""
    at_ms, is_at_good = sensor.at_ms, sensor.is_at_good
    if reading.at_ms is not None and (in_total is not None or at_ms is None or reading.at_ms > at_ms):
        at_ms, is_at_good = reading.at_ms, _is_good(reading.at_ms, now_ms)
    former = sensor.former_boots
    if _is_new_boot(sensor, reading) and sensor.boot is not None:
        former = (*former, sensor.boot)[-BOOTS_MAX:]
    return Sensor(
        at_ms=at_ms,
        is_at_good=is_at_good,
        boot=reading.boot or sensor.boot,
        former_boots=former,
        in_total=sensor.in_total if in_total is None else in_total,
        out_total=sensor.out_total if out_total is None else out_total,
        delta_n=sensor.delta_n,
        delta_bits=sensor.delta_bits,
        delta_ids=sensor.delta_ids,
    )


def _is_new_boot(sensor: Sensor, reading: Reading) -> bool:
    return reading.boot is not None and sensor.boot is not None and reading.boot != sensor.boot


def _is_older(sensor: Sensor, reading: Reading, now_ms: int) -> bool:
    """A good time after one that was far off is not older: one wrong message must not silence a sensor."""
    if reading.at_ms is None or sensor.at_ms is None or reading.at_ms >= sensor.at_ms:
        return False
    return sensor.is_at_good or not _is_good(reading.at_ms, now_ms)


def _is_newer(sensor: Sensor, reading: Reading, now_ms: int) -> bool:
    """The sensor's clock is compared with itself; a time far off is no proof against one that was good."""
    if reading.at_ms is None or sensor.at_ms is None or reading.at_ms <= sensor.at_ms:
        return False
    return not sensor.is_at_good or _is_good(reading.at_ms, now_ms)


def _is_good(at_ms: int, now_ms: int) -> bool:
    return -BEHIND_MAX_MS <= at_ms - now_ms <= AHEAD_MAX_MS


def _quarter(reading: Reading, now_ms: int) -> int:
    at_ms = reading.at_ms
    return quarter_of(at_ms if at_ms is not None and _is_good(at_ms, now_ms) else now_ms)


def _number(words: str) -> int | None:
    """Whole numbers are ids in a row; `0042` and longer ones are words."""
    if not words.isascii() or not words.isdigit() or len(words) > 16:
        return None
    n = int(words)
    return n if str(n) == words and n <= DELTA_N_MAX else None


def _with_number(sensor: Sensor, n: int) -> Sensor:
    if sensor.delta_n is None:
        return replace(sensor, delta_n=n, delta_bits=1)
    ahead = n - sensor.delta_n
    if ahead <= 0:
        return replace(sensor, delta_bits=sensor.delta_bits | 1 << -ahead)
    kept = sensor.delta_bits << ahead & (1 << DELTA_WINDOW + 1) - 1 if ahead <= DELTA_WINDOW else 0
    return replace(sensor, delta_n=n, delta_bits=kept | 1)


def _with_words(sensor: Sensor, words: str) -> Sensor:
    return replace(sensor, delta_ids=(*sensor.delta_ids, words)[-DELTA_IDS_MAX:])


def _packet_words(reading: Reading) -> str:
    """A delta without an id: what a redelivery repeats is its packet id and its content. MQTT 3.1.1, 4.3.2 and 4.4."""
    return f"\t{reading.packet_id}:{reading.at_ms}:{reading.in_delta}:{reading.out_delta}"


def total(judged: Iterable[Judged]) -> tuple[int, int]:
    """Return how many came and how many left by these verdicts."""
    entered = exited = 0
    for each in judged:
        entered, exited = entered + each.entered, exited + each.exited
    return entered, exited


class FootfallRow(Struct, frozen=True, kw_only=True, rename={"entered": "in", "exited": "out"}):
    """A window as it is shipped: a tally, the larger one of the same writer stands."""

    v: int = 1
    entrance: str
    quarter: datetime
    entered: Number
    exited: Number


FOOTFALL = Entity(
    name="footfall",
    stream="footfall",
    kind=Kind.TALLY,
    table="footfall",
    row=FootfallRow,
    doc="Who came and left by an entrance in a UTC quarter hour, by who counted.",
    key=(
        Column("entrance", path="entrance"),
        Column("quarter_ms", "INTEGER", path="quarter", shape=Shape.UTC_MS, is_indexed=True),
    ),
    numbers=(Column("entered", "INTEGER", path="in"), Column("exited", "INTEGER", path="out")),
    dated="quarter",
    keep=Keep(days=1100, is_telemetry=True),
    measure=Measure(),
    priority=Priority.TELEMETRY,
)
