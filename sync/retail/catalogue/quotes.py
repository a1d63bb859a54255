"""What a basket comes to: each line at the shop's price, with its promotion; for a quote and for the check of a sale alike. Pure.

    line            price                                  discounts
    known goods     what sync.retail.catalogue.pricing says          its promotion first, then what the till had put there itself
    set by hand     as the till says (`override`)          as the till says
    nobody's price  as the till says                       as the till says

Not here: which prices and promotions there are (hub.store.catalogue.pricing), sums of a sale (sync.retail.selling.sales).
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.catalogue.pricing import Effective
from sync.retail.catalogue.promotions import BasketLine, Considered, Promotion, apply_promotions
from sync.retail.money import line_amount
from sync.retail.names import Name
from sync.retail.selling.sales import Discount, SaleLine, Warned
from sync.retail.windows import At

REASON_CHARS_MAX = 200


class Goods(Struct, frozen=True):
    """What the shop knows of a SKU that is sold."""

    unit: str
    stocked: bool = True
    category: str | None = None
    price: Effective | None = None
    name: Name | None = None


class Quoted(Struct, frozen=True):
    """Lines as the shop would sell them, and what became of the promotions."""

    lines: tuple[SaleLine, ...]
    promotions: tuple[Considered, ...]
    by_grace: bool = False


def quoted(
    lines: Sequence[SaleLine],
    goods: Mapping[str, Goods],
    promotions: Sequence[Promotion],
    *,
    at: At,
    is_member: bool,
) -> Quoted:
    """Return what the lines come to; raise RuleError (discount_above_amount) where they are discounted beyond that."""
    priced = [_priced(line, goods.get(line.sku)) for line in lines]
    basket = [_basket_line(line, goods.get(line.sku)) for line in priced] if promotions else []
    considered = apply_promotions(basket, promotions, at=at, is_member=is_member) if promotions else ()
    reasons = {each.promotion_id: _reason(each) for each in promotions}
    parts = {
        line: Discount(amount, "promotion", each.promotion_id, reasons[each.promotion_id])
        for each in considered
        for line, amount in each.saved.items()
    }
    found = tuple(_discounted(line, parts.get(line.line), index) for index, line in enumerate(priced))
    prices = [
        known.price for line in lines if (known := goods.get(line.sku)) is not None and not _is_fixed(line, known)
    ]
    by_grace = any(price is not None and price.by_grace for price in prices) or any(
        each.by_grace for each in considered
    )
    return Quoted(found, considered, by_grace)


def differences(line: SaleLine, shops: SaleLine) -> list[Warned]:
    """Return what differs between a line as a till sells it and as the shop would."""
    if (line.unit_price, line.per) != (shops.unit_price, shops.per):
        detail = f"{line.sku}: the shop's price is {shops.unit_price} for {shops.per}"
        return [Warned("price_differs", line.line, detail)]
    given, due = _promoted(line), _promoted(shops)
    if given == due or (line.discount and not line.discounts):
        return []
    return [Warned("promotion_differs", line.line, f"{line.sku}: the shop's promotions take off {due}, not {given}")]


def _promoted(line: SaleLine) -> int:
    return sum(part.amount for part in line.discounts if part.kind == "promotion")


def _is_fixed(line: SaleLine, goods: Goods | None) -> bool:
    return line.override is not None or goods is None or goods.price is None or goods.unit != line.unit


def filled(line: SaleLine, goods: Goods | None) -> SaleLine:
    """Return a line with `per`, which a till may leave to the shop's price."""
    if line.per is not None:
        return line
    price = goods.price if goods is not None and goods.unit == line.unit else None
    return replace(line, per=price.per if price is not None else 1)


def _priced(line: SaleLine, goods: Goods | None) -> SaleLine:
    if goods is None or goods.price is None or _is_fixed(line, goods):
        return filled(line, goods)
    if (line.unit_price, line.per) == (goods.price.amount, goods.price.per):
        return line
    return replace(line, unit_price=goods.price.amount, per=goods.price.per)


def _basket_line(line: SaleLine, goods: Goods | None) -> BasketLine:
    assert line.per is not None
    return BasketLine(
        line=line.line,
        sku=line.sku,
        category=goods.category if goods is not None else None,
        qty=line.qty,
        unit_price=line.unit_price,
        per=line.per,
        unit=line.unit,
        is_fixed=_is_fixed(line, goods),
    )


def _discounted(line: SaleLine, part: Discount | None, index: int) -> SaleLine:
    if part is None and not line.discount and not line.discounts:
        return line
    kept = tuple(each for each in line.discounts if each.kind != "promotion")
    if line.discount and not line.discounts:
        kept = (Discount(line.discount, "manual"),)
    parts = ((part,) if part else ()) + kept
    discount = sum(each.amount for each in parts)
    assert line.per is not None
    if discount > line_amount(line.unit_price, line.qty, line.per):
        raise RuleError("discount_above_amount", f"/lines/{index}/discounts", f"{discount} is more than the line")
    return replace(line, discount=discount, discounts=parts)


def _reason(promotion: Promotion) -> str:
    said = " ".join(filter(None, (promotion.name.zh_hant, promotion.name.en)))
    return "".join(char for char in said if char.isprintable())[:REASON_CHARS_MAX]
