"""The catalogue between hub and cloud: rows that come down from its owner, and the shop's own ones, handed over once.

The cloud's version always replaces one that the shop wrote before it was joined; of two of the cloud's the larger n stands.
"""

import json
from sqlite3 import Connection
from typing import Any, NamedTuple

import msgspec

from hub.store.products import write_price, write_product
from hub.store.unknown import keep_unknown
from sync.batch import SEQ_MAX, Row
from sync.model import Replica, Stream
from sync.retail.catalogue import Name, Price, Product, check_price, check_product
from sync.retail.registers import CatalogueRow, ProductRow, price_row, product_row, read_row, write_row


class TakenRows(NamedTuple):
    """How many rows said something new, and how many cannot be used here and are kept aside."""

    changed: int
    unusable: int


def take_registers(tx: Connection, owner: int, rows: list[Row], *, currency: str) -> TakenRows:
    """Write rows of the cloud's catalogue, `owner` being its replica here.

    A row that is no register, breaks the catalogue's own rules or has a price in another currency is kept as it came.
    """
    changed = unusable = 0
    for seq, row in rows:
        register = _usable(row, currency)
        if register is None:
            unusable += 1
            keep_unknown(tx, owner, Stream.CATALOGUE, [(seq, row)])
            continue
        table, sku = "product" if isinstance(register, ProductRow) else "price", register.sku
        known = tx.execute(
            f"""
            SELECT known.n, known.replica, replica.store = mine.store
            FROM {table} AS known JOIN replica ON replica.id = known.replica, replica AS mine
            WHERE known.sku = ? AND mine.own = 1
            """,
            (sku,),
        ).fetchone()
        if known is not None and not known[2] and known[0] >= register.n and known[1] == owner:
            continue
        changed += 1
        if isinstance(register, ProductRow):
            write_product(tx, register.product, n=register.n, replica=owner, seq=seq, is_gone=register.gone)
        else:
            write_price(tx, sku, register.price, n=register.n, replica=owner, seq=seq, is_gone=register.gone)
    return TakenRows(changed, unusable)


def _usable(row: bytes, currency: str) -> CatalogueRow | None:
    try:
        register = read_row(row)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not 0 <= register.n <= SEQ_MAX:
        return None
    if isinstance(register, ProductRow):
        return None if check_product(register.product) else register
    return None if check_price(register.price) or register.currency != currency else register


def catalogue_rows(read: Connection, replica: Replica, after: int, limit: int) -> list[Row]:
    """Return (seq, row) of what the shop wrote itself, in the order of their seq, from behind `after`."""
    wanted = (replica.local_id, after, limit)
    products = read.execute(
        """
        SELECT seq, n, gone, sku, style, category, name_zh_hant, name_en, attributes, gtins, unit, stocked
        FROM product WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?
        """,
        wanted,
    )
    prices = read.execute(
        "SELECT seq, n, gone, sku, amount_minor, currency, per FROM price WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?",
        wanted,
    )
    rows = [(row[0], _product_row(row[1:])) for row in products]
    rows += [
        (seq, write_row(price_row(sku, Price(amount, currency, per), n, gone=bool(gone))))
        for seq, n, gone, sku, amount, currency, per in prices
    ]
    return sorted(rows)[:limit]


def _product_row(row: tuple[Any, ...]) -> bytes:  # Any: a row of the query above
    n, gone, sku, style, category, zh_hant, en, attributes, gtins, unit, stocked = row
    product = Product(
        sku=sku,
        style=style,
        category=category,
        name=Name(zh_hant=zh_hant, en=en),
        attributes=json.loads(attributes),
        gtins=json.loads(gtins),
        unit=unit,
        stocked=bool(stocked),
    )
    return write_row(product_row(product, n, gone=bool(gone)))
