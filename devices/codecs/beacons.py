"""Bluetooth beacons: what BlueZ hands out of an advertisement (manufacturer data, service data) as a beacon's frame. Pure.

    iBeacon     company 0x004C, 02 15, UUID, major, minor, power      Apple, "Proximity Beacon Specification" R1
    AltBeacon   any company, BE AC, 20 bytes of id, power, reserved   AltBeacon Protocol Specification 1.0
    Eddystone   service 0xFEAA: UID 00, URL 10, TLM 20, EID 30        github.com/google/eddystone, protocol-specification.md

`identity` names the beacon, never its address: that rotates. A frame without one says something of the beacon that sends it
beside another frame (TLM), or changes who it is on purpose (EID). Power is what is received at 1 m, in dBm; 0 is unknown.
Not here: Bluetooth, and where a beacon is (devices.zones).
"""

import struct
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from devices.errors import BeaconError

APPLE = 0x004C
EDDYSTONE_UUID = "0000feaa-0000-1000-8000-00805f9b34fb"
URL_BYTES_MAX = 17
_IBEACON = struct.Struct(">16sHHb")
_TLM = struct.Struct(">HhII")
_ETLM = struct.Struct(">12sHH")
_SIGNAL_LOSS_DB = 41  # what the first metre takes; Eddystone states its power at 0 m
_SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_ENDS = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
_EXPANSIONS = tuple(f"{end}/" for end in _ENDS) + _ENDS


class IBeacon(Struct, frozen=True):
    """Apple's proximity beacon."""

    uuid: str
    major: int
    minor: int
    power_dbm: int

    @property
    def identity(self) -> str:
        """Who it is."""
        return f"ibeacon:{self.uuid}:{self.major}:{self.minor}"


class AltBeacon(Struct, frozen=True):
    """The open one; `beacon_id` has 40 hex digits."""

    beacon_id: str
    power_dbm: int

    @property
    def identity(self) -> str:
        """Who it is."""
        return f"altbeacon:{self.beacon_id}"


class EddystoneUid(Struct, frozen=True):
    """Namespace and instance, hex."""

    namespace: str
    instance: str
    power_dbm: int

    @property
    def identity(self) -> str:
        """Who it is."""
        return f"eddystone:{self.namespace}:{self.instance}"


class EddystoneUrl(Struct, frozen=True):
    """A link; it is what tells one from another."""

    url: str
    power_dbm: int

    @property
    def identity(self) -> str:
        """Who it is."""
        return f"eddystone-url:{self.url}"


class EddystoneEid(Struct, frozen=True):
    """An identifier that changes all the time, known to whoever has the beacon's key: to us it is nobody."""

    eid: str
    power_dbm: int


class EddystoneTlm(Struct, frozen=True):
    """How a beacon is; None where it has no such sensor. `uptime_ds` counts tenths of a second."""

    battery_mv: int | None
    temperature_c: float | None
    adv_count: int
    uptime_ds: int


class EddystoneEtlm(Struct, frozen=True):
    """The same, encrypted for the owner of the key."""

    encrypted: str
    salt: int
    mic: int


Named: TypeAlias = IBeacon | AltBeacon | EddystoneUid | EddystoneUrl
Frame: TypeAlias = Named | EddystoneEid | EddystoneTlm | EddystoneEtlm


def parse_manufacturer_data(company_id: int, payload: bytes) -> Frame:
    """Return the frame in what follows a company id; raise BeaconError with its reason."""
    if payload[:2] == b"\xbe\xac":
        return _altbeacon(payload)
    if company_id != APPLE:
        raise BeaconError("not_a_beacon", f"company 0x{company_id:04X} sends something else")
    if payload[:2] not in (b"\x02\x15", b"\x02", b""):
        raise BeaconError("not_a_beacon", f"Apple's type {payload[:2].hex()} is no iBeacon")
    if len(payload) < 2 + _IBEACON.size:
        raise BeaconError("truncated", f"an iBeacon has {2 + _IBEACON.size} bytes, not {len(payload)}")
    uuid, major, minor, power = _IBEACON.unpack_from(payload, 2)
    return IBeacon(str(UUID(bytes=uuid)), major, minor, power)


def parse_service_data(uuid: str, payload: bytes) -> Frame:
    """Return the frame in the data of a service, its UUID in full and lower case; raise BeaconError with its reason."""
    if uuid != EDDYSTONE_UUID:
        raise BeaconError("not_a_beacon", f"service {uuid} is not Eddystone")
    if not payload:
        raise BeaconError("truncated", "an Eddystone frame has a type")
    match payload[0]:
        case 0x00:
            _need(payload, 18)
            return EddystoneUid(payload[2:12].hex(), payload[12:18].hex(), _at_1m(payload[1]))
        case 0x10:
            return _url(payload)
        case 0x20:
            return _telemetry(payload)
        case 0x30:
            _need(payload, 10)
            return EddystoneEid(payload[2:10].hex(), _at_1m(payload[1]))
    raise BeaconError("unknown_frame", f"Eddystone has no frame 0x{payload[0]:02X}")


def _altbeacon(payload: bytes) -> AltBeacon:
    if len(payload) < 24:
        raise BeaconError("truncated", f"an AltBeacon has 24 bytes, not {len(payload)}")
    return AltBeacon(payload[2:22].hex(), _signed(payload[22]))


def _url(payload: bytes) -> EddystoneUrl:
    _need(payload, 4)
    scheme, coded = payload[2], payload[3:]
    if scheme >= len(_SCHEMES):
        raise BeaconError("bad_url", f"no scheme has number {scheme}")
    if len(coded) > URL_BYTES_MAX:
        raise BeaconError("bad_url", f"{len(coded)} bytes are more than {URL_BYTES_MAX}")
    wrong = next((byte for byte in coded if len(_EXPANSIONS) <= byte <= 0x20 or byte > 0x7E), None)
    if wrong is not None:
        raise BeaconError("bad_url", f"byte 0x{wrong:02X} is reserved")
    text = "".join(_EXPANSIONS[byte] if byte < len(_EXPANSIONS) else chr(byte) for byte in coded)
    return EddystoneUrl(_SCHEMES[scheme] + text, _at_1m(payload[1]))


def _telemetry(payload: bytes) -> EddystoneTlm | EddystoneEtlm:
    _need(payload, 2)
    match payload[1]:
        case 0:
            _need(payload, 2 + _TLM.size)
            battery_mv, temperature, adv_count, uptime_ds = _TLM.unpack_from(payload, 2)
            celsius = None if temperature == -0x8000 else temperature / 256
            return EddystoneTlm(battery_mv or None, celsius, adv_count, uptime_ds)
        case 1:
            _need(payload, 2 + _ETLM.size)
            encrypted, salt, mic = _ETLM.unpack_from(payload, 2)
            return EddystoneEtlm(encrypted.hex(), salt, mic)
    raise BeaconError("unknown_version", f"telemetry has no version {payload[1]}")


def _need(payload: bytes, size: int) -> None:
    if len(payload) < size:
        raise BeaconError("truncated", f"Eddystone frame 0x{payload[0]:02X} has {size} bytes, not {len(payload)}")


def _at_1m(power_0m: int) -> int:
    return _signed(power_0m) - _SIGNAL_LOSS_DB


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
