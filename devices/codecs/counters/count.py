"""What a vendor's payload says of one counting line, whatever its form; the driver adds who sent it and where it hangs. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from msgspec import Struct

from devices.codecs.counters.own import AT_MS_MAX, COUNT_MAX, DELTA_MAX, SENSOR_CHARS_MAX
from devices.errors import CountError

PUSH_BYTES_MAX = 256 * 1024  # a vendor's push with a day of records; a longer one is refused unread
COUNTS_MAX = 1024  # counts of one push; a sensor has eight lines, a push after an outage a record for each quarter hour
NAME_CHARS_MAX = 64
_SECONDS_MAX = 10**11  # a number below is seconds since 1970, above milliseconds
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})(?!\d)")


class Count(Struct, frozen=True, kw_only=True):
    """Either the totals are set or the deltas, or `fault` says why the counter does not count.

    `sensor` and `line` are the device's own names, empty where it says none. `wraps_at`: totals begin again from 0 there.
    """

    sensor: str = ""
    line: str = ""
    at_ms: int | None = None
    boot: str | None = None
    in_total: int | None = None
    out_total: int | None = None
    in_delta: int | None = None
    out_delta: int | None = None
    delta_id: str | None = None
    wraps_at: int | None = None
    fault: str = ""


def json_document(payload: bytes | bytearray) -> Any:
    """Return a payload's JSON (Any: the vendor's own); raise CountError."""
    if len(payload) > PUSH_BYTES_MAX:
        raise CountError("too_long", f"more than {PUSH_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise CountError("not_json", "no JSON") from err


def whole(value: Any, *, is_delta: bool) -> int | None:
    """Return a count, None where there is none; raise CountError for what is no whole number of people. Any: JSON."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    top = DELTA_MAX if is_delta else COUNT_MAX
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= top:
        raise CountError("wrong_field", f"a count is a whole number from 0 to {top}")
    return value


def name(value: Any) -> str:
    """Return a device's own name for something, "" where there is none; raise CountError. Any: JSON."""
    said = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None
    if value is None or said == "":
        return ""
    if said is None or len(said) > NAME_CHARS_MAX or not said.isprintable():
        raise CountError("wrong_field", f"a name has 1 to {NAME_CHARS_MAX} printable characters")
    return said


def word(value: Any) -> str | None:
    """Return a boot's or delta's id: what `name` takes, in ASCII; None where there is none."""
    said = name(value)
    if not said.isascii():
        raise CountError("wrong_field", "an id has ASCII characters only")
    return said or None


def moment_ms(value: Any, *, zone: Any = None) -> int | None:
    """Return milliseconds since 1970 of a number or a text; None for a time that does not say its offset from UTC.

    `zone` is a text that names the offset, as `UTC+8:00 China Standard Time`. Raise CountError for what is no time. Any: JSON.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        at_ms = int(value * 1000 if abs(value) < _SECONDS_MAX else value) if abs(value) <= AT_MS_MAX else -1
        if not 0 <= at_ms <= AT_MS_MAX:
            raise CountError("wrong_field", "a time is beyond reason")
        return at_ms
    if not isinstance(value, str):
        raise CountError("wrong_field", "a time is a number or a text")
    try:
        at = datetime.fromisoformat(value.strip().replace("/", "-"))
        at = at if at.tzinfo is not None else at.replace(tzinfo=_offset(zone))
        return None if at.tzinfo is None else max(0, int(at.astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError) as err:
        raise CountError("wrong_field", "a time is as RFC 3339 writes it, or a number") from err


def joined(*names: str) -> str:
    """Return a sensor's name of several parts, empty ones left out; raise CountError: two that are cut may be one."""
    whole_name = ":".join(filter(None, names))
    if not 0 < len(whole_name) <= SENSOR_CHARS_MAX:
        raise CountError("sensor_name", f"sensor and line together have 1 to {SENSOR_CHARS_MAX} characters")
    return whole_name


def _offset(zone: Any) -> timezone | None:
    found = _OFFSET.search(zone) if isinstance(zone, str) else None
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes)) if minutes < 24 * 60 else None
