"""The numbered SQL files of the cloud, applied once each to a PostgreSQL database, each in a transaction with its number.

Workers that start together take turns. Released files are frozen here as on SQLite, and the schema is the same.
"""

from hashlib import blake2b
from importlib import resources

from sync import failpoints
from sync.cloud.postgres.connection import PostgresConnection
from sync.cloud.postgres.ddl import statements
from sync.errors import StartError
from sync.migrate import migrations

SERVER_MIN = 150_000  # PostgreSQL 15
_KEPT = """
CREATE TABLE IF NOT EXISTS schema_step (number bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS schema_words (id bigint PRIMARY KEY CHECK (id = 1), digest text NOT NULL)
"""


def migrate(connection: PostgresConnection, package: str) -> int:
    """Bring a database to the newest schema; return its number. Raise StartError for one of a newer program, or an old server."""
    version = connection.execute("SELECT current_setting('server_version_num'), current_setting('server_encoding')")
    number, encoding = version.fetchone()
    if int(number) < SERVER_MIN or encoding != "UTF8":
        raise StartError(f"PostgreSQL {number} with encoding {encoding}: the cloud end needs 15 or later, and UTF8")
    steps = migrations(package)
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executescript(_KEPT)
        last: int = connection.execute("SELECT COALESCE(max(number), 0) FROM schema_step").fetchone()[0]
        if last > steps[-1][0] + 1:
            raise StartError(
                f"the database has schema {last}, this program knows {steps[-1][0]}: install a newer store-hub"
            )
        _take_words(connection)
        for number, sql in steps:
            if number > last:
                _apply(connection, number, sql)
        _drop_rowid(connection)
        failpoints.hit("migrate.before_commit")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return max(last, steps[-1][0])


def _apply(connection: PostgresConnection, number: int, sql: str) -> None:
    for statement in statements(sql):
        connection.executescript(statement)
    connection.execute("INSERT INTO schema_step (number) VALUES (?)", (number,))


def _drop_rowid(connection: PostgresConnection) -> None:
    """A database of before has the column that is SQLite's alone (ddl)."""
    known = "SELECT 1 FROM pg_attribute WHERE attrelid = 'fact'::regclass AND attname = 'id' AND NOT attisdropped"
    if connection.execute(known).fetchall():
        connection.executescript("ALTER TABLE fact DROP COLUMN id")


def _take_words(connection: PostgresConnection) -> None:
    """Make the functions that SQLite has and PostgreSQL has not, where they are not those of this program."""
    sql = resources.files("sync.cloud.postgres").joinpath("compat.sql").read_text(encoding="utf-8")
    digest = blake2b(sql.encode(), digest_size=8).hexdigest()
    if connection.execute("SELECT digest FROM schema_words").fetchall() != [(digest,)]:
        connection.executescript(sql)
        connection.execute(
            "INSERT INTO schema_words (id, digest) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET digest = excluded.digest",
            (digest,),
        )
