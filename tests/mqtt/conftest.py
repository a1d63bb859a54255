"""Two brokers with one face, an MQTT client that shares nothing with ours, and the hub's side of a counter driver.

A test that takes `broker` runs against the embedded broker and against a real mosquitto with a password file and an ACL.
"""

import asyncio
import random
import shutil
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from devices.drivers.mqtt_counter import DRIVER, Options
from devices.errors import NotRecordedError
from devices.model import CounterReading, Health
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.supervisor import Supervisor
from hub.broker.embedded import embedded_broker
from hub.mosquitto import SALT_BYTES, Account, acl_file, password_file, password_hash
from hub.settings.file import MqttSection
from hub.store import footfall
from hub.store.staff.tills import Paired
from hub.tokens import Tokens
from sync.db import Database
from sync.errors import OutcomeUnknownError
from sync.model import Replica

WAIT_S = 60.0
HUB = ("hub", "hub-secret")
DOOR = ("device1", "token-of-the-door-sensor")
BROKERS = ("embedded", "mosquitto")


class BrokerUnderTest(Protocol):
    """A broker that can be stopped and started again on its port; `keeps` says whether it remembers over that."""

    keeps: bool
    port: int

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Embedded:
    """hub.broker in this process."""

    keeps = False

    def __init__(self, port: int) -> None:
        self.port = port
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        tokens = Tokens()
        tokens.admit(DOOR[1], Paired(DOOR[0], "door", "device"))
        tokens.admit("a till's token", Paired("t1", "Till", "till"))
        section = MqttSection(self.port, *HUB)
        await self._stack.enter_async_context(embedded_broker(section, store_id="hk01", tokens=tokens))

    async def stop(self) -> None:
        await self._stack.aclose()


class Mosquitto:
    """Debian's mosquitto as a process, its files in the test's folder."""

    keeps = True

    def __init__(
        self, port: int, folder: Path, *, listener: str = "", extra: str = "", files: Path | None = None
    ) -> None:
        self.port = port
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        if files is None:
            files = folder
            device = Account(Paired(DOOR[0], "door", "device"), password_hash(DOOR[1], salt=bytes(SALT_BYTES)))
            others = {HUB[0]: password_hash(HUB[1], salt=bytes(range(SALT_BYTES)))}
            (files / "passwords").write_text(password_file([device], others))
            (files / "acl").write_text(acl_file("hk01", [device], own=[HUB[0]], readers=[]))
        (folder / "mosquitto.conf").write_text(
            f"{listener or f'listener {port} 127.0.0.1'}\n{extra}user root\nallow_anonymous false\n"
            f"password_file {files / 'passwords'}\nacl_file {files / 'acl'}\n"
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 100000\n"
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "mosquitto", "-c", str(self._folder / "mosquitto.conf"), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self) -> None:
        """As a power cut does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None


@pytest.fixture
def mosquitto_installed() -> None:
    """Skip where Debian's package is absent."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed")


@pytest.fixture(params=BROKERS)
async def broker(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]
) -> AsyncIterator[BrokerUnderTest]:
    """A running broker of each sort."""
    made: BrokerUnderTest
    if request.param == "embedded":
        made = Embedded(free_port())
    else:
        request.getfixturevalue("mosquitto_installed")
        folder = tmp_path / "mosquitto"
        folder.mkdir()
        made = Mosquitto(free_port(), folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def mosquitto() -> type[Mosquitto]:
    """For a test with a broker of its own."""
    return Mosquitto


class RefusedByBrokerError(Exception):
    """CONNACK with another code than 0, or the end of the connection."""


class Publisher:
    """MQTT 3.1.1 on a bare socket: flags and packet ids are what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packet_id = 0

    @classmethod
    async def connect(
        cls, port: int, user: str = DOOR[0], password: str = DOOR[1], *, client_id: str = "sensor", level: int = 4
    ) -> "Publisher":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        made = cls(reader, writer)
        flags = 2 | (0xC0 if user else 0)
        body = _text("MQTT") + bytes([level, flags]) + struct.pack(">H", 60) + _text(client_id)
        made.send(0x10, body + (_text(user) + _text(password) if user else b""))
        kind, answer = await made.receive()
        if kind != 0x20 or answer[1] != 0:
            writer.close()
            raise RefusedByBrokerError(answer)
        return made

    async def publish(
        self, topic: str, payload: bytes | str, *, dup: bool = False, retain: bool = False, qos: int = 1
    ) -> None:
        """Publish and wait for the acknowledgement."""
        self.publish_soon(topic, payload, dup=dup, retain=retain, qos=qos)
        if qos:
            await self.acknowledged(1)

    def publish_soon(
        self, topic: str, payload: bytes | str, *, dup: bool = False, retain: bool = False, qos: int = 1
    ) -> None:
        self._packet_id = self._packet_id % 65535 + 1
        number = struct.pack(">H", self._packet_id) if qos else b""
        raw = payload.encode() if isinstance(payload, str) else payload
        self.send(0x30 | dup << 3 | qos << 1 | retain, _text(topic) + number + raw)

    async def acknowledged(self, count: int) -> None:
        """Wait for so many PUBACKs."""
        while count:
            kind, _ = await self.receive()
            if not kind:
                raise RefusedByBrokerError("the connection ended")
            count -= kind == 0x40

    async def subscribe(self, topic_filter: str) -> int:
        """Return the granted QoS, 0x80 when it is refused."""
        self.send(0x82, b"\x00\x01" + _text(topic_filter) + b"\x01")
        while True:
            kind, body = await self.receive()
            if kind == 0x90:
                return body[2]

    def send(self, kind: int, body: bytes) -> None:
        length, size = len(body), b""
        while True:
            length, low = length >> 7, length & 127
            size += bytes([low | (128 if length else 0)])
            if not length:
                break
        self._writer.write(bytes([kind]) + size + body)

    async def receive(self) -> tuple[int, bytes]:
        """Return (kind, body) of the next packet; (0, b"") at the end."""
        try:
            async with asyncio.timeout(WAIT_S):
                kind, low = await self._reader.readexactly(2)
                length = low & 0x7F
                for shift in (7, 14, 21):
                    if low < 0x80:
                        break
                    (low,) = await self._reader.readexactly(1)
                    length |= (low & 0x7F) << shift
                return kind & 0xF0, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""

    async def drain(self) -> None:
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


@dataclass
class HubSide:
    """What stands behind the driver: the supervisor, and the books in a real file."""

    db: Database
    replica: Replica
    now_ms: Callable[[], int]
    verdicts: Counter[str] = field(default_factory=Counter)
    batches: list[int] = field(default_factory=list)
    states: list[DeviceState] = field(default_factory=list)
    taken: list[CounterReading] = field(default_factory=list)
    refuses: bool = False
    holds: asyncio.Event | None = None
    supervisor: Supervisor = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_readings(self, _device_id: str, readings: Sequence[CounterReading]) -> None:
        """Record as hub.visitors does; `refuses` fails the commit, `holds` keeps the answer back after it."""
        self.batches.append(len(readings))
        now_ms = self.now_ms()
        try:
            if self.refuses:
                raise OutcomeUnknownError("outcome_unknown", "the test's disk is full")
            done = await self.db.write(lambda tx: footfall.record(tx, self.replica, readings, now_ms=now_ms))
        except OutcomeUnknownError as err:
            raise NotRecordedError(str(err)) from err
        finally:
            self._changed.set()
        self.taken += readings
        self.verdicts.update({str(verdict): count for verdict, count in done.verdicts.items()})
        if self.holds is not None:
            await self.holds.wait()

    def on_status(self, state: DeviceState) -> None:
        self.states.append(state)
        self._changed.set()

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        """Return when it holds; asked again after each batch and status."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def ready(self) -> None:
        await self.wait_for(lambda: bool(self.states) and self.states[-1].health is Health.READY)

    def sums(self) -> dict[str, tuple[int, int]]:
        """Who came and left by entrance, from the file."""
        rows = self.db.read.execute("SELECT entrance, sum(entered), sum(exited) FROM footfall GROUP BY entrance")
        return {entrance: (entered, exited) for entrance, entered, exited in rows}

    def counters(self) -> dict[str, int]:
        return dict(self.supervisor.state("doors").counters)

    @asynccontextmanager
    async def driver(self, port: int, **given: Any) -> AsyncIterator[None]:
        """Run the driver under the real supervisor; at the end it is cancelled as at a stop of the hub."""
        outside = Outside(
            on_event=_no_event,
            on_status=self.on_status,
            on_readings=self.on_readings,
            now_ms=self.now_ms,
            monotonic_s=time.monotonic,
            rng=random.Random(1),
            sleep=lambda _delay_s: asyncio.sleep(0.01),
        )
        options = {"store": "hk01", "address": f"127.0.0.1:{port}", "username": HUB[0], "password": HUB[1]} | given
        self.supervisor = Supervisor([DeviceSpec("doors", "mqtt_counter", DRIVER, Options(**options))], outside)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.supervisor.run(), name="supervisor")
            yield
            task.cancel()


async def _no_event(*_: Any) -> None:
    raise AssertionError("a counter sends no scans")


@pytest.fixture
async def hub_side(store: Any) -> HubSide:
    """The hub's side, at the tests' time."""
    return HubSide(store.db, store.replica, lambda: 1_790_000_000_000)


@pytest.fixture
async def connect(broker: BrokerUnderTest) -> AsyncIterator[Callable[..., Any]]:
    """Connect a publisher: `await connect(user=..., password=...)`."""
    made: list[Publisher] = []

    async def connect_one(**given: Any) -> Publisher:
        made.append(await Publisher.connect(broker.port, **({"client_id": f"sensor{len(made)}"} | given)))
        return made[-1]

    yield connect_one
    for publisher in made:
        await publisher.close()


@pytest.fixture
async def connect_to() -> AsyncIterator[Callable[..., Any]]:
    """Connect a publisher to a broker of the test's own: `await connect_to(port, user, password, client_id=...)`."""
    made: list[Publisher] = []

    async def connect_one(*given: Any, **more: Any) -> Publisher:
        made.append(await Publisher.connect(*given, **more))
        return made[-1]

    yield connect_one
    for publisher in made:
        await publisher.close()


@pytest.fixture
def refused() -> type[Exception]:
    """What a publisher raises when the broker will not have it."""
    return RefusedByBrokerError
