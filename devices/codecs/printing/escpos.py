"""Document to ESC/POS bytes.

Lives here: lay-out on the printer's grid and the commands for text. Not here: status (escpos_status), bar codes
(escpos_symbols), drawing (raster), the wire (devices.drivers.escpos_printer).
Source: Epson ESC/POS command reference (ESC @, ESC E, ESC a, GS !, FS &, FS ., GS v 0, GS V, ESC p).

Chinese: Epson's Chinese models start in multi-byte mode, many others do not. Text is therefore never left to the
default: ASCII goes out with the mode off (FS .), each run of two-byte codes between FS & and FS ., and so both print
the same. A line with a character that the encoding lacks goes out as a picture (GS v 0) of that line, nothing else.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from devices.codecs.printing.chinese import (
    Encoding,
    clean_text,
    encode_runs,
    fold_text,
    mark_missing,
    missing_characters,
    text_columns,
    wrap_columns,
)
from devices.codecs.printing.escpos_symbols import encode_barcode, encode_qr
from devices.codecs.printing.raster import Rasterizer, RasterLine, RasterStyle
from devices.document import Align, Barcode, Columns, Cut, Document, DrawerPulse, Element, Feed, Qr, Rule, Text

RESET = b"\x1b@"
MULTIBYTE_ON = b"\x1c&"
MULTIBYTE_OFF = b"\x1c."
PARTIAL_CUT = b"\x1dVB\x00"  # GS V 66 0: feed to the cutter, then cut
PULSE_ON_MS = 100
PULSE_OFF_MS = 500
TEXTS_KEPT = 1_024  # encoded texts: a shop's receipts say the same words, names and amounts again and again
LEFT_COLUMNS_MIN = 8  # of a Columns element: with less left for it, the right part takes lines of its own

_ALIGN = {"left": 0, "center": 1, "right": 2}
_REALTIME_SECOND_BYTES = b"\x04\x05\x14"  # DLE EOT, DLE ENQ, DLE DC4: obeyed even inside picture data


@dataclass(frozen=True, slots=True)
class PrinterProfile:
    """What an encoder must know of a printer: fonts, `columns` of font A, `dots` across the paper, drawer connector."""

    encoding: Encoding = "big5"
    columns: int = 48
    dots: int = 576
    raster_font: str = ""
    drawer_pin: Literal[2, 5] | None = None  # None: the pin the document names

    @property
    def cell_dots(self) -> int:
        """Width of one column in dots."""
        return self.dots // self.columns


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """Bytes ready to send. `raster_lines` went out as pictures; `missing` are characters printed as a missing mark."""

    payload: bytes
    raster_lines: int
    missing: tuple[str, ...]


class DrawingNeededError(Exception):
    """The document has characters that the printer lacks; nothing was encoded, try again with `may_draw`."""


def encode_document(document: Document, profile: PrinterProfile, *, may_draw: bool = True) -> EncodedDocument:
    """Return the bytes that print the document; raise EncodingError when a bar code cannot be drawn.

    Without `may_draw` it takes a fraction of a millisecond, or raises DrawingNeededError.
    """
    page = _Page(profile, may_draw=may_draw)
    for element in document.elements:
        page.add(element)
    return EncodedDocument(page.payload(), page.raster_lines, tuple(dict.fromkeys(page.missing)))


def raster_command(line: RasterLine) -> bytes:
    """Return GS v 0 for a picture of at most 65,535 rows, free of byte pairs that a printer would obey in real time."""
    sizes = line.width_bytes.to_bytes(2, "little") + line.height_dots.to_bytes(2, "little")
    rows = bytearray(line.rows)
    for place in range(len(rows) - 1):
        if rows[place] == 0x10 and rows[place + 1] in _REALTIME_SECOND_BYTES:
            rows[place] = 0x30  # one dot more, instead of a drawer that opens by itself
    return b"\x1dv0\x00" + sizes + bytes(rows)


class _Ready(NamedTuple):
    """A text of one line as it is sent, and the columns that it takes; `is_bare`: no blanks around it."""

    code: bytes
    columns: int
    is_bare: bool


@lru_cache(TEXTS_KEPT)
def _ready(text: str, encoding: Encoding) -> _Ready | None:
    """Return a text that needs no lay-out of its own: one line, of what the printer has; else None."""
    folded = fold_text(text, encoding)
    if not folded or "\n" in folded or folded[-1] == " " or missing_characters(folded, encoding):
        return None
    return _Ready(_codes(folded, encoding), text_columns(folded, encoding), folded == folded.strip())


def _codes(line: str, encoding: Encoding) -> bytes:
    runs = encode_runs(line, encoding)
    return b"".join(MULTIBYTE_ON + run + MULTIBYTE_OFF if is_multibyte else run for is_multibyte, run in runs)


class _Style(NamedTuple):
    bold: bool = False
    width: int = 1
    height: int = 1
    align: Align = "left"


_PLAIN = _Style()


class _Page:
    """Collects commands; remembers the printer's modes, so that only changes are sent."""

    def __init__(self, profile: PrinterProfile, *, may_draw: bool) -> None:
        self._may_draw = may_draw
        self.raster_lines = 0
        self.missing: list[str] = []
        self._profile = profile
        self._out = bytearray(RESET + MULTIBYTE_OFF)
        self._style = _PLAIN

    def payload(self) -> bytes:
        """Return everything added so far; the printer is left in its basic modes."""
        self._set(_PLAIN)
        return bytes(self._out)

    def add(self, element: Element) -> None:
        """Append one element."""
        match element:
            case Text():
                self._text(element)
            case Columns():
                self._columns(element)
            case Rule():
                self._line("-" * self._profile.columns, _PLAIN)
            case Feed():
                self._set(_PLAIN)
                self._out += b"\x1bd" + bytes((element.lines,))
            case Barcode():
                self._symbol(encode_barcode(element, self._profile.dots))
            case Qr():
                self._symbol(encode_qr(element, self._profile.dots))
            case Cut():
                self._set(_PLAIN)
                self._out += PARTIAL_CUT
            case DrawerPulse():
                pin = self._profile.drawer_pin or element.pin
                self._out += b"\x1bp" + bytes((0 if pin == 2 else 1, PULSE_ON_MS // 2, PULSE_OFF_MS // 2))

    @cached_property
    def _rasterizer(self) -> Rasterizer | None:
        return Rasterizer.open(self._profile.encoding, self._profile.raster_font)

    def _printable(self, text: str) -> str:
        """Fold; without a font to draw with, characters the encoding lacks become marks, before the lay-out."""
        encoding = self._profile.encoding
        folded = fold_text(text, encoding)
        missing = missing_characters(folded, encoding)
        if missing and not self._may_draw:
            raise DrawingNeededError
        if not missing or self._rasterizer is not None:
            return folded
        self.missing.extend(missing)
        return mark_missing(folded, encoding)

    def _wrapped(self, text: str, columns: int) -> list[str]:
        return wrap_columns(self._printable(text), columns, self._profile.encoding)

    def _text(self, element: Text) -> None:
        style = _Style(element.bold, element.width, element.height, element.align)
        columns = max(self._profile.columns // element.width, 2)
        ready = _ready(element.text, self._profile.encoding)
        if ready is not None and ready.columns <= columns:
            self._send(ready.code, style)
            return
        for line in self._wrapped(element.text, columns):
            self._line(line, style)

    def _columns(self, element: Columns) -> None:
        encoding, columns = self._profile.encoding, self._profile.columns
        style = _Style(bold=element.bold)
        left_ready, right_ready = _ready(element.left, encoding), _ready(element.right, encoding)
        if left_ready and right_ready and right_ready.is_bare:
            between = columns - left_ready.columns - right_ready.columns
            if between >= 1 and columns - right_ready.columns - 1 >= LEFT_COLUMNS_MIN:
                self._send(left_ready.code + b" " * between + right_ready.code, style)
                return
        right = self._printable(clean_text(element.right).replace("\n", " ")).strip()
        left_columns = columns - text_columns(right, encoding) - 1
        if not right or left_columns < LEFT_COLUMNS_MIN:
            for line in self._wrapped(element.left, columns) if element.left else []:
                self._line(line, style)
            for line in wrap_columns(right, columns, encoding) if right else []:
                self._line(self._flush("", line), style)
            return
        *above, last = self._left_lines(element.left, left_columns, columns)
        for line in above:
            self._line(line, style)
        self._line(self._flush(last, right), style)

    def _left_lines(self, left: str, left_columns: int, columns: int) -> list[str]:
        """Wrap at the paper's width, and narrower only when the last line then leaves no room for the right part."""
        full = self._wrapped(left, columns)
        return (
            full
            if text_columns(full[-1], self._profile.encoding) <= left_columns
            else self._wrapped(left, left_columns)
        )

    def _flush(self, left: str, right: str) -> str:
        used = text_columns(left, self._profile.encoding) + text_columns(right, self._profile.encoding)
        return left + " " * (self._profile.columns - used) + right

    def _line(self, line: str, style: _Style) -> None:
        if missing_characters(line, self._profile.encoding):
            self._raster_line(line, style)
            return
        self._send(_codes(line, self._profile.encoding), style)

    def _send(self, code: bytes, style: _Style) -> None:
        self._set(style)
        self._out += code + b"\n"

    def _raster_line(self, line: str, style: _Style) -> None:
        assert self._rasterizer is not None, "without a font, missing characters have been marked before"
        self._set(_PLAIN)  # alignment and bold are in the picture
        drawn = self._rasterizer.draw(
            line,
            RasterStyle(
                columns=self._profile.columns,
                cell_dots=self._profile.cell_dots,
                bold=style.bold,
                width=style.width,
                height=style.height,
                align=style.align,
            ),
        )
        self._out += raster_command(drawn)
        self.raster_lines += 1
        self.missing.extend(drawn.missing)

    def _symbol(self, commands: bytes) -> None:
        self._set(_Style(align="center"))
        self._out += commands

    def _set(self, style: _Style) -> None:
        """Send the mode changes; only at the beginning of a line, where ESC a takes effect."""
        if style == self._style:
            return
        if style.align != self._style.align:
            self._out += b"\x1ba" + bytes((_ALIGN[style.align],))
        if style.bold != self._style.bold:
            self._out += b"\x1bE" + bytes((style.bold,))
        if (style.width, style.height) != (self._style.width, self._style.height):
            self._out += b"\x1d!" + bytes(((style.width - 1) << 4 | (style.height - 1),))
        self._style = style
