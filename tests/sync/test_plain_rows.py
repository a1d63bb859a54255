"""What is read all at once is what would be read and checked alone; a row that is not is left to whoever reads alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.batch import SEQ_MAX
from sync.retail.catalogue.catalogue import (
    ATTRIBUTE_KEY_CHARS_MAX,
    ATTRIBUTE_VALUE_CHARS_MAX,
    ATTRIBUTES_MAX,
    CATEGORY_CHARS_MAX,
    GTINS_MAX,
    NAME_CHARS_MAX,
    PER_MAX,
    PRICE_AMOUNT_MAX,
    SKU_CHARS_MAX,
    STYLE_CHARS_MAX,
    check_price,
    check_product,
)
from sync.retail.catalogue.plain_rows import read_plain
from sync.retail.catalogue.registers import PriceRow, ProductRow, read_row, write_row
from sync.retail.names import Name

TEA = ProductRow(
    sku="TEA-7",
    n=1,
    style="TEA",
    attributes={"size": "L"},
    gtins=["04890000000058", "04890000000065"],
    name=Name("烏龍茶", 'Oolong 12" tin'),
    category="tea",
)
TEN = PriceRow(sku="TEA-7", n=1, amount=1000, currency="HKD")


def texts(longest: int) -> st.SearchStrategy[str]:
    odd = st.sampled_from(
        ["", " ", "a ", " a", "a\n", "\ue000", "\u2028", "a\x00", "\u3000", "茶", 'a"', "a\\", "x\x7f"]
    )
    return st.one_of(odd, st.text(max_size=3), st.sampled_from([longest, longest + 1]).map("x".__mul__))


gtin = st.one_of(st.sampled_from(["04890000000058", "0489000000005", "0489000000005x", "٠" * 14, "048900000000580"]))
key = st.one_of(st.sampled_from(["size", "Size", "", "1a", "a-b", "ä"]), st.integers(31, 33).map("k".__mul__))
products = st.builds(
    ProductRow,
    sku=texts(SKU_CHARS_MAX),
    n=st.sampled_from([0, 1, -1, SEQ_MAX, SEQ_MAX + 1]),
    gone=st.booleans(),
    style=st.none() | texts(STYLE_CHARS_MAX),
    attributes=st.dictionaries(key, texts(ATTRIBUTE_VALUE_CHARS_MAX), max_size=ATTRIBUTES_MAX + 1),
    gtins=st.lists(gtin, max_size=3),
    name=st.builds(Name, texts(NAME_CHARS_MAX), texts(NAME_CHARS_MAX)),
    unit=st.sampled_from(["each", "g"]),
    category=st.none() | texts(CATEGORY_CHARS_MAX),
)
prices = st.builds(
    PriceRow,
    sku=texts(SKU_CHARS_MAX),
    n=st.sampled_from([0, 1, -1, SEQ_MAX, SEQ_MAX + 1]),
    amount=st.sampled_from([-1, 0, 1000, PRICE_AMOUNT_MAX, PRICE_AMOUNT_MAX + 1]),
    currency=st.sampled_from(["HKD", "USD", "", "HK"]),
    per=st.sampled_from([0, 1, PER_MAX, PER_MAX + 1]),
)


words = st.text('a茶"\\\ue000\u3000 ', min_size=1, max_size=4).map("x".__add__)
valid_products = st.builds(
    ProductRow,
    sku=st.sampled_from(["TEA-7", 'T"7', "茶"]),
    n=st.integers(0, SEQ_MAX),
    style=st.none() | st.just("TEA"),
    attributes=st.dictionaries(st.sampled_from(["size", "colour"]), words),
    gtins=st.lists(st.sampled_from(TEA.gtins), unique=True),
    name=st.one_of(
        st.builds(Name, words, words), st.builds(Name, words, st.just("")), st.builds(Name, st.just(""), words)
    ),
    category=st.none() | words,
)


def is_valid(row: ProductRow | PriceRow) -> bool:
    if not 0 <= row.n <= SEQ_MAX:
        return False
    if isinstance(row, ProductRow):
        return not check_product(row.product)
    return not check_price(row.price) and row.currency == "HKD"


def fields(row: Any) -> Any:
    return msgspec.to_builtins(row)


@given(products | prices)
@example(msgspec.structs.replace(TEA, gtins=["04890000000058"] * 2))
@example(msgspec.structs.replace(TEA, gtins=[f"{number:014}" for number in range(GTINS_MAX + 1)]))
@example(msgspec.structs.replace(TEA, gtins=["04890000000058", "04890000000065", "04890000000058"]))
@example(msgspec.structs.replace(TEA, gtins=["0489000000005x"]))
@example(msgspec.structs.replace(TEA, gtins=["٠" * 14]))
@example(msgspec.structs.replace(TEA, sku=" TEA"))
@example(msgspec.structs.replace(TEA, style="TEA "))
@example(msgspec.structs.replace(TEA, name=Name("  ", " ")))
@example(msgspec.structs.replace(TEA, attributes={"k" * (ATTRIBUTE_KEY_CHARS_MAX + 1): "L"}))
def test_a_row_that_is_taken_as_plain_is_valid_and_says_the_same(row: ProductRow | PriceRow) -> None:
    body = write_row(row)
    read = read_plain([write_row(TEA), body, write_row(TEN)], currency="HKD")

    if read is not None:
        assert is_valid(row)
        assert fields(read[1]) == fields(read_row(body))
        assert write_row(read[1]) == body


@given(st.lists(valid_products, max_size=3))
@example([msgspec.structs.replace(TEA, name=Name("茶", "")), msgspec.structs.replace(TEA, name=Name("", "Tea"))])
def test_valid_rows_are_plain_unless_a_character_is_not_printable(rows: list[ProductRow]) -> None:
    assert all(map(is_valid, rows))
    bodies = [write_row(row) for row in rows]
    is_printable = all(b"\\" not in body.replace(b'\\"', b"") and body.decode().isprintable() for body in bodies)

    assert (read_plain(bodies, currency="HKD") is not None) == is_printable


@pytest.mark.parametrize(
    "row",
    [
        write_row(TEA)[:-1] + b',"later":1}',
        write_row(TEA).replace(b'{"kind"', b'{ "kind"'),
        write_row(TEA) + b"\n" + write_row(TEN),
        write_row(TEA).replace("烏".encode(), b"\xee\xee\xee"),
        b'{"kind":"bundle"}',
        b"",
    ],
)
def test_what_this_version_does_not_write_is_not_plain(row: bytes) -> None:
    assert read_plain([write_row(TEN), row], currency="HKD") is None


def test_a_price_in_another_currency_is_not_plain() -> None:
    assert read_plain([write_row(TEA), write_row(TEN)], currency="HKD") is not None
    assert read_plain([write_row(TEA), write_row(TEN)], currency="USD") is None
