"""The catalogue as a till copies it: as it stands, then what has changed or gone since, in the order in which it changed here.

    cursor   <life of the hub>.<number of the change>, and .<product> while the first copy is read; it outlives restarts, and is
             of no use in another life, or once changes behind it are forgotten
    page     a SKU stands in it once, as it is now; what changes while a till reads comes again behind its cursor

Prices are the catalogue's; price lists and promotions are GET /v1/pricing, stock has events of its own.
"""

from sqlite3 import Connection, Row
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from hub.store.model import PriceView
from sync.db import Database
from sync.model import Replica
from sync.retail.names import Name
from sync.retail.stock.stock import Component

PAGE_MAX = 1000
CHANGES_KEPT = 200_000  # a till that has slept through more copies anew: a catalogue of that size is no longer to read
Cursor = Annotated[str, Meta(max_length=60, pattern=r"^([0-9a-f]{16}\.[0-9]{1,18}(\.[0-9]{1,18})?)?\Z")]
_ITEM = """
  SELECT product.id, product.sku, product.gone, product.style, product.category, product.name_zh_hant, product.name_en,
         product.attributes, product.gtins, product.unit, product.stocked, product.parts,
         price.amount_minor, price.currency, price.per, price.n
"""
_COPIED = f"""
  {_ITEM}
  FROM product LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
  WHERE product.id > :copied AND product.gone = 0
  ORDER BY product.id
  LIMIT :limit
"""
_CHANGED = f"""
  {_ITEM}
  FROM (SELECT max(at) AS at, product FROM catalogue_change WHERE at > :after AND at <= :until GROUP BY product) AS change
  JOIN product ON product.id = change.product
  LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
  ORDER BY change.at
"""
_UNTIL = "SELECT max(at) FROM (SELECT at FROM catalogue_change WHERE at > :after ORDER BY at LIMIT :limit)"


class _Place(NamedTuple):
    """Where a till is: behind this change, and, while it copies, behind this product."""

    change: int
    copied: int | None


class MirrorItem(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A product as it is now, or, `gone`, only its SKU: take it out of the copy."""

    sku: str
    gone: bool = False
    name: Name | None = None
    unit: str = ""
    gtins: list[str] = []
    attributes: dict[str, str] = {}
    style: str | None = None
    category: str | None = None
    stocked: bool = True
    parts: list[Component] = []
    price: PriceView | None = None


class MirrorPage(Struct, frozen=True):
    """Changes behind `after`; `next` is always a cursor, to be kept with the copy. `more`: ask again at once.

    `reset`: the cursor was of another life of this hub; empty the copy, this page is the first of a new one.
    """

    items: list[MirrorItem]
    next: str
    more: bool
    reset: bool = False


async def mirror_page(db: Database, own: Replica, *, after: str, limit: int) -> MirrorPage:
    """Return the page behind a cursor, "" for the first."""
    life = own.incarnation
    newest = await _number(db, "SELECT coalesce(max(at), 0) FROM catalogue_change")
    place = _place(after, life)
    if place is not None and place.change <= newest:
        read = _changed if place.copied is None else _copied
        page = await read(db, life, place, newest=newest, limit=limit)
        if (
            await _number(db, "SELECT coalesce(min(at), 1) FROM catalogue_change") <= place.change + 1
        ):  # none was forgotten
            return page
    page = await _copied(db, life, _Place(newest, 0), newest=newest, limit=limit)
    return msgspec.structs.replace(page, reset=bool(after))


async def _copied(db: Database, life: str, place: _Place, *, newest: int, limit: int) -> MirrorPage:
    """Return products as they stand, and at the end of them the cursor of what has changed since the copy was begun."""
    rows = await db.search(_COPIED, {"copied": place.copied, "limit": limit + 1})
    if len(rows) > limit:
        return MirrorPage(_items(rows[:limit]), f"{life}.{place.change}.{rows[limit - 1][0]}", more=True)
    return MirrorPage(_items(rows), f"{life}.{place.change}", more=place.change < newest)


async def _changed(db: Database, life: str, place: _Place, *, newest: int, limit: int) -> MirrorPage:
    until = (await db.search(_UNTIL, {"after": place.change, "limit": limit}))[0][0] or place.change
    rows = await db.search(_CHANGED, {"after": place.change, "until": until})
    return MirrorPage(_items(rows), f"{life}.{until}", more=until < newest)


async def _number(db: Database, statement: str) -> int:
    rows = await db.search(statement, {})
    number: int = rows[0][0]
    return number


def forget_changes(tx: Connection, *, kept: int = CHANGES_KEPT, limit: int) -> int:
    """Forget some of the oldest, but for the newest `kept`; return how many. One stays: no number is given twice."""
    return tx.execute(
        """
        DELETE FROM catalogue_change WHERE at IN (
          SELECT at FROM catalogue_change WHERE at <= (SELECT max(at) FROM catalogue_change) - ? ORDER BY at LIMIT ?
        )
        """,
        (max(kept, 1), limit),
    ).rowcount


def _place(after: str, life: str) -> _Place | None:
    """Read a cursor; None for none, and for one of another life."""
    known, _, numbers = after.partition(".")
    if not after or known != life:
        return None
    change, _, copied = numbers.partition(".")
    return _Place(int(change), int(copied) if copied else None)


def _items(rows: list[Any]) -> list[MirrorItem]:
    return [_item(row) for row in rows]


def _item(row: Row | tuple[Any, ...]) -> MirrorItem:  # Any: a row of _ITEM
    _, sku, gone, style, category, zh_hant, en, attributes, gtins, unit, stocked, parts, amount, currency, per, n = row
    if gone:
        return MirrorItem(sku=sku, gone=True)
    return MirrorItem(
        sku=sku,
        name=Name(zh_hant=zh_hant, en=en),
        unit=unit,
        gtins=msgspec.json.decode(gtins),
        attributes=msgspec.json.decode(attributes),
        style=style,
        category=category,
        stocked=bool(stocked),
        parts=msgspec.json.decode(parts, type=list[Component]),
        price=None if amount is None else PriceView(amount, currency, per, n),
    )
