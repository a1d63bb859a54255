"""A counter publishes while systemd stops its broker, or kills it: what is counted.

Debian's mosquitto with the files of docs/mqtt.md, and the hub with its embedded one. The counter sends each message again
until it is acknowledged, as real ones do.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from devices.model import Health
from devices.testing.mqtt_publisher import MqttPublisher
from hub.client import HubClient
from tests.appliance.guest_hub import DATA, GuestHub, guest_hub
from tests.appliance.machine import PROJECT, Machine

pytestmark = pytest.mark.asyncio(loop_scope="session")
MQTT_PORT = 1883
IN_FLIGHT = 16
DELTAS = 1500
STOP_AFTER = 400
PATIENCE_S = 240
SAVES_EVERY_S = 10  # autosave_interval of docs/mqtt.md
SAVE_LATE_S = 2  # mosquitto counts in whole seconds and saves when more than the interval has passed
TOPIC = "store/hk01/counter/door/count"
OF_DELTAS = "store/hk01/counter/door/deltas/count"
COUNTER = """
[devices.doors]
kind = "mqtt_counter"
store = "hk01"
address = "127.0.0.1:1883"
username = "hub"
password = "hub-secret"
"""
EMBEDDED = f'[mqtt]\nport = {MQTT_PORT}\nusername = "hub"\npassword = "hub-secret"\n'
COUNTED = f"""
import sqlite3
read = sqlite3.connect("file:{DATA}/hub.db?mode=ro", uri=True)
for entrance, entered in read.execute("SELECT entrance, sum(entered) FROM footfall GROUP BY entrance"):
    print(entrance, entered)
"""


@dataclass
class Door:
    """A counter that publishes until all is acknowledged, over as many connections as it takes."""

    port: int
    username: str
    password: str
    acked_s: list[float] = field(default_factory=list)
    connections: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, topic: str, payloads: list[bytes], *, gap_s: float = 0) -> None:
        """Return when the broker has acknowledged each; those of a connection that ended are sent again."""
        first = len(self.acked_s)
        async with asyncio.timeout(PATIENCE_S):
            while (done := len(self.acked_s) - first) < len(payloads):
                try:
                    await self._some(topic, payloads[done:], gap_s)
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.2)  # another machine's port: nothing tells us when it is there again

    async def reaches(self, acknowledged: int) -> None:
        """Return when so many are acknowledged."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.acked_s) < acknowledged:
                self._changed.clear()
                await self._changed.wait()

    async def _some(self, topic: str, payloads: list[bytes], gap_s: float) -> None:
        async with MqttPublisher(
            "127.0.0.1", self.port, client_id="door", username=self.username, password=self.password
        ) as wire:
            self.connections += 1
            sent: list[int] = []
            for payload in payloads:
                sent.append(wire.send(topic, payload))
                if gap_s or len(sent) == IN_FLIGHT:
                    await self._acked(wire, sent.pop(0))
                    await asyncio.sleep(gap_s)
            while sent:
                await self._acked(wire, sent.pop(0))

    async def _acked(self, wire: MqttPublisher, packet_id: int) -> None:
        await wire.acked(packet_id)
        self.acked_s.append(asyncio.get_running_loop().time())
        self._changed.set()


@asynccontextmanager
async def mosquitto(machine: Machine, hub: GuestHub) -> AsyncIterator[Door]:
    """Debian's mosquitto as docs/mqtt.md has it, and a counter that was paired when it ran; forgotten at the end."""
    page = (PROJECT / "docs/mqtt.md").read_text(encoding="utf-8")
    [settings] = re.findall(r"```\n(listener .*?)```", page, re.DOTALL)
    [folder, accounts] = re.findall(r"^\$ (install -d .*|storehub mqtt accounts .*)$", page, re.MULTILINE)
    await machine.run("cat > /etc/mosquitto/conf.d/store-hub.conf", given=settings.encode())
    await machine.run(f"{folder}\n{accounts}\nsystemctl start mosquitto")
    try:
        door = await paired(machine, hub)
        await machine.run(f"{accounts}\nsystemctl reload mosquitto")
        yield door
    finally:
        await machine.run(
            "systemctl stop mosquitto; rm -f /var/lib/mosquitto/mosquitto.db /etc/mosquitto/conf.d/store-hub.conf"
        )


async def test_a_mosquitto_that_systemd_stops_brings_everything_that_it_acknowledged(machine: Machine) -> None:
    async with guest_hub(machine, COUNTER) as hub, mosquitto(machine, hub) as door:
        await hub.reaches("doors", Health.READY)
        await machine.run("systemctl stop storehub")  # its messages wait at the broker
        publishing = asyncio.create_task(door.publish(TOPIC, deltas(DELTAS)))
        await door.reaches(STOP_AFTER)
        await machine.run("systemctl stop mosquitto")
        assert len(door.acked_s) < DELTAS, "it was stopped in the middle"
        await machine.run("systemctl start mosquitto storehub")
        await publishing
        assert door.connections > 1
        await counts(machine, lambda counted: counted.get("door", 0) >= DELTAS)
        assert await counted_on(machine) == {"door": DELTAS}


async def test_a_killed_mosquitto_loses_no_more_than_its_interval_and_running_totals_heal_it(machine: Machine) -> None:
    async with guest_hub(machine, COUNTER) as hub, mosquitto(machine, hub) as door:
        await hub.reaches("doors", Health.READY)
        await door.publish(TOPIC, [total(0), total(1)])  # the first counts nothing
        await counts(machine, lambda counted: "door" in counted)
        await machine.run("systemctl stop storehub")
        before = len(door.acked_s)
        await door.publish(OF_DELTAS, deltas(200), gap_s=0.15)  # three intervals
        killed_s = asyncio.get_running_loop().time()
        await machine.run("systemctl kill --signal=KILL mosquitto")
        await machine.run("systemctl start mosquitto storehub")
        await door.publish(TOPIC, [total(201)])
        await counts(machine, lambda counted: counted["door"] == 201)
        acked_s = door.acked_s[before : before + 200]
        safe = sum(acked_s < killed_s - SAVES_EVERY_S - SAVE_LATE_S for acked_s in acked_s)
        counted = (await counted_on(machine)).get("door/deltas", 0)
        print(
            f"200 acknowledged in {acked_s[-1] - acked_s[0]:.1f} s, {safe} of them before the interval, {counted} counted"
        )
        assert safe <= counted <= 200


async def test_a_hub_that_systemd_stops_has_counted_everything_that_its_broker_acknowledged(machine: Machine) -> None:
    async with guest_hub(machine, EMBEDDED + COUNTER) as hub:
        door = await paired(machine, hub)
        await hub.reaches("doors", Health.READY)
        publishing = asyncio.create_task(door.publish(TOPIC, deltas(DELTAS)))
        await door.reaches(STOP_AFTER)
        await machine.run("systemctl stop storehub")
        acked = len(door.acked_s)
        assert STOP_AFTER <= acked < DELTAS, "it was stopped in the middle"
        assert acked <= (await counted_on(machine))["door"] <= acked + IN_FLIGHT
        await machine.run("systemctl start storehub")
        await publishing
        await counts(machine, lambda counted: counted["door"] >= DELTAS)
        assert await counted_on(machine) == {"door": DELTAS}


async def test_a_killed_hub_is_started_again_and_running_totals_heal_it(machine: Machine) -> None:
    async with guest_hub(machine, EMBEDDED + COUNTER) as hub:
        door = await paired(machine, hub)
        await hub.reaches("doors", Health.READY)
        await door.publish(TOPIC, [total(0), total(1)])  # the first counts nothing
        await counts(machine, lambda counted: "door" in counted)
        publishing = asyncio.create_task(door.publish(TOPIC, [total(number) for number in range(2, DELTAS + 1)]))
        await door.reaches(STOP_AFTER)
        await machine.run("systemctl kill --signal=KILL storehub")
        assert len(door.acked_s) <= DELTAS, "it was killed in the middle"
        await publishing
        assert door.connections > 1
        await counts(machine, lambda counted: counted["door"] >= DELTAS)
        assert await counted_on(machine) == {"door": DELTAS}
        assert (await machine.run("systemctl show -P NRestarts storehub")).strip() == "1"


async def paired(machine: Machine, hub: GuestHub) -> Door:
    """Pair a counter named `door`."""
    code = await hub.control.make_code("device")
    async with HubClient(hub.url) as client:
        answer = await client.pair(code, "door")
    return Door(await machine.forward(MQTT_PORT), answer.till_id, answer.token)


async def counted_on(machine: Machine) -> dict[str, int]:
    """Return who came in by entrance, from the hub's file."""
    lines = await machine.run("python3 -", given=COUNTED.encode())
    return {entrance: int(entered) for entrance, entered in (line.split() for line in lines.splitlines())}


async def counts(machine: Machine, enough: Callable[[dict[str, int]], bool]) -> None:
    """Return when enough is counted."""
    async with asyncio.timeout(PATIENCE_S):
        while not enough(await counted_on(machine)):  # noqa: ASYNC110 - a file of another machine
            await asyncio.sleep(0.5)


def deltas(count: int) -> list[bytes]:
    return [b'{"in_delta":1,"id":%d,"boot":"b"}' % number for number in range(count)]


def total(number: int) -> bytes:
    return b'{"in":%d,"out":0,"boot":"b"}' % number
