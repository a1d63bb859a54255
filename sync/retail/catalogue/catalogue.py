"""The catalogue's values: product, name, price, and what makes them valid.

Pure. A product is what head office and shop agree an item is; its price is a value of its own because it changes on
its own. GTINs are kept as 14 digits of text; their check digit is proved where a label or a file is read, not here.
"""

import re
import unicodedata
from typing import Literal

from msgspec import Struct, field

from sync.retail.money import AmountError, minor_digits
from sync.retail.names import Name
from sync.retail.stock.stock import Component

SKU_CHARS_MAX = 64
NAME_CHARS_MAX = 200
STYLE_CHARS_MAX = 64
CATEGORY_CHARS_MAX = 100
ATTRIBUTES_MAX = 8
ATTRIBUTE_KEY_CHARS_MAX = 32
ATTRIBUTE_VALUE_CHARS_MAX = 64
GTINS_MAX = 20
PARTS_MAX = 50
PART_QTY_MAX = 100_000
PRICE_AMOUNT_MAX = 10**9
PER_MAX = 100_000
ATTRIBUTE_KEY = re.compile(rf"[a-z][a-z0-9_]{{0,{ATTRIBUTE_KEY_CHARS_MAX - 1}}}")

Unit = Literal["each", "g"]

_GTIN14 = re.compile(r"[0-9]{14}")
_NOT_TEXT = {"Cc", "Cs", "Zl", "Zp"}


class Product(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sellable item (SKU). `stocked` is false for services, fees and kits, which have no stock of their own.

    `gtins` holds GTIN-14 text; `attributes` has keys such as `colour` and `size`; `style` joins the SKUs of one model. `parts`
    makes it a kit: what a sale of one takes off the shelf.
    """

    sku: str
    style: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    gtins: list[str] = field(default_factory=list)
    name: Name
    unit: Unit = "each"
    stocked: bool = True
    category: str | None = None
    parts: list[Component] = field(default_factory=list)


class Price(Struct, frozen=True):
    """`amount` minor units of `currency` for `per` units: 1 for each; 100, 500, 600 or 1000 g by weight."""

    amount: int
    currency: str
    per: int = 1


class Problem(Struct, frozen=True):
    """One thing wrong with a value: a stable `code`, a JSON pointer to the `field`, and what was found."""

    code: str
    field: str
    detail: str


def check_product(product: Product) -> list[Problem]:
    """Return what is wrong with the product, in field order; empty when it may be stored."""
    problems = _check_identifier("sku", "/sku", product.sku, SKU_CHARS_MAX)
    if product.style is not None:
        problems += _check_identifier("style", "/style", product.style, STYLE_CHARS_MAX)
    problems += _check_attributes(product.attributes)
    problems += _check_gtins(product.gtins)
    problems += _check_name(product.name)
    if product.unit not in ("each", "g"):
        problems.append(Problem("unit_unknown", "/unit", f"{product.unit!r}: known: each, g"))
    if product.category is not None:
        problems += _check_text("category", "/category", product.category, CATEGORY_CHARS_MAX)
    if product.parts:
        problems += _check_parts(product)
    return problems


def check_price(price: Price) -> list[Problem]:
    """Return what is wrong with the price; empty when it may be stored."""
    problems = []
    if not 0 <= price.amount <= PRICE_AMOUNT_MAX:
        problems.append(Problem("price_range", "/price/amount", f"{price.amount}: 0 to {PRICE_AMOUNT_MAX} minor units"))
    if not 1 <= price.per <= PER_MAX:
        problems.append(Problem("per_range", "/price/per", f"{price.per}: 1 to {PER_MAX}"))
    try:
        minor_digits(price.currency)
    except AmountError as err:
        problems.append(Problem("currency_invalid", "/price/currency", str(err)))
    return problems


def _check_identifier(what: str, pointer: str, text: str, chars_max: int) -> list[Problem]:
    if not text:
        return [Problem(f"{what}_missing", pointer, "is empty")]
    if len(text) > chars_max:
        return [Problem(f"{what}_too_long", pointer, f"{len(text)} characters; at most {chars_max}")]
    if not text.isprintable() or text != text.strip():
        return [Problem(f"{what}_characters", pointer, f"{text!r}: printable, no space at the ends")]
    return []


def _check_text(what: str, pointer: str, text: str, chars_max: int) -> list[Problem]:
    if len(text) > chars_max:
        return [Problem(f"{what}_too_long", pointer, f"{len(text)} characters; at most {chars_max}")]
    if not is_line_of_text(text):
        return [Problem(f"{what}_characters", pointer, f"{text!r}: control characters")]
    return []


def is_line_of_text(text: str) -> bool:
    """Say whether the text has no control character (U+0000 included), line separator or lone surrogate.

    Private-use characters are allowed: old HKSCS text has them.
    """
    return text.isprintable() or not any(unicodedata.category(char) in _NOT_TEXT for char in text)


def _check_name(name: Name) -> list[Problem]:
    if not name.zh_hant.strip() and not name.en.strip():
        return [Problem("name_missing", "/name", "no name in either language")]
    return _check_text("name", "/name/zh-Hant", name.zh_hant, NAME_CHARS_MAX) + _check_text(
        "name", "/name/en", name.en, NAME_CHARS_MAX
    )


def _check_attributes(attributes: dict[str, str]) -> list[Problem]:
    if len(attributes) > ATTRIBUTES_MAX:
        return [Problem("attributes_too_many", "/attributes", f"{len(attributes)}; at most {ATTRIBUTES_MAX}")]
    problems = []
    for key, value in attributes.items():
        if ATTRIBUTE_KEY.fullmatch(key) is None:
            problems.append(Problem("attribute_key", "/attributes", f"{key!r}: lower-case letters, digits, underscore"))
        elif not value:
            problems.append(Problem("attribute_missing", f"/attributes/{key}", "is empty"))
        else:
            problems += _check_text("attribute", f"/attributes/{key}", value, ATTRIBUTE_VALUE_CHARS_MAX)
    return problems


def _check_gtins(gtins: list[str]) -> list[Problem]:
    problems = []
    if len(gtins) > GTINS_MAX:
        problems.append(Problem("gtins_too_many", "/gtins", f"{len(gtins)}; at most {GTINS_MAX}"))
    for index, gtin in enumerate(gtins[:GTINS_MAX]):
        if _GTIN14.fullmatch(gtin) is None:
            problems.append(Problem("gtin_format", f"/gtins/{index}", f"{gtin!r}: 14 digits"))
    if len(set(gtins)) != len(gtins):
        problems.append(Problem("gtin_twice", "/gtins", "the same GTIN twice"))
    return problems


def _check_parts(product: Product) -> list[Problem]:
    problems = []
    if product.stocked:
        problems.append(Problem("kit_stocked", "/stocked", "a kit has no stock of its own: its parts have"))
    if len(product.parts) > PARTS_MAX:
        problems.append(Problem("parts_too_many", "/parts", f"{len(product.parts)}; at most {PARTS_MAX}"))
    for index, part in enumerate(product.parts[:PARTS_MAX]):
        problems += _check_identifier("part", f"/parts/{index}/sku", part.sku, SKU_CHARS_MAX)
        if not 1 <= part.qty <= PART_QTY_MAX:
            problems.append(Problem("part_qty", f"/parts/{index}/qty", f"{part.qty}: 1 to {PART_QTY_MAX}"))
        if part.sku == product.sku:
            problems.append(Problem("kit_in_itself", f"/parts/{index}/sku", f"{part.sku} is the kit"))
    if len({part.sku for part in product.parts}) != len(product.parts):
        problems.append(Problem("part_twice", "/parts", "the same part twice"))
    return problems
