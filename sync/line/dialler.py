"""The hub's side of the line: dials the cloud, talks, rests or backs off, dials again. No socket of its own (sync.line.link).

    mode         after a contact in which nothing was left          after a failure
    realtime     stays on the line                                  capped full-jitter back-off
    scheduled    rests `every_s`, give or take JITTER               the same

    transport    auto: a WebSocket; where it did not pass BLOCKED_MAX times in a row as if a proxy broke it, HTTP bodies, and
                 the WebSocket again after WEBSOCKET_AGAIN_S, later and later up to WEBSOCKET_AGAIN_MAX_S

A rest ends early when somebody asks, or when rows wait for which the schedule is broken. Every fault is logged once when the
line goes and once when it is back.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from sync.actions import End, Opened
from sync.books import Books
from sync.line.link import Connector, Conversation, connector
from sync.line.state import BACKOFF_MAX_S, REMEDIES, Attempts, LinkState, Transport
from sync.line.telling import StatusSource, Telling
from sync.line.wire import ContextSource, TokenSource, WireError, own_roots
from sync.schedule import Schedule

UP_SAID_S = 3.0  # a line that is up for so long is worth a line in the log
BLOCKED_MAX = 2  # once may be a cloud that is starting
WEBSOCKET_AGAIN_S = 60.0  # how long HTTP is kept where a WebSocket did not pass; twice as long each time
WEBSOCKET_AGAIN_MAX_S = 1800.0
AT_REST = ("starting", "scheduled")  # no outage begins or goes on
log = logging.getLogger(__name__)


class Dialler:
    """Keeps the line as it is wanted, until it is cancelled. `state` can be read at any time."""

    def __init__(
        self,
        url: str,
        token: str | TokenSource,
        books: Books,
        *,
        peer: str = "the cloud",
        remedies: Mapping[str, str] = REMEDIES,
        now_ms: Callable[[], int],
        rng: random.Random,
        on_state: Callable[[LinkState], None],
        reconnect_max_s: float = BACKOFF_MAX_S,
        schedule: Schedule | None = None,
        transport: Transport = "auto",
        is_wanted: Callable[[], bool] = lambda: False,
        context: ContextSource = own_roots,
        status: StatusSource | None = None,
    ) -> None:
        """`peer` is whom the log names; `schedule` is what this end names, without one the cloud's word counts.

        `is_wanted`: break the schedule now. `token`, `context`: what to show and whom TLS trusts, asked at each connection.
        `status`: what this end says of itself.
        """
        self._peer, self._remedies = peer, remedies
        self._url = url
        self._token = token
        self._books = books
        self._now_ms = now_ms
        self._rng = rng
        self._on_state = on_state
        self._named = schedule
        self._transport = transport
        self._is_wanted = is_wanted
        self._context = context
        self._status = status
        self._is_pushing = transport == "http"
        self._blocked = self._fallbacks = 0
        self._conversation: Conversation | None = None
        self._asked = asyncio.Event()
        self._has_opened = False
        self._up_at_ms = 0
        self._attempts = Attempts(rng, max_s=reconnect_max_s)
        self._say_up: asyncio.TimerHandle | None = None
        self._said = ""  # the reason that the log was told in this outage
        self.state = LinkState(since_ms=now_ms(), schedule=schedule or Schedule(), ask=self.ask)

    def grown(self) -> None:
        """Say that own streams have grown."""
        if self._conversation is not None:
            self._conversation.grown()
        elif self.state.reason == "scheduled" and self._is_wanted():
            self._asked.set()

    def ask(self) -> None:
        """Dial now, whatever the schedule and the back-off say."""
        self._asked.set()

    async def run(self) -> None:
        """Keep the line as it is wanted."""
        self._on_state(self.state)
        async with connector(self._url, self._token, rng=self._rng, context=self._context) as connect:
            while True:
                self._asked.clear()
                self._has_opened = False
                end = await self._contact(connect)
                wait_s = self._count(end)
                self._go_down(end, wait_s)
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._asked.wait()

    async def _contact(self, connect: Connector) -> End:
        """Connect and talk; return how it ended."""
        is_pushing = self._is_pushing
        try:
            wire = connect.push() if is_pushing else await connect.websocket()
        except WireError as err:
            self._choose(is_blocked=err.may_be_proxy)
            return End(err.code, err.detail)
        self._conversation = Conversation(
            "dialler", self._books, now_ms=self._now_ms, on_open=self._go_up, telling=Telling(self._status)
        )
        again_s = min(WEBSOCKET_AGAIN_MAX_S, WEBSOCKET_AGAIN_S * 2 ** min(self._fallbacks, 16))
        again = asyncio.get_running_loop().call_later(again_s, self._conversation.finish)
        if not is_pushing or self._transport != "auto":
            again.cancel()
        try:
            end = await self._conversation.run(wire)
        finally:
            self._conversation = None
            again.cancel()
            await wire.close()
        if is_pushing:
            is_kept = self._has_opened and (end.code != "done" or self.state.schedule.is_scheduled)
            self._push(is_pushing=is_kept)
        elif self._has_opened:
            self._blocked = self._fallbacks = 0
        else:
            self._choose(is_blocked=end.code in ("hung_up", "no_hello"))
        return end

    def _choose(self, *, is_blocked: bool) -> None:
        """A WebSocket did not come to a talk: after BLOCKED_MAX times try HTTP."""
        self._blocked = self._blocked + 1 if is_blocked else 0
        if self._blocked >= BLOCKED_MAX:
            self._blocked = 0
            self._fallbacks += 1
            self._push(is_pushing=True)

    def _push(self, *, is_pushing: bool) -> None:
        """Say how to dial next, where the configuration leaves it open."""
        if self._transport != "auto" or is_pushing == self._is_pushing:
            return
        self._is_pushing = is_pushing
        log.info("the line changes its transport", extra={"transport": "http" if is_pushing else "websocket"})

    def _count(self, end: End) -> float:
        """Count failures and lies in a row; return how long to wait."""
        held_ms = _steady_ms() - self._up_at_ms if self._has_opened else 0
        return self._attempts.wait_s(end.code, self.state.schedule, held_ms=held_ms)

    def _go_up(self, opened: Opened) -> None:
        loop = asyncio.get_running_loop()
        self._say_up = loop.call_later(UP_SAID_S, self._log_up, opened)
        self._up_at_ms = _steady_ms()
        self._has_opened = True
        schedule = self._named or opened.schedule or Schedule()
        self.state = LinkState(
            True,
            since_ms=self._now_ms(),
            reason="",
            peer_rep=opened.peer_rep,
            clock_offset_ms=opened.clock_offset_ms,
            schedule=schedule,
            transport="http" if self._is_pushing else "websocket",
            ask=self.ask,
        )
        self._on_state(self.state)
        if schedule.is_scheduled and self._conversation is not None:
            self._conversation.finish()

    def _log_up(self, opened: Opened) -> None:
        """Once it has held for a moment: a peer that greets and hangs up would fill the log."""
        self._said = ""
        log.info(
            f"the line to {self._peer} is up",
            extra={"peer": opened.peer_rep, "offset_ms": opened.clock_offset_ms, "transport": self.state.transport},
        )

    def _go_down(self, end: End, wait_s: float) -> None:
        if self._say_up is not None:
            self._say_up.cancel()
        is_done = end.code == "done"
        if is_done:
            self._said = ""
        elif self._said != end.code:
            self._said = end.code
            remedy = self._remedies.get(end.code, "see the other end's log")
            log.warning(
                f"the line to {self._peer} is down",
                extra={"reason": end.code, "detail": end.detail, "peer": end.peer, "remedy": remedy},
            )
        begins = self.state.is_up or self.state.reason in AT_REST
        now_ms = self._now_ms()
        self.state = replace(
            self.state,
            is_up=False,
            reason=end.code if not is_done else "scheduled" if self.state.schedule.is_scheduled else "starting",
            detail="" if is_done else end.detail,
            since_ms=now_ms if begins else self.state.since_ms,
            next_contact_ms=now_ms + int(wait_s * 1000),
            failures=self._attempts.failures,
        )
        self._on_state(self.state)


def _steady_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1000)
