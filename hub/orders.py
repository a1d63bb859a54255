"""Orders, wired: who is told of what has come and of what was done, requests that are answered, what expires.

    rows of orders were committed   -> event `order` for each order that they are about, also of those that came down the line
    rows have come, at contact      -> requests to call an order off are answered
    deadline + grace are over       -> the hub writes that the order has expired: by the corrected clock, and only when it is sure

A clock frees nothing: the step is what ends the promises. An order that is being picked does not expire. Not here: SQL
(hub.store.orders.orders, .order_views), rules (sync.retail.orders.orders).
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from sqlite3 import Connection
from typing import Any

from hub.clock import HubClock
from hub.errors import NotFoundError
from hub.settings.orders import OrdersSection
from hub.store.model import Shop, utc
from hub.store.orders.order_views import known_order, last_rows, orders_of_rows, overdue
from hub.store.orders.orders import answer_requests, open_requests, write_step
from sync.db import Database
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.orders import OrderState, next_step

EXPIRED = "nobody came"
TOLD_MAX = 100  # orders told one by one after one commit; of more (a card that was new) tills are told to read the list

log = logging.getLogger(__name__)
Tell = Callable[[str, dict[str, Any]], None]
"""Publishes an event of a type. Any: JSON."""


class Orders:
    """What a hub does about orders by itself."""

    def __init__(
        self,
        db: Database,
        section: OrdersSection,
        shop: Shop,
        *,
        own: Callable[[], Replica],
        clock: HubClock,
        tell: Tell,
    ) -> None:
        self._db = db
        self._grace = timedelta(hours=section.expiry_grace_h)
        self._location = shop.location
        self._own = own
        self._clock = clock
        self._tell = tell
        self._told = last_rows(db.read)

    def announce(self) -> None:
        """Tell everybody of orders whose rows were committed since the last time."""
        news = last_rows(self._db.read)
        if news == self._told:
            return
        before, self._told = self._told, news
        changed = orders_of_rows(self._db.read, before)
        if len(changed) > TOLD_MAX:
            self._tell("order", {"many": len(changed)})
            return
        for order_id in changed:
            try:
                known = known_order(self._db.read, self._own(), order_id)
            except NotFoundError:
                continue  # the rest of it is on its way
            data = {"order_id": order_id, "kind": known.fact.kind, "state": known.order.state, "n": known.order.n}
            self._tell("order", data | {"ours": known.is_ours, "flags": sorted(known.order.flags)})

    def heard(self) -> None:
        """Rows have come from elsewhere: tell of them, answer what is requested soon after."""
        self.announce()
        if open_requests(self._db.read, self._own()):
            self._db.write_soon(self._answer, then=self._tell_written)

    async def on_contact(self) -> None:
        """Answer what was requested and not answered when it came."""
        if open_requests(self._db.read, self._own()):
            await self._write(self._answer)

    def _answer(self, tx: Connection) -> dict[str, int]:
        return answer_requests(tx, self._own(), location=self._location, now_ms=self._clock.now_ms())

    async def expire(self) -> int:
        """Write that orders have expired which nobody fetched; return how many."""
        if not self._clock.is_sure:
            return 0
        now_ms, count = self._clock.now_ms(), 0
        for order_id in overdue(self._db.read, before=utc(now_ms) - self._grace):
            count += await self._expire(order_id, at=utc(now_ms), now_ms=now_ms)
        if count:
            log.info("orders that nobody fetched have expired; put the goods back", extra={"orders": count})
        return count

    async def _expire(self, order_id: str, *, at: datetime, now_ms: int) -> bool:
        own = self._own()

        def job(tx: Connection) -> dict[str, int] | None:
            known = known_order(tx, own, order_id)
            if not known.is_ours:
                return None
            steps = [each.step for each in known.steps]
            try:
                step = next_step(steps, OrderState.EXPIRED, rep=own.rep, at=at, reason=EXPIRED, follows=known.ours)
            except RuleError:
                return None  # it is being picked
            return write_step(tx, own, known, step, location=self._location, now_ms=now_ms)

        return await self._write(job) is not None

    async def _write(self, job: Callable[[Connection], dict[str, int] | None]) -> dict[str, int] | None:
        return await self._db.write(job, then=self._tell_written)

    def _tell_written(self, stock: dict[str, int] | None) -> None:
        self.announce()
        if stock:
            self._tell("stock", dict(stock))
