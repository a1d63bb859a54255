"""The schema's steps: they apply to an empty file, once each, whole or not at all."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hub.migrations import MIGRATIONS
from sync.cloud.migrations import MIGRATIONS as CLOUD_MIGRATIONS
from sync.connections import connect_writer
from sync.errors import StartError
from sync.migrate import migrate, migrations

NEWEST = migrations(MIGRATIONS)[-1][0]
OPEN_IT = """
import sys
from pathlib import Path
from sync.connections import connect_writer
connect_writer(Path(sys.argv[1]), "hub.migrations").close()
"""


def schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return rows


@pytest.mark.parametrize("package", [MIGRATIONS, CLOUD_MIGRATIONS])
def test_the_steps_are_numbered_without_a_gap(package: str) -> None:
    numbers = [number for number, _ in migrations(package)]

    assert numbers == list(range(1, len(numbers) + 1))


def test_two_steps_of_one_number_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would be skipped without a word, and its table be missed by the first row for it."""
    package = tmp_path / "steps_of_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("one", "other"):
        (package / f"0001_{name}.sql").write_text(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY) STRICT;")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(AssertionError, match="number 1"):
        migrations("steps_of_test")
    sys.modules.pop("steps_of_test")


def test_every_migration_applies_to_an_empty_file_once(tmp_path: Path) -> None:
    for _ in range(2):
        connection = connect_writer(tmp_path / "hub.db", MIGRATIONS)
        assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    connection = connect_writer(tmp_path / "hub.db", MIGRATIONS)
    tables = connection.execute(
        "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    connection.close()

    assert tables and [name for name, strict in tables if not strict] == []


def test_a_start_killed_before_the_commit_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    environment = os.environ | {"STOREHUB_FAILPOINT": "migrate.before_commit"}
    killed = subprocess.run([sys.executable, "-c", OPEN_IT, str(path)], env=environment, check=False)

    after_kill = schema(path)
    again = subprocess.run([sys.executable, "-c", OPEN_IT, str(path)], check=False)
    clean = tmp_path / "clean.db"
    connect_writer(clean, MIGRATIONS).close()

    assert (killed.returncode, after_kill, again.returncode) == (-signal.SIGKILL, [], 0)
    assert schema(path) == schema(clean)


@pytest.mark.parametrize(("ahead", "is_refused"), [(1, False), (2, True)])
def test_a_file_of_the_next_version_opens_and_of_a_later_one_does_not(
    tmp_path: Path, ahead: int, is_refused: bool
) -> None:
    connection = connect_writer(tmp_path / "hub.db", MIGRATIONS)
    connection.execute(f"PRAGMA user_version = {NEWEST + ahead}")

    if is_refused:
        with pytest.raises(StartError, match="newer store-hub"):
            migrate(connection, MIGRATIONS)
    else:
        assert migrate(connection, MIGRATIONS) == NEWEST + ahead
    connection.close()
