"""Goods back of a sale that is not in this store's books: what is claimed of it, and how its own store learns of it.

    elsewhere     another store of the chain sold them: `store`, the receipt's number or the sale's id, its lines as printed
    no receipt    nobody knows the sale: `store` is left out, the return names itself, its lines are the goods at the price of now

A claim stands for the sale in the rules of a return (sync.retail.selling.returns). The sale's store counts what others took back
of it (`ReturnedElsewhere` travels there); the bounded counter, returned <= sold, is its own, so that what two stores took back
at once may be beyond it: that is in its manager's list. Not here: who may, up to how much (hub.store.selling.claims). Source:
the design, 3.3.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, Priority
from sync.retail.selling.sales import LINES_MAX, Id, SaleLine, amount_of

Store = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]


class Claim(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What is said of the sale; `approval_id` is of an approval of the return."""

    lines: Annotated[tuple[SaleLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    store: Store | None = None
    approval_id: Id | None = None


class Paid(Struct, frozen=True):
    """What a sale was paid by one tender."""

    type: str
    amount: int


class SoldElsewhere(Struct, frozen=True, kw_only=True):
    """A sale of another store as the cloud tells it; `returned` is store -> line -> qty, of all stores."""

    store: str
    sale_id: str
    receipt_no: str
    business_date: str
    currency: str
    lines: tuple[SaleLine, ...]
    tenders: tuple[Paid, ...]
    returned: dict[str, dict[int, int]]


class SoldList(Struct, frozen=True):
    """The sales of a receipt's number; more than one where tills of two stores are called the same."""

    items: tuple[SoldElsewhere, ...]


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


def back_elsewhere(sold: SoldElsewhere, *, own: str) -> dict[int, int]:
    """Return line -> qty of what is back in other stores than `own`."""
    total: dict[int, int] = {}
    for store, lines in sold.returned.items():
        for line, qty in lines.items() if store != own else ():
            total[line] = total.get(line, 0) + qty
    return total


def differing_line(claimed: Iterable[SaleLine], sold: SoldElsewhere) -> int | None:
    """Return the place of the first line that was not sold so; None where all were. A claim need not name every line."""
    known = {line.line: (line.sku, line.qty, line.unit, amount_of(line)) for line in sold.lines}
    for index, line in enumerate(claimed):
        if known.get(line.line) != (line.sku, line.qty, line.unit, amount_of(line)):
            return index
    return None


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
