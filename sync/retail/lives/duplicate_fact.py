"""The duplicate: two replicas wrote a fact under one key; whose row stands, and what the other one takes back.

Said once by the writer whose row does not stand, so that sums over unique keys are the sums of tallies. Source: the design, 3.3.
"""

from typing import Annotated

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, PassedOn, Priority
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.grants import Rep

Key = Annotated[str, Meta(min_length=1, max_length=300)]


class FactName(Struct, frozen=True, array_like=True):
    """A fact by its dot."""

    rep: Rep
    seq: int


class DuplicateFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`duplicate` is its key: entity, key and loser as one text. `stock` takes the loser's effects back."""

    v: int = 1
    duplicate: Key
    entity: str
    key: str
    loser: FactName
    standing: FactName
    stock: tuple[StockEffect, ...] = ()


DUPLICATE = Entity(
    name="duplicate",
    stream="duplicates",
    kind=Kind.FACT,
    table="duplicate_fact",
    passed_on=PassedOn.NOBODY,
    row=DuplicateFact,
    doc="Two facts under one key: whose row stands, and what the other writer takes back.",
    key=(Column("duplicate", path="duplicate"),),
    priority=Priority.SOON,
)
