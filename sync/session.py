"""One conversation between two replicas as a state machine without I/O: frames and time in, effects out.

    state      dialler                             acceptor
    new        start -> Hello sent, greeted        Hello received -> HelloOk sent, open
    greeted    HelloOk received -> open            -
    open       Batch, Ack, Pull both ways          the same
    ended      End was given out                   nothing more is said

Each side offers the streams of its books behind what the other holds, at most WINDOW batches unacknowledged, one load at a time;
urgent streams first. State streams are paced: what changes ten times a second is sent once. The owner carries out every effect in
its order and hands the results of Load and Apply back. Not here: sockets, databases, clocks. Source: the design, 3.4.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sync.batch import START, Batch, Boundary, Gap, Head
from sync.books import Books
from sync.model import Feed
from sync.protocol import VERSION, Ack, Frame, Held, Hello, HelloOk, Pull, Refused

WINDOW = 4  # batches that may wait for their ack in each direction; when full the sender waits
BATCH_ROWS = 250  # a thousand would hold up the shop's own loop for longer than a sale takes
STATE_PACE_MS = 1000  # between two batches of one state stream that is up to date
HELLO_TIMEOUT_MS = 10_000  # a peer that does not answer a hello is no peer
ACK_TIMEOUT_MS = 60_000  # the slowest card takes a second; a peer silent for longer is taken for gone
PULLS_MAX = 3  # the same range asked for again and again: it will not get better on this connection
Role = Literal["dialler", "acceptor"]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame, or a batch as one."""

    frame: Frame | Batch


@dataclass(frozen=True, slots=True)
class Load:
    """Read the next batch of an own stream; answer with `loaded`."""

    head: Head
    after: Boundary
    rows_max: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Commit a peer's batch; answer with `applied`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Acked:
    """The peer holds an own stream durably up to here."""

    rep: str
    stream: str
    boundary: Boundary


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sides know each other. `clock_offset_ms` is the peer's clock less ours, None where we cannot tell."""

    peer_rep: str
    clock_offset_ms: int | None


@dataclass(frozen=True, slots=True)
class End:
    """The conversation is over; `is_ours` when this side ends it. `code` is stable, `detail` says what was wrong."""

    code: str
    detail: str = ""
    is_ours: bool = True


Effect = Send | Load | Apply | Acked | Opened | End
Key = tuple[str, str]


@dataclass(slots=True)
class _Outgoing:
    """An own stream on this conversation; `empty_to` is how far nothing was found to send."""

    sent: Boundary
    in_flight: deque[tuple[Boundary, int]] = field(default_factory=deque)
    empty_to: int = 0
    next_ms: int = 0
    pulls: int = 0


class Session:
    """One conversation. Every method returns the effects to carry out, in order."""

    def __init__(self, role: Role, books: Books, *, admits: Callable[[str], bool] = lambda _: True) -> None:
        """`admits` says whether the replica that calls itself so may talk here."""
        self.role = role
        self.peer_rep = ""
        self._admits = admits
        self._books = books
        self._state: Literal["new", "greeted", "open", "ended"] = "new"
        self._began_ms = 0
        self._outgoing: dict[Key, _Outgoing] = {}
        self._loading: Head | None = None
        self._gaps: dict[Key, int] = {}

    def start(self, now_ms: int, *, wall_ms: int) -> list[Effect]:
        """Begin; the dialler says hello. `now_ms` never goes back; `wall_ms` is what the clock on the wall says."""
        self._began_ms = now_ms
        if self.role == "acceptor":
            return []
        self._state = "greeted"
        return [Send(Hello(rep=self._books.rep, vector=self._held(""), t1_ms=wall_ms))]

    def receive(self, frame: Frame | Batch, now_ms: int, *, wall_ms: int) -> list[Effect]:
        """Take a frame of the peer, or the batch that came in one."""
        if self._state == "ended":
            return []
        if isinstance(frame, Refused):
            self._state = "ended"
            return [End(frame.code, frame.detail, is_ours=False)]
        if isinstance(frame, Hello) and self._state == "new":
            return self._answer(frame, now_ms, wall_ms)
        if isinstance(frame, HelloOk) and self._state == "greeted":
            offset_ms = ((frame.t2_ms - frame.t1_ms) + (frame.t3_ms - wall_ms)) // 2
            return self._open(frame.rep, frame.vector, offset_ms, now_ms)
        if self._state == "open":
            if isinstance(frame, Batch):
                return [Apply(frame)]
            if isinstance(frame, Ack):
                return self._on_ack(frame, now_ms)
            if isinstance(frame, Pull):
                return self._on_pull(frame, now_ms)
        return self._end("unexpected", f"a {type(frame).__name__} while {self._state}")

    def tick(self, now_ms: int) -> list[Effect]:
        """Let time pass: time-outs, and what was paced."""
        if self._state in ("new", "greeted") and now_ms - self._began_ms > HELLO_TIMEOUT_MS:
            return self._end("no_hello", f"no answer to the hello within {HELLO_TIMEOUT_MS // 1000} s")
        if self._state != "open":
            return []
        sent_ms = [out.in_flight[0][1] for out in self._outgoing.values() if out.in_flight]
        if sent_ms and now_ms - min(sent_ms) > ACK_TIMEOUT_MS:
            return self._end("no_ack", f"a batch was not acknowledged within {ACK_TIMEOUT_MS // 1000} s")
        return self._more(now_ms)

    def changed(self, now_ms: int) -> list[Effect]:
        """Own streams have grown."""
        return self._more(now_ms) if self._state == "open" else []

    def loaded(self, batch: Batch | None, now_ms: int) -> list[Effect]:
        """Take the result of the last Load."""
        head, self._loading = self._loading, None
        assert head is not None, "nothing was asked for"
        if self._state != "open":
            return []
        out = self._outgoing[head.rep, head.stream]
        is_last = batch is None or len(batch.rows) < BATCH_ROWS
        if head.feed is Feed.STATE and is_last:
            out.next_ms = now_ms + STATE_PACE_MS
        if batch is None:
            out.empty_to = head.last
            return self._more(now_ms)
        if batch.after != out.sent.last:  # pulled back while this was being read
            return self._more(now_ms)
        out.sent = batch.end
        out.in_flight.append((batch.end, now_ms))
        return [Send(batch), *self._more(now_ms)]

    def applied(self, batch: Batch, cursor: Boundary | Gap) -> list[Effect]:
        """Take the result of an Apply: acknowledge, or ask for what is missing, once for each gap."""
        if self._state != "open":
            return []
        key = (batch.rep, batch.stream)
        if isinstance(cursor, Boundary):
            self._gaps.pop(key, None)
            return [Send(Ack(batch.rep, batch.stream, cursor.last, cursor.digest))]
        begin = cursor.cursor
        gaps = self._gaps.get(key, 0)
        self._gaps[key] = gaps + 1
        if gaps % (WINDOW + 1):  # up to a window of batches was on its way when the first gap was seen
            return []
        if gaps >= PULLS_MAX * (WINDOW + 1):
            return self._end("gap", f"{batch.rep} {batch.stream}: rows after {begin.last} do not come")
        return [Send(Pull(batch.rep, batch.stream, begin.last, begin.digest))]

    def _held(self, peer_rep: str) -> tuple[Held, ...]:
        return tuple(
            Held(rep, stream, at.last, at.digest) for (rep, stream), at in self._books.vector(peer_rep).items()
        )

    def _answer(self, hello: Hello, now_ms: int, wall_ms: int) -> list[Effect]:
        ok = HelloOk(rep=self._books.rep, vector=self._held(hello.rep), t1_ms=hello.t1_ms, t2_ms=wall_ms, t3_ms=wall_ms)
        if not self._admits(hello.rep):
            return self._end("refused", f"this token is not for {hello.rep}")
        if hello.version < VERSION:
            return self._end(
                "version", f"the peer speaks version {hello.version}, this side {VERSION}: upgrade the peer"
            )
        return [Send(ok), *self._open(hello.rep, hello.vector, None, now_ms)]

    def _open(self, peer_rep: str, vector: tuple[Held, ...], offset_ms: int | None, now_ms: int) -> list[Effect]:
        self.peer_rep = peer_rep
        held = {(each.rep, each.stream): each.boundary for each in vector}
        acked: list[Effect] = []
        for head in self._books.heads():
            at = held.get((head.rep, head.stream), START)
            if not self._books.is_offered(head.rep, head.stream, at):
                return self._end("fork", f"{head.rep} {head.stream}: the peer holds {at.last}, which was never offered")
            self._outgoing[head.rep, head.stream] = _Outgoing(at)
            acked.append(Acked(head.rep, head.stream, at))
        self._state = "open"
        return [Opened(peer_rep, offset_ms), *acked, *self._more(now_ms)]

    def _on_ack(self, ack: Ack, now_ms: int) -> list[Effect]:
        out = self._outgoing.get((ack.rep, ack.stream))
        at = Boundary(ack.last, ack.digest)
        if out is None or not self._books.is_offered(ack.rep, ack.stream, at):
            return self._end("fork", f"{ack.rep} {ack.stream}: {ack.last} was acknowledged and never offered")
        while out.in_flight and out.in_flight[0][0].last <= at.last:
            out.in_flight.popleft()
        out.pulls = 0
        return [Acked(ack.rep, ack.stream, at), *self._more(now_ms)]

    def _on_pull(self, pull: Pull, now_ms: int) -> list[Effect]:
        out = self._outgoing.get((pull.rep, pull.stream))
        at = Boundary(pull.last, pull.digest)
        if out is None or not self._books.is_offered(pull.rep, pull.stream, at):
            return self._end("fork", f"{pull.rep} {pull.stream}: {pull.last} was asked for and never offered")
        out.pulls += 1
        if out.pulls > PULLS_MAX:
            return self._end("gap", f"{pull.rep} {pull.stream}: rows after {pull.last} were sent {PULLS_MAX} times")
        out.sent, out.empty_to = at, 0
        out.in_flight.clear()
        return self._more(now_ms)

    def _more(self, now_ms: int) -> list[Effect]:
        """Ask for the next rows to send, unless the window is full or rows are being read."""
        if self._loading is not None or sum(len(out.in_flight) for out in self._outgoing.values()) >= WINDOW:
            return []
        for head in self._books.heads():
            out = self._outgoing.setdefault((head.rep, head.stream), _Outgoing(START))
            if head.last > max(out.sent.last, out.empty_to) and (head.feed is Feed.LOG or now_ms >= out.next_ms):
                self._loading = head
                return [Load(head, out.sent, BATCH_ROWS)]
        return []

    def _end(self, code: str, detail: str) -> list[Effect]:
        self._state = "ended"
        return [Send(Refused(code, detail)), End(code, detail)]
