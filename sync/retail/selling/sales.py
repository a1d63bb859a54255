"""The sale: what a till says, what becomes a fact, and the pure rules between the two.

Money is integer minor units of `currency`; quantities are integers in `unit` (`each` or `g`); times are RFC 3339 with zone.
A field that stands at its default is left out, so that the hash of a sale stays what it was when fields are added.

    line        unit_price x qty / per, rounded half up, less `discount`; `discounts` says of what that is made
    sale        the lines and the cash rounding; a discount on all of it stands on its lines
                (sync.retail.selling.discounts.spread)
    tenders     add up to the total; what is handed over beyond a tender's amount is change
    exchange    a tender of this type is the value of goods that came back for it (sync.retail.selling.exchanges); no coins are
                for it
    coupons     each takes off what the discounts that name its serial do

Not here: who may sell, prices of the shop (sync.retail.catalogue.pricing), tax (sync.retail.selling.tax), storage. Source: the
design, 3.3 and 4.
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
DISCOUNTS_MAX = 20  # of one line
COUPONS_MAX = 20
APPROVALS_MAX = 20
POINTS_MAX = 10**9  # of one entry; more is a typing mistake
HASH_VERSION = 1
EXCHANGED = "exchange"  # the type of a tender that carries the value of goods that came back
SOLD_YEARS = range(1970, 2200)  # a till without a clock says 1970; beyond these years calendar arithmetic overflows

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*\Z")]
Sku = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
ShortText = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Moment = Annotated[datetime, Meta(tz=True)]
Unit = Literal["each", "g"]
DiscountKind = Literal["promotion", "coupon", "manual", "member", "points", "sale"]
Points = Annotated[int, Meta(ge=-POINTS_MAX, le=POINTS_MAX)]


class Discount(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a line's discount. `reference`: the promotion, the coupon's serial; `sale`: its part of one on the whole sale."""

    amount: Amount
    kind: DiscountKind
    reference: Id | None = None
    reason: ShortText | None = None


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """The price was set by hand; a manager approves it."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class SaleLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: `unit_price` is for `per` units (when absent, what the shop's price says).

    Its amount is unit_price × qty / per, rounded half up, less the discount. `discounts`, where given, add up to `discount`.
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
    discounts: Annotated[tuple[Discount, ...], Meta(max_length=DISCOUNTS_MAX)] = ()
    override: Override | None = None


class Tender(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a part of the total was paid. `tendered`: what was handed over for it; the rest of it is change."""

    type: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+\Z")]
    amount: Amount
    provider: ShortText | None = None
    reference: ShortText | None = None
    tendered: Amount | None = None

    @property
    def change(self) -> int:
        """What went back to the customer."""
        return 0 if self.tendered is None else self.tendered - self.amount


class Coupon(Struct, frozen=True, forbid_unknown_fields=True):
    """A coupon named by its serial, and what it takes off: the sum of the discounts that name it."""

    serial: Id
    amount: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]


class Approval(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody with the right to do so approved of an action, such as `price_override`."""

    action: Id
    by: Id
    approval_id: Id


class Sale(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The till-made content of a sale. `total` includes `rounding` (cash rounding, a line of its own on the receipt).

    `training`: answered and printed like a sale, and in no book. `session_id`: the drawer's session that took the money.
    """

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
    coupons: Annotated[tuple[Coupon, ...], Meta(max_length=COUPONS_MAX)] = ()
    points_burned: Annotated[int, Meta(ge=0, le=POINTS_MAX)] = 0
    session_id: Id | None = None
    approvals: Annotated[tuple[Approval, ...], Meta(max_length=APPROVALS_MAX)] = ()
    training: bool = False

    @property
    def exchanged(self) -> int:
        """What goods that came back have paid of it."""
        return sum(tender.amount for tender in self.tenders if tender.type == EXCHANGED)

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


class PointsEffect(Struct, frozen=True, array_like=True):
    """What a fact does to a member's points."""

    member_id: str
    points: Points


class TaxPart(Struct, frozen=True, array_like=True):
    """The tax that the amounts of one rate contain; rates are basis points: 500 is 5 %."""

    rate_bp: int
    amount: int


class SaleFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A sale as it is stored and shipped: the till's content, what the hub added, its effects as numbers. One row, never torn."""

    v: int = 1
    sale: Sale
    receipt_no: str
    business_date: str
    committed_at: datetime
    stock: tuple[StockEffect, ...] = ()
    warnings: tuple[Warned, ...] = ()
    points: tuple[PointsEffect, ...] = ()
    tax: tuple[TaxPart, ...] = ()


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
    """Raise RuleError unless lines, discounts, coupons, rounding, total and tenders agree to the last minor unit."""
    _check_lines(sale)
    _check_coupons(sale)
    if sale.points_burned and sale.member_id is None:
        raise RuleError("points_member", "/points_burned", "points are burned, and the sale names no member")
    goods = sum(amount_of(line) for line in sale.lines)
    to_pay = max(0, goods - sale.exchanged)
    if sale.rounding and sale.rounding != cash_rounding(to_pay, sale.currency):
        raise RuleError("rounding", "/rounding", f"{sale.rounding} does not round {to_pay} {sale.currency} for cash")
    if goods + sale.rounding != sale.total:
        raise RuleError(
            "total", "/total", f"lines and rounding add up to {goods + sale.rounding}, the total says {sale.total}"
        )
    _check_tenders(sale)


def _check_lines(sale: Sale) -> None:
    seen: set[int] = set()
    for index, line in enumerate(sale.lines):
        if line.line in seen:
            raise RuleError("line_number_twice", f"/lines/{index}/line", f"line {line.line} appears twice")
        seen.add(line.line)
        if amount_of(line) < 0:
            raise RuleError(
                "discount_above_amount", f"/lines/{index}/discount", f"{line.discount} is more than the line"
            )
        made_of = sum(part.amount for part in line.discounts)
        if line.discounts and made_of != line.discount:
            detail = f"the discounts add up to {made_of}, the line's discount is {line.discount}"
            raise RuleError("discounts", f"/lines/{index}/discounts", detail)
        if not sale.points_burned and any(part.kind == "points" for part in line.discounts):
            detail = f"line {line.line} has a discount for points, and the sale burns none"
            raise RuleError("points_discount", "/points_burned", detail)


def _check_coupons(sale: Sale) -> None:
    """A serial stands once; what its discounts take off is what it takes off."""
    parts = [part for line in sale.lines for part in line.discounts if part.kind == "coupon"]
    named: set[str] = set()
    for index, coupon in enumerate(sale.coupons):
        if coupon.serial in named:
            raise RuleError("coupon_twice", f"/coupons/{index}/serial", f"coupon {coupon.serial} stands twice")
        named.add(coupon.serial)
        taken = sum(part.amount for part in parts if part.reference == coupon.serial)
        if taken != coupon.amount:
            detail = f"discounts that name {coupon.serial} add up to {taken}, the coupon says {coupon.amount}"
            raise RuleError("coupon_amount", f"/coupons/{index}/amount", detail)
    for part in parts:
        if part.reference not in named:
            raise RuleError("coupon_amount", "/coupons", f"a discount names coupon {part.reference}, the sale does not")


def _check_tenders(sale: Sale) -> None:
    for index, tender in enumerate(sale.tenders):
        if tender.change < 0:
            detail = f"{tender.tendered} was handed over for {tender.amount}"
            raise RuleError("tendered", f"/tenders/{index}/tendered", detail)
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
