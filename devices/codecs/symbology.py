"""AIM symbology identifiers: what a scanner puts before the data to say which kind of symbol it read.

`]` + code letter + modifier, ISO/IEC 15424; the rows that GS1 uses: GS1 General Specifications table 5.1.2-2.
"""

from dataclasses import dataclass
from typing import Literal

Content = Literal["unknown", "trade_item", "gs1", "other"]

_GS1_SYMBOLOGIES: dict[str, tuple[str, Content]] = {
    "E0": ("EAN-13", "trade_item"),
    "E1": ("EAN two-digit add-on", "other"),
    "E2": ("EAN five-digit add-on", "other"),
    "E3": ("EAN-13 with add-on", "trade_item"),
    "E4": ("EAN-8", "trade_item"),
    "I1": ("ITF-14", "trade_item"),
    "C1": ("GS1-128", "gs1"),
    "e0": ("GS1 DataBar", "gs1"),
    "e1": ("GS1 Composite", "gs1"),
    "e2": ("GS1 Composite", "gs1"),
    "d2": ("GS1 DataMatrix", "gs1"),
    "Q3": ("GS1 QR Code", "gs1"),
    "J1": ("GS1 DotCode", "gs1"),
}

_ISO_SYMBOLOGIES = {
    "A": "Code 39",
    "B": "Telepen",
    "C": "Code 128",
    "D": "Code One",
    "E": "EAN/UPC",
    "F": "Codabar",
    "G": "Code 93",
    "H": "Code 11",
    "I": "ITF",
    "J": "DotCode",
    "K": "Code 16K",
    "L": "PDF417",
    "M": "MSI",
    "N": "Anker",
    "O": "Codablock",
    "P": "Plessey Code",
    "Q": "QR Code",
    "R": "Straight 2 of 5",
    "S": "Straight 2 of 5",
    "T": "Code 49",
    "U": "MaxiCode",
    "X": "other bar code",
    "Z": "no bar code",
    "c": "Channel Code",
    "d": "Data Matrix",
    "e": "GS1 DataBar",
    "o": "OCR",
    "p": "PosiCode",
    "s": "SuperCode",
    "z": "Aztec Code",
}


@dataclass(frozen=True, slots=True)
class Symbology:
    """The name of the symbology, None where the scanner did not say, and what its data may be."""

    name: str | None
    content: Content


UNKNOWN = Symbology(None, "unknown")


def split_symbology(label: str) -> tuple[Symbology, str]:
    """Return the symbology and the data behind its identifier; text without a known identifier comes back whole."""
    if len(label) < 3 or label[0] != "]" or label[1] not in _ISO_SYMBOLOGIES or not label[2].isalnum():
        return UNKNOWN, label
    name, content = _GS1_SYMBOLOGIES.get(label[1:3], (_ISO_SYMBOLOGIES[label[1]], "other"))
    return Symbology(name, content), label[3:]
