"""What the cloud reads in a row, by its declaration: its key, and what it adds to the sums. The rest stays as it came. Pure.

A row of an unknown stream, kind or shape reads as None: it is kept and passed on, and counts in no sum. Only the fields that are
wanted are read, with bounds of their own: what a later till may say is no reason to count a sale in no sum.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, Union

import msgspec
from msgspec import Meta, Struct

from sync.effects import may_hold
from sync.entities import REGISTRY
from sync.json_errors import NOT_JSON
from sync.kinds import Entity, Kind, Measure
from sync.model import Feed, Stream
from sync.paths import field_at, getter, part_of, plain_type
from sync.retail.selling.sales import AMOUNT_MAX
from sync.retail.stock.levels import NUMBER_MAX, Number

Key = Annotated[str, Meta(min_length=1, max_length=200)]
KeyNumber = Annotated[int, Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
Money = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]


_encode = msgspec.json.Encoder().encode
_NUL = re.compile(
    rb"(?<!\\)(?:\\\\)*\\u0000"
)  # U+0000 in a text: PostgreSQL takes none, so no row that has one is read


class Fact(NamedTuple):
    """A fact's key, empty where facts of its kind may share one; what it adds to its stream's sum; the sale it names."""

    key: str
    unit: str = ""
    amount: int = 0
    sale_id: str = ""


class Tally(NamedTuple):
    """A state row's key, and its numbers by field name: a tally's, a register's version."""

    key: str
    numbers: dict[str, int]


class _Reader:
    """Reads rows of one stream. Any: rows are parts of the entities' own Structs."""

    def __init__(self, entities: tuple[Entity, ...]) -> None:
        parts = {part_of(each.row, _wanted(each)): each for each in entities}
        self._read = {part: _read_of(part, each, len(entities) > 1) for part, each in parts.items()}
        self._decode = msgspec.json.Decoder(Union[tuple(parts)]).decode  # noqa: UP007 - made of a list
        self._only = next(iter(self._read.values())) if len(entities) == 1 else None

    def many(self, rows: list[bytes]) -> list[Any]:
        """Read rows; raise msgspec.MsgspecError when one of them is none."""
        if self._only is not None:
            read, decode = self._only, self._decode
            return [read(decode(row)) for row in rows]
        return [self._read[type(part)](part) for part in map(self._decode, rows)]

    def one(self, row: bytes) -> Any:
        """Read a row; None for one that cannot be read."""
        if has_nul(row):
            return None
        try:
            part = self._decode(row)
        except NOT_JSON:
            return None
        return self._only(part) if self._only else self._read[type(part)](part)


def _read_of(part: type[Struct], entity: Entity, is_one_of_several: bool) -> Callable[[Any], Any]:
    """Return the function from a part of a row to a Fact or a Tally."""
    key = _key_reader(part, entity, is_one_of_several)
    if entity.kind is not Kind.FACT:
        return _tally_reader(part, entity, key, is_list=len(entity.key) > 1 and not is_one_of_several)
    measure = entity.measure or Measure()
    paths = (measure.unit, measure.amount, next((each.path for each in entity.names if each.entity == "sale"), ""))
    if is_one_of_several or len(entity.key) != 1 or "" in paths[:2]:
        more = [getter(part, (path,)) if path else _nothing(at == 1) for at, path in enumerate(paths)]
        return lambda row: Fact(key(row), *(read(row)[0] for read in more))
    at_once = getter(part, (entity.key[0].path, *(path for path in paths if path)))
    return lambda row: Fact(*at_once(row))


def _nothing(is_amount: bool) -> Callable[[Any], tuple[Any, ...]]:
    nothing = (0 if is_amount else "",)
    return lambda _: nothing


def _tally_reader(
    part: type[Struct], entity: Entity, key: Callable[[Any], str], *, is_list: bool
) -> Callable[[Any], Tally]:
    """Numbers of a tally, the version of a register, nothing of a shared one: its writer's later row says all that it said."""
    names = [column.path for column in entity.numbers]
    if entity.kind is Kind.REGISTER and not entity.is_shared:
        names = ["n"]
    size, get = len(entity.key), getter(part, (*(column.path for column in entity.key), *names))

    def read(row: Any) -> Tally:
        values = get(row)
        said = _encode(values[:size]).decode() if is_list else key(row)
        return Tally(said, dict(zip(names, values[size:], strict=True)))

    return read


def _key_reader(part: type[Struct], entity: Entity, is_one_of_several: bool) -> Callable[[Any], str]:
    """A key of several parts, or of one entity of several in its stream, is a list as text."""
    if not entity.key:
        return lambda _: ""
    get = getter(part, tuple(column.path for column in entity.key))
    if is_one_of_several:
        return lambda row: key_of(entity.name, *get(row))
    if len(entity.key) == 1 and _key_type(entity, entity.key[0].path) is Key:
        return lambda row: str(get(row)[0])
    return lambda row: key_of(*get(row))


def _wanted(entity: Entity) -> Mapping[str, Any]:
    """Return path -> the type it is read as. Any: annotated types."""
    wanted: dict[str, Any] = {column.path: _key_type(entity, column.path) for column in entity.key}
    wanted |= {column.path: Number for column in entity.numbers}
    wanted |= {named.path: Key for named in entity.names if named.path not in wanted}
    if entity.shown:
        wanted[entity.shown] = Key
    if entity.kind is Kind.REGISTER and not entity.is_shared:
        wanted["n"] = Number
    if entity.measure and entity.measure.amount:
        wanted |= {entity.measure.amount: Money} | ({entity.measure.unit: Currency} if entity.measure.unit else {})
    return wanted


def _key_type(entity: Entity, path: str) -> Any:
    return KeyNumber if plain_type(field_at(entity.row, path)) is int else Key


_READERS = {stream: _Reader(entities) for stream, entities in REGISTRY.streams.items()}
_SHOWN = {
    stream: msgspec.json.Decoder(part_of(entities[0].row, {entities[0].shown: Key}))
    for stream, entities in REGISTRY.streams.items()
    if entities[0].shown
}
_MERGED = frozenset(
    stream for stream, feed in REGISTRY.feeds.items() if feed is Feed.STATE and stream != Stream.CATALOGUE
)
SUMMED = frozenset(each.stream for each in REGISTRY.entities if each.measure is not None)
NUMBERED_BY_STORE = frozenset(each.stream for each in REGISTRY.entities if each.is_key_of_store)


def has_nul(row: bytes) -> bool:
    """Whether a text in a row has U+0000, so that it is read by nobody here."""
    return b"\\u0000" in row and _NUL.search(row) is not None


def is_tally_stream(stream: str) -> bool:
    """Whether rows of this stream are merged by key and writer: tallies, and registers that stores write."""
    return stream in _MERGED


def read_facts(stream: str, rows: list[bytes]) -> list[Fact | None]:
    """Return what is to be known of each row; None for one that cannot be read."""
    reader = None if stream in _MERGED or stream == Stream.CATALOGUE else _READERS.get(stream)
    if reader is None:
        return [None] * len(rows)
    if not may_hold(b"\\u0000", rows):
        with suppress(*NOT_JSON):
            return reader.many(rows)
    return [reader.one(row) for row in rows]


def read_tally(stream: str, row: bytes) -> Tally | None:
    """Return a state row's key and numbers; None for a row that cannot be read."""
    tally: Tally | None = _READERS[stream].one(row)
    return tally


def merged(stored: bytes, arrived: bytes, one: Tally, other: Tally) -> bytes | None:
    """Return the row of the larger numbers, None when `stored` has them all. A row that has them all stays as it came."""
    larger = {name: max(number, other.numbers[name]) for name, number in one.numbers.items()}
    if larger == other.numbers:
        return None if arrived == stored else arrived
    if larger == one.numbers:
        return None
    fields: dict[str, Any] = msgspec.json.decode(arrived)  # Any: a row's other fields
    return msgspec.json.encode(fields | larger)


def key_of(*parts: str | int) -> str:
    """Return a key of several parts as one text: a JSON list, so that no two keys are the same text."""
    return _encode(parts).decode()


def shown_key(stream: str, row: bytes) -> str | None:
    """Return what stands in a feed as the key of a row, None where it has none."""
    if stream in _SHOWN:
        try:
            shown: str = msgspec.structs.astuple(_SHOWN[stream].decode(row))[0]
        except NOT_JSON:
            return None
        return shown
    read = _READERS[stream].one(row) if stream in _READERS else None
    return read.key if read is not None else None


def is_json_line(row: bytes) -> bool:
    """Whether a row can stand in a line of NDJSON as the bytes it is."""
    try:
        msgspec.json.decode(row)
        row.decode()
    except NOT_JSON:
        return False
    return b"\n" not in row and b"\r" not in row
