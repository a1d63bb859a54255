"""The hub's devices and entrances in Home Assistant, category Announcer: nothing is set up there, they appear by themselves.

Protocol document: Home Assistant, MQTT discovery (home-assistant.io/integrations/mqtt). Topics, all retained:

    homeassistant/<component>/storehub_<store>/<object>/config    what there is; taken back when it is gone
    store/<store>/hub/…                                           how it is
    store/<store>/hub/status                                      `online`, `offline` as last will

What is said is made in hub.home_assistant; here is the wire. It wants a broker that Home Assistant reaches: mosquitto.
"""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from devices.driver import DeviceContext, Driver
from devices.drivers._broker import BrokerOptions, load_paho
from devices.model import Health, StatusUpdate

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

CONFIGS_MAX = 4096  # retained configs of this store that are looked at


class Options(BrokerOptions, frozen=True, kw_only=True):
    """`store` is the level of the topics."""

    store: Annotated[str, Meta(pattern=r"^[^/+#\s]{1,64}\Z")]


async def run(ctx: DeviceContext, options: Options) -> None:
    """Announce until the broker goes away; raise WireError then, or when it refuses us."""
    await load_paho()
    from devices.drivers._mqtt_link import connected  # here: a hub without MQTT has no use for paho

    said, retained, status = ctx.announcements, set[str](), f"store/{options.store}/hub/status"

    own = f"/storehub_{options.store}/"

    def decode(message: "MQTTMessage") -> None:
        # looked at again: the embedded broker's retained messages match a filter with + too widely
        if message.payload and own in message.topic and len(retained) < CONFIGS_MAX:
            retained.add(message.topic)

    client_id = f"storehub-{options.store}-{ctx.device_id}"
    async with connected(options.broker(client_id, will=(status, b"offline")), decode) as link:
        link.subscribe([f"homeassistant/+/storehub_{options.store}/+/config"])
        said.begin()
        said.on_change = link.wake
        is_new = True
        while True:
            link.ack(await link.next_batch())
            ctx.heartbeat()
            if not link.is_subscribed:
                continue
            changed = said.take()
            if is_new:
                changed, is_new = changed | {status: b"online"}, False
            gone = dict.fromkeys(retained - said.topics, b"")
            retained.clear()
            for topic, payload in (gone | changed).items():
                link.publish(topic, payload)
            ctx.status(StatusUpdate(Health.READY))


DRIVER = Driver(
    category="Announcer",
    summary="the hub's devices and entrances in Home Assistant",
    document="Home Assistant, MQTT discovery",
    options=Options,
    run=run,
    announces=True,
    uncaptured="nothing comes over its wire: the hub tells",
)
