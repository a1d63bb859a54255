"""The embedded broker's life: begun with the hub, listening on loopback, with TLS on the LAN, ended when its clients are."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from hub.broker.accounts import Accounts
from hub.broker.door import LISTENER, Door
from hub.broker.engine import Engine, Rights
from hub.broker.packets import PACKET_BYTES_MAX
from hub.settings.file import MqttSection
from hub.tls.keeper import Tls
from hub.tokens import Tokens
from sync.errors import StartError

STOP_TIMEOUT_S = 2.0
HANDSHAKE_TIMEOUT_S = 10.0  # a sensor at the edge of the Wi-Fi takes two


class Running(NamedTuple):
    """A broker that runs. `quiet` is for a stop: nothing is taken any more, and what was taken reaches those who hear it."""

    port: int
    quiet: Callable[[], Awaitable[None]]


@asynccontextmanager
async def embedded_broker(
    section: MqttSection, *, store_id: str, tokens: Tokens, awaits_hub: bool = False, tls: Tls | None = None
) -> AsyncIterator[Running]:
    """Run the broker of the [mqtt] section on loopback; raise StartError when the port is taken.

    With `tls_port` it listens on the LAN too, with the certificate of the hub. With `awaits_hub` a device comes in once the hub's
    own driver has subscribed, or after HEARD_TIMEOUT_S.
    """
    # it writes lines a connection, tracebacks a late acknowledgement, and payloads at DEBUG
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    accounts = Accounts(store_id, section, tokens)
    broker = Engine(
        BrokerConfig(
            listeners={LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
            plugins={f"{Rights.__module__}.{Rights.__qualname__}": {"accounts": accounts}},
        )
    )
    door = Door(broker, accounts, awaits_hub)
    await broker.start()
    try:
        async with AsyncExitStack() as open_servers:
            server = await _listen(door, "127.0.0.1", section.port)
            open_servers.callback(server.close)
            if section.tls_port is not None:
                assert tls is not None, "the configuration was checked"
                outside = await _listen(door, tls.host, section.tls_port, tls)
                open_servers.callback(outside.close)
            yield Running(server.sockets[0].getsockname()[1], broker.quiet)
    finally:
        await _stop(broker, door)


async def _listen(door: Door, host: str, port: int, tls: Tls | None = None) -> asyncio.Server:
    context, timeout_s = (None, None) if tls is None else (_current(tls), HANDSHAKE_TIMEOUT_S)
    try:
        return await asyncio.start_server(
            door.serve, host, port, limit=PACKET_BYTES_MAX, ssl=context, ssl_handshake_timeout=timeout_s
        )
    except OSError as err:
        which = "port" if tls is None else "tls_port"
        raise StartError(
            f"cannot listen on {host}:{port} ({err.strerror or err}); stop what uses it or choose another [mqtt] {which}"
        ) from err


def _current(tls: Tls) -> ssl.SSLContext:
    """Return a context that shows each connection the certificate of the moment: it is renewed while the broker runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def show(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if tls.context is None:  # this hub waits for the store's CA
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = tls.context
        return None

    context.sni_callback = show
    return context


async def _stop(broker: Engine, door: Door) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await broker.shutdown()
    for task in door.open:
        task.cancel()
    if door.open:
        await asyncio.wait(door.open, timeout=STOP_TIMEOUT_S)
