"""paho-mqtt on the asyncio loop: one connection, a bounded inbox, acknowledgements by hand. No thread, no reconnecting.

MQTT 5 first, because there a client tells the broker its bounds: Receive Maximum is INBOX_MAX, so a broker never has more on
the way (mosquitto's own default is 20, one commit for each), and Maximum Packet Size keeps a monster at the broker. It also
names how long the session may wait for us. A broker that only speaks 3.1.1 gets a session without end and clean_session False;
there the inbox stops reading the socket when it is full, and FrameCutter cuts what is too long.

Below paho's public interface is one method, `Client._create_socket`, overridden to hand it a connected `MqttWire`:
- paho connects with a blocking call, and this is a loop that others live on;
- paho reads a packet by three `recv` calls and writes each PUBACK by one `send`: 4 system calls a message instead of 1 in 50.
tests/devices/test_mqtt_link.py pins that name. Everything else is the documented interface for external event loops.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.driver import HEARTBEAT_S
from devices.drivers._mqtt_wire import PACKET_BYTES_MAX, MqttWire, shake_hands
from devices.errors import WireError

INBOX_MAX = 256
"""Messages that are not acknowledged yet. When full the socket is not read: the broker waits, or keeps them."""
READ_BURST = 32  # messages handled before others get their turn on the loop: 1 to 2 ms
CONNECT_TIMEOUT_S = 5.0  # a broker in the same building answers in milliseconds
SESSION_EXPIRY_S = 7 * 24 * 3600  # what came while the hub was away a week is history; the broker may forget it
_UNSUPPORTED_VERSION = "Unsupported protocol version"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are there."""

    host: str
    port: int
    client_id: str
    username: str
    password: str
    keepalive_s: int
    tls: ssl.SSLContext | None = None
    will: tuple[str, bytes] | None = None

    @property
    def address(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}"


class BrokerLostError(WireError):
    """The broker is away or will not have us; `reason` says which. What was not acknowledged comes again."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class MqttLink(Generic[T]):
    """A connection in use. `decode` turns a message into what the inbox holds, at once, so that no payload waits there."""

    def __init__(
        self,
        broker: Broker,
        wire: MqttWire,
        protocol: MQTTProtocolVersion,
        decode: Callable[[mqtt.MQTTMessage], T],
    ) -> None:
        self._broker = broker
        self._wire = wire
        self._decode = decode
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[tuple[int, T]] = deque()
        self._unacked = 0
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._lost: BrokerLostError | None = None
        self._topic_filters: Sequence[str] = ()
        self.is_subscribed = False
        self._connack: ReasonCode | None = None
        self._is_reading = self._is_writing = self._is_flush_due = False
        self._client = _client(broker, wire, protocol)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_close = lambda *_: self._detach()
        self._client.on_socket_register_write = lambda *_: self._flush_soon()

    async def connect(self) -> ReasonCode | None:
        """Say CONNECT; return the broker's answer, None when it hung up instead."""
        self._client.reconnect()
        self._resume()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while self._connack is None and self._lost is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as err:
            detail = f"{self._broker.address} did not answer within {CONNECT_TIMEOUT_S:g} s"
            raise BrokerLostError("broker_unreachable", detail) from err
        return self._connack

    def subscribe(self, topic_filters: Sequence[str]) -> None:
        """Subscribe with QoS 1; `is_subscribed` follows. What a session kept comes before the answer, and may fill the inbox."""
        self._topic_filters = topic_filters
        self._client.subscribe([(topic_filter, 1) for topic_filter in topic_filters])

    async def next_batch(self) -> list[tuple[int, T]]:
        """Return what has come, oldest first, for `ack`; nothing when subscribed, and after HEARTBEAT_S of silence.

        Raise BrokerLostError when the connection has ended or the subscription is refused.
        """
        if not self._inbox and not self._gone.is_set():
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
        self._client.loop_misc()
        self._raise_if_lost()
        batch = list(self._inbox)
        self._inbox.clear()
        return batch

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, retained; an empty payload takes back what was."""
        self._client.publish(topic, payload, qos=1, retain=True)

    def wake(self) -> None:
        """Let `next_batch` return, with whatever there is."""
        self._changed.set()

    def ack(self, batch: Sequence[tuple[int, T]]) -> None:
        """Acknowledge a batch, in its order (MQTT-4.6.0-2), and read on."""
        for packet_id, _ in batch:
            if packet_id:
                self._client.ack(packet_id, 1)
        self._unacked -= len(batch)
        self._resume()

    async def idle(self, duration_s: float) -> None:
        """Wait without taking anything; the connection is kept alive, and raises when it is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await self._gone.wait()
        self._client.loop_misc()
        self._raise_if_lost()

    def close(self) -> None:
        """Say DISCONNECT if somebody listens; the broker keeps the session."""
        self._client.disconnect()
        self._client.loop_write()
        self._detach()
        self._wire.close()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _on_connect(self, _client: mqtt.Client, _: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._connack = reason
        self._changed.set()

    def _on_subscribe(
        self, _client: mqtt.Client, _: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            who, what = self._broker.username or "anonymous", " and ".join(self._topic_filters)
            detail = f"{self._broker.address} does not let {who!r} subscribe to {what}: allow it there"
            self._lose(BrokerLostError("broker_refused", detail))
            return
        self.is_subscribed = True
        self._changed.set()

    def _on_message(self, _client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        self._inbox.append((message.mid if message.qos else 0, self._decode(message)))
        self._unacked += 1
        self._changed.set()

    def _on_disconnect(self, _client: mqtt.Client, _: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._lose(self._ended(str(reason)))

    def _ended(self, why: str) -> BrokerLostError:
        return BrokerLostError("broker_unreachable", f"{self._broker.address} ended the connection: {why}")

    def _lose(self, lost: BrokerLostError) -> None:
        if self._lost is None:
            self._lost = lost
            self._gone.set()
            self._changed.set()
        self._detach()

    def _resume(self) -> None:
        if not self._is_reading and not self._gone.is_set() and self._unacked < INBOX_MAX:
            self._is_reading = True
            self._loop.add_reader(self._wire.fileno(), self._read)
            self._loop.call_soon(self._read)  # what was read from the socket already

    def _read(self) -> None:
        """Hand packets to paho until there are none, the inbox is full, or others should have their turn."""
        if not self._is_reading:
            return
        for _ in range(READ_BURST):
            if self._unacked >= INBOX_MAX:
                self._loop.remove_reader(self._wire.fileno())
                self._is_reading = False
                return
            if not self._wire.fill():
                return
            if self._client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._gone.is_set():
                return  # on_disconnect was called
        self._loop.call_soon(self._read)

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what paho has queued, all of it in one call where the socket takes it."""
        self._is_flush_due = False
        if self._gone.is_set():
            return
        self._client.loop_write()
        try:
            has_more = self._wire.flush()
        except OSError as err:
            self._lose(self._ended(err.strerror or str(err)))
            return
        if has_more != self._is_writing:
            self._is_writing = has_more
            if has_more:
                self._loop.add_writer(self._wire.fileno(), self._flush)
            else:
                self._loop.remove_writer(self._wire.fileno())

    def _detach(self) -> None:
        if self._is_reading:
            self._loop.remove_reader(self._wire.fileno())
        if self._is_writing:
            self._loop.remove_writer(self._wire.fileno())
        self._is_reading = self._is_writing = False


@asynccontextmanager
async def connected(broker: Broker, decode: Callable[[mqtt.MQTTMessage], T]) -> AsyncIterator[MqttLink[T]]:
    """Connect to a broker, with MQTT 5 or else 3.1.1; raise BrokerLostError when it is not there or refuses us."""
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        link = MqttLink(broker, MqttWire(await _open_socket(broker)), protocol, decode)
        try:
            answer = await link.connect()
            if answer is None or answer.getName() == _UNSUPPORTED_VERSION:
                continue
            if answer.is_failure:
                name = broker.username or "anonymous"
                raise BrokerLostError(
                    "broker_refused", f"{broker.address} refuses {name!r}: {answer}; correct username and password"
                )
            yield link
            return
        finally:
            link.close()
    raise BrokerLostError("broker_unreachable", f"{broker.address} speaks neither MQTT 5 nor MQTT 3.1.1 with us")


async def _open_socket(broker: Broker) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
            family, kind, number, _, address = found[0]
            with ExitStack() as undo:
                sock = undo.enter_context(socket.socket(family, kind, number))
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, address)
                if broker.tls is not None:
                    sock = undo.enter_context(
                        broker.tls.wrap_socket(sock, server_hostname=broker.host, do_handshake_on_connect=False)
                    )
                    await shake_hands(sock)
                undo.pop_all()
    except ssl.SSLError as err:
        detail = f"{broker.address} and this hub do not trust each other: {err.reason or err}; correct ca, certificate and key"
        raise BrokerLostError("broker_refused", detail) from err
    except OSError as err:  # TimeoutError is one
        why = err.strerror or f"no answer within {CONNECT_TIMEOUT_S:g} s"
        raise BrokerLostError("broker_unreachable", f"no broker at {broker.address}: {why}") from err
    return sock


def _client(broker: Broker, wire: MqttWire, protocol: MQTTProtocolVersion) -> "_Client":
    is_5 = protocol is MQTTProtocolVersion.MQTTv5
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        clean_session=None if is_5 else False,
        protocol=protocol,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.wire = wire
    if broker.username:
        client.username_pw_set(broker.username, broker.password or None)
    if broker.will is not None:
        client.will_set(*broker.will, qos=1, retain=True)
    properties = None
    if is_5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = INBOX_MAX
        properties.MaximumPacketSize = PACKET_BYTES_MAX
    clean_start = False if is_5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY  # the latter is paho's word for: not MQTT 5
    client.connect_async(broker.host, broker.port, broker.keepalive_s, clean_start=clean_start, properties=properties)
    return client


class _Client(mqtt.Client):
    """paho's client on a socket that is connected already."""

    wire: MqttWire

    def _create_socket(self) -> MqttWire:
        return self.wire
