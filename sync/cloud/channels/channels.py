"""All channels of a cloud, wired: deliveries checked and taken, exceptions worked off, files taken. One write job each.

Not here: HTTP (sync.cloud.web.channel_routes), talking to shops (sync.cloud.talk.shops), what follows from what was said
(sync.cloud.channels.taking).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as Counting

from sync.cloud.channels import exceptions, skus, views
from sync.cloud.channels.exceptions import Raised, raise_one
from sync.cloud.channels.files.orders import FileOrder, as_received, read_received
from sync.cloud.channels.jobs import Job, Received
from sync.cloud.channels.kinds import SHOPS
from sync.cloud.channels.reading import one_line
from sync.cloud.channels.refunds import Unnamed, name_lines
from sync.cloud.channels.said import ChannelError, ChannelOrder, ChannelRefund, Forget, ItemsChanged, Said
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.signatures import is_signed
from sync.cloud.channels.taking import Taken, is_new_delivery, take, take_order
from sync.cloud.persons.rules import MembersSection
from sync.cloud.persons.work import look_at_all
from sync.cloud.rights.balance import attend
from sync.cloud.store import CloudStore
from sync.retail.stock.rebalance import Policy

REPLAYS_AT_ONCE = ORDERS_AT_ONCE = 50  # of one job, which nothing may wait for too long
FILE_TOPIC = "file"
HEADER_CHARS_MAX = 120
Counted = dict[str, int]
Delivered = Literal["taken", "waiting", "repeated", "stale", "ignored", "kept"]

log = logging.getLogger(__name__)


class Replayed(Struct, frozen=True):
    """How many lines were worked off, and how many of them are closed now."""

    tried: int
    closed: int


class Channels:
    """What is done with channels. `policies` names the stores that share rights, `members` what customers are known by."""

    def __init__(
        self,
        books: CloudStore,
        channels: Mapping[str, Channel],
        policies: Mapping[str, Policy],
        members: MembersSection,
    ) -> None:
        self.all = channels
        self.books = books
        self.wake: dict[str, asyncio.Event] = {name: asyncio.Event() for name in channels}
        self._policies = policies
        self._members = members
        self.list_again: set[str] = set()
        self._deliveries = self._show_on(books.metrics.registry)

    async def deliver(self, channel: Channel, headers: Mapping[str, str], body: bytes) -> Delivered | None:
        """Take a webhook in; None for one whose signature is wrong. What nobody can read is kept for a person."""
        shop = SHOPS[channel.kind]
        if not is_signed(body, _text(headers, shop.signature), channel.secrets):
            self._deliveries.labels(channel.name, "unsigned").inc()
            return None
        topic = _text(headers, shop.topic)
        told = next((value for name in shop.delivery if (value := _text(headers, name))), "")
        delivery_id = f"{topic}/{told or blake2b(body, digest_size=16).hexdigest()}"
        result = await self._deliver(channel, delivery_id, Received(topic, body, self.books.now_ms()))
        self._deliveries.labels(channel.name, result).inc()
        return result

    async def _deliver(self, channel: Channel, delivery_id: str, received: Received) -> Delivered:
        """Take what was received; what nobody can read is kept for a person."""
        try:
            said = SHOPS[channel.kind].read(channel, received.topic, received.body)
        except ChannelError as err:
            await self._keep(channel, delivery_id, received, err)
            return "kept"
        if any(isinstance(each, Forget) for each in said):
            await look_at_all(self.books)
        taken = await self.books.db.write(
            lambda tx: self._take(tx, channel, delivery_id, said, received), then=lambda _: self._told(channel, said)
        )
        if taken.is_emptied:
            await self.books.db.empty_log()
        return taken.result

    async def take_listed(self, channel: Channel, bodies: Sequence[bytes]) -> Counted:
        """Take orders of a shop's own list, as if their webhooks had come; return how many ended how."""
        topic, counted = SHOPS[channel.kind].listed_topic, Counter[str]()
        for body in bodies:
            received = Received(topic, body, self.books.now_ms())
            delivery_id = f"listed/{blake2b(body, digest_size=16).hexdigest()}"
            counted[await self._deliver(channel, delivery_id, received)] += 1
        return dict(counted)

    async def name_refunds(self, channel: Channel, asked: Unnamed, said: Sequence[ChannelRefund]) -> int:
        """Take what a shop says of refunds that came as sums; return how many have lines now."""
        received = Received("refunds", b"", self.books.now_ms())
        return await self.books.db.write(
            lambda tx: name_lines(self._job(tx, channel, received), asked, said), then=lambda _: self._told(channel, ())
        )

    async def assign(self, channel: Channel, item: str, sku: str) -> Replayed:
        """Note what an item is, and work off what waits for it; raise RuleError for an unknown SKU."""
        await self.books.db.write(lambda tx: skus.assign(tx, channel, item, sku))
        done, after, is_all = Replayed(0, 0), "", False
        while not is_all:
            tried = await self.books.db.write(
                lambda tx, after=after: self._work_off(tx, channel, item, after=after),  # type: ignore[misc]
                then=lambda _: self._told(channel, (ItemsChanged(),)),
            )
            done = Replayed(done.tried + len(tried), done.closed + sum(tried.values()))
            after, is_all = max(tried, default=after), len(tried) < REPLAYS_AT_ONCE
        return done

    async def replay(self, channel: Channel, subject: str) -> bool | None:
        """Try a line again; whether it is closed now, None where there is nothing to try."""

        def job(tx: Connection) -> bool | None:
            is_there = self._received(tx, channel, subject) is not None
            return self._replay(tx, channel, subject) if is_there else None

        await look_at_all(self.books)
        closed = await self.books.db.write(job, then=lambda _: self._told(channel, ()))
        if closed:
            await self.books.db.empty_log()  # what was kept of it is emptied, and so may be who wanted to be forgotten
        return closed

    async def dismiss(self, channel: Channel, subject: str, reason: str) -> bool:
        """Close a line because a person says so."""
        return await self.books.db.write(lambda tx: exceptions.dismiss(tx, channel.name, subject, reason=reason))

    async def take_file(self, channel: Channel, orders: Sequence[FileOrder]) -> Counted:
        """Take the orders of a file, each whole and as its newest version; return how many ended how."""
        counted: Counter[str] = Counter()
        for start in range(0, len(orders), ORDERS_AT_ONCE):
            some = orders[start : start + ORDERS_AT_ONCE]
            counted.update(await self.books.db.write(lambda tx, some=some: self._take_some(tx, channel, some)))  # type: ignore[misc]
        self._told(channel, ())
        return dict(counted)

    def _take_some(self, tx: Connection, channel: Channel, orders: Sequence[FileOrder]) -> list[str]:
        """Take orders of a file in one job; return how each ended."""
        results: list[str] = []
        now_ms = self.books.now_ms()
        for each in orders:
            received = Received(FILE_TOPIC, as_received(each), now_ms)
            taken = take_order(self._job(tx, channel, received), each.order)
            self._attend(tx, taken, now_ms)
            results.append(taken.result)
        return results

    def _work_off(self, tx: Connection, channel: Channel, item: str, *, after: str) -> dict[str, bool]:
        """Try again what waits for an item, behind a subject; return which are closed now."""
        subjects = exceptions.waiting_for(tx, channel.name, item, after=after, limit=REPLAYS_AT_ONCE)
        return {subject: self._replay(tx, channel, subject) for subject in subjects}

    def _take(
        self, tx: Connection, channel: Channel, delivery_id: str, said: Sequence[Said], received: Received
    ) -> Taken:
        if not is_new_delivery(tx, channel, delivery_id, now_ms=received.now_ms):
            return Taken("repeated")
        taken = take(self._job(tx, channel, received), said)
        self._attend(tx, taken, received.now_ms)
        return taken

    async def _keep(self, channel: Channel, delivery_id: str, received: Received, err: ChannelError) -> None:
        digest = blake2b(delivery_id.encode("utf-8", "replace"), digest_size=8).hexdigest()
        raised = Raised(
            subject=f"delivery:{digest}", code=err.code, detail=err.detail, topic=received.topic, body=received.body
        )
        await self.books.db.write(lambda tx: raise_one(tx, channel.name, raised, now_ms=received.now_ms))
        log.warning("a channel said what nobody can read; it is kept", extra={"channel": channel.name, "why": err.code})

    def _received(self, tx: Connection, channel: Channel, subject: str) -> tuple[str, bytes] | None:
        kind, _, name = subject.partition(":")
        if kind == "order":
            return views.received_of(tx, channel.name, name)
        return exceptions.kept_delivery(tx, channel.name, subject) if kind == "delivery" else None

    def _replay(self, tx: Connection, channel: Channel, subject: str) -> bool:
        """Take again what a line is about; whether it is closed now."""
        found = self._received(tx, channel, subject)
        if found is None:
            return False
        received = Received(*found, self.books.now_ms())
        try:
            said = self._read(channel, received)
        except ChannelError as err:
            log.info("still unread", extra={"channel": channel.name, "subject": subject, "why": err.detail})
            return False
        taken = self._take_again(tx, channel, said, received, is_standing=subject.startswith("order:"))
        self._attend(tx, taken, received.now_ms)
        if taken.result != "waiting" and subject.startswith("delivery:"):
            exceptions.solve(tx, channel.name, subject, reason="read")
        return taken.result != "waiting"

    def _take_again(
        self, tx: Connection, channel: Channel, said: Sequence[Said], received: Received, *, is_standing: bool
    ) -> Taken:
        job = self._job(tx, channel, received)
        orders = [each for each in said if isinstance(each, ChannelOrder)]
        if not is_standing or not orders:
            return take(job, said)
        taken = [take_order(job, each, again=True) for each in orders]
        return taken[0]

    def _read(self, channel: Channel, received: Received) -> Sequence[Said]:
        if received.topic == FILE_TOPIC:
            return (read_received(received.body),)
        return SHOPS[channel.kind].read(channel, received.topic, received.body)

    def _job(self, tx: Connection, channel: Channel, received: Received) -> Job:
        return Job(tx, self.books.replica, channel, self._members, received)

    def _attend(self, tx: Connection, taken: Taken, now_ms: int) -> None:
        for place in taken.places:
            policy = self._policies.get(place.store)
            if policy is not None:
                attend(tx, self.books.replica, place, policy, now_ms=now_ms)

    def _told(self, channel: Channel, said: Sequence[Said]) -> None:
        """After the commit: stores hear what was written, the shop's levels are looked at."""
        if any(isinstance(each, ItemsChanged) for each in said):
            self.list_again.add(channel.name)
        self.books.on_grown()
        for event in self.wake.values():
            event.set()

    def _show_on(self, registry: CollectorRegistry) -> Counting:
        deliveries = Counting(
            "storehub_cloud_channel_deliveries",
            "Webhooks by channel and what became of them",
            ["channel", "result"],
            registry=registry,
        )
        waiting = Gauge(
            "storehub_cloud_channel_exceptions", "Lines for a person by channel", ["channel"], registry=registry
        )
        for name in self.all:
            waiting.labels(name).set_function(lambda name=name: exceptions.open_count(self.books.db.read, name))  # type: ignore[misc]
        return deliveries


def _text(headers: Mapping[str, str], name: str) -> str:
    """Return a header without what no text column takes."""
    return one_line(headers.get(name, ""), HEADER_CHARS_MAX)
