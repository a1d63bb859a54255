"""POST /sync/v1/exchange: a store whose line lets only HTTP pass talks in numbered exchanges (sync.line.push).

A wire lives here from its first exchange until both sides have said that it is over, or the hub has not asked for IDLE_S. A store
has at most WIRES_MAX at once: one more cuts its oldest. Not here: the numbers (sync.line.push), the talk (sync.cloud.talk.talks).
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from sync.cloud.config import Holder
from sync.cloud.talk.talks import Patience, talk
from sync.cloud.web.http import AnswerError, Cloud
from sync.errors import ProtocolError
from sync.line.link import INBOX_MAX
from sync.line.push import BODY_MAX, CONTENT_TYPE, HeldWire, read_body

PATH = "/sync/v1/exchange"
WIRES_MAX = 4  # of one store: two hubs, and what is left of their last lines
LINGER_S = 10.0  # for the hub to hear that it is over

log = logging.getLogger(__name__)
Key = tuple[str, str]


class Exchanges:
    """The wires there are, by store and session."""

    def __init__(self, cloud: Cloud, patience: Patience, group: asyncio.TaskGroup) -> None:
        self._cloud = cloud
        self._patience = patience
        self._group = group
        self._wires: dict[Key, HeldWire] = {}

    async def answer(self, request: web.Request, holder: Holder, token: bytes) -> web.StreamResponse:
        """Answer one exchange; the same again for the same number."""
        if request.content_type != CONTENT_TYPE:
            raise AnswerError(415, "not_json", f"{request.content_type} is not {CONTENT_TYPE}")
        body = await _body(request)
        try:
            envelope, frames = read_body(body)
            wire = self._wires.get((holder.name, envelope.session)) or self._begin(
                holder.name, envelope.session, envelope.n, token
            )
            down = await wire.exchange(envelope, frames)
        except ProtocolError as err:
            raise AnswerError(400, "unreadable", err.detail) from err
        return web.Response(body=down, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    def cut_all(self) -> None:
        """End every wire now."""
        for wire in list(self._wires.values()):
            wire.cut()

    def _begin(self, store: str, session: str, n: int, token: bytes) -> HeldWire:
        if n != 1:
            raise AnswerError(404, "not_found", "this exchange is over; begin again with number 1")
        self._patience.check(store, asyncio.get_running_loop().time())
        older = [key for key in self._wires if key[0] == store]
        for key in older[: max(0, len(older) - WIRES_MAX + 1)]:
            self._wires.pop(key).cut()
        wire = self._wires[store, session] = HeldWire(session, inbox_max=INBOX_MAX)
        group = self._group  # of `exchanges`, which awaits them
        group.create_task(self._talk(store, wire, token), name=f"exchange {store}")
        return wire

    async def _talk(self, store: str, wire: HeldWire, token: bytes) -> None:
        try:
            await talk(self._cloud, store, wire, token=token, cut=wire.cut, patience=self._patience)
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S if self._cloud.line.is_up else 0):
                    await wire.told.wait()
        finally:
            if self._wires.get((store, wire.session)) is wire:
                del self._wires[store, wire.session]


@asynccontextmanager
async def exchanges(cloud: Cloud, patience: Patience) -> AsyncIterator[Exchanges]:
    """Hold the wires and their talks; all are over at the end."""
    async with asyncio.TaskGroup() as group:
        held = Exchanges(cloud, patience, group)
        yield held
        held.cut_all()


async def _body(request: web.Request) -> bytes:
    """Return a body that is no longer than it may be, packed or unpacked."""
    if (request.content_length or 0) > BODY_MAX:
        raise AnswerError(413, "too_large", f"more than {BODY_MAX} bytes")
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as err:
        request.content.feed_eof()  # aiohttp would read on after the answer, and log a traceback
        raise AnswerError(400, "unreadable", "the body ended early or its Content-Encoding is not what it is") from err
