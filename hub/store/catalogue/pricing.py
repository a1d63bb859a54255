"""Prices that stand at a moment, read for a quote and for a sale; and what a manager writes of them and of promotions.

    store_price                      this shop's manager, at any time; ships as the store's own
    price_list, list_price,          head office, by the cloud's scope; a shop without a cloud writes them itself
    promotion

A row that came and cannot be used (a date that is none) counts for nothing. Functions of a write job or of a read.
Not here: promotions as prices need them (hub.store.catalogue.promotions), what follows (sync.retail.catalogue.pricing,
sync.retail.catalogue.promotions, sync.retail.catalogue.quotes).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NotFoundError
from hub.store.model import Shop
from sync.kinds import Entity
from sync.model import Replica
from sync.retail.catalogue.price_lists import (
    LIST_PRICE,
    PRICE_LIST,
    PROMOTION,
    STORE_PRICE,
    ListPriceRow,
    PriceListRow,
    PromotionRow,
    StorePriceRow,
    window_of,
)
from sync.retail.catalogue.pricing import Listed, SetPrice, price_at
from sync.retail.catalogue.quotes import Goods
from sync.retail.names import Name
from sync.retail.windows import At
from sync.store.tables import table_of
from sync.store.writing import put_version

GRACE_MS = 24 * 3600 * 1000  # of an unsure clock: a shop that has no line and no battery is rarely off by more
PricingRow = PriceListRow | ListPriceRow | PromotionRow | StorePriceRow
_ENTITIES: dict[type[Struct], Entity] = {
    PriceListRow: PRICE_LIST,
    ListPriceRow: LIST_PRICE,
    PromotionRow: PROMOTION,
    StorePriceRow: STORE_PRICE,
}


class Pricing(Struct, frozen=True):
    """What stands: lists and promotions, the shop's own prices aside."""

    lists: list[PriceListRow]
    promotions: list[PromotionRow]


def at_moment(shop: Shop, moment: datetime, *, is_sure: bool) -> At:
    """Return a moment as windows read it."""
    return At(moment.astimezone(shop.zone), is_sure, GRACE_MS)


def goods_of(read: Connection, shop: Shop, skus: Sequence[str], at: At) -> dict[str, Goods]:
    """Return those of these SKUs that the catalogue has ever known, with what each costs at the moment."""
    rows = read.execute(
        """
        SELECT product.sku, product.unit, product.stocked, product.category, product.name_zh_hant, product.name_en,
          EXISTS (SELECT 1 FROM list_price WHERE list_price.sku = product.sku), price.amount_minor, price.per,
          store_price.amount_minor, store_price.per, store_price.valid_from, store_price.valid_until
        FROM json_each(?) AS wanted
        JOIN product ON product.sku = wanted.value
        LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
        LEFT JOIN store_price ON store_price.sku = product.sku AND store_price.store = ? AND store_price.gone = 0
        """,
        (_json(skus), shop.store_id),
    ).fetchall()
    in_lists = [row[0] for row in rows if row[6]]
    listed = _listed(read, shop, in_lists) if in_lists else {}
    return {
        sku: Goods(
            unit,
            bool(stocked),
            category,
            price_at(
                at,
                catalogue=None if amount is None else (amount, per),
                listed=listed.get(sku, ()),
                own=None if own[0] is None else _own(*own),
            ),
            Name(zh_hant, en),
        )
        for sku, unit, stocked, category, zh_hant, en, _, amount, per, *own in rows
    }


def put_rows(tx: Connection, replica: Replica, rows: Sequence[PricingRow]) -> int:
    """Write versions of registers, those that say nothing new aside; return how many were news."""
    return sum(_put(tx, replica, row) for row in rows)


def drop_store_price(tx: Connection, replica: Replica, shop: Shop, sku: str) -> StorePriceRow:
    """Take the shop's own price of a SKU back; raise NotFoundError where there is none."""
    standing = {row.sku: row for row in store_prices(tx, shop)}.get(sku)
    if standing is None:
        raise NotFoundError("store_price", f"{sku} has no price of this shop's own")
    _put(tx, replica, replace(standing, gone=True))
    return standing


def store_prices(read: Connection, shop: Shop) -> list[StorePriceRow]:
    """Return the shop's own prices, by SKU."""
    rows = read.execute(
        """
        SELECT sku, n, amount_minor, per, valid_from, valid_until, reason, set_by FROM store_price
        WHERE store = ? AND gone = 0 ORDER BY sku
        """,
        (shop.store_id,),
    ).fetchall()
    names = ("sku", "n", "amount", "per", "valid_from", "valid_until", "reason", "set_by")
    return [StorePriceRow(store=shop.store_id, **dict(zip(names, row, strict=True))) for row in rows]


def pricing(read: Connection) -> Pricing:
    """Return the lists and promotions that stand, in the order of their ids."""
    lists = read.execute(
        """
        SELECT list_id, n, scope, place, rank, valid_from, valid_until, name_zh_hant, name_en FROM price_list
        WHERE gone = 0 ORDER BY list_id
        """
    ).fetchall()
    promotions = read.execute(
        """
        SELECT promotion_id, n, does, count, pay_for, amount_minor, rate_bp, members_only, valid_from, valid_until,
          hour_from, hour_until, scope, place, skus, categories, weekdays, name_zh_hant, name_en
        FROM promotion WHERE gone = 0 ORDER BY promotion_id
        """
    ).fetchall()
    return Pricing([_list_row(*row) for row in lists], [_promotion_row(*row) for row in promotions])


def _put(tx: Connection, replica: Replica, row: PricingRow) -> bool:
    entity = _ENTITIES[type(row)]
    values = table_of(entity).values_of(row)
    names = [column.name for column in (*entity.key, *entity.columns)]
    where = " AND ".join(f"{column.name} = ?" for column in entity.key)
    stands = tx.execute(
        f"SELECT {', '.join(names)}, gone FROM {entity.table} WHERE {where}", values[: len(entity.key)]
    ).fetchone()
    if stands == (*values, int(row.gone)):
        return False
    put_version(tx, replica, entity, row)
    return True


def _listed(read: Connection, shop: Shop, skus: Sequence[str]) -> dict[str, list[Listed]]:
    listed: dict[str, list[Listed]] = {}
    rows = read.execute(
        """
        SELECT list_price.sku, list_price.list_id, price_list.scope, price_list.rank, list_price.amount_minor, list_price.per,
          price_list.valid_from, price_list.valid_until
        FROM json_each(?) AS wanted
        JOIN list_price ON list_price.sku = wanted.value AND list_price.gone = 0
        JOIN price_list ON price_list.list_id = list_price.list_id AND price_list.gone = 0
        WHERE price_list.scope <> 'store' OR price_list.place = ?
        """,
        (_json(skus), shop.store_id),
    ).fetchall()
    for sku, list_id, scope, rank, amount, per, *dates in rows:
        try:
            window = window_of(*dates)
        except ValueError:
            continue
        found = Listed(
            list_id=list_id,
            scope=scope,
            rank=rank,
            amount=amount,
            per=per,
            valid_from=window.valid_from,
            valid_until=window.valid_until,
        )
        listed.setdefault(sku, []).append(found)
    return listed


def _json(skus: Sequence[str]) -> str:
    return msgspec.json.encode(skus).decode()


def _own(amount: int, per: int, valid_from: str, valid_until: str) -> SetPrice | None:
    try:
        window = window_of(valid_from, valid_until)
    except ValueError:
        return None
    return SetPrice(amount=amount, per=per, valid_from=window.valid_from, valid_until=window.valid_until)


def _list_row(*row: Any) -> PriceListRow:  # Any: columns
    names = ("list_id", "n", "scope", "place", "rank", "valid_from", "valid_until")
    *said, zh_hant, en = row
    return PriceListRow(**dict(zip(names, said, strict=True)), name=Name(zh_hant, en))


def _promotion_row(*row: Any) -> PromotionRow:  # Any: columns
    *said, members_only, valid_from, valid_until, hour_from, hour_until, scope, place = row[:-5]
    skus, categories, weekdays, zh_hant, en = row[-5:]
    names = ("promotion_id", "n", "does", "count", "pay_for", "amount", "rate_bp")
    return PromotionRow(
        **dict(zip(names, said, strict=True)),
        name=Name(zh_hant, en),
        scope=scope,
        place=place,
        members_only=bool(members_only),
        valid_from=valid_from,
        valid_until=valid_until,
        hour_from=hour_from,
        hour_until=hour_until,
        skus=json.loads(skus),
        categories=json.loads(categories),
        weekdays=json.loads(weekdays),
    )
