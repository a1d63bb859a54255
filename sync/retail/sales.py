"""The sale: what a till says, what becomes a fact, and the pure rules between the two.

Money is integer minor units of `currency`; quantities are integers in `unit` (`each` or `g`); times are RFC 3339 with zone.
Not here: who may sell, prices of the shop, storage. Source: the design, sections 3.3 and 4.
"""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.kinds import Column, Entity, Keep, Kind, Measure, Priority
from sync.retail.money import cash_rounding, line_amount

QTY_MAX = 1_000_000  # a thousand kilograms or a million pieces on one line: beyond it is a typing or scanning mistake
AMOUNT_MAX = 10**12
LINES_MAX = 500
HASH_VERSION = 1
SOLD_YEARS = range(1970, 2200)  # a till without a clock says 1970; beyond these years calendar arithmetic overflows

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*\Z")]
Sku = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
ShortText = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Moment = Annotated[datetime, Meta(tz=True)]
Unit = Literal["each", "g"]


class SaleLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: `unit_price` is for `per` units (when absent, what the shop's price says).

    Its amount is unit_price × qty / per, rounded half up, less the discount.
    """

    line: Annotated[int, Meta(ge=1, le=9999)]
    sku: Sku
    qty: Annotated[int, Meta(ge=1, le=QTY_MAX)]
    unit_price: Amount
    unit: Unit = "each"
    discount: Amount = 0
    per: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    price_version: Annotated[int, Meta(ge=0)] | None = None
    open_item: bool = False
    description: ShortText | None = None


class Tender(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a part of the total was paid."""

    type: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+\Z")]
    amount: Amount
    provider: ShortText | None = None
    reference: ShortText | None = None


class Coupon(Struct, frozen=True, forbid_unknown_fields=True):
    """A coupon named by its serial."""

    serial: Id


class Sale(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The till-made content of a sale. `total` includes `rounding` (cash rounding, a line of its own on the receipt)."""

    sale_id: Id
    till_id: Id
    currency: Currency
    lines: Annotated[tuple[SaleLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    tenders: Annotated[tuple[Tender, ...], Meta(max_length=20)]
    total: Amount
    rounding: Annotated[int, Meta(ge=-100, le=100)] = 0
    sold_at: Moment | None = None
    receipt_no: Id | None = None
    offline: bool = False
    cashier_id: Id | None = None
    member_id: Id | None = None
    coupons: Annotated[tuple[Coupon, ...], Meta(max_length=0)] = ()

    def __post_init__(self) -> None:
        if self.sold_at is not None and self.sold_at.year not in SOLD_YEARS:
            raise ValueError(f"sold_at is in the year {self.sold_at.year}: set the till's clock")


class Warned(Struct, frozen=True, omit_defaults=True):
    """Something about a sale that a person may want to know; the sale stands."""

    code: str
    line: int | None = None
    detail: str = ""


class StockEffect(Struct, frozen=True, array_like=True):
    """What a fact does to stock: a signed quantity at a location."""

    sku: str
    location: str
    qty: int


class SaleFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A sale as it is stored and shipped: the till's content, what the hub added, its effects as numbers. One row, never torn."""

    v: int = 1
    sale: Sale
    receipt_no: str
    business_date: str
    committed_at: datetime
    stock: tuple[StockEffect, ...] = ()
    warnings: tuple[Warned, ...] = ()


def content_hash(sale: Sale) -> bytes:
    """Return the versioned hash of the till-made fields: equal for equal meaning, whatever the bytes were."""
    if sale.sold_at is not None:
        sale = msgspec.structs.replace(sale, sold_at=sale.sold_at.astimezone(UTC))
    return bytes([HASH_VERSION]) + blake2b(msgspec.json.encode(sale), digest_size=15).digest()


def filled_like(sale: Sale, stored: Sale) -> Sale:
    """Return a repeated sale with the `per` that the hub had filled in the first time, where it is left out again."""
    known = {line.line: line for line in stored.lines}
    lines = tuple(
        replace(line, per=known[line.line].per) if line.per is None and line.line in known else line
        for line in sale.lines
    )
    return replace(sale, lines=lines)


def amount_of(line: SaleLine) -> int:
    """Return a line's amount in minor units; `per` must be known by now."""
    assert line.per is not None
    return line_amount(line.unit_price, line.qty, line.per) - line.discount


def check_sums(sale: Sale) -> None:
    """Raise RuleError unless lines, rounding, total and tenders agree to the last minor unit."""
    seen: set[int] = set()
    for index, line in enumerate(sale.lines):
        if line.line in seen:
            raise RuleError("line_number_twice", f"/lines/{index}/line", f"line {line.line} appears twice")
        seen.add(line.line)
        if amount_of(line) < 0:
            raise RuleError(
                "discount_above_amount", f"/lines/{index}/discount", f"{line.discount} is more than the line"
            )
    goods = sum(amount_of(line) for line in sale.lines)
    if sale.rounding not in (0, cash_rounding(goods, sale.currency)):
        raise RuleError("rounding", "/rounding", f"{sale.rounding} does not round {goods} {sale.currency} for cash")
    if goods + sale.rounding != sale.total:
        raise RuleError(
            "total", "/total", f"lines and rounding add up to {goods + sale.rounding}, the total says {sale.total}"
        )
    paid = sum(tender.amount for tender in sale.tenders)
    if paid != sale.total:
        raise RuleError("tenders", "/tenders", f"tenders add up to {paid}, the total says {sale.total}")


SALE = Entity(
    name="sale",
    stream="sales",
    kind=Kind.FACT,
    table="sale",
    row=SaleFact,
    doc="What a till sold: its content, what the hub added, its effects on stock.",
    key=(Column("sale_id", path="sale.sale_id"),),
    columns=(
        Column("receipt_no", path="receipt_no", is_unique=True),
        Column("content_hash", "BLOB", compute=lambda fact: content_hash(fact.sale), default=b""),
        Column("told", default='{"stock":{}}'),
    ),
    dated="committed_at",
    measure=Measure(unit="sale.currency", amount="sale.total"),
    keep=Keep(days=400),  # the longest return period and the e-invoice period; the cloud keeps all
    priority=Priority.URGENT,
    with_id=True,
)
