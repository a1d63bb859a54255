"""Chinese text for printers: which bytes, how many columns, where a line breaks.

Lives here: the multi-byte encodings a receipt printer has fonts for, the width of text on its grid, wrapping, cleaning.
Not here: printer commands (devices.codecs.printing.escpos), drawing of characters that a printer lacks (…printing.raster).
Sources: Python's cp950 (Big5 with the ETEN additions), big5hkscs (HKSCS-2004), gb18030, cp932 (Shift-JIS), cp949 (KS X 1001
as extended by UHC); Unicode UAX #11 (width).

A printer draws every two-byte code in a cell of two columns, whatever Unicode says of the character (Greek, the
ellipsis, box drawing are "ambiguous" there), so the width of a character depends on the encoding it is printed in.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

Encoding = Literal["big5", "big5-hkscs", "gb18030", "shift-jis", "ks", "none"]

CODECS: dict[Encoding, str] = {
    "big5": "cp950",
    "big5-hkscs": "big5hkscs",
    "gb18030": "gb18030",
    "shift-jis": "cp932",
    "ks": "cp949",
    "none": "ascii",  # a printer without a multi-byte font: everything else is drawn
}
MISSING_MARKS: dict[Encoding, str] = {  # "a character is missing here": the geta, or a box where the encoding lacks it
    "big5": "□",
    "big5-hkscs": "□",
    "gb18030": "〓",
    "shift-jis": "〓",
    "ks": "〓",
    "none": "?",
}
MULTIBYTE_CODE_BYTES = 2  # four-byte GB18030 is not sent: most printers sold as GB18030 hold the two-byte glyphs only

_LINE_ENDS = frozenset("\n\v\f\x85\u2028\u2029")
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
_REPLACEMENT = "?"  # visible stand-in for a control character or a lone surrogate

# Same shape on paper, other code point. Used only when the encoding lacks the left one and has the right one.
_LOOKALIKES = {
    "\u2010": "-",  # hyphen
    "\u2011": "-",  # no-break hyphen
    "\u2013": "-",  # en dash
    "\u2212": "-",  # minus sign
    "\u02bc": "'",  # modifier apostrophe
    "\u2044": "/",  # fraction slash
    "\u301c": "～",  # wave dash
    "\uff5e": "\u301c",
    "\u30fb": "·",  # katakana middle dot
    "\u2022": "·",  # bullet
    "\u2027": "·",
    "\u00b7": "\u2027",
    "\u00a5": "￥",
    "\uffe5": "\u00a5",
    "\u00a3": "￡",
    "\u00a2": "￠",
    "\u2015": "\u2014",
}
_HAS_LOOKALIKE = re.compile(f"[{''.join(_LOOKALIKES)}]")
_HAS_VARIATION_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_RUNS = re.compile("[ -~]+|[^ -~]+")


def clean_text(text: str) -> str:
    """Return text without control and invisible characters; line ends are LF, all narrow spaces U+0020."""
    if text.isprintable() and unicodedata.is_normalized("NFC", text) and not _HAS_VARIATION_SELECTOR.search(text):
        return text  # nearly every line of a receipt
    clean: list[str] = []
    for char in text.replace("\r\n", "\n").replace("\r", "\n"):
        kept = _clean_character(char)
        if clean and unicodedata.combining(char):
            clean[-1] = unicodedata.normalize("NFC", clean[-1] + kept)
        elif kept:
            clean.append(kept)
    return "".join(clean)


def fold_text(text: str, encoding: Encoding) -> str:
    """Return cleaned text with characters the encoding lacks replaced by ones that look the same, where it has them."""
    clean = clean_text(text)
    return _HAS_LOOKALIKE.sub(lambda found: _fold_character(found[0], encoding), clean)


def missing_characters(text: str, encoding: Encoding) -> tuple[str, ...]:
    """Return, in order and without repeats, the characters of text that the encoding lacks; LF is never one."""
    if _is_plain(text):
        return ()
    return tuple(char for char in dict.fromkeys(text) if char != "\n" and _code(char, encoding) is None)


def mark_missing(text: str, encoding: Encoding) -> str:
    """Return text with the encoding's missing mark for each character that it lacks."""
    mark = MISSING_MARKS[encoding]
    return "".join(char if char == "\n" or _code(char, encoding) else mark for char in text)


def encode_runs(text: str, encoding: Encoding) -> list[tuple[bool, bytes]]:
    """Return text as runs of (is_multibyte, bytes); raise ValueError when the encoding lacks a character."""
    return [
        (False, run.encode("ascii"))
        if _is_plain(run)
        else (True, b"".join(_known_code(char, encoding) for char in run))
        for run in _RUNS.findall(text)
    ]


@lru_cache(maxsize=2_048)
def character_columns(char: str, encoding: Encoding) -> int:
    """Return how many columns (0, 1 or 2) a character takes on a printer of that encoding."""
    if " " <= char <= "~":
        return 1
    if unicodedata.category(char) in _ZERO_WIDTH:
        return 0
    if _code(char, encoding) is not None or unicodedata.east_asian_width(char) in "WF":
        return 2
    return 1


def text_columns(text: str, encoding: Encoding) -> int:
    """Return how many columns one line of text takes on a printer of that encoding."""
    return len(text) if _is_plain(text) else sum(character_columns(char, encoding) for char in text)


def wrap_columns(text: str, columns: int, encoding: Encoding) -> list[str]:
    """Return cleaned text as lines of at most `columns` (≥ 2): words stay whole if they fit."""
    assert columns >= 2, "a wide character takes two columns"
    return [line for paragraph in text.split("\n") for line in _wrap_paragraph(paragraph, columns, encoding)]


def _is_plain(text: str) -> bool:
    """Say whether text is printable ASCII only: one byte and one column a character, in every encoding."""
    return text.isascii() and text.isprintable()


def _clean_character(char: str) -> str:
    if char in _LINE_ENDS:
        return "\n"
    if char == "\t":
        return " "
    category = unicodedata.category(char)
    if category in ("Cc", "Cs"):
        return _REPLACEMENT
    if category == "Zs":
        return char if char == "\u3000" else " "
    is_invisible = category == "Cf" or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return "" if is_invisible else char


def _fold_character(char: str, encoding: Encoding) -> str:
    twin = _LOOKALIKES.get(char)
    if twin is None or _code(char, encoding) is not None or _code(twin, encoding) is None:
        return char
    return twin


@lru_cache(maxsize=2_048)  # a shop's receipts use some hundred characters over and over
def _code(char: str, encoding: Encoding) -> bytes | None:
    """Return the code of a printable character, one ASCII byte or two bytes; None when printers lack it."""
    if " " <= char <= "~":
        return char.encode("ascii")
    if unicodedata.category(char) in ("Cc", "Co", "Cs", "Cf", "Mn", "Me"):
        return None  # private-use codes exist in GB18030, but what a printer draws there is anybody's guess
    codec = CODECS[encoding]
    try:
        code = char.encode(codec)
    except UnicodeEncodeError:
        return None
    return code if len(code) == MULTIBYTE_CODE_BYTES and code.decode(codec) == char else None


def _known_code(char: str, encoding: Encoding) -> bytes:
    code = _code(char, encoding)
    if code is None:
        raise ValueError(f"{encoding} lacks U+{ord(char):04X}")
    return code


def _wrap_paragraph(paragraph: str, columns: int, encoding: Encoding) -> list[str]:
    if text_columns(paragraph, encoding) <= columns:
        return [paragraph.rstrip(" ")]
    lines: list[str] = []
    line, used = "", 0
    for unit, width in _units(paragraph, encoding):
        if used + width <= columns:
            line, used = line + unit, used + width
            continue
        if line.strip(" "):
            lines.append(line.rstrip(" "))
        line, used = "", 0
        if unit.isspace() and unit != "\u3000":
            continue
        *full, line = _cut(unit, columns, encoding)
        lines.extend(full)
        used = text_columns(line, encoding)
    lines.append(line.rstrip(" "))
    return lines


def _units(paragraph: str, encoding: Encoding) -> list[tuple[str, int]]:
    """Split into what a line break may not divide: words, runs of spaces, single wide characters with their marks."""
    units: list[tuple[str, int]] = []
    previous = ""
    for char in paragraph:
        width = character_columns(char, encoding)
        kind = "space" if char == " " else "mark" if width == 0 else "wide" if width == 2 else "word"
        is_joined = units and (kind == "mark" or (kind == previous and kind != "wide"))
        if is_joined:
            unit, so_far = units[-1]
            units[-1] = (unit + char, so_far + width)
        else:
            units.append((char, width))
        previous = previous if kind == "mark" else kind
    return units


def _cut(unit: str, columns: int, encoding: Encoding) -> list[str]:
    """Cut a unit that is longer than a line; marks stay with the character before them."""
    pieces, used = [""], 0
    for char in unit:
        width = character_columns(char, encoding)
        if used + width > columns:
            pieces.append("")
            used = 0
        pieces[-1] += char
        used += width
    return pieces
