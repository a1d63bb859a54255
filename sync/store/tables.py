"""A declaration compiled: its statements, and a row's values both ways. What is the same for every batch is worked out once.

    table of       columns
    fact           [id] replica seq  key…  columns…  body
    tally          key… replica  numbers…  columns…  seq
    register       [id] key… n replica seq gone  columns…
    shared one     id key… replica seq body: the last row of each writer; what stands is their merge (sync.merge)

Not here: batches (sync.store.rows), the tables' SQL (sync.schema).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from sync.json_errors import NOT_JSON
from sync.kinds import Entity, Kind, Shape
from sync.paths import default_of, field_at, getter, is_optional, part_of, plain_type
from sync.store.values import Columns, Writer, column_value, writer_of

Values = tuple[Any, ...]  # Any: columns of a STRICT table


class Table:
    """What the store does with rows of one entity. Any: values of the entity's own types."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.row = _row_of(entity)
        self._computed = any(column.compute for column in entity.stored)
        self._is_plain = all(column.shape in (Shape.PLAIN, Shape.FLAG) for column in entity.stored)
        self._get = getter(self.row, tuple(column.path for column in entity.stored if column.path))
        unstored = _unstored(entity)
        names = [field.name for field in unstored]
        self._unstored: Callable[[Any], Any] | None = attrgetter(*names) if names else None
        defaults = tuple(default_of(field) for field in unstored)
        self._defaults = {defaults[0] if len(defaults) == 1 else defaults}
        self._whole = msgspec.json.Decoder(entity.row).decode
        self._key_of = getter(self.row, tuple(column.path for column in entity.key))
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(self.row).decode

    @cached_property
    def values_of(self) -> Callable[[Any], Values]:
        """Return the function from a row to the values of `stored`; those of other columns are their default."""
        stored, get = self.entity.stored, self._get
        if self._is_plain and all(column.path for column in stored):
            return get

        def values(row: Any) -> Values:
            read = iter(get(row))
            return tuple(column_value(c.shape, next(read)) if c.path else c.default for c in stored)

        return values

    def fact_values(self, row: Any, body: bytes) -> Values:
        """Return the values of `stored`, those that are computed from the whole row among them.

        A row may hold what no till may say today, and then keeps the default there: it is not refused for it.
        """
        values = self.values_of(row)
        if not self._computed:
            return values
        try:
            whole = row if isinstance(row, self.entity.row) else self._whole(body)
        except NOT_JSON:
            return values
        stored = zip(self.entity.stored, values, strict=True)
        return tuple(column.compute(whole) if column.compute else value for column, value in stored)

    def key_text(self, row: Any) -> str:
        """Return a row's key as one text: a word as it is, anything else as a list, so that no two keys are the same."""
        key = self._key_of(row)
        if len(key) == 1 and isinstance(key[0], str):
            return key[0]
        return msgspec.json.encode(key).decode()

    def say_more(self, rows: Iterable[tuple[int, bytes, Any]]) -> bool:
        """Whether a field that no column holds says something else than its default: in rows of a later version."""
        return (
            self._unstored is not None and not set(map(self._unstored, [row for _, _, row in rows])) <= self._defaults
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of `stored`."""
        return tuple(column.name for column in self.entity.stored)

    @cached_property
    def insert(self) -> str:
        """The statement that takes (values…, replica, seq, …) of one row."""
        return {Kind.FACT: self._insert_fact, Kind.TALLY: self._upsert_tally, Kind.REGISTER: self._upsert_register}[
            self.entity.kind
        ]()

    @cached_property
    def read(self) -> str:
        """The statement that reads a writer's rows: (seq, …) from behind one, at most so many."""
        said = ("body",) if self.keeps_body else self._writer.columns
        return (
            f"SELECT seq, {', '.join(said)} FROM {self.entity.table} WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?"
        )

    @property
    def keeps_body(self) -> bool:
        """Whether the row's bytes stand in the table."""
        return self.entity.kind is Kind.FACT or self.entity.is_shared

    @cached_property
    def write(self) -> Callable[[Columns], list[bytes]]:
        """Return the function from the columns that `read` gave, less the seqs, to the bytes of the rows."""
        return _bodies if self.keeps_body else self._writer.write

    @cached_property
    def _writer(self) -> Writer:
        columns = [(column.path, column.name, column.shape) for column in self.entity.stored]
        if self.entity.kind is Kind.REGISTER:
            columns += [("n", "n", Shape.PLAIN), ("gone", "gone", Shape.FLAG)]
        return writer_of(self.entity.row, columns)

    @cached_property
    def grow(self) -> str:
        """The statement that adds a tally's own (key…, numbers…, replica, seq)."""
        table, entity = self.entity.table, self.entity
        numbers = [column.name for column in entity.numbers]
        columns = [*(column.name for column in entity.key), *numbers, "replica", "seq"]
        grown = [f"{name} = {table}.{name} + excluded.{name}" for name in numbers]
        return (
            f"INSERT INTO {table} {_values(columns)} ON CONFLICT ({_list(column.name for column in entity.key)}, replica) "
            f"DO UPDATE SET {', '.join([*grown, 'seq = excluded.seq'])}"
        )

    def _insert_fact(self) -> str:
        columns = (*self.names, "replica", "seq", "body")
        return f"INSERT INTO {self.entity.table} {_values(columns)} ON CONFLICT DO NOTHING"

    def _upsert_tally(self) -> str:
        table, key = self.entity.table, _list(column.name for column in self.entity.key)
        numbers = [column.name for column in self.entity.numbers]
        grown = [f"{name} = max({name}, excluded.{name})" for name in [*numbers, "seq"]]
        grown += [f"{column.name} = excluded.{column.name}" for column in self.entity.columns]
        larger = [f"excluded.{name} > {table}.{name}" for name in [*numbers, "seq"]]
        return (
            f"INSERT INTO {table} {_values((*self.names, 'replica', 'seq'))} ON CONFLICT ({key}, replica) "
            f"DO UPDATE SET {', '.join(grown)} WHERE {' OR '.join(larger)}"
        )

    @cached_property
    def insert_as_owner(self) -> str:
        """As `insert`, for rows of a register's authority: they replace what this shop wrote before it was joined."""
        table = self.entity.table
        stores = f"(SELECT store FROM replica WHERE id = {table}.replica) = (SELECT store FROM replica WHERE own = 1)"
        return f"{self.insert} OR {stores}"

    @cached_property
    def insert_anew(self) -> str:
        """As `insert`, for state rows that are read anew: the version that stands may say more to a later program."""
        table = self.entity.table
        same = "n" if self.entity.kind is Kind.REGISTER else "seq"
        return f"{self.insert} OR (excluded.replica = {table}.replica AND excluded.{same} = {table}.{same})"

    def _upsert_register(self) -> str:
        table, key = self.entity.table, _list(column.name for column in self.entity.key)
        if self.entity.is_shared:
            return (
                f"INSERT INTO {table} {_values((*self.names, 'replica', 'seq', 'body'))} ON CONFLICT ({key}, replica) "
                f"DO UPDATE SET seq = excluded.seq, body = excluded.body WHERE excluded.seq > {table}.seq"
            )
        said = [column.name for column in self.entity.columns] + ["n", "replica", "seq", "gone"]
        return (
            f"INSERT INTO {table} {_values((*self.names, 'replica', 'seq', 'n', 'gone'))} ON CONFLICT ({key}) "
            f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in said)} WHERE {_later(table)}"
        )


@cache
def table_of(entity: Entity) -> Table:
    """Return the compiled declaration."""
    return Table(entity)


def _row_of(entity: Entity) -> type[Struct]:
    """A fact is read for its columns only, and without the bounds that a till's words have."""
    paths = [column.path for column in entity.stored if column.path]
    if entity.kind is not Kind.FACT:
        return entity.row
    return part_of(entity.row, {path: _unbound(field_at(entity.row, path)) for path in paths})


def _unstored(entity: Entity) -> list[FieldInfo]:
    """A register's or tally's fields that have no column."""
    if entity.kind is Kind.FACT or entity.is_shared:
        return []
    stored = {column.path.partition(".")[0] for column in entity.stored} | {"n", "gone"}
    return [field for field in fields(entity.row) if field.encode_name not in stored]


def _unbound(field: FieldInfo) -> Any:
    return plain_type(field) | None if is_optional(field) else plain_type(field)


def _bodies(found: Columns) -> list[bytes]:
    return [body.encode() for body in found[0]]


def _later(table: str) -> str:
    """SQL for: the arriving version is larger by (is no handed-over row of this shop's own, n, rep)."""
    rep = "SELECT store || ':' || incarnation FROM replica WHERE id ="
    return (
        f"CASE WHEN excluded.replica = {table}.replica THEN excluded.n > {table}.n "
        f"ELSE (excluded.n, ({rep} excluded.replica)) > ({table}.n, ({rep} {table}.replica)) END"
    )


def _values(columns: Sequence[str]) -> str:
    return f"({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
