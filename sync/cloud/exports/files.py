"""The files of an export: CSV written beside, made whole on disk, and then shown at once under the day and its revision.

    DIR/2026-11-22/r1/sales.csv … manifest.json      r2 beside it, when rows of that day came late

RFC 4180: commas, CR LF, quotes where needed; UTF-8, on wish with the mark that Excel needs. Empty is unknown; flags are 0 and 1.
Where the mark is, text that Excel would take for a formula has an apostrophe before it. Not here: what is written.
"""

import csv
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from sync.cloud.handing.tables import Column, Value
from sync.json_errors import NOT_JSON

BOM = b"\xef\xbb\xbf"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MANIFEST = "manifest.json"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_REVISION = re.compile(r"r([1-9]\d{0,5})")


class FileView(Struct, frozen=True):
    """A file: how many lines beside the head, its bytes and their SHA-256."""

    file: str
    rows: int
    bytes: int
    sha256: str
    columns: list[str]


class Range(Struct, frozen=True):
    """The facts of a writer in an export."""

    rep: str
    first: int
    last: int
    rows: int


class StreamRange(Struct, frozen=True):
    """The facts of a stream in an export: how many, from which place of the feed to which, and of whom."""

    rows: int
    first_n: int
    last_n: int
    writers: list[Range]


class Manifest(Struct, frozen=True):
    """What an export has. `states_at`: when stock, members, points and orders stood so; null where a revision has none of them.

    `unreadable`: facts of this day that could not be read; `undated`: facts here that say no day.
    """

    v: int
    day: str
    revision: int
    made_at: str
    cloud: str
    bom: bool
    files: list[FileView]
    streams: dict[str, StreamRange]
    states_at: str | None
    unreadable: int
    undated: int


class CsvFile:
    """A file that is being written."""

    def __init__(self, folder: Path, table: str, columns: Sequence[Column], *, bom: bool) -> None:
        self.name = f"{table}.csv"
        self._columns = [column.name for column in columns]
        self._texts = [column.type == "text" for column in columns] if bom else []
        self._file: BinaryIO = (folder / self.name).open("xb")
        self._sha, self._size, self._rows = hashlib.sha256(), 0, -1
        if bom:
            self._put(BOM)
        self.write([tuple(self._columns)])

    def write(self, lines: Iterable[Sequence[Value]]) -> None:
        """Add lines."""
        text = io.StringIO(newline="")
        out = csv.writer(text, lineterminator="\r\n")
        for line in lines:
            out.writerow([self._shown(value, place) for place, value in enumerate(line)])
            self._rows += 1
        self._put(text.getvalue().encode())

    def close(self) -> FileView:
        """Make it whole on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return FileView(self.name, self._rows, self._size, self._sha.hexdigest(), self._columns)

    def _shown(self, value: Value, place: int) -> str | int:
        if value is None:
            return ""
        if isinstance(value, bool):
            return int(value)
        if self._texts and self._texts[place] and isinstance(value, str) and value.startswith(FORMULA):
            return f"'{value}"
        return value

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha.update(data)
        self._size += len(data)


def begin(folder: Path, day: str) -> Path:
    """Return an empty folder to write into; what an export that died had left there is gone."""
    beside = folder / f".{day}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    return beside


def show(folder: Path, beside: Path, manifest: Manifest) -> Path:
    """Make a written folder the newest revision of its day, all of it or nothing; return its place."""
    with (beside / MANIFEST).open("xb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(beside)
    day = folder / manifest.day
    day.mkdir(exist_ok=True)
    place = day / f"r{manifest.revision}"
    beside.rename(place)
    _sync_folder(day)
    _sync_folder(folder)
    return place


def days(folder: Path) -> list[str]:
    """Return the days that there are files of, oldest first."""
    return sorted(each.name for each in folder.iterdir() if _DAY.fullmatch(each.name)) if folder.is_dir() else []


def revisions(folder: Path, day: str) -> list[int]:
    """Return a day's revisions, oldest first."""
    place = folder / day
    found = (_REVISION.fullmatch(each.name) for each in place.iterdir()) if place.is_dir() else ()
    return sorted(int(each[1]) for each in found if each)


def newest(folder: Path, day: str) -> Manifest | None:
    """Return the manifest of a day's newest revision that can be read."""
    for revision in reversed(revisions(folder, day)):
        try:
            return msgspec.json.decode((folder / day / f"r{revision}" / MANIFEST).read_bytes(), type=Manifest)
        except (OSError, *NOT_JSON):
            continue
    return None


def forget_before(folder: Path, first: str) -> list[str]:
    """Remove the days before one; return them."""
    gone = [day for day in days(folder) if day < first]
    for day in gone:
        shutil.rmtree(folder / day)
    return gone


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
