"""A LoRaWAN uplink as network servers hand it on in JSON: who sent it, on which port, its bytes. Pure.

    ChirpStack 4          deviceInfo.devEui, fPort, fCnt, data (base64), time
    ChirpStack 3, Milesight gateways    devEUI, fPort, fCnt, data (base64), time
    The Things Stack 3    end_device_ids.dev_eui, uplink_message.f_port, .f_cnt, .frm_payload (base64), .received_at

Sources: chirpstack.io/docs (integrations, events), thethingsindustries.com/docs (data formats). Not here: what the bytes mean
(devices.codecs.counters.lorawan).
"""

import base64
import binascii
from typing import Any

from msgspec import Struct

from devices.codecs.counters.count import json_document, moment_ms, name
from devices.errors import CountError

PAYLOAD_BYTES_MAX = 255  # LoRaWAN has no longer ones
FPORT_MAX = 255
FCNT_MAX = 2**32


class Uplink(Struct, frozen=True):
    """One uplink. `fcnt` counts up from 0 since the device joined."""

    device: str
    fport: int
    payload: bytes
    fcnt: int | None = None
    at_ms: int | None = None


def uplink(payload: bytes | bytearray) -> Uplink | None:
    """Return the uplink of a network server's message, None for its other messages (join, status); raise CountError."""
    said = json_document(payload)
    if not isinstance(said, dict):
        raise CountError("not_json", "no JSON object")
    ids, inner, info = (_part(said, key) for key in ("end_device_ids", "uplink_message", "deviceInfo"))
    device = name(info.get("devEui") or said.get("devEUI") or said.get("devEui") or ids.get("dev_eui"))
    data = said.get("data", inner.get("frm_payload"))
    fport = said.get("fPort", inner.get("f_port"))
    if data is None or fport is None:
        return None
    if not device:
        raise CountError("sensor_name", "the uplink does not say who sent it")
    fcnt = said.get("fCnt", inner.get("f_cnt"))
    at = said.get("time", inner.get("received_at", said.get("received_at")))
    return Uplink(
        device.lower(),
        _number(fport, FPORT_MAX),
        _bytes(data),
        None if fcnt is None else _number(fcnt, FCNT_MAX),
        moment_ms(at),
    )


def _part(said: dict[str, Any], key: str) -> dict[str, Any]:
    part = said.get(key)
    return part if isinstance(part, dict) else {}


def _number(value: Any, top: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= top:
        raise CountError("wrong_field", f"a port or frame counter is a whole number from 0 to {top}")
    return value


def _bytes(data: Any) -> bytes:
    if not isinstance(data, str) or len(data) > 2 * PAYLOAD_BYTES_MAX:
        raise CountError("wrong_field", f"the payload is base64 of at most {PAYLOAD_BYTES_MAX} bytes")
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as err:
        raise CountError(
            "wrong_field", "the payload is no base64; a gateway that sends hexadecimal is told otherwise there"
        ) from err
    if len(found) > PAYLOAD_BYTES_MAX:
        raise CountError("too_long", f"more than {PAYLOAD_BYTES_MAX} bytes")
    return found
