"""What a SKU takes off the shelf, by the catalogue as it stands here: itself, a kit its parts, a fee nothing.

Goods and parts that the catalogue does not know yet are taken like any other: it is on its way, and another hub of the store may
have it already. An open item is nobody's stock, nor are goods by another unit than their own. A kit within a kit has no stock of
its own and moves nothing; head office names the parts. Rules: sync.retail.stock.stock. Reads, on any connection.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from sync.retail.catalogue import quotes
from sync.retail.selling.returns import ReturnedLine
from sync.retail.selling.sales import Sale, SaleFact, SaleLine, StockEffect
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


def goods_of(read: Connection, skus: Iterable[str]) -> Goods:
    """Return what is known of these SKUs and of the parts of those that are kits."""
    rows = _rows(read, skus)
    kits = {sku: _parts(parts) for sku, _, parts in rows if parts != "[]"}
    named = {part.sku for parts in kits.values() for part in parts} - {sku for sku, _, _ in rows}
    rows += _rows(read, named) if named else []
    unstocked = frozenset(sku for sku, is_stocked, _ in rows if not is_stocked)
    return Goods(kits, unstocked, frozenset(sku for sku, _, _ in rows))


def sold_effects(
    read: Connection, lines: Iterable[SaleLine], known: Mapping[str, quotes.Goods], location: str
) -> tuple[StockEffect, ...]:
    """Return what lines that are sold do to the shelf; `known` is what the catalogue has of their SKUs."""
    sold = [
        (line, goods)
        for line in lines
        if (not line.open_item if (goods := known.get(line.sku)) is None else goods.unit == line.unit)
    ]
    others = [line.sku for line, goods in sold if goods is not None and not goods.stocked]
    parts = goods_of(read, others) if others else NOTHING_KNOWN
    return tuple(
        StockEffect(sku, location, -qty) for line, _ in sold for sku, qty in parts.taken(line.sku, line.qty).items()
    )


def taken_of(goods: Goods, sale: Sale) -> Iterator[tuple[SaleLine, str, int]]:
    """Yield (line, SKU, quantity) of what a sale takes off the shelf; `goods` is what is known of its SKUs.

    Goods that nobody here knows are in it where they are gone already: a sale of them that is made now is refused.
    """
    for line in sale.lines:
        if line.sku in goods.known or (sale.offline and not line.open_item):
            for sku, qty in goods.taken(line.sku, line.qty).items():
                yield line, sku, qty


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
