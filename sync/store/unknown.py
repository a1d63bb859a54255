"""Rows that this version cannot read, wholly or in part: kept as the bytes received, passed on, applied after an upgrade.

    kept                                     key     passed on                        applied
    a row of an unknown stream, kind, shape  NULL    by its dot                       when a later version declares it
    a state row with unknown fields          its key in the place of what is known    what is known at once, the rest likewise

Of a state row only the newest with a key is kept, so that this grows no more than the stream itself. Functions of a write job.
"""

from collections.abc import Sequence
from sqlite3 import Connection

from sync.batch import Row

Keyed = tuple[int, bytes, str]
"""A row and its key, as one text."""


def keep_unknown(tx: Connection, replica: int, stream: str, rows: Sequence[Row], *, tried: str = "") -> None:
    """Keep rows of another replica's stream; `tried` names the declarations that could not read them."""
    tx.executemany(
        "INSERT INTO unknown_row (replica, stream, seq, body, tried) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(replica, stream, seq, row, tried) for seq, row in rows],
    )


def keep_whole(tx: Connection, replica: int, stream: str, rows: Sequence[Keyed], *, tried: str) -> None:
    """Keep the bytes of state rows of which a part was not known, instead of those of earlier rows with their keys."""
    forget(tx, replica, stream, [key for _, _, key in rows])
    tx.executemany(
        "INSERT INTO unknown_row (replica, stream, seq, body, key, tried) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(replica, stream, seq, row, key, tried) for seq, row, key in rows],
    )


def forget(tx: Connection, replica: int, stream: str, keys: Sequence[str]) -> None:
    """Forget the bytes of rows that were replaced."""
    tx.executemany(
        "DELETE FROM unknown_row WHERE replica = ? AND stream = ? AND key = ?", [(replica, stream, key) for key in keys]
    )


def has_whole(read: Connection, replica: int, stream: str) -> bool:
    """Say whether bytes of state rows of this writer are kept at all."""
    found = read.execute(
        "SELECT 1 FROM unknown_row WHERE replica = ? AND stream = ? AND key IS NOT NULL LIMIT 1", (replica, stream)
    ).fetchone()
    return found is not None


def unknown_after(read: Connection, replica: int, stream: str, after: int, limit: int) -> list[Row]:
    """Return rows from behind a seq, in order."""
    return read.execute(
        "SELECT seq, body FROM unknown_row WHERE replica = ? AND stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica, stream, after, limit),
    ).fetchall()


def untried(read: Connection, tried: str, *, limit: int) -> list[tuple[int, str, str, int, bytes]]:
    """Return (replica, rep, stream, seq, row) of rows that these declarations have not tried, in the order of their dots."""
    return read.execute(
        """
        SELECT replica, store || ':' || incarnation, stream, seq, body
        FROM unknown_row JOIN replica ON replica.id = unknown_row.replica
        WHERE tried <> ? ORDER BY replica, stream, seq LIMIT ?
        """,
        (tried, limit),
    ).fetchall()


def release(tx: Connection, replica: int, stream: str, seqs: Sequence[int]) -> None:
    """Forget rows by their dots, before they are applied."""
    tx.executemany(
        "DELETE FROM unknown_row WHERE replica = ? AND stream = ? AND seq = ?", [(replica, stream, seq) for seq in seqs]
    )
