"""What every driver of people counters does: decode by format or mapping, record until it is durable, refuse in words.

Options of such a driver: `format` names a form of devices/codecs/counters/formats.py, or `mapping` says where in the JSON the
counts are; `entrances` names where a sensor (or one of its lines, as `sensor:line`) hangs, without it that is its own name.
A count that cannot be read is counted by reason in the device's counters and logged once for each sensor and reason, never with
its content. Not here: the wires (mqtt_counter, http_counter), the forms (devices.codecs.counters).
"""

import logging
from collections.abc import Mapping as Mapped
from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from devices.codecs.counters.count import Count, joined
from devices.codecs.counters.formats import FORMATS, MAPPINGS, Decode, mapped
from devices.codecs.counters.mapping import Mapping
from devices.codecs.counters.own import SENSOR_CHARS_MAX, parse_reading
from devices.driver import DeviceContext
from devices.errors import CountError
from devices.model import CounterReading, Health, StatusUpdate
from devices.plug.masked_pushes import masked_push
from devices.registry import near_miss

OWN = "storehub"
LOGGED_MAX = 256  # pairs of sensor and reason that are logged once each; further ones are only counted
SENSORS_MAX = 4096  # sensors whose status is kept; of any further one it is not
SHOWN_MAX = 8
STATUS_BYTES_MAX = 64
REMEDIES = {
    "too_long": "send one count a message; a picture or a day's records is too much",
    "not_json": "send a JSON object, see docs/mqtt.md and docs/counters.md",
    "not_xml": "send Hikvision's EventNotificationAlert, or correct `format`",
    "wrong_field": "send whole numbers from 0, and times as docs/counters.md says",
    "no_count": "send in and out, or in_delta and out_delta; or correct the mapping",
    "sensor_name": "name the sensor with 1 to 64 printable characters",
    "status": "send online or offline",
    "unknown_port": "this port carries no counts: correct `format`",
    "wrong_vendor": "this is another device's payload: correct `format`",
    "unknown_layout": "this firmware's layout is not known: correct `format`, or use a mapping",
    "truncated": "the payload is cut: look at the gateway",
}

log = logging.getLogger(__name__)

Entrance = Annotated[str, Meta(min_length=1, max_length=SENSOR_CHARS_MAX)]


def decoder(form: str, mapping: Mapping | None) -> Decode | None:
    """Return the decoder of a section's options, None for this hub's own form; raise ValueError with the remedy."""
    if mapping is not None:
        if form != OWN:
            raise ValueError("a format or a mapping, not both")
        return mapped(mapping)
    if form == OWN:
        return None
    if form not in FORMATS:
        known = [OWN, *FORMATS]
        raise ValueError(f"no format {form!r}; known: {', '.join(known)}{near_miss(form, known)}")
    return FORMATS[form].decode


class Wire(Struct, frozen=True):
    """What the wire says of a message: MQTT's packet id, DUP and retain; nothing for others."""

    packet_id: int = 0
    redelivered: bool = False
    retained: bool = False


NO_WIRE = Wire()


def masked(push: bytes, salt: bytes, options: "CounterOptions") -> bytes:
    """Return a push of which no device and nobody is known."""
    mapping = options.mapping or MAPPINGS.get(options.format)
    return masked_push(push, salt, words=mapping.words if mapping else ())


class CounterOptions(Protocol):
    """What the options of a section say of the form of its counters."""

    @property
    def format(self) -> str: ...

    @property
    def mapping(self) -> Mapping | None: ...


class Presence(Struct, frozen=True):
    """A sensor's birth or last will."""

    sensor: str
    is_online: bool


def presence(sensor: str, payload: bytes | bytearray) -> Presence:
    """Return what a message at a sensor's `status` says; raise CountError."""
    word = bytes(payload[:STATUS_BYTES_MAX]).strip().lower()
    if word not in (b"online", b"offline"):
        raise CountError("status", "neither online nor offline")
    return Presence(sensor, word == b"online")


class Counters:
    """The counters of one device section: their names, who is away or does not count, and what was refused."""

    def __init__(self, ctx: DeviceContext, decode: Decode | None, entrances: Mapped[str, str]) -> None:
        self._ctx, self._decode, self._entrances = ctx, decode, entrances
        self._away: set[str] = set()
        self._faults: dict[str, str] = {}
        self._logged: set[tuple[str, str]] = set()

    def readings(self, payload: bytes | bytearray, sensor: str, wire: Wire = NO_WIRE) -> list[CounterReading]:
        """Return what a message says; `sensor` is who sent it, "" where only the payload knows. Raise CountError."""
        if self._decode is None:
            return [
                parse_reading(
                    payload,
                    sensor=sensor,
                    entrance=self._entrances.get(sensor, sensor),
                    packet_id=wire.packet_id,
                    redelivered=wire.redelivered,
                    retained=wire.retained,
                )
            ]
        counts = self._decode(payload)
        return [
            reading for count in counts if (reading := self._reading(count, sensor or count.sensor, wire)) is not None
        ]

    def _reading(self, count: Count, sensor: str, wire: Wire) -> CounterReading | None:
        named = joined(sensor, count.line)
        if count.fault:
            if len(self._faults) < SENSORS_MAX:
                self._faults[named] = count.fault
            self._ctx.count("faults")
            return None
        self._faults.pop(named, None)
        return CounterReading(
            sensor=named,
            entrance=self._entrances.get(named) or self._entrances.get(sensor) or named,
            at_ms=count.at_ms,
            boot=count.boot,
            in_total=count.in_total,
            out_total=count.out_total,
            in_delta=count.in_delta,
            out_delta=count.out_delta,
            delta_id=count.delta_id,
            packet_id=wire.packet_id,
            redelivered=wire.redelivered,
            retained=wire.retained,
            wraps_at=count.wraps_at,
        )

    def note(self, sensor: str, *, is_online: bool) -> None:
        """A sensor's birth or last will."""
        if is_online:
            self._away.discard(sensor)
        elif len(self._away) < SENSORS_MAX:
            self._away.add(sensor)

    def report(self) -> None:
        """Ready, unless some sensor has said farewell or does not count; the supervisor swallows repeats."""
        if self._away:
            self._ctx.status(StatusUpdate(Health.DEGRADED, "sensors_offline", _listed("offline", sorted(self._away))))
        elif self._faults:
            said = [f"{sensor} ({fault})" for sensor, fault in sorted(self._faults.items())]
            self._ctx.status(StatusUpdate(Health.DEGRADED, "sensor_fault", _listed("not counting", said)))
        else:
            self._ctx.status(StatusUpdate(Health.READY))

    def refuse(self, sensor: str, err: CountError) -> None:
        """Count a message that cannot be read, and say so once."""
        self._ctx.count(f"refused_{err.reason}")
        pair = (sensor, err.reason)
        if pair not in self._logged and len(self._logged) < LOGGED_MAX:
            self._logged.add(pair)
            named = {"device": self._ctx.device_id, "sensor": sensor}
            log.warning("count refused", extra=named | {"reason": err.reason, "remedy": REMEDIES[err.reason]})


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{len(names)} {what}: {', '.join(names[:SHOWN_MAX])}{', …' if len(names) > SHOWN_MAX else ''}"
