"""Tells subscribers: each in a task of its own, one message at a time, so that a slow or dead one delays no other.

    answer                 what follows
    2xx                    the cursor moves; the next message
    410                    disabled: it wants nothing any more
    anything else, none    the same message again, later by full jitter up to 5 s, 10 s, 20 s … an hour, or as Retry-After says;
                           after `attempts_max` it is a dead letter and the next one has its turn; after DEAD_MAX in a row
                           disabled

At least once: a worker that dies between the answer and the commit tells it again, under the same id. Not here: HTTP
(sync.cloud.talk.webhook_http), what is told (messages), SQL (subscriptions, dead_letters).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from sqlite3 import Connection
from typing import TypeVar

from msgspec import Struct
from prometheus_client import Counter, Gauge

from sync.cloud.handing import dead_letters
from sync.cloud.handing.dead_letters import DeadLetter
from sync.cloud.handing.messages import Message, message_of, next_messages
from sync.cloud.handing.news import News
from sync.cloud.handing.signing import signed
from sync.cloud.handing.subscriptions import CLAIM_MS, Subscription, claim, find, let_go, names, switch
from sync.cloud.store import CloudStore
from sync.cloud.web.views import feed_rows
from sync.errors import SyncError

IDLE_S = 2.0  # between two looks when nothing is told; rows of other workers are found by it
RETRY_FIRST_S, RETRY_MAX_S = 5.0, 3600.0
LETTERS_AT_ONCE = 10  # dead letters told again before what is new has its turn
GONE = 410

log = logging.getLogger(__name__)
T = TypeVar("T")


class Outcome(Struct, frozen=True):
    """What a subscriber answered: `status` 0 is no answer, `why` says what is wrong."""

    status: int
    why: str = ""
    retry_after_s: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether it has the message."""
        return 200 <= self.status < 300


Send = Callable[[str, dict[str, str], bytes], Awaitable[Outcome]]
"""Post a body with headers to a URL; never raises for what the other end does."""


class Deliverer:
    """Serves all subscriptions, as far as no other worker does."""

    def __init__(self, books: CloudStore, news: News, send: Send, *, worker: str, rng: random.Random) -> None:
        self._books = books
        self._news = news
        self._send = send
        self._worker = worker
        self._rng = rng
        self._serving: set[str] = set()
        registry = books.metrics.registry
        self._told = Counter(
            "storehub_cloud_webhook_messages",
            "Messages of webhooks by what became of the attempt",
            ["webhook", "result"],
            registry=registry,
        )
        self._dead = Gauge(
            "storehub_cloud_webhook_dead_letters", "Messages that were given up", ["webhook"], registry=registry
        )
        self._active = Gauge("storehub_cloud_webhook_active", "0 while nothing is told", ["webhook"], registry=registry)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    mark = self._news.mark()
                    for name in set(names(self._books.db.read)) - self._serving:
                        self._serving.add(name)
                        group.create_task(self._serve(name), name=f"webhook {name}")
                    await self._news.after(mark, IDLE_S)
        finally:
            await self._books.db.write(lambda tx: let_go(tx, self._worker))

    async def step(self, name: str) -> float | None:
        """Tell what is to be told now; return how long to wait, None where there is no such subscription any more."""
        books, now_ms = self._books, self._books.now_ms()
        found = find(books.db.read, name)
        if found is None:
            for gauge in (self._active, self._dead):
                gauge.remove(name)
            return None
        self._active.labels(name).set(found.state == "active")
        self._dead.labels(name).set(dead_letters.count(books.db.read, name))
        if found.state != "active":
            return IDLE_S
        due = dead_letters.letters(books.db.read, name, is_due=True, limit=LETTERS_AT_ONCE)
        is_time = now_ms >= found.next_ms
        messages = await next_messages(books.db, found.cursors, found.kinds) if is_time else []
        if not due and not messages:
            return IDLE_S if is_time else min(IDLE_S, (found.next_ms - now_ms) / 1000)
        if not await books.db.write(lambda tx: claim(tx, name, self._worker, now_ms=now_ms)):
            return IDLE_S
        if find(books.db.read, name) != found:  # another worker has told them, before it let go
            return 0.0
        for letter in due:
            await self._tell_again(found, letter)
        return await self._tell(found, messages, until_ms=now_ms + CLAIM_MS // 2)

    async def _serve(self, name: str) -> None:
        try:
            while True:
                mark = self._news.mark()
                try:
                    pause_s = await self.step(name)
                except SyncError as err:  # the database has no room or no time; the row waits where it is
                    log.warning("a webhook waits for the database", extra={"webhook": name, "error": str(err)})
                    pause_s = IDLE_S
                if pause_s is None:
                    return
                if pause_s:
                    await self._news.after(mark, pause_s)
        finally:
            self._serving.discard(name)

    async def _tell(self, to: Subscription, messages: list[Message], *, until_ms: int) -> float:
        """Tell messages in their order while the claim is fresh; a page that is done, or not taken, ends it."""
        ends: dict[str, int] = {}
        attempts = to.attempts
        for message in messages:
            ends[message.stream] = message.n
            if not message.is_wanted:
                continue
            outcome = await self._post(to, message.message_id, message.body)
            if not outcome.is_taken:
                ends.pop(message.stream)
                return await self._not_taken(to, message, outcome, attempts + 1)
            if not await self._pass(to, ends, is_told=True):
                return IDLE_S
            ends, attempts = {}, 0
            if self._books.now_ms() > until_ms:
                return 0.0
        if ends:
            await self._pass(to, ends, is_told=False)
        return 0.0

    async def _pass(self, to: Subscription, ends: dict[str, int], *, is_told: bool) -> bool:
        return await self._write(lambda tx: dead_letters.passed(tx, to.name, self._worker, ends, is_told=is_told))

    async def _not_taken(self, to: Subscription, message: Message, outcome: Outcome, attempts: int) -> float:
        now_ms = self._books.now_ms()
        said = {"webhook": to.name, "why": outcome.why}
        if outcome.status == GONE:
            await self._write(lambda tx: switch(tx, to.name, "disabled", "the subscriber answered 410"))
            log.warning("a webhook's subscriber is gone; nothing is told until it is made active again", extra=said)
            return 0.0
        if attempts >= to.attempts_max:
            is_disabled = await self._write(
                lambda tx: dead_letters.bury(tx, to.name, message, attempts, outcome.why, now_ms=now_ms)
            )
            log.warning("a webhook's message was given up", extra=said | {"message_id": message.message_id})
            if is_disabled:
                log.error("a webhook was disabled: nothing is taken any more; its cursors wait", extra=said)
            return 0.0
        if attempts == 1:
            log.warning("a webhook's subscriber does not take a message; it is told again", extra=said)
        wait_s = max(self.wait_s(attempts), min(outcome.retry_after_s, RETRY_MAX_S))
        await self._write(
            lambda tx: dead_letters.put_off(tx, to.name, outcome.why, next_ms=now_ms + int(wait_s * 1000))
        )
        return min(wait_s, IDLE_S)

    def wait_s(self, attempts: int) -> float:
        """Return how long to wait after so many attempts."""
        return self._rng.uniform(0, min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** min(attempts - 1, 20)))

    async def _tell_again(self, to: Subscription, letter: DeadLetter) -> None:
        """Tell a dead letter once, as its row stands; one whose row was replaced meanwhile has nothing to say any more."""
        books, ids = self._books, [letter.message_id]
        rows = await feed_rows(books.db, letter.stream, after=letter.n - 1, limit=1)
        row = next((row for row in rows if row.n == letter.n), None)
        if row is not None:
            outcome = await self._post(to, letter.message_id, message_of(letter.stream, row).body)
            if not outcome.is_taken:
                await self._write(lambda tx: dead_letters.died_again(tx, to.name, letter.message_id, outcome.why))
                return
        await self._write(lambda tx: dead_letters.drop(tx, to.name, ids))

    async def _post(self, to: Subscription, message_id: str, body: bytes) -> Outcome:
        now_ms = self._books.now_ms()
        headers = signed(to.secrets(now_ms), message_id, body, at_s=now_ms // 1000)
        outcome = await self._send(to.url, headers, body)
        self._told.labels(
            to.name, "taken" if outcome.is_taken else "gone" if outcome.status == GONE else "failed"
        ).inc()
        return outcome

    async def _write(self, job: Callable[[Connection], T]) -> T:
        return await self._books.db.write(job)
