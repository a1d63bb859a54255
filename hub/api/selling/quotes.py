"""POST /v1/quotes: what a basket comes to in this shop now."""

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.store.catalogue.quotes import Quote, QuoteRequest, quote


async def post_quote(call: Call) -> Reply:
    """POST /v1/quotes"""
    hub = call.hub
    return Reply(quote(hub.db.read, hub.shop, call.body, moment=hub.now, is_sure=hub.clock.is_sure))


ROUTES = (
    Route(
        "POST",
        "/v1/quotes",
        post_quote,
        "What a basket comes to: prices, promotions, tax",
        STAFF,
        Quote,
        body=QuoteRequest,
        problems=(422,),
    ),
)
