"""What head office asks of the cloud: sales, products, stores; the demo's line; health.

GET  /cloud/v1/sales/{sale_id}   GET /cloud/v1/stores                               (office)
POST /cloud/v1/products          GET /cloud/v1/products/{sku}                       (office)
GET  /cloud/v1/demo/line         POST /cloud/v1/demo/line                           (office, with demo_line = true)
GET  /healthz                    GET /readyz             GET /metrics               (open; metrics: this machine or office)
"""

import contextlib
import ipaddress
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct, field

from sync.cloud.catalogue import ENTRIES_MAX, Entry
from sync.cloud.web import views
from sync.cloud.web.allocation_routes import allocation_routes
from sync.cloud.web.audit import audit_routes
from sync.cloud.web.campaign_routes import campaign_routes
from sync.cloud.web.channel_routes import channel_routes
from sync.cloud.web.coupon_routes import coupon_routes
from sync.cloud.web.enrol_routes import enrol_routes
from sync.cloud.web.export_routes import export_routes
from sync.cloud.web.feed_routes import feed_routes
from sync.cloud.web.http import CLOUD, AnswerError, answer, holder_of, office, read_body
from sync.cloud.web.life_routes import life_routes
from sync.cloud.web.member_routes import member_routes
from sync.cloud.web.order_routes import order_routes
from sync.cloud.web.people_routes import people_routes
from sync.cloud.web.pricing_routes import pricing_routes
from sync.cloud.web.promise_routes import promise_routes
from sync.cloud.web.proposal_routes import proposal_routes
from sync.cloud.web.receipt_routes import receipt_routes
from sync.cloud.web.segment_routes import segment_routes
from sync.cloud.web.watch_routes import watch_routes
from sync.cloud.web.webhook_routes import webhook_routes
from sync.errors import SyncError
from sync.retail.catalogue.catalogue import check_price, check_product
from sync.store.replicas import touch


class PutRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Products to write in one job."""

    entries: Annotated[list[Entry], Meta(max_length=ENTRIES_MAX)]


class LineRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the stores reach the cloud."""

    is_up: bool = field(name="up")


_put_request = msgspec.json.Decoder(PutRequest)
_line_request = msgspec.json.Decoder(LineRequest)


async def get_sale(request: web.Request) -> web.StreamResponse:
    """One sale with its returns."""
    sale_id = request.match_info["sale_id"]
    sale = views.find_sale(request.app[CLOUD].books.db.read, sale_id)
    if sale is None:
        raise AnswerError(404, "sale", f"no sale {sale_id[:80]!r}")
    return answer(sale)


async def get_product(request: web.Request) -> web.StreamResponse:
    """What stands for a SKU."""
    sku = request.match_info["sku"]
    product = views.find_product(request.app[CLOUD].books.db.read, sku)
    if product is None:
        raise AnswerError(404, "product", f"no product {sku[:80]!r}")
    return answer(product)


async def post_products(request: web.Request) -> web.StreamResponse:
    """Import products and prices; all of them or none."""
    entries = (await read_body(request, _put_request)).entries
    for index, entry in enumerate(entries):
        for problem in (*check_product(entry.product), *check_price(entry.price)):
            pointer = problem.field if problem.field.startswith("/price/") else f"/product{problem.field}"
            detail = f"{problem.code}: {problem.detail}"
            raise AnswerError(422, "product_refused", detail, pointer=f"/entries/{index}{pointer}")
    return answer(await request.app[CLOUD].books.import_entries(entries))


async def get_stores(request: web.Request) -> web.StreamResponse:
    """Every store of the configuration, and every one that has ever sent something."""
    cloud = request.app[CLOUD]
    figures = views.store_figures(cloud.books.db.read)
    items = [_store_item(request, store, figures.get(store)) for store in sorted({*cloud.config.stores, *figures})]
    return answer({"items": items})


async def get_line(request: web.Request) -> web.StreamResponse:
    """Whether the demo's line is up."""
    return answer({"up": request.app[CLOUD].line.is_up})


async def post_line(request: web.Request) -> web.StreamResponse:
    """Cut the demo's line, or let it be."""
    line = request.app[CLOUD].line
    line.switch((await read_body(request, _line_request)).is_up)
    return answer({"up": line.is_up})


async def healthz(_: web.Request) -> web.StreamResponse:
    """The process lives and its loop turns."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """The cloud takes rows: the last commit went through."""
    books = request.app[CLOUD].books
    if books.db.fault is not None:  # try again now: without traffic nobody else would
        with contextlib.suppress(SyncError):
            await books.db.write(touch)
    if books.db.fault is not None:
        raise AnswerError(503, "not_ready", "the last commit failed")
    return answer({"status": "ready", "rep": books.replica.rep})


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus text, to this machine or to head office."""
    holder = holder_of(request)
    is_local = request.remote is not None and ipaddress.ip_address(request.remote).is_loopback
    if not is_local and (holder is None or holder.scope != "office"):
        raise AnswerError(401, "unauthorized")
    body = request.app[CLOUD].books.metrics.render()
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def routes(*, demo_line: bool) -> list[RouteDef]:
    """Return the routes beside the stores' WebSocket."""
    table = [
        web.get("/cloud/v1/sales/{sale_id}", office(get_sale)),
        web.get("/cloud/v1/products/{sku}", office(get_product)),
        web.post("/cloud/v1/products", office(post_products)),
        web.get("/cloud/v1/stores", office(get_stores)),
        *feed_routes(),
        *life_routes(),
        *enrol_routes(),
        *watch_routes(),
        *promise_routes(),
        *pricing_routes(),
        *member_routes(),
        *people_routes(),
        *segment_routes(),
        *coupon_routes(),
        *campaign_routes(),
        *order_routes(),
        *allocation_routes(),
        *proposal_routes(),
        *audit_routes(),
        *receipt_routes(),
        *webhook_routes(),
        *export_routes(),
        *channel_routes(),
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]
    if demo_line:
        table += [
            web.get("/cloud/v1/demo/line", office(get_line)),
            web.post("/cloud/v1/demo/line", office(post_line)),
        ]
    return table


def _store_item(request: web.Request, store: str, figures: dict[str, Any] | None) -> dict[str, Any]:
    """Return a store of the page: what the database knows, and how it is connected now. Any: JSON."""
    line = request.app[CLOUD].line
    connection = line.of(store)
    item: dict[str, Any] = {
        "store": store,
        "connected": connection is not None,
        "since": _utc(connection.since_ms) if connection else None,
        "last_seen": _utc(line.last_seen_ms[store]) if store in line.last_seen_ms else None,
        "clock_offset_ms": connection.clock_offset_ms if connection else None,
        "line_up": line.is_up,
    }
    item |= figures or views.no_figures()
    if connection is not None and connection.rep:
        item["rep"] = connection.rep
    if item["last_seen"] is None:
        item["last_seen"] = max((each["received_at"] for each in item["streams"]), default=None)
    return item


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
