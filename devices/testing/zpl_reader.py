"""ZPL II bytes to labels: an independent reader, for tests and for the simulated label printer. Nothing of devices.codecs.

Source: Zebra, ZPL II Programming Guide. It knows the commands of shelf labels; another is kept as unknown.
"""

import re
from dataclasses import dataclass, field

_COMMAND = re.compile(rb"[\^~]([A-Z@][A-Z0-9@])([^\^~]*)", re.DOTALL)
_HEX_ESCAPE = re.compile(r"_([0-9A-Fa-f]{2})")
_SETTINGS = frozenset(("CI", "LH"))
_OF_LABEL = {"PQ": "copies", "PW": "width", "LL": "height"}
_SYMBOLS = {"BE": "EAN13", "B8": "EAN8", "BC": "CODE128"}


@dataclass(frozen=True, slots=True)
class ZplText:
    """A line of text in the printer's font; `align` L or R within `width` dots from `x`."""

    x: int
    y: int
    text: str
    font: str
    height: int
    letter: int
    width: int = 0
    align: str = "L"


@dataclass(frozen=True, slots=True)
class ZplPicture:
    """A graphic field, 1 is ink."""

    x: int
    y: int
    width: int
    rows: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ZplBarcode:
    """A bar code drawn by the printer."""

    x: int
    y: int
    symbology: str
    label: str
    height: int
    module_dots: int


@dataclass(slots=True)
class ZplLabel:
    """One format: what stands where, and how often it is printed."""

    fields: list[ZplText | ZplPicture | ZplBarcode] = field(default_factory=list)
    copies: int = 1
    width: int = 0
    height: int = 0
    unknown: list[bytes] = field(default_factory=list)

    def texts(self) -> list[str]:
        """Return its text, in the order of the format."""
        return [each.text for each in self.fields if isinstance(each, ZplText)]


@dataclass(slots=True)
class _Field:
    x: int = 0
    y: int = 0
    font: str = ""
    height: int = 0
    letter: int = 0
    width: int = 0
    align: str = "L"
    symbol: str = ""
    symbol_height: int = 0
    is_hex: bool = False
    text: str = ""
    picture: ZplPicture | None = None


def read_labels(stream: bytes) -> list[ZplLabel]:
    """Return the labels of all whole formats (^XA to ^XZ) in a stream."""
    labels: list[ZplLabel] = []
    for format_ in re.findall(rb"\^XA(.*?)\^XZ", stream, re.DOTALL):
        labels.append(_read_format(format_))
    return labels


def _read_format(stream: bytes) -> ZplLabel:
    label, now, module_dots = ZplLabel(), _Field(), 2
    for name, rest in _COMMAND.findall(stream):
        command, parameters = name.decode("latin-1"), rest.decode("utf-8", "replace")
        numbers = [int(number) if number.isdigit() else 0 for number in parameters.strip().split(",")]
        if command == "FO":
            now = _Field(x=numbers[0], y=numbers[1])
        elif command == "BY":
            module_dots = numbers[0]
        elif command == "FS":
            label.fields.append(_finished(now, module_dots))
        elif command in _OF_LABEL:
            setattr(label, _OF_LABEL[command], numbers[0])
        elif command not in _SETTINGS and not _into_field(now, command, parameters, numbers):
            label.unknown.append(name + rest)
    return label


def _into_field(now: _Field, command: str, parameters: str, numbers: list[int]) -> bool:
    """Obey a command of a field; False for one that is none."""
    if command == "FH":
        now.is_hex = True
    elif command == "FD":
        now.text = _HEX_ESCAPE.sub(lambda found: chr(int(found[1], 16)), parameters) if now.is_hex else parameters
    elif command == "FB":
        now.width, now.align = numbers[0], parameters.split(",")[3].strip()
    elif command == "GF":
        now.picture = _picture(now, parameters)
    elif command in _SYMBOLS:
        now.symbol, now.symbol_height = _SYMBOLS[command], numbers[1]
    elif command.startswith("A"):
        now.font = parameters.split(",")[3] if command == "A@" else command
        now.height, now.letter = numbers[1], numbers[2]
    else:
        return False
    return True


def _finished(now: _Field, module_dots: int) -> ZplText | ZplPicture | ZplBarcode:
    if now.picture is not None:
        return now.picture
    if now.symbol:
        return ZplBarcode(now.x, now.y, now.symbol, now.text, now.symbol_height, module_dots)
    return ZplText(now.x, now.y, now.text, now.font, now.height, now.letter, now.width, now.align)


def _picture(now: _Field, parameters: str) -> ZplPicture:
    kind, total, _, row_bytes, digits = parameters.split(",", 4)
    bits = bytes.fromhex(digits)
    width_bytes = int(row_bytes)
    assert (kind, len(bits)) == ("A", int(total)), "a graphic field with another length than it says"
    rows = tuple(bits[place : place + width_bytes] for place in range(0, len(bits), width_bytes))
    return ZplPicture(now.x, now.y, width_bytes * 8, rows)
