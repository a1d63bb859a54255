"""Orders at a till: /v1/orders. Lists and views, steps, picks verified by scan, orders that are made here, hand-over codes.

Every scan of a pick is also an event `marker`, right or wrong, for the camera over the packing table. Not here: the pick list and
the label (hub.api.orders.order_papers), what a step does (hub.store.orders.orders).
"""

from sqlite3 import Connection
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF, by_scan
from hub.api.paging import cut
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.errors import ConflictError, HubError, RefusedError
from hub.receipt_page import qr_svg
from hub.store.model import Item
from hub.store.orders import order_views
from hub.store.orders.order_making import NewOrder, make_order
from hub.store.orders.order_scans import OrderScan, Scanned, take_scan
from hub.store.orders.order_views import OrderView, order_view
from hub.store.orders.orders import Stepped, StepWish, forget_guesses, take_step
from hub.store.staff.audit_trail import note
from sync.retail.orders.order_rows import (
    CODE_DIGITS,
    ORDER_LINES_MAX,
    Address,
    LabelName,
    OrderFact,
    OrderKind,
    OrderLine,
)
from sync.retail.orders.orders import OrderState
from sync.retail.selling.sales import QTY_MAX, Id, Moment, ShortText
from sync.retail.staff.trail import masked

States = Annotated[str, Meta(max_length=200, pattern=r"^[a-z,]*\Z")]
Taken = Literal["picking", "ready", "collected", "shipped", "cancelled"]


class OrderQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`state`: one or several, with commas; none: all. `after` is `next` of the page before."""

    state: States = ""
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=order_views.PAGE_MAX)] = 50


class OrderPage(Struct, frozen=True):
    """Orders by id; `next` is null on the last page."""

    items: list[OrderView]
    next: str | None = None


class OrderMade(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order that is made in the shop. `sale_id`: the sale that paid for it; `offline`: it has happened already."""

    order_id: Id
    kind: OrderKind = OrderKind.HOME_DELIVERY
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=ORDER_LINES_MAX)]
    name: LabelName = ""
    address: Address = ""
    deadline: Moment | None = None
    sale_id: Id | None = None
    note: ShortText = ""
    offline: bool = False


class OrderStepRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The next step. `reason` is asked for when something is missing; `code` for handing over what is collected."""

    step_id: Id
    state: Taken
    reason: ShortText = ""
    code: ShortText = ""


class OrderStepAnswer(Struct, frozen=True):
    """`status`: taken, repeated, or requested of the order's owner, who is somebody else."""

    step_id: str
    status: str
    order: OrderView


class OrderScanRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A raw label, or a SKU, that was scanned; a negative quantity takes it out of the parcel again."""

    scan_id: Id
    label: Annotated[str, Meta(min_length=1, max_length=4096)]
    qty: Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)] | None = None


class OrderScanAnswer(Struct, frozen=True):
    """What a scan was: how much of the SKU is in the parcel, how much of the order is missing."""

    scan_id: str
    order_id: str
    sku: str
    qty: int
    picked: int
    missing: int


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the code is asked for: a customer without a telephone, too many wrong ones."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class CodeAnswer(Struct, frozen=True):
    """The hand-over code, and the QR that says it."""

    order_id: str
    code: str
    qr_svg: str


async def list_orders(call: Call) -> Reply:
    """GET /v1/orders"""
    hub, query = call.hub, call.query
    states = _states(query.state)
    items = order_views.order_page(hub.db.read, hub.replica, states=states, after=query.after, limit=query.limit + 1)
    return Reply(OrderPage(*cut(items, query.limit, name=lambda item: item.order_id)))


async def get_order(call: Call) -> Reply:
    """GET /v1/orders/{order_id}"""
    return Reply(_view(call, call.path["order_id"]))


async def post_order(call: Call) -> Reply:
    """POST /v1/orders"""
    hub, said = call.hub, call.body
    if said.kind is not OrderKind.CLICK_AND_COLLECT and not said.address:
        raise RefusedError("order_address", f"an order of kind {said.kind} is sent somewhere", pointer="/address")
    fact = OrderFact(
        order_id=said.order_id,
        kind=said.kind,
        lines=said.lines,
        deadline=said.deadline,
        sale_id=said.sale_id,
        note=masked(said.note),
        made_by=hub.replica.rep,
        made_at=hub.now,
    )
    new = NewOrder(fact=fact, name=said.name, address=said.address, by=call.actor, has_happened=said.offline)
    shelf = hub.shelf
    is_new = await hub.db.write(lambda tx: make_order(tx, shelf, new), then=lambda _: hub.orders.announce())
    return Reply(_view(call, said.order_id), 201 if is_new else 200)


async def post_step(call: Call) -> Reply:
    """POST /v1/orders/{order_id}/steps"""
    hub, said, order_id = call.hub, call.body, call.path["order_id"]
    wish = StepWish(
        order_id=order_id,
        told_id=said.step_id,
        state=OrderState(said.state),
        by=call.actor,
        reason=masked(said.reason),
        code=said.code,
        fresh_code=f"{int(hub.new_key(), 16) % 10**CODE_DIGITS:0{CODE_DIGITS}}",
    )
    own, location, now_ms = hub.replica, hub.shop.location, hub.now_ms()

    def announce(stepped: Stepped) -> None:
        hub.orders.announce()
        if stepped.stock:
            hub.tell("stock", dict(stepped.stock))

    stepped = await hub.db.write(lambda tx: take_step(tx, own, wish, location=location, now_ms=now_ms), then=announce)
    if stepped.status == "wrong_code":
        raise RefusedError("order_code", f"this is not the code of order {order_id}", pointer="/code")
    status = {"taken": 201, "requested": 202}.get(stepped.status, 200)
    return Reply(OrderStepAnswer(said.step_id, stepped.status, _view(call, order_id)), status)


async def post_scan(call: Call) -> Reply:
    """POST /v1/orders/{order_id}/scans"""
    hub, said, order_id = call.hub, call.body, call.path["order_id"]
    marker = {"order_id": order_id, "scan_id": said.scan_id, "till": call.client.till_id}
    own, till_id, now_ms = hub.replica, call.client.till_id, hub.now_ms()
    try:
        item = by_scan(call, said.label)
        if item is None:
            raise RefusedError("order_wrong_item", "nothing here has this label", pointer="/label")
        scan = OrderScan(said.scan_id, order_id, item.sku, _qty(said, item), till_id)
        scanned: Scanned = await hub.db.write(lambda tx: take_scan(tx, own, scan, now_ms=now_ms))
    except (RefusedError, ConflictError) as err:
        _mark(call, marker, err)
        raise
    if scanned.is_new:
        hub.tell(
            "marker", marker | {"verdict": "right", "sku": scanned.sku, "qty": scanned.qty, "missing": scanned.missing}
        )
    answer = OrderScanAnswer(said.scan_id, order_id, scanned.sku, scanned.qty, scanned.picked, scanned.missing)
    return Reply(answer, 201 if scanned.is_new else 200)


async def post_code(call: Call) -> Reply:
    """POST /v1/orders/{order_id}/code"""
    hub, order_id, reason = call.hub, call.path["order_id"], call.body.reason
    now_ms, actor = hub.now_ms(), call.actor
    known = order_views.known_order(hub.db.read, hub.replica, order_id)
    if known.order.state is not OrderState.READY or not known.code:
        raise ConflictError("order_no_code", f"order {order_id} is {known.order.state} and has no code now")

    def job(tx: Connection) -> None:
        forget_guesses(tx, order_id)
        note(tx, actor=actor, action="order_code_shown", subject=order_id, reason=reason, now_ms=now_ms)

    await hub.db.write(job)
    return Reply(CodeAnswer(order_id, known.code, qr_svg(f"{order_id}/{known.code}")))


def _view(call: Call, order_id: str) -> OrderView:
    return order_view(call.hub.db.read, call.hub.replica, order_id)


def _states(text: str) -> tuple[OrderState, ...]:
    try:
        return tuple(OrderState(word) for word in text.split(",") if word)
    except ValueError as err:
        raise RefusedError("order_state", f"{text!r}: states are {', '.join(OrderState)}", pointer="/state") from err


def _qty(said: OrderScanRequest, item: Item) -> int:
    """Return how much was scanned: what is said, else what the label weighs, else one piece."""
    weighed = item.measure.qty if item.measure else None
    qty = said.qty if said.qty is not None else weighed
    if qty is None and item.unit == "g":
        raise RefusedError("order_weight", f"{item.sku} is weighed: say how much", pointer="/qty")
    if qty == 0:
        raise RefusedError("quantity_zero", "a scan of 0 is none", pointer="/qty")
    return 1 if qty is None else qty


def _mark(call: Call, marker: dict[str, str], err: HubError) -> None:
    call.hub.tell("marker", marker | {"verdict": "wrong", "code": err.code})


ROUTES = (
    Route(
        "GET",
        "/v1/orders",
        list_orders,
        "Orders, all or in some states",
        STAFF,
        OrderPage,
        query=OrderQuery,
        problems=(422,),
    ),
    Route(
        "POST",
        "/v1/orders",
        post_order,
        "Make an order in the shop, as for home delivery",
        STAFF,
        OrderView,
        body=OrderMade,
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
        duty="orders.work",
    ),
    Route("GET", "/v1/orders/{order_id}", get_order, "One order by its id", STAFF, OrderView, problems=(404,)),
    Route(
        "POST",
        "/v1/orders/{order_id}/steps",
        post_step,
        "Take an order's next step, or ask its owner to",
        STAFF,
        OrderStepAnswer,
        body=OrderStepRequest,
        status=201,
        statuses=(200, 202),
        problems=(404, 409, 422, 503),
        duty="orders.work",
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/scans",
        post_scan,
        "Verify by scan what goes into an order's parcel",
        STAFF,
        OrderScanAnswer,
        body=OrderScanRequest,
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/orders/{order_id}/code",
        post_code,
        "Show the hand-over code of an order, and let it be tried again",
        MANAGER,
        CodeAnswer,
        body=CodeRequest,
        problems=(404, 409, 503),
    ),
)
