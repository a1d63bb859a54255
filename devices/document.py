"""A printed document as typed elements, independent of any printer language.

Lives here: what a receipt consists of (UnifiedPOS POSPrinter in spirit). Not here: bytes (devices.codecs.printing.escpos), what a
shop writes on its receipts (hub.store). Structs are frozen and tagged, so that a print ledger can keep them as JSON.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Align = Literal["left", "center", "right"]
Symbology = Literal["EAN13", "EAN8", "CODE128", "CODE39"]
Magnification = Annotated[int, Meta(ge=1, le=8)]


class Text(Struct, frozen=True, tag="text", omit_defaults=True, forbid_unknown_fields=True):
    """A paragraph; wraps at the paper's width by display columns (East Asian wide characters take two)."""

    text: str
    bold: bool = False
    width: Magnification = 1
    height: Magnification = 1
    align: Align = "left"


class Columns(Struct, frozen=True, tag="columns", omit_defaults=True, forbid_unknown_fields=True):
    """`left` at the left edge, `right` flush at the right edge of its last line; left wraps when both do not fit."""

    left: str
    right: str
    bold: bool = False


class Rule(Struct, frozen=True, tag="rule", forbid_unknown_fields=True):
    """A line across the paper."""


class Feed(Struct, frozen=True, tag="feed", omit_defaults=True, forbid_unknown_fields=True):
    """Empty lines."""

    lines: Annotated[int, Meta(ge=1, le=20)] = 1


class Barcode(Struct, frozen=True, tag="barcode", omit_defaults=True, forbid_unknown_fields=True):
    """A linear bar code drawn by the printer, human-readable text below. EAN data carry their check digit."""

    symbology: Symbology
    data: str
    height_dots: Annotated[int, Meta(ge=8, le=255)] = 64


class Qr(Struct, frozen=True, tag="qr", omit_defaults=True, forbid_unknown_fields=True):
    """A QR code (model 2, error level M) drawn by the printer; data is UTF-8."""

    data: str
    module_dots: Annotated[int, Meta(ge=1, le=16)] = 4


class Cut(Struct, frozen=True, tag="cut", forbid_unknown_fields=True):
    """Feed to the cutter and cut (partial)."""


class DrawerPulse(Struct, frozen=True, tag="drawer", omit_defaults=True, forbid_unknown_fields=True):
    """Kick the cash drawer on connector pin 2 or 5."""

    pin: Literal[2, 5] = 2


class Beep(Struct, frozen=True, tag="beep", omit_defaults=True, forbid_unknown_fields=True):
    """Sound the printer's beeper; a printer without one prints on."""

    times: Annotated[int, Meta(ge=1, le=9)] = 1


class Logo(Struct, frozen=True, tag="logo", forbid_unknown_fields=True):
    """The shop's logo as the printer's section of the configuration names it; nothing where it names none."""


class ShelfLabel(Struct, frozen=True, tag="label", omit_defaults=True, forbid_unknown_fields=True):
    """One product's label for the shelf; `price` and `was` are ready to read ("$12.90"), `per` is what the price is for.

    `gtin` is printed as a bar code (EAN-13, EAN-8 or Code 128, whichever its digits are), else `sku` as Code 128.
    """

    sku: Annotated[str, Meta(min_length=1, max_length=80)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    price: Annotated[str, Meta(min_length=1, max_length=40)]
    name_en: Annotated[str, Meta(max_length=200)] = ""
    per: Annotated[str, Meta(max_length=40)] = ""
    was: Annotated[str, Meta(max_length=40)] = ""
    gtin: Annotated[str, Meta(pattern=r"^[0-9]{0,14}\Z")] = ""
    copies: Annotated[int, Meta(ge=1, le=99)] = 1


Element = Text | Columns | Rule | Feed | Barcode | Qr | Cut | DrawerPulse | Beep | Logo | ShelfLabel


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """Elements in print order."""

    elements: tuple[Element, ...]
