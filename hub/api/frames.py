"""Text frames of a WebSocket server, several to a write: a commit of 16 sales is 32 events, and one call to the kernel a tablet.

RFC 6455, 5.2: whole messages, unmasked as a server's are, not compressed. Not here: the handshake, pings and closing (aiohttp).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

_FINAL_TEXT = 0x81
_SHORT_MAX, _MIDDLE_MAX = 125, 0xFFFF
_SHORT, _MIDDLE, _LONG = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")


@dataclass(frozen=True, slots=True)
class Line:
    """The way to one client: its socket, the request that it came from, what `prepare` gave, which knows when the way is full."""

    ws: web.WebSocketResponse
    request: web.Request
    writer: AbstractStreamWriter

    @property
    def is_open(self) -> bool:
        """Whether neither end has begun to close."""
        transport = self.request.transport
        return not self.ws.closed and transport is not None and not transport.is_closing()

    async def write(self, messages: Iterable[bytes]) -> None:
        """Put messages on an open line in one call; wait while it takes no more. Raise ConnectionError when it breaks."""
        assert self.request.transport is not None, "ask is_open first"
        self.request.transport.write(text_frames(messages))
        await self.writer.drain()


def text_frames(messages: Iterable[bytes]) -> bytes:
    """Return the frames of messages in UTF-8."""
    parts: list[bytes] = []
    for message in messages:
        parts += (_head(len(message)), message)
    return b"".join(parts)


def _head(length: int) -> bytes:
    if length <= _SHORT_MAX:
        return _SHORT.pack(_FINAL_TEXT, length)
    if length <= _MIDDLE_MAX:
        return _MIDDLE.pack(_FINAL_TEXT, 126, length)
    return _LONG.pack(_FINAL_TEXT, 127, length)
