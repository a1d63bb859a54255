"""Allocation, wired: what is looked at when rights or orders have changed, and by the clock, in jobs of bounded work.

    an order came in       where it is declared, places are found for it (sync.cloud.allocation.giving)
    rights have moved      what the web may sell is noted (sync.cloud.allocation.availability); orders that wait are looked at
    a parcel's step came   what follows for its order (sync.cloud.allocation.following)
    every LOOK_EVERY_S     parcels whose time is over are asked back; today's levels are noted (sync.cloud.allocation.history)
    a shop's document came what it was asked to send is done; its refusal is noted (sync.cloud.allocation.requests)
    once a day             transfers are proposed (sync.cloud.allocation.proposals)

Every job may run again, and at any worker: what it did stands in the rows that it reads. Not here: SQL and rules (the other files
of this room), HTTP (sync.cloud.web.allocation_routes).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from sqlite3 import Connection
from typing import TypeVar

from sync.cloud.allocation.availability import note_changed
from sync.cloud.allocation.following import ask_back_late, end_late, give_up, look_at, look_at_due, try_again
from sync.cloud.allocation.history import note_days
from sync.cloud.allocation.locations import Figure, Taken, set_stock
from sync.cloud.allocation.own_steps import take_step
from sync.cloud.allocation.parcels import (
    check_is_whole,
    due_orders,
    find_allocation,
    order_of_parcel,
    queue,
    queue_new,
    wake_waiting,
)
from sync.cloud.allocation.proposal_rows import Proposal
from sync.cloud.allocation.proposals import Asked, accept, dismiss, is_day_over, make_proposals, withdraw
from sync.cloud.allocation.requests import note_said
from sync.cloud.allocation.settings import Location, Settings
from sync.cloud.orders import find_order
from sync.cloud.rights.balance import attend
from sync.cloud.rights.contact import Contact
from sync.cloud.rights.rights import Place
from sync.cloud.store import CloudStore
from sync.errors import RuleError, SyncError
from sync.retail.orders.order_rows import ShortLine
from sync.retail.orders.orders import OrderState
from sync.retail.stock.rebalance import Policy

LOOK_EVERY_S = 30.0  # what no row tells: that a time is over
SELDOM_MS = 600_000
NEW_MAX = 200  # orders taken up in one job

log = logging.getLogger(__name__)
Places = TypeVar("Places", list[Place], list[Place] | None)
Job = Callable[[Connection, int], Places]


class Allocator:
    """What the cloud does beside promising: it looks whenever it is told that rights or orders have changed, and by the clock."""

    def __init__(self, books: CloudStore, contact: Contact) -> None:
        self._books = books
        self._contact = contact
        self._news = asyncio.Event()
        self._news.set()  # what came before the start
        self._looked_ms = 0

    @property
    def settings(self) -> Settings:
        """What is declared."""
        return self._contact.means.settings

    def on_news(self) -> None:
        """Rights or orders are others than before."""
        self._news.set()

    async def run(self) -> None:
        """Look until cancelled. What cannot be written now is looked at with the next news."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.look()
            except SyncError as err:
                log.warning("allocation was not looked at; it is with the next rows", extra={"error": str(err)})

    async def look(self) -> None:
        """Look at all that has changed, and at all whose time is over."""
        while await self._books.db.write(self._take_up):
            pass
        late = await self._write(lambda tx, now_ms: ask_back_late(tx, self._contact.means, now_ms=now_ms))
        while due_orders(self._books.db.read, limit=1):
            names = await self._look_at_due()
            log.debug("orders were looked at", extra={"orders": names})
        if abs(self._books.now_ms() - self._looked_ms) >= SELDOM_MS:
            await self._look_seldom()
        await self._note_said()
        if self.settings.is_automatic and is_day_over(self._books.db.read, now_ms=self._books.now_ms()):
            await self.propose()
        if late:
            log.info("parcels were asked back", extra={"places": [list(place) for place in late]})

    async def look_at(self, order_id: str) -> None:
        """Do all that is due with one order, now."""
        await self._write(lambda tx, now_ms: look_at(tx, self._contact.means, order_id, now_ms=now_ms))

    async def try_again(self, order_id: str) -> bool:
        """Find places for an order anew; whether there is one. Raise RuleError for one that is closed, or with a store."""

        def job(tx: Connection, now_ms: int) -> list[Place] | None:
            order = find_order(tx, order_id)
            if order is None:
                return None
            check_is_whole(tx, order_id)
            if order.order.is_closed:
                raise RuleError(
                    "order_closed", f"/orders/{order_id}", f"order {order_id} is {order.order.state} already"
                )
            if order.order.owner != self._books.replica.rep:
                raise RuleError("not_owner", f"/orders/{order_id}", f"order {order_id} is with {order.order.owner}")
            queue(tx, order_id, now_ms=now_ms)
            return try_again(tx, self._contact.means, order_id, now_ms=now_ms)

        return await self._write(job) is not None

    async def give_up(self, order_id: str) -> bool:
        """Look for the rest of an order no more; whether places are found for it at all."""

        def job(tx: Connection, now_ms: int) -> list[Place] | None:
            if find_allocation(tx, order_id) is None:
                return None
            return give_up(tx, self._contact.means, order_id, now_ms=now_ms)

        return await self._write(job) is not None

    async def propose(self) -> None:
        """Propose transfers anew, some SKUs a job: sales come in between."""
        means, now_ms, after = self._contact.means, self._books.now_ms(), ""
        while after := await self._books.db.write(
            lambda tx, behind=after: make_proposals(tx, means, after=behind, now_ms=now_ms)  # type: ignore[misc]
        ):
            pass

    async def accept(self, proposal_id: str, asked: Asked) -> Proposal | None:
        """Accept a proposed transfer; None for an unknown one; raise RuleError where it cannot be."""
        means, now_ms = self._contact.means, self._books.now_ms()
        return await self._books.db.write(
            lambda tx: accept(tx, means.own, means.settings, proposal_id, asked=asked, now_ms=now_ms),
            then=lambda _: self._contact.tell_written(),
        )

    async def dismiss(self, proposal_id: str) -> Proposal | None:
        """Dismiss a proposed transfer; None for an unknown one; raise RuleError for one that was sent."""
        means = self._contact.means
        return await self._books.db.write(
            lambda tx: dismiss(tx, means.own, means.settings, proposal_id),
            then=lambda _: self._contact.tell_written(),
        )

    async def withdraw(self, proposal_id: str) -> Proposal | None:
        """Withdraw an accepted transfer; None for an unknown one; raise RuleError for one that was sent, or never accepted."""
        means = self._contact.means
        return await self._books.db.write(
            lambda tx: withdraw(tx, means.own, means.settings, proposal_id),
            then=lambda _: self._contact.tell_written(),
        )

    async def take_step(self, parcel_id: str, state: OrderState, *, short: tuple[ShortLine, ...], reason: str) -> bool:
        """Take a step of a parcel at a place without a hub; whether it is known. Raise RuleError where it cannot be taken."""

        def job(tx: Connection, now_ms: int) -> list[Place] | None:
            own = self._books.replica
            places = take_step(tx, own, parcel_id, state, short=short, reason=reason, now_ms=now_ms)
            order_id = order_of_parcel(tx, parcel_id)
            if places is not None and order_id is not None:
                places += look_at(tx, self._contact.means, order_id, now_ms=now_ms)
            return places

        return await self._write(job) is not None

    async def set_stock(self, location: Location, figures: list[Figure], *, as_of_ms: int) -> Taken:
        """Take what a place without a hub says is there; promises beyond it give way. RuleError for one that has a hub."""
        books = self._books

        def job(tx: Connection) -> Taken:
            taken = set_stock(tx, books.replica, location, figures, as_of_ms=as_of_ms)
            for place in taken.places:
                attend(tx, books.replica, place, Policy(), now_ms=books.now_ms())
            return taken

        return await books.db.write(job, then=lambda _: self._contact.tell_written())

    async def _note_said(self) -> None:
        """Note what shops say to what they are asked to send."""
        books, has_more = self._books, True
        while has_more:
            means, now_ms = self._contact.means, books.now_ms()
            noted = await books.db.write(
                lambda tx, means=means, at_ms=now_ms: note_said(tx, means.own, means.settings, now_ms=at_ms)  # type: ignore[misc]
            )
            has_more = noted.has_more
            if noted.names:
                books.on_grown()

    def _take_up(self, tx: Connection) -> bool:
        """Take up new orders, note what the web may sell; say whether there is more."""
        now_ms = self._books.now_ms()
        new = queue_new(tx, now_ms=now_ms, limit=NEW_MAX) if self.settings.is_automatic else 0
        noted = note_changed(tx, self._books.replica, now_ms=now_ms)
        if noted.has_moved:
            wake_waiting(tx)
        return new == NEW_MAX or noted.has_more

    async def _look_seldom(self) -> None:
        """Note today's levels: what a sale changes in one is in the next look's figure as well. End orders that came too late."""
        now_ms = self._books.now_ms()
        while await self._books.db.write(lambda tx: note_days(tx, now_ms=now_ms)):
            pass
        after = ""
        while after := await self._books.db.write(
            lambda tx, behind=after: end_late(tx, self._contact.means, after=behind, now_ms=now_ms)  # type: ignore[misc]
        ):
            pass
        self._looked_ms = now_ms

    async def _look_at_due(self) -> list[str]:
        names: list[str] = []

        def job(tx: Connection, now_ms: int) -> list[Place]:
            names[:], places = look_at_due(tx, self._contact.means, now_ms=now_ms)
            return places

        await self._write(job)
        return names

    async def _write(self, job: Job[Places]) -> Places:
        """Run a job that returns the places where it promised or asked for something; what is due there is done with it."""
        books, now_ms = self._books, self._books.now_ms()

        def run(tx: Connection) -> Places:
            done = job(tx, now_ms)
            self._contact.attend_all(tx, done or (), now_ms)
            return done

        return await books.db.write(run, then=lambda done: self._contact.tell_written() if done else None)
