"""Files of marketplaces as people have had them open in Excel: what is read, what is refused with row, column and reason."""

import io
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.cloud.channels.files.cells import CellError, amount_of, gtin_of, moment_of, qty_of
from sync.cloud.channels.files.grids import read_grid
from sync.cloud.channels.files.mapping import parse_mapping
from sync.cloud.channels.files.orders import Plan, as_received, plan, read_received
from sync.cloud.channels.said import ChannelError, Wish
from sync.cloud.channels.settings import ChannelSection, channels_of
from sync.errors import ConfigError
from tests.cloud.channels.conftest import MAPPING, TEA

HEADER = "訂單編號,訂單日期,商品編號,國際條碼,品名,數量,小計,收件人,地址,訂單狀態,配送方式,備註"
GOOD = 'M1,2026/11/23 14:05,TEA-01,,烏龍茶,2,"2,560",王小明,台北市信義路,處理中,宅配,請按門鈴'
MOMO = channels_of({"momo": ChannelSection(kind="file", currency="TWD")}, base=Path())["momo"]
NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def read(*rows: str, encoding: str = "utf-8", mapping: str = MAPPING, header: str = HEADER) -> Plan:
    content = "\n".join((header, *rows)).encode(encoding)
    return plan(read_grid(content), parse_mapping(mapping), MOMO)


def xlsx(rows: list[list[str | int | float]], *, merged: tuple[str, ...] = (), sheet: str = "Orders") -> bytes:
    """A spreadsheet by the standard's own words, ECMA-376: numbers as numbers, texts in line."""
    lines = []
    for number, row in enumerate(rows, 1):
        cells = [
            f'<c r="{chr(65 + place)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            if isinstance(cell, str)
            else f'<c r="{chr(65 + place)}{number}"><v>{cell!r}</v></c>'
            for place, cell in enumerate(row)
            if cell != ""
        ]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    ranges = "".join(f'<mergeCell ref="{each}"/>' for each in merged)
    merges = f'<mergeCells count="{len(merged)}">{ranges}</mergeCells>' if merged else ""
    rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{rels}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NS} xmlns:r="{rels}"><sheets>'
        f'<sheet name="{sheet}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{rels}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet {NS}><sheetData>{''.join(lines)}</sheetData>{merges}</worksheet>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, text in parts.items():
            file.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950", "utf-16"])
def test_an_order_is_read_whatever_the_files_encoding(encoding: str) -> None:
    (found,) = read(GOOD, encoding=encoding).orders
    order = found.order
    assert (order.channel_order_id, order.total, order.name, order.address) == ("M1", 256_000, "王小明", "台北市信義路")
    assert [(line.items, line.qty, line.amount) for line in order.lines] == [(("sku:TEA-01",), 2, 256_000)]
    assert order.changed_ms == 1_795_413_900_000  # 2026-11-23 06:05 UTC
    assert found.rows[0]["備註"] == "請按門鈴"
    assert read_received(as_received(found)) == order


def test_characters_of_hong_kong_are_read() -> None:
    (found,) = read(GOOD.replace("王小明", "𠝹咗"), encoding="big5hkscs").orders
    assert found.order.name == "𠝹咗"


def test_each_refused_row_has_its_number_its_column_and_its_reason_and_an_order_is_whole_or_not_at_all() -> None:
    planned = read(
        GOOD,
        "M2,2026/11/23,,4.71009E+12,茶,1,10,,,,,",
        "M3,23-11-26,TEA-01,,茶,1,10,,,,,",
        "M4,2026/11/23,TEA-01,,茶,一,10,,,,,",
        "M5,2026/11/23,TEA-01,,茶,1,ten,,,,,",
        "M6,2026/11/23,TEA-01,,茶,1,10,,,,,",
        "M6,2026/11/23,,4710088412346,茶,1,10,,,,,",
        "M7,2026/11/23,,,茶,1,10,,,,,",
        "M8,2026/11/23,,12x,茶,1,10,,,,,",
    )
    assert [each.order.channel_order_id for each in planned.orders] == ["M1"]
    assert [(each.row, each.column, each.code) for each in planned.refused] == [
        (3, "國際條碼", "row_barcode_excel"),
        (4, "訂單日期", "row_date"),
        (4, "訂單編號", "row_order"),
        (5, "數量", "row_qty"),
        (6, "小計", "row_amount"),
        (7, "訂單編號", "row_order"),
        (8, "國際條碼", "row_barcode_check"),
        (9, "商品編號", "row_goods"),
        (10, "國際條碼", "row_barcode"),
    ]


def test_titles_sums_and_empty_rows_are_no_orders_and_merged_cells_are_filled() -> None:
    content = f"momo 訂單匯出,,\n\n{HEADER}\n{GOOD}\n,,SHIRT-M,,衫,１,100,,,,,\n,,,,,,,,,,,\n"
    content += "合計：,,,,,3,2660,,,,,\n,,BAG,,袋,1,1,,,,,\n"
    planned = plan(read_grid(content.encode()), parse_mapping(MAPPING), MOMO)
    (found,) = planned.orders

    assert [(line.items, line.qty) for line in found.order.lines] == [(("sku:TEA-01",), 2), (("sku:SHIRT-M",), 1)]
    assert (planned.sums, [(each.row, each.code) for each in planned.notes]) == (1, [(5, "row_filled")])
    assert [(each.row, each.code) for each in planned.refused] == [(8, "row_order_id")]


def test_spreadsheets_are_read_with_their_merged_cells_and_barcodes_that_are_numbers() -> None:
    rows: list[list[str | int | float]] = [
        ["訂單編號", "訂單日期", "國際條碼", "數量", "小計", "收件人"],
        ["X1", "115/11/23", 4890000000010, 2, 1280.5, "陳大文"],
        ["", "", 36000291452, 1, 10, ""],
        ["X2", "2026-11-23T00:00:00", '="4890000000010"', 1.0, "NT$1,280", "林"],
    ]
    planned = plan(read_grid(xlsx(rows, merged=("A2:A3", "F2:F3"))), parse_mapping(MAPPING), MOMO)
    one, two = (each.order for each in planned.orders)

    assert (one.name, [line.items for line in one.lines]) == (
        "陳大文",
        [("gtin:04890000000010",), ("gtin:00036000291452",)],
    )
    assert (one.total, two.total, two.lines[0].items) == (129_050, 128_000, ("gtin:04890000000010",))
    assert [(each.row, each.code) for each in planned.notes] == [(3, "row_barcode_zero")]
    assert planned.refused == ()


def test_a_file_that_is_none_is_refused_with_the_remedy() -> None:
    with pytest.raises(ChannelError, match="no sheet '別的'; the file has: Orders"):
        read_grid(xlsx([["a"]]), sheet="別的")
    for content in (b"", b"  \n", b"PK\x03\x04 no zip", b"a\x00b", "a\u20ac".encode("cp1252") + b"\xff\xfe\x80"):
        with pytest.raises(ChannelError):
            read_grid(content)
    with pytest.raises(ChannelError, match="訂單編號"):
        read(GOOD, header="a,b,c")


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        *[
            (text, "ymd", "2026-11-03")
            for text in ("2026/11/3", "2026-11-03", "2026.11.03", "2026年11月3日", "115/11/03", "２０２６／１１／３")
        ],
        *[("3/11/2026", "dmy", "2026-11-03"), ("11/3/2026", "mdy", "2026-11-03"), ("2026/11/3", "dmy", "2026-11-03")],
        *[("2026/11/3 下午 02:05", "ymd", "2026-11-03"), ("3/11/2026 2:05 PM", "dmy", "2026-11-03")],
    ],
)
def test_dates_are_read_in_the_order_that_was_declared(text: str, order: str, expected: str) -> None:
    zone = ZoneInfo("Asia/Taipei")
    assert moment_of(text, order=order, zone=zone).astimezone(zone).date().isoformat() == expected


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("31/12/2026", "mdy"),
        ("12/31/2026", "dmy"),
        ("31/12/2026", "ymd"),
        ("26/11/23", "ymd"),
        ("2026/2/30", "ymd"),
        ("soon", "ymd"),
    ],
)
def test_a_date_of_another_order_is_refused_and_not_guessed(text: str, order: str) -> None:
    with pytest.raises(CellError):
        moment_of(text, order=order, zone=ZoneInfo("Asia/Taipei"))


@given(st.integers(0, 10**12 - 1))
def test_a_barcode_whose_leading_zeros_are_gone_is_itself_again(stem: int) -> None:
    digits = f"{stem:013}"
    check = -sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits)) % 10
    whole = f"{digits}{check}"
    lost = whole.lstrip("0").rjust(6, "0")
    assert gtin_of(lost)[0] == whole
    assert gtin_of(f"'{lost}.0")[0] == whole


@given(st.text(max_size=20))
def test_whatever_stands_in_a_cell_it_is_read_or_refused(text: str) -> None:
    for reader in (
        gtin_of,
        qty_of,
        lambda cell: amount_of(cell, "TWD"),
        lambda cell: moment_of(cell, order="dmy", zone=ZoneInfo("Asia/Hong_Kong")),
    ):
        try:
            reader(text)
        except CellError as err:
            assert err.code.startswith("row_")


@pytest.mark.parametrize(
    ("text", "minor"), [("NT$ 1,280", 128_000), ("1,280元", 128_000), ("１２８０", 128_000), ("12.80", 1280)]
)
def test_amounts_are_read_with_their_signs_of_money(text: str, minor: int) -> None:
    assert amount_of(text, "TWD") == minor


def test_states_and_collection_are_what_the_mapping_says() -> None:
    planned = read(
        GOOD.replace("處理中", "已取消").replace("宅配", "門市自取"),
        GOOD.replace("M1", "M2").replace("處理中", "未付款"),
    )
    assert [(each.order.wish, each.order.kind) for each in planned.orders] == [
        (Wish.CANCELLED, "click_and_collect"),
        (Wish.UNPAID, "ship_from_store"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns]\norder_id='a'", "qty"),
        ("zone='Mars'\n" + MAPPING, "IANA"),
        ("x = 1\n" + MAPPING, "unknown key 'x'"),
        ("[", "TOML"),
    ],
)
def test_a_wrong_mapping_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_mapping(text)


async def send(end: Any, content: bytes, *, mapping: str = "", dry_run: bool = False, channel: str = "momo") -> Any:
    form = aiohttp.FormData()
    form.add_field("file", content, filename="orders.csv")
    if mapping:
        form.add_field("mapping", mapping)
    path = f"/cloud/v1/channels/{channel}/files"
    return await end.request(
        "POST", path, token="office-token-0123456789", data=form(), params={"dry_run": str(dry_run).lower()}
    )


async def test_a_file_is_tried_and_taken_and_a_second_time_changes_nothing(office: Any, sql: Any) -> None:
    rows = [GOOD, "M2,2026/11/23,,4890000000010,茶,1,10,林,新北市,,宅配,", "M3,2026/11/23,NEW-1,,新,1,10,林,,,宅配,"]
    content = "\n".join([HEADER, *rows, "M4,x,TEA-01,,茶,1,10,,,,,"]).encode("cp950")

    def books() -> list[Any]:
        tables = ("channel_order", "channel_exception", "web_order", "web_order_step", "fact", "tally")
        return [sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]

    before = books()
    tried = (await send(office.end, content, dry_run=True)).json
    assert (books(), tried["dry_run"], tried["orders"], tried["unknown"]) == (before, True, 3, ["sku:NEW-1"])
    taken = (await send(office.end, content)).json
    after = books()
    again = (await send(office.end, content)).json

    assert (taken["results"], again["results"], books()) == ({"taken": 2, "waiting": 1}, {"repeated": 3}, after)
    assert [(each["order_id"], each["lines"][0]["sku"]) for each in await office.orders()] == [
        ("momo.M1", TEA),
        ("momo.M2", TEA),
    ]
    assert "row 5, 訂單日期: Not a date (x)" in taken["text"]["en"]
    assert "第 5 列，訂單日期：日期不正確（x）" in taken["text"]["zh-Hant"]
    assert [each["subject"] for each in await office.exceptions("momo")] == ["order:M3"]


async def test_a_later_file_goes_on_with_an_order_and_an_older_one_does_not_go_back(office: Any) -> None:
    first, later = (f"{HEADER}\n{row}".encode() for row in (GOOD, GOOD.replace("處理中", "取消")))
    edited = f"{HEADER}\n{GOOD.replace(',2,', ',3,')}".encode()
    ends = [(await send(office.end, each)).json["results"] for each in (first, edited, later, first)]

    assert ends == [{"taken": 1}, {"stale": 1}, {"taken": 1}, {"stale": 1}]
    assert [each["state"] for each in await office.orders()] == ["cancelled"]


async def test_what_is_no_file_or_no_mapping_is_answered_with_its_remedy(office: Any) -> None:
    answers = [
        await send(office.end, b"a,b\n1,2"),
        await send(office.end, b"PK\x03\x04"),
        await send(office.end, GOOD.encode(), mapping="[columns]\nx = 1"),
        await send(office.end, GOOD.encode(), channel="taipei"),
        await office.end.post("/cloud/v1/channels/momo/files", b"{}"),
    ]
    assert [(each.status, each.json["code"]) for each in answers] == [
        (422, "channel_header"),
        (422, "channel_file"),
        (422, "channel_mapping"),
        (409, "channel_kind"),
        (415, "channel_form"),
    ]
