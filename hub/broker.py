"""The embedded MQTT broker: amqtt in the hub's own process, for the demo and the smallest shops; mosquitto in production.

Nothing here survives a restart, and one message costs the hub several times what mosquitto would take. What it adds to amqtt:

- the door: a connection is amqtt's only after its CONNECT was read, bounded in size and time, and its password proved.
  (amqtt takes a session over before it asks who takes it.) Accounts are the hub's paired devices (MQTT user name = the
  client id that pairing gave, password = the token) and the [mqtt] account of the hub's own drivers.
- rights: a device publishes below store/<store>/ and hears nothing; the [mqtt] account does both there.
- bounds: of a packet, of connections, and of messages on their way: when WAITING_MAX wait, no publisher is read further.
- an end: amqtt acknowledges what it has not handed on, and forgets it when its client hangs up; here the end waits for it.
- what a session had not acknowledged when it ended is kept, as what comes while it is away; amqtt forgets it.
- messages kept for a session that was away go out as what they are, and before newer ones; amqtt marks them `retained`, which
  is a last known state, and mixes them with what comes in.

amqtt is imported when a broker is configured (16 MiB, 0.17 s). Source: amqtt 0.12; tests/hub/test_broker.py pins what is used.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from amqtt.adapters import BufferReader, ReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt.connack import BAD_USERNAME_PASSWORD, IDENTIFIER_REJECTED, UNACCEPTABLE_PROTOCOL_VERSION, ConnackPacket
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import ApplicationMessage, Session

from hub.config import MqttSection
from hub.store.tills import Paired, secret_hash
from sync.errors import StartError

PACKET_BYTES_MAX = 128 * 1024  # a longer packet ends its connection; a count has 100 bytes
CONNECTIONS_MAX = 256  # further ones are closed at once
CONNECT_TIMEOUT_S = 5.0  # a client that does not say who it is within this is closed
KEPT_MAX = 10_000  # messages kept for a session that is away; when full the oldest is forgotten: totals make up for it
DELIVER_MAX = 256  # of these on their way at a time
WAITING_MAX = 1024  # messages taken but not sent on; when full no publisher is read: each waits for its acknowledgement
WAITING_POLL_S = 0.001
SETTLE_TIMEOUT_S = 5.0
HEARD_TIMEOUT_S = 3.0  # the hub's own driver subscribes within a moment of the start
READ_BYTES_MAX = 64 * 1024
STOP_TIMEOUT_S = 2.0
LOGGED_MAX = 100  # refusals that are told apart in the log
NAME_MAX = 64  # characters of a user name or client id there
LISTENER = "default"
_LEVEL_311 = 4
_CONNECT, _PUBLISH, _PUBACK, _DISCONNECT = b"\x10", b"\x30", b"\x40", b"\xe0"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may come in, and what they may do. `tokens` is the hub's own table and changes while it runs."""

    store_id: str
    section: MqttSection
    tokens: Mapping[bytes, Paired]

    def knows(self, username: str | None, password: str | None) -> bool:
        """Whether this is the [mqtt] account or a paired device with its token."""
        if not username or not password:
            return False
        if self.is_own(username):
            return secret_hash(password) == secret_hash(self.section.password)
        paired = self.tokens.get(secret_hash(password))
        return paired is not None and paired.scope == "device" and paired.till_id == username

    def may(self, username: str | None, topic: str, action: Action) -> bool:
        """Whether an account may publish to, subscribe to or receive a topic."""
        is_below = topic.startswith(f"store/{self.store_id}/")
        return is_below and (action is Action.PUBLISH or self.is_own(username))

    def is_own(self, username: str | None) -> bool:
        """Whether this is the [mqtt] account."""
        return bool(self.section.username) and username == self.section.username

    def shown(self, name: str | None) -> str:
        """Return a name as the log may show it: short, printable, no secret that stands in the wrong field."""
        if name and (name == self.section.password or secret_hash(name) in self.tokens):
            return "(a secret)"
        return "".join(filter(str.isprintable, name or ""))[:NAME_MAX]


class Rights(BaseAuthPlugin, BaseTopicPlugin):
    """amqtt's questions, answered by the hub's accounts."""

    @dataclass
    class Config:
        """Given by amqtt's configuration. Any: dacite checks no mapping of ours."""

        accounts: Any = None

    async def authenticate(self, *, session: Session) -> bool | None:
        """Who got here has been asked at the door."""
        return self._accounts.knows(session.username, session.password)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether a session may publish, subscribe or receive."""
        return bool(session and topic and action and self._accounts.may(session.username, topic, action))

    @property
    def _accounts(self) -> Accounts:
        config: Any = self.context.config  # Any: amqtt makes our Config of it
        accounts = config.accounts
        assert isinstance(accounts, Accounts)
        return accounts


class _Broker(Broker):
    """amqtt's broker where its public surface has no place for ours. `behind` names the sessions that are catching up."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self.behind: set[str] = set()

    def has_room(self) -> bool:
        """Whether a publisher may be read on: not too much waits, and what was kept goes out before what is new."""
        return not self.behind and self.waiting() < WAITING_MAX

    async def settle(self, client_id: str | None = None) -> None:
        """Wait until what was taken (from one client) is on its way to its sessions, or kept for those that are away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                for _ in range(2):  # the second time nothing is between two queues any more
                    await asyncio.sleep(WAITING_POLL_S)
                    while self._is_taking(client_id):  # noqa: ASYNC110 - amqtt has no signal for it
                        await asyncio.sleep(WAITING_POLL_S)

    async def until_heard(self) -> None:
        """Wait until somebody has subscribed: what comes before is acknowledged and heard by nobody."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARD_TIMEOUT_S):
                while not self._subscriptions:  # noqa: ASYNC110 - amqtt has no signal for it
                    await asyncio.sleep(WAITING_POLL_S)

    def _is_taking(self, client_id: str | None) -> bool:
        if client_id is not None:
            session = self.sessions.get(client_id)
            return session is not None and session[0].delivered_message_queue.qsize() > 0
        queues = (session.delivered_message_queue for session, _ in self.sessions.values())
        return self._broadcast_queue.qsize() > 0 or any(queue.qsize() for queue in queues)

    def waiting(self) -> int:
        """How many messages were taken and not sent on yet; those that were are cleared away."""
        sent = self._tasks_queue
        while sent and sent[0].done():
            task = sent.popleft()
            if not task.cancelled():
                task.exception()  # a time-out: the message is with its client, who will say so late
        return int(self._broadcast_queue.qsize()) + len(sent)

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: "asyncio.Future[Any]"
    ) -> None:
        """amqtt goes on sending into a closing connection, and forgets what was not acknowledged there."""
        client_session.transitions.disconnect()
        before = list(client_session.inflight_out.values())
        self._keep(client_session, before)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
        known = {id(message) for message in before}
        self._keep(client_session, [m for m in client_session.inflight_out.values() if id(m) not in known])

    def _keep(self, session: Session, messages: Sequence[ApplicationMessage]) -> None:
        for message in messages if not session.clean_session else ():
            if session.retained_messages.qsize() < KEPT_MAX:
                session.retained_messages.put_nowait(message)

    async def _retain_broadcast_message(self, broadcast: dict[str, Any], qos: int, target_session: Session) -> None:
        if target_session.retained_messages.qsize() >= KEPT_MAX:
            target_session.retained_messages.get_nowait()
        await super()._retain_broadcast_message(broadcast, qos, target_session)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        handler, kept = self._get_handler(session), session.retained_messages
        while handler is not None and not kept.empty():
            async with asyncio.TaskGroup() as group:
                for _ in range(min(DELIVER_MAX, kept.qsize())):
                    group.create_task(_deliver(handler, kept.get_nowait()), name="kept message")
        self.behind.discard(session.client_id or "")


async def _deliver(handler: BrokerProtocolHandler, kept: ApplicationMessage) -> None:
    with suppress(TimeoutError, AMQTTError):
        await handler.mqtt_publish(kept.topic, kept.data, kept.qos, retain=False)


@dataclass(slots=True, eq=False)
class _Door:
    """Connections before and while amqtt has them."""

    broker: _Broker
    accounts: Accounts
    awaits_hub: bool
    open: set[asyncio.Task[None]] = field(default_factory=set)
    logged: set[tuple[str, str, str]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be one connection, from its CONNECT to its end."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        packets = _PacketReader(reader, self.broker, writer)
        try:
            if len(self.open) <= CONNECTIONS_MAX and await self._admit(packets, writer):
                await self.broker.external_connected(packets, StreamWriterAdapter(writer), LISTENER)
            if packets.is_too_long:
                self._refuse(packets, "packet_too_long", f"send at most {PACKET_BYTES_MAX} bytes")
        except (OSError, TimeoutError, AMQTTError, MQTTError, NoDataError) as err:
            log.debug("connection ended", extra={"error": str(err)})
        finally:
            self.open.discard(task)
            self.broker.behind.discard(packets.client_id)
            writer.close()

    async def _admit(self, packets: "_PacketReader", writer: asyncio.StreamWriter) -> bool:
        """Whether a client may come in; if not, it was told."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                first = await packets.look()
        except TimeoutError:
            return False
        level = _protocol_level(first)
        if level != _LEVEL_311:
            if level is not None:
                await _answer(writer, UNACCEPTABLE_PROTOCOL_VERSION)
            return False
        connect = await ConnectPacket.from_stream(BufferReader(first))
        packets.names = (connect.username, connect.client_id)
        if not self.accounts.knows(connect.username, connect.password):
            self._refuse(packets, "credentials", "`storehub pair --scope device` gives a user name and token")
            await _answer(writer, BAD_USERNAME_PASSWORD)
            return False
        if self.awaits_hub and not self.accounts.is_own(connect.username):
            await self.broker.until_heard()
        session = self.broker.sessions.get(connect.client_id)
        if session is not None and session[0].username != connect.username:
            self._refuse(packets, "client_id", "each client needs a client id of its own")
            await _answer(writer, IDENTIFIER_REJECTED)
            return False
        if session is not None and not connect.clean_session_flag:
            self.broker.behind.add(connect.client_id)
            await self.broker.settle()
        packets.admit(connect)
        return True

    def _refuse(self, packets: "_PacketReader", reason: str, remedy: str) -> None:
        """Say each reason once a user and address; a sensor that tries again every second is one line."""
        user, client = map(self.accounts.shown, packets.names)
        refusal = (reason, user, packets.address)
        if refusal in self.logged or len(self.logged) > LOGGED_MAX:
            return
        said = {"reason": reason, "user": user, "client": client, "address": packets.address, "remedy": remedy}
        is_shown = len(self.logged) < LOGGED_MAX
        log.warning("mqtt client refused" if is_shown else "more clients are refused", extra=said if is_shown else {})
        self.logged.add(refusal)


class _PacketReader(ReaderAdapter):
    """What amqtt reads from: whole packets, none too long, none while too much waits.

    amqtt cancels a read when the keep-alive time is over, so nothing is taken from the stream that is not kept here.
    """

    def __init__(self, reader: asyncio.StreamReader, broker: _Broker, writer: asyncio.StreamWriter) -> None:
        self._reader, self._broker = reader, broker
        self.address = str(writer.get_extra_info("peername", ("",))[0])
        self.names: tuple[str | None, str | None] = (None, None)  # user and client as they call themselves
        self._buffer = bytearray()
        self._taken: bytes | None = None
        self.client_id = ""
        self._packet, self._place = b"", 0
        self.is_too_long = False

    def admit(self, connect: ConnectPacket) -> None:
        """Let amqtt read this CONNECT; who came without a client id has got one."""
        self.client_id = str(connect.client_id)
        self._packet, self._place = connect.to_bytes(), 0

    async def look(self) -> bytes:
        """Return the next packet, which `read` will give too; nothing at the end."""
        if self._place >= len(self._packet):
            self._packet, self._place = await self._next(), 0
        return self._packet

    async def read(self, n: int = -1) -> bytes:
        """Return n bytes of the packet, the next packet's when it is used up; nothing at the end."""
        packet = await self.look()
        piece = packet[self._place : self._place + n if n >= 0 else None]
        self._place += len(piece)
        return piece

    def feed_eof(self) -> None:
        """The end of the connection."""
        self._reader.feed_eof()

    async def _next(self) -> bytes:
        if self._taken is None:
            self._taken = await self._take()
        while _PUBLISH <= self._taken[:1] < _PUBACK and not self._broker.has_room():  # noqa: ASYNC110 - no signal for it
            await asyncio.sleep(WAITING_POLL_S)
        if self._taken[:1] in (b"", _DISCONNECT):
            await self._broker.settle(self.client_id)
        packet, self._taken = self._taken, None
        return packet

    async def _take(self) -> bytes:
        while True:
            length = _packet_length(self._buffer)
            if length is not None and length > PACKET_BYTES_MAX:
                self.is_too_long = True
                return b""
            if length is not None and len(self._buffer) >= length:
                packet = bytes(self._buffer[:length])
                del self._buffer[:length]
                return packet
            if not (chunk := await self._reader.read(READ_BYTES_MAX)):
                return b""
            self._buffer += chunk


@asynccontextmanager
async def embedded_broker(
    section: MqttSection, *, store_id: str, tokens: Mapping[bytes, Paired], awaits_hub: bool = False
) -> AsyncIterator[int]:
    """Run the broker of the [mqtt] section on loopback and yield its port; raise StartError when the port is taken.

    With `awaits_hub` a device comes in once the hub's own driver has subscribed, or after HEARD_TIMEOUT_S.
    """
    # it writes lines a connection, tracebacks a late acknowledgement, and payloads at DEBUG
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    accounts = Accounts(store_id, section, tokens)
    broker = _Broker(
        BrokerConfig(
            listeners={LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={f"{Rights.__module__}.{Rights.__qualname__}": {"accounts": accounts}},
        )
    )
    door = _Door(broker, accounts, awaits_hub)
    await broker.start()
    try:
        server = await _listen(door, section.port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await _stop(broker, door)


async def _listen(door: _Door, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(door.serve, "127.0.0.1", port, limit=PACKET_BYTES_MAX)
    except OSError as err:
        raise StartError(
            f"cannot listen on 127.0.0.1:{port} ({err.strerror or err}); stop what uses it or choose another [mqtt] port"
        ) from err


async def _stop(broker: _Broker, door: _Door) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await broker.shutdown()
    for task in door.open:
        task.cancel()
    if door.open:
        await asyncio.wait(door.open, timeout=STOP_TIMEOUT_S)


def _packet_length(buffer: bytearray) -> int | None:
    """Return how long the packet at the beginning is with its header, None when that is not known yet. MQTT 3.1.1, 2.2."""
    length = 0
    for n, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return n + 2 + length
    return PACKET_BYTES_MAX + 1 if len(buffer) >= 5 else None


def _protocol_level(packet: bytes) -> int | None:
    """Return the protocol level of a CONNECT, None for anything else. MQTT 3.1.1, 3.1.2."""
    if packet[:1] != _CONNECT:
        return None
    begin = packet.find(b"\x00\x04MQTT", 2, 11)
    return packet[begin + 6] if begin > 0 and len(packet) > begin + 6 else None


async def _answer(writer: asyncio.StreamWriter, code: int) -> None:
    writer.write(ConnackPacket.build(0, code).to_bytes())
    await writer.drain()
