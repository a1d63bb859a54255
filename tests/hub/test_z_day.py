"""Z reports of drawn days against an accountant's own ledger (z_ledger.py), to the cent.

Two tills, two drawers, goods back and money at either, days cut over at 05:00, what comes late, second contents. Shops: Hong
Kong (no summer time), and New York in the night in which its clocks go back. Of the product's answers the test reads only whether
something was taken.
"""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from sqlite3 import Connection
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.migrations import MIGRATIONS
from hub.store.catalogue import products
from hub.store.day import drawers
from hub.store.day.drawers import Doer
from hub.store.model import Entry, Shop
from hub.store.selling.admission import Context
from hub.store.selling.claims import NO_TERMS
from hub.store.selling.days import close_day
from hub.store.selling.exchanges import Exchanged, exchange_job
from hub.store.selling.returns import return_job
from hub.store.selling.sale_approvals import Authority
from hub.store.selling.sales import sale_job
from hub.store.selling.voids import Void, void_job
from hub.store.staff.approvals import ApprovalRules
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.drawers import Counting, Moving, Opening
from sync.retail.selling.exchanges import Exchange
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import Sale
from sync.retail.selling.tax import TaxRates
from sync.store.replicas import identify
from tests.files import open_fresh
from tests.hub.z_ledger import FLOAT, GOODS, TILLS, Ledger, Sold, check, day_at, empty, half_up, to_coins

SUPERVISOR = Doer("cashier:c2", "supervisor")
SHOPS = {
    "Asia/Hong_Kong": datetime(2026, 9, 21, 15, tzinfo=UTC),  # 23:00 there: the cut-over is six hours away
    "America/New_York": datetime(
        2026, 11, 1, 1, tzinfo=UTC
    ),  # 21:00 there; at 06:00 UTC it is 01:00 for the second time
}
steps = st.one_of(
    st.tuples(
        st.just("sell"),
        st.sampled_from(TILLS),
        st.lists(st.tuples(st.sampled_from(sorted(GOODS)), st.integers(1, 9), st.integers(0, 60)), min_size=1, max_size=3),
        st.sampled_from(("cash", "card", "both")),
        st.sampled_from((None, 0, 3, 30)),  # hours ago, off line
        st.sampled_from((None, *TILLS)),  # whose drawer's session it names
    ),
    st.tuples(
        st.just("return"), st.sampled_from(TILLS), st.integers(0, 9), st.integers(0, 2), st.integers(1, 9),
        st.sampled_from(("cash", "card", "unstated")), st.sampled_from((None, 30)), st.sampled_from((None, *TILLS)),
    ),
    st.tuples(st.just("void"), st.sampled_from(TILLS), st.integers(0, 9), st.sampled_from((None, *TILLS))),
    st.tuples(
        st.just("exchange"), st.sampled_from(TILLS), st.integers(0, 9), st.integers(1, 9), st.sampled_from(sorted(GOODS)),
        st.sampled_from((None, *TILLS)),
    ),
    st.tuples(st.just("second"), st.integers(0, 9)),
    st.tuples(st.just("training"), st.sampled_from(TILLS)),
    st.tuples(
        st.just("move"), st.sampled_from(TILLS), st.sampled_from(("pay_in", "pay_out", "cash_drop")), st.integers(1, 9000)
    ),
    st.tuples(st.just("pass"), st.sampled_from((1, 4, 7))),
    st.tuples(st.just("close"), st.sampled_from(TILLS)),
    st.tuples(st.just("day")),
)  # fmt: skip


class Desk:
    """The two tills of a shop, and the accountant beside them."""

    def __init__(self, db: Any, replica: Any, zone: str) -> None:
        self.db, self.replica, self.zone = db, replica, zone
        self.now = SHOPS[zone]
        rates = TaxRates(500, {"books": 0, "food": 1000})
        self.shop = Shop("s1", Name(en="Shop"), ZoneInfo(zone), "HKD", cut_over_hour=5, tax=rates)
        self.ledger, self.sold, self.n = Ledger(), list[Sold](), 0
        self.sessions = dict.fromkeys(TILLS, "")
        self.suspended: dict[str, set[str]] = {till: set() for till in TILLS}
        self.closed_through = ""
        self.reports = 0

    @property
    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def name(self, kind: str) -> str:
        self.n += 1
        return f"{kind}{self.n}"

    def day(self, ago_h: int | None) -> tuple[str, str]:
        """Return the day that something is booked on, and its own one where that is closed."""
        own = day_at(self.now - timedelta(hours=ago_h or 0), self.zone)
        if own > self.closed_through:
            return own, ""
        behind = (datetime.fromisoformat(self.closed_through) + timedelta(days=1)).date().isoformat()
        return max(day_at(self.now, self.zone), behind), own

    async def write(self, job: Any) -> Any:
        return await self.db.write(job)

    async def open(self, till: str) -> None:
        self.sessions[till] = self.name("session-")
        opening = Opening(self.sessions[till], till, FLOAT)
        await self.write(
            lambda tx: drawers.open_session(tx, self.replica, self.shop, opening, by=SUPERVISOR, now_ms=self.now_ms)
        )

    def made(self, sold: Sold, *, rounding: int, **more: Any) -> Sale:
        lines = [
            {
                "line": at + 1, "sku": sku, "qty": qty, "unit": GOODS[sku][0], "unit_price": GOODS[sku][1],
                "per": GOODS[sku][2], "discount": discount,
            }
            for at, (sku, qty, discount) in enumerate(sold.lines)
        ]  # fmt: skip
        whole = {
            "sale_id": sold.sale_id, "till_id": sold.till, "currency": "HKD", "lines": lines, "rounding": rounding,
            "total": sum(sold.cost(at) for at in range(len(lines))) + rounding,
            "tenders": [{"type": kind, "amount": amount} for kind, amount in sold.tenders],
        }  # fmt: skip
        return msgspec.convert(whole | {name: value for name, value in more.items() if value is not None}, Sale)

    async def sell(self, till: str, lines: Any, pays: str, ago_h: int | None, drawer: str | None) -> None:
        sold = Sold(self.name("s"), till, [], [], "")
        for sku, pieces, discount in lines:
            qty = pieces * 37 if GOODS[sku][0] == "g" else pieces
            sold.lines.append((sku, qty, min(discount, half_up(Fraction(GOODS[sku][1] * qty, GOODS[sku][2])))))
        cost = sum(sold.cost(at) for at in range(len(lines)))
        rounding = to_coins(cost) - cost if pays == "cash" else 0
        by_card = min(500, cost) if pays == "both" else cost
        sold.tenders = [("cash", cost + rounding)] if pays == "cash" else [("card", by_card)]
        if pays == "both":
            sold.tenders.append(("cash", cost - by_card))
        sold.day, late_from = self.day(ago_h)
        more = (
            {"offline": True, "sold_at": (self.now - timedelta(hours=ago_h)).isoformat()} if ago_h is not None else {}
        )
        sale = self.made(sold, rounding=rounding, session_id=self.sessions[drawer] if drawer else None, **more)
        await self.write(sale_job(self.replica, self.shop, sale, print_to=None, now_ms=self.now_ms))
        self.sold.append(sold)
        self.ledger.sale(drawer or till, sold, rounding=rounding, late_from=late_from, offline=ago_h is not None)

    def taken_back(self, sold: Sold, at: int, qty: int) -> tuple[int, Counter[int]]:
        """Write down what comes back of a line; return the refund and its tax."""
        before = sold.tax(sold.back)
        refund = sold.due(at, sold.back[at] + qty) - sold.due(at, sold.back[at])
        sold.back[at] += qty
        after = sold.tax(sold.back)
        return refund, Counter({rate: after[rate] - before[rate] for rate in after if after[rate] != before[rate]})

    async def back(  # noqa: PLR0917 - as it is drawn
        self, till: str, which: int, line: int, qty: int, pays: str, ago_h: int | None, drawer: str | None
    ) -> None:
        if not self.sold:
            return
        sold = self.sold[which % len(self.sold)]
        at = line % len(sold.lines)
        qty = min(qty, sold.lines[at][1] - sold.back[at])
        if qty < 1:
            return
        refund = sold.due(at, sold.back[at] + qty) - sold.due(at, sold.back[at])
        amount = to_coins(refund) if pays == "cash" else refund
        tenders = [] if pays == "unstated" else [(pays, amount)]
        said: dict[str, Any] = {
            "return_id": self.name("r"), "till_id": till, "sale_id": sold.sale_id, "reason": "x",
            "lines": [{"line": at + 1, "qty": qty}],
            "tenders": [{"type": kind, "amount": amount} for kind, amount in tenders],
        }  # fmt: skip
        if drawer:
            said["session_id"] = self.sessions[drawer]
        if ago_h is not None:
            said["returned_at"] = (self.now - timedelta(hours=ago_h)).isoformat()
        job = return_job(self.replica, self.shop, msgspec.convert(said, Return), now_ms=self.now_ms, has_happened=True)
        await self.write(job)
        refund, tax = self.taken_back(sold, at, qty)
        day = self.day(ago_h)
        self.ledger.back(drawer or till, said["return_id"], refund, tenders, tax=tax, day=day, kind="return")

    async def void(self, till: str, which: int, drawer: str | None) -> None:
        if not self.sold:
            return
        sold = self.sold[which % len(self.sold)]
        void = Void(
            void_id=self.name("v"), till_id=till, reason="x", session_id=self.sessions[drawer] if drawer else None
        )
        authority = Authority(ApprovalRules(), "manager")
        job = void_job(self.replica, self.shop, sold.sale_id, void, now_ms=self.now_ms, actor="x", authority=authority)
        day = self.day(None)
        if sold.is_exchanged or +sold.back or sold.day != day[0]:
            with pytest.raises(HubError):
                await self.write(job)
            return
        await self.write(job)
        refund, tax = 0, Counter[int]()
        for at, (_, qty, _) in enumerate(sold.lines):
            refund += sold.cost(at)
            sold.back[at] = qty
        tax = Counter({rate: amount for rate, amount in sold.tax().items() if amount})
        self.ledger.back(drawer or till, void.void_id, refund, sold.tenders, tax=tax, day=day, kind="void")

    async def exchange(self, till: str, which: int, qty: int, sku: str, drawer: str | None) -> None:
        if not self.sold:
            return
        old = self.sold[which % len(self.sold)]
        if old.back[0] >= old.lines[0][1]:
            return
        refund = old.due(0, old.back[0] + 1) - old.due(0, old.back[0])
        new = Sold(self.name("s"), till, [(sku, qty, 0)], [], self.day(None)[0], is_exchanged=True)
        cost, out = new.cost(0), list[tuple[str, int]]()
        rounding = 0
        if cost > refund:  # the customer pays the rest in coins
            rounding = to_coins(cost - refund) - (cost - refund)
            if rest := cost + rounding - refund:
                new.tenders = [("cash", rest)]
        total = cost + rounding
        value = min(refund, total)
        if total <= refund and to_coins(refund - value):
            out = [("cash", to_coins(refund - value))]
        return_id = self.name("r")
        said = {
            "return_id": return_id, "till_id": till, "sale_id": old.sale_id, "reason": "x",
            "lines": [{"line": 1, "qty": 1}], "tenders": [{"type": kind, "amount": amount} for kind, amount in out],
        }  # fmt: skip
        sale = self.made(new, rounding=rounding, session_id=self.sessions[drawer] if drawer else None, offline=True)
        await self.write(self.exchanging(said, sale))
        _, tax = self.taken_back(old, 0, 1)
        new.tenders = [("exchange", value), *new.tenders]
        self.sold.append(new)
        day = self.day(None)
        self.ledger.sale(drawer or till, new, rounding=rounding, late_from=day[1], offline=True)
        paid = [("exchange", value), *out]
        self.ledger.back(drawer or till, return_id, refund, paid, tax=tax, day=day, kind="exchange")

    def exchanging(self, said: dict[str, Any], sale: Sale) -> Callable[[Connection], Exchanged]:
        return exchange_job(
            self.replica,
            self.shop,
            Exchange(self.name("x"), msgspec.convert(said, Return), sale),
            now_ms=self.now_ms,
            warnings=(),
            terms=NO_TERMS,
            sale_job=lambda whole, back: sale_job(
                self.replica, self.shop, whole, print_to=None, now_ms=self.now_ms, context=Context(back=back)
            ),
        )

    async def second(self, which: int) -> None:
        """Another content under a known id: in no sum, but named."""
        if self.sold:
            sold = self.sold[which % len(self.sold)]
            other = Sold(sold.sale_id, sold.till, [("PEN", 1, 0)], [("card", 33)], sold.day)
            sale = self.made(other, rounding=0)
            await self.write(sale_job(self.replica, self.shop, sale, print_to=None, now_ms=self.now_ms))
            self.suspended[sold.till].add(sold.sale_id)

    async def training(self, till: str) -> None:
        """A sale, and an exchange of what is not back yet: in no sum."""
        sale = self.made(Sold(self.name("s"), till, [("PEN", 1, 0)], [("card", 33)], ""), rounding=0, training=True)
        await self.write(sale_job(self.replica, self.shop, sale, print_to=None, now_ms=self.now_ms))
        old = next((each for each in self.sold if each.back[0] < each.lines[0][1]), None)
        if old is None:
            return
        rest = 33 - min(33, old.due(0, old.back[0] + 1) - old.due(0, old.back[0]))
        new = Sold(self.name("s"), till, [("PEN", 1, 0)], [("card", rest)] if rest else [], "")
        said = {
            "return_id": self.name("r"), "till_id": till, "sale_id": old.sale_id, "reason": "x",
            "lines": [{"line": 1, "qty": 1}],
        }  # fmt: skip
        sale = self.made(new, rounding=0, training=True, offline=True)
        assert (await self.write(self.exchanging(said, sale))).is_training

    async def move(self, till: str, what: Any, amount: int) -> None:
        moving = Moving(self.name("m"), what, "x", amount)
        await self.write(
            lambda tx: drawers.move_cash(
                tx, self.replica, self.sessions[till], moving, rules=ApprovalRules(), by=SUPERVISOR, now_ms=self.now_ms
            )
        )
        self.ledger.drawers[till]["moved"][what] += amount

    async def close(self, till: str, *, opens: bool = True) -> None:
        closed = await self.write(
            lambda tx: drawers.close_session(
                tx, self.replica, self.shop, self.sessions[till], Counting(()), by=SUPERVISOR, now_ms=self.now_ms
            )
        )
        check(json.loads(msgspec.json.encode(closed[0].figures)), self.ledger.drawers[till], self.suspended[till])
        self.ledger.drawers[till] = empty()
        self.reports += 1
        if opens:
            await self.open(till)

    async def close_day(self) -> None:
        """Close both drawers, then the day before this moment's, and open again."""
        today = day_at(self.now, self.zone)
        if self.closed_through >= today:
            return
        for till in TILLS:
            await self.close(till, opens=False)
        await self.write(
            lambda tx: close_day(tx, self.replica, self.shop, self.name("d"), today, by="x", now_ms=self.now_ms)
        )
        self.closed_through = today
        for till in TILLS:
            await self.open(till)


async def live(zone: str, drawn: list[Any]) -> Desk:
    with tempfile.TemporaryDirectory() as folder:
        async with open_fresh(Path(folder) / "hub.db", migrations=MIGRATIONS) as db:
            replica = await db.write(lambda tx: identify(tx, "s1", incarnation="0123456789abcdef", now_ms=1))
            desk = Desk(db, replica, zone)
            categories = {0: "books", 500: None, 1000: "food"}
            entries = [
                Entry(
                    Product(sku=sku, name=Name(en=sku), unit=unit, category=categories[rate]), Price(price, "HKD", per)
                )
                for sku, (unit, price, per, rate) in GOODS.items()
            ]
            await db.write(lambda tx: products.put_products(tx, replica, entries, location="shop", now_ms=1))
            for till in TILLS:
                await desk.open(till)
            deeds: dict[str, Any] = {
                "sell": desk.sell, "return": desk.back, "void": desk.void, "exchange": desk.exchange,
                "second": desk.second, "training": desk.training, "move": desk.move, "close": desk.close,
                "day": desk.close_day,
            }  # fmt: skip
            for what, *said in drawn:
                desk.now += timedelta(seconds=1)
                if what == "pass":
                    desk.now += timedelta(hours=said[0])
                else:
                    await deeds[what](*said)
            for till in TILLS:
                await desk.close(till, opens=False)
    return desk


@pytest.mark.parametrize("zone", sorted(SHOPS))
@given(st.lists(steps, min_size=10, max_size=40))
@settings(max_examples=25)
def test_every_z_report_of_a_drawn_day_is_the_accountants_to_the_cent(zone: str, drawn: list[Any]) -> None:
    desk = asyncio.run(live(zone, drawn))

    assert desk.reports >= len(TILLS)
