"""Products and prices: registers with authority CLOUD, which the hub holds until a cloud is joined; look-up and search."""

import json
from collections.abc import Sequence
from functools import partial
from sqlite3 import Connection
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec import json as msgjson

from hub.store.catalogue.search import ALTERNATIVES_MAX, index_words, match_expression
from hub.store.model import Entry, Item, PriceNow, StockView
from hub.store.stock.stock import Movement, move
from sync.db import Database
from sync.model import Replica, Stream
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.sales import QTY_MAX, Sku
from sync.retail.stock.movements import MOVEMENT
from sync.store.pruned_keys import known_before
from sync.store.streams import reserve_state_seqs

PAGE_MAX = 200
_gtins = msgjson.Decoder(list[str]).decode
_words = msgjson.Decoder(list[str]).decode
_attributes = msgjson.Decoder(dict[str, str]).decode
_ITEM = """
  SELECT product.sku, product.style, product.category, product.name_zh_hant, product.name_en, product.attributes,
         product.gtins, product.unit, product.stocked,
         price.amount_minor, price.currency, price.per, price.n, stock.on_hand
  FROM product
  LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
  LEFT JOIN stock ON stock.sku = product.sku AND stock.location = :location
"""
_FOUND = """
  SELECT json_group_array(id) FROM (
    SELECT product.id FROM product_text JOIN product ON product.id = product_text.rowid
    WHERE product_text MATCH :expression
    AND product_text.rowid > CASE :after WHEN '' THEN 0 ELSE (SELECT id FROM product WHERE sku = :after) END
    AND product.gone = 0 ORDER BY product_text.rowid LIMIT :limit
  )
"""  # one row: for each the searching thread would wait for the interpreter again
_FOUND_ITEMS = (
    f"{_ITEM} WHERE product.id IN (SELECT value FROM json_each(:ids)) AND product.gone = 0 ORDER BY product.id"
)
_WORDS_FROM = f"""
  WITH RECURSIVE word (term) AS (
    SELECT (SELECT term FROM product_text_word WHERE term >= :begin AND term < :end LIMIT 1)
    UNION ALL
    SELECT (SELECT term FROM product_text_word WHERE term >= word.term || char(1) AND term < :end LIMIT 1)
    FROM word WHERE word.term IS NOT NULL
  )
  SELECT json_group_array(term) FROM (SELECT term FROM word WHERE term IS NOT NULL LIMIT {ALTERNATIVES_MAX + 1})
"""  # a step into the index for each word, whatever the number of its rows; one row, as above
_LAST = "\U0010ffff"


class Put(Struct, frozen=True):
    """What writing a batch of products did; `gtins_taken` lists [gtin, sku refused, sku that keeps it]."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    gtins_taken: tuple[tuple[str, str, str], ...] = ()


def put_products(tx: Connection, replica: Replica, entries: Sequence[Entry], *, location: str, now_ms: int) -> Put:
    """Write a batch of products; rows that say nothing new get no new version and no feed row."""
    created = updated = unchanged = 0
    taken: list[tuple[str, str, str]] = []
    for entry in entries:
        product = _without_taken_gtins(tx, entry.product, taken)
        is_new = tx.execute("SELECT 1 FROM product WHERE sku = ?", (product.sku,)).fetchone() is None
        changed = _put_product(tx, replica, product)
        changed |= _put_price(tx, replica, product.sku, entry.price)
        if entry.stock:
            open_stock(tx, replica, Opening(product.sku, entry.stock), location=location, now_ms=now_ms)
        created += is_new
        updated += changed and not is_new
        unchanged += not changed
    return Put(created, updated, unchanged, tuple(taken))


class Opening(Struct, frozen=True):
    """What lay on the shelf of a SKU before anything moved it here."""

    sku: Sku
    qty: Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]


def open_stock(tx: Connection, replica: Replica, opening: Opening, *, location: str, now_ms: int) -> bool:
    """Book opening stock as a movement, once; say whether it was. The product may still be on its way from the cloud."""
    if _has_been_stocked(tx, opening.sku, location):
        return False
    movement = Movement(
        movement_id=_opening_id(opening.sku),
        sku=opening.sku,
        qty=opening.qty,
        reason="adjust",
        note="opening stock",
    )
    move(tx, replica, movement, location=location, now_ms=now_ms, must_be_known=False)
    return True


def _has_been_stocked(read: Connection, sku: str, location: str) -> bool:
    """Whether a SKU has moved here, but for sales below nothing alone: tills may have sold goods that were not known yet."""
    found = read.execute("SELECT on_hand FROM stock WHERE sku = ? AND location = ?", (sku, location)).fetchone()
    if found is None or found[0] >= 0:
        return found is not None
    name = _opening_id(sku)
    moved = read.execute(
        """
        SELECT EXISTS (SELECT 1 FROM stock_movement WHERE movement_id = ?1) OR EXISTS (
          SELECT 1 FROM stock_movement JOIN json_each(body, '$.stock') AS effect
          WHERE effect.value ->> 0 = ?2 AND effect.value ->> 1 = ?3
        )
        """,
        (name, sku, location),
    ).fetchone()
    return bool(moved[0]) or known_before(read, MOVEMENT.name, name) is not None


def _opening_id(sku: str) -> str:
    return f"opening~{sku}"  # no client can make this id: an Id has no tilde


def _without_taken_gtins(tx: Connection, product: Product, taken: list[tuple[str, str, str]]) -> Product:
    owners = tx.execute(
        "SELECT gtin, sku FROM product_gtin WHERE sku <> ? AND gtin IN (SELECT value FROM json_each(?))",
        (product.sku, json.dumps(list(product.gtins))),
    ).fetchall()
    if not owners:
        return product
    taken += [(gtin, product.sku, owner) for gtin, owner in owners]
    refused = {gtin for gtin, _ in owners}
    values = {name: getattr(product, name) for name in product.__struct_fields__}
    return Product(**(values | {"gtins": tuple(gtin for gtin in product.gtins if gtin not in refused)}))


def _put_product(tx: Connection, replica: Replica, product: Product) -> bool:
    before = tx.execute(
        """
        SELECT stocked, unit, style, category, name_zh_hant, name_en, attributes, gtins, parts, n, gone
        FROM product WHERE sku = ?
        """,
        (product.sku,),
    ).fetchone()
    if before is not None and before[:9] == _product_values(product) and not before[10]:
        return False
    seq = reserve_state_seqs(tx, replica, Stream.CATALOGUE, 1)
    write_product(tx, product, n=before[9] + 1 if before else 1, replica=replica.local_id, seq=seq)
    return True


def _product_values(product: Product) -> tuple[Any, ...]:  # Any: columns
    return (
        product.stocked,
        product.unit,
        product.style,
        product.category,
        product.name.zh_hant,
        product.name.en,
        msgjson.encode(product.attributes, order="sorted").decode(),
        msgjson.encode(product.gtins).decode(),
        msgjson.encode(product.parts, order="sorted").decode(),
    )


def write_product(tx: Connection, product: Product, *, n: int, replica: int, seq: int, is_gone: bool = False) -> None:
    """Write a version of a product with its dot, and what is derived from it; a GTIN goes to whoever names it last."""
    rowid = tx.execute(
        """
        INSERT INTO product
          (stocked, unit, style, category, name_zh_hant, name_en, attributes, gtins, parts, sku, n, replica, seq, gone)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (sku) DO UPDATE SET
          stocked = excluded.stocked, unit = excluded.unit, style = excluded.style, category = excluded.category,
          name_zh_hant = excluded.name_zh_hant, name_en = excluded.name_en, attributes = excluded.attributes,
          gtins = excluded.gtins, parts = excluded.parts, n = excluded.n, replica = excluded.replica, seq = excluded.seq,
          gone = excluded.gone
        RETURNING id
        """,
        (*_product_values(product), product.sku, n, replica, seq, is_gone),
    ).fetchone()[0]
    tx.execute("DELETE FROM product_gtin WHERE sku = ?", (product.sku,))
    tx.execute("DELETE FROM product_text WHERE rowid = ?", (rowid,))
    if is_gone:
        return
    tx.executemany(
        "INSERT INTO product_gtin (gtin, sku) VALUES (?, ?) ON CONFLICT (gtin) DO UPDATE SET sku = excluded.sku",
        [(gtin, product.sku) for gtin in product.gtins],
    )
    bare_gtins = [gtin.lstrip("0") for gtin in product.gtins]
    words = index_words(product.sku, product.name.zh_hant, product.name.en, *product.attributes.values(), *bare_gtins)
    tx.execute("INSERT INTO product_text (rowid, words) VALUES (?, ?)", (rowid, words))


def _put_price(tx: Connection, replica: Replica, sku: str, price: Price) -> bool:
    before = tx.execute("SELECT amount_minor, currency, per, n, gone FROM price WHERE sku = ?", (sku,)).fetchone()
    if before is not None and before[:3] == (price.amount, price.currency, price.per) and not before[4]:
        return False
    seq = reserve_state_seqs(tx, replica, Stream.CATALOGUE, 1)
    write_price(tx, sku, price, n=before[3] + 1 if before else 1, replica=replica.local_id, seq=seq)
    return True


def write_price(
    tx: Connection, sku: str, price: Price, *, n: int, replica: int, seq: int, is_gone: bool = False
) -> None:
    """Write a version of a price with its dot."""
    tx.execute(
        """
        INSERT INTO price (sku, n, replica, seq, amount_minor, currency, per, gone) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (sku) DO UPDATE SET
          n = excluded.n, replica = excluded.replica, seq = excluded.seq, gone = excluded.gone,
          amount_minor = excluded.amount_minor, currency = excluded.currency, per = excluded.per
        """,
        (sku, n, replica, seq, price.amount, price.currency, price.per, is_gone),
    )


def item_by_sku(read: Connection, sku: str, *, location: str) -> Item | None:
    """Return a product that is not gone."""
    row = read.execute(
        f"{_ITEM} WHERE product.sku = :sku AND product.gone = 0", {"sku": sku, "location": location}
    ).fetchone()
    return _item(row) if row else None


def items_of_style(read: Connection, style: str, *, location: str, limit: int) -> list[Item]:
    """Return the products of a style, in the order of their SKU."""
    rows = read.execute(
        f"{_ITEM} WHERE product.style = :style AND product.gone = 0 ORDER BY product.sku LIMIT :limit",
        {"style": style, "limit": limit, "location": location},
    ).fetchall()
    return [_item(row) for row in rows]


def item_by_gtin(read: Connection, gtin: str, *, location: str) -> Item | None:
    """Return the product that carries a GTIN-14."""
    row = read.execute(
        f"{_ITEM} WHERE product.sku = (SELECT sku FROM product_gtin WHERE gtin = :gtin) AND product.gone = 0",
        {"gtin": gtin, "location": location},
    ).fetchone()
    return _item(row) if row else None


def name_of(read: Connection, sku: str) -> Name | None:
    """Return a product's name, also of one that is gone."""
    row = read.execute("SELECT name_zh_hant, name_en FROM product WHERE sku = ?", (sku,)).fetchone()
    return Name(*row) if row else None


def names_of(read: Connection, skus: Sequence[str]) -> dict[str, Name]:
    """Return the names of these products, of those that are gone as well."""
    rows = read.execute(
        "SELECT sku, name_zh_hant, name_en FROM product WHERE sku IN (SELECT value FROM json_each(?))",
        (msgjson.encode(skus).decode(),),
    ).fetchall()
    return {sku: Name(zh_hant, en) for sku, zh_hant, en in rows}


def sku_of_gtin(read: Connection, gtin: str) -> str | None:
    """Return the SKU that carries a GTIN-14."""
    row = read.execute("SELECT sku FROM product_gtin WHERE gtin = ?", (gtin,)).fetchone()
    return row[0] if row else None


def is_sku(read: Connection, label: str) -> bool:
    """Whether a label is the SKU of a product that is not gone."""
    return read.execute("SELECT 1 FROM product WHERE sku = ? AND gone = 0", (label,)).fetchone() is not None


async def list_items(db: Database, *, location: str, after: str, limit: int) -> list[Item]:
    """Return products in the order of their SKU, from behind `after`."""
    rows = await db.search(
        f"{_ITEM} WHERE product.sku > :after AND product.gone = 0 ORDER BY product.sku LIMIT :limit",
        {"after": after, "limit": limit, "location": location},
    )
    return [_item(row) for row in rows]


async def search_items(db: Database, query: str, *, location: str, after: str, limit: int) -> list[Item]:
    """Return products that have all words of the query, in the order in which they came into the catalogue; none when it has no
    word. The index gives them in this order: a page is found without reading all that match, and nothing is sorted.
    """
    ids = await db.look(partial(_find, query=query, said={"after": after, "limit": limit}))
    rows = db.read.execute(_FOUND_ITEMS, {"ids": ids, "location": location}).fetchall()
    return [_item(row) for row in rows]


def words_from(read: Connection, beginning: str) -> list[str]:
    """Return the first words of the index that begin so, one more than alternatives are made of."""
    return _words(read.execute(_WORDS_FROM, {"begin": beginning, "end": beginning + _LAST}).fetchone()[0])


def _find(read: Connection, *, query: str, said: dict[str, Any]) -> str:  # Any: parameters
    expression = match_expression(query, partial(words_from, read))
    return str(read.execute(_FOUND, said | {"expression": expression}).fetchone()[0]) if expression else "[]"


def _item(row: Any) -> Item:  # Any: a row of _ITEM
    sku, style, category, zh_hant, en, attributes, gtins, unit, stocked, amount, currency, per, version, on_hand = row
    return Item(
        sku=sku,
        name=Name(zh_hant=zh_hant, en=en),
        unit=unit,
        gtins=_gtins(gtins),
        attributes=_attributes(attributes),
        style=style,
        category=category,
        price=None if amount is None else PriceNow(amount, currency, per, version, "catalogue"),
        stock=StockView(on_hand or 0, on_hand or 0, 0) if stocked else None,
    )
