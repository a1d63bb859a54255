"""The socket on the LAN: one port, where the first byte of a connection says what it is.

    0x16 (a TLS handshake)        the API, with the certificate of the moment
    anything else, this machine   the API, without TLS
    anything else, the network    the doorstep: how to trust the store's CA (hub.api.staff.trust)

Looking at the byte (MSG_PEEK) takes nothing from it. A new certificate is for the next connection; nobody is hung up on.
Source: RFC 8446 5.1 (record type 22). Not here: the certificate (hub.tls).
"""

import asyncio
import logging
import socket
from collections import Counter

from aiohttp import web

from hub.api.door import Door
from hub.tls.addresses import is_local
from hub.tls.keeper import Tls

HANDSHAKE_TIMEOUT_S = (
    10.0  # from the connection to the end of the handshake; a tablet at the edge of the Wi-Fi takes two
)
WAITING_MAX = 256  # connections that have not come so far; a further one is hung up on
WAITING_OF_ONE_MAX = 64  # of one address: a browser opens six, but a router may stand before all tablets of a shop
ACCEPT_PAUSE_S = 1.0  # when the machine has no more file descriptors
BACKLOG = 128
TLS_HANDSHAKE = b"\x16"

log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address of the LAN, 0.0.0.0 or ::; raise OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    listening.setblocking(False)
    return listening


class LanSite(web.BaseSite):
    """Where tablets come in. Its tasks belong to `group`."""

    def __init__(
        self,
        runner: web.AppRunner,
        listening: socket.socket,
        *,
        door: Door,
        doorstep: Door,
        tls: Tls,
        group: asyncio.TaskGroup,
    ) -> None:
        super().__init__(runner)
        self._api, self._doorstep = door, doorstep
        self._listening = listening
        self._tls = tls
        self._group = group
        self._waiting: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """As aiohttp wants it."""
        return f"https on {self._listening.getsockname()}"

    async def start(self) -> None:
        """Take connections."""
        await super().start()
        group = self._group
        self._keep(group.create_task(self._accept(self._listening), name="accept"))

    async def stop(self) -> None:
        """Listen no more; connections that are open stay with their servers."""
        for task in self._tasks:
            task.cancel()
        self._listening.close()
        await super().stop()

    async def _accept(self, listening: socket.socket) -> None:
        loop, group = asyncio.get_running_loop(), self._group
        is_short = False
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as err:
                if not is_short:
                    log.error("no connection can be taken", extra={"error": str(err)})
                is_short = True
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            is_short = False
            peer = str(address[0])
            if self._waiting[peer] >= WAITING_OF_ONE_MAX or self._waiting.total() >= WAITING_MAX:
                connection.close()
                continue
            self._waiting[peer] += 1
            self._keep(group.create_task(self._admit(connection, peer), name="connection"))

    async def _admit(self, connection: socket.socket, peer: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                await self._greet(connection, peer)
        except (
            OSError,
            TimeoutError,
        ) as err:  # ssl.SSLError is an OSError: whoever does not trust the CA hangs up like this
            log.debug("a connection came to nothing", extra={"error": str(err)})
        finally:
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]

    async def _greet(self, connection: socket.socket, peer: str) -> None:
        """Hand a connection over; until then it is ours to close, from then on asyncio's, whatever becomes of it."""
        is_ours = True
        try:
            connection.setblocking(False)
            first = await _first_byte(connection)
            is_tls = first == TLS_HANDSHAKE
            door = self._api if is_tls or is_local(peer) else self._doorstep
            context = self._tls.context if is_tls else None
            if first and (context is not None or not is_tls):
                is_ours = False
                await asyncio.get_running_loop().connect_accepted_socket(door, connection, ssl=context)
        finally:
            if is_ours:
                connection.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _first_byte(connection: socket.socket) -> bytes:
    """Return the first byte that comes and leave it where it is; b"" when the peer hangs up."""
    loop, has_come = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection, has_come.set)
    try:
        await has_come.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
