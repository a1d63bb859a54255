"""Numbered SQL files, applied once each, in order; `PRAGMA user_version` is the number of the last one applied.

Released files are frozen; they only add, so that the version before opens the file too. A migration emits no feed rows.
"""

import re
import sqlite3
from importlib import resources
from itertools import pairwise

from sync import failpoints
from sync.errors import StartError

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def migrations(package: str) -> list[tuple[int, str]]:
    """Return (number, SQL) of every migration of a package, in order; no two have one number: the second would be skipped."""
    files = [f for f in resources.files(package).iterdir() if _NAME.fullmatch(f.name)]
    steps = sorted((int(f.name[:4]), f.read_text(encoding="utf-8")) for f in files)
    for (number, _), (following, _) in pairwise(steps):
        assert number != following, f"{package}: two migrations have the number {number}"
    return steps


def migrate(connection: sqlite3.Connection, package: str) -> int:
    """Bring the file to the newest schema, each step in a transaction of its own; return the schema version."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = migrations(package)
    if version > steps[-1][0] + 1:
        raise StartError(
            f"the database has schema {version}, this program knows {steps[-1][0]}: install a newer store-hub"
        )
    for number, sql in steps:
        if number > version:
            connection.executescript(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {number};")
            failpoints.hit("migrate.before_commit")
            connection.execute("COMMIT")
            version = number
    return version
