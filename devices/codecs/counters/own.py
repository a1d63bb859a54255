"""People counter payloads: JSON bytes to readings. Pure; docs/mqtt.md is the contract for whoever builds a sensor.

    running totals   {"in": 1042, "out": 1017, "at": 1790000000000, "boot": "7f3a"}
    deltas           {"in_delta": 2, "out_delta": 0, "id": 318, "at": "2026-11-21T09:00:00Z"}
    deltas           {"in": 2, "out": 0, "id": 318, "at": 1790000000000}    an `id` without `boot` names what came since

One of in/out (or of the deltas) may be missing and is then 0. `at` is the sensor's clock, milliseconds since 1970 or RFC 3339;
`boot` is anything that differs after each start; `id` names a delta: whole numbers that grow, or text. `boot`
and a text `id` have 1 to 64 printable ASCII characters. Other fields are the sensor's own and are not read.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from devices.errors import CountError
from devices.model import CounterReading

PAYLOAD_BYTES_MAX = 4096  # a longer payload is refused unread
COUNT_MAX = 10**12  # beyond any door; far enough below 2**63 that sums cannot overflow
DELTA_MAX = 100_000  # people between two messages; a larger delta is noise
AT_MS_MAX = 2**53
SENSOR_CHARS_MAX = 64

_Total = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
_Delta = Annotated[int, Meta(ge=0, le=DELTA_MAX)]
_Name = Annotated[str, Meta(pattern=r"^[ -~]{1,64}\Z")] | Annotated[int, Meta(ge=0, le=AT_MS_MAX)]


class _Payload(Struct, frozen=True):
    """All that is read of a payload."""

    in_: _Total | None = msgspec.field(default=None, name="in")
    out: _Total | None = None
    in_delta: _Delta | None = None
    out_delta: _Delta | None = None
    id: _Name | None = None
    at: Annotated[int, Meta(ge=0, le=AT_MS_MAX)] | Annotated[datetime, Meta(tz=True)] | None = None
    boot: _Name | None = None


_DECODER = msgspec.json.Decoder(_Payload)


def parse_reading(
    payload: bytes | bytearray,
    *,
    sensor: str,
    entrance: str,
    packet_id: int = 0,
    redelivered: bool = False,
    retained: bool = False,
) -> CounterReading:
    """Return what a counter said; raise CountError with a reason. Whether it counts is not decided here."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise CountError("too_long", f"more than {PAYLOAD_BYTES_MAX} bytes")
    try:
        said = _DECODER.decode(payload)
    except msgspec.ValidationError as err:
        raise CountError("wrong_field", str(err)) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise CountError("not_json", "no JSON object") from err
    said = _as_named_delta(said)
    has_totals = said.in_ is not None or said.out is not None
    has_deltas = said.in_delta is not None or said.out_delta is not None
    if has_totals == has_deltas:
        raise CountError("no_count", "either in and out, or in_delta and out_delta")
    return CounterReading(
        sensor=sensor,
        entrance=entrance,
        at_ms=_milliseconds(said.at),
        boot=None if said.boot is None else str(said.boot),
        in_total=(said.in_ or 0) if has_totals else None,
        out_total=(said.out or 0) if has_totals else None,
        in_delta=(said.in_delta or 0) if has_deltas else None,
        out_delta=(said.out_delta or 0) if has_deltas else None,
        delta_id=None if said.id is None else str(said.id),
        packet_id=packet_id,
        redelivered=redelivered,
        retained=retained,
    )


def _as_named_delta(said: _Payload) -> _Payload:
    """Counts under an `id` are what came since the last message: totals need no name, and have their `boot`."""
    counts = (said.in_, said.out)
    if said.id is None or said.boot is not None or counts == (None, None):
        return said
    if max(count or 0 for count in counts) > DELTA_MAX:
        raise CountError("wrong_field", f"`id` names a delta, of at most {DELTA_MAX}; totals have no `id`")
    if (said.in_delta, said.out_delta) != (None, None):
        return said
    return msgspec.structs.replace(said, in_=None, out=None, in_delta=said.in_, out_delta=said.out)


def is_sensor_name(name: str) -> bool:
    """Say whether a topic's device level may name a sensor: 1 to 64 printable characters, no space at the ends."""
    return 0 < len(name) <= SENSOR_CHARS_MAX and name.isprintable() and name == name.strip()


def _milliseconds(at: int | datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if isinstance(at, datetime) else at
