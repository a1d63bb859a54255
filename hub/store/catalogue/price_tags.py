"""What look-ups tell of prices: what the shop asks for now and who says so, and which promotions are open for the goods. Reads.

    price            as a sale of now would have it before promotions; the same function as a quote's
                     (hub.store.catalogue.pricing)
    catalogue_price  where the catalogue says another
    promotions       those for the goods whose window is open; a members' one says so

Not here: what a basket comes to (hub.store.catalogue.quotes).
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec.structs import replace

from hub.store.catalogue.pricing import goods_of
from hub.store.catalogue.promotions import live_promotions
from hub.store.model import Item, PriceNow, PriceView, PromotionView, Shop
from sync.retail.catalogue.promotions import BasketLine, Promotion, takes_part
from sync.retail.catalogue.quotes import Goods
from sync.retail.windows import At, Opening, opening_at


def with_prices(read: Connection, shop: Shop, items: Sequence[Item], at: At) -> list[Item]:
    """Return products that have the catalogue's price with the price of now and what promotions there are for them."""
    others = _priced_otherwise(read, shop, items)
    goods = goods_of(read, shop, others, at) if others else {}
    offers = [
        (each, opening)
        for each in live_promotions(read, shop, at, skus={item.sku for item in items})
        if (opening := opening_at(each, at)) is not Opening.CLOSED
    ]
    priced = [_priced(shop, item, goods.get(item.sku)) for item in items]
    return [_offered(item, offers) for item in priced] if offers else priced


def _priced_otherwise(read: Connection, shop: Shop, items: Sequence[Item]) -> list[str]:
    """Return the SKUs of which somebody beside the catalogue says a price, whether or not it counts now."""
    rows = read.execute(
        """
        SELECT value FROM json_each(?1) AS wanted
        WHERE EXISTS (SELECT 1 FROM list_price WHERE list_price.sku = wanted.value AND gone = 0)
          OR EXISTS (SELECT 1 FROM store_price WHERE store = ?2 AND store_price.sku = wanted.value AND gone = 0)
        """,
        (msgspec.json.encode([item.sku for item in items]).decode(), shop.store_id),
    ).fetchall()
    return [sku for (sku,) in rows]


def _priced(shop: Shop, item: Item, goods: Goods | None) -> Item:
    now = goods.price if goods is not None else None
    if now is None or now.source == "catalogue":
        return item
    said = item.price
    price = PriceNow(
        now.amount,
        shop.currency,
        now.per,
        said.version if said else 0,
        now.source,
        now.reference,
        by_grace=now.by_grace,
    )
    if said is None or (said.amount, said.per) == (now.amount, now.per):
        return replace(item, price=price)
    return replace(item, price=price, catalogue_price=PriceView(said.amount, said.currency, said.per, said.version))


def _offered(item: Item, offers: Sequence[tuple[Promotion, Opening]]) -> Item:
    if item.price is None:
        return item
    line = BasketLine(
        line=1,
        sku=item.sku,
        category=item.category,
        qty=1,
        unit_price=item.price.amount,
        per=item.price.per,
        unit=item.unit,
    )
    found = [_view(each, opening) for each, opening in offers if takes_part(each, line)]
    return replace(item, promotions=found) if found else item


def _view(promotion: Promotion, opening: Opening) -> PromotionView:
    return PromotionView(
        promotion_id=promotion.promotion_id,
        name=promotion.name,
        does=promotion.kind,
        count=promotion.count,
        pay_for=promotion.pay_for,
        amount=promotion.amount,
        rate_bp=promotion.rate_bp,
        members_only=promotion.members_only,
        by_grace=opening is Opening.GRACE,
    )
