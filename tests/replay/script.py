"""The set as what happens in shops: baskets, goods that come back, shelves that are put right, deliveries. Read by the importer.

    row of the set                                  in the shops
    code that the importer refuses                  refused, counted by the importer's reason
    invoice, quantity above 0                       line of a sale (at price 0 too: given away)
    invoice, quantity below 0 (price 0)             adjustment, cause `damage`
    C invoice, sale found                           return; void where it is all of a sale, on its own day
    C invoice, no sale found                        return without a receipt, that has happened already

A sale is found by customer, SKU and price; of several the newest line of which as much is left. Not here: hubs
(tests.replay.shops), what the books must say (tests.replay.judge).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.importing.products import load_products
from hub.importing.reading import open_rows
from hub.store.model import Entry
from sync.retail.money import parse_amount
from tests.replay.plan import DELIVERY_WEEKS, LINES_MAX, SHIFT, Plan, week_of

CURRENCY = "GBP"
ZONE = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of goods, as the importer's reader gives it."""

    invoice: str
    sku: str
    qty: int
    price_minor: int
    at: datetime
    customer: str


@dataclass(frozen=True, slots=True)
class Sold:
    """A line of a basket, and where it stands."""

    sale_id: str
    line: int
    sku: str
    qty: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a place: a sale, return, void, no_receipt, damage or receive; `lines` are those of its kind."""

    kind: str
    place: str
    at: datetime
    id: str
    lines: tuple[Any, ...]
    sale_id: str = ""


@dataclass(slots=True)
class Script:
    """All of it in order of time, and what the importer said of the file."""

    entries: list[Entry]
    events: list[Event] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def read_script(path: Path, plan: Plan) -> Script:
    """Read a file in the form of the set."""
    result = load_products(path)
    script = Script(result.items, refused=result.report.refused)
    goods = {entry.product.sku for entry in result.items}
    till = _Till(plan, script)
    invoices: dict[str, list[Row]] = defaultdict(list)  # in the order of their first rows; a few go on behind another
    for row in _rows(path, goods, plan):
        invoices[row.invoice].append(row)
    for rows in invoices.values():
        till.take(rows)
    script.events = [*_deliveries(script.events, plan), *script.events]
    script.events.sort(key=lambda event: event.at)
    return script


def _rows(path: Path, goods: set[str], plan: Plan) -> Iterator[Row]:
    with open_rows(path) as source:
        for row in source.rows:
            cell = {name: str(value).strip() for name, value in row.record.items()}
            if cell["StockCode"] not in goods or not plan.takes_part(cell["InvoiceNo"], cell["CustomerID"]):
                continue
            price, at = cell["UnitPrice"], datetime.fromisoformat(cell["InvoiceDate"]).replace(tzinfo=ZONE) + SHIFT
            whole, _, fraction = price.partition(".")
            minor = parse_amount(f"{whole}.{fraction.rstrip('0') or '0'}", CURRENCY)
            yield Row(cell["InvoiceNo"], cell["StockCode"], int(cell["Quantity"]), minor, at, cell["CustomerID"])


class _Till:
    """Turns invoices into events, and remembers what may come back."""

    def __init__(self, plan: Plan, script: Script) -> None:
        self._plan, self._script = plan, script
        self._lines: dict[tuple[str, str, int], list[Sold]] = defaultdict(list)
        self._left: dict[tuple[str, int], int] = {}
        self._sales: dict[str, Event] = {}
        self._touched: set[str] = set()

    def take(self, rows: list[Row]) -> None:
        """Take the rows of an invoice."""
        if rows[0].invoice.startswith("C"):
            self._take_back(rows)
            return
        for n, start in enumerate(range(0, len(sold := [row for row in rows if row.qty > 0]), LINES_MAX)):
            self._sell(f"{rows[0].invoice}-{n}", sold[start : start + LINES_MAX])
        self._write_off([row for row in rows if row.qty < 0])

    def _sell(self, sale_id: str, rows: list[Row]) -> None:
        lines = tuple(Sold(sale_id, n, row.sku, row.qty, row.price_minor) for n, row in enumerate(rows, 1))
        for line, row in zip(lines, rows, strict=True):
            self._left[sale_id, line.line] = line.qty
            if row.customer:
                self._lines[row.customer, row.sku, row.price_minor].append(line)
        self._sales[sale_id] = self._add("sale", rows[0], sale_id, lines)
        self._script.counts["rows sold"] += len(rows)

    def _take_back(self, rows: list[Row]) -> None:
        found: dict[str, Counter[int]] = defaultdict(Counter)
        unknown: list[Row] = []
        for row in rows:
            line = self._find(row)
            if line is None:
                unknown.append(row)
                continue
            self._left[line.sale_id, line.line] += row.qty
            found[line.sale_id][line.line] -= row.qty
        for n, (sale_id, back) in enumerate(found.items()):
            sale = self._sales[sale_id]
            is_void = (
                sale.at.date() == rows[0].at.date()
                and sale_id not in self._touched
                and all(back[line.line] == line.qty for line in sale.lines)
            )
            self._touched.add(sale_id)
            kind = "void" if is_void else "return"
            self._add(kind, rows[0], f"{rows[0].invoice}-{n}", tuple(back.items()), sale_id)
        self._script.counts["rows returned"] += len(rows) - len(unknown)
        self._claim(unknown)

    def _find(self, row: Row) -> Sold | None:
        lines = self._lines.get((row.customer, row.sku, row.price_minor), ()) if row.customer else ()
        return next((each for each in reversed(lines) if self._left[each.sale_id, each.line] >= -row.qty), None)

    def _claim(self, rows: list[Row]) -> None:
        for n, start in enumerate(range(0, len(rows), LINES_MAX)):
            part = rows[start : start + LINES_MAX]
            name = f"{rows[0].invoice}-no-receipt-{n}"
            lines = tuple(Sold(name, n, row.sku, -row.qty, row.price_minor) for n, row in enumerate(part, 1))
            self._add("no_receipt", rows[0], name, lines)
        self._script.counts["rows no_receipt"] += len(rows)

    def _write_off(self, rows: list[Row]) -> None:
        if not rows:
            return
        total: Counter[str] = Counter()
        for row in rows:
            total[row.sku] += row.qty
        self._add("damage", rows[0], f"{rows[0].invoice}-damage", tuple(total.items()))
        self._script.counts["rows damage"] += len(rows)

    def _add(self, kind: str, row: Row, name: str, lines: tuple[Any, ...], sale_id: str = "") -> Event:
        place = self._plan.place_of(row.invoice, row.customer)
        event = Event(kind, place, row.at, name, lines, sale_id)
        self._script.events.append(event)
        self._script.counts[f"of kind {kind}"] += 1
        return event


def _deliveries(events: Iterable[Event], plan: Plan) -> Iterator[Event]:
    """What comes to each place at the beginning of each period, in documents."""
    wanted: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    first: dict[int, datetime] = {}
    for event in events:
        period = week_of(event.at) // DELIVERY_WEEKS
        first.setdefault(period, event.at)
        first[period] = min(first[period], event.at)
        if event.kind == "sale":
            for line in event.lines:
                wanted[period, event.place][line.sku] += line.qty
    for (period, place), skus in sorted(wanted.items()):
        came = [(sku, qty) for sku, n in sorted(skus.items()) if (qty := plan.delivered(place, sku, period, n))]
        for start in range(0, len(came), LINES_MAX):
            name = f"delivery-{place}-{period}-{start // LINES_MAX}"
            yield Event("receive", place, first[period], name, tuple(came[start : start + LINES_MAX]))
