"""The grant and the spent right: what one replica has handed to another, what it has promised on its right, all that ever was.

Each is written by one replica only and only grows. A grant names how far its giver's stream `levels` was when it was given: who
holds less of it sees goods granted that never came, and knows that this is no debt. What follows from them is in
sync.retail.stock.rights. Source: the design, 3.3 (Rights).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Column, Entity, Kind, PassedOn, Priority
from sync.retail.stock.levels import Number

Rep = Annotated[str, Meta(min_length=3, max_length=128)]


class GrantRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `grants`: `giver` and `taker` are replicas, `n` is in the product's unit."""

    v: int = field(default_factory=lambda: 1)
    sku: str
    location: str
    giver: Rep
    taker: Rep
    n: Number
    levels_seq: Number = 0


class SpentRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `spent`: promises that `holder` made on its right at a store's location, and that ended unpicked."""

    v: int = field(default_factory=lambda: 1)
    sku: str
    store: str
    location: str
    holder: Rep
    spent: Number
    given_back: Number


GRANT = Entity(
    name="grant",
    stream="grants",
    kind=Kind.TALLY,
    table="stock_grant",
    passed_on=PassedOn.ENDED,
    row=GrantRow,
    doc="Rights to stock at a place that one replica has handed to another, all that ever were.",
    key=(
        Column("sku", path="sku"),
        Column("location", path="location"),
        Column("giver", path="giver"),
        Column("taker", path="taker", is_indexed=True),
    ),
    numbers=(Column("granted", "INTEGER", path="n"), Column("levels_seq", "INTEGER", path="levels_seq", default=0)),
    written_by="giver",
    priority=Priority.SOON,
)

SPENT = Entity(
    name="spent_right",
    stream="spent",
    kind=Kind.TALLY,
    table="spent_right",
    row=SpentRow,
    doc="What a replica has promised of goods at a place, and what of that ended without being picked, all that ever was.",
    key=(
        Column("sku", path="sku"),
        Column("store", path="store"),
        Column("location", path="location"),
        Column("holder", path="holder"),
    ),
    numbers=(Column("spent", "INTEGER", path="spent"), Column("given_back", "INTEGER", path="given_back")),
    written_by="holder",
    priority=Priority.SOON,
)
