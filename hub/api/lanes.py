"""Whose request begins next: those of one client begin one after the other, one in each pass of the loop.

A crowd of one client's requests is no wall before another's: in a pass every client has one begun; who is alone has ALONE_MAX
(a pass itself costs). Nothing is held while a request lasts, so one that waits (for its body, the disk, the cloud) keeps
none behind it. Not here: how many there may be (hub.limits).
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

ALONE_MAX = 4  # begun in a pass where nobody else has anything to begin: another may have to wait for them


@dataclass(slots=True)
class _Lane:
    """What one client has begun in this pass, and what waits for the next ones: as much as it may have under way."""

    begun: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Lanes:
    """The lanes of all clients that have begun something in this pass."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    async def begin(self, who: str) -> None:
        """Wait for the pass in which this request begins: the one of now where the client may begin one more in it."""
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(who)
        if lane is None:
            lane = self._lanes[who] = _Lane()
            loop.call_soon(self._move_up, who)
        if lane.begun < self._share and not lane.waiting:
            lane.begun += 1
            return
        place: asyncio.Future[None] = loop.create_future()
        lane.waiting.append(place)
        await place

    @property
    def _share(self) -> int:
        return ALONE_MAX if len(self._lanes) == 1 else 1

    def _move_up(self, who: str) -> None:
        lane = self._lanes[who]
        lane.begun = 0
        while lane.waiting and lane.begun < self._share:
            place = lane.waiting.popleft()
            if not place.cancelled():
                place.set_result(None)
                lane.begun += 1
        if lane.begun:
            asyncio.get_running_loop().call_soon(self._move_up, who)
        else:
            del self._lanes[who]
