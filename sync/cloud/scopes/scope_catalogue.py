"""The catalogue's scopes: which products and prices are in, and how they come and go as head office changes them.

    a version of a product    in the scope            -> put;  a price that goes with it, and was not in, -> put
                              not in it, was          -> gone; its price -> gone
    a version of a price      product in, currency in -> put
                              else, was in            -> gone

A product's own `gone` is a version like any other, and put. Functions of a write job.
"""

from collections.abc import Callable, Collection, Iterable
from sqlite3 import Connection

from sync.cloud.scopes.scope_definitions import CatalogueScope, catalogue_scope
from sync.cloud.scopes.scopes import (
    Numbers,
    Served,
    Written,
    close_scopes,
    gone_body,
    put_rows,
    scope_of,
    served,
    states_of,
    write_rows,
)
from sync.model import Replica, Stream
from sync.retail.catalogue.registers import CatalogueRow, PriceRow, ProductRow, read_row

PRODUCT, PRICE = "product", "price"


class CatalogueScopes:
    """All scopes of the catalogue in one job; `close` writes, and says behind those that have changed that this is all.

    Asked for are rows of these SKUs alone; `body_of` returns the register that stands now, by kind and SKU.
    """

    def __init__(
        self, tx: Connection, numbers: Numbers, *, skus: Collection[str], body_of: Callable[[str, str], bytes | None]
    ) -> None:
        self._tx, self._numbers, self._skus, self._body_of = tx, numbers, skus, body_of
        self._scopes = [(each.id, catalogue_scope(each.definition)) for each in served(tx, Stream.CATALOGUE)]
        self._states: dict[int, dict[tuple[str, str], str]] = {}
        self._changed: dict[int, dict[tuple[str, str], Written]] = {}

    def put(self, row: CatalogueRow, seq: int, digest: bytes) -> None:
        """Take a version that was written to the catalogue at this seq."""
        for scope, definition in self._scopes:
            if isinstance(row, ProductRow):
                self._put_product(scope, definition, row, seq, digest)
            elif self._takes_price(scope, definition, row):
                self._write(scope, Written(PRICE, row.sku, seq, digest, "put", None))
            elif self._state(scope, PRICE, row.sku) == "put":
                self._leave(scope, PRICE, row.sku)

    def told_by(self, store: str, rows: Iterable[CatalogueRow]) -> None:
        """Tell a store of rows that it has and that are not in its scope: it has written them itself."""
        scope = scope_of(self._tx, store, Stream.CATALOGUE)
        if scope is None:
            return
        for row in rows:
            entity = PRODUCT if isinstance(row, ProductRow) else PRICE
            if self._state(scope, entity, row.sku) != "put":
                self._leave(scope, entity, row.sku)

    def close(self) -> None:
        """Write what has changed, and say of those scopes that this is all."""
        put_rows(self._tx, [(scope, row) for scope, rows in self._changed.items() for row in rows.values()])
        close_scopes(self._tx, self._numbers, self._changed)
        self._changed.clear()

    def _put_product(self, scope: int, definition: CatalogueScope, row: ProductRow, seq: int, digest: bytes) -> None:
        was_in = self._state(scope, PRODUCT, row.sku) == "put"
        is_in = definition.takes_product(row)
        if is_in:
            self._write(scope, Written(PRODUCT, row.sku, seq, digest, "put", None))
        elif was_in:
            self._leave(scope, PRODUCT, row.sku)
        if not definition.restricts_products or is_in == was_in:
            return
        body = self._body_of(PRICE, row.sku)
        price = read_row(body) if body is not None else None
        if body is not None and isinstance(price, PriceRow) and is_in and definition.takes_currency(price):
            again = self._numbers.next(body)  # behind every cursor: its own seq may lie before them
            self._write(scope, Written(PRICE, row.sku, again, self._numbers.digest, "put", None))
        elif not is_in and self._state(scope, PRICE, row.sku) == "put":
            self._leave(scope, PRICE, row.sku)

    def _takes_price(self, scope: int, definition: CatalogueScope, row: PriceRow) -> bool:
        if not definition.takes_currency(row):
            return False
        return not definition.restricts_products or self._state(scope, PRODUCT, row.sku) == "put"

    def _leave(self, scope: int, entity: str, sku: str) -> None:
        body = gone_body(entity, sku)
        seq = self._numbers.next(body)
        self._write(scope, Written(entity, sku, seq, self._numbers.digest, "gone", body))

    def _write(self, scope: int, row: Written) -> None:
        key = (row.entity, row.key)
        self._changed.setdefault(scope, {})[key] = row
        self._states_of(scope)[key] = row.state

    def _state(self, scope: int, entity: str, sku: str) -> str | None:
        return self._states_of(scope).get((entity, sku))

    def _states_of(self, scope: int) -> dict[tuple[str, str], str]:
        if scope not in self._states:
            self._states[scope] = states_of(self._tx, scope, (PRODUCT, PRICE), self._skus)
        return self._states[scope]


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
