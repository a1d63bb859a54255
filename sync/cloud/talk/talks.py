"""One talk with a store, whatever carries it: who may talk, when the store is told to dial, patience with one that lies.

Not here: WebSockets (sync.cloud.web.app), frames in HTTP bodies (sync.cloud.talk.exchange), what is said (sync.session).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sync.actions import End, Opened
from sync.cloud.store import CloudBooks
from sync.cloud.talk.line import Connection
from sync.cloud.watch.statuses import note_status
from sync.cloud.web.http import AnswerError, Cloud
from sync.line.link import Conversation, WebSocket
from sync.line.state import BACKOFF_MAX_S, LIES
from sync.line.telling import Telling
from sync.line.wire import Wire
from sync.protocol import Status

LIES_MAX = 5  # in a row of one store; its own hub backs off after fewer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lies:
    count: int = 0
    until_s: float = 0.0
    why: str = ""


class Patience:
    """Stores whose hubs say what cannot be, again and again: let in more and more seldom. Times are the loop's."""

    def __init__(self) -> None:
        self._stores: dict[str, _Lies] = {}

    def check(self, store: str, now_s: float) -> None:
        """Raise AnswerError while a store has to wait."""
        lies = self._stores.get(store)
        if lies is not None and now_s < lies.until_s:
            detail = f"{store} said what cannot be {lies.count} times in a row ({lies.why}); {lies.until_s - now_s:.0f} s to wait"
            raise AnswerError(503, "busy", detail)

    def note(self, store: str, end: End, now_s: float) -> None:
        """Take how a talk ended."""
        if end.code not in LIES:
            self._stores.pop(store, None)
            return
        lies = self._stores.setdefault(store, _Lies())
        lies.count += 1
        lies.why = f"{end.code}: {end.detail[:200]}"
        if lies.count >= LIES_MAX:
            lies.until_s = now_s + min(BACKOFF_MAX_S, 2.0 ** min(lies.count - LIES_MAX, 16))


async def talk(
    cloud: Cloud, store: str, through: WebSocket | Wire, *, token: bytes, cut: Callable[[], None], patience: Patience
) -> End:
    """Talk with a store until either side ends; `token` is the hash it came with, `cut` ends the connection without a word."""

    def opened(what: Opened) -> None:
        cloud.line.greeted(connection, what.peer_rep)

    def admits(rep: str) -> bool:
        is_own = rep.rpartition(":")[0] == store
        if not is_own:
            log.error(
                "a store's token is used by another replica; correct [store] id or the token",
                extra={"store": store, "rep": rep[:80]},
            )
        return is_own

    def heard(status: Status) -> None:
        cloud.line.seen(store)
        cloud.books.metrics.hear(store, status)
        if connection.rep:
            rep, now_ms = connection.rep, cloud.books.now_ms()
            cloud.books.db.write_soon(lambda tx: note_status(tx, rep, status, now_ms=now_ms), then=lambda _: None)

    conversation = Conversation(
        "acceptor",
        CloudBooks(cloud.books, store),
        now_ms=cloud.books.now_ms,
        on_open=opened,
        admits=admits,
        schedule=cloud.config.schedules.get(store),
        telling=Telling(heard=heard),
    )
    connection = Connection(store, cut, conversation.grown, cloud.books.now_ms(), token=token)
    cloud.line.enter(connection)
    log.info("a store is connected", extra={"store": store})
    try:
        await cloud.admission.used(store, token)
        end = await conversation.run(through)
    finally:
        cloud.line.leave(connection)
    patience.note(store, end, asyncio.get_running_loop().time())
    log.info(
        "a store's connection has ended",
        extra={"store": store, "peer": end.peer, "reason": end.code, "detail": end.detail},
    )
    return end
