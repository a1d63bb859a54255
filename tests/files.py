"""A database file of the newest schema, made once a process: all the steps take 70 ms, a copy takes three.

Not here: tests of the steps themselves (tests/sync/test_migrate.py, test_schema.py), and hubs that are processes of their own.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from sync.db import Database, open_database
from tests.sim.disk import new_file


def open_fresh(path: Path, *, migrations: str) -> AbstractAsyncContextManager[Database]:
    """Open the file as `open_database` does; one that is not there begins as a copy of the one made once."""
    if not path.exists():
        path.write_bytes(new_file(migrations))
    return open_database(path, migrations=migrations)
