"""Rows of streams that this version does not know: kept as the bytes received, applied after an upgrade."""

from collections.abc import Sequence
from sqlite3 import Connection

from sync.batch import Row


def keep_unknown(tx: Connection, replica: int, stream: str, rows: Sequence[Row]) -> None:
    """Keep rows of another replica's stream."""
    tx.executemany(
        "INSERT INTO unknown_row (replica, stream, seq, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(replica, stream, seq, row) for seq, row in rows],
    )
