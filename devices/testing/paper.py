"""What stands on printed paper: the elements that a reader of printer bytes finds, in print order.

Lives here: values and their plain-text rendering. Not here: any printer language (devices.testing.escpos_reader).
Nothing of devices.codecs is used, so that an encoder is judged by other code than its own.
"""

from dataclasses import dataclass
from typing import Literal

PaperAlign = Literal["left", "center", "right"]
PAPER_COLUMNS = 48  # font A on 80 mm paper


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one look; `columns` is their width before magnification (a multi-byte character takes two)."""

    text: str
    columns: int
    bold: bool = False
    width: int = 1
    height: int = 1
    underline: bool = False
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class PaperLine:
    """A line of text; without runs, an empty one."""

    runs: tuple[Run, ...]
    align: PaperAlign = "left"

    @property
    def text(self) -> str:
        """The characters without their look."""
        return "".join(run.text for run in self.runs)

    @property
    def columns(self) -> int:
        """Width on the paper in columns of font A, magnification included."""
        return sum(run.columns * run.width for run in self.runs)


@dataclass(frozen=True, slots=True)
class PaperBarcode:
    """A linear bar code: what a scanner would read, and how it is drawn."""

    symbology: str
    label: str
    height_dots: int
    module_dots: int
    has_text_below: bool
    align: PaperAlign = "left"


@dataclass(frozen=True, slots=True)
class PaperQr:
    """A QR code; `level` is one of L, M, Q, H, `model` 1, 2 or "micro"."""

    label: str
    module_dots: int
    level: str
    model: str
    align: PaperAlign = "left"


@dataclass(frozen=True, slots=True)
class PaperSymbol:
    """Another two-dimensional code, drawn but not looked into."""

    kind: str
    content: bytes
    align: PaperAlign = "left"


@dataclass(frozen=True, slots=True)
class PaperImage:
    """A picture: rows of bits, most significant bit leftmost, 1 is ink; magnified by the two factors."""

    width_dots: int
    rows: tuple[bytes, ...]
    align: PaperAlign = "left"
    x_factor: int = 1
    y_factor: int = 1

    @property
    def height_dots(self) -> int:
        """Rows before magnification."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class PaperFeed:
    """Empty paper: whole lines, or dots."""

    lines: int = 0
    dots: int = 0


@dataclass(frozen=True, slots=True)
class PaperCut:
    """The knife."""

    is_partial: bool


@dataclass(frozen=True, slots=True)
class PaperPulse:
    """A kick to the cash drawer on connector pin 2 or 5."""

    pin: int
    on_ms: int
    off_ms: int


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """A question to the printer at byte `offset` of the stream; leaves nothing on the paper."""

    command: Literal["DLE EOT", "GS r", "GS a"]
    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """Bytes that no printer command begins with, or a command that was cut off."""

    code: bytes
    offset: int


PaperElement = (
    PaperLine
    | PaperBarcode
    | PaperQr
    | PaperSymbol
    | PaperImage
    | PaperFeed
    | PaperCut
    | PaperPulse
    | StatusRequest
    | UnknownCommand
)


@dataclass(frozen=True, slots=True)
class Paper:
    """Elements in print order; one receipt when it was split at the cut."""

    elements: tuple[PaperElement, ...]

    @property
    def unknown(self) -> tuple[UnknownCommand, ...]:
        """What the reader could not make sense of."""
        return tuple(element for element in self.elements if isinstance(element, UnknownCommand))

    def lines(self, columns: int = PAPER_COLUMNS) -> list[str]:
        """Return the receipt as plain text, aligned on a grid of `columns`; what is not text stands in brackets."""
        return [line for element in self.elements for line in _plain(element, columns)]

    def text(self) -> str:
        """Return the text of all lines, LF between them, without alignment."""
        return "\n".join(element.text for element in self.elements if isinstance(element, PaperLine))


def _plain(element: PaperElement, columns: int) -> list[str]:
    match element:
        case PaperLine():
            spare = max(columns - element.columns, 0)
            indent = {"left": 0, "center": spare // 2, "right": spare}[element.align]
            return [(" " * indent + element.text).rstrip()]
        case PaperBarcode():
            return [f"[{element.symbology} {element.label}]"]
        case PaperQr():
            return [f"[QR {element.label}]"]
        case PaperSymbol():
            return [f"[{element.kind} {len(element.content)} bytes]"]
        case PaperImage():
            return [f"[picture {element.width_dots}x{element.height_dots}]"]
        case PaperFeed():
            return [""] * element.lines
        case PaperCut():
            return ["[cut]"]
        case PaperPulse():
            return [f"[drawer pin {element.pin}]"]
        case StatusRequest():
            return []
        case UnknownCommand():
            return [f"[unknown {element.code.hex(' ')}]"]
