"""A catalogue file becomes products and a report in which every row is accounted for."""

import json
import os
import tarfile
import time
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from devices.codecs.gtin import check_digit, gtin14
from hub.importing.products import ImportResult, load_products
from hub.importing.reading import ImportFileError
from hub.importing.reasons import HEADINGS, REASONS
from hub.importing.report import EXAMPLES_MAX, render
from hub.importing.shapes import parse_mapping

MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
PRICE_WATCH = MATERIAL / "catalogue/hk-price-watch-sample.json"
PRICE_WATCH_MONTH = MATERIAL / "catalogue/hk-price-watch-2026-07-24_08-23.tar.xz"
ONLINE_RETAIL = MATERIAL / "retail/online-retail.csv.gz"


def ean(item: int) -> str:
    body = f"489999{item:06d}"
    return body + str(check_digit(body))


def load(tmp_path: Path, text: str, **options: object) -> ImportResult:
    path = tmp_path / "items.csv"
    path.write_text(text, encoding="utf-8")
    result = load_products(path, **{"currency": "HKD", **options})  # type: ignore[arg-type]
    assert_every_row_is_accounted_for(result)
    return result


def assert_every_row_is_accounted_for(result: ImportResult) -> None:
    report = result.report
    gone = report.rows_refused + report.rows_merged + report.rows_repeated + report.rows_replaced
    assert report.rows_read == report.products + gone
    assert report.products == len(result.items) == len({item.product.sku for item in result.items})
    gtins = [gtin for item in result.items for gtin in item.product.gtins]
    assert len(gtins) == len(set(gtins))


def test_own_columns_are_read_without_a_mapping(tmp_path: Path) -> None:
    text = (
        "SKU,Name ZH,name_en,barcode,price,per,unit,style,color,size,category,stock\n"
        f"A1,凍檸茶,Lemon tea,{ean(1)};{ean(2)},10.90,,,TEA,Amber,L,Drinks,12\n"
        "W1,荔枝,Lychees,,48,600,g,,,,Fruit,18000\n"
    )

    result = load(tmp_path, text)

    assert msgspec.to_builtins(result.items) == [
        {
            "product": {
                "sku": "A1",
                "style": "TEA",
                "attributes": {"colour": "Amber", "size": "L"},
                "gtins": [gtin14(ean(1)), gtin14(ean(2))],
                "name": {"zh-Hant": "凍檸茶", "en": "Lemon tea"},
                "category": "Drinks",
            },
            "price": {"amount": 1090, "currency": "HKD", "per": 1},
            "stock": 12,
        },
        {
            "product": {
                "sku": "W1",
                "name": {"zh-Hant": "荔枝", "en": "Lychees"},
                "unit": "g",
                "category": "Fruit",
            },
            "price": {"amount": 4800, "currency": "HKD", "per": 600},
            "stock": 18000,
        },
    ]


def test_a_mapping_reads_any_table_and_tells_what_it_leaves_out(tmp_path: Path) -> None:
    mapping = parse_mapping("sku=Code, name_en=Title, price=Unit Price")

    result = load(tmp_path, "Code,Title,Unit Price,Shelf\nA1,Tea,10.9,3\n", mapping=mapping)

    assert (result.items[0].product.sku, result.items[0].price.amount) == ("A1", 1090)
    assert result.report.columns_ignored == ("Shelf",)


def test_a_mapping_reaches_into_json_objects(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps([{"id": 7, "title": {"en": "Tea"}, "cost": 10.5}]), encoding="utf-8")

    result = load_products(path, mapping={"sku": "id", "name_en": "title.en", "price": "cost"}, currency="HKD")

    assert result.items[0].product.name.en == "Tea"
    assert (result.items[0].product.sku, result.items[0].price.amount) == ("7", 1050)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("貨號,品名,售價\n1,茶,5\n", {}, "--map 'sku=貨號,name_zh=品名,price=售價'"),
        ("a,b\n1,2\n", {}, "columns a, b are of no known shape"),
        ("sku,name,price\n", {}, "no rows"),
        ("sku,name,price\nA,Tea,1\n", {"currency": None}, "--currency HKD"),
        ("sku,name,price\nA,Tea,1\n", {"retailer": "AEON"}, "leave --retailer out"),
        ("sku,name,price\nA,Tea,1\n", {"mapping": {"price": "Cost"}}, "no such column; there are sku, name, price"),
        ("sku,name,price\nA,Tea,1\n", {"mapping": {"prise": "price"}}, "did you mean 'price'"),
    ],
)
def test_an_unusable_file_or_option_is_refused_with_a_remedy(
    tmp_path: Path, text: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ImportFileError, match=words):
        load(tmp_path, text, **options)


@pytest.mark.parametrize("text", ["sku", "=x", "sku=A,sku=B", "colr=A", ""])
def test_a_mapping_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ImportFileError, match="--map"):
        parse_mapping(text)


def test_a_repeated_sku_collapses_and_a_changed_one_is_replaced(tmp_path: Path) -> None:
    result = load(tmp_path, "sku,name,price\nA,Tea,1\nA,Tea,1.00\nB,Cup,2\nA,Tea,3\n")

    assert [(item.product.sku, item.price.amount) for item in result.items] == [("A", 300), ("B", 200)]
    assert (result.report.rows_repeated, result.report.rows_replaced) == (1, 1)


def test_a_barcode_on_two_skus_stays_with_the_first(tmp_path: Path) -> None:
    result = load(tmp_path, f"sku,name,price,gtin\nA,Tea,1,{ean(1)}\nB,Cup,2,{ean(1)}|{ean(2)}\n")

    assert [item.product.gtins for item in result.items] == [[gtin14(ean(1))], [gtin14(ean(2))]]
    assert result.report.notes == {"barcode_taken": 1}
    assert result.report.examples["barcode_taken"][0].row == 3


def test_a_barcode_of_a_replaced_row_is_free_again(tmp_path: Path) -> None:
    result = load(tmp_path, f"sku,name,price,gtin\nA,Tea,1,{ean(1)}\nB,Cup,2,{ean(1)}\nA,Tea,1,{ean(2)}\n")

    assert [item.product.gtins for item in result.items] == [[gtin14(ean(2))], [gtin14(ean(1))]]


def test_a_row_shifted_by_an_unquoted_comma_is_refused(tmp_path: Path) -> None:
    result = load(tmp_path, "sku,name,price\nA,Tea, iced,12\nB,Cup,2\n")

    assert [item.product.sku for item in result.items] == ["B"]
    assert result.report.refused == {"column_count": 1}


def test_a_barcode_that_excel_rounded_is_not_split_at_its_comma(tmp_path: Path) -> None:
    result = load(tmp_path, "sku;name;price;gtin\nA;Tea;1;4,71009E+12\n")

    assert result.report.notes == {"barcode_excel_exponent": 1}
    assert result.report.without_barcode == 1


def test_examples_are_bounded_and_counts_are_not(tmp_path: Path) -> None:
    rows = "".join(f"A{n},Tea,?\n" for n in range(50))

    report = load(tmp_path, "sku,name,price\nOK,Tea,1\n" + rows).report

    assert report.refused == {"price_format": 50}
    assert len(report.examples["price_format"]) == EXAMPLES_MAX
    assert report.examples["price_format"][0].row == 3


def test_progress_is_told_every_thousand_rows(tmp_path: Path) -> None:
    seen: list[int] = []

    load(tmp_path, "sku,name,price\n" + "".join(f"A{n},Tea,1\n" for n in range(2500)), progress=seen.append)

    assert seen == [1000, 2000, 2500]


def test_the_report_reads_in_both_languages_and_is_safe_on_a_terminal(tmp_path: Path) -> None:
    report = load(tmp_path, f"sku,name,price,gtin\nA,Tea,1,{ean(1)[:-1]}x\nB,Cup,\x1b[2J,\n").report

    english, chinese = render(report), render(report, "zh-Hant")

    assert "rows read: 2" in english
    assert "price_format: price is not a clear number" in english
    assert "讀取列數: 2" in chinese
    assert "條碼含有數字以外的字元" in chinese
    assert "\x1b" not in english + chinese


def test_every_word_of_the_report_has_both_languages() -> None:
    assert HEADINGS["en"].keys() == HEADINGS["zh-Hant"].keys()
    assert all(english.isascii() and not chinese.isascii() for english, chinese in REASONS.values())


def test_the_price_watch_takes_the_lowest_price_or_the_chosen_retailers(tmp_path: Path) -> None:
    names = {"brand": {"en": "Ours", "tc": "自家"}, "name": {"en": "Tea", "tc": "茶"}}
    prices = {"SHOPA": {"price": "18.50"}, "SHOPB": {"price": "9.90"}}
    path = tmp_path / "watch.json"
    items = [{"code": "P1", **names, "prices": prices}, {"code": "P2", **names, "prices": {"SHOPA": {"price": "7"}}}]
    path.write_text(json.dumps(items), encoding="utf-8")

    lowest, chosen = load_products(path), load_products(path, retailer="shopb")

    assert [(item.product.name.zh_hant, item.price.amount) for item in lowest.items] == [
        ("自家 茶", 990),
        ("自家 茶", 700),
    ]
    assert [item.product.sku for item in chosen.items] == ["P1"]
    assert chosen.report.refused == {"retailer_has_no_price": 1}
    with pytest.raises(ImportFileError, match="SHOPA, SHOPB"):
        load_products(path, retailer="nobody")


def test_invoice_lines_become_one_product_a_code_from_the_latest_priced_row(tmp_path: Path) -> None:
    text = (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice\n"
        "1,A1,NEW NAME,1,2011-02-01 10:00:00,3.50\n"
        "2,A1,OLD NAME,1,2010-12-01 10:00:00,2.50\n"
        "3,A1,?,1,2011-03-01 10:00:00,0.00\n"
        "4,A1,,1,2011-03-01 10:00:00,9.00\n"
        "C5,A2,CUP,-1,2011-01-01 10:00:00,1.25\n"
        "6,POST,POSTAGE,1,2011-01-01 10:00:00,18.00\n"
        "7,gift_0001_20,Voucher,1,2011-01-01 10:00:00,20.00\n"
        "8,A3,damaged,-1,2011-01-01 10:00:00,0.0\n"
    )

    result = load(tmp_path, text, currency=None)

    found = [(i.product.sku, i.product.name.en, i.price.amount, i.price.currency) for i in result.items]
    assert found == [("A1", "NEW NAME", 350, "GBP"), ("A2", "CUP", 125, "GBP")]
    assert result.report.refused == {"not_goods": 2, "no_priced_row": 1}
    assert result.report.rows_merged == 3


@pytest.mark.skipif(not PRICE_WATCH.exists(), reason="material is absent")
def test_the_price_watch_sample_is_read_whole_and_has_no_barcodes() -> None:
    result = load_products(PRICE_WATCH, currency="HKD")

    assert_every_row_is_accounted_for(result)
    assert (result.report.products, result.report.without_barcode) == (294, 294)
    assert load_products(PRICE_WATCH, retailer="WELLCOME").report.products == 201


@pytest.mark.skipif(not PRICE_WATCH_MONTH.exists(), reason="material is absent")
def test_the_last_day_of_the_price_watch_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "2026-08-23.json"
    with tarfile.open(PRICE_WATCH_MONTH) as archive:
        member = archive.extractfile("hk-opw-daily/2026-08-23.json")
        assert member is not None
        path.write_bytes(member.read())

    result = load_products(path)

    assert (result.report.rows_read, result.report.products, result.report.without_barcode) == (2639, 2639, 2639)
    assert all(item.product.name.zh_hant and item.product.name.en for item in result.items)


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="material is absent")
def test_half_a_million_invoice_lines_become_products_in_seconds() -> None:
    started = time.process_time()

    result = load_products(ONLINE_RETAIL)

    assert time.process_time() - started < 20  # 3 s on an idle x86-64 core; the bound only catches a quadratic step
    assert_every_row_is_accounted_for(result)
    assert (result.report.rows_read, result.report.products) == (541_909, 3_921)
    assert result.report.refused == {"not_goods": 2_950, "no_priced_row": 134}


def test_the_sample_catalogue_is_a_whole_shop_in_both_languages() -> None:
    path = Path(str(resources.files("hub.demo") / "sample_catalogue.json"))
    raw_gtins = [gtin for item in json.loads(path.read_bytes())["items"] for gtin in item.get("gtins", [])]

    result = load_products(path, currency="HKD")

    assert_every_row_is_accounted_for(result)
    assert (result.report.products, result.report.refused, result.report.notes) == (60, {}, {})
    assert sorted(gtin for item in result.items for gtin in item.product.gtins) == sorted(map(gtin14, raw_gtins))
    assert all(item.product.name.zh_hant and item.product.name.en for item in result.items)
    assert {gtin[:3] for gtin in raw_gtins} >= {"489", "471"}
    shirts = {tuple(item.product.attributes.values()) for item in result.items if item.product.style == "TEE"}
    assert len(shirts) == 12
    by_weight = [item for item in result.items if item.product.unit == "g"]
    assert {item.price.per for item in by_weight} == {100, 600}
    assert all(gtin.startswith("021") and gtin[8:13] == "00000" for item in by_weight for gtin in item.product.gtins)
    assert all((item.stock is not None) is item.product.stocked for item in result.items)
    assert "𠝹" in path.read_text(encoding="utf-8")
