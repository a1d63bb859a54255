"""What is done once a day: when it was done last, how often, and what it found. Reads."""

from sqlite3 import Connection

from msgspec import Struct


class Done(Struct, frozen=True):
    """The last time that a task was done."""

    done_ms: int
    n: int
    found: int
    said: str


def last_done(read: Connection) -> dict[str, Done]:
    """Return the last time of each task."""
    rows = read.execute("SELECT task, done_ms, n, found, said FROM upkeep").fetchall()
    return {task: Done(*more) for task, *more in rows}
