"""A door of the API: connections are counted by address before a byte is read; too many are closed at once.

A closed connection costs the hub an accept and nothing else. What comes in is aiohttp's. Not here: requests (hub.api.guard).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from hub.limits import Limits, Turn
from hub.metrics import Metrics

CONNECTIONS_MAX = 512  # of all addresses together; further ones are closed at once
BACKLOG = 128  # connections that the kernel keeps while the loop is busy

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Door:
    """Who is inside. `handlers` makes aiohttp's end of one connection."""

    limits: Limits
    metrics: Metrics
    handlers: Callable[[], asyncio.Protocol]
    inside: int = 0

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Listen without TLS; raise OSError when the address is taken."""
        return await asyncio.get_running_loop().create_server(self, host, port, backlog=BACKLOG)

    def __call__(self) -> asyncio.Protocol:
        """Return this end of a connection that comes; so asyncio asks for it."""
        return _Connection(self)

    def enter(self, address: str) -> Turn | None:
        """Count a connection in; None where there is no room for it."""
        turn = self.limits.connections.begin(address, now_s=asyncio.get_running_loop().time())
        if not turn.retry_after_s and self.inside < CONNECTIONS_MAX:
            self.inside += 1
            return turn
        self.limits.connections.end(turn)
        self.metrics.limited.labels("connections").inc()
        if turn.is_news:
            log.warning("too many connections: new ones are closed at once", extra={"address": address})
        return None

    def leave(self, turn: Turn) -> None:
        """Count a connection out."""
        self.inside -= 1
        self.limits.connections.end(turn)


class _Connection(asyncio.Protocol):
    """One connection: counted while it lasts, everything else is passed on to aiohttp."""

    __slots__ = ("_door", "_handler", "_turn")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._handler: asyncio.Protocol | None = None
        self._turn: Turn | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        self._turn = self._door.enter(str(peer[0]) if peer else "")
        if self._turn is None:
            transport.abort()
            return
        self._handler = self._door.handlers()
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._turn is not None:
            self._door.leave(self._turn)
            self._turn = None
        if self._handler is not None:
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._handler is not None:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._handler is not None else None

    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if self._handler is not None:
            self._handler.resume_writing()
