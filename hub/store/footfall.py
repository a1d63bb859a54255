"""Visitors: readings of people counters become tallies by entrance and UTC quarter hour, a batch in one write job.

The rule is sync.retail.visitors.footfall; here it is fed from and written to the tables, four statements a batch whatever its
size.
"""

import json
from collections import Counter
from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.model import Replica, Stream
from sync.retail.visitors.footfall import SENSORS_MAX, Judged, Reading, Sensor, Verdict, judge
from sync.store.streams import reserve_state_seqs


class Window(Struct, frozen=True):
    """All that this hub has counted at an entrance in the quarter hour that begins at `quarter_ms`."""

    entrance: str
    quarter_ms: int
    entered: int
    exited: int


class Recorded(Struct, frozen=True):
    """What a batch did: how its readings were judged, and the windows that grew, as they are now."""

    verdicts: dict[Verdict, int]
    changed: tuple[Window, ...]


def record(tx: Connection, replica: Replica, readings: Sequence[Reading], *, now_ms: int) -> Recorded:
    """Judge readings in their order and add what they count; the sensors' last readings go with it."""
    before = _load(tx, {reading.sensor for reading in readings})
    sensors = dict(before)
    room = SENSORS_MAX - _count(tx) if any(sensor is None for sensor in before.values()) else 0
    verdicts: Counter[Verdict] = Counter()
    grown: dict[tuple[str, int], list[int]] = {}
    for reading in readings:
        known = sensors[reading.sensor]
        judged = judge(known, reading, now_ms=now_ms)
        if known is None and judged.sensor is not None:
            if room <= 0:
                verdicts[Verdict.UNKNOWN_SENSOR] += 1
                continue
            room -= 1
        sensors[reading.sensor] = judged.sensor
        verdicts[judged.verdict] += 1
        _add(grown, reading.entrance, judged)
    _save(tx, {name: sensor for name, sensor in sensors.items() if sensor is not None and sensor is not before[name]})
    return Recorded(dict(verdicts), _grow(tx, replica, grown))


def _add(grown: dict[tuple[str, int], list[int]], entrance: str, judged: Judged) -> None:
    if judged.entered or judged.exited:
        window = grown.setdefault((entrance, judged.quarter_ms), [0, 0])
        window[0] += judged.entered
        window[1] += judged.exited


def _load(tx: Connection, names: set[str]) -> dict[str, Sensor | None]:
    rows = tx.execute(
        """
        SELECT sensor, at_ms, is_at_good, boot, former_boots, in_total, out_total, delta_n, delta_bits, delta_ids
        FROM footfall_sensor WHERE sensor IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(names)),),
    )
    return dict.fromkeys(names) | {row[0]: _sensor(row[1:]) for row in rows}


def _sensor(row: Sequence[Any]) -> Sensor:
    """Any: the columns of a STRICT table, as _load names them."""
    at_ms, is_at_good, boot, former_boots, in_total, out_total, delta_n, delta_bits, delta_ids = row
    return Sensor(
        at_ms=at_ms,
        is_at_good=bool(is_at_good),
        boot=boot,
        former_boots=tuple(json.loads(former_boots)),
        in_total=in_total,
        out_total=out_total,
        delta_n=delta_n,
        delta_bits=delta_bits,
        delta_ids=tuple(json.loads(delta_ids)),
    )


def _count(tx: Connection) -> int:
    count: int = tx.execute("SELECT count(*) FROM footfall_sensor").fetchone()[0]
    return count


def _save(tx: Connection, sensors: dict[str, Sensor]) -> None:
    if not sensors:
        return
    rows = [(name, *msgspec.structs.astuple(sensor)) for name, sensor in sensors.items()]
    tx.execute(
        """
        INSERT INTO footfall_sensor
          (sensor, at_ms, is_at_good, boot, former_boots, in_total, out_total, delta_n, delta_bits, delta_ids)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value -> 4, value ->> 5, value ->> 6, value ->> 7,
          value ->> 8, value -> 9
        FROM json_each(?) WHERE TRUE
        ON CONFLICT (sensor) DO UPDATE SET
          at_ms = excluded.at_ms, is_at_good = excluded.is_at_good, boot = excluded.boot,
          former_boots = excluded.former_boots, in_total = excluded.in_total, out_total = excluded.out_total,
          delta_n = excluded.delta_n, delta_bits = excluded.delta_bits, delta_ids = excluded.delta_ids
        """,
        (json.dumps(rows),),
    )


def _grow(tx: Connection, replica: Replica, grown: dict[tuple[str, int], list[int]]) -> tuple[Window, ...]:
    if not grown:
        return ()
    first = reserve_state_seqs(tx, replica, Stream.FOOTFALL, len(grown))
    rows = tx.execute(
        """
        INSERT INTO footfall (entrance, quarter_ms, replica, entered, exited, seq)
        SELECT value ->> 0, value ->> 1, ?, value ->> 2, value ->> 3, ? + key FROM json_each(?) WHERE TRUE
        ON CONFLICT (entrance, quarter_ms, replica) DO UPDATE SET
          entered = entered + excluded.entered, exited = exited + excluded.exited, seq = excluded.seq
        RETURNING entrance, quarter_ms, entered, exited
        """,
        (replica.local_id, first, json.dumps([(*key, *window) for key, window in grown.items()])),
    ).fetchall()
    return tuple(Window(*row) for row in rows)
