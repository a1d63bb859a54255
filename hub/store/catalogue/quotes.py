"""A quote: what a basket comes to in this shop now. Reads only; what a till is told here is what its sale is held against.

Not here: prices and promotions (hub.store.catalogue.pricing), the arithmetic (sync.retail.catalogue.quotes,
sync.retail.selling.tax).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import RefusedError
from hub.store.catalogue.pricing import goods_of
from hub.store.catalogue.promotions import live_promotions
from hub.store.model import Shop
from hub.store.people.coupon_quotes import CouponDesk, QuotedCoupon
from hub.store.people.point_quotes import PointDesk, QuotedPoints
from sync.errors import RuleError
from sync.retail.catalogue.promotions import Considered
from sync.retail.catalogue.quotes import Goods, quoted
from sync.retail.money import cash_rounding
from sync.retail.selling.discounts import with_sale_discount
from sync.retail.selling.sales import (
    COUPONS_MAX,
    DISCOUNTS_MAX,
    LINES_MAX,
    POINTS_MAX,
    QTY_MAX,
    Amount,
    Discount,
    Id,
    Override,
    SaleLine,
    ShortText,
    Sku,
    TaxPart,
    Unit,
    Warned,
    amount_of,
)
from sync.retail.selling.tax import tax_contained


class QuoteLine(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A line of a basket. `unit_price` is asked for where the shop has no price, or it is set by hand (`override`)."""

    line: Annotated[int, Meta(ge=1, le=9999)]
    sku: Sku
    qty: Annotated[int, Meta(ge=1, le=QTY_MAX)]
    unit: Unit = "each"
    unit_price: Amount | None = None
    per: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    open_item: bool = False
    description: ShortText | None = None
    discounts: Annotated[tuple[Discount, ...], Meta(max_length=DISCOUNTS_MAX)] = ()
    override: Override | None = None


class SaleDiscount(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A discount on the whole basket, shared out over its lines."""

    amount: Amount
    reason: ShortText | None = None
    reference: Id | None = None


class QuoteRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A basket, who buys it, the coupons that are shown, by serial, and how many points are to be burned (`max`: what may be)."""

    lines: Annotated[tuple[QuoteLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    member_id: Id | None = None
    discount: SaleDiscount | None = None
    coupons: Annotated[tuple[Id, ...], Meta(max_length=COUPONS_MAX)] = ()
    points: Annotated[int, Meta(ge=1, le=POINTS_MAX)] | Literal["max"] | None = None


class Quote(Struct, frozen=True, kw_only=True):
    """Lines as a sale may send them; `total` is their sum, `cash_rounding` what cash adds to it; what became of promotions.

    A sale names those of the `coupons` that take something off, with their amounts, and burns what `points` says, null where none
    were asked for.
    """

    currency: str
    priced_at: datetime
    lines: tuple[SaleLine, ...]
    total: int
    cash_rounding: int
    tax: tuple[TaxPart, ...]
    promotions: tuple[Considered, ...]
    coupons: tuple[QuotedCoupon, ...]
    points: QuotedPoints | None
    warnings: tuple[Warned, ...]


def quote(read: Connection, shop: Shop, request: QuoteRequest, desk: CouponDesk, point_desk: PointDesk) -> Quote:
    """Return what a basket comes to at the desk's moment; raise RefusedError."""
    at = desk.at
    goods = goods_of(read, shop, [line.sku for line in request.lines], at)
    wanted = [_line(line, goods.get(line.sku), index) for index, line in enumerate(request.lines)]
    _check_numbers(wanted)
    _check_serials(request.coupons)
    try:
        found = quoted(wanted, goods, live_promotions(read, shop, at), at=at, is_member=request.member_id is not None)
        lines = found.lines
        if request.discount is not None:
            whole = request.discount
            lines = with_sale_discount(lines, whole.amount, reference=whole.reference, reason=whole.reason)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    _check_discounts(lines)
    lines, coupons = desk.take(lines, request.coupons, request.member_id)
    points = None
    if request.points is not None:
        lines, points = point_desk.take(lines, request.points, request.member_id, keeps=desk.floors(coupons))
    total = sum(map(amount_of, lines))
    rates = {sku: shop.tax.of(known.category) for sku, known in goods.items()}
    return Quote(
        currency=shop.currency,
        priced_at=at.moment.astimezone(UTC),
        lines=lines,
        total=total,
        cash_rounding=cash_rounding(total, shop.currency),
        tax=tax_contained((rates.get(line.sku, shop.tax.rate_bp), amount_of(line)) for line in lines),
        promotions=found.promotions,
        coupons=coupons,
        points=points,
        warnings=(Warned("by_grace", detail="the clock is not sure"),) if found.by_grace else (),
    )


def _line(line: QuoteLine, goods: Goods | None, index: int) -> SaleLine:
    if goods is None and not line.open_item:
        raise RefusedError("unknown_sku", f"no product {line.sku}", pointer=f"/lines/{index}/sku")
    if goods is not None and goods.unit != line.unit:
        detail = f"{line.sku} is sold by {goods.unit}, not by {line.unit}"
        raise RefusedError("unit", detail, pointer=f"/lines/{index}/unit")
    has_price = goods is not None and goods.price is not None
    if line.unit_price is None and (line.override is not None or not has_price):
        raise RefusedError("no_price", f"nobody says what {line.sku} costs", pointer=f"/lines/{index}/unit_price")
    return SaleLine(
        line=line.line,
        sku=line.sku,
        qty=line.qty,
        unit_price=line.unit_price or 0,
        unit=line.unit,
        discount=sum(part.amount for part in line.discounts),
        per=line.per,
        open_item=line.open_item,
        description=line.description,
        discounts=line.discounts,
        override=line.override,
    )


def _check_discounts(lines: Sequence[SaleLine]) -> None:
    for index, line in enumerate(lines):
        if len(line.discounts) > DISCOUNTS_MAX:
            detail = f"line {line.line} has {len(line.discounts)} discounts with the shop's; at most {DISCOUNTS_MAX}"
            raise RefusedError("discounts_too_many", detail, pointer=f"/lines/{index}/discounts")


def _check_serials(serials: Sequence[str]) -> None:
    for index, serial in enumerate(serials):
        if serial in serials[:index]:
            raise RefusedError("coupon_twice", f"coupon {serial} stands twice", pointer=f"/coupons/{index}")


def _check_numbers(lines: list[SaleLine]) -> None:
    seen: set[int] = set()
    for index, line in enumerate(lines):
        if line.line in seen:
            raise RefusedError("line_number_twice", f"line {line.line} appears twice", pointer=f"/lines/{index}/line")
        seen.add(line.line)
