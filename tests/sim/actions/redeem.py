"""Coupons: head office makes some and gives batches to shops, hubs ask for uses, tills report sales that took one off.

The sales have happened already: tills ask for no right, so that one serial is often redeemed in several shops.
"""

import random
from collections.abc import Callable
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from hub.api.selling.sales import SaleRequest, post_sale
from hub.coupons import ask
from sync.cloud.loyalty.coupons import grant_batch, put_coupons
from sync.retail.names import Name
from sync.retail.people.coupon_rows import CouponBatchRow, CouponRow
from sync.retail.selling.sales import Coupon, Discount, SaleLine, Tender
from tests.sim.goods import CURRENCY

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 6
RUNS_PCT = 25
SERIALS = 3  # of each batch: few, so that shops meet at one
USES = {"ONE": 1, "TWO": 2}
AMOUNT = 50
COUPONS = tuple(
    CouponRow(
        coupon_id=name,
        name=Name(en=name),
        currency=CURRENCY,
        valid_from="2000-01-01",
        valid_until="2100-01-01",
        amount_max=AMOUNT,
        uses=uses,
    )
    for name, uses in USES.items()
)
BATCHES = tuple(
    CouponBatchRow(batch_id=f"batch-{name}-{n}", coupon_id=name, prefix=f"{name}-{n}-", digits=1, count=SERIALS)
    for name in USES
    for n in range(2)
)


def is_for(world: "World") -> bool:
    """Whether the shops of this run take coupons."""
    options = world.options
    return random.Random(f"coupons {options.seed}").randrange(100) < RUNS_PCT and not options.has_versions


def act(world: "World") -> bool:
    """Do something about coupons."""
    if not world.cloud.disk.rows("SELECT 1 FROM coupon LIMIT 1"):
        return _write(world, lambda tx, own: put_coupons(tx, own, _stores(world), coupons=COUPONS, batches=BATCHES))
    batch = world.rng.choice(BATCHES)
    serial = batch.serial(world.rng.randrange(SERIALS))
    drawn = world.rng.random()
    if drawn < 0.1:
        rep = world.rng.choice(world.hubs).last_rep
        return bool(rep) and _write(world, lambda tx, own: grant_batch(tx, own, batch.batch_id, rep))
    if drawn < 0.4:
        return _ask(world, serial)
    return _sell(world, serial)


def _stores(world: "World") -> set[str]:
    return {hub.store for hub in world.hubs}


def _write(world: "World", job: Callable[[Connection, Any], Any]) -> bool:  # Any: the replica, and what comes of it
    node = world.cloud
    if node.cloud is None:
        return False
    books = node.cloud.books
    node.run(lambda: node.spawn(books.db.write(lambda tx: job(tx, books.replica), then=lambda _: books.on_grown())))
    return True


def _ask(world: "World", serial: str) -> bool:
    node = world.rng.choice(world.hubs)
    if node.hub is None:
        return False
    hub = node.hub
    node.run(lambda: node.spawn(hub.db.write(lambda tx: ask(tx, hub.replica, {serial: 1}))))
    return True


def _sell(world: "World", serial: str) -> bool:
    till = world.rng.choice(world.people.tills)
    known = till.home.disk.rows(
        "SELECT product.sku, amount_minor FROM product JOIN price ON price.sku = product.sku ORDER BY product.sku"
    )
    if not known:
        return False
    sku, amount = world.rng.choice(known)
    part = Discount(AMOUNT, "coupon", serial)
    total = amount - AMOUNT
    key = till.new_id("sale")
    sale = SaleRequest(
        sale_id=key,
        till_id=till.name,
        currency=CURRENCY,
        lines=(SaleLine(1, sku, 1, amount, discount=AMOUNT, discounts=(part,)),),
        tenders=(Tender("card", total),),
        total=total,
        offline=True,
        coupons=(Coupon(serial, AMOUNT),),
    )
    till.ask("sale", key, post_sale, sale)
    return True
