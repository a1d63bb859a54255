"""Campaigns at a running cloud: coupons given and messages queued in parts, each sender at its own pace. What was begun before a
stop goes on: all that is to be done stands in the database.

    prepare      a part of what is being given or queued, until there is none
    send_next    claim (durable), call, settle (durable)

The call itself is passed in (sync.cloud.talk.outgoing). Logs name campaigns and counts, no address and no person.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sync.cloud.campaigns.campaigns import queue_part, queueing_campaigns
from sync.cloud.campaigns.issues import issue_part, running_issues
from sync.cloud.campaigns.ledger import claim, due_ms, settle
from sync.cloud.persons.work import look_at_all
from sync.cloud.senders.calls import Speak
from sync.cloud.senders.settings import SenderLine
from sync.cloud.store import CloudStore
from sync.errors import SyncError

IDLE_MAX_S = 60.0  # what another worker has put into the database is looked for this often
AGAIN_S = 5.0  # after a write that could not be done

log = logging.getLogger(__name__)


class CampaignWork:
    """Gives coupons and sends messages."""

    def __init__(self, books: CloudStore, lines: Mapping[str, SenderLine], zones: Mapping[str, str]) -> None:
        self._books = books
        self.lines = dict(lines)
        self._zones = dict(zones)
        self._busy_until_ms: dict[str, int] = {}
        self._wakes: list[asyncio.Event] = []

    def wake(self) -> None:
        """Something was declared, stopped or decided."""
        for each in self._wakes:
            each.set()

    async def run(self, speak: Speak) -> None:
        """Work until cancelled; one sender that hangs holds up no other."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.prepare, pause_s=0.0), name="campaigns prepared")
            for line in self.lines.values():
                sending = self._repeat(partial(self.send_next, line, speak), pause_s=1 / line.per_second)
                group.create_task(sending, name=f"sender {line.sender.name}")

    async def prepare(self) -> bool:
        """Do a part of what is to be given or queued; say whether there was any."""
        books, now_ms = self._books, self._books.now_ms()
        for issue_id in running_issues(books.db.read):
            await look_at_all(books)
            state = await books.db.write(
                partial(issue_part, own=books.replica, issue_id=issue_id, now_ms=now_ms),
                then=lambda _: books.on_grown(),
            )
            log.info("coupons were given to a part of a segment", extra={"issue": issue_id, "state": state})
            return True
        for campaign_id in queueing_campaigns(books.db.read):
            queued = await books.db.write(partial(queue_part, campaign_id=campaign_id, now_ms=now_ms))
            if queued == "running":
                self.wake()
            return True
        return False

    async def send_next(self, line: SenderLine, speak: Speak) -> bool:
        """Send the next letter of a sender; say whether there was anything to do."""
        books, now_ms, name = self._books, self._books.now_ms(), line.sender.name
        if now_ms < self._busy_until_ms.get(name, 0):
            return False
        looked = await books.db.write(lambda tx: claim(tx, books.replica, line, zones=self._zones, now_ms=now_ms))
        if looked.is_behind:
            await look_at_all(books)
            return True
        if looked.refused:
            log.info("members may not be written to", extra={"sender": name, "members": looked.refused})
        claimed = looked.claimed
        if claimed is None:
            return looked.has_more
        outcome = line.sender.read(await speak(line.sender.call(claimed.letter, now_ms=now_ms)))
        answered_ms = books.now_ms()
        if outcome.verdict == "later":  # what is true of one call is true of the next
            self._busy_until_ms[name] = answered_ms + int(outcome.after_s * 1000)
        await books.db.write(lambda tx: settle(tx, claimed, outcome, line, now_ms=answered_ms))
        said = {"sender": name, "campaign": claimed.campaign_id, "members": len(claimed.persons)}
        level = logging.INFO if outcome.verdict == "sent" else logging.WARNING
        log.log(level, "a letter was settled", extra=said | {"verdict": outcome.verdict, "why": outcome.why})
        return True

    async def _repeat(self, step: Callable[[], Awaitable[bool]], *, pause_s: float) -> None:
        """Step until there is nothing to do, then wait for news, or until something is due."""
        wake = asyncio.Event()
        self._wakes.append(wake)
        while True:
            wake.clear()
            try:
                while await step():  # noqa: ASYNC110 - a pace, nothing is waited for
                    await asyncio.sleep(pause_s)
                wait_s = self._wait_s()
            except SyncError as err:
                log.warning("campaigns wait: nothing can be written now", extra={"error": str(err)})
                wait_s = AGAIN_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await wake.wait()

    def _wait_s(self) -> float:
        at_ms = due_ms(self._books.db.read)
        if at_ms is None:
            return IDLE_MAX_S
        return min(IDLE_MAX_S, max(1.0, (at_ms - self._books.now_ms()) / 1000))
