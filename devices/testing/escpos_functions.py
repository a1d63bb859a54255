"""The commands inside ESC/POS's GS ( families, and the contents of its bar codes, read for devices.testing.

Source: Epson ESC/POS command reference, GS ( k (QR, PDF417 and others), GS ( L / GS 8 L (graphics), GS k (Code 128).
Nothing of devices.codecs.
"""

from devices.testing.paper import PaperAlign, PaperImage, PaperQr, PaperSymbol

_FAMILIES = frozenset(b"kLACDEFHKMNPQ")
_SYMBOL_KINDS = {48: "PDF417", 49: "QR", 50: "MAXICODE", 51: "DATABAR", 52: "COMPOSITE", 53: "AZTEC", 54: "DATAMATRIX"}
_QR_LEVELS = {48: "L", 49: "M", 50: "Q", 51: "H"}
_QR_MODELS = {49: "1", 50: "2", 51: "micro"}


class FunctionReader:
    """Keeps what GS ( k and GS ( L store until they print it."""

    def __init__(self) -> None:
        self._stored: dict[int, bytes] = {}
        self._qr_module_dots, self._qr_level, self._qr_model = 3, "L", "2"
        self._graphic: PaperImage | None = None

    def knows(self, family: bytes) -> bool:
        """Whether GS ( followed by this letter is a command."""
        return family[0] in _FAMILIES

    def read(self, family: bytes, content: bytes, align: PaperAlign) -> PaperQr | PaperSymbol | PaperImage | None:
        """Obey one function; return what it prints, if it prints."""
        if len(content) < 2:
            return None
        if family == b"k":
            return self._symbol(content[0], content[1], content[2:], align)
        return self._graphics(content[1], content[2:], align) if family == b"L" else None

    def _symbol(self, kind: int, function: int, content: bytes, align: PaperAlign) -> PaperQr | PaperSymbol | None:
        if function == 80:
            self._stored[kind] = content[1:]
        elif function == 81:
            stored = self._stored.get(kind, b"")
            if kind != 49:
                return PaperSymbol(_SYMBOL_KINDS.get(kind, f"symbol {kind}"), stored, align)
            label = stored.decode("utf-8", "replace")
            return PaperQr(label, self._qr_module_dots, self._qr_level, self._qr_model, align)
        elif kind == 49 and content:
            self._set_qr(function, content[0])
        return None

    def _set_qr(self, function: int, value: int) -> None:
        if function == 65:
            self._qr_model = _QR_MODELS.get(value, "2")
        elif function == 67:
            self._qr_module_dots = value
        elif function == 69:
            self._qr_level = _QR_LEVELS.get(value, "L")

    def _graphics(self, function: int, content: bytes, align: PaperAlign) -> PaperImage | None:
        if function in (2, 50):
            printed, self._graphic = self._graphic, None
            return printed and PaperImage(printed.width_dots, printed.rows, align, printed.x_factor, printed.y_factor)
        if function == 112 and len(content) >= 8:
            x_factor, y_factor = content[1], content[2]
            width, height = int.from_bytes(content[4:6], "little"), int.from_bytes(content[6:8], "little")
            width_bytes = (width + 7) // 8
            rows = tuple(content[8 + row * width_bytes : 8 + (row + 1) * width_bytes] for row in range(height))
            self._graphic = PaperImage(width_bytes * 8, rows, align, x_factor, y_factor)
        return None


def barcode_label(symbology: str, content: bytes) -> str:
    """Return what a scanner would read off the bars of GS k `content`."""
    if symbology not in ("CODE128", "GS1-128") or not content.startswith(b"{"):
        return content.decode("latin-1")
    label, code_set, place = "", "B", 0
    while place < len(content):
        byte = content[place]
        if byte == ord("{") and place + 1 < len(content):
            follower = chr(content[place + 1])
            if follower in "ABC":
                code_set = follower
            else:
                label += "{" if follower == "{" else "\x1d" if follower == "1" else ""
            place += 2
            continue
        label += f"{byte:02d}" if code_set == "C" else chr(byte)
        place += 1
    return label


def column_image(bits: bytes, column_bytes: int) -> tuple[bytes, ...]:
    """Turn the columns of ESC * (topmost dot in the most significant bit) into rows of a picture."""
    columns = [bits[place : place + column_bytes] for place in range(0, len(bits), column_bytes)]
    width_bytes = (len(columns) + 7) // 8
    rows = []
    for y in range(column_bytes * 8):
        row = bytearray(width_bytes)
        for x, column in enumerate(columns):
            if column[y // 8] >> (7 - y % 8) & 1:
                row[x // 8] |= 0x80 >> x % 8
        rows.append(bytes(row))
    return tuple(rows)
