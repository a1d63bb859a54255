"""A file as rows of texts, numbered as Excel numbers them, whatever it is: CSV in UTF-8, UTF-16 or Big5, or a spreadsheet. Pure.

A number of a cell is written as Excel means it, not as a float: 4710088412345.0 is 4710088412345. A date of a cell is ISO.
"""

import csv
import io
from datetime import date, datetime

from msgspec import Struct

from sync.cloud.channels.files.spreadsheets import Cell, read_sheet
from sync.cloud.channels.said import ChannelError

FILE_BYTES_MAX = 32 * 1024 * 1024
ROWS_MAX = 100_000
ENCODINGS = ("utf-8-sig", "cp950", "big5hkscs")
DELIMITERS = ",;\t"
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Grid(Struct, frozen=True):
    """Rows of cells; row 1 is the first."""

    encoding: str
    rows: list[list[str]]


def read_grid(content: bytes, *, sheet: str = "") -> Grid:
    """Return a file's cells; raise ChannelError: `channel_file`, with the remedy."""
    if not content.strip():
        raise ChannelError("channel_file", "the file is empty; export it again")
    if len(content) > FILE_BYTES_MAX:
        raise ChannelError("channel_file", f"more than {FILE_BYTES_MAX // 1024 // 1024} MiB; split the file")
    if content.startswith(SPREADSHEETS):
        rows = [[_text(cell) for cell in row] for row in read_sheet(content, sheet)]
        return _checked(Grid("spreadsheet", rows))
    encoding, text = _decoded(content)
    head, _, rest = text.partition("\n")
    if (
        head.lower().startswith("sep=") and len(head) > 4
    ):  # Excel's own line that names the delimiter: a row for Excel, too
        return _checked(Grid(encoding, [[], *_records(rest, head[4])]))
    return _checked(Grid(encoding, _records(text, max(DELIMITERS, key=head.count))))


def _decoded(content: bytes) -> tuple[str, str]:
    candidates = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ENCODINGS
    for encoding in candidates:
        try:
            return encoding.removesuffix("-sig"), content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ChannelError("channel_file", "neither UTF-8 nor Big5 text; save it as 'CSV UTF-8'")


def _records(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as err:
        raise ChannelError(
            "channel_file", f"not readable as CSV ({err}); look for a quotation mark that is not closed"
        ) from err


def _checked(grid: Grid) -> Grid:
    if len(grid.rows) > ROWS_MAX:
        raise ChannelError("channel_file", f"more than {ROWS_MAX} rows; split the file")
    if any("\x00" in cell for row in grid.rows for cell in row):
        raise ChannelError("channel_file", "it holds U+0000, so it is not a text file; export it again")
    return grid


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)
