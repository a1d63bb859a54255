"""The lay-out of a document on a printer's grid: what stands on which line. The same for every printer language.

Lives here: wrapping, columns, what to do with characters and symbols that a printer lacks. Not here: any command; a
language is a subclass that says how its printer is told (devices.codecs.printing.escpos, starprnt, picture).
"""

from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from typing import NamedTuple

from msgspec import Struct

from devices.codecs.printing.chinese import (
    clean_text,
    fold_text,
    mark_missing,
    missing_characters,
    text_columns,
    wrap_columns,
)
from devices.codecs.printing.drawn_symbols import draw_barcode, draw_qr
from devices.codecs.printing.profiles import PrinterProfile
from devices.codecs.printing.raster import Rasterizer, RasterLine, RasterStyle
from devices.document import (
    Align,
    Barcode,
    Beep,
    Columns,
    Cut,
    Document,
    DrawerPulse,
    Element,
    Feed,
    Logo,
    Qr,
    Rule,
    ShelfLabel,
    Symbology,
    Text,
)

LEFT_COLUMNS_MIN = 8  # of a Columns element: with less left for it, the right part takes lines of its own
PULSE_ON_MS = 100
PULSE_OFF_MS = 500

_GTIN_SYMBOLOGIES: dict[int, Symbology] = {13: "EAN13", 8: "EAN8"}


class EncodedDocument(Struct, frozen=True):
    """Bytes ready to send. `raster_lines` went out as pictures; `missing` are characters printed as a missing mark."""

    payload: bytes
    raster_lines: int
    missing: tuple[str, ...]


class DrawingNeededError(Exception):
    """The document has what the printer lacks; nothing was encoded, try again with `may_draw`."""


class Ready(Struct, frozen=True, gc=False):
    """A text of one line as it is sent, and the columns that it takes; `is_bare`: no blanks around it."""

    code: bytes
    columns: int
    is_bare: bool


class Style(NamedTuple):
    """The look of a line."""

    bold: bool = False
    width: int = 1
    height: int = 1
    align: Align = "left"


_style = lru_cache(64)(Style)  # there are few; one that looks as the line before is the same object
PLAIN = _style(False, 1, 1, "left")
BOLD = _style(True, 1, 1, "left")
CENTERED = _style(False, 1, 1, "center")


class Page(ABC):
    """Collects one document; remembers the printer's modes, so that only changes are sent."""

    def __init__(self, profile: PrinterProfile, *, may_draw: bool) -> None:
        self._may_draw = may_draw
        self.raster_lines = 0
        self.missing: list[str] = []
        self._profile = profile
        self._out = bytearray()
        self._style = PLAIN

    def encoded(self, document: Document) -> EncodedDocument:
        """Return the whole document; the printer is left in its basic modes."""
        for element in document.elements:
            self.add(element)
        self._set(PLAIN)
        return EncodedDocument(self._payload(), self.raster_lines, tuple(dict.fromkeys(self.missing)))

    def add(self, element: Element) -> None:
        """Append one element."""
        match element:
            case Text():
                self._text(element)
            case Columns():
                self._columns(element)
            case Rule():
                self._text(Text("-" * self._profile.columns))
            case Feed():
                self._set(PLAIN)
                self._feed(element.lines)
            case Barcode() | Qr():
                self._symbol(element)
            case Cut():
                self._set(PLAIN)
                self._cut()
            case DrawerPulse():
                self._pulse(self._profile.drawer_pin or element.pin)
            case Beep():
                self._beep(element.times)
            case Logo():
                self._logo()
            case ShelfLabel():
                for _ in range(element.copies):
                    for part in label_parts(element):
                        self.add(part)

    # How a printer is told

    def _payload(self) -> bytes:
        return bytes(self._out)

    def _ready(self, _text: str) -> Ready | None:
        """Return a text that needs no lay-out of its own: one line, of what the printer has; else None."""
        return None

    def _lacking(self, text: str) -> tuple[str, ...]:
        """Return the characters of a line that must be drawn."""
        return missing_characters(text, self._profile.encoding)

    @abstractmethod
    def _codes(self, line: str) -> bytes:
        """Return a line of characters that the printer has."""

    @abstractmethod
    def _send(self, code: bytes, style: Style) -> None:
        """Append a line as `_codes` returns it."""

    @abstractmethod
    def _set(self, style: Style) -> None:
        """Append mode changes; only at the beginning of a line."""

    @abstractmethod
    def _picture(self, picture: RasterLine, *, align: Align) -> None:
        """Append a picture; the modes are plain."""

    @abstractmethod
    def _feed(self, lines: int) -> None: ...

    @abstractmethod
    def _cut(self) -> None: ...

    @abstractmethod
    def _native_symbol(self, symbol: Barcode | Qr) -> None:
        """Append a symbol that the printer draws; raise EncodingError on data that it refuses."""

    @abstractmethod
    def _pulse(self, pin: int) -> None:
        """Append a kick to the drawer, where the language has one."""

    @abstractmethod
    def _beep(self, times: int) -> None:
        """Append a sound, where the language and the printer have one."""

    def _logo(self) -> None:
        if self._profile.logo is not None:
            self._set(PLAIN)
            self._picture(self._profile.logo, align="center")

    # Lay-out

    @cached_property
    def _rasterizer(self) -> Rasterizer | None:
        return Rasterizer.open(self._profile.encoding, self._profile.raster_font)

    def _printable(self, text: str) -> str:
        """Fold; without a font to draw with, characters the printer lacks become marks, before the lay-out."""
        encoding = self._profile.encoding
        folded = fold_text(text, encoding)
        missing = self._lacking(folded)
        if missing and not self._may_draw:
            raise DrawingNeededError
        if not missing or self._rasterizer is not None:
            return folded
        self.missing.extend(missing)
        return mark_missing(folded, encoding)

    def _wrapped(self, text: str, columns: int) -> list[str]:
        return wrap_columns(self._printable(text), columns, self._profile.encoding)

    def _text(self, element: Text) -> None:
        style = _style(element.bold, element.width, element.height, element.align)
        ready = self._ready(element.text)
        if ready is not None and ready.columns * element.width <= self._profile.columns:
            self._send(ready.code, style)
            return
        for line in self._wrapped(element.text, max(self._profile.columns // element.width, 2)):
            self._line(line, style)

    def _columns(self, element: Columns) -> None:
        encoding, columns = self._profile.encoding, self._profile.columns
        style = BOLD if element.bold else PLAIN
        left_ready, right_ready = self._ready(element.left), self._ready(element.right)
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

    def _line(self, line: str, style: Style) -> None:
        if self._lacking(line):
            self._drawn_line(line, style)
            return
        self._send(self._codes(line), style)

    def _drawn_line(self, line: str, style: Style) -> None:
        assert self._rasterizer is not None, "without a font, missing characters have been marked before"
        self._set(PLAIN)  # alignment and bold are in the picture
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
        self._picture(drawn, align="left")
        self.raster_lines += 1
        self.missing.extend(drawn.missing)

    def _symbol(self, symbol: Barcode | Qr) -> None:
        if (symbol.symbology if isinstance(symbol, Barcode) else "QR") in self._profile.symbols:
            self._set(CENTERED)
            self._native_symbol(symbol)
            return
        dots = self._profile.dots
        picture = draw_qr(symbol, dots) if isinstance(symbol, Qr) else draw_barcode(symbol, dots)
        if not self._may_draw:
            raise DrawingNeededError
        self._set(PLAIN)
        self._picture(picture, align="center")
        self.raster_lines += 1
        if isinstance(symbol, Barcode):
            self._text(Text(symbol.data, align="center"))


def label_parts(label: ShelfLabel) -> list[Element]:
    """Return a shelf label as a receipt printer prints it."""
    parts: list[Element] = [Text(label.name, bold=True, width=2, height=2)]
    if label.name_en:
        parts.append(Text(label.name_en))
    if label.was:
        parts.append(Text(label.was))
    parts.append(Text(label.price, bold=True, width=3, height=3, align="right"))
    if label.per:
        parts.append(Text(label.per, align="right"))
    parts += [label_barcode(label), Cut()]
    return parts


def label_barcode(label: ShelfLabel) -> Barcode:
    """Return the bar code of a shelf label: what a till scans to find the product."""
    gtin = label.gtin.removeprefix("0") if len(label.gtin) == 14 else label.gtin
    symbology = _GTIN_SYMBOLOGIES.get(len(gtin), "CODE128")
    return Barcode(symbology, gtin or label.sku)
