"""The schema that the declarations want, what a database has, and the SQL from one to the other. Only ever added to.

    missing in the database          becomes
    table                            CREATE TABLE, with its indexes
    column that may be null          ALTER TABLE ADD COLUMN, filled from the rows where they hold it
    column with a default            the same
    column without either            refused: rows that are there have no value for it
    index, unique or not             CREATE [UNIQUE] INDEX
    another type, key or null        refused: SQLite changes none of them in place

What the database has beyond the declarations stays, as a later version's would; a column there that wants a value is refused.
Both sides are read by PRAGMA, the wanted one from an empty database made by `table_sql`. Not here: running it (sync.migrate).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from sync.kinds import Column, Entity, Kind, Shape

REPLICA = "replica INTEGER NOT NULL REFERENCES replica (id)"
SEQ = "seq INTEGER NOT NULL"


_ROW = {"stream", "n", "replica", "seq", "received_ms", "body"}
_OF_KIND = {
    Kind.FACT: {"fact": _ROW, "fact_key": {"stream", "key", "n"}, "duplicate": {"stream", "key", "n"}},
    Kind.TALLY: {"tally": {*_ROW, "key"}},
    Kind.REGISTER: {"tally": {*_ROW, "key"}, "register": {"kind", "sku", "n", "seq", "digest", "origin", "body"}},
}


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column as SQLite tells it."""

    sql: str
    is_not_null: bool
    default: str | None
    key_place: int


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table as SQLite tells it; `indexes` is columns -> whether they are unique."""

    columns: dict[str, ColumnInfo]
    indexes: dict[tuple[str, ...], bool]


@dataclass(frozen=True, slots=True)
class Difference:
    """Statements that bring a database to the declarations, and what no statement can do."""

    statements: tuple[str, ...]
    refused: tuple[str, ...]


def table_sql(entity: Entity) -> str:
    """Return CREATE TABLE for an entity."""
    lines = [*_column_lines(entity), *_constraints(entity)]
    body = ",\n  ".join(lines)
    return f"CREATE TABLE {entity.table} (\n  {body}\n) STRICT{', WITHOUT ROWID' if _is_without_rowid(entity) else ''};"


def index_sql(entity: Entity) -> list[str]:
    """Return CREATE INDEX for what is looked up beside the key."""
    return [
        f"CREATE INDEX {entity.table}_{column.name} ON {entity.table} ({column.name});"
        for column in entity.stored
        if column.is_indexed
    ]


def compare(database: sqlite3.Connection, entities: Iterable[Entity]) -> Difference:
    """Return what the declarations want and the database has not."""
    statements: list[str] = []
    refused: list[str] = []
    for entity in entities:
        wanted, there = wanted_table(entity), table_info(database, entity.table)
        if there is None:
            statements += [f"-- {entity.kind.value.title()}, stream '{entity.stream}'. {entity.doc}", table_sql(entity)]
            statements += index_sql(entity)
            continue
        refused += _refusals(entity, wanted, there)
        statements += _additions(entity, wanted, there)
    return Difference(tuple(statements), tuple(refused))


def compare_cloud(database: sqlite3.Connection, entities: Iterable[Entity]) -> Difference:
    """Return which tables that the kinds of these entities need the cloud has not: it keeps their rows whole, by kind."""
    refused = []
    for kind in sorted({entity.kind for entity in entities}):
        for table, columns in _OF_KIND[kind].items():
            there = table_info(database, table)
            missing = sorted(columns - set(there.columns)) if there else ["all of it"]
            if missing:
                refused.append(
                    f"the cloud's {table} for every {kind}: {', '.join(missing)} is missing; write a migration by hand"
                )
    return Difference((), tuple(refused))


def wanted_table(entity: Entity) -> TableInfo:
    """Return the table of a declaration, read back from an empty database."""
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript("\n".join([table_sql(entity), *index_sql(entity)]))
        info = table_info(empty, entity.table)
    assert info is not None, "it was made just now"
    return info


def table_info(database: sqlite3.Connection, table: str) -> TableInfo | None:
    """Return a table of a database, None where there is none."""
    rows = database.execute(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?)', (table,)
    ).fetchall()
    if not rows:
        return None
    indexes = database.execute('SELECT name, "unique" FROM pragma_index_list(?)', (table,)).fetchall()
    return TableInfo(
        {name: ColumnInfo(sql, bool(not_null), default, place) for name, sql, not_null, default, place in rows},
        {
            tuple(name for (name,) in database.execute("SELECT name FROM pragma_index_info(?)", (index,))): bool(unique)
            for index, unique in indexes
        },
    )


def _column_lines(entity: Entity) -> Iterator[str]:
    tally = entity.kind is Kind.TALLY
    if _has_id(entity):
        yield "id INTEGER PRIMARY KEY"
    if entity.kind is Kind.FACT:
        yield from (REPLICA, SEQ)
    yield from (_column_sql(column) for column in entity.key)
    if entity.kind is Kind.REGISTER:
        yield from ([] if entity.is_shared else ["n INTEGER NOT NULL"])
        yield from (REPLICA, SEQ)
        yield from ([] if entity.is_shared else ["gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1))"])
    yield from ([REPLICA] if tally else [])
    yield from (_column_sql(column) for column in (*entity.numbers, *entity.columns))
    yield from ([SEQ] if tally else [])
    if entity.kind is Kind.FACT or entity.is_shared:
        yield "body TEXT NOT NULL"


def _constraints(entity: Entity) -> Iterator[str]:
    key = ", ".join(column.name for column in entity.key)
    if entity.kind is Kind.TALLY:
        yield f"PRIMARY KEY ({key}, replica)"
    elif entity.is_shared:
        yield f"UNIQUE ({key}, replica)"
    elif not key:
        yield "PRIMARY KEY (replica, seq)"
        return
    elif _has_id(entity):
        yield f"UNIQUE ({key})"
    else:
        yield f"PRIMARY KEY ({key})"
    yield "UNIQUE (replica, seq)"


def _column_sql(column: Column) -> str:
    parts = [column.name, column.sql]
    if not column.is_nullable:
        parts.append("NOT NULL")
    if column.path and column.default is not None:
        parts.append(f"DEFAULT {_literal(column.default)}")
    if column.is_unique:
        parts.append("UNIQUE")
    if column.shape is Shape.FLAG:
        parts.append(f"CHECK ({column.name} IN (0, 1))")
    if column.choices:
        parts.append(f"CHECK ({column.name} IN ({', '.join(map(_literal, column.choices))}))")
    return " ".join(parts)


def _has_id(entity: Entity) -> bool:
    """A row with a body is kept by an id: in a tree by key it would be moved with it (measured: twice the cost)."""
    return entity.with_id or entity.is_shared or (entity.kind is Kind.FACT and bool(entity.key))


def _is_without_rowid(entity: Entity) -> bool:
    return not _has_id(entity)


def _refusals(entity: Entity, wanted: TableInfo, there: TableInfo) -> list[str]:
    found = []
    for name, column in wanted.columns.items():
        known = there.columns.get(name)
        if known is None:
            if column.is_not_null and column.default is None:
                found.append(f"{entity.table}.{name}: rows that are there have no value for it; give it a default")
        elif known != column:
            found.append(
                f"{entity.table}.{name} is {_told(known)}, declared {_told(column)}: SQLite cannot change it in place"
            )
    for name, column in there.columns.items():
        if name not in wanted.columns and column.is_not_null and column.default is None and not column.key_place:
            found.append(f"{entity.table}.{name} wants a value and is not declared: declare it, or give it a default")
    for columns, is_unique in there.indexes.items():
        if is_unique and not wanted.indexes.get(columns):
            found.append(f"{entity.table} ({', '.join(columns)}) is unique and not declared so: rows would be refused")
    return found


def _additions(entity: Entity, wanted: TableInfo, there: TableInfo) -> list[str]:
    found = []
    by_name = {column.name: column for column in entity.stored}
    for name, info in wanted.columns.items():
        if name in there.columns or (info.is_not_null and info.default is None):
            continue
        column = by_name[name]
        plain = Column(column.name, column.sql, column.path, column.shape, None, column.default, column.is_nullable)
        found.append(f"ALTER TABLE {entity.table} ADD COLUMN {_column_sql(plain)};")
        if entity.kind is Kind.FACT and column.path and column.shape is Shape.PLAIN:
            found.append(_filled(entity, column))
    for columns, is_unique in wanted.indexes.items():
        if columns in there.indexes and there.indexes[columns] >= is_unique:
            continue
        name = f"{entity.table}_{'_'.join(columns)}"
        found.append(f"CREATE {'UNIQUE ' if is_unique else ''}INDEX {name} ON {entity.table} ({', '.join(columns)});")
    return found


def _filled(entity: Entity, column: Column) -> str:
    """Rows keep their bytes: a column that is declared later reads what they always said."""
    value = f"body ->> '$.{column.path}'"
    if column.default is not None:
        value = f"coalesce({value}, {_literal(column.default)})"
    return f"UPDATE {entity.table} SET {column.name} = {value};"


def _told(column: ColumnInfo) -> str:
    told = [column.sql, "NOT NULL" if column.is_not_null else "NULL"]
    told += [f"DEFAULT {column.default}"] if column.default is not None else []
    return " ".join([*told, f"KEY {column.key_place}"] if column.key_place else told)


def _literal(value: str | int | bytes) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
