"""Wi-Fi probes over MQTT, category WifiProbe: one device section for all probes of a store behind one broker.

Protocol document: docs/mqtt.md (MQTT 5 or 3.1.1, OASIS). Topics:

    store/<store>/probe/<probe>/seen     the addresses it heard since its last report, also when it heard none; QoS 1
    store/<store>/probe/<probe>/status   `online` at birth, `offline` as last will, retained; may be left out

An address is in the hub's memory until it is hashed under the day's salt (hub.attached.probes), and nowhere else.
"""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from devices.codecs.counters.own import is_sensor_name
from devices.codecs.probes import parse_report
from devices.driver import DeviceContext, Driver
from devices.drivers._broker import BrokerOptions, load_paho
from devices.drivers._counting import Counters, Entrance, Presence, presence
from devices.drivers._recording import record_and_ack
from devices.errors import CountError
from devices.model import ProbeReport

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage


class Options(BrokerOptions, frozen=True, kw_only=True):
    """`places` names where a probe hangs. What it hears weaker than `rssi_min_dbm` is outside: it is left out."""

    store: Annotated[str, Meta(pattern=r"^[^/+#\s]{1,64}\Z")]
    places: dict[str, Entrance] = {}
    rssi_min_dbm: Annotated[int, Meta(ge=-128, le=0)] = -128


async def run(ctx: DeviceContext, options: Options) -> None:
    """Record what probes hear until the broker goes away; raise WireError then, or when it refuses us."""
    await load_paho()
    from devices.drivers._mqtt_link import connected  # here: a hub without probes has no use for paho

    probes = Counters(ctx, None, {})

    def decode(message: "MQTTMessage") -> ProbeReport | Presence | None:
        probe = "?"
        try:
            probe, what = _levels(message)
            if what == "status":
                return presence(probe, message.payload)
            place = options.places.get(probe, probe)
            return parse_report(message.payload, place=place, rssi_min_dbm=options.rssi_min_dbm)
        except CountError as err:
            probes.refuse(probe, err)
            return None

    async with connected(options.broker(f"storehub-{options.store}-{ctx.device_id}"), decode) as link:
        link.subscribe([f"store/{options.store}/probe/+/{what}" for what in ("seen", "status")])
        while True:
            batch = await link.next_batch()
            ctx.heartbeat()
            for _, said in batch:
                if isinstance(said, Presence):
                    probes.note(said.sensor, is_online=said.is_online)
            reports = [said for _, said in batch if isinstance(said, ProbeReport)]
            await record_and_ack(ctx, link, batch, reports, again=lambda report: report)
            if link.is_subscribed:
                probes.report()


DRIVER = Driver(
    category="WifiProbe",
    summary="Wi-Fi probes that publish to an MQTT broker",
    document="docs/mqtt.md; MQTT 5 and 3.1.1",
    options=Options,
    run=run,
    evidence="simulated",
    uncaptured="a report is of strangers' telephones; addresses that are exchanged would no longer be known for made up or not",
)


def _levels(message: "MQTTMessage") -> tuple[str, str]:
    try:
        *_, probe, what = message.topic.split("/")
    except UnicodeDecodeError as err:
        raise CountError("sensor_name", "the topic is not UTF-8") from err
    if not is_sensor_name(probe):
        raise CountError("sensor_name", "the topic's probe level is empty, too long or not printable")
    return probe, what
