"""The forms of counters' payloads by name: what an option `format` may say. Pure.

A vendor's JSON is a mapping (devices.codecs.counters.mapping), written here once. Where a device sends totals and intervals of
the same people there are two names, and each reads one of them: nobody is counted twice. Not here: who sent it, on which wire.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from devices.codecs.counters import hikvision, lorawan
from devices.codecs.counters.count import Count, json_document
from devices.codecs.counters.mapping import Mapping, read
from devices.codecs.counters.uplinks import uplink

Decode = Callable[[bytes | bytearray], list[Count]]

_MILESIGHT = Mapping(
    each="/line_total_data/*",
    sensor="/device_info/device_sn",
    line="line_name",
    in_="total/in_counted",
    out="total/out_counted",
    at="/time_info/end_time",
    zone="/time_info/time_zone",
    is_optional=True,
)
_MILESIGHT_INTERVAL = Mapping(
    each="/line_periodic_data/*",
    sensor="/device_info/device_sn",
    line="line_name",
    in_="total/in",
    out="total/out",
    counts="deltas",
    at="/time_info/end_time",
    zone="/time_info/time_zone",
    id=("/time_info/start_time", "/time_info/end_time"),
    is_optional=True,
)
_XOVIS = Mapping(
    each="/logics_data/logics/*/records/*",
    sensor="/logics_data/sensor_info/serial_number",
    line="../../name",
    in_="counts/name=fw/value",
    out="counts/name=bw/value",
    counts="deltas",
    at="to",
    id=("from", "to"),
    is_optional=True,
)
_AXIS = Mapping(
    each="/data/measurements/*",
    sensor="/sensor/serial",
    in_="items/direction=in/count",
    out="items/direction=out/count",
    counts="deltas",
    at="utcTo",
    id=("utcFrom", "utcTo"),
    only="kind",
    is_="people-counts",
    is_optional=True,
)
_AXIS_LIVE = Mapping(sensor="/serial", in_="total_in", out="total_out", at="timestamp")


class Format(Struct, frozen=True):
    """One form. `document` is where it is written; `evidence` as of a driver."""

    decode: Decode
    document: str
    evidence: str = "from data sheet"


def mapped(mapping: Mapping) -> Decode:
    """Return the decoder of a mapping."""

    def decode(payload: bytes | bytearray) -> list[Count]:
        return read(mapping, json_document(payload))

    return decode


def _xovis(payload: bytes | bytearray) -> list[Count]:
    """A push has one envelope or a list of them. An interval runs to `to`, the quarter hour it counts in is that before."""
    said = json_document(payload)
    counts = [count for each in (said if isinstance(said, list) else [said]) for count in read(_XOVIS, each)]
    return [_before(count) for count in counts]


def _before(count: Count) -> Count:
    """An interval's people came before its end: at a full quarter hour they are the one's that ended."""
    return count if count.at_ms is None else replace(count, at_ms=max(0, count.at_ms - 1))


def _ended(decode: Decode) -> Decode:
    return lambda payload: [_before(count) for count in decode(payload)]


def _uplinks(decode: Callable[[int, bytes], list[Count]]) -> Decode:
    """Return the decoder of a network server's messages for a LoRaWAN counter; an interval is named by its frame."""

    def decode_message(payload: bytes | bytearray) -> list[Count]:
        said = uplink(payload)
        if said is None:
            return []
        named = {} if said.fcnt is None else {"delta_id": str(said.fcnt)}
        return [
            replace(count, sensor=said.device, at_ms=said.at_ms, **(named if count.in_delta is not None else {}))
            for count in decode(said.fport, said.payload)
        ]

    return decode_message


MAPPINGS = {
    "milesight": _MILESIGHT,
    "milesight_interval": _MILESIGHT_INTERVAL,
    "xovis": _XOVIS,
    "axis": _AXIS,
    "axis_live": _AXIS_LIVE,
}
"""The forms that are mappings, for whoever must know what they are read by."""
_TTN = "github.com/TheThingsNetwork/lorawan-devices, vendor/"
_MILESIGHT_CODECS = "github.com/Milesight-IoT/SensorDecoders (VS121, VS133, VS135, VS350)"
FORMATS: dict[str, Format] = {
    "milesight": Format(mapped(_MILESIGHT), "Milesight VS125/VS133/VS135 user guides, line_total_data"),
    "milesight_interval": Format(_ended(mapped(_MILESIGHT_INTERVAL)), "the same, line_periodic_data"),
    "milesight_lorawan": Format(_uplinks(lorawan.milesight), _MILESIGHT_CODECS),
    "milesight_lorawan_interval": Format(_uplinks(lorawan.milesight_interval), _MILESIGHT_CODECS),
    "xovis": Format(_xovis, "Xovis data push, firmware 5, logics agent", "from others' code"),
    "axis": Format(_ended(mapped(_AXIS)), "AXIS 3D People Counter API, data push, Axis Retail Data 0.4"),
    "axis_live": Format(mapped(_AXIS_LIVE), "AXIS 3D People Counter API, occupancy"),
    "hikvision": Format(partial(hikvision.people_counting, method="realTime"), "ISAPI People Counting, realTime"),
    "hikvision_interval": Format(
        _ended(partial(hikvision.people_counting, method="timeRange")),
        "ISAPI People Counting, timeRange",
        "from a published capture",
    ),
    "terabee_lorawan": Format(_uplinks(lorawan.terabee), _TTN + "terabee"),
    "parametric_lorawan": Format(_uplinks(lorawan.parametric), _TTN + "parametric"),
    "imbuildings_lorawan": Format(_uplinks(lorawan.imbuildings), _TTN + "imbuildings"),
}
