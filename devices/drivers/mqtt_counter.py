"""People counters over MQTT, category PeopleCounter: one device section for all counters of one form behind one broker.

Protocol documents: docs/mqtt.md (MQTT 5 or 3.1.1, OASIS) for the topics, docs/counters.md for vendors' forms. Topics:

    store/<store>/counter/<device>/count            running totals or deltas, JSON, QoS 1
    store/<store>/counter/<device>/<sensor>/count   the same, of one of a gateway's sensors
    store/<store>/counter/<device>/status           `online` at birth, `offline` as last will, retained; may be left out
    store/<store>/counter/<device>/push             a vendor's own form (`format` or `mapping`); `topic` says another place

A count is acknowledged to the broker after it is durable in the hub, together with all that came meanwhile; until then the
broker keeps it, also while the hub is away.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from devices.codecs.counters.mapping import Mapping
from devices.codecs.counters.own import is_sensor_name
from devices.driver import Capture, DeviceContext, Driver, Replayed
from devices.drivers._broker import BrokerOptions, load_paho
from devices.drivers._counting import OWN, Counters, Entrance, Presence, Wire, decoder, masked, presence
from devices.drivers._recording import record_and_ack
from devices.errors import CountError
from devices.model import CounterReading
from devices.plug.masking import other

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from devices.drivers._mqtt_link import MqttLink


class Options(BrokerOptions, frozen=True, kw_only=True):
    """`store` is the level of the topic. `topic` is where a vendor's counters publish; its last `+` names the sensor."""

    store: Annotated[str, Meta(pattern=r"^[^/+#\s]{1,64}\Z")]
    format: str = OWN
    mapping: Mapping | None = None
    entrances: dict[str, Entrance] = {}
    topic: Annotated[str, Meta(max_length=200)] = ""

    def __post_init__(self) -> None:
        BrokerOptions.__post_init__(self)
        if decoder(self.format, self.mapping) is None and self.topic:
            raise ValueError("topic is for a vendor's form; say which with format or mapping")


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what counters say until the broker goes away; raise WireError then, or when it refuses us."""
    await load_paho()
    from devices.drivers._mqtt_link import connected  # here: a hub without counters has no use for paho

    counters = _MqttCounters(ctx, options)
    async with connected(options.broker(f"storehub-{options.store}-{ctx.device_id}"), counters.decode) as link:
        link.subscribe(counters.topic_filters)
        while True:
            batch = await link.next_batch()
            ctx.heartbeat()
            if batch:
                await counters.take(link, batch)
            if link.is_subscribed:
                counters.report()


_Said = list[CounterReading] | Presence | None


class _Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a topic and its message's flags say: a chunk of a trace is this as a line of JSON, and the payload."""

    sensor: str
    what: str
    packet_id: int = 0
    redelivered: bool = False
    retained: bool = False


def _masked(chunks: Sequence[bytes], salt: bytes, options: Options) -> list[bytes]:
    """A sensor's name becomes another; a gateway's and its sensors' names stay apart."""
    return [_masked_message(chunk, salt, options) for chunk in chunks]


def _masked_message(chunk: bytes, salt: bytes, options: Options) -> bytes:
    head, _, payload = chunk.partition(b"\n")
    heard = msgspec.json.decode(head, type=_Heard)
    sensor = "/".join(other(level.encode(), salt).decode() for level in heard.sensor.split("/"))
    kept = payload if heard.what == "status" and len(payload) <= 16 else masked(payload, salt, options)
    return msgspec.json.encode(msgspec.structs.replace(heard, sensor=sensor)) + b"\n" + kept


async def _replay(ctx: DeviceContext, options: Options, read: Replayed) -> None:
    counters = _MqttCounters(ctx, options)
    while True:
        if not (chunk := await read(float("inf"))):
            continue
        head, _, payload = chunk.partition(b"\n")
        heard = msgspec.json.decode(head, type=_Heard)
        try:
            said = counters.said(heard, payload)
        except CountError as err:
            counters.refuse(heard.sensor, err)
            continue
        if isinstance(said, list) and said:
            await ctx.record(said)


class _MqttCounters(Counters):
    """What the counters of one broker have said in this connection."""

    def __init__(self, ctx: DeviceContext, options: Options) -> None:
        super().__init__(ctx, decoder(options.format, options.mapping), options.entrances)
        self._base = f"store/{options.store}/counter/"
        self._pushes = options.topic or (self._base + "+/push" if self._decode else "")
        self._levels = self._pushes.split("/")
        self._sensor_level = max((n for n, level in enumerate(self._levels) if level == "+"), default=None)

    @property
    def topic_filters(self) -> list[str]:
        """All that is subscribed to."""
        counts = [self._pushes] if self._pushes else [f"{self._base}{levels}/count" for levels in ("+", "+/+")]
        return [*counts, f"{self._base}+/status"]

    def decode(self, message: "MQTTMessage") -> _Said:
        """Return what a message says, None when it is refused; that is counted, logged once, and acknowledged as the rest."""
        sensor = "?"
        try:
            sensor, what = self._who(message)
            heard = _Heard(sensor, what, message.mid, message.dup, message.retain)
            self._ctx.trace(msgspec.json.encode(heard) + b"\n" + bytes(message.payload))
            return self.said(heard, message.payload)
        except CountError as err:
            self.refuse(sensor, err)
            return None

    def said(self, heard: _Heard, payload: bytes | bytearray) -> _Said:
        """Return what a message of this sensor says; raise CountError."""
        if heard.what == "status":
            return presence(heard.sensor, payload)
        return self.readings(payload, heard.sensor, Wire(heard.packet_id, heard.redelivered, heard.retained))

    async def take(self, link: "MqttLink[_Said]", batch: Sequence[tuple[int, _Said]]) -> None:
        """Record a batch and acknowledge it; while the hub cannot write, try again with nothing acknowledged."""
        readings: list[CounterReading] = []
        for _, said in batch:
            if isinstance(said, list):
                readings += said
            elif said is not None:
                self.note(said.sensor, is_online=said.is_online)
        await record_and_ack(self._ctx, link, batch, readings, again=lambda reading: reading.again())

    def _who(self, message: "MQTTMessage") -> tuple[str, str]:
        """Return (sensor, what); the sensor is "" where only the payload says it."""
        try:
            topic = message.topic
        except UnicodeDecodeError as err:
            raise CountError("sensor_name", "the topic is not UTF-8") from err
        sensor, _, what = topic.removeprefix(self._base).rpartition("/")
        if self._pushes and not (topic.startswith(self._base) and what == "status"):
            levels = topic.split("/")
            sensor, what = "" if self._sensor_level is None else levels[self._sensor_level], "push"
        if not is_sensor_name(sensor) and (sensor or self._sensor_level is not None or not self._pushes):
            raise CountError("sensor_name", "the topic's sensor level is empty, too long or not printable")
        return sensor, what


DRIVER = Driver(
    category="PeopleCounter",
    summary="people counters that publish to an MQTT broker",
    document="docs/mqtt.md and docs/counters.md; MQTT 5 and 3.1.1",
    options=Options,
    run=run,
    capture=Capture(
        _masked,
        _replay,
        place={"store": "trace"},
    ),
)
