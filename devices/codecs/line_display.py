"""Two lines for the customer: what a pole display is sent, in its command set and its encoding.

    cd5220    CLR, then ESC Q A text CR (upper line) and ESC Q B text CR (lower); most displays sold in Asia speak it
    escpos    CLR, then US $ column row before each line; Epson DM-D and its copies

Sources: the command lists in the manuals of the CD5220 and of Epson's DM-D series. Text that does not fit is cut at the last
whole character; what the encoding lacks is marked.
"""

from typing import Final, Literal

from devices.codecs.printing.chinese import Encoding, encode_runs, fold_text, mark_missing, text_columns

Characters = Encoding | Literal["ascii"]
Protocol = Literal["cd5220", "escpos"]

INITIALISE: Final = b"\x1b@"
_CLEAR = b"\x0c"
_CD5220_LINES = (b"\x1bQA", b"\x1bQB")


def screen(lines: tuple[str, ...], *, protocol: Protocol, columns: int, encoding: Characters) -> bytes:
    """Return the bytes that clear the display and show up to two lines."""
    shown = [_cell_text(line, columns, encoding) for line in lines[: len(_CD5220_LINES)]]
    if protocol == "cd5220":
        return _CLEAR + b"".join(begin + text + b"\r" for begin, text in zip(_CD5220_LINES, shown, strict=False))
    return _CLEAR + b"".join(bytes((0x1F, 0x24, 1, row)) + text for row, text in enumerate(shown, 1))


def _cell_text(line: str, columns: int, encoding: Characters) -> bytes:
    """Return a line's bytes without control characters, filled with blanks to the width."""
    words = " ".join(line.split())
    if encoding == "ascii":
        return fold_text(words, "gb18030").encode("ascii", "replace")[:columns].ljust(columns)
    text = mark_missing(fold_text(words, encoding), encoding)
    while text_columns(text, encoding) > columns:
        text = text[:-1]
    blanks = b" " * (columns - text_columns(text, encoding))
    return b"".join(part for _is_wide, part in encode_runs(text, encoding)) + blanks
