"""How much there is of a SKU, here and at the other branches with the age of each figure; how much stays on the shelf."""

from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF, known_item
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError
from hub.store.model import StockView
from hub.store.stock.availability import put_safety_stock, standings
from hub.store.stock.branches import BranchStock, SizeStock, elsewhere, sizes
from sync.retail.stock.safety import SafetyQty


class StockAnswer(Struct, frozen=True):
    """Stock in the product's unit: at this shop, now; at the other branches, as it was known; of the other SKUs of its style.

    `available` = `right` (on hand less `promised`, where no rights are shared: null) - `safety_stock` - `held`, never below 0.
    Of a kit, which has no figures of its own, only `stock` is told.
    """

    sku: str
    unit: str
    stock: StockView
    right: int | None = None
    held: int = 0
    safety_stock: int = 0
    branches: list[BranchStock] = []
    sizes: list[SizeStock] = []


class SafetyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What stays on the shelf of a SKU; null: the shop's default counts again."""

    qty: SafetyQty | None


class SafetyAnswer(Struct, frozen=True):
    """What stays on the shelf of a SKU."""

    sku: str
    safety_stock: int


async def get_stock(call: Call) -> Reply:
    """GET /v1/stock/{sku}"""
    hub, item = call.hub, known_item(call, call.path["sku"])
    if item.stock is None:
        raise NotFoundError("not_stocked", f"{item.sku} has no stock of its own")
    read, shop = hub.db.read, hub.shop
    standing = None if item.parts else standings(read, hub.shelf, [item.sku])[item.sku]
    return Reply(
        StockAnswer(
            item.sku,
            item.unit,
            item.stock,
            right=standing.right if standing else None,
            held=standing.held if standing else 0,
            safety_stock=standing.safety_stock if standing else 0,
            branches=elsewhere(read, item.sku, store=shop.store_id, now_ms=hub.now_ms()),
            sizes=sizes(read, item, store=shop.store_id, location=shop.location),
        )
    )


async def put_safety(call: Call) -> Reply:
    """PUT /v1/stock/{sku}/safety-stock"""
    hub, item = call.hub, known_item(call, call.path["sku"])
    if item.stock is None or item.parts:
        raise NotFoundError("not_stocked", f"{item.sku} has no stock of its own")
    shelf, qty = hub.shelf, call.body.qty
    counts = await hub.db.write(lambda tx: put_safety_stock(tx, shelf, item.sku, qty, actor=call.actor))
    return Reply(SafetyAnswer(item.sku, counts))


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
    Route(
        "PUT",
        "/v1/stock/{sku}/safety-stock",
        put_safety,
        "How much of a SKU stays on the shelf",
        MANAGER,
        SafetyAnswer,
        body=SafetyRequest,
        problems=(403, 404, 422, 503),
    ),
)
