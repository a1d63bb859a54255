"""The shapes of catalogue files that are known, and how a row of store hub's own columns becomes a draft.

Pure. A draft is still text as found in the file: cleaning is another file's task. Known are store hub's own columns
and JSON items, two public data sets (feeds), and any other table by a mapping of our fields to its columns.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from hub.importing.draft import Draft, Refusal, RowRefusedError, object_of, text_of
from hub.importing.feeds import ONLINE_RETAIL_COLUMNS, PRICE_WATCH_KEYS, read_online_retail, read_price_watch
from hub.importing.reading import ImportFileError, Row, RowSource

NAME_FIELDS = ("name", "name_zh", "name_en")
TEXT_FIELDS = ("sku", *NAME_FIELDS, "price", "currency", "per", "unit", "style", "category", "stock", "stocked")
ATTRIBUTE_FIELDS = ("colour", "size")
FIELDS = (*TEXT_FIELDS, "gtins", *ATTRIBUTE_FIELDS)
"""What a mapping may name on its left side; `gtins` may hold several barcodes between ; or | or ,."""

NATIVE_SPELLINGS = {"gtin": "gtins", "barcode": "gtins", "barcodes": "gtins", "ean": "gtins", "color": "colour"}
NATIVE_SPELLINGS |= {"name_zh_hant": "name_zh", "on_hand": "stock"}
FOREIGN_SPELLINGS = {
    "sku": ("貨號", "貨品編號", "商品編號", "產品編號", "品號", "code", "itemcode", "productcode", "item", "stockcode"),
    "name_zh": ("品名", "商品名稱", "貨品名稱", "產品名稱", "中文名稱", "名稱"),
    "name_en": ("英文名稱", "title", "description", "productname", "itemname"),
    "price": ("售價", "單價", "價格", "零售價", "建議售價", "unitprice", "retailprice", "sellingprice", "variantprice"),
    "gtins": ("條碼", "國際條碼", "商品條碼", "ean13", "upc", "variantbarcode"),
    "stock": ("庫存", "庫存量", "現有庫存", "quantity", "qty", "stockonhand"),
    "colour": ("顏色", "花色"),
    "size": ("尺寸", "尺碼", "規格"),
    "category": ("分類", "類別", "department"),
    "style": ("款號", "款式", "model"),
}
"""Headers of other tills and shops, used only to propose a mapping: a guess is shown, never acted on."""

_ITEM_SEPARATORS = re.compile(r"[;|,\n、，；]")
_COMMA_EXPONENT = re.compile(r"\s*[0-9],[0-9]+[eE]\+?[0-9]+\s*")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is read: its name, the currency it implies, its rows as drafts and refusals, columns not read."""

    name: str
    read: Callable[[Iterable[Row]], Iterator[Draft | Refusal]]
    currency: str | None = None
    columns_ignored: tuple[str, ...] = ()


def parse_mapping(text: str) -> dict[str, str]:
    """Return {field: column} of "sku=Code,name_en=Title"; ImportFileError names an unknown or repeated field."""
    mapping: dict[str, str] = {}
    for part in text.split(","):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            raise ImportFileError(f"--map {part!r}: write field=column, such as sku=Code,name_en=Title,price=Cost")
        if name in mapping:
            raise ImportFileError(f"--map: field {name!r} is named twice; keep one")
        mapping[name] = column
    _check_fields(mapping)
    return mapping


def choose_shape(source: RowSource, *, mapping: Mapping[str, str] | None, retailer: str | None) -> Shape:
    """Return the shape of the file by its columns; ImportFileError when it is unknown or an option does not fit it.

    A mapping stands on top of columns that already have our names.
    """
    columns = set(source.columns)
    if mapping is None and columns >= PRICE_WATCH_KEYS:
        return Shape("hk-price-watch", partial(read_price_watch, retailer=retailer), "HKD")
    if retailer is not None:
        raise ImportFileError(f"{source.name}: a retailer is chosen only in the HK price watch; leave --retailer out")
    if mapping is None and columns >= ONLINE_RETAIL_COLUMNS:
        return Shape("online-retail", read_online_retail, "GBP")
    found = _native_columns(source.columns)
    if mapping:
        _check_fields(mapping)
        _check_mapped_columns(source, mapping)
        found |= mapping
    if "sku" not in found or "price" not in found or not any(name in found for name in NAME_FIELDS):
        raise ImportFileError(_unknown_shape(source, found))
    used = {column for path in found.values() for column in (path, path.partition(".")[0])}
    ignored = tuple(column for column in source.columns if column not in used)
    return Shape("mapped" if mapping else "native", partial(_read_items, columns=found), columns_ignored=ignored)


def _check_fields(mapping: Mapping[str, str]) -> None:
    for name in mapping:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(FIELDS)}"
            raise ImportFileError(f"--map: unknown field {name!r}; {hint}")


def _check_mapped_columns(source: RowSource, mapping: Mapping[str, str]) -> None:
    for name, column in mapping.items():
        if column not in source.columns and column.partition(".")[0] not in source.columns:
            raise ImportFileError(
                f"{source.name}: --map {name}={column}: no such column; there are {_listed(source.columns)}"
            )


def _native_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return {field: column} of the columns that have our names, whatever their case and spaces; the first one wins."""
    found: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"[\s-]+", "_", column.strip().casefold())
        name = NATIVE_SPELLINGS.get(plain, plain)
        if name in (*FIELDS, "attributes"):
            found.setdefault(name, column)
    return found


def _unknown_shape(source: RowSource, found: Mapping[str, str]) -> str:
    plain_columns = {re.sub(r"[\s_-]+", "", column.casefold()): column for column in source.columns}
    guesses = {
        name: next((plain_columns[spelling] for spelling in spellings if spelling in plain_columns), "")
        for name, spellings in FOREIGN_SPELLINGS.items()
        if name not in found
    }
    proposal = ",".join(f"{name}={column}" for name, column in guesses.items() if column)
    remedy = f"try --map {proposal!r}" if proposal else "name them by --map sku=…,name_en=…,price=…"
    return (
        f"{source.name}: columns {_listed(source.columns)} are of no known shape, which needs sku, price and a name "
        f"(name_zh, name_en or name); {remedy}"
    )


def _listed(columns: tuple[str, ...]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return ", ".join(columns[:20]) + more


def _read_items(rows: Iterable[Row], columns: Mapping[str, str]) -> Iterator[Draft | Refusal]:
    for row in rows:
        try:
            if row.surplus:
                raise RowRefusedError("column_count", row.surplus[0])
            yield _item_draft(row, columns)
        except RowRefusedError as refused:
            yield Refusal(row.number, refused.reason, refused.value)


def _item_draft(row: Row, columns: Mapping[str, str]) -> Draft:
    draft = Draft(row=row.number)
    for name, column in columns.items():
        value = row.record.get(column)
        if value is None and "." in column:
            value = _nested(row.record, column)
        if value is None or value == "":
            continue
        if name == "gtins":
            draft.gtins = _gtins(value)
        elif name in ATTRIBUTE_FIELDS:
            draft.attributes[name] = text_of(value)
        elif isinstance(value, dict) and name in ("name", "price", "attributes", "stock"):
            _take_object(draft, name, value)
        elif name == "attributes":
            raise RowRefusedError("value_shape", repr(value)[:60])
        else:
            setattr(draft, name, text_of(value))
    return draft


def _nested(record: dict[str, object], path: str) -> object:
    value: object = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _gtins(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text_of(gtin) for gtin in value)
    text = text_of(value)
    return (text,) if _COMMA_EXPONENT.fullmatch(text) else tuple(_ITEM_SEPARATORS.split(text))


def _take_object(draft: Draft, name: str, value: object) -> None:
    """Take over a nested object of store hub's own JSON, the same that `GET /v1/products` answers."""
    nested = object_of(value)
    if name == "name":
        draft.name_zh, draft.name_en = text_of(nested.get("zh-Hant")), text_of(nested.get("en"))
    elif name == "attributes":
        draft.attributes |= {key: text_of(text) for key, text in nested.items()}
    elif name == "stock":
        draft.stock = text_of(nested.get("on_hand"))
    else:
        amount = nested.get("amount")
        if not isinstance(amount, int) or isinstance(amount, bool):
            raise RowRefusedError("price_format", repr(amount)[:60])
        draft.amount_minor = amount
        draft.currency, draft.per = text_of(nested.get("currency")), text_of(nested.get("per"))
