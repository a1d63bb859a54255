"""What the rows of a log below a boundary came to, told in their place to a peer that holds less: stock, keys, receipt numbers.

    a row                                                         says
    ["stock", sku, location, on_hand, received, issued, picked]   what they did to the shelf, and to their writer's levels
    ["key", entity, key, hash, seq, pruned_ms, said, stock]       a fact's key, so that nothing under it is booked again;
                                                                  `stock` is what the fact did, where another has that key
    ["fell", entity, key, seq, pruned_ms, stock]                  a fact that gave way to another writer's under its key; when
                                                                  its own writer is sealed it stands
    ["receipt", till_id, series, n]                               the last number of a series

Rows are JSON, so that they travel by column as any other; a kind of a later version is passed over. `on_hand` counts the facts
that stand, the others are every fact's. Opening + later facts = stock, always. Pure. Source: the design, 3.2 (Retention).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import sub
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sync.batch import SEQ_MAX, Boundary, Rep, Seq, StreamName
from sync.effects import EFFECTS_MAX, Effect, Text
from sync.errors import ProtocolError
from sync.json_errors import NOT_JSON

BYTES_MAX = 64 * 1024 * 1024  # of one opening, unpacked: 900,000 SKUs; a larger one is told as rows
PART_BYTES = 200 * 1024  # of one frame, before it is packed
PART_ROWS = 4000
PARTS_MAX = 1000
PIECE_ROWS = 1000  # of what is booked in one job: a sale waits for no more
PIECE_BYTES = 200 * 1024
Number = Annotated[int, Meta(ge=-SEQ_MAX, le=SEQ_MAX)]
LongText = Annotated[str, Meta(max_length=20_000)]
Effects = Annotated[tuple[Effect, ...], Meta(max_length=EFFECTS_MAX)]
Totals = tuple[int, int, int, int]
"""on_hand, received, issued, picked."""
NOTHING: Totals = (0, 0, 0, 0)
Place = tuple[str, str]


class Came(Struct, frozen=True, array_like=True, tag="stock"):
    """What the rows of one SKU at one location came to."""

    sku: Text
    location: Text
    on_hand: Number = 0
    received: Number = 0
    issued: Number = 0
    picked: Number = 0

    @property
    def totals(self) -> Totals:
        """Its numbers."""
        return self.on_hand, self.received, self.issued, self.picked


class Left(Struct, frozen=True, array_like=True, tag="key"):
    """What is left of a fact. `content_hash` is in hex, `said` is JSON that the entity's owner understands."""

    entity: Text
    key: Annotated[str, Meta(min_length=1, max_length=2000)]
    content_hash: Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){0,64}\Z")]
    seq: Seq
    pruned_ms: Seq
    said: LongText = "{}"
    stock: Effects = ()


class Fell(Struct, frozen=True, array_like=True, tag="fell"):
    """What is left of a fact that did not stand when it was told."""

    entity: Text
    key: Annotated[str, Meta(min_length=1, max_length=2000)]
    seq: Seq
    pruned_ms: Seq
    stock: Effects = ()


class Numbered(Struct, frozen=True, array_like=True, tag="receipt"):
    """The last receipt number of a series."""

    till_id: Text
    series: Text
    last_n: Seq


Said = Came | Left | Fell | Numbered
_KINDS = frozenset(("stock", "key", "fell", "receipt"))


class Opening(Struct, frozen=True):
    """All that is told in the place of the rows up to `at`."""

    at: Boundary
    rows: tuple[bytes, ...] = ()


class Part(Struct, frozen=True):
    """Some rows of an opening, the `n`-th of its parts; `more`: others follow."""

    rep: Rep
    stream: StreamName
    at: Boundary
    n: int
    more: bool
    rows: tuple[bytes, ...] = ()


class _Moves(Struct):
    stock: Effects = ()
    picked: Effects = ()


_decode_moves = msgspec.json.Decoder(_Moves).decode
_decode = msgspec.json.Decoder(Said)
_decode_any = msgspec.json.Decoder(list[object])
encode = msgspec.json.Encoder().encode


def came_rows(sums: Mapping[Place, Sequence[int]]) -> list[bytes]:
    """Return the rows of sums by (sku, location); none for what came to nothing."""
    return [encode(Came(*place, *totals)) for place, totals in sorted(sums.items()) if any(totals)]


def add_moves(sums: dict[Place, list[int]], row: bytes, *, is_counted: bool, is_known: bool) -> None:
    """Add what a fact did to sums: to the shelf where it counts, to its writer's levels where it can be read."""
    moves = _moves_of(row)
    for effect in moves.stock:
        total = sums.setdefault((effect.sku, effect.location), [0, 0, 0, 0])
        total[0] += effect.qty if is_counted else 0
        if is_known:
            total[1 if effect.qty > 0 else 2] += abs(effect.qty)
    for effect in moves.picked if is_known else ():
        sums.setdefault((effect.sku, effect.location), [0, 0, 0, 0])[3] += effect.qty


def read(rows: Iterable[bytes]) -> Iterator[Said]:
    """Yield what the rows say, those of kinds that are not known here left out; raise ProtocolError for no such rows."""
    for row in rows:
        try:
            yield _decode.decode(row)
        except NOT_JSON as err:
            if _kind_of(row) in (None, *_KINDS):
                raise ProtocolError(f"an opening balance has a row that is none: {err}") from err


def parts_of(rep: str, stream: str, opening: Opening) -> list[Part]:
    """Return an opening cut into frames, one at least; nothing when it is too large to be told."""
    if sum(map(len, opening.rows)) > BYTES_MAX:
        return []
    groups = list(_grouped(opening.rows, rows_max=PART_ROWS, bytes_max=PART_BYTES)) or [()]
    last = len(groups) - 1
    return [Part(rep, stream, opening.at, n, n < last, group) for n, group in enumerate(groups)]


def pieces_of(opening: Opening) -> Iterator[tuple[bytes, ...]]:
    """Yield the rows of an opening, as many at a time as one job books."""
    return _grouped(opening.rows, rows_max=PIECE_ROWS, bytes_max=PIECE_BYTES)


def less(rows: Iterable[bytes], counted: dict[Place, Totals]) -> Iterator[bytes]:
    """Yield rows with what they say of stock less what is counted there already; that is taken out of `counted`."""
    for said in read(rows):
        yield encode(_less(said, counted) if isinstance(said, Came) else said)


def nothing_of(counted: dict[Place, Totals]) -> Iterator[tuple[bytes, ...]]:
    """Yield rows, as many at a time as one job books, that take out what is counted and was not told."""
    rows = [encode(_less(Came(*place), counted)) for place in list(counted)]
    yield from _grouped(rows, rows_max=PIECE_ROWS, bytes_max=PIECE_BYTES)


class Gathered:
    """Openings on their way, by stream, until their last part is here."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[Part]] = {}
        self._size = 0

    def take(self, part: Part) -> Opening | None:
        """Take the next part; return the opening with its last one. Raise ProtocolError for one out of order or too large."""
        key = (part.rep, part.stream)
        if part.n == 0:
            self._forget(key)
        parts = self._parts.setdefault(key, [])
        if len(parts) != part.n or part.n >= PARTS_MAX or (parts and parts[0].at != part.at):
            raise ProtocolError(f"{part.rep} {part.stream}: part {part.n} of an opening balance follows {len(parts)}")
        parts.append(part)
        self._size += _size(part)
        if self._size > BYTES_MAX:
            raise ProtocolError(f"{part.rep} {part.stream}: an opening balance of more than {BYTES_MAX} bytes")
        if part.more:
            return None
        self._forget(key)
        return Opening(part.at, tuple(row for each in parts for row in each.rows))

    def _forget(self, key: tuple[str, str]) -> None:
        self._size -= sum(map(_size, self._parts.pop(key, [])))


def _less(said: Came, counted: dict[Place, Totals]) -> Came:
    before = counted.pop((said.sku, said.location), NOTHING)
    return Came(said.sku, said.location, *map(sub, said.totals, before))


def _grouped(rows: Iterable[bytes], *, rows_max: int, bytes_max: int) -> Iterator[tuple[bytes, ...]]:
    """Yield rows in groups within both bounds; a larger row comes alone."""
    group: list[bytes] = []
    size = 0
    for row in rows:
        size += len(row)
        if group and (size > bytes_max or len(group) >= rows_max):
            yield tuple(group)
            group, size = [], len(row)
        group.append(row)
    if group:
        yield tuple(group)


def _size(part: Part) -> int:
    return sum(map(len, part.rows))


def _moves_of(row: bytes) -> _Moves:
    try:
        return _decode_moves(row)
    except NOT_JSON:
        return _Moves()


def _kind_of(row: bytes) -> object:
    try:
        fields = _decode_any.decode(row)
    except NOT_JSON:
        return None
    return fields[0] if fields and isinstance(fields[0], str) else None
