"""Asking the hub that runs here, by its control socket."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.config import Config
from hub.machine_client import MachineClient
from sync.errors import StartError

T = TypeVar("T")


def ask(config: Config, question: Callable[[MachineClient], Awaitable[T]]) -> T:
    """Return the hub's answer; raise StartError where none runs."""
    if not config.is_running():
        raise StartError(f"no hub runs on {config.data_dir}; start it with `storehub run`")

    async def asked() -> T:
        async with MachineClient("http://hub", unix_socket=config.control_socket) as client:
            return await question(client)

    return asyncio.run(asked())
