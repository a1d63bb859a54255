"""POST /v1/quotes: what a basket comes to in this shop now."""

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.store.catalogue.pricing import at_moment
from hub.store.catalogue.quotes import Quote, QuoteRequest, quote
from hub.store.people.coupon_quotes import CouponDesk


async def post_quote(call: Call) -> Reply:
    """POST /v1/quotes"""
    hub = call.hub
    desk = CouponDesk(
        hub.db.read,
        hub.replica,
        hub.shop,
        hub.coupons.terms,
        at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure),
        hub.today,
        is_line_up=hub.coupons.may_ask,
    )
    return Reply(quote(hub.db.read, hub.shop, call.body, desk))


ROUTES = (
    Route(
        "POST",
        "/v1/quotes",
        post_quote,
        "What a basket comes to: prices, promotions, coupons, tax",
        STAFF,
        Quote,
        body=QuoteRequest,
        problems=(422,),
    ),
)
