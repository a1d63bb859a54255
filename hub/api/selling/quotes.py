"""POST /v1/quotes: what a basket comes to in this shop now."""

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.store.catalogue.pricing import at_moment
from hub.store.catalogue.quotes import Quote, QuoteRequest, quote
from hub.store.people.coupon_quotes import CouponDesk
from hub.store.people.point_quotes import PointDesk
from hub.store.selling.days import day_of


async def post_quote(call: Call) -> Reply:
    """POST /v1/quotes"""
    hub = call.hub
    day = day_of(hub.db.read, hub.shop, hub.now, now_ms=hub.now_ms()).business_date
    desk = CouponDesk(
        hub.db.read,
        hub.replica,
        hub.shop,
        hub.coupons.terms,
        at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure),
        day,
        is_line_up=hub.coupons.may_ask,
    )
    points = PointDesk(hub.db.read, hub.shop, day, is_line_up=hub.point_holds.may_ask)
    return Reply(quote(hub.db.read, hub.shop, call.body, desk, points))


ROUTES = (
    Route(
        "POST",
        "/v1/quotes",
        post_quote,
        "What a basket comes to: prices, promotions, coupons, points, tax",
        STAFF,
        Quote,
        body=QuoteRequest,
        problems=(422,),
    ),
)
