"""The branches: what this shop says of itself to the others, what lies on the others' shelves, and how old that is.

Every figure is as the cloud knew it: its age is what a cashier says beside it. Nothing is decided by it, and a figure is never
called more exact than the last word of that store.
"""

import json
from datetime import datetime
from sqlite3 import Connection

from msgspec import Struct

from hub.store.model import Item, Shop, utc
from sync.model import Replica
from sync.retail.catalogue.branches import BRANCH, BranchRow
from sync.retail.names import Name
from sync.store.tables import table_of
from sync.store.writing import put_version

SIZES_MAX = 50  # SKUs of one style that are listed; a style with more is no style


class BranchStock(Struct, frozen=True, omit_defaults=True):
    """What lies at a location of another branch, as it was known at `as_of`, `age_s` ago."""

    store: str
    location: str
    on_hand: int
    as_of: datetime
    age_s: int
    name: Name | None = None
    phone: str = ""


class SizeStock(Struct, frozen=True):
    """Another SKU of the same style: here, and at the other branches together."""

    sku: str
    attributes: dict[str, str]
    on_hand: int
    elsewhere: int


def put_branch(tx: Connection, replica: Replica, row: BranchRow) -> bool:
    """Write what this shop says of itself, unless that is what stands; say whether it was news."""
    said = table_of(BRANCH).values_of(row)
    columns = ", ".join(column.name for column in (*BRANCH.key, *BRANCH.columns))
    stands = tx.execute(
        f"SELECT {columns} FROM branch WHERE branch = ? AND gone = 0 AND replica = ?", (row.branch, replica.local_id)
    ).fetchone()
    if stands == said:
        return False
    put_version(tx, replica, BRANCH, row)
    return True


def branch_of(shop: Shop) -> BranchRow:
    """Return what a shop says of itself."""
    return BranchRow(
        branch=shop.store_id,
        n=0,
        name=shop.name,
        zone=shop.zone.key,
        phone=shop.phone,
        hours=dict(sorted(shop.hours.items())),
    )


def branch_names(read: Connection, *, store: str) -> set[str]:
    """Return the ids of the other branches that this shop sees."""
    rows = read.execute("SELECT branch FROM branch WHERE gone = 0 AND branch <> ?", (store,))
    return {branch for (branch,) in rows}


def elsewhere(read: Connection, sku: str, *, store: str, now_ms: int) -> list[BranchStock]:
    """Return what lies at the other branches, those that have it first.

    A store that was heard of after a figure came has not changed it since: the figure is as old as the last word of its store.
    """
    rows = read.execute(
        """
        SELECT level.store, level.location, level.on_hand, max(level.as_of_ms, coalesce(heard.as_of_ms, 0)) AS known_ms,
               branch.name_zh_hant, branch.name_en, branch.phone
        FROM branch_level AS level
        LEFT JOIN branch_level AS heard ON heard.sku = '' AND heard.store = level.store AND heard.location = ''
        LEFT JOIN branch ON branch.branch = level.store AND branch.gone = 0
        WHERE level.sku = ? AND level.gone = 0 AND level.store <> ?
        ORDER BY level.on_hand > 0 DESC, level.store, level.location
        """,
        (sku, store),
    ).fetchall()
    return [
        BranchStock(
            store=other,
            location=location,
            on_hand=on_hand,
            as_of=utc(known_ms),
            age_s=max(0, (now_ms - known_ms) // 1000),
            name=None if zh_hant is None else Name(zh_hant, en),
            phone=phone or "",
        )
        for other, location, on_hand, known_ms, zh_hant, en, phone in rows
    ]


def sizes(read: Connection, item: Item, *, store: str, location: str) -> list[SizeStock]:
    """Return the other SKUs of a product's style, with what lies here and elsewhere."""
    if item.style is None:
        return []
    rows = read.execute(
        """
        SELECT product.sku, product.attributes, coalesce(stock.on_hand, 0),
               (SELECT coalesce(sum(max(level.on_hand, 0)), 0) FROM branch_level AS level
                WHERE level.sku = product.sku AND level.gone = 0 AND level.store <> ?)
        FROM product LEFT JOIN stock ON stock.sku = product.sku AND stock.location = ?
        WHERE product.style = ? AND product.sku <> ? AND product.gone = 0 ORDER BY product.sku LIMIT ?
        """,
        (store, location, item.style, item.sku, SIZES_MAX),
    ).fetchall()
    return [SizeStock(other, json.loads(attributes), on_hand, away) for other, attributes, on_hand, away in rows]
