"""Frames in HTTP bodies, for lines on which only HTTP passes: a wire made of numbered exchanges. No HTTP here.

    hub                                              cloud
    exchange 1: frames up            ->              frames are taken in, in the order of the numbers
                                     <-              answer 1: frames down, or nothing after HOLD_S
    exchange 2 while 1 still waits   ->              1 is answered at once, 2 waits in its place

One exchange is always under way, so that the cloud can speak; a second one only while the hub has something to say. An exchange
that is sent again under its number gets the same answer again: a lost answer harms nothing. A body is an envelope and frames,
each behind its length (four bytes, the larger first), at most BODY_MAX. Each side keeps at most OUTBOX_MAX bytes that wait.
Not here: the client's sockets (sync.line.link), the server's (sync.cloud.talk.exchange).
Source: the technique of XEP-0124 (BOSH).
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sync.batch import SEQ_MAX
from sync.errors import ProtocolError, SyncError
from sync.json_errors import NOT_JSON
from sync.line.wire import Take
from sync.protocol import FRAME_MAX

CONTENT_TYPE = "application/vnd.storehub.frames"
HOLD_S = 25.0  # how long a poll waits at the cloud: many proxies end what is silent for 30 s
IDLE_S = 60.0  # a hub that has not asked for so long has gone
TURN_TIMEOUT_S = 30.0  # for the exchange before this one, and for room: a card that is slower than this is broken
BODY_MAX = FRAME_MAX + 4096
OUTBOX_MAX = FRAME_MAX
PARALLEL = 2  # exchanges under way
KEPT = 4  # answers that can be had again
TRIES = 4  # of one exchange; between them up to RETRY_S times two, four, eight
RETRY_S = 0.25
_MAY_GET_BETTER = ("unreachable", "dns", "timeout", "server_error")
_LENGTH_BYTES = 4


class Envelope(Struct, frozen=True):
    """The first item of a body: whose wire, which exchange; `is_over` ends the wire."""

    session: Annotated[str, Meta(pattern=r"^[0-9a-f]{16,64}\Z")]
    n: Annotated[int, Meta(ge=1, le=SEQ_MAX)]
    is_over: bool = False


_envelope = msgspec.msgpack.Decoder(Envelope)
Post = Callable[[bytes], Awaitable[bytes]]


def write_body(envelope: Envelope, frames: Sequence[bytes]) -> bytes:
    """Return a body."""
    items = (msgspec.msgpack.encode(envelope), *frames)
    return b"".join(len(item).to_bytes(_LENGTH_BYTES, "big") + item for item in items)


def read_body(body: bytes) -> tuple[Envelope, list[bytes]]:
    """Return envelope and frames; raise ProtocolError for what is cut, too large or no body."""
    if len(body) > BODY_MAX:
        raise ProtocolError(f"a body of {len(body)} bytes, at most {BODY_MAX}")
    items, at = [], 0
    while at < len(body):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(body[at:begin], "big")
        if begin > len(body) or at > len(body):
            raise ProtocolError("a body is cut, or no list of frames")
        items.append(body[begin:at])
    try:
        return _envelope.decode(items[0] if items else b""), items[1:]
    except NOT_JSON as err:
        raise ProtocolError(f"a body has no envelope: {err}") from err


async def read_bounded(pieces: AsyncIterator[bytes]) -> bytes:
    """Return a body that comes in pieces; raise ProtocolError when it is longer than one may be."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > BODY_MAX:
            raise ProtocolError(f"an answer of more than {BODY_MAX} bytes")
    return bytes(body)


class Outbox:
    """Messages that wait for an exchange; when OUTBOX_MAX bytes wait, `put` waits."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._room = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def put(self, message: bytes) -> None:
        """Append a message as soon as there is room."""
        while self._waiting and self._bytes + len(message) > OUTBOX_MAX:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(message)
        self._bytes += len(message)

    def take(self) -> list[bytes]:
        """Take what fits into one body."""
        taken: list[bytes] = []
        left = OUTBOX_MAX
        while self._waiting and (not taken or len(self._waiting[0]) + _LENGTH_BYTES <= left):
            taken.append(self._waiting.popleft())
            left -= len(taken[-1]) + _LENGTH_BYTES
            self._bytes -= len(taken[-1])
        self._room.set()
        return taken


class PushWire:
    """The hub's end: `post` sends a body and returns the answer's, or raises WireError."""

    def __init__(self, post: Post, session: str, *, rng: random.Random) -> None:
        self._post = post
        self._session = session
        self._rng = rng
        self._n = 0
        self._outbox = Outbox()
        self._news = asyncio.Event()
        self._answers: dict[int, bytes | SyncError] = {}
        self._answered = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._open: set[int] = set()  # exchanges that are not answered
        self._carrying: set[int] = set()  # those of them that have frames
        self._landed = asyncio.Event()
        self._is_over = False

    async def send(self, message: bytes) -> None:
        """See sync.line.wire."""
        await self._outbox.put(message)
        self._news.set()

    async def read(self, take: Take) -> str:
        """See sync.line.wire."""
        detail, failed = "", None
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(group), name="push")
            try:
                detail = await self._deliver(take)
            except SyncError as err:
                failed = err
            for task in (pump, *self._under_way):
                task.cancel()
        if failed is not None:
            raise failed
        return detail

    async def flush(self) -> None:
        """See sync.line.wire."""
        while self._outbox or self._carrying:
            self._landed.clear()
            await self._landed.wait()

    async def close(self) -> None:
        """Tell the cloud that it is over; should it not hear of it, it misses us after IDLE_S."""
        if not self._is_over:
            self._is_over = True
            await self._insist(write_body(Envelope(self._session, self._n + 1, is_over=True), []))

    async def _pump(self, group: asyncio.TaskGroup) -> None:
        while True:
            while self._open and (self._n + 1 - min(self._open) >= PARALLEL or not self._outbox):
                self._news.clear()
                await self._news.wait()
            self._n += 1
            self._open.add(self._n)
            if self._outbox:
                self._carrying.add(self._n)
            task = group.create_task(self._exchange(self._n, self._outbox.take()), name=f"exchange {self._n}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _exchange(self, n: int, frames: list[bytes]) -> None:
        body = write_body(Envelope(self._session, n), frames)
        answer = await self._insist(body, is_new=n == 1)
        self._answers[n] = answer
        self._answered.set()
        self._open.discard(n)
        self._news.set()
        self._carrying.discard(n)
        self._landed.set()

    async def _insist(self, body: bytes, *, is_new: bool = False) -> bytes | SyncError:
        """Send a body until it is answered; return the answer, or why there is none. Nobody has heard of a new wire yet."""
        attempt = 1
        while True:
            try:
                return await self._post(body)
            except SyncError as err:
                is_late = err.code == "timeout" and attempt > 1
                if is_new or is_late or attempt == TRIES or err.code not in _MAY_GET_BETTER:
                    return err
            await asyncio.sleep(self._rng.uniform(0, RETRY_S * 2**attempt))
            attempt += 1

    async def _deliver(self, take: Take) -> str:
        n = 1
        while True:
            while n not in self._answers:
                self._answered.clear()
                await self._answered.wait()
            answer = self._answers.pop(n)
            if isinstance(answer, SyncError):
                raise answer
            envelope, frames = read_body(answer)
            if (envelope.session, envelope.n) != (self._session, n):
                raise ProtocolError(f"exchange {n} got the answer of {envelope.n}")
            for frame in frames:
                await take(frame)
            if envelope.is_over:
                self._is_over = True
                return "the cloud ended the exchange"
            n += 1


@dataclass(slots=True)
class _Exchange:
    """One exchange at the cloud: `taken` in, `answered`."""

    is_begun: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes = b""


class HeldWire:
    """The cloud's end: every request of the hub calls `exchange`."""

    def __init__(self, session: str, *, inbox_max: int) -> None:
        self.session = session
        self.is_over = False
        self.told = asyncio.Event()  # the hub has been answered that it is over
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue(inbox_max)
        self._outbox = Outbox()
        self._news = asyncio.Event()
        self._exchanges: dict[int, _Exchange] = {}
        self._answered = 0

    async def exchange(self, envelope: Envelope, frames: list[bytes]) -> bytes:
        """Take frames in and return the answer's body; raise ProtocolError for a number that cannot be."""
        n = envelope.n
        if envelope.is_over:  # out of turn: the exchanges before it may never come
            self.cut()
            return write_body(Envelope(self.session, n, is_over=True), [])
        if not self._answered - KEPT < n <= self._answered + PARALLEL:
            raise ProtocolError(f"exchange {n} after {self._answered}")
        this = self._of(n)
        if this.is_begun:  # sent again: the answer was lost, or is not there yet
            await this.answered.wait()
            return this.answer
        this.is_begun = True
        await self._take_in(n, frames)
        this.taken.set()
        self._news.set()
        if n > 1:
            await self._of(n - 1).answered.wait()
        await self._wait_for_news(n)
        down = self._outbox.take()
        is_over = self.is_over and not self._outbox
        this.answer = write_body(Envelope(self.session, n, is_over), down)
        this.answered.set()
        self._answered = n
        self._exchanges.pop(n - KEPT, None)
        if is_over:
            self.told.set()
        return this.answer

    async def send(self, message: bytes) -> None:
        """See sync.line.wire."""
        if self.is_over:
            raise ConnectionError("the hub has ended the exchange")
        await self._outbox.put(message)
        self._news.set()

    async def read(self, take: Take) -> str:
        """See sync.line.wire."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    message = await self._inbox.get()
            except TimeoutError:
                return f"the hub has not asked for {IDLE_S:g} s"
            if message is None:
                return "the hub ended the exchange"
            if message:
                await take(message)

    async def flush(self) -> None:
        """See sync.line.wire: what waits goes with the next answers, also after the end."""

    async def close(self) -> None:
        """What waits goes with the next answers; the last of them says that it is over."""
        self.is_over = True
        self._news.set()

    def cut(self) -> None:
        """End it now; nobody waits for the hub to hear of it."""
        self.is_over = True
        self.told.set()
        self._news.set()
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._inbox.put_nowait(None)

    async def _take_in(self, n: int, frames: list[bytes]) -> None:
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                if n > 1:
                    await self._of(n - 1).taken.wait()
                for frame in frames or (b"",):  # an empty one says that the hub is there
                    if not self.is_over:
                        await self._inbox.put(frame)
        except TimeoutError:
            self.cut()

    async def _wait_for_news(self, n: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_S):
                while not (self._outbox or self.is_over or self._of(n + 1).taken.is_set()):
                    self._news.clear()
                    await self._news.wait()

    def _of(self, n: int) -> _Exchange:
        return self._exchanges.setdefault(n, _Exchange())
