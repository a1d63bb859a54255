"""Drafts into products: text, barcodes, prices and stock made clean, or refused with a reason.

Pure. What changes the goods a customer gets or pays (SKU, price, unit) refuses the row; what does not (a barcode, a
stock figure, one of two names) is left out and noted, so the item can still be sold. Nothing is guessed: a comma that
may be a decimal point, or a barcode that Excel has rounded, is refused.
"""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

from devices.codecs.gtin import gtin14
from devices.errors import LabelError
from hub.importing.draft import Draft, RowRefusedError
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import GTINS_MAX, NAME_CHARS_MAX, Price, Product, Unit, check_price, check_product
from sync.retail.money import AmountError, minor_digits, parse_amount
from sync.retail.names import Name

STOCK_MAX = 10**9
"""Opening stock above this is taken for damage: noted, and the product comes without stock."""

UNITS: dict[str, Unit] = {
    **dict.fromkeys(("", "each", "ea", "pc", "pcs", "piece", "unit", "件", "個", "支", "包", "盒", "瓶"), "each"),
    **dict.fromkeys(("g", "gram", "grams", "克", "公克"), "g"),
}
NOT_STOCKED = frozenset({"false", "no", "n", "0", "否"})
STOCKED = frozenset({"", "true", "yes", "y", "1", "是"})

Note = Callable[[str, str], None]
"""Takes what was altered or left out (a stable word) and the value; the caller knows the row."""

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200e\u200f\u2060\ufeff\u00ad"))
_EXPONENT = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
_FORMULA_TEXT = re.compile(r'="(.*)"')
_CURRENCY_SIGNS = re.compile(r"^(HK\$|NT\$|US\$|[A-Z]{3}(?=[\s$0-9])|\$|£|€|¥|￥)|(元|圓|HKD|TWD|NTD)$")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_LOST = re.compile(r"[?？\ufffd\s]+")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def clean(draft: Draft, *, currency: str | None, default_currency: str | None, note: Note) -> Entry:
    """Return the item of a draft; RowRefusedError says why there is none, `note` what was altered or left out.

    `currency` is the shop's: a row that names another one is refused. `default_currency` is the one that the file's
    shape implies, taken when neither row nor shop names one.
    """
    unit = _unit(draft.unit)
    name = _name(draft, note)
    product = Product(
        sku=_sku(draft.sku, note),
        style=clean_text(draft.style, note) or None,
        attributes={key: text for key, raw in draft.attributes.items() if (text := clean_text(raw, note))},
        gtins=_gtins(draft.gtins, note),
        name=name,
        unit=unit,
        stocked=_stocked(draft.stocked),
        category=clean_text(draft.category, note) or None,
    )
    price = _price(draft, unit, _currency(draft.currency, currency, default_currency), note)
    problems = check_product(product) + check_price(price)
    if problems:
        raise RowRefusedError(problems[0].code, f"{product.sku[:40]}: {problems[0].detail[:80]}")
    return Entry(product, price, _stock(draft.stock, note) if product.stocked else None)


def clean_text(raw: str, note: Note) -> str:
    """Return one line of text in NFC without spaces at the ends; control and invisible characters are removed."""
    if raw.isascii() and raw.isprintable():
        return raw.strip()
    text = unicodedata.normalize("NFC", raw.translate(_INVISIBLE))
    if not text.isprintable():
        kept = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") else char for char in text)
        if kept != text:
            note("control_characters", raw)
            text = re.sub(" {2,}", " ", kept)
    return text.strip()


def clean_gtin(raw: str, note: Note) -> str:
    """Return the GTIN-14 of a barcode cell, empty for an empty one.

    Raises LabelError: gtin14's reasons, `excel_exponent` (Excel has rounded it: the last digits are gone) or
    `all_zero` (a filler that has a right check digit).
    """
    text = unicodedata.normalize("NFKC", raw.translate(_INVISIBLE)).strip()
    formula = _FORMULA_TEXT.fullmatch(text)
    text = (formula.group(1) if formula else text).lstrip("'‘’`").strip()
    if not text:
        return ""
    if _EXPONENT.fullmatch(text):
        raise LabelError("excel_exponent", f"{text}: format the column as text and export again")
    digits = re.sub(r"[\s-]", "", text.removesuffix(".0"))
    if not digits.strip("0"):
        raise LabelError("all_zero", f"{text}: is a filler, not a barcode")
    gtin = gtin14(digits)
    if digits != raw.strip():
        note("barcode_repaired", raw)
    return gtin


def clean_price(raw: str, currency: str) -> int:
    """Return minor units of a price cell ("HK$1,299.00", "35元"); RowRefusedError `price_…` when it is not clear.

    A comma is read only between groups of three digits, zeros behind the currency's last decimal are dropped.
    """
    text = unicodedata.normalize("NFKC", raw).lstrip("'").strip()
    text = _CURRENCY_SIGNS.sub("", _CURRENCY_SIGNS.sub("", text)).strip().removeprefix("$").strip()
    if not text:
        raise RowRefusedError("price_missing", raw)
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    whole, _, fraction = text.partition(".")
    digits = minor_digits(currency)
    if len(fraction) > digits and fraction[digits:].strip("0") == "":
        text = f"{whole}.{fraction[:digits]}".removesuffix(".")
    try:
        return parse_amount(text, currency)
    except AmountError as err:
        raise RowRefusedError(f"price_{err.reason}", raw) from err


def _sku(raw: str, note: Note) -> str:
    sku = clean_text(raw, note).lstrip("'").strip()
    if _EXPONENT.fullmatch(sku) and "+" in sku:
        raise RowRefusedError("sku_excel_exponent", sku)
    return sku


def _name(draft: Draft, note: Note) -> Name:
    name_zh, name_en = _one_name(draft.name_zh, note), _one_name(draft.name_en, note)
    either = _one_name(draft.name, note)
    if either and _CJK.search(either):
        name_zh = name_zh or either
    else:
        name_en = name_en or either
    return Name(zh_hant=name_zh, en=name_en)


def _one_name(raw: str, note: Note) -> str:
    text = clean_text(raw, note)
    if text and _LOST.fullmatch(text):
        note("name_lost", raw)
        return ""
    if "\ufffd" in text or "??" in text:
        note("name_damaged", raw)
    if len(text) > NAME_CHARS_MAX:
        note("name_cut", raw)
        return text[:NAME_CHARS_MAX].rstrip()
    return text


def _gtins(raws: tuple[str, ...], note: Note) -> list[str]:
    gtins: dict[str, None] = {}
    for raw in raws:
        try:
            gtin = clean_gtin(raw, note)
        except LabelError as err:
            note(f"barcode_{err.reason}", raw)
            continue
        if gtin and len(gtins) == GTINS_MAX and gtin not in gtins:
            note("barcode_too_many", raw)
        elif gtin:
            gtins[gtin] = None
    return list(gtins)


def _unit(raw: str) -> Unit:
    unit = UNITS.get(raw.strip().casefold())
    if unit is None:
        raise RowRefusedError("unit_unknown", raw)
    return unit


def _stocked(raw: str) -> bool:
    text = raw.strip().casefold()
    if text not in STOCKED and text not in NOT_STOCKED:
        raise RowRefusedError("stocked_unknown", raw)
    return text in STOCKED


def _currency(raw: str, currency: str | None, default_currency: str | None) -> str:
    named = raw.strip().upper()
    if named and currency and named != currency:
        raise RowRefusedError("currency_differs", raw)
    chosen = named or currency or default_currency
    if chosen is None:
        raise RowRefusedError("currency_missing", "")
    try:
        minor_digits(chosen)
    except AmountError as err:
        raise RowRefusedError("currency_invalid", raw) from err
    return chosen


def _price(draft: Draft, unit: Unit, currency: str, note: Note) -> Price:
    amount = draft.amount_minor if draft.amount_minor is not None else clean_price(draft.price, currency)
    per_text = draft.per.strip().removesuffix(".0")
    if not per_text and unit == "g":
        raise RowRefusedError("per_missing", draft.price)
    if per_text and not (per_text.isascii() and per_text.isdigit() and len(per_text) <= 9):
        raise RowRefusedError("per_invalid", draft.per)
    if amount == 0:
        note("price_zero", draft.sku)
    return Price(amount, currency, int(per_text or 1))


def _stock(raw: str, note: Note) -> int | None:
    text = unicodedata.normalize("NFKC", raw).strip()
    if not text:
        return None
    plain = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    if not re.fullmatch(r"-?[0-9]{1,12}(\.0+)?", plain) or abs(int(Decimal(plain))) > STOCK_MAX:
        note("stock_unreadable", raw)
        return None
    if plain.startswith("-"):
        note("stock_negative", raw)
        return None
    return int(Decimal(plain))
