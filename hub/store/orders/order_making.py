"""Orders that are made at this shop, with or without a line: created, and allocated to this hub, in one write job.

    the order names      its goods
    a sale               left the shelf with the sale: no more of a SKU is ordered than was sold
    no sale              lie aside from now on, if a till may promise so much; they leave with the hand-over

What has happened already (`offline`) is made whatever is left on the shelf. Functions of a write job. Not here: what follows
(hub.store.orders.orders).
"""

from collections import Counter
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.orders.orders import held_as
from hub.store.selling.sales import find_sale
from hub.store.stock.availability import Shelf, standings
from hub.store.stock.kits import Goods, goods_of
from sync.errors import RuleError
from sync.retail.orders.order_rows import (
    ORDER,
    ORDER_LABEL,
    ORDER_STEP,
    OrderFact,
    OrderLabelRow,
    check_lines,
    fact_of,
    is_same_order,
)
from sync.retail.orders.orders import OrderState, first_step, next_step
from sync.store.writing import put_version, record_fact

HELD_FOR_EVER_MS = 2**53  # what an order holds is let go by its steps, never by a clock


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order to be made, and who made it."""

    fact: OrderFact
    name: str
    address: str
    by: str
    has_happened: bool


def make_order(tx: Connection, shelf: Shelf, new: NewOrder) -> bool:
    """Make an order, once; say whether it is new.

    Raise ConflictError for a known id with other content, RefusedError for goods that are not there or not known,
    NotFoundError for an unknown sale.
    """
    fact, own = new.fact, shelf.own
    row = tx.execute("SELECT body FROM shop_order WHERE order_id = ?", (fact.order_id,)).fetchone()
    if row is not None:
        if not is_same_order(msgspec.json.decode(row[0], type=OrderFact), fact):
            detail = f"order {fact.order_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/order_id")
        return False
    try:
        check_lines(fact.lines)
    except RuleError as err:
        raise RefusedError(err.code, err.detail, pointer=err.pointer) from err
    goods = goods_of(tx, [line.sku for line in fact.lines])
    for index, line in enumerate(fact.lines):
        if line.sku not in goods.known:
            raise RefusedError("unknown_sku", f"no product {line.sku}", pointer=f"/lines/{index}/sku")
    if fact.sale_id is not None:
        _check_sale(tx, fact)
    else:
        _hold(tx, shelf, new, goods)
    record_fact(tx, own, ORDER, fact)
    if new.name or new.address:
        put_version(tx, own, ORDER_LABEL, OrderLabelRow(order_id=fact.order_id, name=new.name, address=new.address))
    begun = first_step(fact.order_id, own.rep, utc(shelf.now_ms))
    record_fact(tx, own, ORDER_STEP, fact_of(begun, by=new.by))
    passed = next_step([begun], OrderState.ALLOCATED, rep=own.rep, to=own.rep, at=utc(shelf.now_ms))
    record_fact(tx, own, ORDER_STEP, fact_of(passed, by=new.by))
    return True


def _check_sale(tx: Connection, fact: OrderFact) -> None:
    assert fact.sale_id is not None
    view = find_sale(tx, fact.sale_id)
    if view is None:
        raise NotFoundError("sale", f"no sale {fact.sale_id!r}", pointer="/sale_id")
    sold = Counter[str]()
    for line in view.fact.sale.lines:
        sold[line.sku] += line.qty
    for index, wanted in enumerate(fact.lines):
        sold[wanted.sku] -= wanted.qty
        if sold[wanted.sku] < 0:
            raise RefusedError("order_not_sold", f"{wanted.sku}: more than was sold", pointer=f"/lines/{index}/qty")


def _hold(tx: Connection, shelf: Shelf, new: NewOrder, goods: Goods) -> None:
    held = Counter[str]()
    for index, line in enumerate(new.fact.lines):
        for sku, qty in goods.taken(line.sku, line.qty).items():
            held[sku] += qty
            free = standings(tx, shelf, [sku])[sku].available
            if held[sku] > free and not new.has_happened:
                detail = f"{sku}: {free} may be promised, {held[sku]} are ordered"
                raise RefusedError("not_available", detail, pointer=f"/lines/{index}/qty")
    tx.executemany(
        """
        INSERT INTO reservation_line (reservation_id, sku, location, qty, expires_ms, is_held) VALUES (?, ?, ?, ?, ?, 1)
        """,
        [(held_as(new.fact.order_id), sku, shelf.location, qty, HELD_FOR_EVER_MS) for sku, qty in held.items()],
    )
