"""What head office and channels ask of allocation: what the web may sell.

GET /cloud/v1/availability?after=&limit=   figures that have changed behind a number, each SKU once, with its newest   (office)
GET /cloud/v1/availability?sku=            the figure of one SKU at this moment                                          (office)
"""

from typing import Annotated

from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.allocation.availability import Available, availability, changes
from sync.cloud.web.http import CLOUD, answer, office, read_query

PAGE_MAX = 1000


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


async def get_availability(request: web.Request) -> web.StreamResponse:
    """What the web may sell."""
    query, read = read_query(request, AvailabilityQuery), request.app[CLOUD].books.db.read
    if query.sku:
        return answer(AvailableNow(query.sku, availability(read, skus=[query.sku])[query.sku]))
    items = changes(read, after=query.after, limit=query.limit)
    return answer(AvailabilityPage(items, items[-1].n if items else query.after, len(items) == query.limit))


def allocation_routes() -> list[RouteDef]:
    """Return the routes."""
    return [web.get("/cloud/v1/availability", office(get_availability))]
