"""Orders as they are stored and shipped: what was ordered, the steps, what others want of an order, whose name is on the parcel.

    stream          written by            says
    orders          who makes it          an order: its lines, of what kind, until when
    order_steps     the order's owner     a step; what was short, the hand-over code, goods that left on no promise
    order_requests  who does not own it   the state in which somebody wants an order
    order_labels    who makes it          the name for the label, an address where it is sent; gone once the order is closed

Clear data of a customer stands in the label alone, which is emptied; an order knows nobody. The hand-over code is no personal
data and is worth nothing once the order is closed: it travels with its step, so that a restored hub has the one that the customer
was told. Not here: rules (sync.retail.orders.orders), verifying a pick (sync.retail.orders.picking). Source: the design, 3.3
(Order).
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from sync.errors import RuleError
from sync.kinds import Authority, Column, Entity, Kind, Named, Priority
from sync.retail.orders.orders import OrderRequest, OrderState, OrderStep
from sync.retail.selling.sales import QTY_MAX, Id, Moment, ShortText, Sku, StockEffect
from sync.retail.stock.grants import Rep

ORDER_LINES_MAX = 200
CODE_DIGITS = 8

Line = Annotated[int, Meta(ge=1, le=9999)]
Qty = Annotated[int, Meta(ge=1, le=QTY_MAX)]
LabelName = Annotated[str, Meta(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Address = Annotated[str, Meta(max_length=300, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*\Z")]


class OrderKind(StrEnum):
    """How the goods get to the customer."""

    CLICK_AND_COLLECT = "click_and_collect"
    SHIP_FROM_STORE = "ship_from_store"
    HOME_DELIVERY = "home_delivery"


class OrderLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So much of a SKU, in the product's unit."""

    line: Line
    sku: Sku
    qty: Qty


class OrderFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order. `sale_id`: the sale that took its goods off the shelf already; `deadline`: until when the customer may come.

    `part_of`: of a parcel, the order that it is a part of, by the number that the customer knows.
    """

    v: int = 1
    order_id: Id
    kind: OrderKind
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=ORDER_LINES_MAX)]
    deadline: Moment | None = None
    sale_id: Id | None = None
    part_of: Id | None = None
    note: ShortText = ""
    made_by: Rep
    made_at: Moment


class ShortLine(Struct, frozen=True, kw_only=True):
    """How much of a line was not there."""

    line: Line
    qty: Qty


class OrderStepFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step as it is stored. `told_id`: the id under which a till took it. `by`: who stood there.

    `short`: of a step to ready, what is not in the parcel. `code`: what the customer shows. `stock`: of a hand-over, goods
    that left on no promise.
    """

    v: int = 1
    step_id: Annotated[str, Meta(min_length=1, max_length=200)]
    step: OrderStep
    told_id: Id | None = None
    by: ShortText = ""
    short: tuple[ShortLine, ...] = ()
    code: Annotated[str, Meta(max_length=40)] = ""
    stock: tuple[StockEffect, ...] = ()


class OrderLabelRow(Struct, frozen=True, kw_only=True):
    """A version of a label; once it is gone it says nothing."""

    v: int = field(default_factory=lambda: 1)
    order_id: Id
    n: int = 0
    gone: bool = False
    name: LabelName
    address: Address


ORDER = Entity(
    name="order",
    stream="orders",
    kind=Kind.FACT,
    table="shop_order",
    row=OrderFact,
    doc="What was ordered: lines, of what kind, until when.",
    key=(Column("order_id", path="order_id"),),
    columns=(Column("kind", path="kind", choices=tuple(OrderKind)),),
    dated="made_at",
    priority=Priority.URGENT,
)

ORDER_STEP = Entity(
    name="order_step",
    stream="order_steps",
    kind=Kind.FACT,
    table="order_step",
    row=OrderStepFact,
    doc="A step that an order's owner took.",
    key=(Column("step_id", path="step_id"),),
    columns=(
        Column("order_id", path="step.order_id", is_indexed=True),
        Column("state", path="step.state", choices=tuple(OrderState)),
        Column("told_id", path="told_id", is_nullable=True, is_indexed=True),
        Column("request_id", path="step.request_id", is_nullable=True, is_indexed=True),
    ),
    dated="step.at",
    names=(Named("step.order_id", "order"),),
    priority=Priority.URGENT,
)

ORDER_REQUEST = Entity(
    name="order_request",
    stream="order_requests",
    kind=Kind.FACT,
    table="order_request",
    row=OrderRequest,
    doc="Somebody who does not own an order wants it in a state.",
    key=(Column("request_id", path="request_id"),),
    columns=(Column("order_id", path="order_id", is_indexed=True), Column("wants", path="wants")),
    dated="at",
    names=(Named("order_id", "order"),),
    priority=Priority.URGENT,
)

ORDER_LABEL = Entity(
    name="order_label",
    stream="order_labels",
    kind=Kind.REGISTER,
    authority=Authority.STORE,
    table="order_label",
    row=OrderLabelRow,
    doc="As little of the customer as an order's label needs.",
    key=(Column("order_id", path="order_id"),),
    columns=(Column("name", path="name"), Column("address", path="address")),
    priority=Priority.URGENT,
)


def check_lines(lines: tuple[OrderLine, ...]) -> None:
    """Raise RuleError for two lines of one number."""
    seen: set[int] = set()
    for index, line in enumerate(lines):
        if line.line in seen:
            raise RuleError("line_twice", f"/lines/{index}/line", f"line {line.line} stands twice")
        seen.add(line.line)


def is_same_order(one: OrderFact, other: OrderFact) -> bool:
    """Whether two orders of one id ask for the same: who wrote it when does not matter."""
    return _said(one) == _said(other)


def fact_of(
    step: OrderStep,
    *,
    told_id: str | None = None,
    by: str = "",
    short: tuple[ShortLine, ...] = (),
    code: str = "",
    stock: tuple[StockEffect, ...] = (),
) -> OrderStepFact:
    """Return a step as it is stored."""
    return OrderStepFact(step_id=step.step_id, step=step, told_id=told_id, by=by, short=short, code=code, stock=stock)


def _said(order: OrderFact) -> tuple[object, ...]:
    return order.order_id, order.kind, order.lines, order.deadline, order.sale_id, order.note
