"""One catalogue file in, clean products and a report out: where reading, shapes, cleaning and report meet.

Holds all products of a file in memory (about 1.3 KiB each: 200,000 are 260 MiB); writes nothing. Who stores the
products decides what a changed price means.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hub.importing.cleaning import clean
from hub.importing.draft import Draft, Refusal, RowRefusedError
from hub.importing.reading import ImportFileError, Row, open_rows
from hub.importing.report import ImportReport, Tally
from hub.importing.shapes import Shape, choose_shape
from hub.store.model import Entry

PROGRESS_ROWS = 1_000
"""The progress callback is called with the rows read so far after this many rows each, and once at the end."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Products in the order of the file, each SKU and each GTIN once, and what there is to say about the file."""

    items: list[Entry]
    report: ImportReport


@dataclass(frozen=True, slots=True)
class _Kept:
    row: int
    item: Entry


def load_products(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    retailer: str | None = None,
    currency: str | None = None,
    progress: Progress | None = None,
) -> ImportResult:
    """Read a catalogue file whole; ImportFileError when it or an option is unusable, bad rows are in the report.

    `mapping` is {field: column}; `retailer` chooses a column of prices in the HK price watch (the lowest without);
    `currency` is the shop's (ISO 4217): needed where the file names none, and rows in another one are refused.
    """
    tally = Tally()
    with open_rows(path) as source:
        shape = choose_shape(source, mapping=mapping, retailer=retailer)
        kept = _products(shape, _counted(source.rows, tally, progress), currency, tally)
        _refuse_unusable(source.name, tally, retailer)
        items = _with_own_gtins(kept, tally)
        report = tally.report(
            file=source.name,
            shape=shape.name,
            encoding=source.encoding,
            products=len(items),
            without_barcode=sum(not item.product.gtins for item in items),
            columns_ignored=shape.columns_ignored,
        )
    if progress is not None:
        progress(tally.rows_read)
    return ImportResult(items, report)


def _counted(rows: Iterator[Row], tally: Tally, progress: Progress | None) -> Iterator[Row]:
    for row in rows:
        tally.rows_read += 1
        if progress is not None and tally.rows_read % PROGRESS_ROWS == 0:
            progress(tally.rows_read)
        yield row


def _products(shape: Shape, rows: Iterator[Row], currency: str | None, tally: Tally) -> dict[str, _Kept]:
    """Return the clean products by SKU, in the order in which each SKU first came."""
    kept: dict[str, _Kept] = {}
    folded: dict[str, str] = {}
    for found in shape.read(rows):
        if isinstance(found, Refusal):
            tally.refuse(found.row, found.reason, found.value, rows=found.rows)
            continue
        item = _cleaned(found, shape, currency, tally)
        if item is None:
            continue
        sku = item.product.sku
        if sku in kept:
            _count_repeat(kept[sku].item == item, found.row, sku, tally)
        elif folded.setdefault(sku.casefold(), sku) != sku:
            tally.note(found.row, "sku_case", f"{sku} / {folded[sku.casefold()]}")
        kept[sku] = _Kept(found.row, item)
    return kept


def _cleaned(draft: Draft, shape: Shape, currency: str | None, tally: Tally) -> Entry | None:
    noted: list[tuple[str, str]] = []
    try:
        item = clean(
            draft,
            currency=currency,
            default_currency=shape.currency,
            note=lambda what, value: noted.append((what, value)),
        )
    except RowRefusedError as refused:
        if refused.reason == "currency_missing":
            raise ImportFileError(f"row {draft.row}: no currency is named; add --currency HKD") from refused
        tally.refuse(draft.row, refused.reason, refused.value or draft.sku, rows=draft.rows)
        return None
    for what, value in noted:
        tally.note(draft.row, what, value)
    tally.rows_merged += draft.rows - 1
    return item


def _count_repeat(is_same: bool, row: int, sku: str, tally: Tally) -> None:
    if is_same:
        tally.rows_repeated += 1
        tally.note(row, "sku_repeated", sku)
    else:
        tally.rows_replaced += 1
        tally.note(row, "sku_replaced", sku)


def _refuse_unusable(name: str, tally: Tally, retailer: str | None) -> None:
    if tally.rows_read == 0:
        raise ImportFileError(f"{name}: has column names but no rows; export it again")
    if retailer is not None and tally.refused.get("retailer_has_no_price") == tally.rows_read:
        seen = {known for example in tally.examples("retailer_has_no_price") for known in example.value.split(", ")}
        known = ", ".join(sorted(seen))
        raise ImportFileError(f"{name}: no price of retailer {retailer!r}; among those in the file are {known}")


def _with_own_gtins(kept: Mapping[str, _Kept], tally: Tally) -> list[Entry]:
    """Return the items with each GTIN left to the first SKU that has it."""
    owners: dict[str, str] = {}
    items = []
    for sku, one in kept.items():
        own = [gtin for gtin in one.item.product.gtins if owners.setdefault(gtin, sku) == sku]
        if len(own) == len(one.item.product.gtins):
            items.append(one.item)
            continue
        for gtin in one.item.product.gtins:
            if owners[gtin] != sku:
                tally.note(one.row, "barcode_taken", f"{gtin}: {owners[gtin]} keeps it, not {sku}")
        product = msgspec.structs.replace(one.item.product, gtins=own)
        items.append(msgspec.structs.replace(one.item, product=product))
    return items
