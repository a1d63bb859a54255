"""Exchanging: POST /v1/exchanges, goods back and goods out at once, and what is known of an exchange."""

import msgspec
from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.selling.returns import announce_return, terms_of
from hub.api.selling.sales import SaleRequest, counter_of, hear_sale
from hub.api.staff.tills import check_till
from hub.errors import NotFoundError
from hub.store.selling.exchanges import ExchangeAnswer, Exchanged, ExchangeView, exchange_job, find_exchange
from sync.retail.selling.exchanges import Exchange
from sync.retail.selling.returns import Return
from sync.retail.selling.sales import Amount, Id


class ExchangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A return and a sale as each is sent alone, but with the tenders of the difference only.

    `sale.total` is all of the sale; cash is rounded by what is left to pay. `sale.print` prints both parts on one paper. With
    `sale.offline` both have happened already; `value` then says what of the refund the till has taken for the sale. With
    `sale.training` both are answered and printed, and are in no book.
    """

    exchange_id: Id
    back: Return = msgspec.field(name="return")
    sale: SaleRequest
    value: Amount | None = None


async def post_exchange(call: Call) -> Reply:
    """POST /v1/exchanges"""
    hub, request = call.hub, call.body.sale
    for part, till_id in (("return", call.body.back.till_id), ("sale", request.till_id)):
        check_till(call, till_id, what=part, pointer=f"/{part}/till_id")
    terms = await terms_of(call, call.body.back, has_happened=request.offline)

    sale, coupons = await hear_sale(call, request)
    async with hub.point_holds.word_for(sale) as points:
        counter = counter_of(call, request, sale, coupons=coupons, points=points)
        now_ms = hub.now_ms()

        def announce(exchanged: Exchanged) -> None:
            announce_return(hub, exchanged.back)
            counter.announce(exchanged.recorded)

        job = exchange_job(
            hub.replica,
            hub.shop,
            Exchange(call.body.exchange_id, call.body.back, sale, call.body.value),
            now_ms=now_ms,
            warnings=hub.clock.warnings,
            terms=terms,
            sale_job=lambda whole, back: counter.job(whole, now_ms=now_ms, back=back),
        )
        exchanged = await hub.db.write(job, then=announce, otherwise=counter.paper.give_up)
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
