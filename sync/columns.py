"""Rows that look alike, packed by column: JSON in, the very same JSON out, a tenth of the bytes after compression.

A batch of rows is one tree of columns: objects by shape and key, lists by length, text as a template with its digits as numbers,
UUIDs as bytes, numbers as planes of bytes. Nothing here knows what a row means, so unknown kinds and fields travel like
known ones. A row that is not canonical JSON (as msgspec writes it) travels as the bytes it is. Pure.

    column     is
    c          n times the same value
    o          objects: shapes (tuples of keys), which row has which, one column a key
    t          lists of one length: a column for each place
    l          lists of several lengths: the lengths, one column of all their items
    u          UUIDs in their canonical form: 16 planes
    s          text: common head and tail, templates, which row has which, the digit runs of each template as numbers
    w          other text: the different ones, which row has which
    i          whole numbers: smallest, bytes each, planes
    v          anything else, as MessagePack

Source: columnar layout with byte planes as in Apache Parquet (BYTE_STREAM_SPLIT) and Blosc (shuffle).
"""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Struct

from sync.errors import ProtocolError
from sync.json_errors import NOT_JSON

UNPACKED_MAX = 16 * 1024 * 1024  # bytes that a batch may become: beyond it the peer is lying about its size
_VALUE_BYTES = 8  # what a value of any kind counts at least
TEMPLATES_MAX = 12  # more different templates in one column are not worth their own numbers
_LOOKED_AT = (
    4 * TEMPLATES_MAX
)  # names of goods show within so many that they have no template: nearly all have it no sooner
SHAPES_MAX = 200
STRUCTS_MAX = 256  # kinds of objects that are remembered; a peer that has more of them is slower
STRUCT_FROM = 50  # objects of one shape beside others: fewer are read sooner than a kind is made
DIGITS_MAX = 18  # of one run: more do not fit into 64 bits
_WIDTHS = ((1 << 8, "B"), (1 << 16, "H"), (1 << 32, "I"), (1 << 64, "Q"))
_CODES = {array(code).itemsize: code for _, code in _WIDTHS}
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_RUN = re.compile("0+")
_UUID_LENGTH = 36
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MALFORMED = (
    *(ValueError, TypeError, LookupError, AttributeError, StopIteration, OverflowError, RecursionError, MemoryError),
    msgspec.MsgspecError,
)
_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder()
Column = list[Any]  # Any: a column's parts are what its tag says


def pack(rows: Sequence[bytes]) -> bytes:
    """Return the rows as columns, in MessagePack, ready for a compressor."""
    values, odd = _sorted_out(rows)
    try:
        return msgspec.msgpack.encode([len(rows), odd, _column(values)])
    except (OverflowError, RecursionError, ValueError):  # numbers beyond 64 bits, absurd depth: all of them as they are
        return msgspec.msgpack.encode([len(rows), list(enumerate(rows)), ["c", None]])


def unpack(packed: bytes, *, rows_max: int) -> list[bytes]:
    """Return the rows, byte for byte; raise ProtocolError for what `pack` cannot have written, or for more rows."""
    try:
        count, odd, column = msgspec.msgpack.decode(packed)
        if count > rows_max:
            raise ProtocolError(f"a batch of {count} rows, at most {rows_max}")
        encoded, places = _encoded(_Reader().values(column, count - len(odd))), range(count)
        if not odd:  # as nearly always
            return encoded
        rows = iter(encoded)
        odd_rows = {index: row for index, row in odd if isinstance(row, bytes)}
        unpacked = [odd_rows[index] if index in odd_rows else next(rows) for index in places]
    except _MALFORMED as err:
        raise ProtocolError(f"a batch is no table of columns: {err!r}") from err
    return unpacked


def _encoded(values: list[Any]) -> list[bytes]:
    lines = _encoder.encode_lines(values)
    if len(lines) > UNPACKED_MAX:
        raise ValueError(f"rows of more than {UNPACKED_MAX} bytes")
    return lines.split(b"\n")[:-1]


def _sorted_out(rows: Sequence[bytes]) -> tuple[list[Any], list[tuple[int, bytes]]]:
    """Return the values of the canonical rows, and the others with their places."""
    values = _all_canonical(rows)
    if values is not None:
        return values, []
    found = [_canonical(row) for row in rows]
    odd = [(index, rows[index]) for index, value in enumerate(found) if value is None]
    return [value for value in found if value is not None], odd


def _all_canonical(rows: Sequence[bytes]) -> list[Any] | None:
    """Return the values when every row is canonical, as nearly always; None when one is not.

    What is written is one line a value, and none has a line break within: as many values as rows, and the same bytes, is each
    row's own value. The decoder alone proves nothing: to it a line break is white space like any other.
    """
    lines = b"\n".join([*rows, b""])
    try:
        values: list[Any] = _decoder.decode_lines(lines)
        written = len(values), set(map(type, values)), _encoder.encode_lines(values)
    except NOT_JSON:
        return None
    return values if written == (len(rows), {dict}, lines) else None


def _canonical(row: bytes) -> dict[str, Any] | None:
    """Return the row's value when it is an object that encodes to these very bytes again."""
    try:
        value = _decoder.decode(row)
        return value if isinstance(value, dict) and _encoder.encode(value) == row else None
    except NOT_JSON:
        return None


def _column(values: list[Any]) -> Column:
    if not values:
        return ["c", None]
    kinds = set(map(type, values))
    if len(kinds) > 1:  # 1 == True == 1.0
        return ["v", values]
    if kinds == {dict}:
        return _objects(values)
    if kinds == {list}:
        return _lists(values)
    if kinds == {float}:  # 0.0 == -0.0, and they are written differently
        return ["v", values]
    if values[0] == values[-1] and len(distinct := set(values)) == 1:
        return ["c", *distinct]
    if kinds == {str}:
        return _uuids(values) or _texts(values)
    if kinds == {int}:
        return _numbers(values)
    return ["v", values]


def _objects(values: list[dict[str, Any]]) -> Column:
    of_each = list(map(tuple, values))
    shapes = list(dict.fromkeys(of_each))
    if len(shapes) == 1:  # as nearly always
        return ["o", shapes, ["c", 0], [*shapes[0]], [_column(list(map(itemgetter(key), values))) for key in shapes[0]]]
    if len(shapes) > SHAPES_MAX:
        return ["v", values]
    place = {shape: index for index, shape in enumerate(shapes)}
    keys = list(dict.fromkeys(chain.from_iterable(shapes)))
    return [
        "o",
        shapes,
        _column([place[shape] for shape in of_each]),
        keys,
        [_column([value[key] for value in values if key in value]) for key in keys],
    ]


def _lists(values: list[list[Any]]) -> Column:
    lengths = list(map(len, values))
    if min(lengths) == max(lengths) > 0:
        return ["t", [_column(list(column)) for column in zip(*values, strict=True)]]
    return ["l", _column(lengths), _column(list(chain.from_iterable(values)))]


def _uuids(values: list[str]) -> Column | None:
    if not all(map(_UUID.fullmatch, values)):
        return None
    return ["u", _planes(bytes.fromhex("".join(values).replace("-", "")), 16)]


def _texts(values: list[str]) -> Column:
    head = _common_head(min(values), max(values))
    middles = list(map(itemgetter(slice(len(head), None)), values)) if head else values
    width = _digits_of(middles)
    if width:
        return ["s", head, ["0" * width], ["c", 0], [[_column(list(map(int, middles)))]]]
    if len(set(_templates(middles[:_LOOKED_AT]))) > TEMPLATES_MAX:
        return _words(values)
    of_each = _templates(middles)
    templates = {template: number for number, template in enumerate(dict.fromkeys(of_each))}
    if len(templates) > TEMPLATES_MAX or not all(map(_is_layout, templates)):
        return _words(values)
    which = list(map(templates.__getitem__, of_each))
    return ["s", head, list(templates), _column(which), [_runs(middles, which, t, n) for t, n in templates.items()]]


def _templates(texts: list[str]) -> list[str]:
    """Return the texts with 0 for each digit: all at once where none has a line break, as nearly always."""
    found = "\n".join(texts).encode().translate(_DIGITS).decode().split("\n")
    return found if len(found) == len(texts) else [text.encode().translate(_DIGITS).decode() for text in texts]


def _digits_of(texts: list[str]) -> int:
    """Return how many digits each of the texts is, 0 when that is not so."""
    (width, *others), joined = set(map(len, texts)), "".join(texts)
    if others or width > DIGITS_MAX or not (joined.isascii() and joined.isdigit()):
        return 0
    return width


def _is_layout(template: str) -> bool:
    return template.isascii() and "0" * (DIGITS_MAX + 1) not in template


def _common_head(first: str, last: str) -> str:
    """Return how all texts begin, of the first and the last of them in order."""
    for at, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return first[:at]
    return first


def _runs(middles: list[str], which: list[int], template: str, number: int) -> list[Column]:
    """Return the digit runs of the texts with this template, a column for each run."""
    own = [middles[at] for at, w in enumerate(which) if w == number]
    return [_column([int(text[run.start() : run.end()]) for text in own]) for run in _RUN.finditer(template)]


def _words(values: list[str]) -> Column:
    """Text without a common template: a list of the different ones, and which row has which, where that is shorter."""
    distinct = list(dict.fromkeys(values))
    if len(distinct) * 2 > len(values):
        return ["v", values]
    place = {value: index for index, value in enumerate(distinct)}
    return ["w", distinct, _column([place[value] for value in values])]


def _numbers(values: list[int]) -> Column:
    low = min(values)
    span = max(values) - low
    code = next((code for bound, code in _WIDTHS if span < bound), None)
    if code is None:
        return ["v", values]
    raw = array(code, [value - low for value in values])
    return ["i", low, raw.itemsize, _planes(raw.tobytes(), raw.itemsize)]


def _planes(raw: bytes, width: int) -> bytes:
    return b"".join(raw[plane::width] for plane in range(width))


def _unplaned(planes: bytes, width: int) -> bytes:
    count = len(planes) // width
    raw = bytearray(len(planes))
    for plane in range(width):
        raw[plane::width] = planes[plane * count : (plane + 1) * count]
    return bytes(raw)


class _Reader:
    """Columns back to values. What they become is counted: a few bytes must not unfold into gigabytes."""

    def __init__(self) -> None:
        self._left = UNPACKED_MAX

    def values(self, column: Column, count: int) -> list[Any]:
        """Return a column's values; raise ValueError unless there are `count` of them."""
        tag, *parts = column
        self._spend(count, _VALUE_BYTES)
        read: list[Any] = self._READERS[tag](self, parts, count)
        if len(read) != count:
            raise ValueError(f"a column {tag!r} has {len(read)} values, not {count}")
        return read

    def _spend(self, count: int, each: int) -> None:
        self._left -= count * each
        if self._left < 0:
            raise ValueError(f"more than {UNPACKED_MAX} bytes")

    def _constant(self, parts: Column, count: int) -> list[Any]:
        (value,) = parts
        self._spend(count, len(msgspec.json.encode(value)))
        return [value] * count

    def _objects(self, parts: Column, count: int) -> list[Any]:
        shapes, which_column, keys, columns = parts
        which = self.values(which_column, count)
        self._spend(count, max(len(_encoder.encode("".join(shape))) for shape in shapes))
        if len(shapes) == 1 and columns:  # nearly always, and much quicker
            (names,), read = shapes, [self.values(column, count) for column in columns]
            if len(names) != len(read):
                raise ValueError(f"{len(read)} columns for {len(names)} keys")
            named = _struct_of(tuple(names))
            return list(map(named, *read) if named else map(dict, map(zip, repeat(names), zip(*read, strict=True))))
        counts = Counter(which)
        having = {key: sum(counts[number] for number, shape in enumerate(shapes) if key in shape) for key in keys}
        sources = {key: iter(self.values(column, having[key])) for key, column in zip(keys, columns, strict=True)}
        plans = [
            (
                shape,
                _struct_of(tuple(shape)) if counts[number] >= STRUCT_FROM else None,
                [sources[key] for key in shape],
            )
            for number, shape in enumerate(shapes)
        ]
        return [
            named(*map(next, taken)) if named else dict(zip(shape, [next(each) for each in taken], strict=True))
            for shape, named, taken in map(plans.__getitem__, which)
        ]

    def _tuples(self, parts: Column, count: int) -> list[Any]:
        (columns,) = parts
        return [list(row) for row in zip(*(self.values(column, count) for column in columns), strict=True)]

    def _lists(self, parts: Column, count: int) -> list[Any]:
        lengths_column, items_column = parts
        lengths = self.values(lengths_column, count)
        items = iter(self.values(items_column, sum(lengths)))
        return [list(islice(items, length)) for length in lengths]

    def _uuids(self, parts: Column, count: int) -> list[Any]:
        (planes,) = parts
        self._spend(count, _UUID_LENGTH)
        digits = _unplaned(planes, 16).hex()
        return [
            f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"
            for d in (digits[at : at + 32] for at in range(0, len(digits), 32))
        ]

    def _texts(self, parts: Column, count: int) -> list[Any]:
        head, templates, which_column, columns = parts
        which = self.values(which_column, count)
        sources: list[list[str]] = []
        for number, (template, runs) in enumerate(zip(templates, columns, strict=True)):
            own = which.count(number)
            self._spend(own, len(_encoder.encode(head)) + len(template))
            layout = head.replace("%", "%%") + _layout(template)
            numbers = [self.values(column, own) for column in runs]
            rows = zip(*numbers, strict=True) if runs else repeat((), own)
            sources.append([layout % row for row in rows])
        if len(sources) == 1 and len(sources[0]) == count:  # as most are, and nothing need be put in order
            return sources[0]
        takes = [iter(source).__next__ for source in sources]
        return [takes[number]() for number in which]

    def _words(self, parts: Column, count: int) -> list[Any]:
        distinct, which = parts
        self._spend(count, max(len(msgspec.json.encode(word)) for word in distinct))
        return [distinct[index] for index in self.values(which, count)]

    def _numbers(self, parts: Column, _count: int) -> list[Any]:
        low, width, planes = parts
        raw = array(_CODES[width], _unplaned(planes, width))
        return [value + low for value in raw]

    def _as_they_are(self, parts: Column, _count: int) -> list[Any]:
        (read,) = parts
        return list(read)

    _READERS = {
        "c": _constant,
        "o": _objects,
        "t": _tuples,
        "l": _lists,
        "u": _uuids,
        "s": _texts,
        "w": _words,
        "i": _numbers,
        "v": _as_they_are,
    }


@lru_cache(STRUCTS_MAX)
def _struct_of(names: tuple[str, ...]) -> Callable[..., Struct] | None:
    """Return what is made of values and written as an object with these keys is, in a fifth of the time that a dict takes; None
    where a key has to be escaped.
    """
    try:
        keys = [(f"key_{at}", Any, msgspec.field(name=name)) for at, name in enumerate(names)]
        return msgspec.defstruct("Object", keys, gc=False)
    except ValueError:
        return None


def _layout(template: str) -> str:
    """Return the template as a %-format: each run of digits with its leading zeros."""
    return _RUN.sub(lambda run: f"%0{run.end() - run.start()}d", template.replace("%", "%%"))
