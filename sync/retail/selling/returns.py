"""The return: goods of a sale that come back. What a till says, what becomes a fact, and the pure rules between the two.

    a line's refund     its amount after discount × pieces back / pieces sold, rounded on the running total: what is due for
                        all pieces back so far, less what was due before. Piece by piece comes to the line's amount exactly.
    a return's refund   the sum of its lines. The sale's cash rounding is not in it: what the customer paid more or less for
                        want of small coins is no price. Cash that goes out is rounded once more, by its own amount.
    stock               what the sale took out by a line comes back by that line; a line that moved none brings none back, nor do
                        damaged goods
    tax                 contained in what is due for all pieces back, less what was in that before

Not here: goods of another store (sync.retail.selling.claims), exchanges (sync.retail.selling.exchanges), to which tender a
refund may go (sync.retail.selling.refunds), storage, paper. Source: the design, section 3.3 (Return).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.kinds import Column, Entity, Keep, Kind, Measure, Named, Priority
from sync.retail.money import cash_rounding, line_amount
from sync.retail.selling.claims import Claim
from sync.retail.selling.sales import (
    EXCHANGED,
    LINES_MAX,
    QTY_MAX,
    SOLD_YEARS,
    Id,
    Moment,
    PointsEffect,
    Sale,
    SaleFact,
    SaleLine,
    Sku,
    StockEffect,
    TaxPart,
    Tender,
    Warned,
    amount_of,
)
from sync.retail.selling.tax import tax_contained

HASH_VERSION = 1


class ReturnLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much of a line of the sale comes back, in that line's unit; so much of it is `damaged`, and not for sale any more."""

    line: Annotated[int, Meta(ge=1, le=9999)]
    qty: Annotated[int, Meta(ge=1, le=QTY_MAX)]
    damaged: Annotated[int, Meta(ge=0, le=QTY_MAX)] = 0


class Return(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The till-made content of a return. A till may name the sale by its receipt; what is stored is the `sale_id`.

    `tenders` say how the refund was paid out, where the till knows; they add up to the refund, or to it rounded for cash. `void`:
    the whole sale comes back on its own day, as if it had not been made. `exchange_id`: other goods went out for it at once.
    `claim`: the sale is not in this store's books. `session_id`: the drawer session that it is paid out of, else the till's own.
    """

    return_id: Id
    till_id: Id
    sale_id: Id
    lines: Annotated[tuple[ReturnLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
    returned_at: Moment | None = None
    cashier_id: Id | None = None
    tenders: Annotated[tuple[Tender, ...], Meta(max_length=20)] = ()
    void: bool = False
    exchange_id: Id | None = None
    claim: Claim | None = None
    session_id: Id | None = None

    @property
    def exchanged(self) -> int:
        """What of the refund has paid for other goods."""
        return sum(tender.amount for tender in self.tenders if tender.type == EXCHANGED)

    def __post_init__(self) -> None:
        if self.returned_at is not None and self.returned_at.year not in SOLD_YEARS:
            raise ValueError(f"returned_at is in the year {self.returned_at.year}: set the till's clock")


class ReturnedLine(Struct, frozen=True):
    """A line of the sale as far as it came back, and what that is worth in minor units."""

    line: int
    sku: Sku
    qty: int
    amount: int


class ReturnFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A return as it is stored and shipped: the till's content, what the hub added, its effects as numbers. One row."""

    v: int = 1
    content: Return = msgspec.field(name="return")
    currency: str
    lines: tuple[ReturnedLine, ...]
    refund: int
    business_date: str
    committed_at: datetime
    stock: tuple[StockEffect, ...] = ()
    warnings: tuple[Warned, ...] = ()
    points: tuple[PointsEffect, ...] = ()
    tax: tuple[TaxPart, ...] = ()


def content_hash(content: Return) -> bytes:
    """Return the versioned hash of the till-made fields: equal for equal meaning, whatever the bytes were."""
    if content.returned_at is not None:
        content = msgspec.structs.replace(content, returned_at=content.returned_at.astimezone(UTC))
    return bytes([HASH_VERSION]) + blake2b(msgspec.json.encode(content), digest_size=15).digest()


def refund_due(line: SaleLine, qty: int) -> int:
    """Return what is due in minor units when `qty` of a line are back in all: pro rata, halves up, the whole for the whole."""
    return line_amount(amount_of(line), qty, line.qty)


def lines_back(
    sale: Sale, asked: Sequence[ReturnLine], returned: Mapping[int, int], *, has_happened: bool = False
) -> tuple[ReturnedLine, ...]:
    """Return what comes back; `returned` is line -> qty of all returns before. Raise RuleError for what cannot come back.

    What has happened already may be more than is left: see `beyond_sold`.
    """
    sold = {line.line: line for line in sale.lines}
    named: set[int] = set()
    back: list[ReturnedLine] = []
    for index, wanted in enumerate(asked):
        line, before = sold.get(wanted.line), returned.get(wanted.line, 0)
        if line is None:
            raise RuleError("sale_line", f"/lines/{index}/line", f"sale {sale.sale_id} has no line {wanted.line}")
        if wanted.line in named:
            raise RuleError("line_named_twice", f"/lines/{index}/line", f"line {wanted.line} is named twice")
        if wanted.qty > line.qty - before and not has_happened:
            left = f"line {wanted.line}: {line.qty - before} of {line.qty} are left to return, not {wanted.qty}"
            raise RuleError("more_than_sold", f"/lines/{index}/qty", left)
        if wanted.damaged > wanted.qty:
            raise RuleError("damaged", f"/lines/{index}/damaged", f"{wanted.damaged} of {wanted.qty} are damaged")
        named.add(wanted.line)
        amount = refund_due(line, before + wanted.qty) - refund_due(line, before)
        back.append(ReturnedLine(wanted.line, line.sku, wanted.qty, amount))
    return tuple(back)


def beyond_sold(sale: Sale, back: Sequence[ReturnedLine], returned: Mapping[int, int]) -> tuple[Warned, ...]:
    """Return a warning for each line of which more is back than was sold."""
    sold = {line.line: line.qty for line in sale.lines}
    total = {each.line: returned.get(each.line, 0) + each.qty for each in back}
    return tuple(
        Warned("more_than_sold", line, f"{qty} of {sold[line]} are back")
        for line, qty in total.items()
        if qty > sold[line]
    )


def sellable(asked: Sequence[ReturnLine], back: Iterable[ReturnedLine]) -> tuple[ReturnedLine, ...]:
    """Return what of the goods may be sold again: damaged ones do not come back to the shelf."""
    damaged = {line.line: line.damaged for line in asked}
    whole = (replace(line, qty=line.qty - damaged[line.line]) for line in back)
    return tuple(line for line in whole if line.qty)


def tax_back(
    sale: Sale, back: Iterable[ReturnedLine], returned: Mapping[int, int], rate_of: Mapping[str, int]
) -> tuple[TaxPart, ...]:
    """Return the tax in a refund by rate, on the running total: all returns of a sale come to its tax exactly."""
    came = {line.line: line.qty for line in back}
    before = tax_contained((rate_of[line.sku], refund_due(line, returned.get(line.line, 0))) for line in sale.lines)
    after = tax_contained(
        (rate_of[line.sku], refund_due(line, returned.get(line.line, 0) + came.get(line.line, 0)))
        for line in sale.lines
    )
    known = {part.rate_bp: part.amount for part in before}
    parts = (TaxPart(part.rate_bp, part.amount - known[part.rate_bp]) for part in after)
    return tuple(part for part in parts if part.amount)


def is_all_back(sale: Sale, back: Sequence[ReturnedLine], returned: Mapping[int, int]) -> bool:
    """Whether nothing of a sale is left with the customer."""
    now = {each.line: each.qty for each in back}
    return all(returned.get(line.line, 0) + now.get(line.line, 0) >= line.qty for line in sale.lines)


def effects_back(sold: SaleFact, back: Sequence[ReturnedLine], location: str) -> tuple[StockEffect, ...]:
    """Return what comes back to the shelf: only goods of lines that the sale took out of stock."""
    taken_out = {(effect.sku, -effect.qty) for effect in sold.stock}
    sold_qty = {line.line: line.qty for line in sold.sale.lines}
    return tuple(
        StockEffect(line.sku, location, line.qty) for line in back if (line.sku, sold_qty[line.line]) in taken_out
    )


def check_reason(reason: str, declared: Sequence[str]) -> None:
    """Raise RuleError for a reason that the shop has not declared; where it declares none, any will do."""
    if declared and reason not in declared:
        raise RuleError("reason_unknown", "/reason", f"{reason!r}; the reasons here: {', '.join(declared)}")


def check_tenders(content: Return, refund: int, currency: str) -> None:
    """Raise RuleError unless tenders, where there are any, add up to the refund or to the refund rounded for cash."""
    exchanged = content.exchanged
    paid, due = sum(tender.amount for tender in content.tenders) - exchanged, refund - exchanged
    rounded = due + cash_rounding(due, currency) if due > 0 else due
    if content.tenders and paid not in (due, rounded):
        raise RuleError("refund_tenders", "/tenders", f"tenders add up to {paid}, the refund is {due}")


RETURN = Entity(
    name="return",
    stream="returns",
    kind=Kind.FACT,
    table="sale_return",
    row=ReturnFact,
    doc="Goods of a sale that came back, and what was refunded.",
    key=(Column("return_id", path="return.return_id"),),
    columns=(
        Column("sale_id", path="return.sale_id", is_indexed=True),
        Column("content_hash", "BLOB", compute=lambda fact: content_hash(fact.content), default=b""),
        Column("told", default='{"stock":{}}'),
    ),
    dated="committed_at",
    measure=Measure(unit="currency", amount="refund"),
    names=(Named("return.sale_id", "sale"),),
    keep=Keep(days=400),  # as its sale, which goes first
    priority=Priority.URGENT,
    with_id=True,
)
