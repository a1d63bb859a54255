"""Stock levels for others: the facts' effects folded into growing tallies, in batches, behind the selling.

A sale writes nothing for it: `folded` says how far the facts of each stream are in, so that none counts twice.
"""

from sqlite3 import Connection

import msgspec

from sync.model import Replica, Stream
from sync.retail.levels import LevelRow
from sync.store.streams import reserve_state_seqs

FOLD_MAX = 500  # facts in one write job: a sale never waits for more
_FACTS = {Stream.SALES: "sale", Stream.RETURNS: "sale_return", Stream.STOCK: "stock_movement"}


def facts_to_fold(read: Connection, replica: Replica) -> dict[Stream, tuple[int, int]]:
    """Return (folded to, head) of each stream whose facts are not all folded."""
    rows = read.execute(
        """
        SELECT stream.name, coalesce(folded.last, 0), stream.seq
        FROM stream LEFT JOIN folded ON folded.replica = stream.replica AND folded.stream = stream.name
        WHERE stream.replica = ? AND stream.seq > coalesce(folded.last, 0)
        """,
        (replica.local_id,),
    ).fetchall()
    return {Stream(name): (last, seq) for name, last, seq in rows if name in _FACTS}


def fold(tx: Connection, replica: Replica) -> bool:
    """Fold up to FOLD_MAX facts of a stream that is behind; say whether there are more."""
    behind = facts_to_fold(tx, replica)
    if not behind:
        return False
    stream, (last, head) = next(iter(behind.items()))
    to = min(head, last + FOLD_MAX)
    moved = tx.execute(
        f"""
        SELECT effect.value ->> 0, effect.value ->> 1,
               sum(max(effect.value ->> 2, 0)), sum(max(-(effect.value ->> 2), 0))
        FROM {_FACTS[stream]} AS fact, json_each(fact.body, '$.stock') AS effect
        WHERE fact.replica = ? AND fact.seq > ? AND fact.seq <= ?
        GROUP BY 1, 2
        """,
        (replica.local_id, last, to),
    ).fetchall()
    if moved:
        first = reserve_state_seqs(tx, replica, Stream.LEVELS, len(moved))
        tx.executemany(
            """
            INSERT INTO level (sku, location, replica, received, issued, seq) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (sku, location, replica) DO UPDATE SET
              received = received + excluded.received, issued = issued + excluded.issued, seq = excluded.seq
            """,
            [(sku, place, replica.local_id, come, gone, first + n) for n, (sku, place, come, gone) in enumerate(moved)],
        )
    tx.execute(
        """
        INSERT INTO folded (replica, stream, last) VALUES (?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET last = excluded.last
        """,
        (replica.local_id, stream, to),
    )
    return len(behind) > 1 or to < head


def level_rows(read: Connection, replica: Replica, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Return (seq, row) of stream `levels` in the order of their seq, from behind `after`."""
    rows = read.execute(
        "SELECT seq, sku, location, received, issued FROM level WHERE replica = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica.local_id, after, limit),
    )
    return [
        (seq, msgspec.json.encode(LevelRow(sku=sku, location=location, received=received, issued=issued)))
        for seq, sku, location, received, issued in rows
    ]
