"""Orders out of a file's rows, and for each row that is refused its column and the reason. Pure.

    header          the first row that has all the columns that are needed; what stands above it is a title
    order_id empty  the row goes on with the order above it, as where cells were merged; goods without any order are refused
    sums, empty     left out, and counted
    an order        is taken whole or not at all: where a line is refused, its other lines are told so

A row that says nothing but what another one says already is a line of its own: who buys twice gets twice.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from sync.cloud.channels.buyers import email, known, phone
from sync.cloud.channels.files.cells import CellError, amount_of, gtin_of, moment_of, plain, qty_of
from sync.cloud.channels.files.grids import Grid
from sync.cloud.channels.files.mapping import GOODS, NEEDED, Mapping, headers_of
from sync.cloud.channels.reading import address_of, ms_of, one_line
from sync.cloud.channels.said import Bought, BoughtLine, Buyer, ChannelError, ChannelLine, ChannelOrder, Wish
from sync.cloud.channels.settings import Channel
from sync.retail.orders.order_rows import ORDER_LINES_MAX, OrderKind
from sync.retail.people.identities import region_of

HEADER_ROWS_MAX = 50  # titles above a header; a file without one in them is not what the mapping is for
BUYER = ("buyer_id", "buyer_name", "buyer_phone", "buyer_email")
FILLED = (
    *(
        "order_id",
        "placed_at",
        "changed_at",
        "total",
        "name",
        "address",
        "postcode",
        "phone",
        "city",
        "status",
        "delivery",
    ),
    *BUYER,
)


class RowNote(Struct, frozen=True):
    """Something about a row: why it was refused, or what was put right. `column` is the file's own header."""

    row: int
    column: str
    code: str
    said: str


class FileOrder(Struct, frozen=True):
    """An order with its rows as the file has them: columns that nobody maps are kept."""

    order: ChannelOrder
    rows: tuple[dict[str, str], ...]


class Plan(Struct, frozen=True):
    """What a file comes to. `sums`: rows that were left out as sums."""

    encoding: str
    rows: int
    orders: tuple[FileOrder, ...]
    refused: tuple[RowNote, ...]
    notes: tuple[RowNote, ...]
    sums: int


class _Row(NamedTuple):
    number: int
    cells: dict[str, str]
    whole: dict[str, str]


class _Line(NamedTuple):
    row: _Row
    line: ChannelLine | None


_stored = msgspec.json.Decoder(FileOrder).decode


def plan(grid: Grid, mapping: Mapping, channel: Channel) -> Plan:
    """Return what a file comes to; raise ChannelError where its header is not what the mapping names."""
    columns, first = _header(grid, mapping)
    reader = _Reader(mapping, channel, {name: header for header, name in columns.values()})
    groups: dict[str, list[_Line]] = {}
    count = 0
    for row in _rows(grid, columns, first):
        count += 1
        reader.read(row, groups)
    orders = [order for lines in groups.values() if (order := reader.order(lines)) is not None]
    refused = sorted(reader.refused, key=lambda note: (note.row, note.column))
    return Plan(grid.encoding, count, tuple(orders), tuple(refused), tuple(reader.notes), reader.sums)


def as_received(order: FileOrder) -> bytes:
    """Return what is kept of an order."""
    return msgspec.json.encode(order)


def read_received(body: bytes) -> ChannelOrder:
    """Return the order of what was kept."""
    return _stored(body).order


class _Reader:
    """Reads rows one after the other; each refusal is noted, none ends the file."""

    def __init__(self, mapping: Mapping, channel: Channel, headers: dict[str, str]) -> None:
        self.refused: list[RowNote] = []
        self.notes: list[RowNote] = []
        self.sums = 0
        self._mapping, self._channel, self._headers = mapping, channel, headers
        self._zone = ZoneInfo(mapping.zone)
        self._above: dict[str, str] = {}
        self._totals = {plain(word).lower() for word in mapping.totals}

    def read(self, row: _Row, groups: dict[str, list[_Line]]) -> None:
        """Read a row into its order."""
        if self._is_sum(row):
            self.sums += 1
            self._above = {}
            return
        cells = self._filled(row)
        order_id = cells.get("order_id", "")
        if not order_id or len(order_id) > 200:
            self._refuse(row, "order_id", CellError("row_order_id", order_id[:40]))
            return
        lines = groups.setdefault(order_id, [])
        filled = row._replace(cells=cells)
        lines.append(_Line(filled, self._line(filled, len(lines) + 1)))

    def order(self, lines: list[_Line]) -> FileOrder | None:
        """Return an order of its lines; None where one of them, or what all share, was refused."""
        first = lines[0].row
        good = [each.line for each in lines if each.line is not None]
        head = self._head(first, good)
        if head is not None and len(good) == len(lines) <= ORDER_LINES_MAX:
            return FileOrder(head, tuple(each.row.whole for each in lines))
        code = "row_lines" if len(lines) > ORDER_LINES_MAX else "row_order"
        for each in lines:
            if each.line is not None:
                self._refuse(each.row, "order_id", CellError(code, first.cells["order_id"]))
        return None

    def _head(self, row: _Row, lines: list[ChannelLine]) -> ChannelOrder | None:
        cells, channel = row.cells, self._channel
        try:
            placed = self._moment(row, "placed_at")
            changed = self._moment(row, "changed_at")
            total = self._amount(row, "total")
        except ChannelError:
            return None
        pickup = {plain(word) for word in self._mapping.pickup}
        kind = OrderKind.CLICK_AND_COLLECT if cells.get("delivery", "") in pickup else channel.delivery
        return ChannelOrder(
            channel_order_id=cells["order_id"],
            number=one_line(cells["order_id"]),
            changed_ms=changed or placed or 0,
            is_undated=not changed,
            wish=self._wish(cells.get("status", "")),
            kind=kind,
            currency=channel.currency,
            total=sum(line.amount for line in lines) if total is None else total,
            lines=tuple(lines),
            name=one_line(cells.get("name", "")),
            address=address_of(cells.get("postcode"), cells.get("address"), cells.get("phone")),
            bought=_bought(cells, channel, lines, placed or changed or 0, total or 0),
        )

    def _line(self, row: _Row, number: int) -> ChannelLine | None:
        before = len(self.refused)
        items = self._items(row)
        qty, amount = 0, 0
        try:
            qty = qty_of(row.cells.get("qty", ""))
        except CellError as err:
            self._refuse(row, "qty", err)
        with suppress(CellError):  # noted where it was found
            amount = self._amount(row, "amount") or 0
        if len(self.refused) > before:
            return None
        title = one_line(row.cells.get("title", ""), 200)
        line_id = row.cells.get("line") or str(number)
        return ChannelLine(line_id=line_id, items=items, title=title, qty=qty, amount=amount)

    def _items(self, row: _Row) -> tuple[str, ...]:
        """Return the names of a row's goods. A barcode that is damaged is refused where nothing else names them."""
        named = [f"{kind}:{row.cells[kind]}" for kind in ("item", "sku") if row.cells.get(kind)]
        barcode = row.cells.get("barcode", "")
        if barcode:
            try:
                gtin, has_zeros_back = gtin_of(barcode)
                named.append(f"gtin:{gtin}")
                if has_zeros_back:
                    self._note(row, "barcode", "row_barcode_zero", barcode)
            except CellError as err:
                if named:
                    self._note(row, "barcode", err.code, barcode)
                else:
                    self._refuse(row, "barcode", err)
        elif not named:
            self._refuse(row, next(each for each in GOODS if each in self._headers), CellError("row_goods", ""))
        return tuple(named)

    def _moment(self, row: _Row, name: str) -> int | None:
        text = row.cells.get(name, "")
        try:
            return ms_of(moment_of(text, order=self._mapping.date_order, zone=self._zone)) if text else None
        except CellError as err:
            self._refuse(row, name, err)
            raise

    def _amount(self, row: _Row, name: str) -> int | None:
        text = row.cells.get(name, "")
        try:
            return amount_of(text, self._channel.currency) if text else None
        except CellError as err:
            self._refuse(row, name, err)
            raise

    def _wish(self, said: str) -> Wish:
        status = self._mapping.status
        words = ((Wish.CANCELLED, status.cancelled), (Wish.UNPAID, status.unpaid), (Wish.FULFILLED, status.fulfilled))
        return next((wish for wish, told in words if said.lower() in {plain(word).lower() for word in told}), Wish.OPEN)

    def _filled(self, row: _Row) -> dict[str, str]:
        """Return a row's cells, those of the order above it where its own order_id is empty or the same."""
        if row.cells.get("order_id") and row.cells["order_id"] != self._above.get("order_id"):
            self._above = {name: row.cells[name] for name in FILLED if row.cells.get(name)}
            return row.cells
        if not row.cells.get("order_id") and self._above:
            self._note(row, "order_id", "row_filled", self._above["order_id"])
        return {**self._above, **{name: text for name, text in row.cells.items() if text}}

    def _is_sum(self, row: _Row) -> bool:
        if any(row.cells.get(name) for name in GOODS):
            return False
        begins = next((plain(text) for text in row.whole.values() if plain(text)), "").rstrip(":").strip().lower()
        return begins in self._totals

    def _refuse(self, row: _Row, name: str, err: ChannelError) -> None:
        self.refused.append(RowNote(row.number, self._headers.get(name, name), err.code, err.detail))

    def _note(self, row: _Row, name: str, code: str, said: str) -> None:
        self.notes.append(RowNote(row.number, self._headers.get(name, name), code, said[:40]))


def _bought(cells: dict[str, str], channel: Channel, lines: list[ChannelLine], bought_ms: int, total: int) -> Bought:
    """Return an order as a purchase. Where no line has an amount, the order's is spread over the pieces."""
    buyer = Buyer(
        customer_id=one_line(cells.get("buyer_id", ""), 200) if "*" not in cells.get("buyer_id", "") else "",
        name=one_line(cells.get("buyer_name", "")) if "*" not in cells.get("buyer_name", "") else "",
        phone=phone(cells.get("buyer_phone")),
        email=email(cells.get("buyer_email")),
        region=region_of(channel.currency),
    )
    amounts = [line.amount for line in lines]
    if total > 0 and not any(amounts):
        pieces = [0, *accumulate(line.qty for line in lines)]
        ends = [total * each // max(1, pieces[-1]) for each in pieces]
        amounts = [end - begin for begin, end in pairwise(ends)]
    return Bought(
        bought_ms=bought_ms,
        lines=tuple(
            BoughtLine(line_id=line.line_id, items=line.items, qty=line.qty, amount=max(0, amount))
            for line, amount in zip(lines, amounts, strict=True)
        ),
        city=one_line(cells.get("city", "")),
        buyer=known(buyer),
    )


def _header(grid: Grid, mapping: Mapping) -> tuple[dict[int, tuple[str, str]], int]:
    """Return place -> (header, our column, empty for one that nobody maps), and the row behind the header."""
    wanted = headers_of(mapping)
    best: list[str] = []
    for number, row in enumerate(grid.rows[:HEADER_ROWS_MAX], 1):
        titles = [plain(cell) for cell in row]
        found = {name for name, headers in wanted.items() if any(plain(each) in titles for each in headers)}
        if found >= set(NEEDED) and found & set(GOODS):
            return _columns(titles, wanted), number
        best = max(best, [title for title in titles if title], key=len)
    needed = ", ".join("/".join(wanted[name]) for name in NEEDED)
    raise ChannelError("channel_header", f"no row has {needed} and one for the goods; nearest: {', '.join(best)[:200]}")


def _columns(titles: list[str], wanted: dict[str, tuple[str, ...]]) -> dict[int, tuple[str, str]]:
    columns: dict[int, tuple[str, str]] = {}
    for place, title in enumerate(titles):
        if title:
            is_twice = any(title == before for before, _ in columns.values())
            name = next(
                (each for each, headers in wanted.items() if title in {plain(header) for header in headers}), ""
            )
            columns[place] = (f"{title} ({place + 1})" if is_twice else title, "" if is_twice else name)
    return columns


def _rows(grid: Grid, columns: dict[int, tuple[str, str]], first: int) -> Iterator[_Row]:
    for number, row in enumerate(grid.rows[first:], first + 1):
        whole = {columns[place][0]: text for place, text in enumerate(row) if place in columns and text.strip()}
        if whole:
            cells: dict[str, str] = {}
            for place, text in enumerate(row):
                name = columns[place][1] if place in columns else ""
                if name and plain(text):
                    cells.setdefault(name, plain(text))
            yield _Row(number, cells, whole)
