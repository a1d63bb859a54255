"""Receipts as HTML: well-formed, escaped, bars that scan."""

import base64
import io
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from devices.testing.bars import bars
from devices.testing.paper import (
    Paper,
    PaperBarcode,
    PaperCut,
    PaperFeed,
    PaperImage,
    PaperLine,
    PaperPulse,
    PaperQr,
    Run,
    UnknownCommand,
)
from devices.testing.paper_html import paper_html

RECEIPT = Paper(
    (
        PaperLine((Run("壽司 <Bar>", 10, bold=True, width=2, height=2),), "center"),
        PaperLine((Run("tea & 茶", 8, underline=True), Run("x", 1, inverted=True))),
        PaperBarcode("EAN13", "4006381333931", 64, 2, has_text_below=True, align="center"),
        PaperBarcode("ITF", "12", 64, 2, has_text_below=True),
        PaperQr("https://example.tw/<x>", 4, "M", "2", "center"),
        PaperImage(8, (b"\x80", b"\x01")),
        PaperFeed(lines=2),
        PaperPulse(2, 100, 500),
        UnknownCommand(b"\x1b\x07", 0),
        PaperCut(is_partial=True),
    )
)


def test_a_receipt_is_well_formed_and_its_text_escaped() -> None:
    html = paper_html(RECEIPT)

    root = ElementTree.fromstring(_as_xml(html))

    assert "".join(root.itertext()).count("tea & 茶") == 1
    assert "<Bar>" not in html
    assert "<x>" not in html


def test_a_wide_character_takes_two_columns_and_the_paper_48() -> None:
    html = paper_html(Paper((PaperLine((Run("a茶", 3),)),)))

    assert '<i style="width:8px">a</i><i style="width:16px">茶</i>' in html
    assert "width:384px" in html


def test_a_picture_is_a_png_with_the_same_dots() -> None:
    (content,) = re.findall(r"base64,([^\"]+)", paper_html(RECEIPT))

    image = Image.open(io.BytesIO(base64.b64decode(content)))

    assert image.size == (8, 2)
    assert [[image.getpixel((x, y)) for x in range(8)] for y in range(2)] == [[1] + [0] * 7, [0] * 7 + [1]]


def test_a_symbology_that_is_not_drawn_is_named() -> None:
    assert "[ITF: 12]" in paper_html(RECEIPT)


def test_ean13_bars_are_those_of_the_standard() -> None:
    # GS1 General Specifications 5.2.1: 4 as first digit gives parity LGLLGG.
    drawn = bars("EAN13", "4006381333931")

    assert drawn is not None
    assert len(drawn) == 95
    assert drawn.startswith("101" + "0001101" + "0100111" + "0101111")
    assert drawn.endswith("1110100" + "1000010" + "1100110" + "101")


@pytest.mark.parametrize(("symbology", "label"), [("CODE128", "A中"), ("CODE39", "a"), ("EAN13", "12"), ("UPC-A", "1")])
def test_bars_that_cannot_be_drawn_are_none(symbology: str, label: str) -> None:
    assert bars(symbology, label) is None


def test_code128_and_code39_have_the_length_of_the_standard() -> None:
    assert len(bars("CODE128", "abc") or "") == 11 * 5 + 13
    assert len(bars("CODE128", "1234") or "") == 11 * 4 + 13
    assert len(bars("CODE39", "AB") or "") == 4 * 15 + 3


def _as_xml(html: str) -> str:
    """Close the void elements, which HTML leaves open."""
    return re.sub(r"(<(?:hr|img)[^>]*)>", r"\1/>", html)
