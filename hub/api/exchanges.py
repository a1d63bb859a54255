"""Exchanging: POST /v1/exchanges, goods back and goods out at once, and what is known of an exchange."""

import msgspec
from msgspec import Struct

from hub.api.catalogue import STAFF
from hub.api.returns import announce_return, terms_of
from hub.api.routing import Call, Reply, Route
from hub.api.sales import SaleRequest, announce_sale, authority_of, coupon_terms, hear_till, paper_of
from hub.errors import NotFoundError, RefusedError
from hub.store.selling.admission import Context
from hub.store.selling.exchanges import ExchangeAnswer, Exchanged, ExchangeView, exchange_job, find_exchange
from hub.store.stock.reservations import Names
from sync.retail.selling.exchanges import Exchange
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import Amount, Id, Sale


class ExchangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A return and a sale as each is sent alone, but with the tenders of the difference only.

    `sale.total` is all of the sale; cash is rounded by what is left to pay. `sale.print` prints both parts on one paper. With
    `sale.offline` both have happened already; `value` then says what of the refund the till has taken for the sale.
    """

    exchange_id: Id
    back: Return = msgspec.field(name="return")
    sale: SaleRequest
    value: Amount | None = None


async def post_exchange(call: Call) -> Reply:
    """POST /v1/exchanges"""
    hub, request = call.hub, call.body.sale
    for part, till_id in (("return", call.body.back.till_id), ("sale", request.till_id)):
        if call.client.scope == "till" and till_id != call.client.till_id:
            detail = f"this token is {call.client.till_id}, the {part} says {till_id}"
            raise RefusedError("not_your_till", detail, pointer=f"/{part}/till_id")
    if request.seen is not None:
        await hub.replication.witness(request.seen)
    sale = Sale(**{name: getattr(request, name) for name in Sale.__struct_fields__})
    hear_till(call, request)
    coupons = await coupon_terms(call, sale)
    terms = await terms_of(call, call.body.back, has_happened=sale.offline)
    now_ms = hub.now_ms()

    def announce(exchanged: Exchanged) -> None:
        announce_return(hub, exchanged.back)
        announce_sale(hub, sale, exchanged.recorded)
        paper.follow(hub, exchanged.recorded)

    async with hub.point_holds.word_for(sale) as points:
        paper = paper_of(call, request)
        context = Context(
            hub.replication.is_cut_off,
            hub.clock.is_sure,
            authority_of(call),
            is_exchange=True,
            coupons=coupons,
            points=points,
        )
        job = exchange_job(
            hub.replica,
            hub.shop,
            Exchange(call.body.exchange_id, call.body.back, sale, call.body.value),
            now_ms=now_ms,
            warnings=hub.clock.warnings,
            terms=terms,
            sale_job=lambda whole: hub.rights.sale_job(
                hub.replica,
                whole,
                print_to=paper.to,
                now_ms=now_ms,
                warnings=(*paper.warnings, *hub.clock.warnings),
                context=context,
                names=Names(request.reservations, request.basket_id),
            ),
        )
        exchanged = await hub.db.write(job, then=announce, otherwise=paper.give_up)
    return Reply(exchanged.answer, 201 if exchanged.is_new else 200)


async def get_exchange(call: Call) -> Reply:
    """GET /v1/exchanges/{exchange_id}"""
    view = find_exchange(call.hub.db.read, call.path["exchange_id"])
    if view is None:
        raise NotFoundError("exchange", f"no exchange {call.path['exchange_id']!r}")
    return Reply(view)


ROUTES = (
    Route(
        "POST",
        "/v1/exchanges",
        post_exchange,
        "Take goods back and sell others at once",
        STAFF,
        ExchangeAnswer,
        body=ExchangeRequest,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
        duty="sales.sell",
    ),
    Route(
        "GET",
        "/v1/exchanges/{exchange_id}",
        get_exchange,
        "Both parts of an exchange by its id",
        STAFF,
        ExchangeView,
        problems=(404,),
    ),
)
