"""What head office asks this shop to send to another branch. It is sent by POST /v1/stock/documents, under the request's id."""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.paging import cut
from hub.api.routing import Call, Reply, Route
from hub.store.stock import requests
from hub.store.stock.requests import Refused, RequestView
from sync.retail.selling.sales import Id, ShortText
from sync.retail.stock.transfer_requests import RefusalReason


class RequestQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=requests.PAGE_MAX)] = 50


class RequestPage(Struct, frozen=True):
    """Requests that wait for this shop, by id; `next` is null on the last page."""

    items: list[RequestView]
    next: str | None = None


class RefusalRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the goods are not sent. `by` is who says so."""

    reason: RefusalReason
    note: ShortText = ""
    by: Id | None = None


class RefusalAnswer(Struct, frozen=True):
    """What head office is told."""

    request_id: str
    reason: RefusalReason
    note: str
    by: str | None


async def list_requests(call: Call) -> Reply:
    """GET /v1/stock/transfers/requests"""
    hub, query = call.hub, call.query
    found = requests.open_requests(
        hub.db.read,
        store=hub.shop.store_id,
        location=hub.shop.location,
        after=query.after,
        limit=query.limit + 1,
        now_ms=hub.now_ms(),
    )
    return Reply(RequestPage(*cut(found, query.limit, name=lambda item: item.request_id)))


async def refuse_request(call: Call) -> Reply:
    """POST /v1/stock/transfers/requests/{request_id}/refuse"""
    hub, said, now_ms = call.hub, call.body, call.hub.now_ms()
    name = call.path["request_id"]

    def job(tx: Connection) -> Refused:
        return requests.refuse(tx, hub.replica, name, reason=said.reason, note=said.note, by=said.by, now_ms=now_ms)

    done = await hub.db.write(job, then=lambda _: hub.tell_requests())
    fact = done.fact
    return Reply(RefusalAnswer(name, fact.reason, fact.note, fact.by), 201 if done.is_new else 200)


ROUTES = (
    Route(
        "GET",
        "/v1/stock/transfers/requests",
        list_requests,
        "What head office asks this shop to send",
        STAFF,
        RequestPage,
        query=RequestQuery,
        problems=(422,),
    ),
    Route(
        "POST",
        "/v1/stock/transfers/requests/{request_id}/refuse",
        refuse_request,
        "Say why goods that were asked for are not sent",
        STAFF,
        RefusalAnswer,
        body=RefusalRequest,
        duty="stock.move",
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
    ),
)
