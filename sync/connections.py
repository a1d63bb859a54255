"""A store's SQLite file is opened here: for the writer, brought to the newest schema; for readers. With what settings, and why.

Not here: who writes when (sync.db), when the write-ahead log is brought into the file (sync.checkpoints).
"""

import sqlite3
from pathlib import Path
from typing import Literal

from sync.migrate import migrate

PAGE_BYTES = 1024  # card wear: a sale dirties a dozen small pages; see docs/architecture.md
CACHE_KIB = 8192
READER_CACHE_KIB = 8192  # the inner pages of an index of a million entries; SQLite's 2 MiB read them again each time
CHECKPOINT_PAGES = 16_000  # 16 MiB of log: pages written often are copied once; half of it costs a sale 0.6 to 1.7 KiB
LOG_PAGES = 17_000  # where sync.checkpoints has not copied them before, a COMMIT does
CHECKPOINT_PAGES_SCARCE = 1000  # where room is scarce the log stays below 1 MiB, whatever a sale costs more

Synchronous = Literal["full", "off"]


def connect_writer(path: Path, migrations: str, synchronous: Synchronous = "full") -> sqlite3.Connection:
    """Open the read-write connection, brought to the newest schema.

    The caller holds the data folder's lock: two writers could corrupt a WAL file.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # Debian's default; who is erased is overwritten, not only unlinked
    migrate(connection, migrations)
    connection.execute("PRAGMA temp_store = MEMORY")  # a /tmp that is full, or gone, stops no sale
    return connection


def connect_reader(path: Path, *, other_thread: bool = False, cache_kib: int | None = None) -> sqlite3.Connection:
    """Open a read-only connection (mode=ro)."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=not other_thread,
        cached_statements=256,
    )
    if cache_kib is not None:
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def connect_beside(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Open a connection that copies the log while the writer writes; a file that is not there is not made (mode=rw)."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")
    return connection
