"""What a SKU takes off the shelf, by the catalogue as it stands here: itself, a kit its parts, a fee nothing.

A part that the catalogue does not know yet is taken like any other: it is on its way. A kit within a kit has no stock of its own
and moves nothing; head office names the parts. Rules: sync.retail.stock.stock. Reads, on any connection.
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from sync.retail.selling.returns import ReturnedLine
from sync.retail.selling.sales import SaleFact, StockEffect
from sync.retail.stock.stock import Component, parts_back, taken_by

_parts = msgspec.json.Decoder(tuple[Component, ...]).decode


class Goods(NamedTuple):
    """What is known of some SKUs: kits and their parts, those without stock, and all that the catalogue has."""

    kits: dict[str, tuple[Component, ...]]
    unstocked: frozenset[str]
    known: frozenset[str]

    def taken(self, sku: str, qty: int) -> dict[str, int]:
        """Return SKU -> quantity that leaves the shelf for so much of a SKU."""
        return taken_by(sku, qty, kits=self.kits, unstocked=self.unstocked)


NOTHING_KNOWN = Goods({}, frozenset(), frozenset())


class SoldLine(NamedTuple):
    """So much of a SKU that the catalogue knows."""

    sku: str
    qty: int
    is_stocked: bool


def goods_of(read: Connection, skus: Iterable[str]) -> Goods:
    """Return what is known of these SKUs and of the parts of those that are kits."""
    rows = _rows(read, skus)
    kits = {sku: _parts(parts) for sku, _, parts in rows if parts != "[]"}
    named = {part.sku for parts in kits.values() for part in parts} - {sku for sku, _, _ in rows}
    rows += _rows(read, named) if named else []
    unstocked = frozenset(sku for sku, is_stocked, _ in rows if not is_stocked)
    return Goods(kits, unstocked, frozenset(sku for sku, _, _ in rows))


def sold_effects(tx: Connection, sold: Iterable[SoldLine], location: str) -> tuple[StockEffect, ...]:
    """Return what lines that are sold do to the shelf."""
    sold = list(sold)
    others = [line.sku for line in sold if not line.is_stocked]
    goods = goods_of(tx, others) if others else NOTHING_KNOWN
    return tuple(
        StockEffect(sku, location, -moved)
        for line in sold
        for sku, moved in ({line.sku: line.qty} if line.is_stocked else goods.taken(line.sku, line.qty)).items()
    )


def kit_effects_back(
    tx: Connection, sold: SaleFact, back: Iterable[ReturnedLine], location: str
) -> tuple[StockEffect, ...]:
    """Return what comes back to the shelf by lines of a sale that were kits."""
    lines = [(line.sku, line.qty) for line in back]
    kits = goods_of(tx, [sku for sku, _ in lines]).kits
    if not kits:
        return ()
    taken_out: dict[str, int] = {}
    for effect in sold.stock:
        taken_out[effect.sku] = taken_out.get(effect.sku, 0) - effect.qty
    return tuple(StockEffect(sku, location, qty) for sku, qty in parts_back(lines, taken_out, kits=kits).items())


def _rows(read: Connection, skus: Iterable[str]) -> list[tuple[str, int, str]]:
    return read.execute(
        "SELECT sku, stocked, parts FROM product WHERE sku IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(set(skus))),),
    ).fetchall()
