"""Document to StarPRNT bytes, for Star's printers that are not set to ESC/POS.

Source: Star Micronics, StarPRNT Command Specifications (ESC GS ) U, ESC GS a, ESC i, ESC E/F, ESC a, ESC d, ESC b, ESC GS y,
ESC GS S, ESC BEL, BEL, SUB). Not here: lay-out (page), who fetches the bytes (devices.drivers.star_cloudprnt).

Text is UTF-8 with the double-width reading of ambiguous characters, and only what the multi-byte font of the profile's
encoding has: which others a printer holds depends on where it was sold, so a line with one of them is a picture.
"""

from unicodedata import east_asian_width

from devices.codecs.gtin import is_digits
from devices.codecs.printing.chinese import Encoding, missing_characters
from devices.codecs.printing.escpos_symbols import check_barcode, fit_qr
from devices.codecs.printing.page import PLAIN, EncodedDocument, Page, Style
from devices.codecs.printing.profiles import PrinterProfile
from devices.codecs.printing.raster import RasterLine
from devices.document import Align, Barcode, Document, Qr
from devices.errors import EncodingError

MEDIA_TYPE = "application/vnd.star.starprnt"
MAGNIFICATION_MAX = 6  # ESC i
QR_MODULE_DOTS_MAX = 8

_UTF8 = b"\x1b\x1d)U\x02\x00\x30\x01"
_AMBIGUOUS_ARE_WIDE = b"\x1b\x1d)U\x02\x00\x40\x01"
# ESC GS ) U function 65: whose shape an ideograph gets first; 1 Japanese, 2 simplified, 3 traditional Chinese, 4 Korean
_SHAPES: dict[Encoding, bytes] = {"gb18030": b"\x02\x03\x01\x04", "shift-jis": b"\x01\x03\x02\x04"}
_SHAPES |= {"ks": b"\x04\x03\x02\x01"}
_TRADITIONAL = b"\x03\x02\x01\x04"
_ALIGN = {"left": 0, "center": 1, "right": 2}
_CUTS = {"partial": b"\x1bd\x03", "full": b"\x1bd\x02", "none": b"\x1ba\x05"}  # 2 and 3 feed to the cutter first
_KIND = {"EAN13": 3, "EAN8": 2, "CODE39": 4, "CODE128": 6}
_QUIET_MODULES = 20
_TEXT_BELOW = 2
_PULSE_10_MS = bytes((20, 20))
_DATA_END = b"\x1e"


def encode_starprnt(document: Document, profile: PrinterProfile, *, may_draw: bool = True) -> EncodedDocument:
    """Return the bytes that print the document; raise EncodingError when a bar code cannot be drawn.

    Without `may_draw`, raise DrawingNeededError instead of drawing.
    """
    return _StarPage(profile, may_draw=may_draw).encoded(document)


class _StarPage(Page):
    def __init__(self, profile: PrinterProfile, *, may_draw: bool) -> None:
        super().__init__(profile, may_draw=may_draw)
        self._out += _UTF8 + _AMBIGUOUS_ARE_WIDE
        self._out += b"\x1b\x1d)U\x05\x00\x41" + _SHAPES.get(profile.encoding, _TRADITIONAL)

    def _lacking(self, text: str) -> tuple[str, ...]:
        if text.isascii() and text.isprintable():
            return ()
        missing = missing_characters(text, self._profile.encoding)
        narrow = (char for char in dict.fromkeys(text) if char > "~" and east_asian_width(char) not in "WFA")
        return tuple(dict.fromkeys((*missing, *narrow)))

    def _codes(self, line: str) -> bytes:
        return line.encode()

    def _send(self, code: bytes, style: Style) -> None:
        self._set(style)
        self._out += code + b"\n"

    def _picture(self, picture: RasterLine, *, align: Align) -> None:
        if align != "left":
            self._set(Style(align=align))
        sizes = picture.width_bytes.to_bytes(2, "little") + picture.height_dots.to_bytes(2, "little")
        self._out += b"\x1b\x1dS\x01" + sizes + b"\x00" + picture.rows
        self._set(PLAIN)

    def _native_symbol(self, symbol: Barcode | Qr) -> None:
        dots = self._profile.dots
        self._out += _barcode(symbol, dots) if isinstance(symbol, Barcode) else _qr(symbol, dots)

    def _feed(self, lines: int) -> None:
        self._out += b"\x1ba" + bytes((lines,))

    def _cut(self) -> None:
        self._out += _CUTS[self._profile.cut]

    def _pulse(self, pin: int) -> None:
        self._out += b"\x1b\x07" + _PULSE_10_MS + (b"\x07" if pin == 2 else b"\x1a")

    def _beep(self, times: int) -> None:
        """Its buzzers are boxes of their own, told by commands that not all of them know."""

    def _set(self, style: Style) -> None:
        if style.align != self._style.align:
            self._out += b"\x1b\x1da" + bytes((_ALIGN[style.align],))
        if style.bold != self._style.bold:
            self._out += b"\x1bE" if style.bold else b"\x1bF"
        if (style.width, style.height) != (self._style.width, self._style.height):
            sizes = (min(each, MAGNIFICATION_MAX) - 1 for each in (style.height, style.width))
            self._out += b"\x1bi" + bytes(sizes)
        self._style = style


def _barcode(barcode: Barcode, dots: int) -> bytes:
    check_barcode(barcode)
    content = barcode.data
    if barcode.symbology == "CODE39":
        modules, modes = (len(content) + 2) * 13 + _QUIET_MODULES, ((8, 3), (7, 2))  # wide elements twice as wide
    else:
        modules, modes = _modules(barcode), ((2, 3), (1, 2))
    fitting = [mode for mode, module_dots in modes if modules * module_dots <= dots]
    if not fitting:
        raise EncodingError(f"{barcode.symbology} data {content!r} is too wide for {dots} dots; shorten it or use QR")
    head = bytes((_KIND[barcode.symbology], _TEXT_BELOW, fitting[0], barcode.height_dots))
    escaped = content.replace("%", "%0") if barcode.symbology == "CODE128" else content
    return b"\x1bb" + head + escaped.encode("ascii") + _DATA_END


def _modules(barcode: Barcode) -> int:
    content = barcode.data
    if barcode.symbology != "CODE128":
        return len(content) // 2 * 14 + 11 + _QUIET_MODULES
    characters = len(content) // 2 if is_digits(content) and len(content) % 2 == 0 else len(content)
    return 11 * characters + 35 + _QUIET_MODULES


def _qr(qr: Qr, dots: int) -> bytes:
    module_dots = min(fit_qr(qr, dots), QR_MODULE_DOTS_MAX)
    payload = qr.data.encode()
    return b"".join(
        (
            b"\x1b\x1dyS0\x02",
            b"\x1b\x1dyS1\x01",
            b"\x1b\x1dyS2" + bytes((module_dots,)),
            b"\x1b\x1dyD1\x00" + len(payload).to_bytes(2, "little") + payload,
            b"\x1b\x1dyP\n",
        )
    )
