"""What head office does with orders: makes them, gives them to a store, asks for them back, follows them.

POST /cloud/v1/orders {order_id, kind, lines, name, address, deadline, …}     201 created   200 repeated                  (office)
POST /cloud/v1/orders/{order_id}/allocate {store, location}                   200 allocated 202 waiting for rights        (office)
     without a store: places are found by the rules (sync.cloud.allocation); 202 where nobody can send all of it yet
POST /cloud/v1/orders/{order_id}/cancel {request_id, reason}                  200 cancelled 202 asked of the store's hub  (office)
GET  /cloud/v1/orders?state=&store=&after=&limit=                             GET /cloud/v1/orders/{order_id}             (office)

The view has the hand-over code of an order that is ready: head office tells it to the customer.
"""

from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.allocation.distances import Destination
from sync.cloud.allocation.explaining import allocation_view
from sync.cloud.allocation.parcels import parcels_of, queue
from sync.cloud.orders import Allocated, Known, create, find_order, order_ids, requests_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.cloud.web.promise_routes import CONTACT
from sync.errors import RuleError
from sync.retail.orders.order_rows import (
    ORDER_LINES_MAX,
    Address,
    LabelName,
    OrderFact,
    OrderKind,
    OrderLabelRow,
    OrderLine,
    ShortLine,
)
from sync.retail.orders.orders import OrderRequest, OrderState
from sync.retail.selling.sales import Id, Moment, ShortText
from sync.retail.staff.trail import masked

PAGE_MAX = 200


class NewOrder(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order of the web shop. `name`, `address`: what its label needs, and no more.

    `to`: where it goes, for the distance. `store`: where the customer comes to. `allocate`: whether places are found for it by
    the rules; left out, that is what the cloud's file declares.
    """

    order_id: Id
    kind: OrderKind
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=ORDER_LINES_MAX)]
    name: LabelName = ""
    address: Address = ""
    deadline: Moment | None = None
    note: ShortText = ""
    to: Destination | None = None
    store: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    allocate: bool | None = None


class AllocateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to fulfil it; nobody named: whoever the rules find."""

    store: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    location: Annotated[str, Meta(min_length=1, max_length=40)] = "shop"


class CancelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody wants it to be called off."""

    request_id: Id
    reason: ShortText = ""


class OrderQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Orders of a state, of a store; `after` is `next` of the page before."""

    state: OrderState | None = None
    store: Annotated[str, Meta(max_length=40)] = ""
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50


class StepView(Struct, frozen=True):
    """A step that was taken."""

    n: int
    state: OrderState
    rep: str
    at: datetime
    reason: str


class RequestView(Struct, frozen=True):
    """What was requested; `answer` is open, done or refused."""

    request_id: str
    wants: OrderState
    by: str
    answer: str


class CloudOrderView(Struct, frozen=True):
    """An order. `owner`: who may take the next step, empty where nobody may. `code`: what the customer shows, of a ready one."""

    order_id: str
    kind: OrderKind
    state: OrderState
    store: str
    owner: str
    lines: tuple[OrderLine, ...]
    name: str
    address: str
    deadline: datetime | None
    code: str
    short: tuple[ShortLine, ...]
    flags: list[str]
    steps: list[StepView]
    requests: list[RequestView]
    part_of: str | None
    parcels: list[str]


class CloudOrderPage(Struct, frozen=True):
    """Orders by id; `next` is empty on the last page."""

    items: list[CloudOrderView]
    next: str = ""


_new = msgspec.json.Decoder(NewOrder)
_allocate = msgspec.json.Decoder(AllocateRequest)
_cancel = msgspec.json.Decoder(CancelRequest)


async def post_order(request: web.Request) -> web.StreamResponse:
    """Create an order."""
    said, books = await read_body(request, _new), request.app[CLOUD].books
    if said.kind is not OrderKind.CLICK_AND_COLLECT and not said.address:
        raise AnswerError(422, "order_address", f"an order of kind {said.kind} is sent somewhere", pointer="/address")
    now_ms, own = books.now_ms(), books.replica
    fact = OrderFact(
        order_id=said.order_id,
        kind=said.kind,
        lines=said.lines,
        deadline=said.deadline,
        note=masked(said.note),
        made_by=own.rep,
        made_at=datetime.fromtimestamp(now_ms / 1000, UTC),
    )
    label = OrderLabelRow(order_id=said.order_id, name=said.name, address=said.address)
    state = _place_state(request, said)

    def job(tx: Connection) -> bool:
        is_new = create(tx, own, fact, label, now_ms=now_ms)
        if is_new and state is not None:
            queue(tx, said.order_id, now_ms=now_ms, destination=said.to, only_store=said.store or "", state=state)
        return is_new

    try:
        is_new = await books.db.write(job)
        if is_new and state == "open":
            await request.app[CLOUD].allocator.look_at(said.order_id)
    except RuleError as err:
        status = 409 if err.code == "other_content" else 422
        raise AnswerError(status, err.code, err.detail, pointer=err.pointer) from err
    return answer(_view(request, said.order_id), status=201 if is_new else 200)


async def post_allocate(request: web.Request) -> web.StreamResponse:
    """Give an order to a store."""
    said, order_id = await read_body(request, _allocate), request.match_info["order_id"]
    stores = request.app[CLOUD].config.stores
    if said.store is None:
        return await _allocate_by_rules(request, order_id)
    if said.store not in stores:
        raise AnswerError(404, "store", f"no store {said.store!r}; known: {', '.join(stores)}", pointer="/store")
    try:
        done = await request.app[CONTACT].allocate(order_id, store=said.store, location=said.location)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if done is None:
        raise _unknown(order_id)
    shown = Allocated(done.status, done.waiting, done.asked)
    body = {"status": shown.status, "waiting": shown.waiting, "asked": shown.asked, "order": _view(request, order_id)}
    return answer(body, status=202 if done.status == "waiting" else 200)


async def post_cancel(request: web.Request) -> web.StreamResponse:
    """Call an order off, or ask who has it to."""
    said, order_id = await read_body(request, _cancel), request.match_info["order_id"]
    books = request.app[CLOUD].books
    wanted = OrderRequest(
        request_id=said.request_id,
        order_id=order_id,
        wants=OrderState.CANCELLED,
        by=books.replica.rep,
        reason=masked(said.reason),
        at=datetime.fromtimestamp(books.now_ms() / 1000, UTC),
    )
    try:
        done = await request.app[CONTACT].call_off(wanted)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if done is None:
        raise _unknown(order_id)
    return answer({"status": done, "order": _view(request, order_id)}, status=200 if done == "cancelled" else 202)


async def get_order(request: web.Request) -> web.StreamResponse:
    """One order."""
    return answer(_view(request, request.match_info["order_id"]))


async def get_orders(request: web.Request) -> web.StreamResponse:
    """A page of orders."""
    query = read_query(request, OrderQuery)
    read = request.app[CLOUD].books.db.read
    names = order_ids(read, state=query.state or "", store=query.store, after=query.after, limit=query.limit)
    items = [_view(request, name) for name in names]
    return answer(CloudOrderPage(items, names[-1] if len(names) == query.limit else ""))


def order_routes() -> list[RouteDef]:
    """Return the routes; the application holds a Contact."""
    return [
        web.post("/cloud/v1/orders", office(post_order)),
        web.get("/cloud/v1/orders", office(get_orders)),
        web.get("/cloud/v1/orders/{order_id}", office(get_order)),
        web.post("/cloud/v1/orders/{order_id}/allocate", office(post_allocate)),
        web.post("/cloud/v1/orders/{order_id}/cancel", office(post_cancel)),
    ]


async def _allocate_by_rules(request: web.Request, order_id: str) -> web.StreamResponse:
    try:
        is_known = await request.app[CLOUD].allocator.try_again(order_id)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if not is_known:
        raise _unknown(order_id)
    shown = allocation_view(request.app[CLOUD].books.db.read, order_id)
    is_sent = shown is not None and not shown.left and all(each.state != OrderState.CREATED for each in shown.parcels)
    body = {"status": "allocated" if is_sent else "waiting", "allocation": shown, "order": _view(request, order_id)}
    return answer(body, status=200 if is_sent else 202)


def _place_state(request: web.Request, said: NewOrder) -> Literal["open", "by_hand"] | None:
    """Return whether places are to be found for a new order, None where nobody said; raise AnswerError for an unknown store."""
    stores = request.app[CLOUD].config.stores
    if said.store is not None and said.store not in stores:
        raise AnswerError(404, "store", f"no store {said.store!r}; known: {', '.join(stores)}", pointer="/store")
    if said.allocate is None:
        return "open" if said.store or request.app[CLOUD].allocator.settings.is_automatic else None
    return "open" if said.allocate else "by_hand"


def _unknown(order_id: str) -> AnswerError:
    return AnswerError(404, "order", f"no order {order_id[:64]!r}")


def _view(request: web.Request, order_id: str) -> CloudOrderView:
    read = request.app[CLOUD].books.db.read
    known = find_order(read, order_id)
    if known is None:
        raise _unknown(order_id)
    order, label, parcels = known.order, known.label, parcels_of(read, order_id)
    return CloudOrderView(
        order_id=order_id,
        kind=known.fact.kind,
        state=order.state,
        store=known.store,
        owner=order.owner or "",
        lines=known.fact.lines,
        name=label.name if label else "",
        address=label.address if label else "",
        deadline=known.fact.deadline,
        code=next((code for each in (known, *(parcel.known for parcel in parcels)) if (code := _code(each))), ""),
        short=tuple(short for step in known.steps for short in step.short),
        flags=sorted(order.flags),
        steps=[
            StepView(each.step.n, each.step.state, each.step.rep, each.step.at, each.step.reason)
            for each in known.steps
        ],
        requests=[
            RequestView(said.request_id, said.wants, said.by, _answered(known, said))
            for said in requests_of(read, order_id)
        ],
        part_of=known.fact.part_of,
        parcels=[each.parcel_id for each in parcels],
    )


def _code(known: Known) -> str:
    if known.order.state is not OrderState.READY:
        return ""
    return next((step.code for step in reversed(known.steps) if step.code), "")


def _answered(known: Known, said: OrderRequest) -> str:
    if any(each.step.request_id == said.request_id for each in known.steps):
        return "done"
    return "refused" if known.order.is_closed else "open"
