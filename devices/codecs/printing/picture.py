"""A whole document as one picture (PNG), for printers that take pictures and whose fonts nobody knows.

Not here: lay-out (page), drawing of text (raster) and of symbols (drawn_symbols).
"""

from dataclasses import replace

from devices.codecs.printing.chinese import Encoding
from devices.codecs.printing.drawn_symbols import picture_png
from devices.codecs.printing.page import EncodedDocument, Page, Style
from devices.codecs.printing.profiles import PrinterProfile
from devices.codecs.printing.raster import LINE_DOTS, RasterLine
from devices.document import Align, Barcode, Document, DrawerPulse, Qr
from devices.errors import EncodingError

MEDIA_TYPE = "image/png"
PICTURE_ROWS_MAX = 16_000  # two metres of paper


def encode_png(document: Document, profile: PrinterProfile) -> EncodedDocument:
    """Return the document as a PNG, as wide as the paper; raise EncodingError without a font, or when it is too long.

    It takes tens of milliseconds: call it in a thread. A picture opens no drawer and cuts nothing.
    """
    return _PicturePage(replace(profile, symbols=frozenset(), encoding=_drawn(profile))).encoded(document)


def opens_drawer(document: Document) -> bool:
    """Return whether a document kicks the drawer, which its picture cannot."""
    return any(isinstance(element, DrawerPulse) for element in document.elements)


def _drawn(profile: PrinterProfile) -> Encoding:
    return profile.encoding if profile.encoding != "none" else "big5"


class _PicturePage(Page):
    def __init__(self, profile: PrinterProfile) -> None:
        super().__init__(profile, may_draw=True)
        if self._rasterizer is None:
            raise EncodingError("no font to draw with; install fonts-noto-cjk, or set raster_font")
        self._width_bytes = profile.dots // 8
        self._height_dots = 0

    def _payload(self) -> bytes:
        rows = bytes(self._out) or bytes(self._width_bytes)
        return picture_png(RasterLine(self._width_bytes, len(rows) // self._width_bytes, rows, ()))

    def _lacking(self, text: str) -> tuple[str, ...]:
        return tuple(text) or (" ",)

    def _codes(self, line: str) -> bytes:
        raise AssertionError(f"every line is drawn: {line!r}")

    def _send(self, code: bytes, style: Style) -> None:
        raise AssertionError(f"every line is drawn: {code!r} {style}")

    def _set(self, style: Style) -> None:
        self._style = style

    def _picture(self, picture: RasterLine, *, align: Align) -> None:
        self._height_dots += picture.height_dots
        if self._height_dots > PICTURE_ROWS_MAX:
            raise EncodingError(f"the document is longer than {PICTURE_ROWS_MAX} dots as a picture; split it")
        spare = self._width_bytes - picture.width_bytes
        left = {"left": 0, "center": spare // 2, "right": spare}[align] if spare > 0 else 0
        for place in range(0, len(picture.rows), picture.width_bytes):
            row = picture.rows[place : place + picture.width_bytes]
            self._out += (bytes(left) + row).ljust(self._width_bytes, b"\0")[: self._width_bytes]

    def _feed(self, lines: int) -> None:
        height = lines * LINE_DOTS
        self._picture(RasterLine(self._width_bytes, height, bytes(self._width_bytes * height), ()), align="left")

    def _cut(self) -> None:
        """The printer cuts behind a picture by itself."""

    def _pulse(self, pin: int) -> None:
        """Told to the printer beside the picture."""

    def _beep(self, times: int) -> None:
        """A picture makes no sound."""

    def _native_symbol(self, symbol: Barcode | Qr) -> None:
        raise AssertionError(f"every symbol is drawn: {symbol!r}")
