"""Rows of others into their tables: the one place where batches that came meet tables, for every entity.

    apply_rows     rows of another writer, merged by their kind; what cannot be read is kept as it came
    adopt_unknown  what an earlier version could not read, once this one declares it

Not here: tables as rows (sync.store.reading); digests, cursors and the rule who may write what stream (sync.store.cursors, the
books). Functions of a write job.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import blake2b
from sqlite3 import Connection
from typing import Any, NamedTuple, Union

import msgspec
from msgspec import Struct

from sync.batch import SEQ_MAX, Row
from sync.entities import REGISTRY, Registry
from sync.json_errors import NOT_JSON
from sync.kinds import Entity, Kind
from sync.model import Feed
from sync.paths import plain_type
from sync.store.facts import Duplicate, add_facts, fact_of
from sync.store.shared import take_shared
from sync.store.tables import Table, table_of
from sync.store.unknown import forget, has_whole, keep_unknown, keep_whole, release, untried

ADOPT_MAX = 1000  # rows of one job at start, so that nothing waits for long
_encoder = msgspec.json.Encoder()
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Read = tuple[int, bytes, Any]
"""A row's seq, its bytes, and what it says. Any: each entity has its own Struct."""


class _Sorted(NamedTuple):
    """Rows by table, and those that cannot be read; `is_ours`: all are written as this version writes them."""

    readable: dict[Table, list[Read]]
    odd: list[Row]
    is_ours: bool


class Taken(Struct, frozen=True):
    """What came of rows. `counted` and `fallen` are the facts that count from now on, and no more: see sync.effects.

    `unread` rows are kept as bytes; `changed` said something new.
    """

    changed: int = 0
    unread: int = 0
    duplicates: tuple[Duplicate, ...] = ()
    counted: tuple[bytes, ...] = ()
    fallen: tuple[bytes, ...] = ()

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


def apply_rows(
    tx: Connection,
    stream: str,
    rows: Sequence[Row],
    *,
    replica: int,
    rep: str,
    is_owner: bool = False,
    is_known: bool = False,
    feed: Feed = Feed.LOG,
    registry: Registry = REGISTRY,
) -> Taken:
    """Merge rows of another writer. `is_owner`: of the authority over registers, before which this shop's own give way.

    `is_known`: they have come before and are read anew. `feed` is that of the batch: of a stream that is not known here only a
    log has effects that count.
    """
    readable, odd, is_ours = _sorted_out(rows, registry.of(stream), rep)
    taken = Taken()
    tried = fingerprint(registry)
    for table, group in readable.items():
        taken += _merge(
            *(tx, table, group),
            replica=replica,
            rep=rep,
            is_owner=is_owner,
            is_known=is_known,
            is_ours=is_ours,
            tried=tried,
        )
    if odd:
        keep_unknown(tx, replica, stream, odd, tried=tried)
        is_log = registry.feeds.get(stream, feed) is Feed.LOG
        taken += Taken(unread=len(odd), counted=tuple(body for _, body in odd) if is_log else ())
    return taken


def merge_read(
    tx: Connection, entity: Entity, rows: Sequence[Read], *, replica: int, rep: str, is_owner: bool = False
) -> Taken:
    """As apply_rows, for rows of one entity that were read before, all of them written as this version writes them."""
    return _merge(
        *(tx, table_of(entity), rows),
        replica=replica,
        rep=rep,
        is_owner=is_owner,
        is_known=False,
        is_ours=True,
        tried=fingerprint(),
    )


def adopt_unknown(tx: Connection, *, registry: Registry = REGISTRY) -> tuple[Taken, bool]:
    """Apply kept rows that these declarations have not tried, ADOPT_MAX at a time; say whether there are more.

    Effects of facts were summed when they came: `counted` is empty, `fallen` are those that turned out to be second ones.
    """
    tried = fingerprint(registry)
    kept = untried(tx, tried, limit=ADOPT_MAX)
    groups: dict[tuple[int, str, str], list[Row]] = {}
    for replica, rep, stream, seq, body in kept:
        groups.setdefault((replica, rep, stream), []).append((seq, body))
    total = Taken()
    for (replica, rep, stream), rows in groups.items():
        release(tx, replica, stream, [seq for seq, _ in rows])
        taken = apply_rows(tx, stream, rows, replica=replica, rep=rep, is_known=True, registry=registry)
        counted = set(taken.counted)
        is_log = registry.feeds.get(stream) is Feed.LOG
        second = tuple(body for _, body in rows if body not in counted) if is_log else ()
        total += Taken(taken.changed, taken.unread, taken.duplicates, (), (*taken.fallen, *second))
    return total, len(kept) == ADOPT_MAX


def keep_the_rest(
    tx: Connection, entity: Entity, rows: Sequence[Read], *, replica: int, tried: str = "", is_ours: bool = False
) -> None:
    """Keep the bytes of state rows that say more than is known here; forget those that newer rows have replaced.

    `is_ours`: all are written as this version writes them, so that only its own fields can say more than its columns.
    """
    table = table_of(entity)
    more: list[Read] = []
    if not is_ours or table.say_more(rows):
        more = [
            (seq, body, row)
            for seq, body, row in rows
            if table.say_more([(seq, body, row)])
            or (_encoder.encode(row) != body and _has_unknown(msgspec.json.decode(body), type(row)))
        ]
    if has_whole(tx, replica, entity.stream):
        forget(tx, replica, entity.stream, [_kept_key(table, row) for _, _, row in rows])
    if more:
        kept = [(seq, body, _kept_key(table, row)) for seq, body, row in more]
        keep_whole(tx, replica, entity.stream, kept, tried=tried or fingerprint())


@cache
def fingerprint(registry: Registry = REGISTRY) -> str:
    """Return a name of what these declarations can read: another one, and kept rows are tried again."""
    said = [
        (each.name, each.stream, each.table, _shape(each.row))
        for each in sorted(registry.entities, key=lambda each: each.name)
    ]
    return blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()


def _sorted_out(rows: Sequence[Row], entities: tuple[Entity, ...], rep: str) -> _Sorted:
    """Return the rows of each table that can be read, and those that cannot."""
    if not entities:
        return _Sorted({}, list(rows), False)
    decoder, table_of_row = _reader(entities)
    is_state = all(entity.kind is not Kind.FACT for entity in entities)
    values, is_ours = _read_all(decoder, rows, is_state=is_state)
    if values is not None:  # as nearly always: nothing need be asked of each row
        read = [(seq, body, value) for (seq, body), value in zip(rows, values, strict=True)]
        groups = _by_table(read, table_of_row)
        if all(_may_all_stand(table.entity, group) for table, group in groups.items()):
            return _Sorted(groups, [], is_ours)
    readable: dict[Table, list[Read]] = {}
    odd: list[Row] = []
    for seq, body in rows:
        value = _read(decoder.decode, body)
        table = table_of_row.get(type(value))
        if table is None or not _may_stand(table.entity, value, rep):
            odd.append((seq, body))
        else:
            readable.setdefault(table, []).append((seq, body, value))
    return _Sorted(readable, odd, False)


def _by_table(read: list[Read], table_of_row: dict[type, Table]) -> dict[Table, list[Read]]:
    kinds = {type(value) for _, _, value in read}
    if len(kinds) == 1:
        return {table_of_row[kinds.pop()]: read}
    return {table_of_row[kind]: [each for each in read if type(each[2]) is kind] for kind in kinds}


def _read_all(
    decoder: msgspec.json.Decoder[Any], rows: Sequence[Row], *, is_state: bool
) -> tuple[list[Any] | None, bool]:
    """Return what the rows say, None when one cannot be read, and whether all are written as this version writes them.

    Then they are read in one go: the same bytes, in as many lines, is each row's own value (as in sync.columns). Not facts: of
    those only some fields are read.
    """
    bodies = [body for _, body in rows]
    lines = b"\n".join([*bodies, b""])
    try:
        if b"\\u0000" in lines or not _is_utf8(lines):
            return None, False
        values = decoder.decode_lines(lines) if is_state else []
        if len(values) == len(bodies) and _encoder.encode_lines(values) == lines:
            return values, True
        return list(map(decoder.decode, bodies)), False
    except NOT_JSON:
        return None, False


def _is_utf8(raw: bytes) -> bool:
    """The decoder looks only at text that has a place in the row."""
    try:
        return raw.isascii() or bool(raw.decode())
    except UnicodeDecodeError:
        return False


def _may_all_stand(entity: Entity, read: Sequence[Read]) -> bool:
    """Whether `_may_stand` need not be asked of each row."""
    if entity.written_by:
        return False
    if entity.kind is not Kind.REGISTER or entity.is_shared:
        return True
    versions = [row.n for _, _, row in read]
    return bool(min(versions) >= 0 and max(versions) <= SEQ_MAX)


def _merge(
    tx: Connection,
    table: Table,
    rows: Sequence[Read],
    *,
    replica: int,
    rep: str,
    is_owner: bool,
    is_known: bool,
    is_ours: bool,
    tried: str,
) -> Taken:
    entity = table.entity
    if entity.kind is Kind.FACT:
        added = add_facts(tx, table, [fact_of(table, *row) for row in rows], replica=replica, rep=rep)
        return Taken(len(rows), 0, added.duplicates, added.counted, added.fallen)
    if entity.is_shared:
        return Taken(changed=take_shared(tx, table, rows, replica=replica))
    values = table.values_of
    statement = table.insert_anew if is_known else table.insert_as_owner if is_owner else table.insert
    if entity.kind is Kind.TALLY:
        parameters = [(*values(row), replica, seq) for seq, _, row in rows]
    else:
        parameters = [(*values(row), replica, seq, row.n, row.gone) for seq, _, row in rows]
    misfits: list[Row] = []
    try:
        changed = tx.executemany(statement, parameters).rowcount
    except (OverflowError, sqlite3.IntegrityError):
        changed, misfits = _one_by_one(tx, statement, parameters, rows)
        keep_unknown(tx, replica, entity.stream, misfits, tried=tried)
    keep_the_rest(tx, entity, rows, replica=replica, tried=tried, is_ours=is_ours)
    return Taken(changed=changed, unread=len(misfits))


def _one_by_one(
    tx: Connection, statement: str, parameters: Sequence[tuple[Any, ...]], rows: Sequence[Read]
) -> tuple[int, list[Row]]:
    """A row that no column takes must not stop those beside it."""
    changed, misfits = 0, []
    for values, (seq, body, _) in zip(parameters, rows, strict=True):
        try:
            changed += tx.execute(statement, values).rowcount
        except (OverflowError, sqlite3.IntegrityError):
            misfits.append((seq, body))
    return changed, misfits


def _kept_key(table: Table, row: Any) -> str:
    return f"{table.entity.name} {table.key_text(row)}"


@cache
def _reader(entities: tuple[Entity, ...]) -> tuple[msgspec.json.Decoder[Any], dict[type, Table]]:
    """Return the decoder of a stream's rows, and the table of each Struct that it gives."""
    tables = {table_of(entity).row: table_of(entity) for entity in entities}
    kinds = tuple(tables)
    return msgspec.json.Decoder(Union[kinds]), dict(tables)  # noqa: UP007 - made of a list


def _read(decode: Callable[[bytes], Any], body: bytes) -> Any:
    if (b"\\u0000" in body and _NUL.search(body)) or not _is_utf8(body):
        return None
    try:
        return decode(body)
    except NOT_JSON:
        return None


def _may_stand(entity: Entity, row: Any, rep: str) -> bool:
    """Whether a row's writer may say this: keys that name a writer name this one, versions are versions."""
    if entity.kind is Kind.REGISTER and not entity.is_shared and not 0 <= row.n <= SEQ_MAX:
        return False
    if not entity.written_by:
        return True
    path = next(column.path for column in entity.key if column.name == entity.written_by)
    return bool(getattr(row, path) == (rep if entity.kind is Kind.TALLY else rep.rpartition(":")[0]))


def _has_unknown(raw: Any, row: Any) -> bool:
    """Whether an object has a field that its Struct has not. Any: JSON, types."""
    if not (isinstance(raw, dict) and isinstance(row, type) and issubclass(row, Struct)):
        return False
    known = {field.encode_name: field for field in msgspec.structs.fields(row)}
    tag = row.__struct_config__.tag_field
    return any(name not in known and name != tag for name in raw) or any(
        _has_unknown(value, plain_type(known[name])) for name, value in raw.items() if name in known
    )


def _shape(row: Any) -> Any:
    """Return the names of all fields. Any: types in, JSON out."""
    if not (isinstance(row, type) and issubclass(row, Struct)):
        return str(row)
    return {field.encode_name: _shape(plain_type(field)) for field in msgspec.structs.fields(row)}
