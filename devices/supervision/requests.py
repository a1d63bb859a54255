"""Requests of devices that speak HTTP to the hub: what one asks, and the answer that its driver gives.

    asked ──▶ waiting in the device's queue ──▶ taken by its driver ──▶ answered
                        └────────────────────────────┴── given up: nobody waits any more, an answer is not heard

Pure asyncio; who listens on the wire is not known here. A driver takes requests with `ctx.next_request()`.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct

REQUESTS_MAX = 16
"""Requests of one device that its driver has not taken. When full, a further one is refused: the device comes again."""


class DeviceAnswer(Struct, frozen=True):
    """An HTTP answer; a `content_type` of "" is none."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = {}


class DeviceRequest:
    """What a device asked. `path_rest` is what stands behind the device's address, without its slash; `query` by name."""

    def __init__(
        self,
        method: str,
        *,
        path_rest: str = "",
        query: Mapping[str, str] | None = None,
        content_type: str = "",
        body: bytes = b"",
    ) -> None:
        self.method, self.path_rest, self.query = method, path_rest, dict(query or {})
        self.content_type, self.body = content_type, body
        self._answer: asyncio.Future[DeviceAnswer] = asyncio.get_running_loop().create_future()

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._answer.cancelled()

    def answer(
        self, status: int, *, content_type: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bool:
        """Answer, once; False says that the device had hung up or was told to come again."""
        if self.is_given_up:
            return False
        self._answer.set_result(DeviceAnswer(status, content_type, body, headers or {}))
        return True

    async def answered(self, timeout_s: float) -> DeviceAnswer:
        """Wait for the driver's answer; raise TimeoutError. However the wait ends, a later answer is not heard."""
        async with asyncio.timeout(timeout_s):
            return await self._answer


class RequestQueue:
    """The requests of one device, oldest first."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[DeviceRequest] = asyncio.Queue(REQUESTS_MAX)

    def offer(self, request: DeviceRequest) -> bool:
        """Queue a request; False says that REQUESTS_MAX of them wait already."""
        try:
            self._queue.put_nowait(request)
        except asyncio.QueueFull:
            return False
        return True

    async def next(self) -> DeviceRequest:
        """Wait for the oldest request that somebody still waits for."""
        while True:
            request = await self._queue.get()
            if not request.is_given_up:
                return request
