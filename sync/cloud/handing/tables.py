"""Facts as tables, for who wants columns: what of a row becomes which line of which table. Pure.

A row is read by what is wanted of it: a field that a later till says is no reason to leave a sale out. Amounts are minor units of
the currency beside them, times UTC, dates the shop's business dates. The first columns of every table say where a line is from.
Whole rows, with all fields, are in the feed. Not here: stock, members, points, which are states (sync.cloud.exports.states).
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Literal

import msgspec
from msgspec import Struct

from sync.cloud.web.views import FeedRow
from sync.json_errors import NOT_JSON
from sync.retail.money import line_amount

Type = Literal["text", "int", "date", "time", "flag"]
Value = str | int | bool | None


class Column(Struct, frozen=True):
    """A column; every one but those of the key may be empty."""

    name: str
    type: Type = "text"


class Line(Struct, frozen=True):
    """A line of a table, beside the columns that say where it comes from."""

    table: str
    values: tuple[Value, ...]


ORIGIN = (Column("store"), Column("rep"), Column("seq", "int"))
"""Before every table's own columns."""


class _SaleLine(Struct):
    line: int
    sku: str
    qty: int
    unit_price: int = 0
    unit: str = "each"
    per: int | None = None
    discount: int = 0
    description: str | None = None


class _Tender(Struct):
    type: str
    amount: int
    provider: str | None = None
    reference: str | None = None
    tendered: int | None = None


class _Sale(Struct):
    sale_id: str
    till_id: str
    currency: str
    total: int
    lines: list[_SaleLine] = []
    tenders: list[_Tender] = []
    rounding: int = 0
    sold_at: str | None = None
    offline: bool = False
    cashier_id: str | None = None
    member_id: str | None = None
    points_burned: int = 0


class _SaleRow(Struct):
    sale: _Sale
    receipt_no: str
    business_date: str
    committed_at: str | None = None


class _Damaged(Struct):
    line: int
    damaged: int = 0


class _Return(Struct):
    return_id: str
    till_id: str
    sale_id: str
    lines: list[_Damaged] = []
    reason: str | None = None
    returned_at: str | None = None
    cashier_id: str | None = None
    tenders: list[_Tender] = []
    void: bool = False
    exchange_id: str | None = None


class _ReturnedLine(Struct):
    line: int
    sku: str
    qty: int
    amount: int


class _ReturnRow(Struct):
    content: _Return = msgspec.field(name="return")
    currency: str
    refund: int
    business_date: str
    lines: list[_ReturnedLine] = []
    committed_at: str | None = None


class _Redemption(Struct):
    redemption_id: str
    serial: str
    amount: int
    currency: str
    business_date: str
    coupon_id: str | None = None
    sale_id: str | None = None
    conditional: bool = False


class _Date(Struct):
    business_date: str


TENDERS = (
    Column("position", "int"),
    Column("type"),
    Column("amount", "int"),
    Column("currency"),
    Column("change", "int"),
    Column("provider"),
    Column("reference"),
)
TABLES: dict[str, tuple[Column, ...]] = {
    "sales": (
        Column("sale_id"),
        Column("receipt_no"),
        Column("business_date", "date"),
        Column("till_id"),
        Column("cashier_id"),
        Column("member_id"),
        Column("currency"),
        Column("total", "int"),
        Column("rounding", "int"),
        Column("points_burned", "int"),
        Column("offline", "flag"),
        Column("sold_at", "time"),
        Column("committed_at", "time"),
    ),
    "sale_lines": (
        Column("sale_id"),
        Column("line", "int"),
        Column("sku"),
        Column("qty", "int"),
        Column("unit"),
        Column("unit_price", "int"),
        Column("per", "int"),
        Column("discount", "int"),
        Column("amount", "int"),
        Column("currency"),
        Column("description"),
    ),
    "sale_tenders": (Column("sale_id"), *TENDERS),
    "returns": (
        Column("return_id"),
        Column("sale_id"),
        Column("business_date", "date"),
        Column("till_id"),
        Column("cashier_id"),
        Column("currency"),
        Column("refund", "int"),
        Column("reason"),
        Column("void", "flag"),
        Column("exchange_id"),
        Column("returned_at", "time"),
        Column("committed_at", "time"),
    ),
    "return_lines": (
        Column("return_id"),
        Column("sale_id"),
        Column("line", "int"),
        Column("sku"),
        Column("qty", "int"),
        Column("damaged", "int"),
        Column("amount", "int"),
        Column("currency"),
    ),
    "return_tenders": (Column("return_id"), *TENDERS),
    "coupons_redeemed": (
        Column("redemption_id"),
        Column("serial"),
        Column("coupon_id"),
        Column("sale_id"),
        Column("business_date", "date"),
        Column("amount", "int"),
        Column("currency"),
        Column("conditional", "flag"),
    ),
}
TABLES_OF = {
    "sales": ("sales", "sale_lines", "sale_tenders"),
    "returns": ("returns", "return_lines", "return_tenders"),
    "redemptions": ("coupons_redeemed",),
}
"""Which tables the rows of a stream make, the table of the row itself first."""
KEYS = {
    "sales": 1,
    "sale_lines": 2,
    "sale_tenders": 2,
    "returns": 1,
    "return_lines": 3,
    "return_tenders": 2,
    "coupons_redeemed": 1,
}
"""How many of a table's own columns, the first ones, no two lines share."""

_sale = msgspec.json.Decoder(_SaleRow).decode
_return = msgspec.json.Decoder(_ReturnRow).decode
_redemption = msgspec.json.Decoder(_Redemption).decode
_date = msgspec.json.Decoder(_Date).decode


def lines_of(stream: str, row: FeedRow) -> list[Line] | None:
    """Return a row's lines, with their origin; None for a row that cannot be read."""
    try:
        made = list(_MAKE[stream](row.body))
    except NOT_JSON:
        return None
    origin = (row.store, row.rep, row.seq)
    return [Line(table, (*origin, *values)) for table, values in made]


def day_of(body: bytes) -> str:
    """Return a row's business date, "" where it says none."""
    try:
        return day_said(_date(body).business_date)
    except NOT_JSON:
        return ""


def day_said(said: str) -> str:
    """Return a date that is one, else ""."""
    try:
        return said if date.fromisoformat(said).isoformat() == said else ""
    except ValueError:
        return ""


def _sale_lines(body: bytes) -> Iterator[tuple[str, tuple[Value, ...]]]:
    row = _sale(body)
    sale = row.sale
    yield (
        "sales",
        (
            *(sale.sale_id, row.receipt_no, row.business_date, sale.till_id, sale.cashier_id, sale.member_id),
            *(sale.currency, sale.total, sale.rounding, sale.points_burned, sale.offline),
            *(sale.sold_at, row.committed_at),
        ),
    )
    for line in sale.lines:
        per = line.per or 1
        amount = line_amount(line.unit_price, line.qty, per) - line.discount
        priced = (line.unit, line.unit_price, per, line.discount, amount, sale.currency)
        yield "sale_lines", (sale.sale_id, line.line, line.sku, line.qty, *priced, line.description)
    yield from _tenders("sale_tenders", sale.sale_id, sale.currency, sale.tenders)


def _return_lines(body: bytes) -> Iterator[tuple[str, tuple[Value, ...]]]:
    row = _return(body)
    said = row.content
    yield (
        "returns",
        (
            *(said.return_id, said.sale_id, row.business_date, said.till_id, said.cashier_id, row.currency, row.refund),
            *(said.reason, said.void, said.exchange_id, said.returned_at, row.committed_at),
        ),
    )
    damaged = {line.line: line.damaged for line in said.lines}
    for line in row.lines:
        values = (line.qty, damaged.get(line.line, 0), line.amount, row.currency)
        yield "return_lines", (said.return_id, said.sale_id, line.line, line.sku, *values)
    yield from _tenders("return_tenders", said.return_id, row.currency, said.tenders)


def _redemption_lines(body: bytes) -> Iterator[tuple[str, tuple[Value, ...]]]:
    row = _redemption(body)
    money = (row.amount, row.currency)
    values = (row.redemption_id, row.serial, row.coupon_id, row.sale_id, row.business_date, *money, row.conditional)
    yield "coupons_redeemed", values


def _tenders(table: str, of: str, currency: str, tenders: list[_Tender]) -> Iterator[tuple[str, tuple[Value, ...]]]:
    for position, each in enumerate(tenders, 1):
        change = 0 if each.tendered is None else each.tendered - each.amount
        paid = (each.type, each.amount, currency, change, each.provider, each.reference)
        yield table, (of, position, *paid)


_MAKE: dict[str, Callable[[bytes], Iterator[tuple[str, tuple[Value, ...]]]]] = {
    "sales": _sale_lines,
    "returns": _return_lines,
    "redemptions": _redemption_lines,
}
