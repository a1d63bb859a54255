"""The three kinds of replicated data, and what a declaration says of an entity. Pure.

    kind       what                                   merge                                   feed
    fact       immutable row                          union on its key                        log
    tally      numbers that one replica makes grow    the larger, per (key, writer)           state
    register   versioned row, with an authority       CLOUD, STORE: larger (n, rep)           state
                                                      SHARED: per field, larger (stamp, rep)

One `Entity` in sync.retail adds an entity: from it come its table (sync.schema), merge (sync.merge, sync.store.rows), wire form,
feed, metrics label, reference page (sync.reference) and its workload in tests (sync.testing.workload). sync.entities finds it.
Source: the design, 3.2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from sync.model import Feed
from sync.paths import default_of, field_at, is_optional, struct_of


class Kind(StrEnum):
    """How rows merge."""

    FACT = "fact"
    TALLY = "tally"
    REGISTER = "register"


class Authority(StrEnum):
    """Who gives a register its versions."""

    CLOUD = "cloud"
    STORE = "store"
    SHARED = "shared"


class Priority(IntEnum):
    """What is sent first."""

    URGENT = 0
    SOON = 1
    NORMAL = 2
    LATER = 3
    TELEMETRY = 4


class PassedOn(StrEnum):
    """Whom rows of a life are told beside head office: what a copy must not lose, what both hubs of a store sell by."""

    LIVES = "lives"  # the store's other lives, by its second hub and by the cloud
    BESIDE = "beside"  # the same by the second hub; from the cloud it comes by region
    ENDED = "ended"  # the cloud tells what lives had written that have ended
    NOBODY = "nobody"


class Shape(StrEnum):
    """How a value of a row stands in its column."""

    PLAIN = "plain"
    FLAG = "flag"  # true as 1
    JSON = "json"  # a value of several parts, as text
    UTC_MS = "utc_ms"  # RFC 3339 as milliseconds


@dataclass(frozen=True, slots=True)
class Keep:
    """How long rows stay: `days` after their date, until they are closed, or (neither) for ever. Keys outlive their rows.

    Telemetry goes after its days also where this hub is the only copy.
    """

    days: int | None = None
    until_closed: bool = False
    is_telemetry: bool = False

    def __str__(self) -> str:
        if self.days is not None:
            return f"{self.days} days{', without a cloud too' * self.is_telemetry}"
        return "until closed" if self.until_closed else "for ever"


FOREVER = Keep()
UNTIL_CLOSED = Keep(until_closed=True)


@dataclass(frozen=True, slots=True)
class Column:
    """A column and where its value comes from: a `path` of the row, what `compute` makes of the row, or, local to this end,
    nowhere: then rows of others get `default`, as do those that cannot be computed from.
    """

    name: str
    sql: str = "TEXT"
    path: str = ""
    shape: Shape = Shape.PLAIN
    compute: Callable[[Any], Any] | None = None  # Any: from the entity's row to a value of SQLite
    default: str | int | bytes | None = None
    is_nullable: bool = False
    is_unique: bool = False
    is_indexed: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether its value is no part of the row."""
        return not self.path and self.compute is None


@dataclass(frozen=True, slots=True)
class Measure:
    """What a fact adds to its store's sum at the cloud: `amount` of `unit`, both paths. A tally's numbers are their own."""

    unit: str = ""
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A path at which another fact's key stands: the cause of this one."""

    path: str
    entity: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Entity:
    """A declaration. `row` is the Struct of the stream's rows; a stream that several entities share tells them by tag.

      key       what rows are merged by; empty: a fact is its dot, and `shown` is what a page calls it by
      numbers   a tally's, each at its own path
      written_by  a key column that must name the writer: its rep for a tally, its store for a register
      passed_on   None: a fact to the store's other lives, a tally or a register to nobody
    is_key_of_store  the key is unique in its store only
      with_id   the table has an integer id of its own beside the key
    """

    name: str
    stream: str
    kind: Kind
    table: str
    row: type[Struct]
    doc: str
    key: tuple[Column, ...] = ()
    numbers: tuple[Column, ...] = ()
    columns: tuple[Column, ...] = ()
    authority: Authority | None = None
    keep: Keep = FOREVER
    priority: Priority = Priority.NORMAL
    passed_on: PassedOn | None = None
    dated: str = ""
    measure: Measure | None = None
    names: tuple[Named, ...] = ()
    shown: str = ""
    written_by: str = ""
    is_key_of_store: bool = False
    with_id: bool = False

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ValueError(f"entity {self.name!r}: {'; '.join(problems)}")

    @property
    def feed(self) -> Feed:
        """How its stream ships."""
        return Feed.LOG if self.kind is Kind.FACT else Feed.STATE

    @property
    def told_to(self) -> PassedOn:
        """Whom rows of a life are told."""
        return self.passed_on or (PassedOn.LIVES if self.kind is Kind.FACT else PassedOn.NOBODY)

    @property
    def label(self) -> str:
        """What metrics and the lists of a store's streams call it."""
        return self.stream

    @property
    def is_shared(self) -> bool:
        """Whether it is merged cell by cell."""
        return self.authority is Authority.SHARED

    @cached_property
    def tag(self) -> str | None:
        """What tells its rows from others of the stream."""
        tag = self.row.__struct_config__.tag
        return None if tag is None else str(tag)

    @property
    def has_effects(self) -> bool:
        """Whether its rows may move stock."""
        return self.kind is Kind.FACT and "stock" in self.row.__struct_encode_fields__

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that hold what the row says, key first."""
        return (*self.key, *self.numbers, *self.columns)


def check_all(entities: tuple[Entity, ...]) -> None:
    """Raise ValueError where declarations do not go together."""
    by_name: dict[str, Entity] = {}
    for each in entities:
        for other in by_name.values():
            if each.name == other.name or each.table == other.table:
                raise ValueError(f"entities {each.name!r} and {other.name!r} have one name or one table")
            if each.stream != other.stream:
                continue
            if each.feed is not other.feed:
                raise ValueError(
                    f"stream {each.stream!r} is a log of {each.name!r} or a state of {other.name!r}, not both"
                )
            if each.told_to is not other.told_to:
                raise ValueError(f"stream {each.stream!r}: {each.name!r} and {other.name!r} are passed on differently")
            if each.tag is None or other.tag is None or each.tag == other.tag:
                raise ValueError(
                    f"stream {each.stream!r}: rows of {each.name!r} and {other.name!r} need tags of their own"
                )
        by_name[each.name] = each
    for each in entities:
        for named in each.names:
            if named.entity not in by_name:
                raise ValueError(f"entity {each.name!r} names an unknown entity {named.entity!r}")


def _problems(entity: Entity) -> list[str]:
    return [*_kind_problems(entity), *_path_problems(entity), *_column_problems(entity), *_lost_fields(entity)]


def _kind_problems(entity: Entity) -> list[str]:
    found = []
    if entity.kind is Kind.TALLY and not entity.numbers:
        found.append("a tally has numbers")
    if entity.kind is not Kind.TALLY and entity.numbers:
        found.append(f"a {entity.kind} has no numbers; use columns")
    if entity.kind is not Kind.FACT and not entity.key:
        found.append(f"a {entity.kind} has a key")
    if (entity.kind is Kind.REGISTER) != (entity.authority is not None):
        found.append("a register, and nothing else, has an authority")
    if entity.is_shared and entity.columns:
        found.append("a shared register is kept by cells; it has no columns")
    said = entity.row.__struct_encode_fields__
    if entity.is_shared and "cells" not in said:
        found.append("a shared register's row has `cells`")
    if entity.kind is Kind.REGISTER and not entity.is_shared and not {"n", "gone"} <= set(said):
        found.append("a register's row has `n` and `gone`")
    if entity.keep.days is not None and entity.keep.days < 1:
        found.append("keep: at least one day")
    if entity.keep.is_telemetry and entity.keep.days is None:
        found.append("telemetry is kept for days")
    if entity.keep.days is not None and not entity.dated:
        found.append("what is kept for days is `dated` by a path")
    if entity.measure and entity.kind is Kind.FACT and not entity.measure.amount:
        found.append("a fact's measure has an amount")
    return found


def _path_problems(entity: Entity) -> list[str]:
    paths = [column.path for column in entity.stored if column.path]
    paths += [named.path for named in entity.names]
    paths += [path for path in (entity.dated, entity.shown) if path]
    if entity.measure:
        paths += [path for path in (entity.measure.unit, entity.measure.amount) if path]
    found = []
    for path in paths:
        try:
            field_at(entity.row, path)
        except ValueError as err:
            found.append(str(err))
    return found


def _column_problems(entity: Entity) -> list[str]:
    found = []
    names = [column.name for column in entity.stored]
    found += [f"column {name!r} twice" for name in sorted(set(names)) if names.count(name) > 1]
    found += [f"{column.name!r} is what every row has" for column in entity.stored if column.name in _OWN_COLUMNS]
    for column in entity.stored:
        if column.sql not in ("TEXT", "INTEGER", "BLOB"):
            found.append(f"column {column.name!r}: {column.sql!r} is none of TEXT, INTEGER, BLOB")
        if column.path and column.compute:
            found.append(f"column {column.name!r} has a path or is computed, not both")
        if not column.path and column.default is None and not column.is_nullable:
            found.append(f"column {column.name!r} has no path: rows of others need its default")
    for column in (*entity.key, *entity.numbers):
        if not column.path:
            found.append(f"column {column.name!r} of the key or the numbers has a path")
        elif _is_known(entity, column.path) and is_optional(field_at(entity.row, column.path)):
            found.append(f"{column.path!r} of the key or the numbers may be null")
    if entity.written_by and entity.written_by not in [column.name for column in entity.key]:
        found.append(f"written_by {entity.written_by!r} is no column of the key")
    return found


def _lost_fields(entity: Entity) -> list[str]:
    """A state row is made of its columns again: what has none must be a constant."""
    if entity.kind is Kind.FACT or entity.is_shared:
        return []
    stored = {column.path for column in entity.stored} | {"n", "gone"}
    return [
        f"field {path!r} has neither a column nor a number or text as its default: it would be lost"
        for path in _unstored(entity.row, stored)
    ]


def _unstored(row: type[Struct], stored: set[str], above: str = "") -> Iterator[str]:
    for field in fields(row):
        path = f"{above}{field.encode_name}"
        if any(each.startswith(f"{path}.") for each in stored) and not is_optional(field):
            yield from _unstored(struct_of(field), stored, f"{path}.")
        elif path not in stored and (above or not _is_constant(field)):
            yield path


def _is_constant(field: FieldInfo) -> bool:
    """Whether what is left out can be written again from the declaration alone."""
    value = None if field.required else default_of(field)
    return isinstance(value, int | str) and not isinstance(value, bool)


def _is_known(entity: Entity, path: str) -> bool:
    try:
        field_at(entity.row, path)
    except ValueError:
        return False
    return True


_OWN_COLUMNS = {"id", "replica", "seq", "n", "gone", "body"}
