"""Look-up: products by SKU, GTIN, scan and words; stock."""

from sqlite3 import Connection
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from devices.codecs.gs1 import parse_label
from devices.codecs.gtin import gtin14
from devices.errors import LabelError
from devices.model import Measure
from hub.api.paging import cut
from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError, RefusedError
from hub.store.catalogue import products
from hub.store.catalogue.price_tags import with_prices
from hub.store.catalogue.pricing import at_moment
from hub.store.model import Item, MeasureView
from hub.store.staff.tills import Scope
from hub.store.stock import stock
from hub.store.stock.availability import with_stock
from hub.store.stock.stock import Moved, Movement
from sync.retail.selling.sales import Id, ShortText, Sku
from sync.retail.stock.movements import Qty

STAFF: frozenset[Scope] = frozenset({"till", "manager"})
Label = Annotated[str, Meta(max_length=4096)]
Word = Annotated[str, Meta(max_length=200)]


class ProductQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One of `gtin`, `scan` (raw label) or `q` (words), or none for all; `after` is the `next` of the page before."""

    gtin: Word | None = None
    scan: Label | None = None
    q: Word | None = None
    after: Word = ""
    limit: Annotated[int, Meta(ge=1, le=products.PAGE_MAX)] = 50


class MovementRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Goods in (positive) or out (negative) of one SKU, in the product's unit. `movement_id` is made by the client."""

    movement_id: Id
    sku: Sku
    qty: Qty
    reason: Literal["receive", "adjust"]
    note: ShortText = ""


class ProductPage(Struct, frozen=True):
    """Products in the order of their SKU, those of a search as they came in; `next` goes into `after`, null on the last page."""

    items: list[Item]
    next: str | None = None


async def list_products(call: Call) -> Reply:
    """GET /v1/products"""
    hub, query = call.hub, call.query
    location = hub.shop.location
    if query.gtin is not None or query.scan is not None:
        with hub.db.snapshot():
            item = _by_gtin(call, query.gtin) if query.gtin is not None else by_scan(call, query.scan)
            return Reply(_page_of(call, item))
    if query.q is not None:
        items = await products.search_items(
            hub.db, query.q, location=location, after=query.after, limit=query.limit + 1
        )
    else:
        items = await products.list_items(hub.db, location=location, after=query.after, limit=query.limit + 1)
    shown, behind = cut(items, query.limit, name=lambda item: item.sku)
    with hub.db.snapshot():
        return Reply(ProductPage(_as_sold(call, shown), behind))


async def get_product(call: Call) -> Reply:
    """GET /v1/products/{sku}"""
    with call.hub.db.snapshot():
        return Reply(_with_prices(call, [known_item(call, call.path["sku"])])[0])


async def post_movement(call: Call) -> Reply:
    """POST /v1/stock/movements"""
    hub, said = call.hub, call.body
    if said.qty == 0:
        raise RefusedError("quantity_zero", "a movement of 0 moves nothing", pointer="/qty")
    movement = Movement(said.movement_id, said.sku, said.qty, said.reason, said.note)
    now_ms = hub.now_ms()

    def announce(moved: Moved) -> None:
        if not moved.repeated:
            hub.bus.publish("stock", {moved.sku: moved.on_hand}, now_ms=hub.now_ms())

    def job(tx: Connection) -> Moved:
        return stock.move(tx, hub.replica, movement, location=hub.shop.location, now_ms=now_ms, actor=call.actor)

    moved = await hub.db.write(job, then=announce)
    return Reply(moved, 200 if moved.repeated else 201)


def by_scan(call: Call, label: str) -> Item | None:
    """Return the product of a raw label, with what a variable-measure label says; raise RefusedError for a bad label."""
    scan = parse_label(label, variable_measures=call.hub.variable_measures)
    if scan.error is not None:
        raise RefusedError("scan_label", f"the label is refused: {scan.error}", pointer="/scan")
    if scan.gtin is None:
        return products.item_by_sku(call.hub.db.read, label, location=call.hub.shop.location)
    item = products.item_by_gtin(call.hub.db.read, scan.gtin, location=call.hub.shop.location)
    if item is None or scan.measure is None:
        return item
    return structs.replace(item, measure=measure_view(scan.measure))


def measure_view(measure: Measure) -> MeasureView:
    """Return a label's measure as tills see it."""
    return MeasureView(amount=measure.value) if measure.kind == "price_minor" else MeasureView(qty=measure.value)


def _by_gtin(call: Call, text: str) -> Item | None:
    try:
        gtin = gtin14(text)
    except LabelError as err:
        raise RefusedError("scan_label", str(err), pointer="/gtin") from err
    return products.item_by_gtin(call.hub.db.read, gtin, location=call.hub.shop.location)


def _page_of(call: Call, item: Item | None) -> ProductPage:
    return ProductPage(_as_sold(call, [item]) if item else [])


def _as_sold(call: Call, items: list[Item]) -> list[Item]:
    return _with_prices(call, with_stock(call.hub.db.read, call.hub.shelf, items))


def _with_prices(call: Call, items: list[Item]) -> list[Item]:
    hub = call.hub
    return with_prices(hub.db.read, hub.shop, items, at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure))


def known_item(call: Call, sku: str) -> Item:
    """Return a product at the catalogue's price; raise NotFoundError."""
    item = products.item_by_sku(call.hub.db.read, sku, location=call.hub.shop.location)
    if item is None:
        raise NotFoundError("product", f"no product {sku!r}")
    return with_stock(call.hub.db.read, call.hub.shelf, [item])[0]


ROUTES = (
    Route(
        "GET",
        "/v1/products",
        list_products,
        "Look up products",
        STAFF,
        ProductPage,
        query=ProductQuery,
        problems=(422,),
    ),
    Route("GET", "/v1/products/{sku}", get_product, "One product", STAFF, Item, problems=(404,)),
    Route(
        "POST",
        "/v1/stock/movements",
        post_movement,
        "Receive or adjust stock",
        STAFF,
        Moved,
        body=MovementRequest,
        duty="stock.move",
        status=201,
        statuses=(200,),
        problems=(409, 422, 503),
    ),
)
