"""The schema that declarations want against what migrations make: nothing missing, and what is missing is written or refused."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hub.commands.schema import cloud_difference, hub_difference, write_difference
from hub.migrations import MIGRATIONS
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.entities import REGISTRY, Registry
from sync.errors import SyncError
from sync.kinds import Column, Entity
from sync.migrate import migrate, migrations
from sync.retail.prints import PRINT_RESULT
from sync.retail.selling.sales import SALE
from sync.retail.stock.levels import LEVEL
from sync.retail.stock.promises import PROMISE
from sync.store.schema import compare, compare_cloud, index_sql, table_info, table_sql, wanted_table


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """What all migrations make of an empty file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty, MIGRATIONS)
        yield empty


def with_columns(entity: Entity, *columns: Column) -> Entity:
    return replace(entity, columns=(*entity.columns, *columns))


def test_the_migrations_of_both_ends_make_what_the_declarations_want() -> None:
    assert (hub_difference(), cloud_difference()) == (hub_difference(Registry(())), cloud_difference(Registry(())))
    assert hub_difference().statements == () and hub_difference().refused == ()
    assert cloud_difference().refused == ()


@pytest.mark.parametrize("entity", REGISTRY.entities, ids=lambda entity: entity.name)
def test_a_table_is_made_of_its_declaration(entity: Entity, database: sqlite3.Connection) -> None:
    wanted, there = wanted_table(entity), table_info(database, entity.table)
    assert there is not None
    assert set(wanted.columns) <= set(there.columns)
    assert {key for key, unique in wanted.indexes.items() if unique} == {
        key for key, unique in there.indexes.items() if unique
    }


def test_an_entity_that_is_new_gets_its_table_and_then_there_is_nothing_to_do(database: sqlite3.Connection) -> None:
    new = replace(PROMISE, name="pledge", table="pledge", stream="pledges")
    found = compare(database, [new])
    assert found.statements[1:] == (table_sql(new), *index_sql(new)) and found.refused == ()
    database.executescript("\n".join(found.statements))
    assert compare(database, [new]) == compare(database, [])


def test_a_column_that_is_declared_later_is_filled_from_the_rows(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO replica (id, store, incarnation, began_ms, own) VALUES (1, 'aa', 'aa', 1, 1)")
    database.execute('INSERT INTO print_result (replica, seq, body) VALUES (1, 1, \'{"job_id":"j1"}\')')
    job = Column("job_id", path="job_id", default="", is_indexed=True)
    found = compare(database, [with_columns(PRINT_RESULT, job)])
    assert [statement.split()[0] for statement in found.statements] == ["ALTER", "UPDATE", "CREATE"]
    database.executescript("\n".join(found.statements))
    assert database.execute("SELECT job_id FROM print_result").fetchall() == [("j1",)]
    assert compare(database, [with_columns(PRINT_RESULT, job)]).statements == ()


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        (with_columns(SALE, Column("till_id", path="sale.till_id")), "sale.till_id: rows that are there have no value"),
        (
            replace(LEVEL, numbers=(Column("received", "TEXT", path="received"), *LEVEL.numbers[1:])),
            "level.received is INTEGER",
        ),
        (
            replace(LEVEL, key=LEVEL.key[:1], columns=(Column("location", path="location"),)),
            "KEY 2.*cannot change it in place",
        ),
        (replace(SALE, columns=SALE.columns[1:]), "sale.receipt_no wants a value and is not declared"),
        (
            replace(SALE, columns=(replace(SALE.columns[0], is_unique=False), *SALE.columns[1:])),
            r"sale \(receipt_no\) is unique and not declared so",
        ),
    ],
)
def test_what_cannot_be_added_is_refused_with_the_reason(
    entity: Entity, said: str, database: sqlite3.Connection
) -> None:
    refused = compare(database, [entity]).refused
    assert len(refused) >= 1
    with pytest.raises(AssertionError, match=said):
        raise AssertionError("; ".join(refused))


def test_a_unique_index_that_is_wanted_is_added(database: sqlite3.Connection) -> None:
    database.executescript("CREATE TABLE other (a TEXT)")
    unique = replace(
        PROMISE, columns=(replace(PROMISE.columns[0], is_unique=True, is_indexed=False), *PROMISE.columns[1:])
    )
    assert compare(database, [unique]).statements == ("CREATE UNIQUE INDEX promise_order_id ON promise (order_id);",)


def test_the_cloud_keeps_rows_of_every_kind_and_says_which_table_is_not_there() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as cloud:
        migrate(cloud, CLOUD_MIGRATIONS)
        assert compare_cloud(cloud, REGISTRY.entities).refused == ()
        cloud.execute("DROP TABLE fact_key")
        assert "fact_key for every fact: all of it" in compare_cloud(cloud, REGISTRY.entities).refused[0]


def test_the_command_writes_the_next_number_or_says_that_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0041_before.sql").write_text("")
    assert write_difference(tmp_path, "more") == 0 and "nothing to do" in capsys.readouterr().out
    new = replace(PROMISE, name="pledge", table="pledge", stream="pledges")
    assert write_difference(tmp_path, "more", Registry((new,))) == 0
    assert (tmp_path / "0042_more.sql").read_text().startswith("-- Fact, stream 'pledges'.")
    with pytest.raises(SyncError, match="no migration was written"):
        write_difference(tmp_path, "more", Registry((with_columns(SALE, Column("till_id", path="sale.till_id")),)))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_database_of_before_the_kinds_opens_and_keeps_its_rows() -> None:
    """A level and a row that was not known, written by the version before, are there after the migration."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        for number, sql in migrations(MIGRATIONS):
            if number <= 3:
                old.executescript(f"{sql}; PRAGMA user_version = {number};")
        old.execute("INSERT INTO replica (id, store, incarnation, began_ms, own) VALUES (1, 'aa', 'aa', 1, 1)")
        old.execute(
            "INSERT INTO level (sku, location, replica, received, issued, seq) VALUES ('a', 'shop', 1, 5, 2, 1)"
        )
        old.execute("INSERT INTO unknown_row (replica, stream, seq, body) VALUES (1, 'seals', 1, x'7b7d')")
        migrate(old, MIGRATIONS)

        assert old.execute("SELECT received, issued, picked FROM level").fetchall() == [(5, 2, 0)]
        assert old.execute("SELECT body, key, tried FROM unknown_row").fetchall() == [(b"{}", None, "")]
        old.execute("INSERT INTO unknown_row (replica, stream, seq, body) VALUES (1, 'later', 2, x'00')")
        old.execute(
            "INSERT INTO level (sku, location, replica, received, issued, seq) VALUES ('b', 'shop', 1, 5, 2, 2)"
        )
