"""Stock levels for others: the facts' effects folded into growing tallies, in batches, behind the selling.

A sale writes nothing for it: `folded` says how far the facts of each stream are in, so that none counts twice. Effects are read
by their fixed names (sync.effects), whatever the fact is: `stock`, and `picked` for goods that were promised to others. A fact
that gave way to another's counts as well, before or after: the `duplicate` fact takes it back.
"""

from sqlite3 import Connection

from sync.batch import SEQ_MAX
from sync.db import Database
from sync.entities import REGISTRY
from sync.model import Replica, Stream
from sync.retail.stock.grants import SPENT
from sync.retail.stock.levels import LEVEL
from sync.store.writing import Key, grow_tally

FOLD_MAX = 500  # facts in one write job: a sale never waits for more
_FOLDED = REGISTRY.tables_with_effects
# facts that gave way to another life's: they count here until the `duplicate` fact that takes them back is folded as well
_FALLEN = "SELECT replica, seq, CAST(body AS TEXT) AS body FROM second_row WHERE stream ="


def facts_to_fold(read: Connection, replica: Replica) -> dict[str, tuple[int, int]]:
    """Return (folded to, head) of each stream whose facts are not all folded."""
    rows = read.execute(
        """
        SELECT stream.name, coalesce(folded.last, 0), stream.seq
        FROM stream LEFT JOIN folded ON folded.replica = stream.replica AND folded.stream = stream.name
        WHERE stream.replica = ? AND stream.seq > coalesce(folded.last, 0)
        """,
        (replica.local_id,),
    ).fetchall()
    return {name: (last, seq) for name, last, seq in rows if name in _FOLDED}


async def fold_all(db: Database, replica: Replica) -> None:
    """Fold until a job leaves nothing: that comes, whatever is written between two of them, and facts of later ones wait."""
    if facts_to_fold(db.read, replica):
        while await db.write(lambda tx: fold(tx, replica)):
            pass


def fold(tx: Connection, replica: Replica) -> bool:
    """Fold up to FOLD_MAX facts, stream by stream; say whether there are more."""
    behind, room = facts_to_fold(tx, replica), FOLD_MAX
    for stream, (last, head) in behind.items():
        to = min(head, last + room)
        if to > last:
            _fold(tx, replica, stream, last, to)
        room -= to - last
    return sum(head - last for last, head in behind.values()) > FOLD_MAX


def _fold(tx: Connection, replica: Replica, stream: str, last: int, to: int) -> None:
    grown: dict[Key, tuple[int, int, int]] = {}
    for sku, location, *more in _effects(tx, stream, (replica.local_id, last, to)):
        before = grown.get((sku, location), (0, 0, 0))
        grown[sku, location] = (before[0] + more[0], before[1] + more[1], before[2] + more[2])
    grow_tally(tx, replica, LEVEL, {key: numbers for key, numbers in grown.items() if any(numbers)})
    if stream == Stream.DUPLICATES:
        _spend_again(tx, replica, last, to)
    tx.execute(
        """
        INSERT INTO folded (replica, stream, last) VALUES (?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET last = excluded.last
        """,
        (replica.local_id, stream, to),
    )


def picks_taken_back(read: Connection, replica: Replica, *, after: int = 0, to: int = SEQ_MAX) -> dict[Key, int]:
    """Return (sku, location) -> pieces of picks that two lives have written, and this one takes back: see `_spend_again`."""
    rows = read.execute(
        """
        SELECT effect.value ->> 0, effect.value ->> 1, sum(effect.value ->> 2)
        FROM duplicate_fact AS fact, json_each(fact.body, '$.stock') AS effect
        WHERE fact.replica = ? AND fact.seq > ? AND fact.seq <= ? AND fact.body ->> 'entity' = 'promise_end'
        GROUP BY 1, 2
        """,
        (replica.local_id, after, to),
    )
    return {(sku, location): qty for sku, location, qty in rows}


def bodies_of(stream: str) -> str:
    """Return SQL for (replica, seq, body) of all facts of a stream: also of those that gave way to another's, they have counted,
    and of those of a later version, whose effects can be read.
    """
    tables = [f"SELECT replica, seq, body FROM {table}" for table in _FOLDED[stream]]
    second = f"SELECT replica, seq, CAST(body AS TEXT) FROM second_row WHERE stream = '{stream}'"
    text = "CAST(body AS TEXT)"
    later = f"SELECT replica, seq, {text} FROM unknown_row WHERE stream = '{stream}' AND json_valid({text})"
    return " UNION ALL ".join([*tables, second, later])


def _effects(tx: Connection, stream: str, facts: tuple[int, int, int]) -> list[tuple[str, str, int, int, int]]:
    """Return (sku, location, received, issued, picked) of a writer's facts in (last, to]."""
    moved = tx.execute(
        f"""
        SELECT effect.value ->> 0, effect.value ->> 1,
               sum(max(effect.value ->> 2, 0)), sum(max(-(effect.value ->> 2), 0)), 0
        FROM ({bodies_of(stream)}) AS fact, json_each(fact.body, '$.stock') AS effect
        WHERE fact.replica = ? AND fact.seq > ? AND fact.seq <= ?
        GROUP BY 1, 2
        """,
        facts,
    ).fetchall()
    picked = tx.execute(
        f"""
        SELECT effect.value ->> 0, effect.value ->> 1, 0, 0, sum(effect.value ->> 2)
        FROM ({bodies_of(stream)}) AS fact, json_each(fact.body, '$.picked') AS effect
        WHERE fact.replica = ? AND fact.seq > ? AND fact.seq <= ? AND fact.body LIKE '%"picked"%'
        GROUP BY 1, 2
        """,
        facts,
    ).fetchall()
    return moved + picked


def _spend_again(tx: Connection, replica: Replica, last: int, to: int) -> None:
    """A pick that is taken back gives goods back, which makes a right, and cannot lower `picked`: so the right is spent again.

    Then neither the right nor the sum of open promises knows of the second pick.
    """
    again = picks_taken_back(tx, replica, after=last, to=to)
    grow_tally(
        tx,
        replica,
        SPENT,
        {(sku, replica.store, location, replica.rep): (qty, 0) for (sku, location), qty in again.items()},
    )
