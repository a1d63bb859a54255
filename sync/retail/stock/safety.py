"""Safety stock: how much of a SKU stays on the shelf for who walks in, whatever a till could promise. A store's own register.

A SKU without one has the store's default, which is a matter of configuration at both ends: what the web shop gets follows from it
(sync.retail.stock.rebalance). A row that says more than the default holds so much more back. Source: the design, 3.3 (Rights).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind
from sync.retail.selling.sales import QTY_MAX

SafetyQty = Annotated[int, Meta(ge=0, le=QTY_MAX)]


class SafetyStockRow(Struct, frozen=True, kw_only=True):
    """A version of what stays at a location of a store, in the product's unit; `gone`: the default counts again."""

    v: int = field(default_factory=lambda: 1)
    store: str
    sku: str
    location: str
    n: int
    gone: bool = False
    qty: SafetyQty


SAFETY_STOCK = Entity(
    name="safety_stock",
    stream="safety",
    kind=Kind.REGISTER,
    table="safety_stock",
    row=SafetyStockRow,
    doc="How much of a SKU stays on a store's shelf for who walks in.",
    key=(Column("sku", path="sku"), Column("store", path="store"), Column("location", path="location")),
    columns=(Column("qty", "INTEGER", path="qty"),),
    authority=Authority.STORE,
    written_by="store",
)
