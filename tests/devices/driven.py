"""A driver at work on its wire, without a hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from devices.driver import Driver
from devices.errors import WireError
from devices.testing.context import RecordingContext

TIMEOUT_S = 60.0


@asynccontextmanager
async def driven(driver: Driver, ctx: RecordingContext, **options: Any) -> AsyncIterator[None]:
    """Run the driver until the block ends; an error of its own fails the test."""
    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as group:
        task = group.create_task(_run(driver, ctx, driver.options(**options)), name="driver")
        yield
        task.cancel()


@asynccontextmanager
async def driven_until_lost(
    driver: Driver, ctx: RecordingContext, **options: Any
) -> AsyncIterator["asyncio.Task[str]"]:
    """Run the driver until the block ends or its device is lost; the task's result is the reason then."""
    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as group:
        task = group.create_task(_reason(driver, ctx, driver.options(**options)), name="driver")
        try:
            yield task
        finally:
            task.cancel()


async def _run(driver: Driver, ctx: RecordingContext, options: Any) -> None:
    await driver.run(ctx, options)


async def _reason(driver: Driver, ctx: RecordingContext, options: Any) -> str:
    try:
        await driver.run(ctx, options)
    except WireError as err:
        return err.reason
    raise AssertionError("a driver ends by an error only")
