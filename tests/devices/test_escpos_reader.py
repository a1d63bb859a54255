"""The independent ESC/POS reader: gets through real print files, in pieces too, and says what it does not know."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.testing.escpos_reader import EscposReader, read_paper
from devices.testing.paper import (
    PaperBarcode,
    PaperCut,
    PaperElement,
    PaperImage,
    PaperLine,
    PaperPulse,
    PaperQr,
    PaperSymbol,
    StatusRequest,
    UnknownCommand,
)

MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material")) / "escpos"
GOLDEN = sorted(MATERIAL.glob("*.bin")) if MATERIAL.is_dir() else []
needs_material = pytest.mark.skipif(not GOLDEN, reason="shared material is absent")


@needs_material
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_a_golden_file_is_read_to_its_end_without_an_unknown_command(path: Path) -> None:
    paper = read_paper(path.read_bytes(), "cp437")

    assert paper.unknown == ()
    assert any(isinstance(element, PaperCut) for element in paper.elements)


@needs_material
@pytest.mark.parametrize(
    ("name", "kind", "amount"),
    [
        ("barcode.bin", PaperBarcode, 40),
        ("qr-code.bin", PaperQr, 19),
        ("pdf417-code.bin", PaperSymbol, 24),
        ("graphics.bin", PaperImage, 4),
        ("bit-image.bin", PaperImage, 4),
        ("demo.bin", PaperCut, 14),
        ("receipt-with-logo.bin", PaperPulse, 1),
    ],
)
def test_a_golden_file_shows_what_it_says(name: str, kind: type[PaperElement], amount: int) -> None:
    paper = read_paper((MATERIAL / name).read_bytes(), "cp437")

    assert sum(isinstance(element, kind) for element in paper.elements) == amount


@needs_material
def test_the_golden_receipt_reads_as_a_person_would_read_it() -> None:
    lines = read_paper((MATERIAL / "receipt-with-logo.bin").read_bytes(), "cp437").lines()

    assert "Total            $ 14.25" in lines
    assert "  For trading hours, please visit example.com" in lines


@needs_material
def test_the_cases_of_another_encoder_hold_no_unknown_command() -> None:
    cases = json.loads((MATERIAL / "cases.json").read_text(encoding="utf-8"))
    streams = [bytes.fromhex(case["hex"]) for case in cases if case["language"] == "esc-pos" and "hex" in case]

    assert [stream for stream in streams if read_paper(stream).unknown] == []
    assert read_paper(streams[0]).text() == "hello"


@needs_material
@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_a_stream_in_pieces_reads_like_a_whole_one(piece_bytes: int) -> None:
    stream = (MATERIAL / "demo.bin").read_bytes()
    reader = EscposReader("cp437")

    found: list[PaperElement] = []
    for place in range(0, len(stream), piece_bytes):
        found += reader.feed(stream[place : place + piece_bytes])

    assert tuple(found + reader.finish()) == read_paper(stream, "cp437").elements


def test_chinese_is_read_only_while_multibyte_mode_is_on() -> None:
    stream = b"\x1b@\x1c&" + "中".encode("cp950") + b"\x1c." + "中".encode("cp950") + b"\n"

    assert read_paper(stream).text() == "中ññ"
    assert read_paper(b"\x1b@" + "中".encode("cp950") + b"\n", is_multibyte_at_reset=True).text() == "中"


def test_four_byte_gb18030_is_one_character() -> None:
    assert read_paper(b"\x1c&" + "㗎a".encode("gb18030") + b"\n", "gb18030").text() == "㗎a"


def test_an_unknown_command_is_recorded_with_its_place_and_reading_goes_on() -> None:
    paper = read_paper(b"ab\x1b\x07cd\n")

    assert paper.unknown == (UnknownCommand(b"\x1b\x07", 2),)
    assert paper.text() == "abcd"


def test_a_command_cut_off_in_the_middle_is_recorded() -> None:
    assert read_paper(b"a\n\x1dv0\x00\x01").unknown == (UnknownCommand(b"\x1dv0\x00\x01", 2),)


def test_questions_keep_their_place_in_the_stream() -> None:
    found = EscposReader().feed(b"a\n\x1dr\x01\x10\x04\x02")

    assert found[1:] == [StatusRequest("GS r", 1, 2), StatusRequest("DLE EOT", 2, 5)]


def test_code128_sets_are_read_as_a_scanner_would() -> None:
    (code,) = read_paper(b'\x1dkI\x09{C\x0c"{Bx{{').elements

    assert isinstance(code, PaperBarcode)
    assert code.label == "1234x{"


def test_column_pictures_are_turned_into_rows() -> None:
    (image,) = read_paper(b"\x1b*\x00\x02\x00\x80\x01").elements

    assert isinstance(image, PaperImage)
    assert image.rows == (b"\x80", *[b"\x00"] * 6, b"\x40")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(stream: bytes) -> None:
    paper = read_paper(stream)

    assert all(isinstance(line, str) for line in paper.lines())
    assert all(isinstance(element, PaperLine) or element for element in paper.elements)
