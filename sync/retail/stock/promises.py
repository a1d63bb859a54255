"""The promise: goods at a place that were promised to an order, how that ended, and what is asked of a shop about them.

Made on a right, by whoever has it; ended once, by its keeper, who holds the order's token. Both are facts of stream `promises`.
A pick is one fact: it ends the promise and moves the goods, so that neither can be without the other. What follows for rights is
in sync.retail.stock.rights. Source: the design, 3.3 (Rights, Order).
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Named, Priority
from sync.retail.selling.sales import Id, Sku, StockEffect
from sync.retail.stock.grants import Rep

Ending = Literal["picked", "given_back"]
Qty = Annotated[int, Meta(ge=1, le=10**9)]
Keeper = Annotated[str, Meta(min_length=1, max_length=128)]


class PromiseFact(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="promise"):
    """`n` of a SKU at a store's location are promised to an order's line by `holder`, who spent its right for it.

    `seq` is their order; `keeper` ends it: a hub, by its rep, or who follows it when it is no more; or the cloud, by its name.
    """

    v: int = 1
    promise_id: Id
    order_id: Id
    line: Annotated[int, Meta(ge=1, le=9999)] = 1
    sku: Sku
    store: str
    location: str
    n: Qty
    holder: Rep
    keeper: Keeper
    seq: int
    made_at: datetime


class PromiseEndFact(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="promise_end"):
    """A promise was kept or given back; its key is the promise, so that it ends once. `by` is who kept it then.

    `stock` and `picked` are a pick's effects: the goods leave, on nobody's right but that of the promise. `left`: how many of its
    goods were not there when it was picked; the right to these goes back to who made the promise.
    """

    v: int = 1
    promise_id: Id
    ending: Ending
    by: Rep
    ended_at: datetime
    why: str = ""
    stock: tuple[StockEffect, ...] = ()
    picked: tuple[StockEffect, ...] = ()
    left: Annotated[int, Meta(ge=0, le=10**9)] = 0


class AskedRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `asked`: the cloud wants something of a store's hub; `gone` once it has it, or wants it no more.

    `grant`: `qty` rights for `taker`, all of them or none for an order, what there is for a debt. `release`: the promise of this
    name ended as given back, or kept by picking it: its order is called off, or has to give way.
    """

    v: int = field(default_factory=lambda: 1)
    asked_id: Id
    wants: Literal["grant", "release"]
    sku: str
    location: str
    qty: Qty
    taker: Rep
    n: int
    gone: bool = False


PROMISE = Entity(
    name="promise",
    stream="promises",
    kind=Kind.FACT,
    table="promise",
    row=PromiseFact,
    doc="Goods at a place that were promised to an order, on whose right.",
    key=(Column("promise_id", path="promise_id"),),
    columns=(
        Column("order_id", path="order_id", is_indexed=True),
        Column("sku", path="sku", is_indexed=True),
        Column("location", path="location"),
    ),
    dated="made_at",
    priority=Priority.URGENT,
)

PROMISE_END = Entity(
    name="promise_end",
    stream="promises",
    kind=Kind.FACT,
    table="promise_end",
    row=PromiseEndFact,
    doc="How a promise ended: picked, or given back.",
    key=(Column("promise_id", path="promise_id"),),
    columns=(Column("ending", path="ending", choices=("picked", "given_back")),),
    dated="ended_at",
    names=(Named("promise_id", "promise"),),
    priority=Priority.URGENT,
)

ASKED = Entity(
    name="asked",
    stream="asked",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="asked",
    row=AskedRow,
    doc="What the cloud wants of a store's hub: rights for an order or a debt, or a promise back.",
    key=(Column("asked_id", path="asked_id"),),
    columns=(
        Column("wants", path="wants", choices=("grant", "release")),
        Column("sku", path="sku"),
        Column("location", path="location"),
        Column("qty", "INTEGER", path="qty"),
        Column("taker", path="taker"),
    ),
    priority=Priority.URGENT,
)
