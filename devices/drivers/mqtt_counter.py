"""People counters over MQTT, category PeopleCounter: one device section for all counters of a store behind one broker.

Protocol document: docs/mqtt.md (MQTT 5 or 3.1.1, OASIS). Topics:

    store/<store>/counter/<sensor>/count    running totals or deltas, JSON, QoS 1
    store/<store>/counter/<sensor>/status   `online` at birth, `offline` as last will, retained; may be left out

A count is acknowledged to the broker after it is durable in the hub, together with all that came meanwhile; until then the
broker keeps it, also while the hub is away.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from devices.codecs.counters.own import is_sensor_name, parse_reading
from devices.driver import HEARTBEAT_S, DeviceContext, Driver, DriverOptions
from devices.errors import CountError, NotRecordedError
from devices.model import CounterReading, Health, StatusUpdate

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from devices.drivers._mqtt_link import MqttLink

RETRY_FIRST_S = 0.2
RETRY_MAX_S = HEARTBEAT_S  # a full disk that was cleared is noticed within this
LOGGED_MAX = 256  # pairs of sensor and reason that are logged once each; further ones are only counted
SENSORS_MAX = 4096  # sensors whose status is kept; of any further one it is not
STATUS_BYTES_MAX = 64

_REMEDIES = {
    "too_long": "send one count a message, at most 4096 bytes",
    "not_json": "send a JSON object, see docs/mqtt.md",
    "wrong_field": "send whole numbers from 0 and times as docs/mqtt.md says",
    "no_count": "send in and out, or in_delta and out_delta",
    "sensor_name": "name the sensor in its topic with 1 to 64 printable characters",
    "status": "send online or offline",
}

log = logging.getLogger(__name__)


class Options(DriverOptions, frozen=True):
    """`store` is the level of the topic; `entrances` names where a sensor hangs, without it that is the sensor's own name."""

    store: Annotated[str, Meta(pattern=r"^[^/+#\s]{1,64}\Z")]
    address: str = "127.0.0.1:1883"
    username: str = ""
    password: str = ""
    entrances: dict[str, Annotated[str, Meta(min_length=1, max_length=64)]] = {}
    keepalive_s: Annotated[int, Meta(ge=10, le=3600)] = 30

    def __post_init__(self) -> None:
        split_address(self.address)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host`, `host:port` or `[IPv6]:port`; raise ValueError with the remedy."""
    host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not colon:
        host, port = address, "1883"
    if not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in host and host[0] != "["):
        raise ValueError(f"address {address!r} is not host:port; write 127.0.0.1:1883 or [::1]:1883")
    return host.strip("[]"), int(port)


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what counters say until the broker goes away; raise WireError then, or when it refuses us."""
    from devices.drivers._mqtt_link import Broker, connected  # here: a hub without counters has no use for paho

    host, port = split_address(options.address)
    client_id = f"storehub-{options.store}-{ctx.device_id}"
    broker = Broker(host, port, client_id, options.username, options.password, options.keepalive_s)
    counters = _Counters(ctx, options)
    async with connected(broker, counters.decode) as link:
        link.subscribe([f"store/{options.store}/counter/+/{what}" for what in ("count", "status")])
        while True:
            batch = await link.next_batch()
            ctx.heartbeat()
            if batch:
                await counters.take(link, batch)
            if link.is_subscribed:
                counters.report()


DRIVER = Driver(
    category="PeopleCounter",
    summary="people counters that publish to an MQTT broker",
    document="docs/mqtt.md; MQTT 5 and 3.1.1",
    options=Options,
    run=run,
)


class _Presence(Struct, frozen=True):
    """A sensor's birth or last will."""

    sensor: str
    is_online: bool


_Said = CounterReading | _Presence | None


class _Counters:
    """What the counters of one broker have said in this connection. The log never holds a payload."""

    def __init__(self, ctx: DeviceContext, options: Options) -> None:
        self._ctx = ctx
        self._entrances = options.entrances
        self._offline: set[str] = set()
        self._logged: set[tuple[str, str]] = set()

    def decode(self, message: "MQTTMessage") -> _Said:
        """Return what a message says, None when it is refused; that is counted, logged once, and acknowledged as the rest."""
        sensor = "?"
        try:
            sensor, what = _levels(message)
            if what == "status":
                return _presence(sensor, message.payload)
            return parse_reading(
                message.payload,
                sensor=sensor,
                entrance=self._entrances.get(sensor, sensor),
                packet_id=message.mid,
                redelivered=message.dup,
                retained=message.retain,
            )
        except CountError as err:
            self._refuse(sensor, err)
            return None

    async def take(self, link: "MqttLink[_Said]", batch: Sequence[tuple[int, _Said]]) -> None:
        """Record a batch and acknowledge it; while the hub cannot write, try again with nothing acknowledged."""
        readings = []
        for _, said in batch:
            if isinstance(said, CounterReading):
                readings.append(said)
            elif said is not None:
                self._note(said)
        retry_s = RETRY_FIRST_S
        while readings:
            try:
                await self._ctx.record(readings)
                self._ctx.count("readings", len(readings))
                break
            except NotRecordedError as err:
                self._ctx.count("not_recorded")
                self._ctx.status(StatusUpdate(Health.DEGRADED, "not_recorded", f"counts wait at the broker: {err}"))
            # whether a failed commit reached the disk is not always known: from here on each may be there already
            readings = [replace(reading, redelivered=True) for reading in readings]
            await link.idle(retry_s)
            self._ctx.heartbeat()
            retry_s = min(RETRY_MAX_S, 2 * retry_s)
        link.ack(batch)

    def report(self) -> None:
        """Ready, unless some sensor has said farewell; the supervisor swallows repeats."""
        if not self._offline:
            self._ctx.status(StatusUpdate(Health.READY))
            return
        some = ", ".join(sorted(self._offline)[:8])
        detail = f"{len(self._offline)} offline: {some}{', …' if len(self._offline) > 8 else ''}"
        self._ctx.status(StatusUpdate(Health.DEGRADED, "sensors_offline", detail))

    def _note(self, presence: _Presence) -> None:
        if presence.is_online:
            self._offline.discard(presence.sensor)
        elif len(self._offline) < SENSORS_MAX:
            self._offline.add(presence.sensor)

    def _refuse(self, sensor: str, err: CountError) -> None:
        self._ctx.count(f"refused_{err.reason}")
        pair = (sensor, err.reason)
        if pair not in self._logged and len(self._logged) < LOGGED_MAX:
            self._logged.add(pair)
            extra = {
                "device": self._ctx.device_id,
                "sensor": sensor,
                "reason": err.reason,
                "remedy": _REMEDIES[err.reason],
            }
            log.warning("count refused", extra=extra)


def _levels(message: "MQTTMessage") -> tuple[str, str]:
    """Return (sensor, what) of store/<store>/counter/<sensor>/<what>."""
    try:
        *_, sensor, what = message.topic.split("/")
    except UnicodeDecodeError as err:
        raise CountError("sensor_name", "the topic is not UTF-8") from err
    if not is_sensor_name(sensor):
        raise CountError("sensor_name", "the topic's sensor level is empty, too long or not printable")
    return sensor, what


def _presence(sensor: str, payload: bytes | bytearray) -> _Presence:
    word = bytes(payload[:STATUS_BYTES_MAX]).strip().lower()
    if word not in (b"online", b"offline"):
        raise CountError("status", "neither online nor offline")
    return _Presence(sensor, word == b"online")
