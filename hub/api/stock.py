"""GET /v1/stock/{sku}: how much there is, here and at the other branches, each with the age of the figure."""

from msgspec import Struct

from hub.api.catalogue import STAFF, known_item
from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError
from hub.store.branches import BranchStock, SizeStock, elsewhere, sizes
from hub.store.model import StockView


class StockAnswer(Struct, frozen=True):
    """Stock in the product's unit: at this shop, now; at the other branches, as it was known; of the other SKUs of its style."""

    sku: str
    unit: str
    stock: StockView
    branches: list[BranchStock] = []
    sizes: list[SizeStock] = []


async def get_stock(call: Call) -> Reply:
    """GET /v1/stock/{sku}"""
    hub, item = call.hub, known_item(call, call.path["sku"])
    if item.stock is None:
        raise NotFoundError("not_stocked", f"{item.sku} has no stock of its own")
    read, shop = hub.db.read, hub.shop
    return Reply(
        StockAnswer(
            item.sku,
            item.unit,
            item.stock,
            branches=elsewhere(read, item.sku, store=shop.store_id, now_ms=hub.now_ms()),
            sizes=sizes(read, item, store=shop.store_id, location=shop.location),
        )
    )


ROUTES = (
    Route(
        "GET",
        "/v1/stock/{sku}",
        get_stock,
        "Stock of a SKU: here, and at the other branches with the age of each figure",
        STAFF,
        StockAnswer,
        problems=(404,),
    ),
)
