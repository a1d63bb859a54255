"""What cannot be read clearly is refused or left out with a reason; nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.gtin import check_digit
from devices.errors import LabelError
from hub.importing.cleaning import clean, clean_gtin, clean_price, clean_text
from hub.importing.draft import Draft, RowRefusedError
from sync.retail.catalogue.catalogue import check_product
from sync.retail.money import format_amount

EAN = "489999000010" + str(check_digit("489999000010"))


def unnoted(what: str, value: str) -> None:
    """Take a note and forget it."""


def cleaned(draft: Draft) -> tuple[list[str]]:
    notes: list[str] = []
    item = clean(draft, currency="HKD", default_currency=None, note=lambda what, value: notes.append(what))
    return item, notes


@pytest.mark.parametrize(
    "raw",
    [EAN, f" {EAN} ", f"'{EAN}", f'="{EAN}"', f"{EAN}.0", f"{EAN[:1]} {EAN[1:7]} {EAN[7:]}", f"\ufeff{EAN}\u200b"],
)
def test_a_barcode_dressed_by_a_spreadsheet_is_read(raw: str) -> None:
    assert clean_gtin(raw, unnoted) == EAN.zfill(14)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("4.71009E+12", "excel_exponent"),
        ("4,71009E+12", "excel_exponent"),
        ("4.71e12", "excel_exponent"),
        ("0000000000000", "all_zero"),
        ("4899990000107", "check_digit"),
        ("489999000010", "check_digit"),
        ("48999", "length"),
        ("SKU-1", "not_numeric"),
    ],
)
def test_a_damaged_barcode_is_refused_with_its_reason(raw: str, reason: str) -> None:
    with pytest.raises(LabelError) as caught:
        clean_gtin(raw, unnoted)

    assert caught.value.reason == reason


def test_twelve_digits_are_taken_as_upc_when_the_check_digit_is_right() -> None:
    upc = "08999900001"
    assert clean_gtin(upc + str(check_digit(upc)), unnoted) == "00" + upc + str(check_digit(upc))


@pytest.mark.parametrize(
    ("raw", "minor"),
    [
        ("10.90", 1090),
        ("HK$1,299.00", 129900),
        ("$ 5", 500),
        ("35元", 3500),
        ("HKD 7.5", 750),
        ("7.5 HKD", 750),
        ("１２．５", 1250),
        ("10.9000", 1090),
        ("12.", None),
        ("10,90", None),
        ("1,29", None),
        ("1.299,00", None),
        ("10.905", None),
        ("-5", None),
        ("free", None),
        ("", None),
        ("1E+3", None),
        ("NaN", None),
    ],
)
def test_a_price_is_read_only_when_it_is_clear(raw: str, minor: int | None) -> None:
    if minor is not None:
        assert clean_price(raw, "HKD") == minor
        return
    with pytest.raises(RowRefusedError) as caught:
        clean_price(raw, "HKD")
    assert caught.value.reason.startswith("price_")


def test_a_yen_price_with_empty_decimals_is_exact() -> None:
    assert clean_price("120.00", "JPY") == 120


@given(st.integers(0, 10**9), st.sampled_from(["HKD", "TWD", "JPY"]))
def test_every_price_that_we_write_is_read_back(amount: int, currency: str) -> None:
    assert clean_price(format_amount(amount, currency), currency) == amount


@given(st.text(max_size=60))
def test_clean_text_is_stable_and_has_no_control_characters(raw: str) -> None:
    text = clean_text(raw, unnoted)

    assert clean_text(text, unnoted) == text
    assert text == text.strip()
    assert not any(ord(char) < 32 or ord(char) == 127 for char in text)


@given(st.text(max_size=30), st.text(max_size=250), st.text(max_size=30), st.text(max_size=20), st.text(max_size=8))
def test_whatever_a_row_holds_the_product_is_within_bounds_or_refused(
    sku: str, name: str, gtin: str, price: str, stock: str
) -> None:
    draft = Draft(row=2, sku=sku, name=name, gtins=(gtin,), price=price, stock=stock, attributes={"size": name})

    try:
        item, _ = cleaned(draft)
    except RowRefusedError:
        return

    assert check_product(item.product) == []


def test_a_bad_barcode_does_not_keep_the_goods_out_of_the_shop() -> None:
    item, notes = cleaned(Draft(row=2, sku="A", name_en="Tea", price="1", gtins=("4.71E+12", EAN)))

    assert item.product.gtins == [EAN.zfill(14)]
    assert notes == ["barcode_excel_exponent"]


def test_a_name_of_question_marks_counts_as_lost() -> None:
    item, notes = cleaned(Draft(row=2, sku="A", name_zh="????", name_en="Tea", price="1"))

    assert (item.product.name.zh_hant, item.product.name.en, notes) == ("", "Tea", ["name_lost"])


@pytest.mark.parametrize(("name", "is_chinese"), [("凍檸茶", True), ("𠝹", True), ("Tea", False)])
def test_a_name_of_unknown_language_goes_where_its_script_belongs(name: str, is_chinese: bool) -> None:
    item, _ = cleaned(Draft(row=2, sku="A", name=name, price="1"))

    assert (item.product.name.zh_hant == name) is is_chinese


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(row=2, name_en="Tea", price="1"), "sku_missing"),
        (Draft(row=2, sku="4.71E+12", name_en="Tea", price="1"), "sku_excel_exponent"),
        (Draft(row=2, sku="x" * 65, name_en="Tea", price="1"), "sku_too_long"),
        (Draft(row=2, sku="A", price="1"), "name_missing"),
        (Draft(row=2, sku="A", name_en="Tea"), "price_missing"),
        (Draft(row=2, sku="A", name_en="Tea", price="99999999.00"), "price_range"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", currency="TWD"), "currency_differs"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", unit="斤"), "unit_unknown"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", unit="g"), "per_missing"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", unit="g", per="1.5"), "per_invalid"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", unit="g", per="100001"), "per_range"),
        (Draft(row=2, sku="A", name_en="Tea", price="1", stocked="maybe"), "stocked_unknown"),
    ],
)
def test_a_row_that_would_sell_the_wrong_thing_is_refused(draft: Draft, reason: str) -> None:
    with pytest.raises(RowRefusedError) as caught:
        cleaned(draft)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("raw", "stock", "notes"),
    [
        ("12", 12, []),
        ("1,200", 1200, []),
        ("12.0", 12, []),
        ("", None, []),
        ("-3", None, ["stock_negative"]),
        ("1.5", None, ["stock_unreadable"]),
        ("many", None, ["stock_unreadable"]),
        ("9999999999", None, ["stock_unreadable"]),
    ],
)
def test_opening_stock_is_a_whole_number_or_left_out(raw: str, stock: int | None, notes: list[str]) -> None:
    item, noted = cleaned(Draft(row=2, sku="A", name_en="Tea", price="1", stock=raw))

    assert (item.stock, noted) == (stock, notes)
