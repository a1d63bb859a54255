"""A copy of the database beside a hub that runs, what it says of itself, and the mark of one that was put back.

Not here: where it goes (hub.backup). Source: the design, 3.5.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from hub.store.replica.lives import RESTORED, note_machine
from sync.store.replicas import own_replica


class Copied(Struct, frozen=True):
    """What a copy is of: its schema, whose life, how far each of its streams goes."""

    schema: int
    store: str
    rep: str
    heads: dict[str, int]


def copy_database(read: sqlite3.Connection, target: Path) -> None:
    """Write one consistent file, in one step: in small ones it never ends beside a writer. Raise sqlite3.Error."""
    with closing(sqlite3.connect(target)) as copy:
        read.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def describe(read: sqlite3.Connection) -> Copied | None:
    """Return what a database says of itself, None for one of a hub that never ran."""
    own = own_replica(read)
    if own is None:
        return None
    heads = read.execute("SELECT name, seq FROM stream WHERE replica = ? AND seq > 0 ORDER BY name", (own.local_id,))
    return Copied(read.execute("PRAGMA user_version").fetchone()[0], own.store, own.rep, dict(heads.fetchall()))


def damage(read: sqlite3.Connection) -> str:
    """Return what SQLite finds wrong with a file, "" for nothing."""
    try:
        said: list[str] = [row[0] for row in read.execute("PRAGMA integrity_check(5)")]
        orphans = read.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as err:
        return str(err)
    if orphans:
        return f"{len(orphans)} rows name others that are not there"
    return "" if said == ["ok"] else "; ".join(said)


def mark_restored(database: Path) -> None:
    """Let the hub begin a new life when it is next started: what was answered since the copy is elsewhere or lost."""
    with closing(sqlite3.connect(database)) as tx, tx:
        note_machine(tx, RESTORED)
