"""One end of a conversation on virtual time: the session and the carrying out of its effects are the product's own.

What stands here is what sync.line.link does with a socket: frames in and out, one effect after the other, time-outs, why it
ended. Sending sometimes takes time, so that the shop sells between two effects. Not here: what the effects do (sync.line.link,
sync.books).
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sync.actions import Effect, End, Opened, Role, Send
from sync.batch import Batch
from sync.books import Books
from sync.errors import ForkError, ProtocolError, SyncError
from sync.line.link import DEBOUNCE_S, TICK_S, Conversation
from sync.protocol import Ack, Frame, Refused
from sync.session import refusal
from tests.sim import versions
from tests.sim.network import Way, Wire
from tests.sim.pushing import PushedWire

if TYPE_CHECKING:
    from tests.sim.node import Node

CODES = ((ProtocolError, "protocol"), (ForkError, "fork"))


class Talk:
    """A conversation of a node over a wire."""

    def __init__(
        self,
        node: "Node",
        role: Role,
        books: Books,
        wire: Wire | PushedWire,
        *,
        on_open: Callable[[Opened], None],
        on_end: Callable[[End], None],
        admits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.node = node
        self.wire = wire
        self.is_over = False
        self._way: Way = "up" if role == "dialler" else "down"
        self._on_end = on_end
        self._conversation = Conversation(role, books, now_ms=node.told_ms, on_open=on_open, admits=admits)
        self._session = self._conversation._session
        self._effects: deque[Effect] = deque()
        self._inbox: deque[object] = deque()
        self._is_busy = self._is_pumping = self._has_grown = self._is_finishing = False

    def begin(self) -> None:
        """Say hello, or wait for one."""
        self._effects.extend(self._session.start(self.node.world.now_ms, wall_ms=self.node.told_ms()))
        self._pump()
        self.node.after(TICK_S * 1000, self._tick)

    def deliver(self, what: object) -> None:
        """A frame, or the error that reading it was, has come."""
        if not self.is_over and self.node.is_up and not self._is_of_tomorrow(what):
            self._inbox.append(what)
            self.node.run(self._pump)

    def _is_of_tomorrow(self, what: object) -> bool:
        """Whether this is a frame that only a newer program reads; today's skips it by itself."""
        program = self.node.program
        if not versions.is_later(what) or program is None:
            return False
        if program.version == 1:
            self.node.world.meet("unknown frame skipped")
        return program.version > 1

    def hung_up(self) -> None:
        """The connection has gone."""
        self.deliver(End("hung_up", is_ours=False))

    def grown(self) -> None:
        """Own streams have grown."""
        if not self._has_grown and not self.is_over:
            self._has_grown = True
            self.node.after(DEBOUNCE_S * 1000, self._say_grown)

    @property
    def is_wired(self) -> bool:
        """Whether frames travel as bytes."""
        return self.node.world.options.is_wired or self.wire.is_http

    def finish(self) -> None:
        """End as soon as nothing waits on either side."""
        self._is_finishing = True
        self.deliver(None)

    def drop(self, *, is_told: bool) -> None:
        """This end is gone without a word."""
        if not self.is_over:
            self.is_over = True
            self.wire.close(self._way, is_told=is_told)

    def _say_grown(self) -> None:
        self._has_grown = False
        self.deliver(None)

    def _tick(self) -> None:
        if self.is_over:
            return
        if not self._is_busy and not self._effects and not self._inbox:
            self._effects.extend(self._session.tick(self.node.world.now_ms))
            self._pump()
        self.node.after(TICK_S * 1000, self._tick)

    def _pump(self) -> None:
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while not self._is_busy and not self.is_over and (self._effects or self._inbox):
                if self._effects:
                    self._carry_out(self._effects.popleft())
                else:
                    self._take(self._inbox.popleft())
        finally:
            self._is_pumping = False

    def _take(self, what: object) -> None:
        try:
            self._hear(what)
        except SyncError as err:
            self._refuse(err)

    def _hear(self, what: object) -> None:
        session, now_ms = self._session, self.node.world.now_ms
        if what is None:
            self._effects.extend(session.finish(now_ms) if self._is_finishing else session.changed(now_ms))
        elif isinstance(what, SyncError):
            self._refuse(what)
        elif isinstance(what, End):
            self._effects.append(session.hung_up(what))
        else:
            frame: Any = what  # Any: a frame or a batch, as the wire brought it
            self._effects.extend(session.receive(frame, now_ms, wall_ms=self.node.told_ms()))

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, End):
            self._end(effect)
            return
        if isinstance(effect, Opened) and self.node.program is not None and self.node.program.version > 1:
            later = versions.later_frame(is_wired=self.is_wired)
            self.wire.send(self._way, later, self._encoded)
        if isinstance(effect, Send):
            self._send(effect)
            return
        self._is_busy = True
        carried_out = self._conversation._carry_out(effect, None)  # type: ignore[arg-type]  # only Send asks for the socket
        self.node.spawn(carried_out, done=self._go_on, failed=self._refuse)

    def _go_on(self, effects: list[Effect]) -> None:
        self._is_busy = False
        self._effects.extend(effects)
        self._pump()

    def _send(self, effect: Send) -> None:
        world, frame = self.node.world, effect.frame
        if isinstance(frame, Ack):
            world.tell("ack", self.node, frame)
        name = type(frame).__name__
        if isinstance(frame, Batch):
            world.note(self.node.name, f"sends {frame.stream} ({frame.after}, {frame.last}] {frame.digest.hex()}")
        elif isinstance(frame, Refused):
            world.note(self.node.name, f"refuses: {frame.code} {frame.detail}")
        else:
            world.note(self.node.name, f"sends {name} {getattr(frame, 'stream', '')} {getattr(frame, 'last', '')}")
        if self.node.program is not None:
            frame = versions.said(self.node.program, frame, is_wired=self.is_wired)
        self.wire.send(self._way, frame, self._encoded)
        if world.rng.randrange(100) < world.options.slow_send_pct:
            self._is_busy = True
            self.node.after(world.rng.randint(1, 400), lambda: self._go_on([]))

    def _encoded(self, frame: Frame | Batch) -> Frame | Batch | bytes:
        return self._conversation._encoded(frame) if self.is_wired else frame

    def _refuse(self, err: SyncError) -> None:
        """As sync.line.link: what ends a conversation is said to the peer."""
        code = next((code for kind, code in CODES if isinstance(err, kind)), "cannot_write")
        self._is_busy = False
        self._effects.clear()
        end = End(code, f"{err.code}: {err.detail}")
        self.wire.send(self._way, refusal(end.code, end.detail), self._encoded)
        self._end(end)

    def _end(self, end: End) -> None:
        if self.is_over:
            return
        world = self.node.world
        self.is_over = True
        self.node.log[f"end {end.code}"] += 1
        world.note(self.node.name, f"{self.wire.shop}'s line ends: {end.code} {end.detail}")
        world.tell("end", self.node, end)
        self.wire.close(self._way)
        self._on_end(end)
