"""Papers of orders: the pick list, a parcel's label. Each as figures, as a page to print, as a document for POST /v1/print."""

from msgspec import Struct

from devices.document import Document
from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.receipt_page import paper_page, qr_svg
from hub.store.orders.order_papers import PickLine, label_paper, pick_lines, pick_paper
from hub.store.orders.order_views import PAGE_MAX, order_page, order_view
from sync.retail.orders.orders import OrderState

TO_PICK = (OrderState.ALLOCATED, OrderState.PICKING)


class PickList(Struct, frozen=True):
    """What is to be picked for the next orders that this hub owns. `more`: there are others behind these."""

    orders: list[str]
    lines: list[PickLine]
    more: bool
    document: Document
    html: str


class LabelView(Struct, frozen=True):
    """A parcel's label; `qr_svg` says the order's number."""

    order_id: str
    document: Document
    qr_svg: str
    html: str


async def get_picklist(call: Call) -> Reply:
    """GET /v1/orders/picklist"""
    hub = call.hub
    found = order_page(hub.db.read, hub.replica, states=TO_PICK, after="", limit=PAGE_MAX)
    ours = [order for order in found if order.ours]
    lines = pick_lines(ours)
    document = pick_paper(hub.shop, lines)
    html = paper_page("揀貨單 Pick list", document)
    return Reply(PickList([order.order_id for order in ours], lines, len(found) == PAGE_MAX, document, html))


async def get_label(call: Call) -> Reply:
    """GET /v1/orders/{order_id}/label"""
    hub = call.hub
    order = order_view(hub.db.read, hub.replica, call.path["order_id"])
    document = label_paper(hub.shop, order)
    html = paper_page(f"訂單 Order {order.order_id}", document)
    return Reply(LabelView(order.order_id, document, qr_svg(order.order_id), html))


ROUTES = (
    Route("GET", "/v1/orders/picklist", get_picklist, "What is to be picked, by SKU", STAFF, PickList),
    Route(
        "GET",
        "/v1/orders/{order_id}/label",
        get_label,
        "The label of an order's parcel",
        STAFF,
        LabelView,
        problems=(404,),
    ),
)
