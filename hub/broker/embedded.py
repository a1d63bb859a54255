"""The embedded broker's life: begun with the hub, listening on loopback, ended when its clients are."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from hub.broker.accounts import Accounts
from hub.broker.door import LISTENER, Door
from hub.broker.engine import Engine, Rights
from hub.broker.packets import PACKET_BYTES_MAX
from hub.settings.file import MqttSection
from hub.tokens import Tokens
from sync.errors import StartError

STOP_TIMEOUT_S = 2.0


@asynccontextmanager
async def embedded_broker(
    section: MqttSection, *, store_id: str, tokens: Tokens, awaits_hub: bool = False
) -> AsyncIterator[int]:
    """Run the broker of the [mqtt] section on loopback and yield its port; raise StartError when the port is taken.

    With `awaits_hub` a device comes in once the hub's own driver has subscribed, or after HEARD_TIMEOUT_S.
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
        server = await _listen(door, section.port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await _stop(broker, door)


async def _listen(door: Door, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(door.serve, "127.0.0.1", port, limit=PACKET_BYTES_MAX)
    except OSError as err:
        raise StartError(
            f"cannot listen on 127.0.0.1:{port} ({err.strerror or err}); stop what uses it or choose another [mqtt] port"
        ) from err


async def _stop(broker: Engine, door: Door) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await broker.shutdown()
    for task in door.open:
        task.cancel()
    if door.open:
        await asyncio.wait(door.open, timeout=STOP_TIMEOUT_S)
