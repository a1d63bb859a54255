"""Whose request begins next: those of one client begin one after the other, one in each pass of the loop.

A crowd of one client's requests is no wall before another's: in a pass every client has one begun. Nothing is held while a
request lasts, so one that waits (for its body, the disk, the cloud) keeps none behind it. How many there may be: hub.limits.
"""

import asyncio
from collections import deque


class Lanes:
    """The lanes of all clients that have begun something in this pass. A lane is as long as its client may have under way."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    async def begin(self, who: str) -> None:
        """Wait for the pass in which this request begins: the one of now where nothing of the client's has begun in it."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(who)
        if lane is None:
            self._lanes[who] = deque()
            loop.call_soon(self._move_up, who)
            return
        place: asyncio.Future[None] = loop.create_future()
        lane.append(place)
        await place

    def _move_up(self, who: str) -> None:
        lane = self._lanes[who]
        while lane and lane[0].cancelled():
            lane.popleft()
        if not lane:
            del self._lanes[who]
            return
        lane.popleft().set_result(None)
        asyncio.get_running_loop().call_soon(self._move_up, who)
