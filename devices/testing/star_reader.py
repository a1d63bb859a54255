"""StarPRNT bytes to what stands on the paper: an independent reader. Nothing of devices.codecs.

Source: Star Micronics, StarPRNT Command Specifications, in the words of its command list.
"""

from collections.abc import Callable
from unicodedata import east_asian_width

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
    PaperQr,
    Run,
    UnknownCommand,
)

_ALIGNS: tuple[PaperAlign, ...] = ("left", "center", "right")
_SYMBOLOGIES = ("UPC-E", "UPC-A", "EAN8", "EAN13", "CODE39", "ITF", "CODE128", "CODE93", "NW-7")
_CODE_PAGES = {1: "cp437", 2: "ascii", 4: "cp858", 5: "cp852", 10: "cp866", 15: "cp737", 21: "iso8859_11", 32: "cp1252"}
_WIDE = "WF"


class StarReader:
    """Reads one whole stream. `is_utf8` and `widens` are what ESC GS ) U said; `priority` whose ideographs come first."""

    def __init__(self, stream: bytes) -> None:
        self.is_utf8 = self.widens = False
        self.priority = b""
        self._rest, self._offset = memoryview(stream), 0
        self._elements: list[PaperElement] = []
        self._line: list[Run] = []
        self._pending = bytearray()
        self._align: PaperAlign = "left"
        self._bold = self._underline = False
        self._width = self._height = 1
        self._code_page = "latin-1"
        self._pulse_ms = (200, 200)
        self._qr_level, self._qr_dots, self._qr_model, self._qr_data = "L", 3, "2", b""

    def paper(self) -> Paper:
        """Return what the stream prints."""
        while self._rest:
            begun, before = self._offset, self._rest
            try:
                self._one()
            except IndexError:
                self._elements.append(UnknownCommand(bytes(before), begun))
                break
        self._end_line(is_fed=False)
        return Paper(tuple(self._elements))

    def _take(self, amount: int = 1) -> bytes:
        if len(self._rest) < amount:
            self._rest = self._rest[len(self._rest) :]
            raise IndexError
        taken, self._rest = bytes(self._rest[:amount]), self._rest[amount:]
        self._offset += amount
        return taken

    def _number(self, amount: int = 1) -> int:
        return int.from_bytes(self._take(amount), "little")

    def _one(self) -> None:
        byte = self._number()
        if byte == 0x0A:
            self._end_line(is_fed=True)
        elif byte == 0x07:
            self._elements.append(PaperPulse(2, *self._pulse_ms))
        elif byte == 0x1A:
            self._elements.append(PaperPulse(5, *self._pulse_ms))
        elif byte == 0x1B:
            self._escape(self._take())
        elif byte >= 0x20:
            self._pending.append(byte)
        elif byte != 0x0D:
            self._elements.append(UnknownCommand(bytes((byte,)), self._offset - 1))

    def _escape(self, code: bytes) -> None:
        match code:
            case b"E" | b"F":
                self._look(lambda: setattr(self, "_bold", code == b"E"))
            case b"-":
                is_on = self._number() in (1, 49)
                self._look(lambda: setattr(self, "_underline", is_on))
            case b"i":
                height, width = self._number() % 48 + 1, self._number() % 48 + 1
                self._magnify(height, width)
            case b"a":
                self._add(PaperFeed(lines=self._number()))
            case b"d":
                self._add(PaperCut(is_partial=bool(self._number() % 48 & 1)))
            case b"b":
                self._barcode()
            case b"\x07":
                self._pulse_ms = (self._number() * 10, self._number() * 10)
            case b"0":
                pass
            case b"z":
                self._number()
            case b"X":
                width = self._number(2)
                self._take(width * 3)
                self._add(PaperImage(width, ()))
            case b"\x1d":
                self._group(self._take())
            case _:
                self._elements.append(UnknownCommand(b"\x1b" + code, self._offset - 2))

    def _group(self, code: bytes) -> None:
        match code:
            case b"a":
                self._align = _ALIGNS[self._number() % 48 % 3]
            case b"t":
                page = self._number()
                self._look(lambda: setattr(self, "_code_page", _CODE_PAGES.get(page, "latin-1")))
            case b")":
                self._unicode(self._take(), self._take(self._number(2)))
            case b"y":
                self._qr(self._take())
            case b"S":
                self._raster()
            case _:
                self._elements.append(UnknownCommand(b"\x1b\x1d" + code, self._offset - 3))

    def _unicode(self, family: bytes, content: bytes) -> None:
        if family == b"U" and content[:1] == b"\x30":
            self.is_utf8 = content[1] == 1
        elif family == b"U" and content[:1] == b"\x40":
            self.widens = content[1] == 1
        elif family == b"U" and content[:1] == b"\x41":
            self.priority = content[1:]
        else:
            self._elements.append(UnknownCommand(b"\x1b\x1d)" + family + content, self._offset))

    def _raster(self) -> None:
        self._number()
        width_bytes, height = self._number(2), self._number(2)
        self._number()
        rows = tuple(self._take(width_bytes) for _ in range(height))
        self._add(PaperImage(width_bytes * 8, rows, self._align))

    def _barcode(self) -> None:
        kind, text, mode, height = self._take(4)
        content = bytearray()
        while (byte := self._take()) != b"\x1e":
            content += byte
        symbology = _SYMBOLOGIES[kind % 48] if kind % 48 < len(_SYMBOLOGIES) else f"bar code {kind}"
        label = content.decode("latin-1")
        if symbology == "CODE128":
            label = label.replace("%0", "%")
        module_dots = (mode - 1) % 3 + 2
        self._add(PaperBarcode(symbology, label, height, module_dots, text % 48 in (2, 4), self._align))

    def _qr(self, code: bytes) -> None:
        if code == b"S":
            field, value = self._take(), self._number()
            if field == b"0":
                self._qr_model = str(value)
            elif field == b"1":
                self._qr_level = "LMQH"[value & 3]
            elif field == b"2":
                self._qr_dots = value
        elif code == b"D":
            self._take(2)
            self._qr_data = self._take(self._number(2))
        elif code == b"P":
            label = self._qr_data.decode("utf-8", "replace")
            self._add(PaperQr(label, self._qr_dots, self._qr_level, self._qr_model, self._align))
            if bytes(self._rest[:1]) == b"\n":
                self._take()

    def _magnify(self, height: int, width: int) -> None:
        self._end_run()
        self._height, self._width = height, width

    def _look(self, change: Callable[[], None]) -> None:
        self._end_run()
        change()

    def _end_run(self) -> None:
        if not self._pending:
            return
        text = self._pending.decode("utf-8" if self.is_utf8 else self._code_page, "replace")
        self._pending.clear()
        columns = sum(self._columns(char) for char in text)
        self._line.append(Run(text, columns, self._bold, self._width, self._height, self._underline))

    def _columns(self, char: str) -> int:
        return 2 if east_asian_width(char) in _WIDE + ("A" if self.widens else "") else 1

    def _end_line(self, *, is_fed: bool) -> None:
        self._end_run()
        if self._line or is_fed:
            self._elements.append(PaperLine(tuple(self._line), self._align))
        self._line = []

    def _add(self, element: PaperElement) -> None:
        self._end_line(is_fed=False)
        self._elements.append(element)


def read_star_paper(stream: bytes) -> Paper:
    """Return what a whole stream puts on the paper."""
    return StarReader(stream).paper()
