"""GET /v1/catalogue: the whole catalogue for a till that keeps a copy, and from then on what has changed or gone."""

from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.store.catalogue.mirror import PAGE_MAX, Cursor, MirrorPage, mirror_page


class MirrorQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is the `next` of the last page that the copy took; empty for a first copy."""

    after: Cursor = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 500


async def get_catalogue(call: Call) -> Reply:
    """GET /v1/catalogue"""
    query, hub = call.query, call.hub
    return Reply(await mirror_page(hub.db, hub.replica, after=query.after, limit=query.limit))


ROUTES = (
    Route(
        "GET",
        "/v1/catalogue",
        get_catalogue,
        "What of the catalogue has changed or gone since a cursor",
        STAFF,
        MirrorPage,
        query=MirrorQuery,
        problems=(422, 503),
        is_bulk=True,
    ),
)
