"""XLSX, XLS and ODS as rows of cells. The only file that knows python-calamine, which the extra `cloud` brings."""

import io
from datetime import date, datetime, time, timedelta

from sync.cloud.channels.said import ChannelError

SHEET_CELLS_MAX = 5_000_000  # a packed bomb looks small
Cell = str | int | float | bool | date | datetime | time | timedelta


def read_sheet(content: bytes, sheet: str) -> list[list[Cell]]:
    """Return the cells of a sheet from A1 on, merged ones filled with what they show; empty name: the first sheet."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as err:
        remedy = "install store-hub[cloud], or save the file as 'CSV UTF-8'"
        raise ChannelError("channel_file", f"spreadsheets need python-calamine; {remedy}") from err
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = book.sheet_names
        if sheet and sheet not in names:
            raise ChannelError("channel_file", f"no sheet {sheet!r}; the file has: {', '.join(names)[:200]}")
        found = book.get_sheet_by_name(sheet) if sheet else book.get_sheet_by_index(0)
        if found.total_height * max(1, found.total_width) > SHEET_CELLS_MAX:
            raise ChannelError("channel_file", f"more than {SHEET_CELLS_MAX} cells; split the file")
        rows: list[list[Cell]] = [list(row) for row in found.to_python(skip_empty_area=False)]
        merged = found.merged_cell_ranges or []
    except CalamineError as err:
        raise ChannelError("channel_file", f"this spreadsheet cannot be read ({err}); save it again as .xlsx") from err
    for (top, left), (bottom, right) in merged:
        _fill(rows, (top, left), (bottom, right))
    return rows


def _fill(rows: list[list[Cell]], first: tuple[int, int], last: tuple[int, int]) -> None:
    """Give every row of a merged cell its value; to the right it would be another column's."""
    if first[0] >= len(rows) or first[1] >= len(rows[first[0]]):
        return
    shown = rows[first[0]][first[1]]
    for row in rows[first[0] : last[0] + 1]:
        if first[1] < len(row):
            row[first[1]] = shown
