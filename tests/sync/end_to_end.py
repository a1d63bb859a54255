"""A hub and a cloud in one process: two sessions over books in memory, the frames on their way, virtual time."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from sync.batch import Batch
from sync.errors import OutcomeUnknownError
from sync.protocol import Frame
from sync.session import (
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
    Send,
    Session,
)
from sync.testing.memory_books import MemoryBooks

HUB, CLOUD = "hk01:aa", "cloud:bb"


class End2End:
    """A hub and a cloud, each with books and a session, and the frames on their way."""

    def __init__(self, hub: MemoryBooks, cloud: MemoryBooks, **options: dict[str, Any]) -> None:
        """`options` are for the session of a role."""
        self.options = options
        self.books = {"dialler": hub, "acceptor": cloud}
        self.now_ms = 1_000_000
        self.skew_ms = 0
        self.ends: list[End] = []
        self.opened: list[Opened] = []
        self.most_in_flight = 0
        self.connect()

    def connect(self) -> None:
        """Begin anew, as after a cut: whatever was on its way is gone."""
        self.sessions = {
            role: Session(role, books, **self.options.get(role, {}))  # type: ignore[arg-type]
            for role, books in self.books.items()
        }
        self.wires: dict[str, deque[Frame | Batch]] = {"dialler": deque(), "acceptor": deque()}  # frames for ...
        self.is_up = True
        for role, session in self.sessions.items():
            self.carry_out(role, session.start(self.now_ms, wall_ms=self.clock(role)))

    def clock(self, role: str) -> int:
        return self.now_ms + (self.skew_ms if role == "acceptor" else 0)

    def carry_out(self, role: str, effects: Sequence[Effect]) -> None:
        """Do what a session asks for, in order, at once."""
        todo = deque(effects)
        session, books = self.sessions[role], self.books[role]
        other = "acceptor" if role == "dialler" else "dialler"
        while todo:
            effect = todo.popleft()
            try:
                if isinstance(effect, Send):
                    self.wires[other].append(effect.frame)
                elif isinstance(effect, Load):
                    loading = books.load(effect.head, effect.after, effect.rows_max, batches_max=effect.batches_max)
                    todo.extend(session.loaded(run(loading), self.now_ms))
                elif isinstance(effect, Apply):
                    todo.extend(session.applied(effect.batch, run(books.apply(effect.batch))))
                elif isinstance(effect, Acked):
                    run(books.acked("", effect.rep, effect.stream, effect.boundary))
                elif isinstance(effect, Opened):
                    self.opened.append(effect)
                elif isinstance(effect, EndLives):
                    run(books.end_lives(session.peer_rep, effect.lives))
                    todo.extend(session.lives_ended())
                elif isinstance(effect, Jump | LoadOpening):
                    todo.extend(self.pass_over(role, effect))
                elif isinstance(effect, NoteSealed):
                    run(books.note_sealed(effect.reps))
                elif isinstance(effect, Forked):
                    run(books.forked(effect.why))
                else:
                    self.ends.append(effect)
                    self.is_up = False
            except OutcomeUnknownError:
                self.is_up = False
                return

    def pass_over(self, role: str, effect: Jump | LoadOpening) -> list[Effect]:
        """Sum up a log's older rows, or go on behind them."""
        session, books = self.sessions[role], self.books[role]
        if isinstance(effect, LoadOpening):
            return session.summed_up(run(books.opening(effect.head, effect.to)), self.now_ms)
        return session.jumped(effect, run(books.jump(effect.rep, effect.stream, effect.to, effect.opening)))

    def deliver(self, role: str) -> None:
        """Let one frame arrive."""
        if self.is_up and self.wires[role]:
            frame = self.wires[role].popleft()
            self.carry_out(role, self.sessions[role].receive(frame, self.now_ms, wall_ms=self.clock(role)))
        in_flight = sum(isinstance(frame, Batch) for frame in self.wires["acceptor"])
        self.most_in_flight = max(self.most_in_flight, in_flight)

    def settle(self) -> None:
        """Deliver everything there is."""
        while self.is_up and any(self.wires.values()):
            self.deliver("acceptor")
            self.deliver("dialler")

    def let_pass(self, ms: int) -> None:
        self.now_ms += ms
        for role, session in self.sessions.items():
            if self.is_up:
                self.carry_out(role, session.tick(self.now_ms))


def run(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing; where it lets others have their turn, there are none."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as end:
        return end.value
    raise AssertionError("books in memory do not wait")


def fill(books: MemoryBooks, stream: str, rows: int) -> None:
    for n in range(rows):
        books.write(stream, b'{"n":%d}' % n)
