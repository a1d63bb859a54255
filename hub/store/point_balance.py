"""Members' points as cached sums: every fact that counts here, each once, changed in the transaction of the fact.

    facts of this hub                                    with the sale, return or entry that has the effects
    facts of other lives, and second rows                hub.store.siblings.settle

A balance is what this store's facts come to, and what the cloud has told of the other stores of the region: as old as the line.
Not here: what may be burned (hub.store.points). Functions of a write job; `balance` is a read.
"""

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

_ELSEWHERE = """
  SELECT points FROM member_points
  WHERE member_id = ? AND gone = 0 AND store <> (SELECT store FROM replica WHERE own = 1)
"""


def balance(read: Connection, ids: Iterable[str]) -> int:
    """Return the points of a person, by all its ids: this store's and those that the cloud has told; it may be negative."""
    total = 0
    for each in ids:
        here = read.execute("SELECT points FROM point_balance WHERE member_id = ?", (each,)).fetchone()
        total += (here[0] if here else 0) + sum(points for (points,) in read.execute(_ELSEWHERE, (each,)).fetchall())
    return total


def apply_points(tx: Connection, changed: Mapping[str, int]) -> None:
    """Add effects to the balances."""
    tx.executemany(
        """
        INSERT INTO point_balance (member_id, points) VALUES (?, ?)
        ON CONFLICT (member_id) DO UPDATE SET points = points + excluded.points
        """,
        sorted(changed.items()),
    )
