"""Shelf labels as ZPL II, and the host status of a label printer.

Source: Zebra, ZPL II Programming Guide (^XA, ^CI, ^PW, ^LL, ^FO, ^A0, ^A@, ^FB, ^FH, ^FD, ^GF, ^BE, ^B8, ^BC, ^PQ, ~HS).
Pure. Only label printers speak it: a document with anything but labels is refused.

    +-----------------------------+
    | name (Chinese as a picture) |   two lines at most, then smaller, then cut
    | English name                |
    | bar code          was  $9.90|
    | 4711234567899         $6.90 |
    |                     /100 g  |
    +-----------------------------+
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from devices.codecs.printing.chinese import Encoding, clean_text, text_columns, wrap_columns
from devices.codecs.printing.escpos_symbols import check_barcode
from devices.codecs.printing.page import EncodedDocument, label_barcode
from devices.codecs.printing.raster import GLYPH_DOTS, LINE_DOTS, Rasterizer, RasterLine, RasterStyle
from devices.document import Document, ShelfLabel
from devices.errors import EncodingError

HOST_STATUS_REQUEST = b"~HS"
HOST_STATUS_BYTES_MAX = 512  # three strings of at most 90; what is longer is no host status
LABELS_MAX = 400  # of one document, copies not counted
NAME_LINES_MAX = 2

_DOTS_PER_MM = {203: 8, 300: 12}
_CELL_DOTS = GLYPH_DOTS // 2
_ENCODING: Encoding = "big5-hkscs"  # which shape an ideograph gets where it is drawn
_BARCODES = {"EAN13": "^BEN,{height},Y,N", "EAN8": "^B8N,{height},Y,N", "CODE128": "^BCN,{height},Y,N,N,A"}
_FIELD_SPECIAL = frozenset("^~_\\")


@dataclass(frozen=True, slots=True)
class LabelMedia:
    """The label in the printer. `font`: one in its memory that has Chinese (E:NAME.TTF); without, names are drawn."""

    width_mm: int = 58
    height_mm: int = 40
    dpi: Literal[203, 300] = 203
    font: str = ""
    raster_font: str = ""

    @property
    def width(self) -> int:
        """Dots across."""
        return self.width_mm * _DOTS_PER_MM[self.dpi]

    @property
    def height(self) -> int:
        """Dots along."""
        return self.height_mm * _DOTS_PER_MM[self.dpi]

    @property
    def unit(self) -> int:
        """Dots of a millimetre."""
        return _DOTS_PER_MM[self.dpi]


class HostStatus(NamedTuple):
    """What ~HS says; `waiting` counts formats that are received and labels that are not printed yet."""

    trouble: str
    waiting: int


def encode_labels(document: Document, media: LabelMedia) -> EncodedDocument:
    """Return the labels of a document; raise EncodingError for another one, or for data that no bar code shows.

    Where names are drawn it takes tens of milliseconds: call it in a thread.
    """
    labels = [element for element in document.elements if isinstance(element, ShelfLabel)]
    if len(labels) != len(document.elements) or not labels:
        raise EncodingError("a label printer prints shelf labels only; send receipts to a receipt printer")
    if len(labels) > LABELS_MAX:
        raise EncodingError(f"{len(labels)} labels in one document; {LABELS_MAX} at most, send the rest as another")
    pen = _Pen(media)
    payload = b"".join(pen.label(label) for label in labels)
    return EncodedDocument(payload, pen.pictures, tuple(dict.fromkeys(pen.missing)))


def decode_host_status(answer: bytes) -> HostStatus | None:
    """Return what the three strings of ~HS say; None while they are not all there, or for what is no host status."""
    strings = [line.strip(b"\x02\x03\r\n ").split(b",") for line in answer.split(b"\x03") if line.strip(b"\r\n\x02 ")]
    if answer.count(b"\x03") < 3 or len(strings) < 3 or len(strings[0]) < 12 or len(strings[1]) < 9:
        return None
    first, second = strings[0], strings[1]
    numbers = (first[4], second[8])
    if not all(number.strip().isdigit() for number in numbers):
        return None
    flags = {
        "head_open": second[2],
        "paper_out": first[1],
        "ribbon_out": second[3],
        "printer_error": first[9],
        "paused": first[2],
    }
    trouble = next((word for word, flag in flags.items() if flag.strip() == b"1"), "")
    partial = first[7].strip() == b"1"
    return HostStatus(trouble, sum(int(number) for number in numbers) + partial)


class _Pen:
    """Writes labels; keeps what is missing, and the fonts."""

    def __init__(self, media: LabelMedia) -> None:
        self._media = media
        self._fonts: Rasterizer | None = None
        self.pictures = 0
        self.missing: list[str] = []

    def label(self, label: ShelfLabel) -> bytes:
        media, margin = self._media, self._media.unit * 2
        inside = media.width - 2 * margin
        out = [f"^XA^CI28^PW{media.width}^LL{media.height}^LH0,0".encode()]
        y = margin
        for text, height, lines in ((label.name, media.unit * 6, NAME_LINES_MAX), (label.name_en, media.unit * 3, 1)):
            if text:
                field, used = self._paragraph(text, (margin, y), height=height, width=inside, lines=lines)
                out.append(field)
                y += used + media.unit // 2
        out += self._foot(label, margin=margin, inside=inside, top=y)
        out.append(f"^PQ{label.copies}^XZ\n".encode())
        return b"".join(out)

    def _foot(self, label: ShelfLabel, *, margin: int, inside: int, top: int) -> list[bytes]:
        """The bar code at the left, the prices at the right, both at the lower edge."""
        media, unit = self._media, self._media.unit
        code = label_barcode(label)
        check_barcode(code)
        module_dots = 2 if media.dpi == 203 else 3
        height = max(min(unit * 9, media.height - top - unit * 6), unit * 3)
        code_top = media.height - margin - height - unit * 3
        field = _BARCODES[code.symbology].format(height=height)
        out = [f"^FO{margin},{code_top}^BY{module_dots}{field}".encode() + _data(code.data)]
        right = margin + inside // 2
        lines = ((label.was, unit * 3), (label.price, unit * 6), (label.per, unit * 3))
        y = media.height - margin - sum(height for text, height in lines if text)
        for text, line_height in lines:
            if text:
                out.append(self._line(text, (right, y), height=line_height, width=inside - inside // 2))
                y += line_height
        return out

    def _paragraph(self, text: str, at: tuple[int, int], *, height: int, width: int, lines: int) -> tuple[bytes, int]:
        """Return a field of at most `lines` lines, and its height: smaller letters when it is too long, then cut."""
        for size in (height, max(height // 2, GLYPH_DOTS)):
            columns = max(width * 2 // size, 2)
            wrapped = wrap_columns(clean_text(text).replace("\n", " "), columns, _ENCODING)
            if len(wrapped) <= lines:
                break
        fields = [
            self._line(line, (at[0], at[1] + place * size), height=size, width=width, align="L")
            for place, line in enumerate(wrapped[: lines * height // size])
        ]
        return b"".join(fields), len(fields) * size

    def _line(self, text: str, at: tuple[int, int], *, height: int, width: int, align: str = "R") -> bytes:
        """Return one line as text where the printer has a font for it, else as a picture."""
        place = f"^FO{at[0]},{at[1]}"
        columns = max(text_columns(text, _ENCODING), 1)
        letter = min(height, width * 2 // columns)
        if text.isascii() or self._media.font:
            font = f"^A@N,{height},{letter},{self._media.font}" if not text.isascii() else f"^A0N,{height},{letter}"
            return f"{place}{font}^FB{width},1,0,{align}".encode() + _data(text)
        picture = self._drawn(text, height=height, width=width)
        left = at[0] + (width - picture.width_bytes * 8 if align == "R" else 0)
        total = len(picture.rows)
        head = f"^FO{max(left, 0)},{at[1]}^GFA,{total},{total},{picture.width_bytes},"
        return head.encode() + picture.rows.hex().upper().encode() + b"^FS"

    def _drawn(self, text: str, *, height: int, width: int) -> RasterLine:
        if self._fonts is None:
            self._fonts = Rasterizer.open(_ENCODING, self._media.raster_font)
        if self._fonts is None:
            raise EncodingError("no font to draw Chinese with; install fonts-noto-cjk, or set font or raster_font")
        text = wrap_columns(clean_text(text), max(width // _CELL_DOTS, 2), _ENCODING)[0]
        columns = max(text_columns(text, _ENCODING), 1)
        factor = max(min(height // LINE_DOTS, width // (columns * _CELL_DOTS)), 1)
        drawn = self._fonts.draw(text, RasterStyle(columns * factor, _CELL_DOTS, width=factor, height=factor))
        self.pictures += 1
        self.missing.extend(drawn.missing)
        return drawn


def _data(text: str) -> bytes:
    """Return ^FH ^FD with what ZPL would read as a command written in hexadecimal."""
    escaped = "".join(f"_{ord(char):02X}" if char in _FIELD_SPECIAL else char for char in text)
    return b"^FH^FD" + escaped.encode() + b"^FS"
