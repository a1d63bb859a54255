"""What head office, channels and warehouses ask of allocation. Office tokens.

GET  /cloud/v1/availability?after=&limit=          figures that have changed behind a number, each SKU once, with its newest
GET  /cloud/v1/availability?sku=                   the figure of one SKU at this moment
GET  /cloud/v1/orders/{order_id}/allocation        candidates, who was chosen and why, in both languages
POST /cloud/v1/orders/{order_id}/give-up           the rest is not looked for any more: the order ends with what it has
GET  /cloud/v1/allocation/unfulfilled?after=       orders that nobody can send whole, and what that costs
GET  /cloud/v1/locations                           the declared places
POST /cloud/v1/locations/{name}/stock              what is there, of a place without a hub: JSON, or CSV `sku,on_hand`
POST /cloud/v1/orders/{parcel_id}/steps            how far a parcel is, at a place without a hub
"""

import csv
import io
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.allocation.availability import Available, availability, changes
from sync.cloud.allocation.explaining import Unfulfilled, allocation_view, unfulfilled
from sync.cloud.allocation.locations import Figure
from sync.cloud.allocation.settings import Location
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.errors import RuleError
from sync.retail.orders.order_rows import ORDER_LINES_MAX, ShortLine
from sync.retail.orders.orders import OrderState
from sync.retail.selling.sales import Moment, ShortText

PAGE_MAX = 1000
LIST_MAX = 200
FIGURES_MAX = 5000  # of one request; more are sent with the next one


class AvailabilityQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures behind `after`, which is `next` of the page before; or that of a SKU."""

    sku: Annotated[str, Meta(max_length=64)] = ""
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_MAX


class AvailabilityPage(Struct, frozen=True):
    """Figures in the order in which they changed; `next` is where the next page begins, also behind the last one."""

    items: list[Available]
    next: int
    more: bool


class AvailableNow(Struct, frozen=True):
    """What may be promised of a SKU at this moment."""

    sku: str
    available: int


class UnfulfilledQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Orders behind one."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=LIST_MAX)] = 50


class UnfulfilledPage(Struct, frozen=True):
    """Orders by id; `next` is empty on the last page."""

    items: list[Unfulfilled]
    next: str = ""


class StockRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is there; `as_of`: when it was counted or exported, now when left out. An older word than is known is passed over."""

    figures: Annotated[list[Figure], Meta(max_length=FIGURES_MAX)]
    as_of: Moment | None = None


class StockQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """When a CSV was exported."""

    as_of: Moment | None = None


class StepRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a parcel is. `short`: of lines, how much was not there."""

    state: Literal["picking", "ready", "shipped", "collected", "cancelled"]
    short: Annotated[tuple[ShortLine, ...], Meta(max_length=ORDER_LINES_MAX)] = ()
    reason: ShortText = ""


_stock = msgspec.json.Decoder(StockRequest)
_step = msgspec.json.Decoder(StepRequest)


async def get_availability(request: web.Request) -> web.StreamResponse:
    """What the web may sell."""
    query, read = read_query(request, AvailabilityQuery), request.app[CLOUD].books.db.read
    if query.sku:
        return answer(AvailableNow(query.sku, availability(read, skus=[query.sku])[query.sku]))
    items = changes(read, after=query.after, limit=query.limit)
    return answer(AvailabilityPage(items, items[-1].n if items else query.after, len(items) == query.limit))


async def get_allocation(request: web.Request) -> web.StreamResponse:
    """Who was chosen, who was not, and why."""
    order_id = request.match_info["order_id"]
    found = allocation_view(request.app[CLOUD].books.db.read, order_id)
    if found is None:
        raise _unknown(order_id)
    return answer(found)


async def post_give_up(request: web.Request) -> web.StreamResponse:
    """Look for the rest of an order no more."""
    order_id = request.match_info["order_id"]
    if not await request.app[CLOUD].allocator.give_up(order_id):
        raise _unknown(order_id)
    return await get_allocation(request)


async def get_unfulfilled(request: web.Request) -> web.StreamResponse:
    """Orders that nobody can send whole."""
    query = read_query(request, UnfulfilledQuery)
    items = unfulfilled(request.app[CLOUD].books.db.read, after=query.after, limit=query.limit)
    return answer(UnfulfilledPage(items, items[-1].order_id if len(items) == query.limit else ""))


async def get_locations(request: web.Request) -> web.StreamResponse:
    """The declared places."""
    return answer({"items": request.app[CLOUD].allocator.settings.locations})


async def post_stock(request: web.Request) -> web.StreamResponse:
    """What is there, of a place without a hub."""
    location, cloud = _location(request), request.app[CLOUD]
    if request.content_type == "text/csv":
        as_of, figures = read_query(request, StockQuery).as_of, _figures(await request.read())
    else:
        said = await read_body(request, _stock)
        as_of, figures = said.as_of, said.figures
    now_ms = cloud.books.now_ms()
    as_of_ms = min(now_ms, int(as_of.timestamp() * 1000)) if as_of else now_ms
    try:
        taken = await cloud.allocator.set_stock(location, figures, as_of_ms=as_of_ms)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    at = datetime.fromtimestamp(as_of_ms / 1000, UTC)
    return answer({"name": location.name, "taken": taken.taken, "older": taken.older, "as_of": at})


async def post_step(request: web.Request) -> web.StreamResponse:
    """How far a parcel is, at a place without a hub."""
    said, parcel_id = await read_body(request, _step), request.match_info["order_id"]
    try:
        is_known = await request.app[CLOUD].allocator.take_step(
            parcel_id, OrderState(said.state), short=said.short, reason=said.reason
        )
    except RuleError as err:
        raise AnswerError(
            422 if err.pointer.startswith("/short") else 409, err.code, err.detail, pointer=err.pointer
        ) from err
    if not is_known:
        raise _unknown(parcel_id)
    return answer({"order_id": parcel_id, "state": said.state})


def allocation_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.get("/cloud/v1/availability", office(get_availability)),
        web.get("/cloud/v1/allocation/unfulfilled", office(get_unfulfilled)),
        web.get("/cloud/v1/orders/{order_id}/allocation", office(get_allocation)),
        web.post("/cloud/v1/orders/{order_id}/give-up", office(post_give_up)),
        web.post("/cloud/v1/orders/{order_id}/steps", office(post_step)),
        web.get("/cloud/v1/locations", office(get_locations)),
        web.post("/cloud/v1/locations/{name}/stock", office(post_stock)),
    ]


def _location(request: web.Request) -> Location:
    name, known = request.match_info["name"], request.app[CLOUD].allocator.settings.locations
    found = next((each for each in known if each.name == name), None)
    if found is None:
        detail = f"no location {name[:64]!r}; known: {', '.join(each.name for each in known)}"
        raise AnswerError(404, "location", detail)
    return found


def _figures(raw: bytes) -> list[Figure]:
    """Return the figures of a CSV with a head line; raise AnswerError naming the line."""
    try:
        lines = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as err:
        raise AnswerError(400, "unreadable", f"not a CSV in UTF-8: {err}") from err
    if len(lines) > FIGURES_MAX:
        raise AnswerError(413, "too_large", f"{len(lines)} figures; send {FIGURES_MAX} at most")
    figures = []
    for number, line in enumerate(lines, 2):
        try:
            figures.append(
                msgspec.convert({"sku": line.get("sku"), "on_hand": line.get("on_hand")}, Figure, strict=False)
            )
        except msgspec.ValidationError as err:
            raise AnswerError(422, "invalid_field", f"line {number}: {err}", pointer=f"/{number}") from err
    return figures


def _unknown(order_id: str) -> AnswerError:
    return AnswerError(404, "order", f"no order {order_id[:64]!r} for which places are found")
