"""People at the doors, and the counters above them: running totals over MQTT, as docs/mqtt.md asks for.

A counter forgets its totals when the demo ends and begins again from 0 with a new `boot`, as one does after a power cut.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable

from devices.testing.mqtt_publisher import MqttPublisher
from hub.demo.credentials import Credentials, publisher
from hub.demo.settings import ENTRANCES, counter_topic

STROLL_S = (1.0, 6.0)  # between two visitors who buy nothing
STAY_S = (2.0, 15.0)
AGAIN_S = 1.0  # after the broker went away
WEIGHTS = (3, 1)  # the street door is the busier one

log = logging.getLogger(__name__)


class Sensor:
    """One people counter's memory."""

    def __init__(self, name: str, boot: str) -> None:
        self.name = name
        self.boot = boot
        self.entered = 0
        self.exited = 0

    def restart(self, boot: str) -> None:
        """Lose the totals, as at a power cut."""
        self.boot, self.entered, self.exited = boot, 0, 0

    def payload(self, at_ms: int) -> bytes:
        """Return what it says now."""
        return json.dumps({"in": self.entered, "out": self.exited, "at": at_ms, "boot": self.boot}).encode()


class Visitors:
    """Everybody in the shop; who goes through a door is counted."""

    def __init__(self, mqtt_port: int, known: Credentials, *, rng: random.Random, now_ms: Callable[[], int]) -> None:
        self._mqtt_port = mqtt_port
        self._known = known
        self._rng = rng
        self._now_ms = now_ms
        self._sensors = [Sensor(name, f"{rng.getrandbits(32):08x}") for name in ENTRANCES]
        self._moved = asyncio.Event()

    def enter(self) -> None:
        """Somebody comes in."""
        self._through().entered += 1
        self._moved.set()

    def leave(self) -> None:
        """Somebody goes."""
        self._through().exited += 1
        self._moved.set()

    async def run(self) -> None:
        """Stroll and count until cancelled; when the broker goes away, come back when it is back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stroll(group), name="visitors")
            group.create_task(self._count(), name="people counters")

    async def _stroll(self, group: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(*STROLL_S))
            group.create_task(self._look_around(), name="visitor")

    async def _look_around(self) -> None:
        self.enter()
        await asyncio.sleep(self._rng.uniform(*STAY_S))
        self.leave()

    async def _count(self) -> None:
        while True:
            try:
                async with publisher(self._mqtt_port, self._known, "doors") as wire:
                    while True:
                        await self._say(wire)
                        await self._moved.wait()
                        self._moved.clear()
            except (OSError, TimeoutError) as err:
                log.debug("the counters wait for the broker: %r", err)
            await asyncio.sleep(AGAIN_S)

    async def _say(self, wire: MqttPublisher) -> None:
        for sensor in self._sensors:
            await wire.publish(counter_topic(sensor.name), sensor.payload(self._now_ms()))

    def _through(self) -> Sensor:
        return self._rng.choices(self._sensors, WEIGHTS)[0]
