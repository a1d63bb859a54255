"""What is quoted sells: whatever lines, coupons and points were asked for, the sale made of the answer is booked as it is.

Each draw is quoted and booked in a transaction of the same books, which is undone then.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from hub.errors import RefusedError
from hub.migrations import MIGRATIONS
from hub.store.catalogue import products
from hub.store.catalogue.pricing import at_moment, put_rows
from hub.store.catalogue.quotes import Quote, QuoteLine, QuoteRequest, SaleDiscount, quote
from hub.store.member_rules import MemberRules
from hub.store.model import Shop, utc
from hub.store.people.coupon_quotes import CouponDesk
from hub.store.people.coupons import CouponTerms
from hub.store.people.point_balance import apply_points
from hub.store.people.point_quotes import PointDesk
from hub.store.selling.admission import Context
from hub.store.selling.days import today
from hub.store.selling.sales import Recorded, sale_job
from sync.model import Replica
from sync.retail.catalogue.price_lists import PromotionRow
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.retail.people.points_worth import PointsWorth
from sync.retail.selling.sales import Discount, Sale, Unit
from sync.retail.selling.tenders import USUAL_TENDERS, TenderType
from sync.store.replicas import identify
from sync.store.writing import put_version
from tests.conftest import CATALOGUE
from tests.files import open_fresh

NOW_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
PROMOTIONS = (
    PromotionRow(promotion_id="two", name=Name(en="Any 2"), does="n_for_amount", count=2, amount=1600, skus=["TEA-01"]),
    PromotionRow(promotion_id="member", name=Name(en="Hams"), does="percent_off", rate_bp=500, skus=["HAM"]),
)
LASTING = {"currency": "HKD", "valid_from": "2026-01-01", "valid_until": "2026-12-31"}
COUPONS = {
    "TEN": CouponRow(coupon_id="TEN", name=Name(en="Ten off"), amount_max=1000, **LASTING),  # type: ignore[arg-type]
    "LARGE": CouponRow(coupon_id="LARGE", name=Name(en="x"), amount_max=700, spend_min=4000, **LASTING),  # type: ignore[arg-type]
    "PLUM": CouponRow(
        coupon_id="PLUM", name=Name(en="x"), amount_max=900, spend_min=1500, skus=["PLUM"], members_only=True, **LASTING  # type: ignore[arg-type]
    ),
}  # fmt: skip


class Draw(Struct, frozen=True):
    """A basket, and the shop and the member that it meets. `is_alone`: the shop has no cloud; else it is cut off from it."""

    request: QuoteRequest
    worth: PointsWorth
    is_alone: bool
    balance: int
    burned: int
    off_line_max: int
    exposed_max: int


class Books(Struct, frozen=True):
    """A hub's file, with goods, promotions and coupons."""

    path: Path
    replica: Replica

    @contextmanager
    def undone(self) -> Iterator[Connection]:
        """Open a transaction that comes to nothing."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("ROLLBACK")


def discounts(largest: int) -> st.SearchStrategy[tuple[Discount, ...]]:
    amounts = st.sampled_from([[], [], [], [1] * 19, [1] * 20]) | st.lists(st.integers(0, largest), max_size=2)
    return amounts.map(lambda found: tuple(Discount(each, "member") for each in found))


def line(sku: str, unit: Unit, qty: int) -> st.SearchStrategy[QuoteLine]:
    return discounts(300).map(lambda parts: QuoteLine(line=1, sku=sku, qty=qty, unit=unit, discounts=parts))


LINE = st.one_of(
    st.integers(1, 5).flatmap(lambda qty: line("TEA-01", "each", qty)),
    st.integers(1, 2000).flatmap(lambda qty: line("PLUM", "g", qty)),
    st.integers(1, 500).flatmap(lambda qty: line("HAM", "g", qty)),
    st.just(QuoteLine(line=1, sku="BAG", qty=1)),
)
REQUESTS = st.builds(
    QuoteRequest,
    lines=st.lists(LINE, min_size=1, max_size=4).map(
        lambda found: tuple(msgspec.structs.replace(each, line=n) for n, each in enumerate(found, 1))
    ),
    member_id=st.just("m1"),
    discount=st.sampled_from([None, None, None, SaleDiscount(300), SaleDiscount(7)]),
    coupons=st.lists(st.sampled_from(["TEN1", "TEN2", "LARGE1", "PLUM1", "NONE"]), unique=True).map(tuple),
    points=st.just("max") | st.integers(1, 2000),
)
DRAWS = st.builds(
    Draw,
    request=REQUESTS,
    worth=st.builds(
        PointsWorth,
        points=st.integers(1, 100),
        minor=st.integers(1, 2000),
        min=st.just(1) | st.integers(1, 100),
        step=st.just(1) | st.integers(1, 100),
        max_pct=st.just(100) | st.integers(1, 100),
        tender=st.none() | st.just("points"),
    ),
    is_alone=st.booleans(),
    balance=st.just(3000) | st.integers(-10, 600),
    burned=st.just(0) | st.integers(0, 200),
    off_line_max=st.just(5000) | st.integers(0, 500),
    exposed_max=st.sampled_from([5000, 1500, 0]),
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """A hub that has been set up, and closed."""
    path = tmp_path_factory.mktemp("books") / "hub.db"

    async def make() -> Replica:
        async with open_fresh(path, migrations=MIGRATIONS) as db:
            own = await db.write(lambda tx: identify(tx, "hk01", incarnation="0123456789abcdef", now_ms=NOW_MS))

            def job(tx: Connection) -> None:
                products.put_products(tx, own, CATALOGUE, location="shop", now_ms=NOW_MS)
                put_rows(tx, own, PROMOTIONS)
                for name, row in COUPONS.items():
                    put_version(tx, own, COUPON, row)
                    batch = CouponBatchRow(batch_id=name, coupon_id=name, prefix=name, digits=1, count=9)
                    put_version(tx, own, COUPON_BATCH, batch)

            await db.write(job)
            return own

    return Books(path, asyncio.run(make()))


def shop_of(draw: Draw) -> Shop:
    rules = MemberRules(points_worth=draw.worth, burn_off_line_max=draw.off_line_max, has_cloud=not draw.is_alone)
    tenders = (*USUAL_TENDERS, TenderType(type="points", kind="other", name=Name(en="Points")))
    return Shop("hk01", Name(en="Shop"), ZoneInfo("Asia/Hong_Kong"), "HKD", tenders=tenders, members=rules)


def quoted(tx: Connection, own: Replica, shop: Shop, draw: Draw) -> Quote:
    day, at = today(shop, now_ms=NOW_MS), at_moment(shop, utc(NOW_MS), is_sure=True)
    terms = CouponTerms(draw.exposed_max, draw.is_alone)
    desk = CouponDesk(tx, own, shop, terms, at, day, is_line_up=False)
    return quote(tx, shop, draw.request, desk, PointDesk(tx, shop, day, is_line_up=False))


def sale_of(found: Quote) -> Sale:
    """Make a sale of a quote's answer as a till does, from its JSON."""
    said = msgspec.to_builtins(found)
    points = said["points"]
    by_points = points["amount"] if points["tender"] else 0
    tenders = [{"type": "points", "amount": by_points}] if by_points else []
    rounding = 0 if by_points else said["cash_rounding"]
    rest = said["total"] + rounding - by_points
    body = {
        "sale_id": "s1",
        "till_id": "t1",
        "currency": said["currency"],
        "lines": said["lines"],
        "total": said["total"] + rounding,
        "rounding": rounding,
        "tenders": [*tenders, {"type": "cash", "amount": rest}],
        "coupons": [{"serial": each["serial"], "amount": each["amount"]} for each in said["coupons"] if each["amount"]],
        "member_id": "m1",
        "points_burned": points["burned"],
    }
    return msgspec.convert(body, Sale)


def booked(tx: Connection, own: Replica, shop: Shop, draw: Draw, sale: Sale) -> Recorded:
    context = Context(is_cut_off=not draw.is_alone, coupons=CouponTerms(draw.exposed_max, draw.is_alone))
    return sale_job(own, shop, sale, print_to=None, now_ms=NOW_MS, context=context)(tx)


@given(draw=DRAWS)
@settings(max_examples=300, deadline=None)
def test_what_is_quoted_is_booked_as_it_was_quoted(books: Books, draw: Draw) -> None:
    shop = shop_of(draw)
    with books.undone() as tx:
        apply_points(tx, {"m1": draw.balance})
        row = ("sale", "before", "m1", today(shop, now_ms=NOW_MS), draw.burned, NOW_MS)
        tx.execute("INSERT INTO point_burn VALUES (?, ?, ?, ?, ?, ?)", row)
        try:
            found = quoted(tx, books.replica, shop, draw)
        except RefusedError as err:
            event(err.code)
            assert err.code in {"discount_above_amount", "discounts_too_many"}
            return
        assert found.points is not None
        event(f"{found.points.verdict}: {' '.join(sorted(found.points.against))}")
        event(
            f"{sum(each.amount > 0 for each in found.coupons)} coupons and {'some' if found.points.burned else 'no'} points"
        )
        recorded = booked(tx, books.replica, shop, draw, sale := sale_of(found))

        assert recorded.status == "created" and recorded.view is not None
        assert recorded.view.fact.sale == sale
        by_discount = sum(part.amount for line in sale.lines for part in line.discounts if part.kind == "points")
        assert sale.total - sale.rounding == found.total == found.points.goods - by_discount
        assert found.points.amount == by_discount + sum(each.amount for each in sale.tenders if each.type == "points")
        noted = {each.code for each in recorded.view.fact.warnings}
        assert noted <= {"coupon_conditional", "stock_below_zero", "member_unknown"}
