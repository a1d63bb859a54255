"""A product is stored only within its bounds, and travels with the names of the wire."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.catalogue.catalogue import (
    ATTRIBUTE_VALUE_CHARS_MAX,
    ATTRIBUTES_MAX,
    CATEGORY_CHARS_MAX,
    GTINS_MAX,
    NAME_CHARS_MAX,
    PART_QTY_MAX,
    PARTS_MAX,
    PER_MAX,
    PRICE_AMOUNT_MAX,
    SKU_CHARS_MAX,
    STYLE_CHARS_MAX,
    Price,
    Product,
    check_price,
    check_product,
)
from sync.retail.names import Name
from sync.retail.stock.stock import Component

SHIRT = Product(
    sku="TEE-WHT-M",
    style="TEE",
    attributes={"colour": "White 白", "size": "M"},
    gtins=["04899999000015"],
    name=Name(zh_hant="棉質𠝹領T恤", en="Cotton tee"),
    category="Apparel",
)


def test_a_sound_product_has_no_problems() -> None:
    assert check_product(SHIRT) == []


def test_a_product_travels_with_the_names_of_the_wire() -> None:
    wire = msgspec.json.decode(msgspec.json.encode(SHIRT))

    assert wire["name"] == {"zh-Hant": "棉質𠝹領T恤", "en": "Cotton tee"}
    assert msgspec.json.decode(msgspec.json.encode(SHIRT), type=Product) == SHIRT


def test_a_missing_language_falls_back_to_the_other() -> None:
    assert Name(en="Tea").text("zh-Hant") == "Tea"
    assert Name(zh_hant="茶").text("en") == "茶"


KIT = Product(
    sku="GIFT",
    name=Name(en="Gift"),
    stocked=False,
    parts=[Component(sku="TEA", qty=2), Component(sku="CUP", qty=PART_QTY_MAX)],
)


def test_a_kit_names_its_parts_and_they_travel_by_name() -> None:
    assert check_product(KIT) == []
    wire = msgspec.json.decode(msgspec.json.encode(KIT))
    assert wire["parts"] == [{"sku": "TEA", "qty": 2}, {"sku": "CUP", "qty": PART_QTY_MAX}]
    assert "parts" not in msgspec.json.decode(msgspec.json.encode(SHIRT))


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"stocked": True}, "kit_stocked", "/stocked"),
        ({"parts": [Component(sku="TEA", qty=0)]}, "part_qty", "/parts/0/qty"),
        ({"parts": [Component(sku="TEA", qty=PART_QTY_MAX + 1)]}, "part_qty", "/parts/0/qty"),
        ({"parts": [Component(sku="A", qty=1), Component(sku="GIFT", qty=1)]}, "kit_in_itself", "/parts/1/sku"),
        ({"parts": [Component(sku="TEA", qty=1)] * 2}, "part_twice", "/parts"),
        ({"parts": [Component(sku="", qty=1)]}, "part_missing", "/parts/0/sku"),
        ({"parts": [Component(sku=f"P{n}", qty=1) for n in range(PARTS_MAX + 1)]}, "parts_too_many", "/parts"),
    ],
)
def test_a_kit_that_cannot_be_put_together_is_a_problem(change: dict[str, Any], code: str, field: str) -> None:
    found = check_product(msgspec.structs.replace(KIT, **change))

    assert [(problem.code, problem.field) for problem in found] == [(code, field)]


def test_a_kit_may_have_as_many_parts_as_there_may_be() -> None:
    parts = [Component(sku=f"P{n}", qty=1) for n in range(PARTS_MAX)]

    assert check_product(msgspec.structs.replace(KIT, parts=parts)) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sku": ""}, "sku_missing"),
        ({"sku": "x" * (SKU_CHARS_MAX + 1)}, "sku_too_long"),
        ({"sku": "a\x00b"}, "sku_characters"),
        ({"sku": "a\u200bb"}, "sku_characters"),
        ({"sku": " a"}, "sku_characters"),
        ({"style": ""}, "style_missing"),
        ({"name": Name()}, "name_missing"),
        ({"name": Name(en=" ")}, "name_missing"),
        ({"name": Name(en="x" * (NAME_CHARS_MAX + 1))}, "name_too_long"),
        ({"name": Name(en="a\nb")}, "name_characters"),
        ({"name": Name(zh_hant="茶\x00")}, "name_characters"),
        ({"name": Name(zh_hant="茶\ud800")}, "name_characters"),
        ({"gtins": ["4899999000015"]}, "gtin_format"),
        ({"gtins": ["０4899999000015"]}, "gtin_format"),
        ({"gtins": ["04899999000015"] * 2}, "gtin_twice"),
        ({"gtins": [f"{n:014d}" for n in range(GTINS_MAX + 1)]}, "gtins_too_many"),
        ({"unit": "kg"}, "unit_unknown"),
        ({"attributes": {"Colour": "red"}}, "attribute_key"),
        ({"attributes": {"colour": ""}}, "attribute_missing"),
        ({"attributes": {"colour": "x" * 65}}, "attribute_too_long"),
        ({"attributes": {f"a{n}": "x" for n in range(9)}}, "attributes_too_many"),
        ({"category": "x" * 101}, "category_too_long"),
    ],
)
def test_each_broken_bound_has_its_code(change: dict[str, object], code: str) -> None:
    problems = check_product(msgspec.structs.replace(SHIRT, **change))

    assert [problem.code for problem in problems] == [code]


def test_full_width_space_and_private_use_characters_are_allowed_in_names() -> None:
    product = msgspec.structs.replace(SHIRT, name=Name(zh_hant="魚蛋\u3000\ue000"))

    assert check_product(product) == []


@pytest.mark.parametrize(
    ("price", "code"),
    [
        (Price(-1, "HKD"), "price_range"),
        (Price(PRICE_AMOUNT_MAX + 1, "HKD"), "price_range"),
        (Price(1, "HKD", 0), "per_range"),
        (Price(1, "HKD", PER_MAX + 1), "per_range"),
        (Price(1, "hkd"), "currency_invalid"),
    ],
)
def test_each_broken_price_has_its_code(price: Price, code: str) -> None:
    assert [problem.code for problem in check_price(price)] == [code]


@given(st.integers(0, PRICE_AMOUNT_MAX), st.integers(1, PER_MAX))
def test_every_price_within_the_bounds_is_sound(amount: int, per: int) -> None:
    assert check_price(Price(amount, "TWD", per)) == []


@given(st.text(max_size=80))
def test_no_accepted_sku_has_a_control_character(sku: str) -> None:
    if check_product(msgspec.structs.replace(SHIRT, sku=sku)) == []:
        assert 1 <= len(sku) <= SKU_CHARS_MAX
        assert all(ord(char) >= 32 for char in sku)


def test_a_product_at_every_bound_and_a_bare_one_are_sound() -> None:
    full = Product(
        sku="s" * SKU_CHARS_MAX,
        style="s" * STYLE_CHARS_MAX,
        attributes={f"a{n}": "x" * ATTRIBUTE_VALUE_CHARS_MAX for n in range(ATTRIBUTES_MAX)},
        gtins=[f"{n:014d}" for n in range(GTINS_MAX)],
        name=Name(zh_hant="茶" * NAME_CHARS_MAX, en="x" * NAME_CHARS_MAX),
        category="x" * CATEGORY_CHARS_MAX,
    )

    assert check_product(full) == check_product(Product(sku="s", name=Name(en="x"))) == []
    assert check_price(Price(PRICE_AMOUNT_MAX, "HKD", PER_MAX)) == check_price(Price(0, "HKD", 1)) == []


def test_each_language_has_its_own_name() -> None:
    both = Name(zh_hant="茶", en="Tea")
    assert (both.text("zh-Hant"), both.text("en")) == ("茶", "Tea")
