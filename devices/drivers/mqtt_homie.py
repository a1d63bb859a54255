"""Homie 5 devices over MQTT, category PeopleCounter: they describe themselves, one device section for all behind one broker.

Protocol document: The Homie Convention 5 (homieiot.github.io). What is found is said in the section's health; a node that counts
people counts from the moment it is accepted:

    [devices.homie.entrances]
    "gate-north/counter" = "North gate"

A value is acknowledged after it is durable in the hub. Values are retained, so an increase while the hub was away is not lost.
"""

from typing import TYPE_CHECKING

from devices.codecs.homie import Homie
from devices.driver import DeviceContext, Driver
from devices.drivers._broker import BrokerOptions, load_paho
from devices.drivers._counting import SHOWN_MAX, Counters, Entrance
from devices.drivers._recording import record_and_ack
from devices.errors import CountError
from devices.model import CounterReading, Health, StatusUpdate

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from devices.drivers._mqtt_link import MqttLink

PREFIX = "homie/5/"
FILTERS = (f"{PREFIX}+/$state", f"{PREFIX}+/$description", f"{PREFIX}+/+/+")


class Options(BrokerOptions, frozen=True, kw_only=True):
    """`entrances`: the nodes that are accepted, as `device/node`, and where they hang."""

    entrances: dict[str, Entrance] = {}


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what accepted nodes count until the broker goes away; raise WireError then, or when it refuses us."""
    await load_paho()
    from devices.drivers._mqtt_link import connected  # here: a hub without MQTT has no use for paho

    homie, refusals = Homie(options.entrances), Counters(ctx, None, {})

    def decode(message: "MQTTMessage") -> CounterReading | None:
        try:
            topic = message.topic.removeprefix(PREFIX)
            return homie.hear(
                topic, bytes(message.payload), packet_id=message.mid, redelivered=message.dup, retained=message.retain
            )
        except UnicodeDecodeError:
            refusals.refuse("?", CountError("sensor_name", "the topic is not UTF-8"))
        except CountError as err:
            refusals.refuse(topic.partition("/")[0][:64], err)
        return None

    async with connected(options.broker(f"storehub-homie-{ctx.device_id}"), decode) as link:
        link.subscribe(FILTERS)
        while True:
            await _take(ctx, link)
            if link.is_subscribed:
                ctx.status(_health(homie))


async def _take(ctx: DeviceContext, link: "MqttLink[CounterReading | None]") -> None:
    batch = await link.next_batch()
    ctx.heartbeat()
    readings = [said for _, said in batch if said is not None]
    await record_and_ack(ctx, link, batch, readings, again=lambda reading: reading.again())


def _health(homie: Homie) -> StatusUpdate:
    if homie.away:
        return StatusUpdate(Health.DEGRADED, "sensors_offline", f"{len(homie.away)} offline: {_some(homie.away)}")
    if homie.waiting:
        found = (
            f"{len(homie.waiting)} found that count people: {_some(homie.waiting)}; name them in entrances to accept"
        )
        return StatusUpdate(Health.READY, "to_accept", found)
    return StatusUpdate(Health.READY)


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_MAX]) + (", …" if len(names) > SHOWN_MAX else "")


DRIVER = Driver(
    category="PeopleCounter",
    summary="Homie 5 devices that count people",
    document="The Homie Convention 5",
    options=Options,
    run=run,
    uncaptured="a value is known by the description that its device retained before; `mosquitto_sub -t homie/#` shows both",
)
