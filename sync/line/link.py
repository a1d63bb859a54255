"""The wire between two replicas: one WebSocket, or frames in HTTP bodies; a conversation over it, either side.

The only file that opens connections. Every fault has a stable reason and a remedy (sync.line.state). Not here: what is said
(sync.session) and stored (sync.books), when the hub dials (sync.line.dialler), frames as HTTP bodies (sync.line.push).
"""

import asyncio
import io
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import aiohttp
from aiohttp import WSMsgType, web

from sync import failpoints
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
from sync.batch import SENT_BYTES_MAX, Batch, Boundary, Gap
from sync.books import Books
from sync.errors import ForkError, ProtocolError, SyncError
from sync.line.faults import reason_of_error, reason_of_status
from sync.line.push import CONTENT_TYPE, HOLD_S, PushWire, read_bounded
from sync.line.state import backoff_s
from sync.line.telling import Telling
from sync.line.wire import ContextSource, Take, TokenSource, Wire, WireError, own_roots
from sync.protocol import FRAME_MAX, SUBPROTOCOL, Frame, Packed, Status, decode, encode, packed, refusal, unpacked
from sync.schedule import Schedule
from sync.sending import WINDOW
from sync.session import Session

__all__ = ["DEBOUNCE_S", "HEARTBEAT_S", "TICK_S", "Connector", "Conversation", "backoff_s", "connector"]

TICK_S = 0.5  # how often time-outs and paced streams are looked at
INBOX_MAX = 8  # frames read and not yet worked on; when full the socket is not read and the peer waits
CONNECT_TIMEOUT_S = 10.0  # a handshake takes two round trips; 600 ms each on the worst line we serve
POST_TIMEOUT_S = HOLD_S + 15.0
SEND_TIMEOUT_S = 30.0  # a peer that takes nothing for this long is gone
HEARTBEAT_S = 20.0
COMMIT_BYTES_MAX = 2 * SENT_BYTES_MAX  # of batches that are applied together, unless it is one
DEBOUNCE_S = 0.02  # sales that follow one another at once travel in one batch
PROBLEM = "application/problem+json"  # what a cloud answers with; a proxy has pages of its own
PROXY_STATUSES = frozenset({400, 403, 405, 407, 426, 501, 502, 503, 504})
log = logging.getLogger(__name__)
Item = Frame | Batch | SyncError | End | None
WebSocket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


@dataclass(frozen=True, slots=True)
class _Failed:
    """A batch was not taken: raised when those before it are acknowledged."""

    error: BaseException


class WebSocketWire:
    """One frame a message."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws

    async def send(self, message: bytes) -> None:
        """See sync.line.wire."""
        await self._ws.send_bytes(message)

    async def read(self, take: Take) -> str:
        """See sync.line.wire; raise ProtocolError for a message that is not binary."""
        async for message in self._ws:
            if message.type is WSMsgType.ERROR:
                if isinstance(
                    err := self._ws.exception(), TimeoutError | OSError
                ):  # a line that is cut one way, no liar
                    return f"no answer to a ping: {err or type(err).__name__}"
                raise ProtocolError(str(err))
            if message.type is not WSMsgType.BINARY:
                raise ProtocolError(f"a message of type {message.type.name}")
            await take(message.data)
        return f"the connection ended ({self._ws.close_code})"

    async def flush(self) -> None:
        """See sync.line.wire: what `send` was given has left when it returns."""

    async def close(self) -> None:
        """See sync.line.wire."""
        await self._ws.close()


class Conversation:
    """Carries out what a session asks for, over an open wire."""

    def __init__(
        self,
        role: Role,
        books: Books,
        *,
        now_ms: Callable[[], int],
        on_open: Callable[[Opened], None] = lambda _: None,
        admits: Callable[[str], bool] = lambda _: True,
        schedule: Schedule | None = None,
        telling: Telling | None = None,
    ) -> None:
        self._telling = telling or Telling()
        self._session = Session(role, books, admits=admits, schedule=schedule)
        self._books = books
        self._now_ms = now_ms
        self._on_open = on_open
        self._inbox: asyncio.Queue[Item] = asyncio.Queue(INBOX_MAX)
        self._seen: list[Item] = []  # one at most: taken from the inbox, and not what was looked for
        self._grown = asyncio.Event()
        self._is_finishing = False

    def grown(self) -> None:
        """Say that own streams have grown."""
        self._grown.set()

    def finish(self) -> None:
        """End as soon as nothing waits on either side; for the dialler."""
        self._is_finishing = True
        self._grown.set()

    async def run(self, through: WebSocket | Wire) -> End:
        """Talk until either side ends; return why."""
        if isinstance(through, aiohttp.ClientWebSocketResponse | web.WebSocketResponse):
            through = WebSocketWire(through)
        return replace(await self._run(through), peer=self._session.peer_rep)

    async def _run(self, ws: Wire) -> End:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(ws), name="sync reader")
            watcher = group.create_task(self._watch_growth(), name="sync growth")
            try:
                end = await self._talk(ws)
            except (ConnectionError, TimeoutError) as err:
                end = End("hung_up", str(err) or "the peer takes nothing any more", is_ours=False)
            except WireError as err:
                end = End(err.code, err.detail, is_ours=False)
            except ProtocolError as err:
                end = await self._refuse(ws, End("protocol", str(err)))
            except ForkError as err:
                end = await self._refuse(ws, End("fork", err.detail))
            except SyncError as err:
                end = await self._refuse(ws, End("cannot_write", f"{err.code}: {err.detail}"))
            except Exception as err:  # the edge to the peer: whatever it made us do, the shop goes on selling
                log.exception("a conversation failed", extra={"peer": self._session.peer_rep})
                end = await self._refuse(ws, End("internal", f"{type(err).__name__}; the log has the traceback"))
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await ws.flush()
            reader.cancel()
            watcher.cancel()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(TICK_S):
                await ws.close()
        return end

    async def _refuse(self, ws: Wire, end: End) -> End:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(TICK_S):
                await ws.send(encode(refusal(end.code, end.detail)))
        return end

    async def _talk(self, ws: Wire) -> End:
        effects: deque[Effect | _Failed] = deque(self._session.start(_steady_ms(), wall_ms=self._now_ms()))
        while True:
            while effects:
                effect = effects.popleft()
                if isinstance(effect, End):
                    return effect
                if isinstance(effect, _Failed):
                    raise effect.error
                following = self._following(effect.batch) if isinstance(effect, Apply) else []
                if isinstance(effect, Apply) and following:
                    effects.extend(await self._apply([effect.batch, *following]))
                else:
                    effects.extend(await self._carry_out(effect, ws))
            effects.extend(await self._next())
            effects.extend(self._telling.due(self._session.features, _steady_ms()))

    def _following(self, batch: Batch) -> list[Batch]:
        """Take what has come already and goes on where this batch ends, so that one commit makes all of it durable.

        Only of the peer's own streams: should the first not be taken, the others are gaps and change nothing. No more than
        a commit may hold: what is being sold waits for it.
        """
        found: list[Batch] = []
        size = batch.size
        while batch.rep == self._session.peer_rep and len(found) < WINDOW - 1 and not self._inbox.empty():
            item = self._inbox.get_nowait()
            before = found[-1] if found else batch
            if not isinstance(item, Batch) or not _goes_on(item, before) or size + item.size > COMMIT_BYTES_MAX:
                self._seen.append(item)
                break
            size += item.size
            asked = self._session.receive(item, _steady_ms(), wall_ms=self._now_ms())
            assert asked == [Apply(item)], "a session that has asked for one batch to be applied asks for the next"
            found.append(item)
        return found

    async def _apply(self, batches: list[Batch]) -> list[Effect | _Failed]:
        """Hand batches to the writer together; acknowledge the last of those up to the first that is not taken."""
        outcomes = await asyncio.gather(*map(self._books.apply, batches), return_exceptions=True)
        effects: list[Effect | _Failed] = []
        for at, batch in enumerate(batches):
            if at and isinstance(outcomes[at], Gap) and isinstance(outcomes[at - 1], Boundary):
                # the one before took more than one job, and this one came between
                outcomes[at : at + 1] = await asyncio.gather(self._books.apply(batch), return_exceptions=True)
            outcome = outcomes[at]
            if isinstance(outcome, BaseException):
                return [*effects, _Failed(outcome)]
            said = self._session.applied(batch, outcome)
            effects = [*said] if isinstance(outcome, Boundary) else [*effects, *said]  # an ack speaks for all before it
        return effects

    async def _carry_out(self, effect: Effect, ws: Wire) -> list[Effect]:
        session, books = self._session, self._books
        if isinstance(effect, Send):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await ws.send(self._encoded(effect.frame))
            if isinstance(effect.frame, Batch):
                await asyncio.sleep(0)  # to pack one takes as long as a sale, and the next may follow at once
        elif isinstance(effect, Load):
            batches = await books.load(effect.head, effect.after, effect.rows_max, batches_max=effect.batches_max)
            failpoints.hit("link.loaded")  # their ends are durable, and none has left
            return session.loaded(batches, _steady_ms())
        elif isinstance(effect, Apply):
            return session.applied(effect.batch, await books.apply(effect.batch))
        elif isinstance(effect, Acked):
            await books.acked(session.peer_rep, effect.rep, effect.stream, effect.boundary)
        elif isinstance(effect, Opened):
            self._on_open(effect)
        elif isinstance(effect, EndLives):
            await books.end_lives(session.peer_rep, effect.lives)
            return session.lives_ended()
        elif isinstance(effect, Jump):
            return session.jumped(effect, await books.jump(effect.rep, effect.stream, effect.to, effect.opening))
        elif isinstance(effect, LoadOpening):
            return session.summed_up(await books.opening(effect.head, effect.to), _steady_ms())
        elif isinstance(effect, NoteSealed):
            await books.note_sealed(effect.reps)
        elif isinstance(effect, Forked):
            await books.forked(effect.why)
        return []

    def _encoded(self, frame: Frame | Batch) -> bytes:
        return encode(packed(frame, features=self._session.features) if isinstance(frame, Batch) else frame)

    async def _next(self) -> list[Effect]:
        """Wait for a frame, for growth or for time to pass."""
        try:
            async with asyncio.timeout(TICK_S):
                item = self._seen.pop() if self._seen else await self._inbox.get()
        except TimeoutError:
            return self._session.tick(_steady_ms())
        if item is None:
            return self._session.finish(_steady_ms()) if self._is_finishing else self._session.changed(_steady_ms())
        if isinstance(item, End):
            return [self._session.hung_up(item)]
        if isinstance(item, SyncError):
            raise item
        return self._session.receive(item, _steady_ms(), wall_ms=self._now_ms())

    async def _read(self, ws: Wire) -> None:
        try:
            detail = await ws.read(self._take)
        except SyncError as err:
            await self._inbox.put(err)
        except Exception as err:  # as in `run`
            log.exception("a message could not be read", extra={"peer": self._session.peer_rep})
            await self._inbox.put(ProtocolError(f"a message could not be read: {type(err).__name__}"))
        else:
            await self._inbox.put(End("hung_up", detail, is_ours=False))

    async def _take(self, message: bytes) -> None:
        frame = decode(message)
        if isinstance(frame, Status):
            self._telling.hear(frame)
        else:
            await self._inbox.put(unpacked(frame) if isinstance(frame, Packed) else frame)

    async def _watch_growth(self) -> None:
        while True:
            await self._grown.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._grown.clear()
            await self._inbox.put(None)


class Connector:
    """Opens wires to one cloud."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: str | TokenSource,
        *,
        rng: random.Random,
        context: ContextSource = own_roots,
    ) -> None:
        self._http = http
        self._context = context
        self._url = url.rstrip("/") + "/sync/v1"
        self._token = token
        self._rng = rng

    async def websocket(self) -> Wire:
        """Open a WebSocket; raise WireError."""
        headers, context = self._headers(), await self._context()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                ws = await self._http.ws_connect(
                    self._url + "/link",
                    headers=headers,
                    protocols=(SUBPROTOCOL,),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=FRAME_MAX,
                    ssl=context or True,
                )
        except TimeoutError as err:
            raise WireError("timeout", f"no answer within {CONNECT_TIMEOUT_S:g} s") from err
        except aiohttp.WSServerHandshakeError as err:
            content_type = err.headers.get("Content-Type", "") if err.headers is not None else ""
            is_cloud = content_type.startswith(PROBLEM)
            may_be_proxy = err.status in (400, 426) or (not is_cloud and err.status in PROXY_STATUSES)
            reason = reason_of_status(err.status, content_type)
            raise WireError(reason, f"HTTP {err.status} {content_type}".rstrip(), may_be_proxy=may_be_proxy) from err
        except (aiohttp.ClientConnectionError, OSError) as err:
            cut_short = isinstance(err, aiohttp.ServerDisconnectedError | ConnectionResetError)
            raise WireError(reason_of_error(err), str(err), may_be_proxy=cut_short) from err
        except (aiohttp.ClientError, ValueError) as err:
            raise WireError("not_a_cloud", str(err)) from err
        return WebSocketWire(ws)

    def push(self) -> Wire:
        """Return a wire of HTTP requests; whether anybody answers is seen when it is read."""
        return PushWire(self._post, self._rng.randbytes(16).hex(), rng=self._rng)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token if isinstance(self._token, str) else self._token()}"}

    async def _post(self, body: bytes) -> bytes:
        headers = self._headers() | {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        limit = aiohttp.ClientTimeout(total=POST_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        context = await self._context()
        try:
            async with self._http.post(
                self._url + "/exchange",
                data=io.BytesIO(body),
                headers=headers,
                timeout=limit,
                allow_redirects=False,
                ssl=context or True,
            ) as answer:
                if answer.status == 404 and answer.content_type == PROBLEM:
                    raise WireError("hung_up", "the cloud does not know this exchange any more")
                if answer.status != 200 or answer.content_type != CONTENT_TYPE:
                    reason = reason_of_status(answer.status, answer.content_type)
                    raise WireError(reason, f"HTTP {answer.status} {answer.content_type} to an exchange")
                return await read_bounded(answer.content.iter_any())
        except TimeoutError as err:
            raise WireError("timeout", f"no answer to an exchange within {POST_TIMEOUT_S:g} s") from err
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as err:
            raise WireError(reason_of_error(err), str(err)) from err
        except (aiohttp.ClientError, ValueError) as err:
            raise WireError("not_a_cloud", str(err)) from err


@asynccontextmanager
async def connector(
    url: str, token: str | TokenSource, *, rng: random.Random, context: ContextSource = own_roots
) -> AsyncIterator[Connector]:
    """Hold what opens wires to a cloud."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        yield Connector(http, url, token, rng=rng, context=context)


def _goes_on(batch: Batch, before: Batch) -> bool:
    return (batch.rep, batch.stream, batch.after) == (before.rep, before.stream, before.last)


def _steady_ms() -> int:
    return int(
        asyncio.get_running_loop().time() * 1000
    )  # it never goes back, as the wall clock may when the line comes back
