"""Catalogue files as rows: finds out packing, encoding and delimiter, and streams records.

Only this file of the importer touches the disk. It knows nothing of products. CSV is RFC 4180 as Excel writes it
(comma, semicolon or tab; UTF-8, UTF-16 with BOM, Big5 with or without HKSCS); JSON is a list or `{"items": [...]}`.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from hub.errors import HubError

UNPACKED_BYTES_MAX = 256 * 1024 * 1024
"""Larger files are refused before the first row: a gateway has 1 GiB, and a packed bomb looks small."""
COLUMNS_MAX = 256
"""A header with more columns is refused: it is not a catalogue, or the delimiter was guessed wrong."""
CHUNK_BYTES = 1024 * 1024
JSON_ROWS_FOR_COLUMNS = 100
"""JSON has no header: the keys of this many leading records are its columns."""

DELIMITERS = ",;\t"
ENCODINGS = ("utf-8-sig", "cp950", "big5hkscs")
"""Tried in this order on the whole file; cp950 refuses what only HKSCS has."""
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json"}
_SPREADSHEETS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}


class ImportFileError(HubError):
    """A file or its options cannot be imported at all: nothing changed, correct it and run again.

    The message names the file, what is wrong, and the remedy.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("import_file", detail)


class Row(msgspec.Struct, frozen=True):  # a Struct: half a million are made, a third of a frozen dataclass's time
    """One record. `number` is the row Excel shows for CSV (the header is 1), the position from 1 for JSON.

    `surplus` holds cells beyond the header's columns; a CSV row shorter than the header lacks the keys.
    """

    number: int
    record: dict[str, object]
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowSource:
    """An open file: its columns in order and its rows, to be read once while the file is open."""

    name: str
    encoding: str
    columns: tuple[str, ...]
    rows: Iterator[Row]


@contextmanager
def open_rows(path: Path) -> Iterator[RowSource]:
    """Open a .csv, .tsv, .txt or .json file, packed by gzip or not; raise ImportFileError on anything unreadable.

    Rows of CSV stream from the disk; JSON is held as bytes and decoded record by record.
    """
    if _kind(path) == "json":
        yield _json_source(path)
        return
    encoding = _survey(path)
    with io.TextIOWrapper(_unpacked(path), encoding, newline="") as text:
        yield _csv_source(path, encoding, text)


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    suffix = (suffixes[:-1] if packed else suffixes)[-1:] or [""]
    if suffix[0] in _SPREADSHEETS:
        raise ImportFileError(f"{path.name}: is a spreadsheet; save it as 'CSV UTF-8' and import that file")
    if suffix[0] not in _SUFFIXES:
        raise ImportFileError(f"{path.name}: unknown kind of file; give a .csv, .tsv or .json file, or one with .gz")
    return _SUFFIXES[suffix[0]]


def _unpacked(path: Path) -> BinaryIO:
    try:
        if path.suffix.lower() == ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))  # a GzipFile reads as one
        return path.open("rb")
    except OSError as err:
        raise ImportFileError(f"{path}: cannot be opened ({err.strerror or err}); check path and rights") from err


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes; refuse more than UNPACKED_BYTES_MAX and damaged packing."""
    size = 0
    with _unpacked(path) as file:
        while True:
            try:
                chunk = file.read(CHUNK_BYTES)
            except (OSError, EOFError, zlib.error) as err:
                raise ImportFileError(f"{path.name}: is damaged or cut off ({err}); copy the file again") from err
            if not chunk:
                return
            size += len(chunk)
            if size > UNPACKED_BYTES_MAX:
                limit = f"{UNPACKED_BYTES_MAX // 1024 // 1024} MiB"
                raise ImportFileError(f"{path.name}: is larger than {limit} unpacked; split it and import the parts")
            yield chunk


def _survey(path: Path) -> str:
    """Return the encoding that fits every byte of the file; also proves size and packing."""
    chunks = _chunks(path)
    first = next(chunks, b"")
    if not first:
        raise ImportFileError(f"{path.name}: is empty; export it again")
    if first[:4] == b"PK\x03\x04":
        raise ImportFileError(f"{path.name}: is a spreadsheet or zip file; save it as 'CSV UTF-8' and import that file")
    whole = chain([first], chunks)
    if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        candidates: tuple[str, ...] = ("utf-16",)
    elif first[:3] == codecs.BOM_UTF8:
        candidates = ENCODINGS[:1]
    else:
        candidates = ENCODINGS
    for encoding in candidates:
        if _fits(path, encoding, whole):
            return encoding
        whole = chain(_chunks(path))
    raise ImportFileError(f"{path.name}: is neither UTF-8 nor Big5 text; save it as 'CSV UTF-8' and import that file")


def _fits(path: Path, encoding: str, chunks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            if "\0" in decoder.decode(chunk):
                raise ImportFileError(f"{path.name}: holds U+0000, so it is not a text file; export it again")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _csv_source(path: Path, encoding: str, text: io.TextIOWrapper) -> RowSource:
    head = text.readline(CHUNK_BYTES)
    first_row = 1
    if head[:4].lower() == "sep=":  # Excel's own line that names the delimiter
        delimiter, head, first_row = head[4:5], "", 2
    else:
        delimiter = max(DELIMITERS, key=head.count)
    if delimiter not in DELIMITERS:
        raise ImportFileError(f"{path.name}: delimiter {delimiter!r}; use a comma, a semicolon or a tab")
    lines = csv.reader(chain([head] if head else [], text), delimiter=delimiter)
    records = _csv_records(path, lines)
    columns = tuple(cell.strip().lstrip("\ufeff") for cell in next(records, []))
    _check_columns(path, columns)
    named = tuple(filter(None, columns))
    return RowSource(path.name, encoding.removesuffix("-sig"), named, _csv_rows(columns, records, first_row + 1))


def _csv_records(path: Path, lines: Iterator[list[str]]) -> Iterator[list[str]]:
    number = 0
    try:
        for number, cells in enumerate(lines, start=1):  # noqa: B007  # the error below names the record
            yield cells
    except csv.Error as err:
        after = f"{path.name}: record {number + 1} is not readable ({err})"
        raise ImportFileError(f"{after}; look for a quotation mark that is never closed near it") from err


def _check_columns(path: Path, columns: tuple[str, ...]) -> None:
    named = [column for column in columns if column]
    if not named:
        raise ImportFileError(f"{path.name}: its first row names no columns; put the column names there")
    if len(columns) > COLUMNS_MAX:
        raise ImportFileError(f"{path.name}: has {len(columns)} columns, at most {COLUMNS_MAX}; remove some")
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise ImportFileError(f"{path.name}: column {twice[0]!r} is there twice; rename or remove one")


def _csv_rows(columns: tuple[str, ...], records: Iterator[list[str]], first_number: int) -> Iterator[Row]:
    width = len(columns)
    for number, cells in enumerate(records, start=first_number):
        if not any(cells):
            continue
        record: dict[str, object] = dict(zip(columns, cells, strict=False))
        surplus = tuple(filter(str.strip, cells[width:])) if len(cells) > width else ()
        yield Row(number, record, surplus)


class _Items(msgspec.Struct):
    items: list[msgspec.Raw]


def _json_source(path: Path) -> RowSource:
    content = b"".join(_chunks(path)).removeprefix(codecs.BOM_UTF8)
    is_list = content.lstrip(b" \t\r\n")[:1] == b"["
    try:
        if is_list:
            raws = msgspec.json.decode(content, type=list[msgspec.Raw])
        else:
            raws = msgspec.json.decode(content, type=_Items).items
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        wanted = 'write a list of objects, or {"items": [...]}, in UTF-8'
        raise ImportFileError(f"{path.name}: is not a JSON catalogue ({err}); {wanted}") from err
    leading = list(islice(_json_rows(path, raws), JSON_ROWS_FOR_COLUMNS))
    columns = tuple(dict.fromkeys(key for row in leading for key in row.record))
    return RowSource(path.name, "utf-8", columns, _json_rows(path, raws))


def _json_rows(path: Path, raws: list[msgspec.Raw]) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(dict[str, object], float_hook=str)  # a price is text here, never a float
    for number, raw in enumerate(raws, start=1):
        try:
            yield Row(number, decoder.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
            raise ImportFileError(f"{path.name}: item {number} is not a JSON object ({err}); correct it") from err
