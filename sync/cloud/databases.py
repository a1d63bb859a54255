"""The database that the configuration names, a file or PostgreSQL's: opened with its writer, or to be read alone."""

import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from sqlite3 import Connection

from sync.cloud.config import CloudConfig
from sync.cloud.migrations import MIGRATIONS
from sync.connections import connect_reader
from sync.db import Database, open_database
from sync.errors import StartError

PAGE_BYTES = 4096  # no card to spare here: a sale takes half the time and space that it takes in the hub's small pages


def open_books(config: CloudConfig) -> AbstractAsyncContextManager[Database]:
    """Open the database that the configuration names, at the newest schema, with its writer."""
    if config.postgres:
        from sync.cloud.postgres.database import open_postgres

        return open_postgres(config.postgres, folder=config.data_dir, migrations=MIGRATIONS)
    begin_file(config.database)
    return open_database(config.database, migrations=MIGRATIONS)


def connect_to_read(config: CloudConfig) -> Connection:
    """Open the cloud's database to read in it, beside a cloud that runs or alone; raise StartError where there is none."""
    if config.postgres:
        from sync.cloud.postgres.connection import PostgresReader

        return PostgresReader(config.postgres)
    if not config.database.exists():
        raise StartError(f"{config.database} is not there; name the cloud's configuration")
    return connect_reader(config.database)


def begin_file(path: Path) -> None:
    """Give a new database the cloud's page size, which a file keeps for life; raise StartError when it cannot be written."""
    if path.exists():
        return
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            file.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as err:
        raise StartError(f"{path}: {err}; make room or choose another [cloud] dir") from err
