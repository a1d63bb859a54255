"""Document to ESC/POS bytes.

Lives here: the commands for text and pictures. Not here: lay-out (page), status (escpos_status), bar codes
(escpos_symbols), drawing (raster, drawn_symbols), the wire (devices.drivers.escpos_printer).
Source: Epson ESC/POS command reference (ESC @, ESC E, ESC a, ESC t, GS !, FS &, FS ., FS C, GS v 0, GS V, ESC p, GS ( L
function 69, FS p, ESC ( A function 48); ESC B is the beeper of Xprinter, Gainscha and their kin.

Chinese: Epson's Chinese models start in multi-byte mode, many others do not. Text is therefore never left to the
default: ASCII goes out with the mode off (FS .), each run of two-byte codes between FS & and FS ., and so both print
the same. A character that the multi-byte font lacks is looked for in the printer's code pages (ESC t). A line with one
that is in neither goes out as a picture (GS v 0) of that line, nothing else.
"""

from functools import lru_cache
from itertools import groupby

from devices.codecs.printing.chinese import Encoding, encode_runs, fold_text, missing_characters, text_columns
from devices.codecs.printing.escpos_symbols import encode_barcode, encode_qr
from devices.codecs.printing.page import (
    CENTERED,
    PLAIN,
    PULSE_OFF_MS,
    PULSE_ON_MS,
    DrawingNeededError,
    EncodedDocument,
    Page,
    Ready,
    Style,
)
from devices.codecs.printing.profiles import PrinterProfile
from devices.codecs.printing.raster import RasterLine
from devices.document import Align, Barcode, Document, Qr

__all__ = ("DrawingNeededError", "EncodedDocument", "PrinterProfile", "encode_document", "raster_command")

RESET = b"\x1b@"
MULTIBYTE_ON = b"\x1c&"
MULTIBYTE_OFF = b"\x1c."
SHIFT_JIS = b"\x1cC\x01"  # FS C 1: Japanese models begin with JIS codes
CUTS = {  # GS V 65/66 0 feed to the cutter first; without one, the last line is fed past the tear bar
    "partial": b"\x1dVB\x00",
    "full": b"\x1dVA\x00",
    "none": b"\x1bd\x05",
}
BEEP_100_MS = 2
EPSON_BEEP_100_MS = 10  # the cycle of one beep; the least that the reference allows
TEXTS_KEPT = 8_192  # encoded texts that are not plain ASCII: receipts say the same words again and again

_ALIGN = {"left": 0, "center": 1, "right": 2}
_REALTIME_SECOND_BYTES = b"\x04\x05\x14"  # DLE EOT, DLE ENQ, DLE DC4: obeyed even inside picture data


def encode_document(document: Document, profile: PrinterProfile, *, may_draw: bool = True) -> EncodedDocument:
    """Return the bytes that print the document; raise EncodingError when a bar code cannot be drawn.

    Without `may_draw` it takes a fraction of a millisecond, or raises DrawingNeededError.
    """
    return _EscposPage(profile, may_draw=may_draw).encoded(document)


def raster_command(line: RasterLine) -> bytes:
    """Return GS v 0 for a picture of at most 65,535 rows, free of byte pairs that a printer would obey in real time."""
    sizes = line.width_bytes.to_bytes(2, "little") + line.height_dots.to_bytes(2, "little")
    rows = bytearray(line.rows)
    for place in range(len(rows) - 1):
        if rows[place] == 0x10 and rows[place + 1] in _REALTIME_SECOND_BYTES:
            rows[place] = 0x30  # one dot more, instead of a drawer that opens by itself
    return b"\x1dv0\x00" + sizes + bytes(rows)


def _plain(text: str) -> Ready | None:
    """Amounts and numbers are hardly ever the same: to keep them costs more than to encode them."""
    if not text or text[-1] == " " or not text.isprintable():
        return None
    return Ready(text.encode("ascii"), len(text), text[0] != " ")


@lru_cache(TEXTS_KEPT)
def _ready(text: str, encoding: Encoding) -> Ready | None:
    folded = fold_text(text, encoding)
    if not folded or "\n" in folded or folded[-1] == " " or missing_characters(folded, encoding):
        return None
    return Ready(_multibyte(folded, encoding), text_columns(folded, encoding), folded == folded.strip())


def _multibyte(line: str, encoding: Encoding) -> bytes:
    runs = encode_runs(line, encoding)
    return b"".join(MULTIBYTE_ON + run + MULTIBYTE_OFF if is_multibyte else run for is_multibyte, run in runs)


@lru_cache(TEXTS_KEPT)
def _page_code(char: str, code_pages: tuple[tuple[str, int], ...]) -> tuple[int, bytes] | None:
    """Return the first code page that has the character, by the printer's number, and its byte there."""
    for codec, number in code_pages:
        try:
            code = char.encode(codec)
        except UnicodeEncodeError:
            continue
        if code[0] >= 0x80:
            return number, code
    return None


class _EscposPage(Page):
    def __init__(self, profile: PrinterProfile, *, may_draw: bool) -> None:
        super().__init__(profile, may_draw=may_draw)
        self._out += RESET + MULTIBYTE_OFF
        if profile.encoding == "shift-jis":
            self._out += SHIFT_JIS

    def _ready(self, text: str) -> Ready | None:
        return _plain(text) if text.isascii() else _ready(text, self._profile.encoding)

    def _lacking(self, text: str) -> tuple[str, ...]:
        pages = self._profile.code_pages
        missing = missing_characters(text, self._profile.encoding)
        return tuple(char for char in missing if _page_code(char, pages) is None) if missing and pages else missing

    def _codes(self, line: str) -> bytes:
        encoding, pages = self._profile.encoding, self._profile.code_pages
        elsewhere = set(missing_characters(line, encoding))
        if not elsewhere:
            return _multibyte(line, encoding)
        coded = bytearray()
        for is_elsewhere, run in groupby(line, elsewhere.__contains__):
            if not is_elsewhere:
                coded += _multibyte("".join(run), encoding)
                continue
            for number, code in (_page_code(char, pages) or (0, b"?") for char in run):
                coded += b"\x1bt" + bytes((number,)) + code
        return bytes(coded)

    def _send(self, code: bytes, style: Style) -> None:
        if style is not self._style:  # most lines look as the one before
            self._set(style)
        self._out += code + b"\n"

    def _picture(self, picture: RasterLine, *, align: Align) -> None:
        if align != "left":
            self._set(Style(align=align))
        self._out += raster_command(picture)
        self._set(PLAIN)

    def _native_symbol(self, symbol: Barcode | Qr) -> None:
        dots = self._profile.dots
        self._out += encode_barcode(symbol, dots) if isinstance(symbol, Barcode) else encode_qr(symbol, dots)

    def _feed(self, lines: int) -> None:
        self._out += b"\x1bd" + bytes((lines,))

    def _cut(self) -> None:
        self._out += CUTS[self._profile.cut]

    def _pulse(self, pin: int) -> None:
        self._out += b"\x1bp" + bytes((0 if pin == 2 else 1, PULSE_ON_MS // 2, PULSE_OFF_MS // 2))

    def _beep(self, times: int) -> None:
        if self._profile.beeper == "esc-b":
            self._out += b"\x1bB" + bytes((times, BEEP_100_MS))
        elif self._profile.beeper == "epson":
            self._out += b"\x1b(A\x04\x00\x30\x33" + bytes((times, EPSON_BEEP_100_MS))

    def _logo(self) -> None:
        key = self._profile.nv_logo
        if not key:
            super()._logo()
            return
        self._set(CENTERED)
        if key.isdigit():
            self._out += b"\x1cp" + bytes((int(key), 0))
        else:
            self._out += b"\x1d(L\x06\x00\x30\x45" + key.encode("ascii") + b"\x01\x01"
        self._set(PLAIN)

    def _set(self, style: Style) -> None:
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
