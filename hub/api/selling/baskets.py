"""Parking a basket and taking it up again, at this till or another: /v1/baskets."""

from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.staff.tills import check_till
from hub.store.selling import baskets
from hub.store.selling.baskets import Basket, BasketView


class BasketList(Struct, frozen=True):
    """What is parked today, the oldest first."""

    items: list[BasketView]


async def post_basket(call: Call) -> Reply:
    """POST /v1/baskets"""
    hub, basket = call.hub, call.body
    check_till(call, basket.till_id, what="basket")
    now_ms, today = hub.now_ms(), hub.today
    view, is_new = await hub.db.write(lambda tx: baskets.park(tx, basket, business_date=today, now_ms=now_ms))
    return Reply(view, 201 if is_new else 200)


async def list_baskets(call: Call) -> Reply:
    """GET /v1/baskets"""
    return Reply(BasketList(baskets.waiting_baskets(call.hub.db.read, today=call.hub.today)))


async def get_basket(call: Call) -> Reply:
    """GET /v1/baskets/{basket_id}"""
    return Reply(baskets.find_basket(call.hub.db.read, call.path["basket_id"], today=call.hub.today))


async def delete_basket(call: Call) -> Reply:
    """DELETE /v1/baskets/{basket_id}"""
    basket_id, by, today = call.path["basket_id"], call.client.till_id, call.hub.today
    return Reply(await call.hub.db.write(lambda tx: baskets.take(tx, basket_id, by=by, today=today)))


ROUTES = (
    Route(
        "POST",
        "/v1/baskets",
        post_basket,
        "Park a basket",
        STAFF,
        BasketView,
        body=Basket,
        status=201,
        statuses=(200,),
        problems=(403, 409, 422, 503),
    ),
    Route("GET", "/v1/baskets", list_baskets, "What is parked today", STAFF, BasketList),
    Route("GET", "/v1/baskets/{basket_id}", get_basket, "A parked basket", STAFF, BasketView, problems=(404,)),
    Route(
        "DELETE",
        "/v1/baskets/{basket_id}",
        delete_basket,
        "Take a parked basket up",
        STAFF,
        BasketView,
        problems=(404, 409, 503),
    ),
)
