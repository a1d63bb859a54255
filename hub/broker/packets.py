"""What amqtt reads from: whole MQTT packets, none too long, each publish in its turn."""

import asyncio

from amqtt.adapters import ReaderAdapter
from amqtt.mqtt.connect import ConnectPacket

from hub.broker.engine import Engine

PACKET_BYTES_MAX = 128 * 1024  # a longer packet ends its connection; a count has 100 bytes
READ_BYTES_MAX = 64 * 1024
_CONNECT, _PUBLISH, _PUBACK, _DISCONNECT = b"\x10", b"\x30", b"\x40", b"\xe0"


class PacketReader(ReaderAdapter):
    """One connection's packets.

    amqtt cancels a read when the keep-alive time is over, so nothing is taken from the stream that is not kept here.
    """

    def __init__(self, reader: asyncio.StreamReader, broker: Engine, writer: asyncio.StreamWriter) -> None:
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
        if _PUBLISH <= self._taken[:1] < _PUBACK:
            await self._broker.turn()
        if self._taken[:1] in (b"", _DISCONNECT):
            await self._broker.settle(self.client_id)
        packet, self._taken = self._taken, None
        return packet

    async def _take(self) -> bytes:
        while True:
            length = packet_length(self._buffer)
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


def packet_length(buffer: bytearray) -> int | None:
    """Return how long the packet at the beginning is with its header, None when that is not known yet. MQTT 3.1.1, 2.2."""
    length = 0
    for n, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return n + 2 + length
    return PACKET_BYTES_MAX + 1 if len(buffer) >= 5 else None


def protocol_level(packet: bytes) -> int | None:
    """Return the protocol level of a CONNECT, None for anything else. MQTT 3.1.1, 3.1.2."""
    if packet[:1] != _CONNECT:
        return None
    begin = packet.find(b"\x00\x04MQTT", 2, 11)
    return packet[begin + 6] if begin > 0 and len(packet) > begin + 6 else None
