"""The door of the embedded broker: who comes in, bounded in number and time; who does not, and why, is said once."""

import asyncio
import logging
from dataclasses import dataclass, field

from amqtt.adapters import BufferReader, StreamWriterAdapter
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt.connack import BAD_USERNAME_PASSWORD, IDENTIFIER_REJECTED, UNACCEPTABLE_PROTOCOL_VERSION, ConnackPacket
from amqtt.mqtt.connect import ConnectPacket

from hub.broker.accounts import Accounts
from hub.broker.engine import Engine
from hub.broker.packets import PACKET_BYTES_MAX, PacketReader, protocol_level

CONNECTIONS_MAX = 256  # further ones are closed at once
CONNECT_TIMEOUT_S = 5.0  # a client that does not say who it is within this is closed
LOGGED_MAX = 100  # refusals that are told apart in the log
LISTENER = "default"
_LEVEL_311 = 4

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Door:
    """Connections before and while amqtt has them."""

    broker: Engine
    accounts: Accounts
    awaits_hub: bool
    open: set[asyncio.Task[None]] = field(default_factory=set)
    logged: set[tuple[str, str, str]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be one connection, from its CONNECT to its end."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        packets = PacketReader(reader, self.broker, writer)
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

    async def _admit(self, packets: PacketReader, writer: asyncio.StreamWriter) -> bool:
        """Whether a client may come in; if not, it was told."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                first = await packets.look()
        except TimeoutError:
            return False
        level = protocol_level(first)
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

    def _refuse(self, packets: PacketReader, reason: str, remedy: str) -> None:
        """Say each reason once a user and address; a sensor that tries again every second is one line."""
        user, client = map(self.accounts.shown, packets.names)
        refusal = (reason, user, packets.address)
        if refusal in self.logged or len(self.logged) > LOGGED_MAX:
            return
        said = {"reason": reason, "user": user, "client": client, "address": packets.address, "remedy": remedy}
        is_shown = len(self.logged) < LOGGED_MAX
        log.warning("mqtt client refused" if is_shown else "more clients are refused", extra=said if is_shown else {})
        self.logged.add(refusal)


async def _answer(writer: asyncio.StreamWriter, code: int) -> None:
    writer.write(ConnackPacket.build(0, code).to_bytes())
    await writer.drain()
