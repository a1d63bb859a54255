"""Holding goods for a basket or a customer. A sale names them (POST /v1/sales: `reservations`, `basket_id`) and has them."""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.paging import cut
from hub.api.routing import Call, Reply, Route
from hub.store.stock import reservations
from hub.store.stock.availability import standings
from hub.store.stock.reservations import Held, ReservationView
from sync.retail.selling.sales import Id, Sku
from sync.retail.stock.reservations import Reservation


class ReservationQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What is held: all, or for a basket, a member, of a SKU (of kits: their parts). `after` is `next` of the page before."""

    basket_id: Id | None = None
    member_id: Id | None = None
    sku: Sku | None = None
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=reservations.PAGE_MAX)] = 50


class ReservationPage(Struct, frozen=True):
    """What is held now, by id; `next` is null on the last page."""

    items: list[ReservationView]
    next: str | None = None


async def post_reservation(call: Call) -> Reply:
    """POST /v1/reservations"""
    hub, said = call.hub, call.body
    shelf, till_id = hub.shelf, call.client.till_id

    def announce(held: Held) -> None:
        _tell(call, held.skus)

    held = await hub.db.write(
        lambda tx: reservations.hold(tx, shelf, said, till_id=till_id, hold_s=hub.config.hold_s), then=announce
    )
    return Reply(held.view, 201 if held.is_new else 200)


async def get_reservation(call: Call) -> Reply:
    """GET /v1/reservations/{reservation_id}"""
    return Reply(reservations.find(call.hub.db.read, call.path["reservation_id"], now_ms=call.hub.now_ms()))


async def list_reservations(call: Call) -> Reply:
    """GET /v1/reservations"""
    query = call.query
    items = reservations.page(
        call.hub.db.read,
        basket_id=query.basket_id,
        member_id=query.member_id,
        sku=query.sku,
        after=query.after,
        limit=query.limit + 1,
        now_ms=call.hub.now_ms(),
    )
    return Reply(ReservationPage(*cut(items, query.limit, name=lambda item: item.reservation_id)))


async def delete_reservation(call: Call) -> Reply:
    """DELETE /v1/reservations/{reservation_id}"""
    hub, name = call.hub, call.path["reservation_id"]
    now_ms = hub.now_ms()

    def job(tx: Connection) -> tuple[ReservationView, tuple[str, ...]]:
        return reservations.let_go(tx, name, now_ms=now_ms)

    view, _ = await hub.db.write(job, then=lambda done: _tell(call, done[1]))
    return Reply(view)


def _tell(call: Call, skus: tuple[str, ...]) -> None:
    """Tell other screens that what may be promised of these SKUs has changed."""
    if skus:
        hub = call.hub
        known = standings(hub.db.read, hub.shelf, skus)
        hub.bus.publish("stock", {sku: standing.on_hand for sku, standing in known.items()}, now_ms=hub.now_ms())


ROUTES = (
    Route(
        "POST",
        "/v1/reservations",
        post_reservation,
        "Hold goods for a basket or a customer",
        STAFF,
        ReservationView,
        body=Reservation,
        status=201,
        statuses=(200,),
        problems=(409, 422, 503),
    ),
    Route(
        "GET",
        "/v1/reservations",
        list_reservations,
        "What is held now",
        STAFF,
        ReservationPage,
        query=ReservationQuery,
        problems=(422,),
    ),
    Route(
        "GET",
        "/v1/reservations/{reservation_id}",
        get_reservation,
        "One reservation by its id",
        STAFF,
        ReservationView,
        problems=(404,),
    ),
    Route(
        "DELETE",
        "/v1/reservations/{reservation_id}",
        delete_reservation,
        "Let goods go that were held",
        STAFF,
        ReservationView,
        problems=(404, 409, 503),
    ),
)
