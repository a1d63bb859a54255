"""A cloud that looks at what arrives while a test goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest


@asynccontextmanager
async def looking(cloud: Any, *, allocates: bool = False) -> AsyncIterator[None]:
    """The cloud looks at what arrives, and with `allocates` gives orders to places, as it does when it runs by itself."""
    works = [cloud.cloud.contact, *([cloud.cloud.allocator] if allocates else [])]
    tasks = [asyncio.create_task(each.run()) for each in works]
    yield
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
