"""StarPRNT bytes, and documents as pictures, judged by readers that share nothing with the encoders."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.printing import raster
from devices.codecs.printing.picture import encode_png, opens_drawer
from devices.codecs.printing.profiles import printer_profile
from devices.codecs.printing.starprnt import encode_starprnt
from devices.document import (
    Barcode,
    Columns,
    Cut,
    Document,
    DrawerPulse,
    Element,
    Feed,
    Qr,
    Rule,
    ShelfLabel,
    Text,
)
from devices.errors import EncodingError
from devices.testing.bars import bars
from devices.testing.paper import Paper, PaperBarcode, PaperCut, PaperFeed, PaperImage, PaperLine, PaperPulse, PaperQr
from devices.testing.star_reader import StarReader, read_star_paper

CASES = (
    Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
    / "escpos"
    / "cases.json"
)
needs_font = pytest.mark.skipif(
    not any(Path(path).is_file() for path in raster.FONT_PATHS), reason="no font installed to draw with"
)
PROFILE = printer_profile("generic-80mm")


def _printed(*elements: Element, **changes: Any) -> Paper:
    paper = read_star_paper(encode_starprnt(Document(elements), printer_profile("generic-80mm", **changes)).payload)
    assert not paper.unknown
    return paper


def test_a_receipt_reads_as_it_was_written() -> None:
    paper = _printed(
        Text("早安咖啡", align="center"), Columns("拿鐵 Latte", "120"), Rule(), Text("謝謝", bold=True), Cut()
    )

    assert paper.lines() == [
        " " * 20 + "早安咖啡",
        "拿鐵 Latte" + " " * 35 + "120",
        "-" * 48,
        "謝謝",
        "[cut]",
    ]


def test_text_is_utf8_in_traditional_shapes_with_wide_ambiguous_characters() -> None:
    reader = StarReader(encode_starprnt(Document((Text("α中"),)), PROFILE).payload)
    (line,) = reader.paper().elements

    assert (reader.is_utf8, reader.widens, reader.priority) == (True, True, b"\x03\x02\x01\x04")
    assert isinstance(line, PaperLine)
    assert (line.text, line.columns) == ("α中", 4)


def test_looks_end_with_their_line() -> None:
    big, plain = _printed(Text("總計", bold=True, width=2, height=3, align="right"), Text("x")).elements

    assert isinstance(big, PaperLine) and isinstance(plain, PaperLine)
    assert (big.runs[0].bold, big.runs[0].width, big.runs[0].height, big.align) == (True, 2, 3, "right")
    assert (plain.runs[0].bold, plain.runs[0].width, plain.align) == (False, 1, "left")


@pytest.mark.parametrize(
    ("symbology", "data"),
    [("EAN13", "4711234567899"), ("EAN8", "96385074"), ("CODE128", "50% off"), ("CODE39", "A-1")],
)
def test_bar_codes_are_the_printers_own(symbology: Any, data: str) -> None:
    (code,) = _printed(Barcode(symbology, data)).elements

    assert isinstance(code, PaperBarcode)
    assert (code.symbology, code.label, code.has_text_below, code.align) == (symbology, data, True, "center")


def test_qr_feed_cut_and_both_drawers() -> None:
    qr, feed, cut, two, five = _printed(Qr("電子發票 x"), Feed(3), Cut(), DrawerPulse(), DrawerPulse(5)).elements

    assert isinstance(qr, PaperQr) and (qr.label, qr.level, qr.model) == ("電子發票 x", "M", "2")
    assert (feed, cut) == (PaperFeed(lines=3), PaperCut(is_partial=True))
    assert (two, five) == (PaperPulse(2, 200, 200), PaperPulse(5, 200, 200))


@needs_font
def test_a_character_that_the_printer_may_lack_makes_a_picture_of_its_line_only() -> None:
    first, second = _printed(Text("喜歡😀"), Text("中")).elements

    assert isinstance(first, PaperImage) and isinstance(second, PaperLine)


@needs_font
@given(
    st.lists(
        st.one_of(st.builds(Text, st.text(max_size=80)), st.builds(Columns, st.text(max_size=60), st.text(max_size=60)))
    )
)
def test_any_text_stays_on_the_paper(elements: list[Element]) -> None:
    for element in _printed(*elements).elements:
        if isinstance(element, PaperLine):
            assert element.columns <= PROFILE.columns
        if isinstance(element, PaperImage):
            assert element.width_dots <= PROFILE.dots


@given(st.binary(max_size=400))
def test_the_reader_ends_on_any_bytes(stream: bytes) -> None:
    read_star_paper(stream)


@pytest.mark.skipif(not CASES.is_file(), reason="no material")
def test_the_reader_understands_the_cases_of_another_encoder() -> None:
    read = 0
    for case in json.loads(CASES.read_text()):
        if case["language"] != "star-prnt" or "hex" not in case or case["what"].startswith("raw("):
            continue
        read += 1
        assert not read_star_paper(bytes.fromhex(case["hex"])).unknown, case["what"]
    assert read >= 25


@pytest.mark.skipif(not CASES.is_file(), reason="no material")
def test_our_symbols_are_those_of_another_encoder() -> None:
    cases = {
        case["what"]: case.get("hex", "") for case in json.loads(CASES.read_text()) if case["language"] == "star-prnt"
    }
    theirs = [
        element
        for what in ("barcode(3130630574613, ean13, 60)", "qrcode(https://nielsleenheer.com)")
        for element in read_star_paper(bytes.fromhex(cases[what])).elements
        if isinstance(element, PaperBarcode | PaperQr)
    ]
    ours = _printed(
        Barcode("EAN13", "3130630574613", height_dots=60), Qr("https://nielsleenheer.com", module_dots=6)
    ).elements

    barcode, qr = ours
    assert isinstance(barcode, PaperBarcode) and isinstance(qr, PaperQr)
    assert [(code.label, getattr(code, "symbology", "QR")) for code in theirs if not isinstance(code, PaperImage)] == [
        (barcode.label, "EAN13"),
        (qr.label, "QR"),
    ]
    assert (theirs[1].module_dots, theirs[1].level) == (qr.module_dots, qr.level)  # type: ignore[union-attr]


@needs_font
def test_a_picture_holds_the_whole_receipt_at_the_papers_width() -> None:
    from PIL import Image

    document = Document((Text("早安咖啡"), Barcode("EAN13", "4711234567899", height_dots=80), Qr("x"), Feed(2), Cut()))
    picture = Image.open(io.BytesIO(encode_png(document, PROFILE).payload))

    assert (picture.format, picture.mode, picture.width) == ("PNG", "1", 576)
    rows = [
        "".join("01"[picture.getpixel((x, y)) == 0] for x in range(picture.width)).strip("0")
        for y in range(0, picture.height, 3)
    ]
    expected = bars("EAN13", "4711234567899")
    assert expected is not None
    assert "".join(module * 3 for module in expected) in rows


@needs_font
def test_a_picture_prints_labels_and_empty_documents_and_opens_nothing() -> None:
    assert encode_png(Document(()), PROFILE).payload.startswith(b"\x89PNG")
    assert encode_png(Document((ShelfLabel("A", "茶", "$1"), Text(""))), PROFILE).payload
    assert opens_drawer(Document((DrawerPulse(),))) and not opens_drawer(Document((Cut(),)))


@needs_font
def test_a_picture_has_an_end() -> None:
    with pytest.raises(EncodingError, match="split it"):
        encode_png(Document((Feed(20),) * 40), PROFILE)


def test_without_a_font_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "FONT_PATHS", ())

    with pytest.raises(EncodingError, match="fonts-noto-cjk"):
        encode_png(Document((Text("x"),)), PROFILE)
