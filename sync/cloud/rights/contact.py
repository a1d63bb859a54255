"""Rights at the cloud, wired: promises of head office, and what is looked at when rows of a store have arrived.

    rows of a store      -> on_rows -> jobs of bounded work until there is no more; the stores are told of what was written
    coupons              -> redemptions are settled, questions about serials answered (sync.cloud.loyalty.coupons)
    orders               -> steps, orders made in a shop, requests are written down (sync.cloud.orders)
    points               -> set aside for sales that are being made (sync.cloud.loyalty.point_holds)
    promise, cancel,
    allocate, call off   -> one job, with what follows from it at the same place

Not here: SQL (sync.cloud.rights.rights, .promises, .balance), HTTP (sync.cloud.web.promise_routes), rules (sync.retail).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge

from sync.cloud.allocation.following import call_off_order, look_at
from sync.cloud.allocation.giving import Means
from sync.cloud.allocation.parcels import count_unfulfilled, take_by_hand
from sync.cloud.allocation.settings import Settings
from sync.cloud.loyalty.coupons import look_at_coupons
from sync.cloud.loyalty.point_holds import look_at_points
from sync.cloud.orders import Allocated, allocate, call_off, look_at_orders
from sync.cloud.rights import promises
from sync.cloud.rights.balance import attend, difference, differences, look, look_again_if_changed
from sync.cloud.rights.promises import Promised, PromiseRequest, open_promises, place_of
from sync.cloud.rights.rights import Place, known_of
from sync.cloud.store import CloudStore
from sync.errors import SyncError
from sync.retail.orders.orders import OrderRequest
from sync.retail.stock import rights
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import Difference

log = logging.getLogger(__name__)


class HolderView(Struct, frozen=True, omit_defaults=True):
    """What is known of a replica: what it did, and what it may still do. Below 0 it owes."""

    rep: str
    right: int
    received: int = 0
    issued: int = 0
    picked: int = 0
    spent: int = 0
    given_back: int = 0
    granted: dict[str, int] = {}
    sealed: bool = False


class Account(Struct, frozen=True):
    """Rights to a SKU at a store's location, by holder, and whether they come to what is there.

    on_hand = sum of rights + unpicked. `difference` names what does not agree, null where all does, as it must at quiescence.
    """

    sku: str
    store: str
    location: str
    on_hand: int
    unpicked: int
    holders: list[HolderView]
    open_promises: list[str]
    difference: Difference | None


class Contact:
    """What the cloud does about rights. `policies` names the stores that share them."""

    def __init__(self, books: CloudStore, policies: Mapping[str, Policy], settings: Settings | None = None) -> None:
        self._books = books
        self._policies = policies
        self._settings = settings or Settings()
        self._news = asyncio.Event()
        self._news.set()  # what came before the start
        self.on_looked: Callable[[], None] = lambda: None  # rights or orders may be others than before

    @property
    def means(self) -> Means:
        """What orders are given out by, in this life of the cloud."""
        return Means(self._books.replica, self._settings, self._policies)

    def show_on(self, registry: CollectorRegistry) -> None:
        """Give Prometheus what the audit finds."""
        gauge = Gauge(
            "storehub_cloud_right_differences",
            "Places where rights and promises do not come to what is there; 0 at quiescence",
            registry=registry,
        )
        gauge.set_function(lambda: differences(self._books.db.read))
        waiting = Gauge(
            "storehub_cloud_orders_unfulfilled", "Orders that no place can send whole as things are", registry=registry
        )
        waiting.set_function(lambda: count_unfulfilled(self._books.db.read))

    async def promise(self, wanted: PromiseRequest) -> Promised:
        """Promise goods to an order, or say what is left; raise RuleError for a known id with other content."""
        books, now_ms = self._books, self._books.now_ms()

        def job(tx: Connection) -> Promised:
            promised = promises.promise(tx, books.replica, wanted, now_ms=now_ms)
            self._attend(tx, wanted.place, now_ms)
            return promised

        return await books.db.write(job, then=lambda _: self.tell_written())

    async def cancel(self, promise_id: str) -> Literal["ended", "asked"] | None:
        """Call a promise off; None for an unknown one; raise RuleError for one that was picked."""
        books, now_ms = self._books, self._books.now_ms()

        def job(tx: Connection) -> Literal["ended", "asked"] | None:
            done = promises.cancel(tx, books.replica, promise_id, now_ms=now_ms)
            place = place_of(tx, promise_id)
            if place is not None:
                self._attend(tx, place, now_ms)
            return done

        return await books.db.write(job, then=lambda _: self.tell_written())

    async def allocate(self, order_id: str, *, store: str, location: str) -> Allocated | None:
        """Give an order to a store's hub; None for an unknown one; raise RuleError where it is not ours to give."""
        books, now_ms = self._books, self._books.now_ms()

        def job(tx: Connection) -> Allocated | None:
            take_by_hand(tx, order_id, now_ms=now_ms)
            done = allocate(tx, books.replica, order_id, store=store, location=location, now_ms=now_ms)
            self.attend_all(tx, done.places if done else (), now_ms)
            return done

        return await books.db.write(job, then=lambda _: self.tell_written())

    async def call_off(self, said: OrderRequest) -> Literal["cancelled", "requested"] | None:
        """Cancel an order, or ask who has it or its parcels to; None for an unknown one; RuleError for a closed one."""
        books, now_ms = self._books, self._books.now_ms()

        def job(tx: Connection) -> Literal["cancelled", "requested"] | None:
            done = call_off_order(tx, self.means, said, now_ms=now_ms)
            if done is None:
                done = call_off(tx, books.replica, said, now_ms=now_ms)
                look_at(tx, self.means, said.order_id, now_ms=now_ms)
            self.attend_all(tx, done[1] if done else (), now_ms)
            return done[0] if done else None

        return await books.db.write(job, then=lambda _: self.tell_written())

    def account(self, place: Place) -> Account:
        """Return who holds what of a place."""
        read = self._books.db.read
        state = known_of(read, place).state
        standing = open_promises(read, place)
        return Account(
            *place,
            on_hand=rights.on_hand_of(state),
            unpicked=sum(each.n for each in standing),
            holders=[_view(state, rep) for rep in rights.holders_of(state)],
            open_promises=[each.promise_id for each in standing],
            difference=difference(read, place),
        )

    def attend_all(self, tx: Connection, places: Iterable[Place], now_ms: int) -> None:
        """Do what is due at places at which a write job has just changed something."""
        for place in places:
            self._attend(tx, place, now_ms)

    def tell_written(self) -> None:
        """After the commit of something about rights or orders: the stores are told, and whoever looks after it."""
        self._books.on_grown()
        self.on_looked()

    def on_rows(self, _store: str) -> None:
        """Rows of a store were committed."""
        self._news.set()

    async def run(self) -> None:
        """Look at what arrives until cancelled. What cannot be written now is looked at with the next rows."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.look()
            except SyncError as err:
                log.warning("rights were not looked at; they are with the next rows", extra={"error": str(err)})

    async def look(self) -> None:
        """Look at all that has arrived."""
        books = self._books
        stores = msgspec.json.encode(dict(sorted(self._policies.items())))
        await books.db.write(lambda tx: look_again_if_changed(tx, stores))
        await self._look_at_coupons()
        await self._look_at_orders()
        await self._look_at_points()
        has_more = True
        while has_more:
            now_ms = books.now_ms()
            looked = await books.db.write(
                lambda tx, at_ms=now_ms: look(tx, books.replica, self._policies, now_ms=at_ms)  # type: ignore[misc]
            )
            has_more = looked.has_more
            if looked.stores:  # what is written goes to the store of its place: the others have nothing to look for
                books.on_grown_of(looked.stores)
            for name in looked.settled:
                log.warning("goods were sold beyond a shop's right; the debt was covered", extra={"settlement": name})
        self.on_looked()

    async def _look_at_coupons(self) -> None:
        books, has_more = self._books, True
        while has_more:
            now_ms = books.now_ms()
            looked = await books.db.write(
                lambda tx, at_ms=now_ms: look_at_coupons(tx, books.replica, now_ms=at_ms)  # type: ignore[misc]
            )
            has_more = looked.has_more
            if looked.written:
                books.on_grown()
            for name in looked.disputes:
                log.warning("a coupon was used already; the shop that accepted it bears it", extra={"redemption": name})

    async def _look_at_orders(self) -> None:
        books, has_more = self._books, True
        while has_more:
            has_more, is_written = await books.db.write(lambda tx: look_at_orders(tx, books.replica))
            if is_written:
                books.on_grown()

    async def _look_at_points(self) -> None:
        books, has_more = self._books, True
        while has_more:
            now_ms = books.now_ms()
            looked = await books.db.write(
                lambda tx, at_ms=now_ms: look_at_points(tx, books.replica, now_ms=at_ms)  # type: ignore[misc]
            )
            has_more = looked.has_more
            if looked.written:
                books.on_grown()

    def _attend(self, tx: Connection, place: Place, now_ms: int) -> None:
        policy = self._policies.get(place.store)
        if policy is not None:
            attend(tx, self._books.replica, place, policy, now_ms=now_ms)


def _view(state: rights.State, rep: str) -> HolderView:
    row = state.get(rep, rights.Row())
    return HolderView(
        rep=rep,
        right=rights.right_of(state, rep),
        received=row.received,
        issued=row.issued,
        picked=row.picked,
        spent=row.spent,
        given_back=row.given_back,
        granted=row.granted,
        sealed=bool(row.sealed),
    )
