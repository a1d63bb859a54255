"""Profiles of printers: what they say, and that the bytes keep to it. Judged by the independent reader."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.printing import raster
from devices.codecs.printing.chinese import CODECS
from devices.codecs.printing.escpos import encode_document
from devices.codecs.printing.profiles import ALL_SYMBOLS, facts, printer_profile
from devices.document import Barcode, Beep, Columns, Cut, Document, Element, Logo, Qr, ShelfLabel, Text
from devices.drivers.escpos_printer import Options
from devices.errors import EncodingError
from devices.testing.bars import bars
from devices.testing.escpos_reader import read_paper
from devices.testing.paper import Paper, PaperBarcode, PaperCut, PaperImage, PaperLine

PROFILES = (
    Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
    / "escpos"
    / "printer-profiles.json"
)
needs_font = pytest.mark.skipif(
    not any(Path(path).is_file() for path in raster.FONT_PATHS), reason="no font installed to draw with"
)


def _printed(name: str, *elements: Element, **changes: Any) -> Paper:
    profile = printer_profile(name, **changes)
    paper = read_paper(encode_document(Document(elements), profile).payload, CODECS[profile.encoding])
    assert not paper.unknown
    return paper


@pytest.mark.parametrize("name", list(facts()))
def test_every_profile_prints_a_receipt_no_wider_than_its_paper(name: str) -> None:
    profile = printer_profile(name, raster_font="")
    if profile.encoding == "none" and not any(Path(path).is_file() for path in raster.FONT_PATHS):
        pytest.skip("no font installed to draw with")
    paper = _printed(
        name, Columns("珍珠奶茶 Café", "60"), Barcode("EAN13", "4711234567899"), Qr("https://a.example"), Cut()
    )

    widths = [line.columns for line in paper.elements if isinstance(line, PaperLine)]
    pictures = [picture.width_dots for picture in paper.elements if isinstance(picture, PaperImage)]
    assert max(widths, default=0) <= profile.columns
    assert max(pictures, default=0) <= profile.dots + 7


def test_a_character_of_a_code_page_is_printed_as_text_in_one_column() -> None:
    (line,) = _printed("epson-tm-t88v", Text("Café 拿鐵 Ü")).elements

    assert isinstance(line, PaperLine)
    assert (line.text, line.columns) == ("Café 拿鐵 Ü", 11)


@needs_font
def test_without_code_pages_the_same_line_is_a_picture() -> None:
    (picture,) = _printed("generic-80mm", Text("Café 拿鐵 Ü")).elements

    assert isinstance(picture, PaperImage)


@pytest.mark.parametrize(
    ("symbology", "data"),
    [
        ("EAN13", "4711234567899"),
        ("EAN8", "96385074"),
        ("CODE128", "AB-12"),
        ("CODE128", "123456"),
        ("CODE39", "A-1 B"),
    ],
)
def test_a_printer_without_bar_codes_gets_the_bars_as_a_picture(symbology: Any, data: str) -> None:
    picture, text = _printed("generic-picture", Barcode(symbology, data)).elements

    assert isinstance(picture, PaperImage)
    assert isinstance(text, PaperLine)
    assert text.text == data
    drawn = "".join(f"{byte:08b}" for byte in picture.rows[0]).strip("0")
    expected = bars(symbology, data)
    assert expected is not None
    module_dots = len(drawn) // len(expected)
    assert drawn == "".join(module * module_dots for module in expected)
    assert set(picture.rows) == {picture.rows[0]}


def test_a_printer_without_qr_codes_gets_a_square_with_three_finders() -> None:
    (picture,) = _printed("netum-nt-5890k", Qr("x", module_dots=1)).elements

    assert isinstance(picture, PaperImage)
    finder = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]
    rows = [f"{int.from_bytes(row, 'big'):0{picture.width_dots}b}" for row in picture.rows]
    corners = [[row[x : x + 7] for row in rows[y : y + 7]] for x, y in ((4, 4), (18, 4), (4, 18))]
    assert corners == [finder] * 3


def test_the_cutter_of_the_profile_cuts_and_a_printer_without_one_feeds() -> None:
    partial, full, none = (_printed("generic-80mm", Cut(), cut=cut).elements for cut in ("partial", "full", "none"))

    assert partial == (PaperCut(is_partial=True),)
    assert full == (PaperCut(is_partial=False),)
    assert not any(isinstance(element, PaperCut) for element in none)


@pytest.mark.parametrize("beeper", ["none", "esc-b", "epson"])
def test_a_beep_leaves_nothing_on_the_paper(beeper: str) -> None:
    assert _printed("generic-80mm", Beep(times=2), beeper=beeper).elements == ()


def test_a_logo_in_the_printer_is_named_by_its_key() -> None:
    def payload(**changes: Any) -> bytes:
        return encode_document(Document((Logo(),)), printer_profile("generic-80mm", **changes)).payload

    assert b"\x1d(L\x06\x00\x30\x45G1\x01\x01" in payload(nv_logo="G1")
    assert b"\x1cp\x02\x00" in payload(nv_logo="2")
    assert payload() == b"\x1b@\x1c."


def test_a_shelf_label_is_printed_by_a_receipt_printer_as_often_as_asked() -> None:
    label = ShelfLabel(sku="A1", name="鮮奶茶", price="$12.90", gtin="4711234567899", copies=2)
    paper = _printed("generic-80mm", label)

    assert [code.label for code in paper.elements if isinstance(code, PaperBarcode)] == ["4711234567899"] * 2
    assert sum(isinstance(element, PaperCut) for element in paper.elements) == 2
    assert "$12.90" in paper.text()


def test_a_misspelt_profile_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(msgspec.ValidationError, match="did you mean 'epson-tm-t88v'"):
        msgspec.convert({"address": "10.0.0.5", "profile": "epson-tm-t88vv"}, Options)


def test_what_the_configuration_says_beats_the_profile() -> None:
    options = msgspec.convert({"address": "10.0.0.5", "profile": "epson-tm-t88v", "columns": 48}, Options)

    assert (options.printer.columns, options.printer.dots, options.printer.encoding) == (48, 512, "big5")


@given(st.sampled_from(list(facts())), st.text(max_size=60), st.text(alphabet="0123456789AZaé中", max_size=20))
def test_any_text_and_code_gives_bytes_that_a_printer_understands_or_a_typed_error(
    name: str, text: str, code: str
) -> None:
    try:
        paper = _printed(name, Text(text), Barcode("CODE128", code), Qr(code), Barcode("CODE39", code))
    except EncodingError:
        return

    assert all(line.columns <= printer_profile(name).columns for line in paper.elements if isinstance(line, PaperLine))


@pytest.mark.skipif(not PROFILES.is_file(), reason="no material")
def test_the_facts_are_those_of_the_data_base() -> None:
    source = {profile["name"]: profile for profile in json.loads(PROFILES.read_text())["profiles"].values()}
    checked = 0
    for found in facts().values():
        known = source.get(found.name.removeprefix("Epson "))
        if known is None:
            continue
        checked += 1
        assert (found.columns, found.dots) == (known["fonts"]["0"]["columns"], known["media"]["width"]["pixels"])
        assert ("QR" in found.symbols) == known["features"]["qrCode"]
        for codec, number in found.code_pages.items():
            assert known["codePages"][str(number)].lower() == codec
    assert checked >= 10


def test_the_page_lists_every_profile_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "printers.md").read_text()
    for name, found in facts().items():
        drawn = "all" if len(found.symbols) == len(ALL_SYMBOLS) else ", ".join(found.symbols) or "none"
        assert f"| `{name}` | {found.columns} | {found.dots} | {found.cut} | {drawn} |" in page
