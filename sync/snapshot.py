"""Reads of one moment on SQLite's reading connection: one lock for all of them. Not here: the connection (sync.db)."""

import sqlite3


class Snapshot:
    """One read transaction of a connection, begun and ended by a `with` block; they do not nest."""

    __slots__ = ("_read",)

    def __init__(self, read: sqlite3.Connection) -> None:
        self._read = read

    def __enter__(self) -> sqlite3.Connection:
        self._read.execute("BEGIN")
        return self._read

    def __exit__(self, *_: object) -> None:
        if self._read.in_transaction:  # SQLite ends it itself where the file cannot be read
            self._read.execute("COMMIT")
