"""Members' points as cached sums: every fact that counts here, each once, changed in the transaction of the fact.

    facts of this hub                                    with the sale, return or entry that has the effects
    facts of other lives, and second rows                hub.store.replica.settling.settle

A balance is what this store's facts come to, and what the cloud has told of the other stores of the region: as old as the line.
Not here: what may be burned (hub.store.people.points). Functions of a write job; `balance` is a read.
"""

from collections.abc import Iterable, Mapping
from sqlite3 import Connection


def balance_of(member: str) -> str:
    """Return SQL for the points of the member that an expression names."""
    return f"""
      coalesce((SELECT points FROM point_balance WHERE member_id = {member}), 0) + coalesce((
        SELECT sum(points) FROM member_points
        WHERE member_id = {member} AND gone = 0 AND store <> (SELECT store FROM replica WHERE own = 1)
      ), 0)
    """


_BALANCE = f"SELECT {balance_of('?1')}"


def balance(read: Connection, ids: Iterable[str]) -> int:
    """Return the points of a person, by all its ids: this store's and those that the cloud has told; it may be negative."""
    return sum(read.execute(_BALANCE, (each,)).fetchone()[0] for each in ids)


def apply_points(tx: Connection, changed: Mapping[str, int]) -> None:
    """Add effects to the balances."""
    tx.executemany(
        """
        INSERT INTO point_balance (member_id, points) VALUES (?, ?)
        ON CONFLICT (member_id) DO UPDATE SET points = points + excluded.points
        """,
        sorted(changed.items()),
    )
