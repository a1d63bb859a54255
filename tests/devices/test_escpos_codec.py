"""ESC/POS documents, judged by the independent reader and by the printed commands of the Epson reference."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.printing import raster
from devices.codecs.printing.chinese import CODECS, fold_text
from devices.codecs.printing.escpos import PrinterProfile, encode_document, raster_command
from devices.codecs.printing.escpos_symbols import encode_barcode
from devices.document import Barcode, Columns, Cut, Document, DrawerPulse, Element, Feed, Qr, Rule, Text
from devices.errors import EncodingError
from devices.testing.escpos_reader import read_paper
from devices.testing.paper import (
    Paper,
    PaperBarcode,
    PaperCut,
    PaperFeed,
    PaperImage,
    PaperLine,
    PaperPulse,
    PaperQr,
)

CASES = (
    Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
    / "escpos"
    / "cases.json"
)
HAS_FONT = any(Path(path).is_file() for path in raster.FONT_PATHS)
PAPER_80_MM = PrinterProfile()
MULTIBYTE = [encoding for encoding in CODECS if encoding != "none"]
needs_font = pytest.mark.skipif(not HAS_FONT, reason="no font installed to draw with")


def _printed(*elements: Element, profile: PrinterProfile = PAPER_80_MM, **reading: Any) -> Paper:
    payload = encode_document(Document(elements), profile).payload
    paper = read_paper(payload, CODECS[profile.encoding], **reading)
    assert not paper.unknown
    return paper


def _only(paper: Paper) -> Any:
    (element,) = paper.elements
    return element


def test_a_document_starts_with_reset_and_multibyte_mode_off() -> None:
    assert encode_document(Document((Text("hi"),)), PrinterProfile()).payload == b"\x1b@\x1c.hi\n"


@pytest.mark.parametrize("is_multibyte_at_reset", [False, True])
@pytest.mark.parametrize("encoding", MULTIBYTE)
def test_mixed_text_reads_the_same_on_printers_of_either_default(encoding: Any, is_multibyte_at_reset: bool) -> None:
    paper = _printed(
        Text("Latte 中 $120"),
        profile=PrinterProfile(encoding=encoding),
        is_multibyte_at_reset=is_multibyte_at_reset,
    )

    assert paper.lines() == ["Latte 中 $120"]


def test_multibyte_mode_encloses_only_the_chinese_run() -> None:
    payload = encode_document(Document((Text("a中b"),)), PrinterProfile()).payload

    assert payload == b"\x1b@\x1c.a\x1c&\xa4\xa4\x1c.b\n"


def test_bold_size_and_alignment_reach_the_line_and_end_with_it() -> None:
    big, plain = _printed(Text("總計", bold=True, width=2, height=3, align="right"), Text("x")).elements

    assert isinstance(big, PaperLine)
    assert isinstance(plain, PaperLine)
    (run,) = big.runs
    assert (run.bold, run.width, run.height, big.align) == (True, 2, 3, "right")
    assert (plain.runs[0].bold, plain.runs[0].width, plain.align) == (False, 1, "left")


def test_double_width_text_wraps_at_half_the_columns() -> None:
    assert _printed(Text("字" * 13, width=2)).lines() == ["字" * 12, "字"]


def test_the_right_column_is_flush_at_the_paper_edge() -> None:
    assert _printed(Columns("珍珠奶茶", "60")).lines() == ["珍珠奶茶" + " " * 38 + "60"]


def test_a_long_left_column_wraps_and_the_right_one_stands_on_its_last_line() -> None:
    first, last = _printed(Columns("字" * 30, "NT$1,200")).lines()

    assert first == "字" * 24
    assert last == "字" * 6 + " " * 28 + "NT$1,200"


def test_the_left_column_wraps_narrower_when_its_last_line_would_touch_the_price() -> None:
    assert _printed(Columns("字" * 23, "120")).lines() == ["字" * 22, "字" + " " * 43 + "120"]


def test_a_right_column_too_wide_for_the_line_gets_its_own() -> None:
    assert _printed(Columns("left", "r" * 45)).lines() == ["left", "   " + "r" * 45]


def test_rule_feed_cut_and_pulse() -> None:
    rule, feed, cut, pulse = _printed(Rule(), Feed(lines=3), Cut(), DrawerPulse(pin=5)).elements

    assert isinstance(rule, PaperLine)
    assert rule.text == "-" * 48
    assert feed == PaperFeed(lines=3)
    assert cut == PaperCut(is_partial=True)
    assert pulse == PaperPulse(pin=5, on_ms=100, off_ms=500)


def test_the_profile_may_overrule_the_drawer_pin() -> None:
    assert _only(_printed(DrawerPulse(), profile=PrinterProfile(drawer_pin=5))).pin == 5


@pytest.mark.parametrize(
    ("barcode", "label"),
    [
        (Barcode("EAN13", "4006381333931"), "4006381333931"),
        (Barcode("EAN8", "96385074"), "96385074"),
        (Barcode("CODE39", "AB-12 3"), "AB-12 3"),
        (Barcode("CODE128", "A{b}~1"), "A{b}~1"),
        (Barcode("CODE128", "0123456789" * 4), "0123456789" * 4),
    ],
)
def test_a_barcode_scans_as_its_data(barcode: Barcode, label: str) -> None:
    assert _only(_printed(barcode)) == PaperBarcode(
        barcode.symbology, label, 64, _only(_printed(barcode)).module_dots, has_text_below=True, align="center"
    )


def test_a_taiwanese_invoice_period_code_fits_on_58_mm_paper() -> None:
    code = _only(_printed(Barcode("CODE39", "11508AB123456789012"), profile=PrinterProfile(columns=32, dots=384)))

    assert code.module_dots == 1


@pytest.mark.parametrize(
    ("barcode", "remedy"),
    [
        (Barcode("EAN13", "4006381333930"), "last digit must be 1"),
        (Barcode("EAN13", "400638133393"), "must be 13 digits"),
        (Barcode("EAN8", "9638507４"), "must be 8 digits"),
        (Barcode("CODE39", "abc"), "capital letters or CODE128"),
        (Barcode("CODE128", "中"), "QR code"),
        (Barcode("CODE128", "a\x1d"), "printable ASCII"),
        (Barcode("CODE128", ""), "leave the bar code out"),
        (Barcode("CODE128", "x" * 60), "shorten it"),
    ],
)
def test_wrong_barcode_data_is_refused_with_the_remedy(barcode: Barcode, remedy: str) -> None:
    with pytest.raises(EncodingError, match=remedy):
        _printed(barcode)


def test_code128_digit_pairs_never_spell_a_real_time_command() -> None:
    digits = "1604" * 8  # as pairs: DLE EOT

    assert b"\x10\x04" not in encode_barcode(Barcode("CODE128", digits), 576)


def test_a_qr_code_is_model_2_level_m_and_utf8() -> None:
    assert _only(_printed(Qr("https://例.tw/發票", module_dots=6))) == PaperQr(
        "https://例.tw/發票", module_dots=6, level="M", model="2", align="center"
    )


def test_a_qr_code_too_wide_for_the_paper_gets_smaller_modules() -> None:
    assert _only(_printed(Qr("x" * 300, module_dots=16))).module_dots == 7


@pytest.mark.parametrize("content", ["", "a\x10\x04\x01", "x" * 2332, "\ud800"])
def test_qr_data_that_cannot_be_printed_is_refused(content: str) -> None:
    with pytest.raises(EncodingError):
        _printed(Qr(content))


@needs_font
def test_only_the_line_with_the_missing_character_becomes_a_picture() -> None:
    encoded = encode_document(Document((Text("一行\n二行㗎\n三行"),)), PrinterProfile())

    first, second, third = read_paper(encoded.payload).elements

    assert isinstance(first, PaperLine)
    assert isinstance(third, PaperLine)
    assert (first.text, third.text) == ("一行", "三行")
    assert isinstance(second, PaperImage)
    assert second.height_dots == raster.LINE_DOTS
    assert any(any(row) for row in second.rows)
    assert (encoded.raster_lines, encoded.missing) == (1, ())


@needs_font
def test_a_columns_line_with_a_missing_character_is_drawn_to_the_paper_edge() -> None:
    image = _only(_printed(Columns("㗎", "60")))

    assert image.width_dots == 576


@needs_font
def test_a_centred_picture_line_has_its_margin_inside() -> None:
    image = _only(_printed(Text("㗎", align="center", width=2, height=2)))

    assert image.align == "left"
    assert image.width_dots == 312  # (576 - 48) / 2 of margin and 48 of glyph
    assert not any(any(row[: 264 // 8]) for row in image.rows)


@needs_font
def test_a_character_in_no_font_is_a_drawn_mark_and_reported() -> None:
    encoded = encode_document(Document((Text("a\U000f0000b"),)), PrinterProfile())

    assert encoded.missing == ("\U000f0000",)
    assert isinstance(_only(read_paper(encoded.payload)), PaperImage)


def test_without_any_font_missing_characters_become_marks_and_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "FONT_PATHS", ())

    encoded = encode_document(Document((Text("好㗎!"), Columns("😀", "1"))), PrinterProfile(columns=16))

    assert read_paper(encoded.payload).lines() == ["好□!", "□" + " " * 13 + "1"]
    assert encoded.missing == ("㗎", "😀")
    assert encoded.raster_lines == 0


def test_a_picture_holds_no_command_that_a_printer_obeys_at_once() -> None:
    line = raster.RasterLine(4, 1, b"\x10\x04\x10\x14", ())

    assert raster_command(line) == b"\x1dv0\x00\x04\x00\x01\x00\x30\x04\x30\x14"


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.text(max_size=80) | st.text("拿鐵嘅㗎碁…é· $0aZ\n", max_size=80), max_size=4),
    encoding=st.sampled_from(list(CODECS)),
    width=st.integers(1, 8),
    bold=st.booleans(),
)
def test_any_text_comes_back_from_the_paper_or_is_a_picture(texts: Any, encoding: Any, width: int, bold: bool) -> None:
    profile = PrinterProfile(encoding=encoding)
    for text in texts:
        paper = _printed(Text(text, width=width, bold=bold), profile=profile)
        lines = [element for element in paper.elements if isinstance(element, PaperLine)]
        assert len(lines) + sum(isinstance(element, PaperImage) for element in paper.elements) == len(paper.elements)
        assert all(line.columns <= profile.columns for line in lines)
        if len(lines) == len(paper.elements):
            assert "".join(paper.text().split()) == "".join(fold_text(text, encoding).split())


@pytest.mark.skipif(not CASES.is_file(), reason="shared material is absent")
@pytest.mark.parametrize(
    ("what", "element"),
    [
        ("qrcode(https://nielsleenheer.com)", Qr("https://nielsleenheer.com", module_dots=6)),
        ("barcode(3130630574613, ean13, 60)", Barcode("EAN13", "3130630574613", height_dots=60)),
        ("barcode(CODE128, code128, 60)", Barcode("CODE128", "CODE128", height_dots=60)),
        ("width(2).height(2).text(hello).width(1).height(1)", Text("hello", width=2, height=2)),
        ("bold(true).text(hello).bold(false)", Text("hello", bold=True)),
    ],
)
def test_our_bytes_mean_the_same_as_another_encoders(what: str, element: Element) -> None:
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    theirs = next(case for case in cases if case["what"] == what and case["language"] == "esc-pos")

    ours, other = _only(_printed(element)), read_paper(bytes.fromhex(theirs["hex"])).elements[0]

    if isinstance(ours, PaperLine):
        assert isinstance(other, PaperLine)
        assert ours.runs == other.runs
    elif isinstance(ours, PaperQr):
        assert isinstance(other, PaperQr)
        assert (ours.label, ours.module_dots, ours.model) == (other.label, other.module_dots, other.model)
    else:
        assert isinstance(other, PaperBarcode)
        assert (ours.symbology, ours.label, ours.height_dots) == (other.symbology, other.label, other.height_dots)
