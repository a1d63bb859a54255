"""A print job in a printer driver's hands: not taken before it would come out, and never left without a word once it was begun.

Not here: how a printer is asked, and what proves that paper came out: each driver's own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from devices.driver import PrintJob
from devices.errors import WireError

LEDGER_TIMEOUT_S = 5.0  # to make `unknown` durable while being cancelled

T = TypeVar("T")
Ask = Callable[[], Awaitable[bool]]
"""Asks the printer whether a document would come out now."""


async def until_ready(is_ready: Ask, pause: Callable[[], Awaitable[None]]) -> None:
    """Return when a document would come out; a job is not even looked at before, so that another printer may have it."""
    while not await is_ready():
        await pause()


async def is_ready_for(job: PrintJob, is_ready: Ask) -> bool:
    """Ask whether the job would come out; if not, it goes back to where it came from."""
    would_print = False
    try:
        would_print = await is_ready()
    finally:
        if not would_print:
            await job.put_back()
    return would_print


async def under_way(job: PrintJob, printing: Awaitable[T]) -> T:
    """Wait for what prints a job that was begun: when the printer is lost, or the hub stops, it is reported unknown first."""
    try:
        return await printing
    except WireError as err:
        await job.unknown(err.reason)
        raise
    except asyncio.CancelledError:
        await interrupted(job)
        raise


async def interrupted(job: PrintJob) -> None:
    """Report a begun job unknown while being cancelled."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEDGER_TIMEOUT_S):
            await asyncio.shield(job.unknown("interrupted"))
