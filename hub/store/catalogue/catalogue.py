"""The catalogue between hub and cloud: rows that come down from its owner.

The cloud's version replaces any that the shop wrote before it was joined; of two of the cloud's the larger (n, rep) stands.
Prices are merged by their declaration; a product as well, but what is derived from it (GTINs, words) is written with it.
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import NamedTuple

from hub.store.catalogue.product_rows import Arrived, write_products
from sync.batch import SEQ_MAX, Row
from sync.json_errors import NOT_JSON
from sync.model import Stream
from sync.retail.catalogue.catalogue import check_price, check_product
from sync.retail.catalogue.plain_rows import read_plain
from sync.retail.catalogue.registers import PRICE, PRODUCT, CatalogueRow, PriceRow, ProductRow, read_row
from sync.store.rows import apply_rows, fingerprint, keep_the_rest, merge_read
from sync.store.unknown import keep_unknown


class TakenRows(NamedTuple):
    """How many rows said something new, and how many cannot be used here and are kept aside."""

    changed: int
    unusable: int


def take_registers(tx: Connection, owner: int, rows: Sequence[Row], *, currency: str) -> TakenRows:
    """Write rows of the cloud's catalogue, `owner` being its replica here.

    A row that is no register, breaks the catalogue's own rules or has a price in another currency is kept as it came.
    """
    rep = tx.execute("SELECT store || ':' || incarnation FROM replica WHERE id = ?", (owner,)).fetchone()[0]
    plain = read_plain([body for _, body in rows], currency=currency)
    if plain is not None:
        return TakenRows(_write_plain(tx, owner, rep, rows, plain), 0)
    read = [(seq, body, _usable(body, currency)) for seq, body in rows]
    odd = [(seq, body) for seq, body, register in read if register is None]
    products = [(seq, body, register) for seq, body, register in read if isinstance(register, ProductRow)]
    prices = [
        (seq, body) for seq, body, register in read if register is not None and not isinstance(register, ProductRow)
    ]
    keep_unknown(tx, owner, Stream.CATALOGUE, odd, tried=fingerprint())
    changed = apply_rows(tx, Stream.CATALOGUE, prices, replica=owner, rep=rep, is_owner=True).changed
    changed += write_products(tx, [Arrived(seq, register) for seq, _, register in products], owner=owner, rep=rep)
    keep_the_rest(tx, PRODUCT, products, replica=owner)
    return TakenRows(changed, len(odd))


def _write_plain(tx: Connection, owner: int, rep: str, rows: Sequence[Row], plain: Sequence[CatalogueRow]) -> int:
    """Write rows of which nothing need be asked any more; return how many said something new."""
    read = [(seq, body, register) for (seq, body), register in zip(rows, plain, strict=True)]
    prices = [each for each in read if isinstance(each[2], PriceRow)]
    products = [(seq, body, register) for seq, body, register in read if isinstance(register, ProductRow)]
    changed = merge_read(tx, PRICE, prices, replica=owner, rep=rep, is_owner=True).changed
    changed += write_products(tx, [Arrived(seq, register) for seq, _, register in products], owner=owner, rep=rep)
    keep_the_rest(tx, PRODUCT, products, replica=owner, is_ours=True)
    return changed


def _usable(row: bytes, currency: str) -> CatalogueRow | None:
    try:
        register = read_row(row)
    except NOT_JSON:
        return None
    if not 0 <= register.n <= SEQ_MAX:
        return None
    if isinstance(register, ProductRow):
        return None if check_product(register.product) else register
    return None if check_price(register.price) or register.currency != currency else register
