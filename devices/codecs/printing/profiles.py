"""What a printer can do: profiles by name, read from profiles.toml, and what the shop's configuration changes in one.

Source and licence of the facts: the head of profiles.toml. Not here: how any of it becomes bytes.
"""

import difflib
import tomllib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from typing import Any, Literal

from msgspec import Struct, convert

from devices.codecs.printing.chinese import Encoding
from devices.codecs.printing.raster import RasterLine
from devices.document import Symbology

Cut = Literal["partial", "full", "none"]
Beeper = Literal["none", "epson", "esc-b"]
Symbol = Symbology | Literal["QR"]

DEFAULT_PROFILE = "generic-80mm"
ALL_SYMBOLS: frozenset[Symbol] = frozenset(("EAN13", "EAN8", "CODE39", "CODE128", "QR"))
CELL_DOTS_MAX = 12  # of a column of font A; Epson ESC/POS command reference, ESC M


@dataclass(frozen=True)
class PrinterProfile:
    """What an encoder must know of a printer: `columns` of font A, `dots` across the paper, what it draws itself.

    `drawer_pin` None: the pin the document names. `logo` is a picture to send, `nv_logo` the key of one that the printer
    keeps: two characters (GS ( L) or a number (FS p).
    """

    encoding: Encoding = "big5"
    columns: int = 48
    dots: int = 576
    raster_font: str = ""
    drawer_pin: Literal[2, 5] | None = None
    cut: Cut = "partial"
    symbols: frozenset[Symbol] = ALL_SYMBOLS
    code_pages: tuple[tuple[str, int], ...] = ()
    beeper: Beeper = "none"
    logo: RasterLine | None = None
    nv_logo: str = ""

    @cached_property
    def cell_dots(self) -> int:
        """Width of one column in dots."""
        return min(self.dots // self.columns, CELL_DOTS_MAX)


class Facts(Struct, frozen=True, forbid_unknown_fields=True):
    """One table of profiles.toml."""

    name: str
    columns: int
    dots: int
    cut: Cut
    symbols: list[Symbol]
    code_pages: dict[str, int] = {}
    encoding: Encoding = "big5"
    beeper: Beeper = "none"


@cache
def facts() -> dict[str, Facts]:
    """Return every profile by its name."""
    text = resources.files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8")
    return convert(tomllib.loads(text), dict[str, Facts])


def check_profile(name: str) -> None:
    """Raise ValueError, naming what is nearest, for a profile that is not there."""
    known = facts()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"unknown profile {name!r}; known: {', '.join(known)}{meant}")


def printer_profile(name: str, **changes: Any) -> PrinterProfile:
    """Return a profile with what is not None in `changes` (fields of PrinterProfile; Any: each its own) put in its place."""
    found = facts()[name]
    profile = PrinterProfile(
        encoding=found.encoding,
        columns=found.columns,
        dots=found.dots,
        cut=found.cut,
        symbols=frozenset(found.symbols),
        code_pages=tuple(found.code_pages.items()),
        beeper=found.beeper,
    )
    return replace(profile, **{field: value for field, value in changes.items() if value is not None})
