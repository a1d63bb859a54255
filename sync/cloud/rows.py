"""What the cloud reads in a row: its key, and what it adds to the sums. Everything else stays the bytes received. Pure.

A row of an unknown stream, kind or shape reads as None: it is kept and passed on, and counts in no sum.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from sync.retail.sales import AMOUNT_MAX

NUMBER_MAX = 10**15  # of a tally: a thousand sums of it still fit into SQLite's integers
Key = Annotated[str, Meta(min_length=1, max_length=200)]
Money = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]


class Fact(NamedTuple):
    """A fact's key, empty where facts of its kind may share one; what it adds to its stream's sum; the sale it names."""

    key: str
    unit: str = ""
    amount: int = 0
    sale_id: str = ""


class Tally(NamedTuple):
    """A tally's key, and its numbers by field name."""

    key: str
    numbers: dict[str, int]


class _Sale(Struct):
    sale_id: Key
    currency: Currency
    total: Money


class _SaleFact(Struct):
    sale: _Sale


class _Return(Struct):
    return_id: Key
    sale_id: Key


class _ReturnFact(Struct):
    content: _Return = msgspec.field(name="return")
    currency: Currency
    refund: Money


class _Movement(Struct):
    movement_id: Key


class _MovementFact(Struct):
    movement: _Movement


class _Print(Struct):
    job_id: Key


class _Level(Struct):
    sku: Key
    location: Key
    received: Number
    issued: Number


class _Footfall(Struct):
    entrance: Key
    quarter: Key
    entered: Number = msgspec.field(name="in")
    left: Number = msgspec.field(name="out")


_sale = msgspec.json.Decoder(_SaleFact)
_return = msgspec.json.Decoder(_ReturnFact)
_movement = msgspec.json.Decoder(_MovementFact)
_print = msgspec.json.Decoder(_Print)
_level = msgspec.json.Decoder(_Level)
_footfall = msgspec.json.Decoder(_Footfall)


def _read_sale(row: bytes) -> Fact:
    sale = _sale.decode(row).sale
    return Fact(sale.sale_id, sale.currency, sale.total)


def _read_return(row: bytes) -> Fact:
    fact = _return.decode(row)
    return Fact(fact.content.return_id, fact.currency, fact.refund, fact.content.sale_id)


def _read_movement(row: bytes) -> Fact:
    return Fact(_movement.decode(row).movement.movement_id)


def _read_print(row: bytes) -> Fact:
    _print.decode(row)
    return Fact("")


def _read_level(row: bytes) -> Tally:
    level = _level.decode(row)
    return Tally(key_of(level.sku, level.location), {"received": level.received, "issued": level.issued})


def _read_footfall(row: bytes) -> Tally:
    window = _footfall.decode(row)
    return Tally(key_of(window.entrance, window.quarter), {"in": window.entered, "out": window.left})


_FACTS: dict[str, Callable[[bytes], Fact]] = {
    "sales": _read_sale,
    "returns": _read_return,
    "stock": _read_movement,
    "prints": _read_print,
}
_TALLIES: dict[str, Callable[[bytes], Tally]] = {"levels": _read_level, "footfall": _read_footfall}
SUMMED = frozenset({"sales", "returns", "footfall"})
NUMBERED_BY_STORE = frozenset({"stock"})  # its ids are unique in their store only: every store has an opening~TEA-01


def is_tally_stream(stream: str) -> bool:
    """Whether rows of this stream are merged by key."""
    return stream in _TALLIES


def read_facts(stream: str, rows: list[bytes]) -> list[Fact | None]:
    """Return what is to be known of each row; None for one that cannot be read."""
    read = _FACTS.get(stream)
    if read is None:
        return [None] * len(rows)
    try:
        return [read(row) for row in rows]
    except (msgspec.MsgspecError, RecursionError):
        return [_one(read, row) for row in rows]


def read_tally(stream: str, row: bytes) -> Tally | None:
    """Return a tally's key and numbers; None for a row that cannot be read."""
    tally: Tally | None = _one(_TALLIES[stream], row)
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
    return msgspec.json.encode(parts).decode()


def shown_key(stream: str, row: bytes) -> str | None:
    """Return what stands in a feed as the key of a row, None where it has none."""
    if stream in _TALLIES:
        tally = read_tally(stream, row)
        return tally.key if tally else None
    if stream == "prints":
        try:
            return _print.decode(row).job_id
        except (msgspec.MsgspecError, RecursionError):
            return None
    fact = read_facts(stream, [row])[0]
    return fact.key if fact else None


def is_json_line(row: bytes) -> bool:
    """Whether a row can stand in a line of NDJSON as the bytes it is."""
    try:
        msgspec.json.decode(row)
        row.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return b"\n" not in row and b"\r" not in row


def _one(read: Callable[[bytes], Any], row: bytes) -> Any:  # Any: what `read` returns
    try:
        return read(row)
    except (msgspec.MsgspecError, RecursionError):
        return None
