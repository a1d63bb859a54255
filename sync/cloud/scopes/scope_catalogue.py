"""The catalogue's scopes: which products and prices are in, and how they come and go as head office changes them.

    a version of a product    in the scope            -> put;  a price that goes with it, and was not in, -> put
                              not in it, was          -> gone; its price -> gone
    a version of a price      product in, currency in -> put
                              else, was in            -> gone

A product's own `gone` is a version like any other, and put. Functions of a write job.
"""

from sqlite3 import Connection

from sync.cloud.scopes.scope_definitions import CatalogueScope, catalogue_scope
from sync.cloud.scopes.scopes import (
    Numbers,
    Served,
    Written,
    close_scopes,
    gone_body,
    scope_of,
    served,
    standing,
    write_rows,
)
from sync.model import Replica, Stream
from sync.retail.catalogue.registers import CatalogueRow, PriceRow, ProductRow, read_row

PRODUCT, PRICE = "product", "price"


class CatalogueScopes:
    """All scopes of the catalogue in one job; `close` says behind those that have changed that this is all."""

    def __init__(self, tx: Connection, numbers: Numbers) -> None:
        self._tx, self._numbers = tx, numbers
        self._scopes = [(each.id, catalogue_scope(each.definition)) for each in served(tx, Stream.CATALOGUE)]
        self._changed: set[int] = set()

    def put(self, row: CatalogueRow, seq: int, digest: bytes) -> None:
        """Take a version that was written to the catalogue at this seq."""
        for scope, definition in self._scopes:
            if isinstance(row, ProductRow):
                self._put_product(scope, definition, row, seq, digest)
            elif self._takes_price(scope, definition, row):
                self._write(scope, Written(PRICE, row.sku, seq, digest, "put", None))
            elif standing(self._tx, scope, PRICE, row.sku) == "put":
                self._leave(scope, PRICE, row.sku)

    def told_by(self, store: str, row: CatalogueRow) -> None:
        """Tell a store of a row that it has and that is not in its scope: it has written it itself."""
        scope = scope_of(self._tx, store, Stream.CATALOGUE)
        entity = PRODUCT if isinstance(row, ProductRow) else PRICE
        if scope is not None and standing(self._tx, scope, entity, row.sku) != "put":
            self._leave(scope, entity, row.sku)

    def close(self) -> None:
        """Say of all scopes that have changed that this is all."""
        close_scopes(self._tx, self._numbers, self._changed)
        self._changed.clear()

    def _put_product(self, scope: int, definition: CatalogueScope, row: ProductRow, seq: int, digest: bytes) -> None:
        was_in = standing(self._tx, scope, PRODUCT, row.sku) == "put"
        is_in = definition.takes_product(row)
        if is_in:
            self._write(scope, Written(PRODUCT, row.sku, seq, digest, "put", None))
        elif was_in:
            self._leave(scope, PRODUCT, row.sku)
        if not definition.restricts_products or is_in == was_in:
            return
        found = self._tx.execute("SELECT body FROM register WHERE kind = 'price' AND sku = ?", (row.sku,)).fetchone()
        price = read_row(found[0]) if found else None
        if isinstance(price, PriceRow) and is_in and definition.takes_currency(price):
            again = self._numbers.next(found[0])  # behind every cursor: its own seq may lie before them
            self._write(scope, Written(PRICE, row.sku, again, self._numbers.digest, "put", None))
        elif not is_in and standing(self._tx, scope, PRICE, row.sku) == "put":
            self._leave(scope, PRICE, row.sku)

    def _takes_price(self, scope: int, definition: CatalogueScope, row: PriceRow) -> bool:
        if not definition.takes_currency(row):
            return False
        return not definition.restricts_products or standing(self._tx, scope, PRODUCT, row.sku) == "put"

    def _leave(self, scope: int, entity: str, sku: str) -> None:
        body = gone_body(entity, sku)
        seq = self._numbers.next(body)
        self._write(scope, Written(entity, sku, seq, self._numbers.digest, "gone", body))

    def _write(self, scope: int, row: Written) -> None:
        self._tx.execute(
            """
            INSERT INTO scope_row (scope, entity, key, seq, digest, state, body) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (scope, entity, key) DO UPDATE SET
              seq = excluded.seq, digest = excluded.digest, state = excluded.state, body = excluded.body
            """,
            (scope, *row),
        )
        self._changed.add(scope)


def fill_catalogue(tx: Connection, own: Replica, scope: Served) -> None:
    """Put into a new scope what stands in the catalogue, at the seqs where it stands."""
    definition = catalogue_scope(scope.definition)
    inside = {
        sku
        for sku, body in tx.execute("SELECT sku, body FROM register WHERE kind = 'product'")
        if isinstance(row := read_row(body), ProductRow) and definition.takes_product(row)
    }
    rows = []
    for kind, sku, seq, digest, body in tx.execute("SELECT kind, sku, seq, digest, body FROM register"):
        if definition.restricts_products and sku not in inside:
            continue
        price = read_row(body) if kind == PRICE else None
        if isinstance(price, PriceRow) and not definition.takes_currency(price):
            continue
        rows.append(Written(kind, sku, seq, digest, "put", None))
    numbers = Numbers(tx, own, Stream.CATALOGUE)
    write_rows(tx, numbers, scope.id, rows)
    numbers.close()
