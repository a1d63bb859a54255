"""What one side of a conversation sends next: streams, the urgent ones first, a window of unacknowledged batches. Pure.

    priority      may use
    urgent        every place of the window
    telemetry     one place, with small batches: a sale waits for one of them at most
    all others    every place but the last

One load at a time. Where a log's rows are told as a sum (sync.opening), its parts go first, one at a time. State streams are
paced: what changes ten times a second is sent once; while the conversation is being finished, each is sent once more.
Not here: what is said besides (sync.session).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sync.actions import Load, LoadOpening
from sync.batch import ROWS_MAX, START, Batch, Boundary, Head
from sync.entities import REGISTRY
from sync.kinds import Priority
from sync.model import Feed
from sync.opening import Opening, Part, parts_of
from sync.scope_rows import base_of

WINDOW = 4  # batches that may wait for their ack in each direction; when full the sender waits
BATCH_ROWS = 250  # facts: a thousand would hold up the shop's own loop for longer than a sale takes
STATE_ROWS = ROWS_MAX  # rows of state are a quarter as long, and a snapshot is made of them; see also SENT_BYTES_MAX
TELEMETRY_ROWS = 100
STATE_PACE_MS = 1000  # between two batches of one state stream that is up to date
NEVER_MS = 2**53
Key = tuple[str, str]


@dataclass(slots=True)
class _Stream:
    """A stream on this conversation; `empty_to` is how far nothing was found to send, `sum_to` how far rows are told as a sum.

    `is_left`: nothing of it is sent here; another machine tells the peer of it.
    """

    priority: Priority
    sent: Boundary
    acked: int = 0
    in_flight: deque[tuple[Boundary, int]] = field(default_factory=deque)
    empty_to: int = 0
    next_ms: int = 0
    pulls: int = 0
    sum_to: int = 0
    is_summing: bool = False
    is_left: bool = False
    parts: deque[Part] = field(default_factory=deque)


class Sending:
    """How far each stream was sent on this conversation, and what comes next."""

    def __init__(self) -> None:
        self.is_finishing = False
        self._streams: dict[Key, _Stream] = {}
        self._loading: Head | None = None

    def begin(self, head: Head, at: Boundary) -> None:
        """Send a stream from here on."""
        self._streams[head.rep, head.stream] = _Stream(_priority(head.stream), at, acked=at.last)

    def begin_with_sum(self, head: Head, to: int) -> None:
        """Tell what the rows up to about here came to before any row behind them."""
        out = self._streams[head.rep, head.stream]
        out.sum_to, out.is_summing = to, True

    def leave(self, head: Head) -> None:
        """Send nothing of a stream here."""
        self._streams[head.rep, head.stream].is_left = True

    def knows(self, rep: str, stream: str) -> bool:
        """Whether the stream was offered here."""
        return (rep, stream) in self._streams

    @property
    def loading(self) -> Head:
        """Which stream is being read."""
        assert self._loading is not None, "nothing was asked for"
        return self._loading

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is being read and nothing waits for its ack."""
        return self._loading is None and not any(each.in_flight for each in self._streams.values())

    def oldest_sent_ms(self) -> int | None:
        """Since when a batch waits for its ack."""
        return min((each.in_flight[0][1] for each in self._streams.values() if each.in_flight), default=None)

    def next(self, heads: Iterable[Head], peer_rep: str, now_ms: int) -> Load | LoadOpening | Part | None:
        """Return what to read next, or the part of a sum that is sent next; None while nothing can be sent."""
        if self._loading is not None:
            return None
        room = self._room()
        for head in heads:
            if head.rep == peer_rep:
                continue
            out = self._streams[head.rep, head.stream]
            if not _is_due(head, out, room, now_ms=now_ms):
                continue
            if out.is_summing:
                return self._next_part(head, out, now_ms)
            self._loading = head
            return Load(head, out.sent, _rows_max(head.feed, out.priority), self._places(head.feed, out.priority))
        return None

    def summed_up(self, opening: Opening | None, floor: Boundary) -> Head | None:
        """Take a sum; where nobody can tell it, return the head of a log of which the peer lacks rows that are no more."""
        head, self._loading = self._loading, None
        assert head is not None, "nothing was asked for"
        out = self._streams[head.rep, head.stream]
        if opening is not None and opening.at.last > out.sent.last:
            out.parts = deque(parts_of(head.rep, head.stream, opening))
        if out.parts:
            return None
        out.is_summing = False
        if out.sent.last >= floor.last:
            return None
        out.sent = floor
        return head

    def loaded(self, batches: Sequence[Batch], now_ms: int, *, heads: Iterable[Head] = (), peer_rep: str = "") -> bool:
        """Take what was read; whether it is to be sent, and not what has come before it in the order of `heads` meanwhile."""
        head, self._loading = self._loading, None
        assert head is not None, "nothing was asked for"
        out = self._streams[head.rep, head.stream]
        if self._is_overtaken(head, heads, peer_rep):
            return False
        is_all = not batches or batches[-1].last >= head.last  # what bytes or rows have cut short is not all
        if head.feed is Feed.STATE and is_all:
            out.next_ms = NEVER_MS if self.is_finishing else now_ms + STATE_PACE_MS
        if not batches:
            out.empty_to = head.last
            return False
        if batches[0].after != out.sent.last:  # pulled back while this was being read
            return False
        out.sent = batches[-1].end
        out.in_flight += [(batch.end, now_ms) for batch in batches]
        return True

    def acked(self, rep: str, stream: str, at: Boundary) -> bool:
        """Take an ack; whether it says more than the last one."""
        out = self._streams[rep, stream]
        while out.in_flight and out.in_flight[0][0].last <= at.last:
            out.in_flight.popleft()
        if not out.is_summing:
            out.pulls = 0
        if at.last <= out.acked:
            return False
        out.acked = at.last
        return True

    def overtaken(self, rep: str, stream: str, at: Boundary, heads: Iterable[Head]) -> bool:
        """Whether an ack of more than is here can be of another's stream that the peer has got elsewhere; it frees a place then.

        How much it holds is not believed: no digest here proves it, and rows that it has do no harm.
        """
        out = self._streams.get((rep, stream))
        is_here = any(head.last >= at.last for head in heads if (head.rep, head.stream) == (rep, stream))
        if out is None or is_here or not out.in_flight:
            return False
        out.in_flight.popleft()
        return True

    def pulled(self, rep: str, stream: str, at: Boundary) -> int:
        """Go back to a boundary; return how often this stream was pulled since its last ack."""
        out = self._streams[rep, stream]
        out.pulls += 1
        out.sent, out.empty_to, out.next_ms = at, 0, 0
        out.in_flight.clear()
        out.parts.clear()
        out.is_summing = at.last < out.sum_to
        return out.pulls

    def _next_part(self, head: Head, out: _Stream, now_ms: int) -> LoadOpening | Part:
        if not out.parts:
            self._loading = head
            return LoadOpening(head, out.sum_to)
        part = out.parts.popleft()
        out.in_flight.append((START if part.more else part.at, now_ms))
        if not part.more:
            out.sent, out.is_summing = part.at, False
        return part

    def _is_overtaken(self, head: Head, heads: Iterable[Head], peer_rep: str) -> bool:
        """Whether another writer's log that goes before this one is due now: what the peer has another past of was adopted."""
        room = self._room()
        for each in heads:
            if (each.rep, each.stream) == (head.rep, head.stream):
                return False
            if each.feed is Feed.LOG and each.rep not in (head.rep, peer_rep):
                out = self._streams.get((each.rep, each.stream))
                if out is None or _is_due(each, out, room, now_ms=0):
                    return True
        return False

    def _places(self, feed: Feed, priority: Priority) -> int:
        """How many batches may go out now: of state all that may, so that one commit makes their ends durable."""
        if feed is Feed.LOG or priority is Priority.TELEMETRY:
            return 1
        return window_of(priority) - sum(len(each.in_flight) for each in self._streams.values())

    def _room(self) -> int:
        """Return the lowest priority that may be sent now, -1 for none."""
        total = sum(len(each.in_flight) for each in self._streams.values())
        if total >= WINDOW:
            return -1
        if total == WINDOW - 1:
            return Priority.URGENT
        is_telling = any(each.in_flight for each in self._streams.values() if each.priority is Priority.TELEMETRY)
        return Priority.LATER if is_telling else Priority.TELEMETRY


def _is_due(head: Head, out: _Stream, room: int, *, now_ms: int) -> bool:
    """Whether something of a stream can be read or sent now."""
    if out.is_left or out.priority > room:
        return False
    if out.is_summing:
        return not out.in_flight
    return head.last > max(out.sent.last, out.empty_to) and now_ms >= out.next_ms


def window_of(priority: Priority) -> int:
    """Return how many places of the window a stream may fill."""
    return {Priority.URGENT: WINDOW, Priority.TELEMETRY: 1}.get(priority, WINDOW - 1)


def _priority(stream: str) -> Priority:
    """What the declarations say; a stream that is not known here travels as any other."""
    return min((each.priority for each in REGISTRY.of(base_of(stream))), default=Priority.NORMAL)


def _rows_max(feed: Feed, priority: Priority) -> int:
    if priority is Priority.TELEMETRY:
        return TELEMETRY_ROWS
    return BATCH_ROWS if feed is Feed.LOG else STATE_ROWS
