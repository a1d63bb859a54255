"""Rows of stores that some part of the cloud has not looked at yet, in the order of the feed. Functions of a write job.

Not here: what follows from them (sync.cloud.loyalty, sync.cloud.persons).
"""

from sqlite3 import Connection
from typing import Literal, NamedTuple

from sync.model import Replica

ROWS_MAX = 200  # of a stream looked at in one job


class NewRow(NamedTuple):
    """A store's row, by its place in the feed."""

    n: int
    rep: str
    seq: int
    body: bytes


def new_rows(
    tx: Connection,
    own: Replica,
    stream: str,
    table: Literal["fact", "tally"],
    *,
    looker: str = "",
    rows_max: int = ROWS_MAX,
) -> list[NewRow]:
    """Return stores' rows of a stream that a looker has not looked at, `rows_max` at most, and note that it has."""
    name = f"{stream} {looker}".rstrip()
    looked = tx.execute("SELECT n FROM looked WHERE stream = ?", (name,)).fetchone()
    rows = tx.execute(
        f"""
        SELECT row.n, replica.store || ':' || replica.incarnation, row.seq, row.body
        FROM {table} AS row JOIN replica ON replica.id = row.replica
        WHERE row.stream = (SELECT id FROM feed WHERE stream = ?) AND row.n > ? AND replica.store <> ?
        ORDER BY row.n LIMIT ?
        """,
        (stream, looked[0] if looked else 0, own.store, rows_max),
    ).fetchall()
    if rows:
        tx.execute(
            "INSERT INTO looked (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n",
            (name, rows[-1][0]),
        )
    return [NewRow(*row) for row in rows]
