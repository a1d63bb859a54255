"""Rows of the catalogue read all at once, where nothing need be asked of each: as nearly always. Pure.

A snapshot brings hundreds of thousands of them. The bounds of sync.retail.catalogue.catalogue stand here once more, as types
that the decoder proves; what it cannot prove is asked of all rows together. A row that is valid and not plain (a name with a
character of the private use area) is read alone, by whoever asks.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta, field

from sync.batch import SEQ_MAX
from sync.json_errors import NOT_JSON
from sync.retail.catalogue.catalogue import (
    ATTRIBUTE_KEY,
    ATTRIBUTE_VALUE_CHARS_MAX,
    ATTRIBUTES_MAX,
    CATEGORY_CHARS_MAX,
    GTINS_MAX,
    NAME_CHARS_MAX,
    PER_MAX,
    PRICE_AMOUNT_MAX,
    SKU_CHARS_MAX,
    STYLE_CHARS_MAX,
)
from sync.retail.catalogue.registers import CatalogueRow, PriceRow, ProductRow
from sync.retail.names import Name

Version = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
NameText = Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
Gtin = Annotated[str, Meta(min_length=14, max_length=14)]
AttributeValue = Annotated[str, Meta(min_length=1, max_length=ATTRIBUTE_VALUE_CHARS_MAX)]
_SPACE_AT_AN_END = re.compile(r"^ | $", re.MULTILINE)
_encoder = msgspec.json.Encoder()


class _PlainName(Name, frozen=True, omit_defaults=True):
    zh_hant: NameText = field(default="", name="zh-Hant")
    en: NameText = ""


class _PlainProduct(ProductRow, frozen=True, kw_only=True, tag_field="kind", tag="product"):
    sku: Annotated[str, Meta(min_length=1, max_length=SKU_CHARS_MAX)]
    n: Version
    style: Annotated[str, Meta(min_length=1, max_length=STYLE_CHARS_MAX)] | None = field(default_factory=lambda: None)
    attributes: Annotated[dict[str, AttributeValue], Meta(max_length=ATTRIBUTES_MAX)] = field(
        default_factory=lambda: {}
    )
    gtins: Annotated[list[Gtin], Meta(max_length=GTINS_MAX)] = field(default_factory=lambda: [])
    name: _PlainName
    category: Annotated[str, Meta(max_length=CATEGORY_CHARS_MAX)] | None = field(default_factory=lambda: None)


class _PlainPrice(PriceRow, frozen=True, kw_only=True, tag_field="kind", tag="price"):
    n: Version
    amount: Annotated[int, Meta(ge=0, le=PRICE_AMOUNT_MAX)]
    per: Annotated[int, Meta(ge=1, le=PER_MAX)] = 1


_decoder = msgspec.json.Decoder(_PlainProduct | _PlainPrice)


def read_plain(rows: Sequence[bytes], *, currency: str) -> list[CatalogueRow] | None:
    """Return what the rows say when each of them is valid, in this currency, and as this version writes it; else None."""
    lines = b"\n".join([*rows, b""])
    try:
        if b"\\" in lines.replace(b'\\"', b"") or not b" ".join(rows).decode().isprintable():
            return None
        read: list[CatalogueRow] = _decoder.decode_lines(lines)
    except NOT_JSON:
        return None
    is_plain = (
        len(read) == len(rows)
        and _encoder.encode_lines(read) == lines
        and _are_valid([each for each in read if isinstance(each, ProductRow)])
        and {each.currency for each in read if isinstance(each, PriceRow)} <= {currency}
    )
    return read if is_plain else None


def _are_valid(products: Sequence[ProductRow]) -> bool:
    """Whether products hold to what their types do not say."""
    identifiers = "\n".join(chain((each.sku for each in products), (each.style for each in products if each.style)))
    gtins = "".join(chain.from_iterable(each.gtins for each in products))
    keys = set(chain.from_iterable(each.attributes for each in products))
    return (
        _SPACE_AT_AN_END.search(identifiers) is None
        and (not gtins or (gtins.isascii() and gtins.isdigit()))
        and all(len(each.gtins) < 2 or len(set(each.gtins)) == len(each.gtins) for each in products)
        and all(ATTRIBUTE_KEY.fullmatch(key) for key in keys)
        and all(each.name.zh_hant.strip() or each.name.en.strip() for each in products)
    )
