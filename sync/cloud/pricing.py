"""Price lists and promotions at the cloud: written by head office once, and put into the scope of each store they are for.

    put_pricing     a row that says something new gets the next version; another is left as it is
    share_pricing   brings a store's scope to what is for it: puts what is new there, takes out what is for it no more

A list or a promotion is for all stores (hq), those of a region, or one; a price goes where its list goes. What is gone is put as
such. A version is at least the time of its writing: a cloud that was restored from a copy has forgotten some, and is never
overruled by a store that has not. Functions of a write job. Not here: HTTP (sync.cloud.web.pricing_routes), what follows
(sync.retail.catalogue.pricing).
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.cloud.scopes.scopes import Numbers, Written, gone_body, own_scope, write_rows
from sync.errors import RuleError
from sync.kinds import Entity
from sync.model import Replica
from sync.retail.catalogue.price_lists import (
    LIST_PRICE,
    PRICE_LIST,
    PROMOTION,
    ListPriceRow,
    PriceListRow,
    PromotionRow,
)
from sync.store.tables import table_of

ROWS_MAX = 20_000  # of all lists together: each store's scope holds its own copy of what is for it; one more is refused
STREAM = PRICE_LIST.stream
Row = PriceListRow | ListPriceRow | PromotionRow
_ENTITIES: dict[type[Struct], Entity] = {PriceListRow: PRICE_LIST, ListPriceRow: LIST_PRICE, PromotionRow: PROMOTION}
_read = msgspec.json.Decoder(Row)


def put_pricing(tx: Connection, rows: Sequence[Row], *, now_ms: int) -> int:
    """Write rows; return how many were news. Raise RuleError (pricing_full) beyond ROWS_MAX, nothing written."""
    written = sum(_put(tx, row, now_ms=now_ms) for row in rows)
    there = tx.execute("SELECT count(*) FROM pricing_row").fetchone()[0]
    if there > ROWS_MAX:
        raise RuleError("pricing_full", "", f"{there} rows of price lists and promotions; at most {ROWS_MAX}")
    return written


def share_pricing(tx: Connection, own: Replica, store: str, region: str) -> bool:
    """Bring a store's scope to what is for it; say whether it has grown."""
    wanted = _wanted(tx, store, region)
    if (
        not wanted
        and tx.execute("SELECT 1 FROM scope_of WHERE store = ? AND base = ?", (store, STREAM)).fetchone() is None
    ):
        return False
    scope = own_scope(tx, STREAM, store)
    there = {
        (entity, key): (state, body)
        for entity, key, state, body in tx.execute(
            "SELECT entity, key, state, body FROM scope_row WHERE scope = ? AND state <> 'whole'", (scope,)
        )
    }
    numbers = Numbers(tx, own, STREAM)
    rows: list[Written] = []
    for (entity, key), body in wanted.items():
        if there.get((entity, key)) != ("put", body):
            rows.append(Written(entity, key, numbers.next(body), numbers.digest, "put", body))
    for (entity, key), (state, body) in there.items():
        if state == "put" and (entity, key) not in wanted:
            left = gone_body(entity, *_key_of(_read.decode(body)))
            rows.append(Written(entity, key, numbers.next(left), numbers.digest, "gone", left))
    if rows:
        write_rows(tx, numbers, scope, rows)
        numbers.close()
    return bool(rows)


def _put(tx: Connection, row: Row, *, now_ms: int) -> bool:
    entity = _ENTITIES[type(row)]
    key = table_of(entity).key_text(row)
    before = tx.execute("SELECT n, body FROM pricing_row WHERE entity = ? AND key = ?", (entity.name, key)).fetchone()
    if before is not None and msgspec.json.encode(replace(row, n=before[0])) == before[1]:
        return False
    n = max(before[0] + 1 if before else 1, now_ms)
    tx.execute(
        """
        INSERT INTO pricing_row (entity, key, n, gone, list_id, body) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (entity, key) DO UPDATE SET n = excluded.n, gone = excluded.gone, body = excluded.body
        """,
        (entity.name, key, n, row.gone, getattr(row, "list_id", ""), msgspec.json.encode(replace(row, n=n))),
    )
    return True


def _wanted(tx: Connection, store: str, region: str) -> dict[tuple[str, str], bytes]:
    """Return (entity, key) -> row of what is for a store."""
    found: dict[tuple[str, str], bytes] = {}
    lists: set[str] = set()
    prices: list[tuple[str, str, bytes]] = []
    for entity, key, list_id, body in tx.execute(
        "SELECT entity, key, list_id, body FROM pricing_row ORDER BY entity, key"
    ):
        row = _read.decode(body)
        if isinstance(row, ListPriceRow):
            prices.append((key, list_id, body))
        elif _is_for(row, store, region):
            found[entity, key] = body
            lists |= {row.list_id} if isinstance(row, PriceListRow) else set()
    found |= {(LIST_PRICE.name, key): body for key, list_id, body in prices if list_id in lists}
    return found


def _is_for(row: PriceListRow | PromotionRow, store: str, region: str) -> bool:
    return row.scope == "hq" or row.place == (store if row.scope == "store" else region)


def _key_of(row: Row) -> tuple[str, ...]:
    match row:
        case PriceListRow():
            return (row.list_id,)
        case PromotionRow():
            return (row.promotion_id,)
    return (row.sku, row.list_id)
