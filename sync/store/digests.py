"""The digest of a log anywhere in it, rolled again over the rows that are held."""

from sqlite3 import Connection

from sync.batch import ROWS_MAX, Boundary
from sync.digest import roll
from sync.store.reading import rows_after


def digest_at(read: Connection, replica: int, stream: str, at: Boundary, last: int) -> bytes | None:
    """Return the digest of a log at `last`, rolled over its rows from a boundary before it; None where rows are missing."""
    seq, digest = at.last, at.digest
    while seq < last:
        rows = rows_after(read, replica, stream, seq, min(ROWS_MAX, last - seq))
        if not rows:
            return None
        for seq, body in rows:  # noqa: B007 - where the last one ends the next read begins
            digest = roll(digest, body)
    return digest
