"""Whose request begins next: those of one client begin one after the other, one in each pass of the loop.

A crowd of one client's requests is no wall before another's: in a pass every client has one begun; who is alone has ALONE_MAX
(a pass itself costs). Nothing is held while a request lasts, so one that waits (for its body, the disk, the cloud) keeps
none behind it. Not here: how many there may be (hub.limits).
"""

import asyncio
from collections import deque

ALONE_MAX = 4  # begun in a pass where nobody else has anything to begin: another may have to wait for them


class _Lane:
    """What one client has begun in this pass, and what waits for the next ones: as much as it may have under way."""

    __slots__ = ("begun", "waiting")

    def __init__(self) -> None:
        self.begun = 0
        self.waiting: deque[asyncio.Future[None]] | None = None


class Lanes:
    """The lanes of all clients that have begun something in this pass; one callback ends the pass for all of them."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    async def begin(self, who: str) -> None:
        """Wait for the pass in which this request begins: the one of now where the client may begin one more in it."""
        if not self._lanes:
            asyncio.get_running_loop().call_soon(self._move_up)
        lane = self._lanes.get(who)
        if lane is None:
            lane = self._lanes[who] = _Lane()
        if not lane.begun or (not lane.waiting and lane.begun < self._share):
            lane.begun += 1
            return
        if lane.waiting is None:
            lane.waiting = deque()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(place)
        await place

    @property
    def _share(self) -> int:
        return ALONE_MAX if len(self._lanes) == 1 else 1

    def _move_up(self) -> None:
        """Begin a pass: what waits moves up, and who has nothing to begin leaves."""
        self._lanes = {who: lane for who, lane in self._lanes.items() if lane.waiting}
        for lane in self._lanes.values():
            lane.begun = 0
            while lane.waiting and lane.begun < self._share:
                place = lane.waiting.popleft()
                if not place.cancelled():
                    place.set_result(None)
                    lane.begun += 1
        if self._lanes:
            asyncio.get_running_loop().call_soon(self._move_up)
