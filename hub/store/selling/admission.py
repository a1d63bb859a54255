"""What a shop asks of a sale before it is booked: products, units, prices, tenders, sums; what follows for stock and tax.

    what is wrong               a sale that is made now   one that already happened (`offline`)
    sums that do not add up     refused                   refused: nobody can say what was meant
    anything else               refused                   booked, and noted on it

A price that differs from the shop's, and stock below zero, never refuse: they are noted. Functions of a write job; nothing is
written but that an approval was spent. Not here: booking (hub.store.selling.sales).
"""

from datetime import datetime
from sqlite3 import Connection

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import RefusedError
from hub.store.catalogue.pricing import at_moment, goods_of
from hub.store.catalogue.promotions import live_promotions
from hub.store.model import Shop, utc
from hub.store.people.coupons import CouponTerms
from hub.store.people.points import PointsWord
from hub.store.replica.clock import ahead_warnings, traded_at
from hub.store.selling.sale_approvals import Authority, unapproved
from hub.store.selling.whereabouts import whereabouts
from hub.store.stock.kits import sold_effects
from sync.errors import RuleError
from sync.retail.catalogue.quotes import Goods, differences, filled, quoted
from sync.retail.names import Name
from sync.retail.people.points_worth import against
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import Sale, SaleLine, StockEffect, TaxPart, Warned, check_sums
from sync.retail.selling.tax import tax_of
from sync.retail.selling.tenders import EXCHANGE_TENDER, examine
from sync.retail.windows import At


class Context(Struct, frozen=True):
    """What a sale is made in: `is_cut_off`, there is a cloud and no contact with it; `is_sure`, the clock knows the time.

    Without an `authority` no approval is asked for. `back`: in an exchange, the goods that came back and pay a part of it.
    `coupons`: what may be accepted, and what the cloud has said of them. `points`: what it has said of those that are burned.
    """

    is_cut_off: bool = False
    is_sure: bool = True
    authority: Authority | None = None
    back: ReturnFact | None = None
    coupons: CouponTerms = CouponTerms()
    points: PointsWord = ""


ORDINARY = Context()


class Admitted(Struct, frozen=True):
    """A sale that may be booked, `per` filled in, when it was sold, what its goods are called, and what follows from it."""

    sale: Sale
    sold_at: datetime
    effects: tuple[StockEffect, ...]
    tax: tuple[TaxPart, ...]
    warnings: tuple[Warned, ...]
    names: dict[str, Name]


def admit(tx: Connection, shop: Shop, sale: Sale, *, now_ms: int, context: Context = ORDINARY) -> Admitted:
    """Hold a sale against the shop as it was when it was sold; raise RefusedError. Approvals that it names are spent."""
    authority = context.authority
    sold_at = traded_at(sale.sold_at, utc(now_ms), is_sure=context.is_sure)
    at = at_moment(shop, sold_at, is_sure=context.is_sure)
    known = goods_of(tx, shop, [line.sku for line in sale.lines], at)
    notes = _Notes(sale)
    if sale.currency != shop.currency:
        detail = f"{sale.currency}, this shop sells in {shop.currency}"
        notes.refuse(RefusedError("currency", detail, pointer="/currency"))
    for index, line in enumerate(sale.lines):
        _hold_goods(line, index, known.get(line.sku), notes)
        _hold_price(line, index, known.get(line.sku), notes)
    lines = tuple(filled(line, known.get(line.sku)) for line in sale.lines)
    if lines != sale.lines:
        sale = replace(sale, lines=lines)
    _hold_tenders(shop, sale, notes, context)
    try:
        check_sums(sale)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    _hold_points(shop, sale, notes)
    _note_overrides(sale, known, notes)
    notes.warnings += ahead_warnings(sale.sold_at, utc(now_ms), is_sure=context.is_sure)
    notes.warnings += whereabouts(tx, session_id=sale.session_id, cashier_id=sale.cashier_id)
    if authority is not None and not sale.training:
        for refused, number in unapproved(tx, sale, authority, now_ms=now_ms):
            notes.refuse(refused, line=number)
    _hold_prices(tx, shop, sale, known, notes, at=at)
    return Admitted(
        sale=sale,
        sold_at=sold_at,
        effects=sold_effects(tx, lines, known, shop.location),
        tax=tax_of(sale, shop.tax, {sku: goods.category for sku, goods in known.items()}),
        warnings=tuple(notes.warnings),
        names={sku: goods.name for sku, goods in known.items() if goods.name is not None},
    )


class _Notes:
    """What is noted on a sale; `refuse` refuses one that is made now."""

    def __init__(self, sale: Sale) -> None:
        self.warnings: list[Warned] = []
        self._has_happened = sale.offline

    def refuse(self, refused: RefusedError, *, line: int | None = None) -> None:
        if not self._has_happened:
            raise refused
        self.note(refused.code, refused.detail, line=line)

    def note(self, code: str, detail: str, *, line: int | None = None) -> None:
        self.warnings.append(Warned(code, line, detail))


def _hold_goods(line: SaleLine, index: int, goods: Goods | None, notes: _Notes) -> None:
    if goods is None and line.open_item:
        notes.note("open_item", line.sku, line=line.line)
    elif goods is None:
        refused = RefusedError("unknown_sku", f"no product {line.sku}", pointer=f"/lines/{index}/sku")
        notes.refuse(refused, line=line.line)
    elif line.unit != goods.unit:
        detail = f"{line.sku} is sold by {goods.unit}, not by {line.unit}"
        notes.refuse(RefusedError("unit", detail, pointer=f"/lines/{index}/unit"), line=line.line)


def _hold_price(line: SaleLine, index: int, goods: Goods | None, notes: _Notes) -> None:
    """Goods at no price at all are a slip or worse, unless the shop's own price is 0 or somebody set it so."""
    is_free = goods is not None and goods.price is not None and goods.price.amount == 0
    if line.unit_price == 0 and line.override is None and not is_free:
        refused = RefusedError("price_zero", f"{line.sku} at 0", pointer=f"/lines/{index}/unit_price")
        notes.refuse(refused, line=line.line)


def _hold_prices(tx: Connection, shop: Shop, sale: Sale, known: dict[str, Goods], notes: _Notes, *, at: At) -> None:
    """Note where the shop would have sold at another price, or with another promotion: by the function that makes quotes."""
    bare = [replace(line, discount=0, discounts=()) if line.discount else line for line in sale.lines]
    shops = quoted(bare, known, live_promotions(tx, shop, at), at=at, is_member=sale.member_id is not None)
    for line, other in zip(sale.lines, shops.lines, strict=True):
        notes.warnings += differences(line, other)
    if shops.by_grace:
        notes.note("by_grace", "prices or promotions of a clock that is not sure")


def _note_overrides(sale: Sale, known: dict[str, Goods], notes: _Notes) -> None:
    for line in sale.lines:
        goods = known.get(line.sku)
        if line.override is not None and goods is not None and (price := goods.price) is not None:
            detail = f"{line.sku}: the shop's price is {price.amount} for {price.per}"
            notes.note("price_override", detail, line=line.line)


def _hold_points(shop: Shop, sale: Sale, notes: _Notes) -> None:
    """Where the shop says what points are worth, that is what they take off."""
    if shop.members.points_worth is not None:
        for found in against(sale, shop.members.points_worth):
            notes.refuse(RefusedError(found.code, str(found), pointer=found.pointer))


def _hold_tenders(shop: Shop, sale: Sale, notes: _Notes, context: Context) -> None:
    taken = (*shop.tenders, EXCHANGE_TENDER) if context.back else shop.tenders
    for index, tender in enumerate(sale.tenders):
        for found in examine(tender, taken, is_cut_off=context.is_cut_off):
            if found.is_refused:
                notes.refuse(RefusedError(found.code, found.detail, pointer=f"/tenders/{index}/{found.field}"))
            else:
                notes.note(found.code, found.detail)
