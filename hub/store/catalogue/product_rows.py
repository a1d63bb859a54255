"""Products in bulk: rows of a batch into the table, and what is derived from them, GTINs and words to search by.

A snapshot brings 200,000 of them: statements for a batch, and not a dozen for each product, make a new shop ready in seconds. One
product at a time is hub.store.catalogue.products. Functions of a write job.
"""

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from hub.store.catalogue.search import index_words
from sync.merge import Version, later
from sync.retail.catalogue.registers import PRODUCT, ProductRow

_SAID = (*(column.name for column in PRODUCT.columns), "n", "replica", "seq", "gone")


class Arrived(NamedTuple):
    """A version that came, and its seq."""

    seq: int
    row: ProductRow


class _Known(NamedTuple):
    id: int
    n: int
    rep: str
    is_ours: bool


def write_products(tx: Connection, arrived: Sequence[Arrived], *, owner: int, rep: str) -> int:
    """Write the versions that replace what stands; return how many. The owner's replace any that this shop wrote itself."""
    newest = {each.row.sku: each for each in sorted(arrived, key=lambda each: each.row.n)}
    known = _known(tx, list(newest))
    new: list[tuple[int, Arrived]] = []
    later_ones: list[tuple[int, Arrived]] = []
    free = tx.execute("SELECT coalesce(max(id), 0) + 1 FROM product").fetchone()[0]
    for each in newest.values():
        before = known.get(each.row.sku)
        if before is None:
            new.append((free + len(new), each))
        elif before.is_ours or _is_later(before, each.row.n, rep):
            later_ones.append((before.id, each))
    tx.executemany(
        f"INSERT INTO product (id, sku, {', '.join(_SAID)}) VALUES ({', '.join('?' * (len(_SAID) + 2))})",
        [(id_, each.row.sku, *_values(each.row), each.row.n, owner, each.seq, each.row.gone) for id_, each in new],
    )
    tx.executemany(
        f"UPDATE product SET {', '.join(f'{name} = ?' for name in _SAID)} WHERE id = ?",
        [(*_values(each.row), each.row.n, owner, each.seq, each.row.gone, id_) for id_, each in later_ones],
    )
    forget_derived(tx, [(id_, each.row.sku) for id_, each in later_ones])
    derive(tx, [(id_, each.row) for id_, each in (*new, *later_ones) if not each.row.gone])
    return len(new) + len(later_ones)


def derive(tx: Connection, products: Sequence[tuple[int, ProductRow]]) -> None:
    """Enter GTINs, each to whoever names it last, and words."""
    tx.executemany(
        "INSERT INTO product_gtin (gtin, sku) VALUES (?, ?) ON CONFLICT (gtin) DO UPDATE SET sku = excluded.sku",
        [(gtin, row.sku) for _, row in products for gtin in row.gtins],
    )
    tx.executemany(
        "INSERT INTO product_text (rowid, words) VALUES (?, ?)", [(id_, words_of(row)) for id_, row in products]
    )


def forget_derived(tx: Connection, products: Iterable[tuple[int, str]]) -> None:
    """Take (id, sku) out of what they are found by."""
    found = list(products)
    tx.executemany("DELETE FROM product_gtin WHERE sku = ?", [(sku,) for _, sku in found])
    tx.executemany("DELETE FROM product_text WHERE rowid = ?", [(id_,) for id_, _ in found])


def derive_again(tx: Connection, skus: Sequence[str]) -> None:
    """Enter products that stand in the table already."""
    rows = tx.execute(
        """
        SELECT id, sku, name_zh_hant, name_en, attributes, gtins FROM product
        WHERE gone = 0 AND sku IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(skus)),),
    ).fetchall()
    forget_derived(tx, [(id_, sku) for id_, sku, *_ in rows])
    derive(
        tx,
        [
            (
                id_,
                msgspec.convert(
                    {
                        "kind": "product",
                        "sku": sku,
                        "n": 0,
                        "name": {"zh-Hant": zh_hant, "en": en},
                        "attributes": json.loads(attributes),
                        "gtins": json.loads(gtins),
                    },
                    ProductRow,
                ),
            )
            for id_, sku, zh_hant, en, attributes, gtins in rows
        ],
    )


def words_of(row: ProductRow) -> str:
    """Return the words that a product is found by."""
    bare_gtins = [gtin.lstrip("0") for gtin in row.gtins]
    return index_words(row.sku, row.name.zh_hant, row.name.en, *row.attributes.values(), *bare_gtins)


def _values(row: ProductRow) -> tuple[bool | str | None, ...]:
    """Return the values of PRODUCT.columns, as its table does for any entity: twice as fast, which a cold start notices."""
    return (
        row.stocked,
        row.unit,
        row.style,
        row.category,
        row.name.zh_hant,
        row.name.en,
        msgspec.json.encode(row.attributes, order="sorted").decode(),
        msgspec.json.encode(row.gtins).decode(),
        msgspec.json.encode(row.parts, order="sorted").decode() if row.parts else "[]",
    )


def _known(tx: Connection, skus: Sequence[str]) -> dict[str, _Known]:
    rows = tx.execute(
        """
        SELECT known.sku, known.id, known.n, writer.store || ':' || writer.incarnation, writer.store = mine.store
        FROM product AS known JOIN replica AS writer ON writer.id = known.replica, replica AS mine
        WHERE mine.own = 1 AND known.sku IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(skus)),),
    )
    return {sku: _Known(*more) for sku, *more in rows}


def _is_later(before: _Known, n: int, rep: str) -> bool:
    standing, arrived = Version(before.n, before.rep), Version(n, rep)
    return arrived != standing and later(arrived, standing) == arrived
