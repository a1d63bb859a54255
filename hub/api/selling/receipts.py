"""A receipt where there is no printer: its link and QR for a till, its page for the customer.

GET /v1/sales/{sale_id}/receipt   a till          where the page is, and the QR that says so
GET /r/{code}                     whoever has it  the page: HTML, no script, no personal data
"""

from importlib import resources

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import RUNTIME, Call, Reply, Route
from hub.errors import NotFoundError
from hub.receipt_page import qr_png, qr_svg, receipt_page
from hub.store.selling import sales
from hub.store.selling.receipt_links import link_code, sale_of_code
from hub.store.selling.returns import returned_by_line, returned_for

NO_RECEIPT = "no-receipt.html"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ReceiptLink(Struct, frozen=True):
    """Where a receipt's page is. `qr_svg` is an SVG element, `qr_png` a picture in base64."""

    sale_id: str
    url: str
    qr_svg: str
    qr_png: str


async def get_receipt(call: Call) -> Reply:
    """GET /v1/sales/{sale_id}/receipt"""
    hub = call.hub
    view = sales.find_sale(hub.db.read, call.path["sale_id"])
    if view is None:
        raise NotFoundError("sale", f"no sale {call.path['sale_id']!r}")
    url = f"{hub.config.receipt_url}/r/{link_code(view.receipt_code, hub.receipt_key)}"
    return Reply(ReceiptLink(view.fact.sale.sale_id, url, qr_svg(url), qr_png(url)))


async def get_page(request: web.Request) -> web.StreamResponse:
    """GET /r/{code}"""
    hub = request.app[RUNTIME]
    view = sale_of_code(hub.db.read, request.match_info["code"], hub.receipt_key)
    if view is None:
        body = resources.files("hub.console").joinpath(NO_RECEIPT).read_text(encoding="utf-8")
        return web.Response(status=404, text=body, content_type="text/html", headers=_HEADERS)
    shown = replace(view, returned=returned_by_line(hub.db.read, view.fact.sale.sale_id))
    body = receipt_page(hub.shop, shown, hub.name_of, returned_for(hub.db.read, view.fact.sale))
    return web.Response(text=body, content_type="text/html", headers=_HEADERS)


ROUTES = (
    Route(
        "GET",
        "/v1/sales/{sale_id}/receipt",
        get_receipt,
        "The link and QR of a receipt's page",
        STAFF,
        ReceiptLink,
        problems=(404,),
    ),
)
