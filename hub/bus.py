"""Events to tablets: one ring in memory, one bounded queue a client, resume by cursor.

A cursor is `<epoch>.<n>`; the epoch names the ring and changes at each start. A client behind the ring, or of another epoch,
is told `reset` and reads again. A client whose queue is full is dropped from the bus (its socket closes with 1013) and resumes
by cursor: nobody waits for it. Scans are for one audience, and are replayed to it alone while fresh.

Not here: sockets (hub.api.events), what the events mean.
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

RING_MAX = 10_000  # events kept for resuming; the oldest is forgotten, a client behind it gets `reset`
CLIENT_SOCKETS_MAX = (
    8  # of one client; a further one takes the place of the oldest, which may be a dead line not noticed yet
)
CLIENT_QUEUE_MAX = 256  # events waiting for one client; when full the client is dropped and resumes by cursor
TAKEN_AT_ONCE = 64  # frames that one write puts on a client's line; the queue goes on counting the rest
SCAN_REPLAY_MS = 5_000  # an older scan is no longer about what lies on the counter
CONSOLE = "console"
_CURSOR_DIGITS = re.compile(r"[0-9]{1,18}")
_encode = msgspec.json.Encoder().encode


class Event(Struct, frozen=True, gc=False):
    """One event of the ring, encoded once for all clients; `audience` is a till, CONSOLE, or None for everybody."""

    n: int
    type: str
    audience: str | None
    at_ms: int
    frame: bytes


@dataclass(slots=True, eq=False)
class Subscriber:
    """One connected client. `dropped` is set when it was too slow."""

    till_id: str
    is_console: bool
    queue: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(CLIENT_QUEUE_MAX))
    dropped: asyncio.Event = field(default_factory=asyncio.Event)

    def may_see(self, event: Event) -> bool:
        """Everybody sees unaddressed events; a scan is for the till that claims the scanner, and the console watches all."""
        return self.is_console or event.audience is None or event.audience == self.till_id

    async def take(self) -> list[bytes]:
        """Wait for frames and return all that there are, TAKEN_AT_ONCE of them at most."""
        first = await self.queue.get()
        return [first, *(self.queue.get_nowait() for _ in range(min(self.queue.qsize(), TAKEN_AT_ONCE - 1)))]


class Bus:
    """The ring and its subscribers. All methods are called on the loop."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.dropped_clients = 0
        self._ring: deque[Event] = deque(maxlen=RING_MAX)
        self._n = 0
        self._subscribers: dict[Subscriber, None] = {}  # in the order in which they came

    @property
    def cursor(self) -> str:
        """The cursor of the newest event."""
        return f"{self.epoch}.{self._n}"

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._subscribers)

    def publish(
        self,
        event_type: str,
        data: Struct | dict[str, Any],
        *,
        now_ms: int,
        device: str | None = None,
        audience: str | None = None,
    ) -> None:
        """Put an event into the ring and every allowed client's queue; never waits. Any: JSON."""
        self._n += 1
        frame = _frame(f"{self.epoch}.{self._n}", event_type, device, data)
        event = Event(self._n, event_type, audience, now_ms, frame)
        self._ring.append(event)
        for subscriber in [s for s in self._subscribers if s.may_see(event)]:
            try:
                subscriber.queue.put_nowait(frame)
            except asyncio.QueueFull:
                self._drop(subscriber)

    def subscribe(self, subscriber: Subscriber, after: str | None, *, now_ms: int) -> tuple[bool, list[bytes]]:
        """Connect a client; return whether it must read everything again, and the frames it missed."""
        self._make_room(subscriber.till_id)
        self._subscribers[subscriber] = None
        if after is None:
            return False, []
        epoch, _, digits = after.rpartition(".")
        n = int(digits) if _CURSOR_DIGITS.fullmatch(digits) else -1
        oldest = self._ring[0].n if self._ring else self._n + 1
        if epoch != self.epoch or not oldest - 1 <= n <= self._n:
            return True, []
        missed = [event for event in self._ring if event.n > n and subscriber.may_see(event)]
        return False, [frame for event in missed if (frame := _replayed(event, now_ms=now_ms))]

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a client that went away."""
        self._subscribers.pop(subscriber, None)

    def has_subscriber(self, till_id: str) -> bool:
        """Whether a till is listening now."""
        return any(subscriber.till_id == till_id for subscriber in self._subscribers)

    def cut(self, till_id: str) -> None:
        """Close the sockets of a client that may listen no more."""
        for subscriber in self._sockets_of(till_id):
            self._close(subscriber)

    def _make_room(self, till_id: str) -> None:
        for subscriber in self._sockets_of(till_id)[: 1 - CLIENT_SOCKETS_MAX]:
            self._close(subscriber)

    def _sockets_of(self, till_id: str) -> list[Subscriber]:
        return [each for each in self._subscribers if each.till_id == till_id]

    def _drop(self, subscriber: Subscriber) -> None:
        self.dropped_clients += 1
        self._close(subscriber)

    def _close(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)
        subscriber.dropped.set()


def _frame(cursor: str, event_type: str, device: str | None, data: Struct | dict[str, Any]) -> bytes:
    event: dict[str, Any] = {"cursor": cursor, "type": event_type, "data": data}
    if device is not None:
        event["device"] = device
    return bytes(memoryview(_encode(event)))  # the encoder's own buffer is larger: 10,000 of them hold 2 MiB more


def _replayed(event: Event, *, now_ms: int) -> bytes | None:
    if event.type != "scan":
        return event.frame
    if event.at_ms < now_ms - SCAN_REPLAY_MS:
        return None
    scan = msgspec.json.decode(event.frame)
    scan["data"]["replayed"] = True
    return _encode(scan)
