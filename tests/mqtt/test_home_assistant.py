"""A hub's devices and entrances in Home Assistant: what a subscriber that shares nothing with the hub hears, on both brokers."""

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any

from tests.mqtt.conftest import HUB

CONFIG = "homeassistant/binary_sensor/storehub_hk01/{}/config"
COUNT = "store/hk01/counter/door/count"


class Listener:
    """The latest payload of each topic."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self.heard: dict[str, bytes] = {}

    async def until(self, holds: Callable[[dict[str, bytes]], bool]) -> dict[str, bytes]:
        while not holds(self.heard):
            kind, body = await self._wire.receive()
            assert kind, "the broker hung up"
            if kind == 0x30:
                (length,) = struct.unpack(">H", body[:2])
                topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
                packet_id, payload = rest[:2], rest[2:]
                self._wire.send(0x40, packet_id)
                self.heard[topic] = payload
        return self.heard


async def test_devices_and_entrances_appear_and_what_is_gone_is_taken_back(
    broker: Any, connect: Callable[..., Any], start_hub: Any
) -> None:
    account = {"address": f"127.0.0.1:{broker.port}", "username": HUB[0], "password": HUB[1], "store": "hk01"}
    wire, former = [await connect(user=HUB[0], password=HUB[1], client_id=name) for name in ("listener", "former")]
    stale, others = CONFIG.format("gone"), "homeassistant/sensor/storehub_hk02/door/config"
    for topic_filter in ("homeassistant/#", "store/hk01/hub/#"):
        assert await wire.subscribe(topic_filter) == 1
    listener = Listener(wire)
    for topic in (stale, others):
        await former.publish(topic, b'{"name":"old"}', retain=True)

    home, doors = {"kind": "mqtt_home_assistant", **account}, {"kind": "mqtt_counter", **account}
    await start_hub(devices={"home": home, "doors": doors})
    health = "store/hk01/hub/device/doors"
    config_topic, status = CONFIG.format("doors"), "store/hk01/hub/status"

    def has_all(at: dict[str, bytes]) -> bool:
        return at.get(stale) == b"" and b'"ready"' in at.get(health, b"") and {config_topic, status} <= at.keys()

    heard = await listener.until(has_all)
    assert heard[status] == b"online"
    config = json.loads(heard[config_topic])
    assert (config["state_topic"], config["availability_topic"]) == (health, status)
    assert heard.get(others) != b""

    sensor = await connect()
    for number in (10, 13):
        await sensor.publish(COUNT, json.dumps({"in": number, "out": 0}))

    def has_entrance(at: dict[str, bytes]) -> bool:
        return any(b'"in":3' in payload for topic, payload in at.items() if "/hub/entrance/" in topic)

    async with asyncio.timeout(60):
        await listener.until(has_entrance)
    (found,) = [json.loads(p) for t, p in listener.heard.items() if t.endswith("-in/config")]
    assert found["name"] == "door in" and found["state_topic"] in listener.heard
