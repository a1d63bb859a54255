"""One conversation between two replicas as a state machine without I/O: frames and time in, effects out.

    state      dialler                             acceptor
    new        start -> Hello sent, greeted        Hello received -> HelloOk sent, open
    greeted    HelloOk received -> open            -
    open       Batch, Ack, Pull both ways          the same
               finish, drained -> Bye sent         Bye received, drained -> Bye sent
               Bye received, drained -> ended      the dialler hangs up -> ended
    ended      End was given out                   nothing more is said

Each side offers the streams of its books behind what the other holds, as sync.sending orders them. What both sides can do is
the intersection of their `features`; `Unknown` frames of a newer peer are skipped.

A boundary of ours that the peer's hello holds and that was never offered, or a peer that has sealed us, is a fork: this side is
told to take a new incarnation (Forked), and the conversation ends; the next one begins as somebody else. In the middle of a
conversation an unknown boundary only ends it: the next hello, read from the peer's disk, decides. A side that becomes somebody
else meanwhile (a till bore witness) ends it too: what the peer leaves out for the life that it greeted, the new one would lack.

The owner carries out effects in their order and hands back what Load and Apply gave. Not here: sockets, databases, clocks.
Source: the design, 3.4.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from sync.actions import (
    Acked,
    Apply,
    Effect,
    End,
    EndLives,
    Forked,
    Jump,
    Load,
    LoadOpening,
    NoteSealed,
    Opened,
    Role,
    Send,
)
from sync.batch import START, Batch, Boundary, Gap, Head
from sync.books import Books
from sync.model import Feed
from sync.opening import Gathered, Opening, Part
from sync.protocol import (
    BYE,
    FEATURES,
    LIVES,
    OPENING,
    SNAPSHOT,
    VERSION,
    VERSION_MIN,
    Ack,
    Bye,
    Frame,
    Held,
    Hello,
    HelloOk,
    Pull,
    Refused,
    Sealed,
    Snapshot,
    Unknown,
    part_of,
    refusal,
    snapshot,
)
from sync.schedule import Schedule, told
from sync.scope_rows import is_scoped
from sync.sending import WINDOW, Sending

HELLO_TIMEOUT_MS = 10_000  # a peer that does not answer a hello is no peer
ACK_TIMEOUT_MS = 60_000  # the slowest card takes a second; a peer silent for longer is taken for gone
QUIET_MS = 3_000  # a peer that cannot say bye and sends nothing for so long has nothing more
PULLS_MAX = 3  # the same range asked for again and again: it will not get better on this connection
REBORN = "this side has begun a new life: the next hello is that one's"
Key = tuple[str, str]


class Session:
    """One conversation. Every method returns the effects to carry out, in order."""

    def __init__(
        self,
        role: Role,
        books: Books,
        *,
        admits: Callable[[str], bool] = lambda _: True,
        schedule: Schedule | None = None,
        features: tuple[str, ...] = FEATURES,
    ) -> None:
        """`admits` says whether the replica that calls itself so may talk here; `schedule` is what an acceptor tells."""
        self.role = role
        self.peer_rep = ""
        self._own_rep = ""
        self.features: frozenset[str] = frozenset()  # what both sides can do
        self._can = features
        self._admits = admits
        self._schedule = schedule
        self._books = books
        self._state: Literal["new", "greeted", "open", "ended"] = "new"
        self._began_ms = 0
        self._heard_ms = 0
        self._peer_holds: dict[Key, Boundary] = {}  # as its hello said
        self._sending = Sending()
        self._gaps: dict[Key, int] = {}
        self._gathered = Gathered()
        self._is_peer_newer = False
        self._has_said_bye = False
        self._has_heard_bye = False

    def start(self, now_ms: int, *, wall_ms: int) -> list[Effect]:
        """Begin; the dialler says hello. `now_ms` never goes back; `wall_ms` is what the clock on the wall says."""
        self._began_ms = self._heard_ms = now_ms
        if self.role == "acceptor":
            return []
        self._state, self._own_rep = "greeted", self._books.rep
        former = self._books.former()
        hello = Hello(rep=self._books.rep, features=self._can, vector=self._held(""), t1_ms=wall_ms, former=former)
        return [Send(hello)]

    def receive(self, frame: Frame | Batch, now_ms: int, *, wall_ms: int) -> list[Effect]:
        """Take a frame of the peer, or the batch that came in one."""
        if self._state == "ended":
            return []
        self._heard_ms = now_ms
        if isinstance(frame, Refused):
            self._state = "ended"
            end = End(frame.code, frame.detail, is_ours=False, peer=self.peer_rep)
            return [Forked("sealed"), end] if frame.code == "sealed" else [end]
        if isinstance(frame, Hello) and self._state == "new":
            return self._answer(frame, now_ms, wall_ms)
        if self._state != "new" and self._books.rep != self._own_rep:
            return self._end("fork", REBORN)
        if isinstance(frame, HelloOk) and self._state == "greeted":
            return self._greeted(frame, now_ms, wall_ms)
        if self._state == "open":
            return self._hear(frame, now_ms)
        return self._unexpected(frame)

    def tick(self, now_ms: int) -> list[Effect]:
        """Let time pass: time-outs, and what was paced."""
        if self._state in ("new", "greeted") and now_ms - self._began_ms > HELLO_TIMEOUT_MS:
            return self._end("no_hello", f"no answer to the hello within {HELLO_TIMEOUT_MS // 1000} s")
        if self._state != "open":
            return []
        sent_ms = self._sending.oldest_sent_ms()
        if sent_ms is not None and now_ms - sent_ms > ACK_TIMEOUT_MS:
            return self._end("no_ack", f"a batch was not acknowledged within {ACK_TIMEOUT_MS // 1000} s")
        return self._more(now_ms)

    def changed(self, now_ms: int) -> list[Effect]:
        """Own streams have grown."""
        return self._more(now_ms) if self._state == "open" else []

    def finish(self, now_ms: int) -> list[Effect]:
        """Send what waits, take what the peer has, then end; for the dialler."""
        self._sending.is_finishing = True
        return self.changed(now_ms)

    def hung_up(self, end: End) -> End:
        """Return how it ended when the connection has gone: as it should where both sides had said so."""
        is_done = self._has_said_bye and self._has_heard_bye
        return End("done" if is_done else end.code, end.detail, is_ours=False, peer=self.peer_rep)

    def loaded(self, batches: Sequence[Batch], now_ms: int) -> list[Effect]:
        """Take the result of the last Load."""
        heads = self._books.heads() if self._sending.loading.rep != self._own_rep else ()
        is_sent = self._sending.loaded(batches, now_ms, heads=heads, peer_rep=self.peer_rep)
        if self._state != "open":
            return []
        return [*(map(Send, batches) if is_sent else ()), *self._more(now_ms)]

    def summed_up(self, opening: Opening | None, now_ms: int) -> list[Effect]:
        """Take the result of the last LoadOpening; where nobody can tell what rows came to, say that they are no more."""
        floor = self._books.floor(self._sending.loading)
        lost = self._sending.summed_up(opening, floor)
        if self._state != "open":
            return []
        return (self._lost(lost, floor) if lost is not None else []) + self._more(now_ms)

    def applied(self, batch: Batch, cursor: Boundary | Gap) -> list[Effect]:
        """Take the result of an Apply: acknowledge, or ask for what is missing, once for each gap."""
        if self._state != "open":
            return []
        key = (batch.rep, batch.stream)
        if isinstance(cursor, Boundary):
            self._gaps.pop(key, None)
            return [Send(Ack(batch.rep, batch.stream, cursor.last, cursor.digest))]
        begin = cursor.cursor
        gaps = self._gaps[key] = self._gaps.get(key, 0) + 1
        pulls, rest = divmod(gaps - 1, WINDOW + 1)
        if rest:  # up to a window of batches was on its way when the first gap was seen
            return []
        if pulls >= PULLS_MAX:
            return self._end("gap", f"{batch.rep} {batch.stream}: rows after {begin.last} do not come")
        return [Send(Pull(batch.rep, batch.stream, begin.last, begin.digest))]

    def jumped(self, jump: Jump, cursor: Boundary) -> list[Effect]:
        """Take the result of a Jump: acknowledge where the cursor is."""
        return [Send(Ack(jump.rep, jump.stream, cursor.last, cursor.digest))] if self._state == "open" else []

    def lives_ended(self) -> list[Effect]:
        """Take the result of an EndLives: tell the peer what is sealed now."""
        is_heard = self._state == "open" and LIVES in self.features
        return [Send(Sealed(self._books.sealed(self.peer_rep)))] if is_heard else []

    def _hear(self, frame: Frame | Batch, now_ms: int) -> list[Effect]:
        if isinstance(frame, Batch):
            return [Apply(frame)]
        if isinstance(frame, Ack):
            return self._on_ack(frame, now_ms)
        if isinstance(frame, Pull):
            return self._on_pull(frame, now_ms)
        if isinstance(frame, Snapshot):
            return self._on_snapshot(frame)
        if isinstance(frame, Sealed):
            return [NoteSealed(frame.reps)]
        if isinstance(frame, Bye):
            self._has_heard_bye = self._sending.is_finishing = True
            return self._more(now_ms)
        return [] if isinstance(frame, Unknown) and self._is_peer_newer else self._unexpected(frame)

    def _held(self, peer_rep: str) -> tuple[Held, ...]:
        held = self._books.vector(peer_rep).items()
        return tuple(Held(rep, stream, at.last, at.digest) for (rep, stream), at in held)

    def _answer(self, hello: Hello, now_ms: int, wall_ms: int) -> list[Effect]:
        if not self._admits(hello.rep):
            return self._end("refused", f"this token is not for {hello.rep}")
        refused = self._agree(hello)
        if refused:
            return self._end("version", refused)
        sealed = self._books.sealed(hello.rep)
        if hello.rep in sealed:
            return self._end("sealed", f"{hello.rep} was sealed: nothing more is taken of it, begin a new incarnation")
        schedule = self._schedule or Schedule("")
        self._own_rep = self._books.rep
        ok = HelloOk(
            rep=self._own_rep,
            features=self._can,
            vector=self._held(hello.rep),
            t1_ms=hello.t1_ms,
            t2_ms=wall_ms,
            t3_ms=wall_ms,
            sealed=sealed,
            mode=schedule.mode,
            every_s=schedule.every_s,
        )
        ended = [EndLives(hello.former)] if hello.former else []
        return [Send(ok), *ended, *self._open(hello.rep, hello.vector, None, now_ms)]

    def _greeted(self, ok: HelloOk, now_ms: int, wall_ms: int) -> list[Effect]:
        refused = self._agree(ok)
        if refused:
            return self._end("version", refused)
        offset_ms = ((ok.t2_ms - ok.t1_ms) + (ok.t3_ms - wall_ms)) // 2
        sealed = [NoteSealed(ok.sealed)] if ok.sealed else []
        return [*sealed, *self._open(ok.rep, ok.vector, offset_ms, now_ms, schedule=told(ok.mode, ok.every_s))]

    def _agree(self, peer: Hello | HelloOk) -> str:
        """Settle what both sides can do; return why they cannot talk, "" when they can."""
        if peer.version < VERSION_MIN:
            return f"{peer.rep} speaks version {peer.version}, this side {VERSION_MIN} to {VERSION}: upgrade the peer"
        if peer.min_version > VERSION:
            spoken = f"{peer.min_version} to {peer.version}"
            return f"{peer.rep} speaks versions {spoken}, this side {VERSION_MIN} to {VERSION}: upgrade this side"
        self.features = frozenset(peer.features) & frozenset(self._can)
        self._is_peer_newer = peer.version > VERSION or not set(peer.features) <= set(FEATURES)
        return ""

    def _open(
        self,
        peer_rep: str,
        vector: tuple[Held, ...],
        offset_ms: int | None,
        now_ms: int,
        *,
        schedule: Schedule | None = None,
    ) -> list[Effect]:
        self.peer_rep = peer_rep
        self._books.meet(peer_rep)
        self._peer_holds = {(each.rep, each.stream): each.boundary for each in vector}
        for (rep, stream), at in self._peer_holds.items():  # also of a scope that a restored cloud serves no more
            if rep == self._own_rep and is_scoped(stream) and not self._books.is_offered(rep, stream, at):
                return self._forked_at(rep, stream, at)
        offered = self._offer(self._books.heads())
        if self._state == "ended":
            return offered
        self._state = "open"
        return [Opened(peer_rep, offset_ms, schedule), *offered, *self._more(now_ms)]

    def _offer(self, heads: Iterable[Head]) -> list[Effect]:
        """Begin what is new here, also in the middle of a conversation, where the peer's hello said that it stands."""
        offered: list[Effect] = []
        for head in heads:
            if self._sending.knows(head.rep, head.stream):
                continue
            at = self._peer_holds.get((head.rep, head.stream), START)
            if head.rep == self._own_rep and not self._books.is_offered(head.rep, head.stream, at):
                return self._forked_at(head.rep, head.stream, at)
            offered.append(Acked(head.rep, head.stream, at))
            self._sending.begin(head, at)  # what is passed on goes on from there, once we know more than that
            is_told = head.feed is Feed.LOG and head.rep != self.peer_rep
            offered += self._below_the_floor(head, at) if is_told else []
        return offered

    def _forked_at(self, rep: str, stream: str, at: Boundary) -> list[Effect]:
        detail = f"{rep} {stream}: the peer holds {at.last}, which was never offered"
        return [Forked(detail), *self._end("fork", detail)]

    def _below_the_floor(self, head: Head, at: Boundary) -> list[Effect]:
        """Tell a peer that it will not get the rows of a log from where it stands."""
        if OPENING in self.features:
            to = self._books.told_up_to(head, at)
            if at.last < to:
                self._sending.begin_with_sum(head, to)
            return []
        floor = self._books.floor(head)
        if at.last >= floor.last or SNAPSHOT not in self.features:
            return []
        self._sending.pulled(head.rep, head.stream, floor)
        return self._lost(head, floor)

    def _lost(self, head: Head, floor: Boundary) -> list[Effect]:
        """Go on behind rows that are no more; where another machine tells the peer of them, leave the log to that one."""
        if not self._books.is_told_elsewhere(head):
            return [Send(Snapshot(head.rep, head.stream, floor.last, floor.digest))]
        self._sending.leave(head)
        return []

    def _on_snapshot(self, frame: Snapshot) -> list[Effect]:
        """Gather the parts of a sum; each but the last is acknowledged as it comes, and changes nothing yet."""
        at = Boundary(frame.last, frame.digest)
        opening = self._gathered.take(part_of(frame)) if frame.opens else None
        if frame.opens and opening is None:
            return [Send(Ack(frame.rep, frame.stream, START.last, START.digest))]
        return [Jump(frame.rep, frame.stream, at, opening)]

    def _on_ack(self, ack: Ack, now_ms: int) -> list[Effect]:
        at = Boundary(ack.last, ack.digest)
        if not self._is_offered(ack, at):
            if ack.rep != self._own_rep and self._sending.overtaken(ack.rep, ack.stream, at, self._books.heads()):
                return self._more(now_ms)
            return self._end("fork", f"{ack.rep} {ack.stream}: {ack.last} was acknowledged and never offered")
        is_news = self._sending.acked(ack.rep, ack.stream, at)
        noted = [Acked(ack.rep, ack.stream, at)] if is_news else []
        return [*noted, *self._more(now_ms)]

    def _on_pull(self, pull: Pull, now_ms: int) -> list[Effect]:
        at = Boundary(pull.last, pull.digest)
        if not self._is_offered(pull, at):
            return self._end("fork", f"{pull.rep} {pull.stream}: {pull.last} was asked for and never offered")
        if self._sending.pulled(pull.rep, pull.stream, at) > PULLS_MAX:
            return self._end("gap", f"{pull.rep} {pull.stream}: rows after {pull.last} were sent {PULLS_MAX} times")
        return self._more(now_ms)

    def _is_offered(self, frame: Ack | Pull, at: Boundary) -> bool:
        is_known = self._sending.knows(frame.rep, frame.stream)
        return is_known and self._books.is_offered(frame.rep, frame.stream, at)

    def _more(self, now_ms: int) -> list[Effect]:
        """Ask for the next rows to send; where there are none, see whether that is all."""
        if self._books.rep != self._own_rep:
            return self._end("fork", REBORN)
        heads = self._books.heads()
        offered = self._offer(heads)
        if self._state == "ended":
            return offered
        found = self._sending.next(heads, self.peer_rep, now_ms)
        if isinstance(found, Part):
            return [*offered, Send(snapshot(found, features=self.features)), *self._more(now_ms)]
        if isinstance(found, Load | LoadOpening):
            return [*offered, found]
        if self._sending.is_finishing and self._sending.is_at_rest:
            return [*offered, *self._drained(now_ms)]
        return offered

    def _drained(self, now_ms: int) -> list[Effect]:
        """All that waited is acknowledged: say so; the dialler ends when the peer has said so too."""
        said: list[Effect] = []
        if BYE in self.features and not self._has_said_bye:
            self._has_said_bye = True
            said = [Send(Bye())]
        quiet_ms = now_ms - self._heard_ms
        is_all = self._has_heard_bye if BYE in self.features else quiet_ms > QUIET_MS
        if self.role == "dialler" and (is_all or quiet_ms > ACK_TIMEOUT_MS):
            self._state = "ended"
            return [*said, End("done", peer=self.peer_rep)]
        return said

    def _unexpected(self, frame: Frame | Batch) -> list[Effect]:
        return self._end("unexpected", f"a {type(frame).__name__} while {self._state}")

    def _end(self, code: str, detail: str) -> list[Effect]:
        self._state = "ended"
        return [Send(refusal(code, detail)), End(code, detail, peer=self.peer_rep)]
