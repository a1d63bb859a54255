"""A style: its colours and sizes, what each costs, how many there are here and at the other branches with their age. Reads."""

from sqlite3 import Connection

from msgspec import Struct

from hub.errors import NotFoundError
from hub.store.catalogue.pricing import goods_of
from hub.store.catalogue.products import items_of_style
from hub.store.model import Shop, StockView
from hub.store.stock.branches import BranchStock, elsewhere
from sync.retail.catalogue.pricing import Effective
from sync.retail.catalogue.sizes import in_order_of_size
from sync.retail.names import Name
from sync.retail.windows import At

SKUS_MAX = 200  # of one style that are shown, in the order of their SKU; a style with more is no style


class StyleItem(Struct, frozen=True, omit_defaults=True):
    """A colour and size. `stock` is of this shop, now; absent for goods that have none of their own."""

    sku: str
    name: Name
    attributes: dict[str, str]
    gtins: list[str]
    price: Effective | None = None
    stock: StockView | None = None
    branches: list[BranchStock] = []


class StyleView(Struct, frozen=True):
    """A style; `attributes` has each colour, size and so on that occurs: sizes from small to large, others as SKUs name them."""

    style: str
    attributes: dict[str, list[str]]
    items: list[StyleItem]


def style_view(read: Connection, shop: Shop, style: str, *, at: At, now_ms: int) -> StyleView:
    """Return a style; raise NotFoundError where no product is of it."""
    found = items_of_style(read, style, location=shop.location, limit=SKUS_MAX)
    if not found:
        raise NotFoundError("style", f"no product of style {style!r}")
    goods = goods_of(read, shop, [item.sku for item in found], at)
    attributes: dict[str, list[str]] = {}
    for item in found:
        for name, value in item.attributes.items():
            if value not in (values := attributes.setdefault(name, [])):
                values.append(value)
    items = [
        StyleItem(
            sku=item.sku,
            name=item.name,
            attributes=item.attributes,
            gtins=item.gtins,
            price=goods[item.sku].price,
            stock=item.stock,
            branches=elsewhere(read, item.sku, store=shop.store_id, now_ms=now_ms),
        )
        for item in found
    ]
    return StyleView(style, {name: in_order_of_size(values) for name, values in attributes.items()}, items)
