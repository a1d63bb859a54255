"""What a till may promise: the shop's right to goods, less what stays on the shelf, less what is held for others.

    basis        this life's right where rights are shared, else what is on hand and not promised to an order
    available    basis - safety stock - held for baskets and customers, never below 0; of a kit as often as its scarcest part
    promised     orders' open promises and what is held, that are on the shelf still

A reservation that is over by the hub's clock holds nothing any more: it is nobody's right. Reads, on any connection.
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.store.model import Item, StockView
from hub.store.staff.audit_trail import MACHINE, note
from hub.store.stock.kits import NOTHING_KNOWN, Goods, goods_of
from hub.store.stock.rights import Place, Rule, right_of
from sync.model import Replica
from sync.retail.stock.safety import SAFETY_STOCK, SafetyStockRow
from sync.retail.stock.stock import available, kit_available
from sync.store.writing import put_version


class Shelf(Struct, frozen=True):
    """Whose shelf is looked at, and when. `rule` is None where the shop shares no rights."""

    own: Replica
    location: str
    rule: Rule | None
    safety_stock: int
    now_ms: int


class Standing(NamedTuple):
    """How a SKU stands. `right` is None where no rights are shared."""

    on_hand: int
    right: int | None
    held: int
    promised: int
    safety_stock: int

    @property
    def available(self) -> int:
        """What a till may promise."""
        basis = self.on_hand - self.promised if self.right is None else self.right
        return available(basis, reserved=self.held, safety_stock=self.safety_stock) or 0

    @property
    def view(self) -> StockView:
        """The same as tills see it."""
        return StockView(self.on_hand, self.available, self.promised + self.held)


def standings(read: Connection, shelf: Shelf, skus: Iterable[str]) -> dict[str, Standing]:
    """Return how SKUs stand, whether or not the catalogue knows them.

    A shop without rights promises what is there; one whose rights are with a former life has none yet.
    """
    rows = read.execute(
        """
        SELECT wanted.value, coalesce(stock.on_hand, 0),
          (SELECT coalesce(sum(line.qty), 0) FROM reservation_line AS line
           WHERE line.sku = wanted.value AND line.location = :location AND line.is_held = 1 AND line.expires_ms > :now_ms),
          (SELECT coalesce(sum(promise.body ->> '$.n'), 0) FROM promise
           WHERE promise.sku = wanted.value AND promise.location = :location
             AND NOT EXISTS (SELECT 1 FROM promise_end WHERE promise_end.promise_id = promise.promise_id)),
          (SELECT qty FROM safety_stock
           WHERE safety_stock.sku = wanted.value AND store = :store AND location = :location AND gone = 0),
          EXISTS (SELECT 1 FROM stock_grant WHERE stock_grant.sku = wanted.value AND location = :location)
            OR EXISTS (SELECT 1 FROM passed_right WHERE passed_right.sku = wanted.value AND location = :location)
            OR (:has_rule AND EXISTS (SELECT 1 FROM replica WHERE replica.store = :store AND replica.id <> :own))
        FROM json_each(:skus) AS wanted
        LEFT JOIN stock ON stock.sku = wanted.value AND stock.location = :location
        """,
        {
            "skus": msgspec.json.encode(sorted(set(skus))).decode(),
            "location": shelf.location,
            "store": shelf.own.store,
            "own": shelf.own.local_id,
            "has_rule": shelf.rule is not None,
            "now_ms": shelf.now_ms,
        },
    ).fetchall()
    return {
        sku: Standing(
            on_hand,
            right_of(read, shelf.own, Place(sku, shelf.location)) if is_shared else None,
            held,
            promised,
            shelf.safety_stock if safety_stock is None else safety_stock,
        )
        for sku, on_hand, held, promised, safety_stock, is_shared in rows
    }


def with_stock(read: Connection, shelf: Shelf, items: Sequence[Item]) -> list[Item]:
    """Return products with what a till may promise of each; a kit shows how often its parts are there."""
    stocked = [item.sku for item in items if item.stock is not None]
    others = [item.sku for item in items if item.stock is None]
    goods = goods_of(read, others) if others else NOTHING_KNOWN
    parts = [part.sku for kit in goods.kits.values() for part in kit if part.sku not in goods.unstocked]
    known = standings(read, shelf, [*stocked, *parts])
    return [_shown(item, known, goods) for item in items]


def put_safety_stock(tx: Connection, shelf: Shelf, sku: str, qty: int | None, *, actor: str = MACHINE) -> int:
    """Write how much of a SKU stays; None: the default counts again. Return what counts now."""
    stands = tx.execute(
        "SELECT qty, gone FROM safety_stock WHERE sku = ? AND store = ? AND location = ?",
        (sku, shelf.own.store, shelf.location),
    ).fetchone()
    said = (stands[0] if stands else 0, 1) if qty is None else (qty, 0)
    if stands != said and (stands is not None or qty is not None):
        row = SafetyStockRow(
            store=shelf.own.store, sku=sku, location=shelf.location, n=0, gone=bool(said[1]), qty=said[0]
        )
        put_version(tx, shelf.own, SAFETY_STOCK, row)
        said_qty = "default" if qty is None else str(qty)
        note(tx, actor=actor, action="safety_stock_set", subject=sku, reason=said_qty, now_ms=shelf.now_ms)
    return shelf.safety_stock if qty is None else qty


def _shown(item: Item, known: dict[str, Standing], goods: Goods) -> Item:
    if item.stock is not None:
        return replace(item, stock=known[item.sku].view)
    kit = goods.kits.get(item.sku)
    if kit is None:
        return item
    there = {part.sku: known[part.sku].on_hand if part.sku in known else None for part in kit}
    free = {part.sku: known[part.sku].available if part.sku in known else None for part in kit}
    on_hand, may_promise = kit_available(kit, there), kit_available(kit, free)
    stock = None if on_hand is None or may_promise is None else StockView(on_hand, may_promise, 0)
    return replace(item, parts=list(kit), stock=stock)
