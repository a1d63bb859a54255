"""Goods back of a sale that is not in this store's books: what is claimed of it, and how its own store learns of it.

    elsewhere     another store of the chain sold them: `store`, the receipt's number or the sale's id, its lines as printed
    no receipt    nobody knows the sale: `store` is left out, the return names itself, its lines are the goods at the price of now

A claim stands for the sale in the rules of a return (sync.retail.returns). The sale's store counts what others took back of it
(`ReturnedElsewhere` travels there); the bounded counter, returned <= sold, is its own, so that what two stores took back at once
may be beyond it: that is in its manager's list. Not here: who may, up to how much (hub.store.claims). Source: the design, 3.3.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, Priority
from sync.retail.sales import LINES_MAX, Id, SaleLine

Store = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]


class Claim(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What is said of the sale; `approval_id` is of an approval of the return."""

    lines: Annotated[tuple[SaleLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    store: Store | None = None
    approval_id: Id | None = None


class LineElsewhere(Struct, frozen=True, array_like=True):
    """How much of a line of the sale is back."""

    line: int
    qty: int


class ReturnedElsewhere(
    Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="returned_elsewhere"
):
    """`taker` took goods back that `seller` sold; `sale` is what the receipt calls it."""

    v: int = 1
    elsewhere_id: Annotated[str, Meta(min_length=3, max_length=110)]
    return_id: Id
    taker: Store
    seller: Store
    sale: Id
    lines: Annotated[tuple[LineElsewhere, ...], Meta(max_length=LINES_MAX)]
    refund: int
    currency: str
    taken_at: datetime


def summed(facts: Iterable[ReturnedElsewhere]) -> dict[int, int]:
    """Return line -> qty; a fact that comes twice counts once."""
    total: dict[int, int] = {}
    for fact in {each.elsewhere_id: each for each in facts}.values():
        for line in fact.lines:
            total[line.line] = total.get(line.line, 0) + line.qty
    return total


RETURNED_ELSEWHERE = Entity(
    name="returned_elsewhere",
    stream="transfers",
    kind=Kind.FACT,
    table="returned_elsewhere",
    row=ReturnedElsewhere,
    doc="Goods of one store's sale that another store took back: what the first one counts.",
    key=(Column("elsewhere_id", path="elsewhere_id"),),
    columns=(Column("seller", path="seller"), Column("sale", path="sale", is_indexed=True)),
    dated="taken_at",
    priority=Priority.SOON,
)
