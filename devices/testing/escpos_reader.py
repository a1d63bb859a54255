"""ESC/POS bytes to what stands on the paper: an independent reader, for tests and for the simulated printer.

Lives here: the command grammar (Epson ESC/POS command reference, TM series). Two-dimensional codes and graphics, which
have grammars of their own inside GS ( k and GS ( L, are in devices.testing.escpos_functions. Nothing of devices.codecs.
A generator asks for bytes as a command needs them, so the stream may arrive in any pieces.
"""

from collections.abc import Callable, Generator
from dataclasses import replace

from devices.testing.escpos_functions import FunctionReader, barcode_label, column_image
from devices.testing.paper import (
    Paper,
    PaperAlign,
    PaperBarcode,
    PaperCut,
    PaperElement,
    PaperFeed,
    PaperImage,
    PaperLine,
    PaperPulse,
    Run,
    StatusRequest,
    UnknownCommand,
)

_Step = Generator[None, None, None]
_Take = Generator[None, None, bytes]

_ALIGNS: tuple[PaperAlign, ...] = ("left", "center", "right")
# ESC t n: the code pages of Epson's printers that Python knows.
_CODE_PAGES = {0: "cp437", 1: "shift_jis", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 13: "cp857", 14: "cp737"}
_CODE_PAGES |= {15: "iso8859_7", 16: "cp1252", 17: "cp866", 18: "cp852", 19: "cp858", 33: "cp775", 34: "cp855"}
_CODE_PAGES |= {35: "cp861", 36: "cp862", 37: "cp864", 38: "cp869", 39: "iso8859_2", 40: "iso8859_15"}
_CODE_PAGES |= {45: "cp1250", 46: "cp1251", 47: "cp1253", 48: "cp1254", 49: "cp1255", 50: "cp1256", 51: "cp1257"}
# Commands whose parameters (this many bytes) change nothing that is read here: spacing, margins, fonts, sensors, panel.
_SETTINGS: dict[bytes, int] = {
    **{b"\x1b" + bytes((code,)): 1 for code in b"MR {3%?JKVUr=4u+"},
    **{b"\x1b" + bytes((code,)): 0 for code in b"25<SLv"},
    **{b"\x1b" + bytes((code,)): 2 for code in b"$\\cB"},
    **{b"\x1d" + bytes((code,)): 1 for code in b"fbIT"},
    **{b"\x1d" + bytes((code,)): 2 for code in b"LWP$\\"},
    b"\x1bT": 1,
    b"\x1bW": 8,
    b"\x1d:": 0,
    b"\x1d/": 1,
    b"\x1d^": 3,
    b"\x1c-": 1,
    b"\x1cS": 2,
    b"\x1cC": 1,
    b"\x1cp": 2,
}
_SYMBOLOGIES = (
    *("UPC-A", "UPC-E", "EAN13", "EAN8", "CODE39", "ITF", "CODABAR", "CODE93", "CODE128", "GS1-128"),
    *("DATABAR", "DATABAR-TRUNCATED", "DATABAR-LIMITED", "DATABAR-EXPANDED", "CODE128"),
)


class EscposReader:
    """A printer's mind: feed it bytes, it returns what that puts on the paper.

    `encoding` is the Python codec of its multi-byte font. `is_multibyte_at_reset` is what ESC @ leaves behind: true for
    Epson's Chinese models, false for most others; good bytes print the same on both.
    """

    def __init__(self, encoding: str = "cp950", *, is_multibyte_at_reset: bool = False) -> None:
        self._encoding = encoding
        self._is_multibyte_at_reset = is_multibyte_at_reset
        self._buffer = bytearray()
        self._offset = 0
        self._found: list[PaperElement] = []
        self._functions = FunctionReader()
        self._commands = self._command_table()
        self._reset()
        self._parser = self._parse()
        next(self._parser)

    def feed(self, received: bytes) -> list[PaperElement]:
        """Take the next bytes; return the elements they completed."""
        self._buffer += received
        next(self._parser)
        found, self._found = self._found, []
        return found

    def finish(self) -> list[PaperElement]:
        """Return what is left at the end of the stream: an unfinished line, a command that was cut off."""
        self._end_line(is_fed=False)
        if self._buffer:
            self._found.append(UnknownCommand(bytes(self._buffer), self._offset))
        found, self._found = self._found, []
        return found

    def _reset(self) -> None:
        self._runs: list[Run] = []
        self._align: PaperAlign = "left"
        self._bold = self._underline = self._inverted = False
        self._width = self._height = 1
        self._code_page = 0
        self._is_multibyte = self._is_multibyte_at_reset
        self._module_dots, self._height_dots, self._text_position = 3, 162, 0

    def _command_table(self) -> dict[bytes, Callable[[], _Step]]:
        return {
            b"\x1b@": self._initialize,
            b"\x1b!": self._print_mode,
            b"\x1bE": self._emphasis,
            b"\x1bG": self._emphasis,
            b"\x1b-": self._underlining,
            b"\x1ba": self._justify,
            b"\x1bd": self._feed_lines,
            b"\x1be": self._feed_lines,
            b"\x1bt": self._select_code_page,
            b"\x1bp": self._pulse,
            b"\x1bi": lambda: self._cut_now(is_partial=True),
            b"\x1bm": lambda: self._cut_now(is_partial=True),
            b"\x1b*": self._bit_image,
            b"\x1b&": self._user_characters,
            b"\x1bD": self._tab_stops,
            b"\x1d!": self._magnify,
            b"\x1dB": self._invert,
            b"\x1dH": self._barcode_text,
            b"\x1dh": self._barcode_height,
            b"\x1dw": self._barcode_width,
            b"\x1dk": self._barcode,
            b"\x1dv": self._raster,
            b"\x1dV": self._cut,
            b"\x1d(": lambda: self._function(2),
            b"\x1b(": lambda: self._function(2),
            b"\x1d8": lambda: self._function(4),
            b"\x1d*": self._downloaded_image,
            b"\x1dr": self._ordered_status,
            b"\x1da": self._automatic_status,
            b"\x1c&": lambda: self._switch_multibyte(is_on=True),
            b"\x1c.": lambda: self._switch_multibyte(is_on=False),
            b"\x1c!": self._multibyte_mode,
            b"\x1cW": self._multibyte_double,
            b"\x10\x04": self._realtime_status,
            b"\x10\x05": lambda: self._skip(1),
            b"\x10\x14": self._realtime_request,
        }

    # The parser: one command or one piece of text at a time; the bytes of an unfinished command stay in the buffer.

    def _parse(self) -> _Step:
        while True:
            self._used = 0
            yield from self._one()
            self._offset += self._used
            del self._buffer[: self._used]

    def _one(self) -> _Step:
        lead = (yield from self._take(1))[0]
        if lead == 0x0A:
            self._end_line(is_fed=True)
        elif lead == 0x09:
            self._put(" ", 1)
        elif lead in (0x0C, 0x0D, 0x18, 0x00):
            return
        elif lead in (0x10, 0x1B, 0x1C, 0x1D):
            yield from self._command(lead)
        elif lead < 0x20:
            self._unknown()
        else:
            yield from self._text(lead)

    def _command(self, lead: int) -> _Step:
        code = bytes((lead,)) + (yield from self._take(1))
        if code in self._commands:
            yield from self._commands[code]()
        elif code in _SETTINGS:
            yield from self._skip(_SETTINGS[code])
        else:
            self._unknown()

    def _take(self, amount: int) -> _Take:
        while len(self._buffer) < self._used + amount:
            yield
        taken = bytes(self._buffer[self._used : self._used + amount])
        self._used += amount
        return taken

    def _take_number(self, amount: int = 1) -> Generator[None, None, int]:
        return int.from_bytes((yield from self._take(amount)), "little")

    def _take_to_nul(self) -> _Take:
        taken = bytearray()
        while (byte := (yield from self._take(1))) != b"\0":
            taken += byte
        return bytes(taken)

    def _skip(self, amount: int) -> _Step:
        yield from self._take(amount)

    def _unknown(self) -> None:
        self._found.append(UnknownCommand(bytes(self._buffer[: self._used]), self._offset))

    # Text

    def _text(self, lead: int) -> _Step:
        code = bytes((lead,))
        if not self._is_multibyte or lead < 0x81 or lead == 0xFF:
            page = _CODE_PAGES.get(self._code_page, "cp437")
            self._put(code.decode("ascii" if lead < 0x80 else page, "replace"), 1)
            return
        code += yield from self._take(1)
        if self._encoding == "gb18030" and 0x30 <= code[1] <= 0x39:
            code += yield from self._take(2)
        self._put(code.decode(self._encoding, "replace"), 2)

    def _put(self, text: str, columns: int) -> None:
        run = Run(text, columns, self._bold, self._width, self._height, self._underline, self._inverted)
        if self._runs and replace(self._runs[-1], text=text, columns=columns) == run:
            last = self._runs.pop()
            run = replace(run, text=last.text + text, columns=last.columns + columns)
        self._runs.append(run)

    def _end_line(self, *, is_fed: bool) -> None:
        if self._runs or is_fed:
            self._found.append(PaperLine(tuple(self._runs), self._align))
        self._runs = []

    def _add(self, element: PaperElement) -> None:
        self._end_line(is_fed=False)
        self._found.append(element)

    # Modes

    def _initialize(self) -> _Step:
        self._reset()
        yield from self._skip(0)

    def _print_mode(self) -> _Step:
        mode = yield from self._take_number()
        self._bold, self._underline = bool(mode & 0x08), bool(mode & 0x80)
        self._height, self._width = 1 + bool(mode & 0x10), 1 + bool(mode & 0x20)

    def _emphasis(self) -> _Step:
        self._bold = bool((yield from self._take_number()) & 1)

    def _underlining(self) -> _Step:
        self._underline = (yield from self._take_number()) not in (0, 48)

    def _invert(self) -> _Step:
        self._inverted = bool((yield from self._take_number()) & 1)

    def _justify(self) -> _Step:
        self._align = _ALIGNS[(yield from self._take_number()) % 48 % 3]

    def _magnify(self) -> _Step:
        size = yield from self._take_number()
        self._width, self._height = (size >> 4 & 7) + 1, (size & 7) + 1

    def _select_code_page(self) -> _Step:
        self._code_page = yield from self._take_number()

    def _switch_multibyte(self, *, is_on: bool) -> _Step:
        self._is_multibyte = is_on
        yield from self._skip(0)

    def _multibyte_mode(self) -> _Step:
        mode = yield from self._take_number()
        self._width, self._height = 1 + bool(mode & 0x04), 1 + bool(mode & 0x08)

    def _multibyte_double(self) -> _Step:
        self._width = self._height = 1 + ((yield from self._take_number()) & 1)

    def _tab_stops(self) -> _Step:
        yield from self._take_to_nul()

    def _user_characters(self) -> _Step:
        height_bytes, first, last = yield from self._take(3)
        for _ in range(first, last + 1):
            width = yield from self._take_number()
            yield from self._skip(width * height_bytes)

    # Paper

    def _feed_lines(self) -> _Step:
        lines = yield from self._take_number()
        self._end_line(is_fed=False)
        self._found.append(PaperFeed(lines=lines))

    def _pulse(self) -> _Step:
        connector, on, off = yield from self._take(3)
        self._found.append(PaperPulse(5 if connector & 1 else 2, on * 2, off * 2))

    def _cut_now(self, *, is_partial: bool) -> _Step:
        self._add(PaperCut(is_partial))
        yield from self._skip(0)

    def _cut(self) -> _Step:
        mode = yield from self._take_number()
        if mode in (65, 66, 97, 98, 103, 104):
            yield from self._skip(1)
        self._add(PaperCut(is_partial=mode in (1, 49, 66, 98, 104)))

    # Bar codes and pictures

    def _barcode_text(self) -> _Step:
        self._text_position = (yield from self._take_number()) % 48

    def _barcode_height(self) -> _Step:
        self._height_dots = yield from self._take_number()

    def _barcode_width(self) -> _Step:
        self._module_dots = yield from self._take_number()

    def _barcode(self) -> _Step:
        kind = yield from self._take_number()
        is_counted = kind >= 65
        number = kind - 65 if is_counted else kind
        if number >= len(_SYMBOLOGIES):
            self._unknown()
            return
        if is_counted:
            content = yield from self._take((yield from self._take_number()))
        else:
            content = yield from self._take_to_nul()
        label = barcode_label(_SYMBOLOGIES[number], content)
        has_text = self._text_position in (2, 3)
        self._add(
            PaperBarcode(_SYMBOLOGIES[number], label, self._height_dots, self._module_dots, has_text, self._align)
        )

    def _raster(self) -> _Step:
        zero, mode = yield from self._take(2)
        if zero != 0x30:
            self._unknown()
            return
        width_bytes = yield from self._take_number(2)
        height = yield from self._take_number(2)
        bits = yield from self._take(width_bytes * height)
        rows = tuple(bits[row * width_bytes : (row + 1) * width_bytes] for row in range(height))
        self._add(PaperImage(width_bytes * 8, rows, self._align, 1 + (mode & 1), 1 + (mode >> 1 & 1)))

    def _bit_image(self) -> _Step:
        mode = yield from self._take_number()
        columns = yield from self._take_number(2)
        column_bytes = 3 if mode in (32, 33) else 1
        bits = yield from self._take(columns * column_bytes)
        self._add(PaperImage((columns + 7) // 8 * 8, column_image(bits, column_bytes), self._align))

    def _downloaded_image(self) -> _Step:
        width_bytes, height_bytes = yield from self._take(2)
        yield from self._skip(width_bytes * height_bytes * 8)

    def _function(self, length_bytes: int) -> _Step:
        family = yield from self._take(1)
        length = yield from self._take_number(length_bytes)
        content = yield from self._take(length)
        if not self._functions.knows(family):
            self._unknown()
            return
        drawn = self._functions.read(family, content, self._align)
        if drawn is not None:
            self._add(drawn)

    # Questions

    def _ordered_status(self) -> _Step:
        number = yield from self._take_number()
        self._found.append(StatusRequest("GS r", number % 48, self._offset))

    def _automatic_status(self) -> _Step:
        sensors = yield from self._take_number()
        self._found.append(StatusRequest("GS a", sensors, self._offset))

    def _realtime_status(self) -> _Step:
        number = yield from self._take_number()
        if number in (7, 8, 18):
            yield from self._skip(1)
        self._found.append(StatusRequest("DLE EOT", number, self._offset))

    def _realtime_request(self) -> _Step:
        function = yield from self._take_number()
        parameters = yield from self._take(7 if function == 8 else 2)
        if function == 1:
            self._found.append(PaperPulse(5 if parameters[0] & 1 else 2, parameters[1] * 100, parameters[1] * 100))


def read_paper(stream: bytes, encoding: str = "cp950", *, is_multibyte_at_reset: bool = False) -> Paper:
    """Return what a whole stream puts on the paper."""
    reader = EscposReader(encoding, is_multibyte_at_reset=is_multibyte_at_reset)
    return Paper((*reader.feed(stream), *reader.finish()))
