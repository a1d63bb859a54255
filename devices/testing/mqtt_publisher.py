"""The wire of a people counter without the counter: an MQTT 3.1.1 publisher, QoS 1, on one asyncio connection.

It does what a real one does when an answer is lost: `publish` again with the same packet id and DUP set. It owns no task: whoever
waits for an acknowledgement reads. Nothing of paho: the hub is judged by other code than its own. Source: MQTT 3.1.1, OASIS.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Self

ANSWER_TIMEOUT_S = 5.0  # a broker on loopback answers in milliseconds; one that died never does
KEEPALIVE_S = 600  # a demo's counter speaks far more often
_CONNACK, _PUBACK = 0x20, 0x40
_REFUSED_LOGIN = (4, 5)


class LoginRefusedError(ConnectionError):
    """The broker does not know this user and password."""


class MqttPublisher:
    """`async with MqttPublisher(...) as wire:` is connected; ConnectionError or TimeoutError says that it is no more."""

    def __init__(self, host: str, port: int, *, client_id: str, username: str, password: str) -> None:
        self._host, self._port = host, port
        self._client_id, self._username, self._password = client_id, username, password
        self._acked: set[int] = set()
        self._last_id = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
                undo.callback(self._writer.close)
                self._writer.write(_connect(self._client_id, self._username, self._password))
                kind, body = await self._next_packet()
            if kind != _CONNACK or body[1] != 0:
                error = LoginRefusedError if kind == _CONNACK and body[1] in _REFUSED_LOGIN else ConnectionError
                raise error(f"the broker refused the connection ({body.hex()})")
            undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def send(
        self, topic: str, payload: bytes, *, retain: bool = False, packet_id: int | None = None, dup: bool = False
    ) -> int:
        """Put a message on its way and return its packet id; `packet_id` and `dup` send one again."""
        if packet_id is None:
            self._last_id = packet_id = self._last_id % 65_535 + 1
        self._acked.discard(packet_id)
        flags = 0x32 | 0x08 * dup | 0x01 * retain
        body = _text(topic) + packet_id.to_bytes(2) + payload
        self._writer.write(bytes((flags,)) + _length(len(body)) + body)
        return packet_id

    async def acked(self, packet_id: int) -> None:
        """Return when the broker has acknowledged a message; raise TimeoutError or ConnectionError when it does not."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._writer.drain()
            while packet_id not in self._acked:
                kind, body = await self._next_packet()
                if kind == _PUBACK:
                    self._acked.add(int.from_bytes(body[:2]))

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message and wait for its acknowledgement; return its packet id."""
        packet_id = self.send(topic, payload, retain=retain)
        await self.acked(packet_id)
        return packet_id

    async def _next_packet(self) -> tuple[int, bytes]:
        try:
            kind = (await self._reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            return kind & 0xF0, await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as err:
            raise ConnectionResetError("the broker hung up") from err


def _connect(client_id: str, username: str, password: str) -> bytes:
    """Return a CONNECT with a clean session. MQTT 3.1.1, 3.1."""
    body = _text("MQTT") + b"\x04\xc2" + KEEPALIVE_S.to_bytes(2) + _text(client_id) + _text(username) + _text(password)
    return b"\x10" + _length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _length(length: int) -> bytes:
    out = bytearray()
    while True:
        length, low = length >> 7, length & 0x7F
        out.append(low | 0x80 * bool(length))
        if not length:
            return bytes(out)
