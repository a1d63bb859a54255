"""What a shop asks of a sale before it is booked: products, units, prices, tenders, sums; what follows for stock and tax.

    what is wrong               a sale that is made now   one that already happened (`offline`)
    sums that do not add up     refused                   refused: nobody can say what was meant
    anything else               refused                   booked, and noted on it

A price that differs from the shop's, and stock below zero, never refuse: they are noted. Functions of a write job, nothing is
written. Not here: booking (hub.store.sales).
"""

import json
from sqlite3 import Connection
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import RefusedError
from hub.store.model import Shop
from sync.errors import RuleError
from sync.retail.sales import Sale, SaleLine, StockEffect, TaxPart, Warned, check_sums
from sync.retail.tax import tax_of
from sync.retail.tenders import examine

PRICE_OVERRIDE = "price_override"  # what a manager approves of, for all lines of the sale


class Admitted(Struct, frozen=True):
    """A sale that may be booked, `per` filled in, and what follows from it."""

    sale: Sale
    effects: tuple[StockEffect, ...]
    tax: tuple[TaxPart, ...]
    warnings: tuple[Warned, ...]


class Product(NamedTuple):
    """What a line is held against."""

    unit: str
    stocked: bool
    category: str | None
    amount: int | None
    per: int | None


def admit(tx: Connection, shop: Shop, sale: Sale, *, is_cut_off: bool = False) -> Admitted:
    """Hold a sale against the shop; raise RefusedError."""
    known = known_products(tx, [line.sku for line in sale.lines])
    notes = _Notes(sale)
    if sale.currency != shop.currency:
        detail = f"{sale.currency}, this shop sells in {shop.currency}"
        notes.refuse(RefusedError("currency", detail, pointer="/currency"))
    lines = tuple(_line(line, index, known.get(line.sku), notes) for index, line in enumerate(sale.lines))
    sale = replace(sale, lines=lines)
    _hold_overrides(sale, notes)
    _hold_tenders(shop, sale, notes, is_cut_off=is_cut_off)
    try:
        check_sums(sale)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    return Admitted(
        sale=sale,
        effects=tuple(
            StockEffect(line.sku, shop.location, -line.qty)
            for line in lines
            if (product := known.get(line.sku)) is not None and product.stocked and product.unit == line.unit
        ),
        tax=tax_of(sale, shop.tax, {sku: product.category for sku, product in known.items()}),
        warnings=tuple(notes.warnings),
    )


def known_products(read: Connection, skus: list[str]) -> dict[str, Product]:
    """Return those of these SKUs that the catalogue has ever known, with the price of those that have one."""
    rows = read.execute(
        """
        SELECT product.sku, product.unit, product.stocked, product.category, price.amount_minor, price.per
        FROM json_each(?) AS wanted
        JOIN product ON product.sku = wanted.value
        LEFT JOIN price ON price.sku = product.sku AND price.gone = 0
        """,
        (json.dumps(skus),),
    ).fetchall()
    return {sku: Product(unit, bool(stocked), *more) for sku, unit, stocked, *more in rows}


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


def _line(line: SaleLine, index: int, product: Product | None, notes: _Notes) -> SaleLine:
    if product is None and line.open_item:
        notes.note("open_item", line.sku, line=line.line)
    elif product is None:
        refused = RefusedError("unknown_sku", f"no product {line.sku}", pointer=f"/lines/{index}/sku")
        notes.refuse(refused, line=line.line)
    elif line.unit != product.unit:
        detail = f"{line.sku} is sold by {product.unit}, not by {line.unit}"
        notes.refuse(RefusedError("unit", detail, pointer=f"/lines/{index}/unit"), line=line.line)
    else:
        priced = _priced(line, product.per or 1)
        if product.amount is not None and (priced.unit_price, priced.per) != (product.amount, product.per):
            detail = f"{line.sku}: the shop's price is {product.amount} for {product.per}"
            notes.note("price_override" if line.override else "price_differs", detail, line=line.line)
        return priced
    return _priced(line, 1)


def _priced(line: SaleLine, per: int) -> SaleLine:
    return line if line.per is not None else replace(line, per=per)


def _hold_overrides(sale: Sale, notes: _Notes) -> None:
    is_approved = any(approval.action == PRICE_OVERRIDE for approval in sale.approvals)
    for index, line in enumerate(sale.lines):
        if line.override is not None and not is_approved:
            detail = f"{line.sku}: the price was set by hand, and nobody has approved of {PRICE_OVERRIDE}"
            refused = RefusedError("approval_needed", detail, pointer=f"/lines/{index}/override")
            notes.refuse(refused, line=line.line)


def _hold_tenders(shop: Shop, sale: Sale, notes: _Notes, *, is_cut_off: bool) -> None:
    for index, tender in enumerate(sale.tenders):
        for found in examine(tender, shop.tenders, is_cut_off=is_cut_off):
            if found.is_refused:
                notes.refuse(RefusedError(found.code, found.detail, pointer=f"/tenders/{index}/{found.field}"))
            else:
                notes.note(found.code, found.detail)
