"""The manager's word on second contents of a known sale_id: /v1/suspended."""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.paging import cut
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.api.selling.sales import announce_sale
from hub.store.model import SaleAnswer
from hub.store.selling import suspended
from hub.store.selling.admission import Context
from hub.store.selling.sales import Recorded
from hub.store.selling.suspended import SuspendedSale
from sync.retail.selling.sales import Id, Sale, Warned


class SuspendedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=suspended.PAGE_MAX)] = 50


class SuspendedPage(Struct, frozen=True):
    """What waits for a decision; `next` is null on the last page."""

    items: list[SuspendedSale]
    next: str | None = None


class BookRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Under which id the content is booked."""

    sale_id: Id


class DiscardRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is not booked."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


async def list_suspended(call: Call) -> Reply:
    """GET /v1/suspended"""
    query = call.query
    items = suspended.waiting_sales(call.hub.db.read, after=query.after, limit=query.limit + 1)
    return Reply(SuspendedPage(*cut(items, query.limit, name=lambda item: item.suspended_id)))


async def post_book(call: Call) -> Reply:
    """POST /v1/suspended/{suspended_id}/book"""
    hub, suspended_id, sale_id, by = call.hub, call.path["suspended_id"], call.body.sale_id, call.client.till_id
    now_ms = hub.now_ms()

    context = Context(is_sure=hub.clock.is_sure, coupons=hub.coupons.terms)

    def book(tx: Connection, sale: Sale, warnings: tuple[Warned, ...]) -> Recorded:
        noted = (*hub.clock.warnings, *warnings)
        return hub.rights.sale_job(hub.replica, sale, print_to=None, now_ms=now_ms, warnings=noted, context=context)(tx)

    _, recorded = await hub.db.write(
        lambda tx: suspended.book_suspended(tx, suspended_id, sale_id=sale_id, by=by, book=book, now_ms=now_ms),
        then=lambda booked: announce_sale(hub, booked[1]),
    )
    assert recorded.answer is not None, "a content that is not booked raises"
    return Reply(recorded.answer, 200 if recorded.status == "repeated" else 201)


async def post_discard(call: Call) -> Reply:
    """POST /v1/suspended/{suspended_id}/discard"""
    hub, suspended_id, by, reason = call.hub, call.path["suspended_id"], call.client.till_id, call.body.reason
    now_ms = hub.now_ms()
    view = await hub.db.write(
        lambda tx: suspended.discard_suspended(tx, suspended_id, by=by, reason=reason, now_ms=now_ms)
    )
    return Reply(view)


ROUTES = (
    Route(
        "GET",
        "/v1/suspended",
        list_suspended,
        "Second contents of known sales that wait for a decision",
        MANAGER,
        SuspendedPage,
        query=SuspendedQuery,
        problems=(403, 422),
    ),
    Route(
        "POST",
        "/v1/suspended/{suspended_id}/book",
        post_book,
        "Book a second content under a new id",
        MANAGER,
        SaleAnswer,
        body=BookRequest,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/suspended/{suspended_id}/discard",
        post_discard,
        "Discard a second content",
        MANAGER,
        SuspendedSale,
        body=DiscardRequest,
        problems=(403, 404, 409, 503),
    ),
)
