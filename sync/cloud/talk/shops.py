"""Talks to a shop until cancelled: levels that have changed are sent, coalesced by SKU; once a day it is asked for all it has.

    each day at reconcile_hour_utc, goods changed there, asked for          take orders that never came; read the whole list,
                                                                            believe it, send what differs
    every_s, or when something was taken in                                 look which rights have changed, send what differs;
                                                                            ask for the lines of refunds that came as sums
    a shop that cannot be talked to                                         back off, say why once; what changed is sent then

What a shop has refused as stale has had an order meanwhile, of which we may hear first: it is looked at in the next round.
Not here: what is sent (sync.cloud.channels.levels, .availability), HTTP (sync.cloud.talk.shop_http).
"""

import asyncio
import logging
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

import aiohttp

from sync.cloud.channels.availability import available, changed_skus, unpromised
from sync.cloud.channels.calls import ShopFaultError
from sync.cloud.channels.channels import Channels
from sync.cloud.channels.kinds import SHOPS
from sync.cloud.channels.levels import (
    Shown,
    believed,
    catalogue_seq,
    levels_of,
    named,
    note_fault,
    note_reconciled,
    note_sent,
    read_back,
    reconciled_ms,
    wanted_of,
)
from sync.cloud.channels.refunds import ask_tomorrow, unnamed_refunds
from sync.cloud.channels.said import SetResult, Wanted
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.taking import keep_short
from sync.cloud.talk.shop_http import ShopHttp
from sync.errors import SyncError

SKUS_AT_ONCE = 100  # counted in one look: 11 ms with two stores on x86-64
ITEMS_AT_ONCE = 500
SENT_AT_ONCE = 250
REFUNDS_AT_ONCE = 20  # asked for in one round: levels come first
OF_ONE_ORDER = (
    "shop_refused",
    "shop_answer",
)  # a deleted order, one that a plugin has bent: no reason to leave the shop alone
BACKOFF_FIRST_S, BACKOFF_MAX_S = 2.0, 600.0
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
OVERLAP_MS = DAY_MS  # orders of the day before we asked last are asked for again: what is known changes nothing

log = logging.getLogger(__name__)
T = TypeVar("T")


class LevelPusher:
    """Tells one shop what it may sell."""

    def __init__(self, channels: Channels, channel: Channel, *, rng: random.Random) -> None:
        self.channel = channel
        self.fault = ""
        self._channels, self._books = channels, channels.books
        self._shop = SHOPS[channel.kind]
        self._rng = rng
        self._items: Shown | None = None  # None: to be read
        self._catalogue_seq = 0
        self._seen: dict[str, int] | None = None  # how far the feeds were looked at
        self._ordered: set[str] = set()
        self._owed: set[str] = set()  # SKUs that the shop may show wrongly

    async def run(self) -> None:
        """Look, send, wait, look again."""
        failures, loop = 0, asyncio.get_running_loop()
        async with aiohttp.ClientSession() as http:
            shop = ShopHttp(http, self.channel, clock_s=loop.time)
            while True:
                wake = self._channels.wake[self.channel.name]
                wake.clear()
                try:
                    await self.round(shop)
                except SyncError as err:
                    failures += 1
                    await self._failed(err)
                else:
                    failures = 0
                    await self._went_well()
                await self._pause(failures)

    async def round(self, shop: ShopHttp) -> int:
        """Ask for all it has where that is due, send what differs, have refunds named; return how many levels were taken."""
        if self._is_due():
            await self._reconcile(shop)
        taken = await self._send(shop, await self._wanted()) if self.channel.levels else 0
        await self._name_refunds(shop)
        return taken

    async def _name_refunds(self, shop: ShopHttp) -> None:
        """Ask for the lines of refunds that came as sums, of some a round; what a shop refuses to say stays a sum."""
        channel, db, ask, now_ms = self.channel, self._books.db, self._shop.refunds_of, self._books.now_ms()
        if ask is None:
            return
        due = await db.look(lambda read: unnamed_refunds(read, channel.name, now_ms=now_ms, limit=REFUNDS_AT_ONCE))
        for each in due:
            try:
                said = await shop.hold(ask(channel, each.channel_order_id, each.currency))
            except ShopFaultError as err:
                if err.code not in OF_ONE_ORDER:
                    raise
                extra = {"channel": channel.name, "order": each.channel_order_id, "reason": err.detail}
                log.warning("a shop does not name the lines of a refund; its sum stands", extra=extra)
                await db.write(lambda tx, one=each: ask_tomorrow(tx, channel.name, one, now_ms=now_ms))  # type: ignore[misc]
                continue
            await self._channels.name_refunds(channel, each, said)

    async def _reconcile(self, shop: ShopHttp) -> None:
        """Ask for orders of which we have not heard, and for what it shows."""
        channel, db, now_ms = self.channel, self._books.db, self._books.now_ms()
        self._channels.list_again.discard(channel.name)
        try:
            await self._catch_up(shop)
            if channel.levels:
                await self._read_back(shop)
        except SyncError:
            self._channels.list_again.add(channel.name)
            raise
        await db.write(lambda tx: note_reconciled(tx, channel, now_ms=now_ms))
        await db.write(lambda tx: keep_short(tx, channel, now_ms=now_ms))

    async def _catch_up(self, shop: ShopHttp) -> None:
        """Take orders that have changed since we asked last: a shop gives a webhook up after hours. The first time: none."""
        channel, since_ms = self.channel, reconciled_ms(self._books.db.read, self.channel)
        if not since_ms:
            return
        bodies = await shop.hold(self._shop.orders_since(channel, max(0, since_ms - OVERLAP_MS)))
        counted = await self._channels.take_listed(channel, bodies)
        if counted.keys() - {"repeated"}:
            log.info("orders were caught up with", extra={"channel": channel.name, **counted})

    async def _read_back(self, shop: ShopHttp) -> None:
        channel = self.channel
        levels = await shop.hold(self._shop.levels(channel))
        differing = await self._books.db.write(lambda tx: read_back(tx, channel, levels))
        self._items = None
        log.info(
            "a shop's levels were read", extra={"channel": channel.name, "items": len(levels), "differing": differing}
        )

    async def _wanted(self) -> list[Wanted]:
        """Return what differs among what may have changed since the last look."""
        db, own, seen = self._books.db, self._books.replica, self._seen
        changed, self._seen = await db.look(lambda read: changed_skus(read, seen))
        ordered = set(unpromised(db.read))
        self._owed |= changed | ordered | self._ordered
        self._ordered = ordered
        items = await self._known_items()
        self._owed &= items.skus
        have: dict[str, int] = {}
        for some in batched_by(sorted(self._owed), SKUS_AT_ONCE):
            have |= await db.look(lambda read, some=some: available(read, own, some))  # type: ignore[misc]
        return wanted_of(items, have)

    async def _known_items(self) -> Shown:
        """Return what the shop shows of our goods; all of them are owed after its list was read, new ones as they come."""
        seq = catalogue_seq(self._books.db.read)
        if self._items is not None and seq == self._catalogue_seq:
            return self._items
        before, items = self._items.skus if self._items is not None else set(), await self._read_items()
        self._owed |= items.skus - before
        self._items, self._catalogue_seq = items, seq
        return items

    async def _read_items(self) -> Shown:
        db, channel, items = self._books.db, self.channel, Shown()
        for some in batched_by(levels_of(db.read, channel), ITEMS_AT_ONCE):
            for sku, level in await db.look(lambda read, some=some: named(read, channel, some)):  # type: ignore[misc]
                items.put(sku, level)
        return items

    async def _send(self, shop: ShopHttp, wanted: list[Wanted]) -> int:
        channel, taken, owed = self.channel, 0, set()
        for some in batched_by(wanted, SENT_AT_ONCE):
            results = await shop.hold(self._shop.set_levels(channel, some))
            shows, now_ms = believed(some, results), self._books.now_ms()
            await self._books.db.write(
                lambda tx, shows=shows, at_ms=now_ms: note_sent(tx, channel, shows, now_ms=at_ms)  # type: ignore[misc]
            )
            for each, number in shows:
                if self._items is not None:
                    self._items.believe(each.sku, each.item, number)
            taken += sum(not each.code for each in results)
            owed |= self._note_refused(some, results)
        self._owed = owed
        return taken

    def _note_refused(self, sent: Sequence[Wanted], results: list[SetResult]) -> set[str]:
        """Name what a shop refuses; return the SKUs of which it has sold meanwhile."""
        refused = [each for each in results if each.code == "refused"]
        if refused:
            first = {"first": refused[0].item, "why": refused[0].detail}
            extra = {"channel": self.channel.name, "items": len(refused), **first}
            log.warning("a shop refuses levels; look at the item there", extra=extra)
        stale = {each.item for each in results if each.code == "stale"}
        return {each.sku for each in sent if each.item in stale}

    def _is_due(self) -> bool:
        if self.channel.name in self._channels.list_again:
            return True
        hour_ms, now_ms = self.channel.reconcile_hour_utc * HOUR_MS, self._books.now_ms()
        due_ms = (now_ms - hour_ms) // DAY_MS * DAY_MS + hour_ms
        return reconciled_ms(self._books.db.read, self.channel) < due_ms

    async def _pause(self, failures: int) -> None:
        try:
            async with asyncio.timeout(self.wait_s(failures)):
                await self._channels.wake[self.channel.name].wait()
        except TimeoutError:
            return
        if failures:  # who orders does not make a shop better that cannot be talked to
            await asyncio.sleep(self.wait_s(failures))

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        if not failures:
            return self.channel.every_s
        return self._rng.uniform(0, backoff_max_s(failures))

    async def _failed(self, err: SyncError) -> None:
        reason = f"{err.code}: {err.detail}"
        if err.code != self.fault:
            log.warning("levels do not get to a shop", extra={"channel": self.channel.name, "reason": reason})
        self.fault = err.code
        if isinstance(err, ShopFaultError):
            await self._note(reason)

    async def _went_well(self) -> None:
        if self.fault:
            log.info("levels get to a shop again", extra={"channel": self.channel.name})
            await self._note("")
        self.fault = ""

    async def _note(self, fault: str) -> None:
        try:
            await self._books.db.write(lambda tx: note_fault(tx, self.channel, fault))
        except SyncError as err:
            log.debug("a shop's fault was not noted", extra={"error": str(err)})


def pushers(channels: Channels, *, rng: random.Random) -> list[LevelPusher]:
    """Return what talks to the shops."""
    return [LevelPusher(channels, each, rng=rng) for each in channels.all.values() if each.url]


def backoff_max_s(failures: int) -> float:
    """Return how long to wait at most after so many failures in a row."""
    return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(failures, 16))


def batched_by(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield parts of at most this size."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
