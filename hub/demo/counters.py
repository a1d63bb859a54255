"""The people counters of a scripted day: honest totals over a bad wire, every message written down with its acknowledgement.

What they do beside counting is what real ones do: repeat themselves, keep a retained message, speak twice in a millisecond, send
again with DUP what was acknowledged, send something old late, forget everything at a power cut.
"""

import asyncio
import random

from devices.testing.mqtt_publisher import MqttPublisher
from hub.client import now_ms
from hub.demo.credentials import Credentials, publisher
from hub.demo.journal import Journal
from hub.demo.settings import ENTRANCES, counter_topic
from hub.demo.visitors import WEIGHTS, Sensor

AGAIN_S = 0.2
SETTLED_S = 1.0  # a hub that has just started takes its broker's messages within milliseconds of its first subscription
CROWD = 1000  # who were not there: more than come in the seconds before a kill, which may hide fewer
_HABITS = ("count", "count", "count", "count", "repeat", "twice", "dup", "late")


class Counters:
    """All doors of the shop."""

    def __init__(
        self, mqtt_port: int, known: Credentials, journal: Journal, *, rng: random.Random, pause_s: float
    ) -> None:
        self._mqtt_port = mqtt_port
        self._known = known
        self._journal = journal
        self._rng = rng
        self._pause_s = pause_s
        self._sensors = [Sensor(name, f"{rng.getrandbits(32):08x}") for name in ENTRANCES]
        self._sent: list[tuple[str, bytes, int]] = []
        self._lock = asyncio.Lock()
        self._wire: MqttPublisher | None = None
        self._connected_s = 0.0

    async def run(self) -> None:
        """Count until cancelled; when the broker goes away, come back and say the totals again."""
        while True:
            try:
                async with publisher(self._mqtt_port, self._known, "doors") as wire:
                    self._wire, self._connected_s = wire, asyncio.get_running_loop().time()
                    for sensor in self._sensors:
                        await self._say(sensor)
                    while True:
                        await asyncio.sleep(self._rng.uniform(0.3, 1.0) * self._pause_s)
                        await self._move()
            except (OSError, TimeoutError):
                self._wire = None
                self._sent.clear()  # packet ids of another connection
            await asyncio.sleep(AGAIN_S)

    def is_settled(self) -> bool:
        """Whether the line to the broker has held for a while: behind it the hub has subscribed again."""
        return self._wire is not None and asyncio.get_running_loop().time() > self._connected_s + SETTLED_S

    async def retain(self) -> None:
        """Leave a retained message at each door's topic."""
        for sensor in self._sensors:
            await self._say(sensor, retain=True)

    def restart(self) -> None:
        """The busy door's counter loses its power for a moment, and two people come in meanwhile."""
        sensor = self._sensors[0]
        sensor.restart(f"{self._rng.getrandbits(32):08x}")
        sensor.entered = 2

    async def close(self) -> None:
        """Everybody goes home; each counter says its last totals."""
        for sensor in self._sensors:
            sensor.exited = max(sensor.exited, sensor.entered)
            await self._say(sensor)

    async def lie(self) -> None:
        """Count a crowd that was not there: no journal knows of it, nor does the counter, so that it may be said again."""
        honest = self._sensors[0]
        liar = Sensor(honest.name, honest.boot)
        liar.entered, liar.exited = honest.entered + CROWD, honest.exited
        async with publisher(self._mqtt_port, self._known, "liar") as wire:
            await wire.publish(counter_topic(liar.name), liar.payload(now_ms()))

    async def _move(self) -> None:
        sensor = self._rng.choices(self._sensors, WEIGHTS)[0]
        habit = self._rng.choice(_HABITS)
        if habit in ("dup", "late") and self._sent:
            topic, payload, packet_id = self._sent[-1] if habit == "dup" else self._rng.choice(self._sent[-8:])
            await self._send([(topic, payload, packet_id)])
            return
        if habit != "repeat":
            self._pass_through(sensor)
        await self._say(sensor, is_twice=habit == "twice")

    def _pass_through(self, sensor: Sensor) -> None:
        if self._rng.random() < 0.6 or sensor.exited >= sensor.entered:
            sensor.entered += self._rng.randint(1, 3)
        else:
            sensor.exited += 1

    async def _say(self, sensor: Sensor, *, retain: bool = False, is_twice: bool = False) -> None:
        at_ms, topic = now_ms(), counter_topic(sensor.name)
        payloads = [sensor.payload(at_ms)]
        if is_twice:
            self._pass_through(sensor)
            payloads.append(sensor.payload(at_ms))
        await self._send([(topic, payload, None) for payload in payloads], retain=retain)

    async def _send(self, messages: list[tuple[str, bytes, int | None]], *, retain: bool = False) -> None:
        async with self._lock:
            await self._send_now(messages, retain=retain)

    async def _send_now(self, messages: list[tuple[str, bytes, int | None]], *, retain: bool) -> None:
        wire, at = self._wire, now_ms()
        if wire is None:
            raise ConnectionResetError("the broker is away")
        ids: list[int] = []
        acked = 0
        try:
            for topic, payload, packet_id in messages:
                ids.append(wire.send(topic, payload, retain=retain, packet_id=packet_id, dup=packet_id is not None))
            for packet_id in ids:
                await wire.acked(packet_id)
                acked += 1
        finally:
            for index, (topic, payload, known) in enumerate(messages):
                entry = {"topic": topic, "payload": payload.decode(), "id": ids[index] if index < len(ids) else 0}
                self._journal.note(at=at, **entry, dup=known is not None, retain=retain, acked=index < acked)
        self._sent += [(topic, payload, ids[n]) for n, (topic, payload, known) in enumerate(messages) if known is None]
