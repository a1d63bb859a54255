"""A Wi-Fi probe's report: JSON bytes to the addresses that it heard. Pure; docs/mqtt.md is the contract for whoever builds one.

    {"at": 1790000000000, "seen": ["a4:83:e7:12:34:56", {"mac": "DA-A1-19-00-00-01", "rssi_dbm": -71}]}

A group address (a multicast) is no phone and left out. An address that a phone made up has the local bit set, IEEE Std 802c; it
changes with the network, the day or the hour, so such phones are counted apart. An error never says an address.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from devices.codecs.counters.count import moment_ms
from devices.errors import CountError
from devices.model import Addresses, ProbeReport

REPORT_BYTES_MAX = 64 * 1024
SEEN_MAX = 2048  # a probe in a street hears some hundred in a minute
_GROUP, _LOCAL = 0x01, 0x02

_Mac = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}\Z")]


class _Seen(Struct, frozen=True):
    mac: _Mac
    rssi_dbm: int = 0


class _Report(Struct, frozen=True):
    seen: Annotated[list[_Mac | _Seen], Meta(max_length=SEEN_MAX)]
    at: int | float | str | None = None


_DECODER = msgspec.json.Decoder(_Report)


def parse_report(payload: bytes | bytearray, *, place: str, rssi_min_dbm: int = -128) -> ProbeReport:
    """Return what a probe heard at least as strong as `rssi_min_dbm`; raise CountError."""
    if len(payload) > REPORT_BYTES_MAX:
        raise CountError("too_long", f"more than {REPORT_BYTES_MAX} bytes")
    try:
        said = _DECODER.decode(payload)
    except msgspec.ValidationError as err:
        raise CountError("wrong_field", "`seen` is a list of addresses, `at` a time") from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise CountError("not_json", "no JSON object") from err
    heard = (
        bytes.fromhex((each.mac if isinstance(each, _Seen) else each).replace(":", "").replace("-", ""))
        for each in said.seen
        if not isinstance(each, _Seen) or not each.rssi_dbm or each.rssi_dbm >= rssi_min_dbm
    )
    phones = Addresses(address for address in heard if not address[0] & _GROUP)
    return ProbeReport(place, phones, moment_ms(said.at))


def is_randomised(address: bytes) -> bool:
    """Whether an address was made up by its phone."""
    return bool(address[0] & _LOCAL)
