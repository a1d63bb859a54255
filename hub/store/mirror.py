"""The catalogue as a till copies it: a page of what has changed or gone since a cursor, in the order in which it changed here.

    cursor   <life of the hub>.<number of the change>; it outlives restarts, and is of no use in another life
    page     a SKU stands in it as it is now, at its last change; what changes while a till reads comes again behind its cursor

Prices are the catalogue's; price lists and promotions are GET /v1/pricing, stock has events of its own. Reads only.
"""

from sqlite3 import Row
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hub.store.model import PriceView
from sync.db import Database
from sync.model import Replica
from sync.retail.catalogue import Name
from sync.retail.stock import Component

PAGE_MAX = 1000
Cursor = Annotated[str, Meta(max_length=40, pattern=r"^([0-9a-f]{16}\.[0-9]{1,18})?\Z")]
_PAGE = """
  SELECT change.at, product.sku, product.gone, product.style, product.category, product.name_zh_hant, product.name_en,
         product.attributes, product.gtins, product.unit, product.stocked, product.parts,
         price.amount_minor, price.currency, price.per, price.n
  FROM catalogue_change AS change
  JOIN product ON product.id = change.product
  LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
  WHERE change.at > :after
  ORDER BY change.at
  LIMIT :limit
"""


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
    known, _, number = after.partition(".")
    last = int(number or 0)
    is_reset = bool(after) and (known != life or last > await _newest(db))
    rows = await db.search(_PAGE, {"after": 0 if is_reset else last, "limit": limit + 1})
    shown = rows[:limit]
    at = shown[-1][0] if shown else 0 if is_reset else last
    return MirrorPage([_item(row) for row in shown], f"{life}.{at}", more=len(rows) > limit, reset=is_reset)


async def _newest(db: Database) -> int:
    rows = await db.search("SELECT coalesce(max(at), 0) FROM catalogue_change", {})
    newest: int = rows[0][0]
    return newest


def _item(row: Row | tuple[Any, ...]) -> MirrorItem:  # Any: a row of _PAGE
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
