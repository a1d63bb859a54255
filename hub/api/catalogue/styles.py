"""GET /v1/styles/{style}: the other size, the other colour; here, or in which branch."""

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.store.catalogue.pricing import at_moment
from hub.store.catalogue.styles import StyleView, style_view


async def get_style(call: Call) -> Reply:
    """GET /v1/styles/{style}"""
    hub = call.hub
    at = at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure)
    return Reply(style_view(hub.db.read, hub.shop, call.path["style"], at=at, now_ms=hub.now_ms()))


ROUTES = (
    Route(
        "GET",
        "/v1/styles/{style}",
        get_style,
        "A style: every colour and size, here and at the other branches",
        STAFF,
        StyleView,
        problems=(404,),
    ),
)
