"""The wire between two replicas: one WebSocket, either side; the hub's dialling with capped full-jitter back-off.

    hub: connect --open--> converse ... --any end--> back-off --> connect

Every fault has a stable reason and a remedy; it is logged once when the line goes and once when it is back. Not here: what is
said (sync.session), what is stored (sync.books).
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import aiohttp
from aiohttp import WSMsgType, web

from sync.batch import Batch
from sync.books import Books
from sync.errors import ForkError, ProtocolError, SyncError
from sync.line import BACKOFF_MAX_S, REMEDIES, LinkState
from sync.protocol import FRAME_MAX, SUBPROTOCOL, Frame, Packed, Refused, decode, encode, packed, unpacked
from sync.session import Acked, Apply, Effect, End, Load, Opened, Role, Send, Session

TICK_S = 0.5  # how often time-outs and paced streams are looked at
INBOX_MAX = 8  # frames read and not yet worked on; when full the socket is not read and the peer waits
CONNECT_TIMEOUT_S = 10.0  # a handshake takes two round trips; 600 ms each on the worst line we serve
SEND_TIMEOUT_S = 30.0  # a peer that takes nothing for this long is gone
HEARTBEAT_S = 20.0
UP_SAID_S = 3.0  # a line that is up for so long is worth a line in the log
DEBOUNCE_S = 0.02  # sales that follow one another at once travel in one batch
BACKOFF_FIRST_S = 1.0
HEALTHY_MS = 60_000  # a line that held this long starts again at BACKOFF_FIRST_S
log = logging.getLogger(__name__)
WebSocket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


class Conversation:
    """Carries out what a session asks for, over an open WebSocket."""

    def __init__(
        self,
        role: Role,
        books: Books,
        *,
        now_ms: Callable[[], int],
        on_open: Callable[[Opened], None] = lambda _: None,
        admits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._session = Session(role, books, admits=admits)
        self._books = books
        self._now_ms = now_ms
        self._on_open = on_open
        self._inbox: asyncio.Queue[Frame | Batch | SyncError | End | None] = asyncio.Queue(INBOX_MAX)
        self._grown = asyncio.Event()

    def grown(self) -> None:
        """Say that own streams have grown."""
        self._grown.set()

    async def run(self, ws: WebSocket) -> End:
        """Talk until either side ends; return why."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(ws), name="sync reader")
            watcher = group.create_task(self._watch_growth(), name="sync growth")
            try:
                end = await self._talk(ws)
            except (ConnectionError, TimeoutError) as err:
                end = End("hung_up", str(err) or "the peer takes nothing any more", is_ours=False)
            except ProtocolError as err:
                end = await self._refuse(ws, End("protocol", str(err)))
            except ForkError as err:
                end = await self._refuse(ws, End("fork", err.detail))
            except SyncError as err:
                end = await self._refuse(ws, End("cannot_write", f"{err.code}: {err.detail}"))
            except Exception as err:  # the edge to the peer: whatever it made us do, the shop goes on selling
                log.exception("a conversation failed", extra={"peer": self._session.peer_rep})
                end = await self._refuse(ws, End("internal", f"{type(err).__name__}; the log has the traceback"))
            reader.cancel()
            watcher.cancel()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(TICK_S):
                await ws.close()
        return end

    async def _refuse(self, ws: WebSocket, end: End) -> End:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(TICK_S):
                await ws.send_bytes(encode(Refused(end.code, end.detail)))
        return end

    async def _talk(self, ws: WebSocket) -> End:
        effects = deque(self._session.start(_steady_ms(), wall_ms=self._now_ms()))
        while True:
            while effects:
                effect = effects.popleft()
                if isinstance(effect, End):
                    return effect
                effects.extend(await self._carry_out(effect, ws))
            effects.extend(await self._next())

    async def _carry_out(self, effect: Effect, ws: WebSocket) -> list[Effect]:
        session, books = self._session, self._books
        if isinstance(effect, Send):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await ws.send_bytes(encode(packed(effect.frame) if isinstance(effect.frame, Batch) else effect.frame))
        elif isinstance(effect, Load):
            batch = await books.load(effect.head, effect.after, effect.rows_max)
            return session.loaded(batch, _steady_ms())
        elif isinstance(effect, Apply):
            return session.applied(effect.batch, await books.apply(effect.batch))
        elif isinstance(effect, Acked):
            await books.acked(session.peer_rep, effect.rep, effect.stream, effect.boundary)
        elif isinstance(effect, Opened):
            self._on_open(effect)
        return []

    async def _next(self) -> list[Effect]:
        """Wait for a frame, for growth or for time to pass."""
        try:
            async with asyncio.timeout(TICK_S):
                item = await self._inbox.get()
        except TimeoutError:
            return self._session.tick(_steady_ms())
        if item is None:
            return self._session.changed(_steady_ms())
        if isinstance(item, End):
            return [item]
        if isinstance(item, SyncError):
            raise item
        return self._session.receive(item, _steady_ms(), wall_ms=self._now_ms())

    async def _read(self, ws: WebSocket) -> None:
        async for message in ws:
            if message.type is not WSMsgType.BINARY:
                what = (
                    str(ws.exception()) if message.type is WSMsgType.ERROR else f"a message of type {message.type.name}"
                )
                await self._inbox.put(ProtocolError(what))
                return
            try:
                frame = decode(message.data)
                await self._inbox.put(unpacked(frame) if isinstance(frame, Packed) else frame)
            except ProtocolError as err:
                await self._inbox.put(err)
                return
            except Exception as err:  # as in `run`
                log.exception("a message could not be read", extra={"peer": self._session.peer_rep})
                await self._inbox.put(ProtocolError(f"a message could not be read: {type(err).__name__}"))
                return
        await self._inbox.put(End("hung_up", f"the connection ended ({ws.close_code})", is_ours=False))

    async def _watch_growth(self) -> None:
        while True:
            await self._grown.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._grown.clear()
            await self._inbox.put(None)


class Dialler:
    """The hub's side: dials the cloud, talks, dials again, until it is cancelled. `state` can be read at any time."""

    def __init__(
        self,
        url: str,
        token: str,
        books: Books,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        on_state: Callable[[LinkState], None],
        reconnect_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        self.state = LinkState(since_ms=now_ms())
        self._url = url.rstrip("/") + "/sync/v1/link"
        self._token = token
        self._books = books
        self._now_ms = now_ms
        self._rng = rng
        self._on_state = on_state
        self._reconnect_max_s = reconnect_max_s
        self._conversation: Conversation | None = None
        self._up_at_ms = 0
        self._say_up: asyncio.TimerHandle | None = None
        self._said = ""  # the reason that the log was told in this outage

    def grown(self) -> None:
        """Say that own streams have grown."""
        if self._conversation is not None:
            self._conversation.grown()

    async def run(self) -> None:
        """Keep the line up."""
        failures = 0
        async with aiohttp.ClientSession() as http:
            while True:
                end = await self._dial(http)
                held_ms = _steady_ms() - self._up_at_ms if self.state.is_up else 0
                failures = 0 if held_ms >= HEALTHY_MS else failures + 1
                self._go_down(end)
                await asyncio.sleep(backoff_s(failures, self._rng, max_s=self._reconnect_max_s))

    async def _dial(self, http: aiohttp.ClientSession) -> End:
        """Connect and talk; return how it ended."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                ws = await http.ws_connect(
                    self._url,
                    headers={"Authorization": f"Bearer {self._token}"},
                    protocols=(SUBPROTOCOL,),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=FRAME_MAX,
                )
        except TimeoutError:
            return End("timeout", f"no answer within {CONNECT_TIMEOUT_S:g} s")
        except aiohttp.WSServerHandshakeError as err:
            return End(_reason_of(err.status), f"HTTP {err.status}")
        except (aiohttp.ClientConnectionError, OSError) as err:
            return End("unreachable", str(err))
        except (aiohttp.ClientError, ValueError) as err:
            return End("not_a_cloud", str(err))
        try:
            self._conversation = Conversation("dialler", self._books, now_ms=self._now_ms, on_open=self._go_up)
            return await self._conversation.run(ws)
        finally:
            self._conversation = None
            await ws.close()

    def _go_up(self, opened: Opened) -> None:
        self._say_up = asyncio.get_running_loop().call_later(UP_SAID_S, self._log_up, opened)
        self._up_at_ms = _steady_ms()
        self.state = LinkState(True, "", "", self._now_ms(), opened.peer_rep, opened.clock_offset_ms)
        self._on_state(self.state)

    def _log_up(self, opened: Opened) -> None:
        """Once it has held for a moment: a peer that greets and hangs up would fill the log."""
        self._said = ""
        log.info("the line to the cloud is up", extra={"peer": opened.peer_rep, "offset_ms": opened.clock_offset_ms})

    def _go_down(self, end: End) -> None:
        if self._say_up is not None:
            self._say_up.cancel()
        if self._said != end.code:
            self._said = end.code
            remedy = REMEDIES.get(end.code, "see the other end's log")
            log.warning(
                "the line to the cloud is down", extra={"reason": end.code, "detail": end.detail, "remedy": remedy}
            )
        since_ms = self._now_ms() if self.state.is_up or self.state.reason == "starting" else self.state.since_ms
        self.state = replace(self.state, is_up=False, reason=end.code, detail=end.detail, since_ms=since_ms)
        self._on_state(self.state)


def backoff_s(failures: int, rng: random.Random, *, max_s: float) -> float:
    """Return how long to wait after this many failures in a row: full jitter, 0 to at most `max_s`."""
    return rng.uniform(0, min(max_s, BACKOFF_FIRST_S * 2 ** min(failures, 16)))


def _steady_ms() -> int:
    """Milliseconds that never go back, for time-outs and pace: the wall clock may jump by a year when the line comes back."""
    return int(asyncio.get_running_loop().time() * 1000)


def _reason_of(status: int) -> str:
    if status in (401, 403):
        return "refused"
    return "server_error" if status >= 500 else "not_a_cloud"
