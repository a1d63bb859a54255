"""A hub's file as a command of this machine reads it: read-only, beside a hub that runs or not, and of this version's schema."""

import sqlite3
from pathlib import Path

from hub.migrations import MIGRATIONS
from sync.connections import connect_reader
from sync.errors import StartError
from sync.migrate import migrations


def open_to_read(database: Path) -> sqlite3.Connection:
    """Open the file; raise StartError for none, or one of another version."""
    if not database.exists():
        raise StartError(f"{database} does not exist; name the hub's configuration with --config")
    read = connect_reader(database)
    try:
        version = read.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as err:
        read.close()
        raise StartError(f"{database}: {err}; restore a backup, the cloud sends what came after it") from err
    wanted = migrations(MIGRATIONS)[-1][0]
    if version < wanted:
        read.close()
        raise StartError(
            f"{database} has schema {version}, this program {wanted}: run the hub once, it upgrades the file"
        )
    return read
