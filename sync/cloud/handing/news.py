"""Who waits for rows is woken when some were committed. Not here: the rows.

A worker hears at once of what it has committed itself, and of what another one has within RECHECK_S, when it looks again.
"""

import asyncio

RECHECK_S = 0.4  # of commit to feed a second is allowed, whichever worker committed; a look costs one read


class News:
    """One call for all who wait; take the mark before reading, or what comes in between is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        """Wake everybody: rows were committed."""
        told, self._event = self._event, asyncio.Event()
        told.set()

    def mark(self) -> asyncio.Event:
        """Return what `after` waits on."""
        return self._event

    async def after(self, mark: asyncio.Event, timeout_s: float) -> None:
        """Wait until something was told since the mark was taken, or for a while."""
        try:
            async with asyncio.timeout(timeout_s):
                await mark.wait()
        except TimeoutError:
            pass
