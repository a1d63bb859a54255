"""LoRaWAN payloads of people counters: the bytes of one uplink to counts. Pure; every layout is a table here.

    Terabee People Flow Counting L/XL   port 1: totals in, out (32 bits each), a byte of faults
    Parametric PCR2                     port 14: 0xBE 01 04; since the last uplink left to right, right to left; totals (16 bits)
    IMBuildings People Counter          02 06: device id, since the last uplink a, b, totals a, b (16 bits), a running number
    Milesight VS133, VS135, VS350       channels: id, type, value; totals in and out by line, 32 bits (VS350: 16)
    the same, and VS121: intervals      channels of what came since the last report

What an uplink says beside (battery, settings, regions) is not read. Sources: TheThingsNetwork/lorawan-devices (vendor/terabee,
vendor/parametric, vendor/imbuildings), Milesight-IoT/SensorDecoders (VS121, VS133, VS135, VS350).
"""

from struct import Struct, error
from typing import Literal

from devices.codecs.counters.count import Count
from devices.errors import CountError

_WRAP_16, _WRAP_32 = 2**16, 2**32
_TERABEE = Struct(">IIB")
_TERABEE_PORT = 1
_TERABEE_OTHER_PORTS = frozenset({4, 5, 100, 101, 102})  # answers to commands: settings, no counts
_TERABEE_FAULTS = ("stopped", "stuck", "several_devices", "wifi_access_point")
_TERABEE_NOT_COUNTING = 0b0111  # while its access point is on it counts
_PCR2 = Struct(">HHHH")
_PCR2_PORT = 14
_PCR2_HEAD = bytes((0xBE, 0x01, 0x04))
_IMB = Struct(">2s8sBHHHBHHB")
_IMB_HEAD = b"\x02\x06"
_MILESIGHT_LENGTHS = {  # by type; of the same type every channel is as long
    0x01: 1, 0x08: 6, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0x1F: 4, 0x67: 2, 0x75: 1, 0xC9: 5, 0xCC: 4, 0xCD: 1,
    0xD2: 4, 0xD5: 8, 0xDA: 8, 0xE3: 4, 0xE4: 5, 0xEF: 4, 0xFE: 1, 0xFF: 2,
}  # fmt: skip
_MILESIGHT_TOTALS = {0x03 + 3 * line + way: (line, way) for line in range(4) for way in range(2)}  # type D2
_MILESIGHT_PERIODS = {0x05 + 3 * line: line for line in range(4)}  # type CC: in and out
_MILESIGHT_TOTAL_BOTH = (0x04, 0xCC)  # VS350


def terabee(fport: int, payload: bytes) -> list[Count]:
    """Return the totals of a Terabee L/XL; a counter that stands still says so instead of a quiet day."""
    if fport in _TERABEE_OTHER_PORTS:
        return []
    _need(fport == _TERABEE_PORT, "unknown_port", f"port {fport} carries no counts")
    entered, exited, faults = _unpack(_TERABEE, payload)
    if faults & _TERABEE_NOT_COUNTING:
        said = [word for bit, word in enumerate(_TERABEE_FAULTS) if faults >> bit & 1]
        return [Count(fault=", ".join(said))]
    return [Count(in_total=entered, out_total=exited, wraps_at=_WRAP_32)]


def parametric(fport: int, payload: bytes) -> list[Count]:
    """Return the totals of a PCR2, left to right taken for in."""
    _need(payload[:1] == _PCR2_HEAD[:1], "wrong_vendor", "does not begin with 0xBE")
    if fport != _PCR2_PORT or payload[:3] != _PCR2_HEAD:
        return []
    *_, right, left = _unpack(_PCR2, payload[3:])
    return [Count(in_total=right, out_total=left, wraps_at=_WRAP_16)]


def imbuildings(_fport: int, payload: bytes) -> list[Count]:
    """Return the totals of an IMBuildings counter, a taken for in."""
    if payload[:1] != _IMB_HEAD[:1]:
        return []
    _need(payload[:2] == _IMB_HEAD, "unknown_layout", f"variant {payload[1:2].hex() or 'none'}; known: 06")
    *_, entered, exited, _number = _unpack(_IMB, payload)
    return [Count(in_total=entered, out_total=exited, wraps_at=_WRAP_16)]


def milesight(_fport: int, payload: bytes) -> list[Count]:
    """Return the totals by line; a line whose in or out is missing in this uplink says nothing yet."""
    lines: dict[int, list[int | None]] = {}
    for channel, kind, value in _channels(payload):
        if kind == 0xD2 and channel in _MILESIGHT_TOTALS:
            line, way = _MILESIGHT_TOTALS[channel]
            lines.setdefault(line, [None, None])[way] = int.from_bytes(value, "little")
        elif (channel, kind) == _MILESIGHT_TOTAL_BOTH:
            entered, exited = _two(value)
            return [Count(in_total=entered, out_total=exited, wraps_at=_WRAP_16)]
    return [
        Count(line=f"line{line + 1}", in_total=entered, out_total=exited, wraps_at=_WRAP_32)
        for line, (entered, exited) in sorted(lines.items())
        if entered is not None and exited is not None
    ]


def milesight_interval(_fport: int, payload: bytes) -> list[Count]:
    """Return what came since the last report, by line."""
    return [
        Count(line=f"line{_MILESIGHT_PERIODS[channel] + 1}", in_delta=_two(value)[0], out_delta=_two(value)[1])
        for channel, kind, value in _channels(payload)
        if kind == 0xCC and channel in _MILESIGHT_PERIODS
    ]


def _channels(payload: bytes) -> list[tuple[int, int, bytes]]:
    """Return (channel, type, value) up to one whose length is not known; raise CountError for a value that is cut."""
    found, place = [], 0
    while place + 2 <= len(payload):
        channel, kind = payload[place], payload[place + 1]
        length = _MILESIGHT_LENGTHS.get(kind)
        if length is None:
            break
        value = payload[place + 2 : place + 2 + length]
        _need(len(value) == length, "truncated", f"channel {channel:02x} is cut")
        found.append((channel, kind, value))
        place += 2 + length
    return found


def _two(value: bytes) -> tuple[int, int]:
    return int.from_bytes(value[:2], "little"), int.from_bytes(value[2:], "little")


def _unpack(layout: Struct, payload: bytes) -> tuple[int, ...]:
    try:
        return layout.unpack_from(payload)
    except error as err:
        raise CountError("truncated", f"{len(payload)} bytes of {layout.size}") from err


def _need(
    holds: bool, reason: Literal["unknown_port", "wrong_vendor", "unknown_layout", "truncated"], detail: str
) -> None:
    if not holds:
        raise CountError(reason, detail)
