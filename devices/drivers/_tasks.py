"""Drivers that do two things at a time: what ends one of them ends the driver, in the words of that one.

Not here: the tasks themselves. A driver owns none that outlives its `run` (devices.driver).
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from devices.errors import WireError


@contextmanager
def wire_errors_alone() -> Iterator[None]:
    """Out of a task group that a wire error ended, raise that error itself; what else went wrong stays as it is."""
    try:
        yield
    except BaseExceptionGroup as several:
        lost, other = several.split(WireError)
        if other is not None or lost is None:
            raise
        first: BaseException = lost
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from several


@asynccontextmanager
async def beside(watch: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `watch` beside the block, which waits for the hub: a wire error of either ends both, and is raised itself."""
    with wire_errors_alone():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch, name=name)
            yield
            task.cancel()
