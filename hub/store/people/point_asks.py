"""Questions for points in the books: which slot is free, what is asked, what was answered, what is given back.

    a slot is free   nothing was ever asked in it, its sale is in the books, or what was given back was answered
    given back       after a sale that was refused, and at a start: what was asked for a sale that is not in the books

Functions of a write job, and reads. Not here: waiting (hub.point_holds), the rule and the rows (sync.retail.people.point_holds),
whether points may be burned (hub.store.people.points).
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.model import Replica
from sync.retail.people.point_holds import POINT_ASK, SLOTS, PointAskRow
from sync.store.writing import put_version


class Asked(Struct, frozen=True):
    """A question: the slot it stands in, and its number there."""

    slot: int
    n: int


class Answer(Struct, frozen=True):
    """What the cloud has said; `balance` is what the person may burn there."""

    is_held: bool
    balance: int


def ask_points(
    tx: Connection, own: Replica, sale_id: str, members: Sequence[str], points: int, *, unheard: int
) -> Asked | None:
    """Write a question into a free slot; None where all are taken."""
    slot = next((each for each in range(SLOTS) if _is_free(tx, own, each)), None)
    if slot is None:
        return None
    row = PointAskRow(
        store=own.store,
        rep=own.rep,
        slot=slot,
        sale_id=sale_id,
        members=list(members),
        points=points,
        unheard=unheard,
    )
    return Asked(slot, put_version(tx, own, POINT_ASK, row))


def answer_to(read: Connection, own: Replica, asked: Asked) -> Answer | None:
    """Return the cloud's answer to a question, None while there is none."""
    row = read.execute(
        "SELECT is_held, balance FROM point_hold WHERE store = ? AND rep = ? AND slot = ? AND n = ? AND gone = 0",
        (own.store, own.rep, asked.slot, asked.n),
    ).fetchone()
    return Answer(bool(row[0]), row[1]) if row else None


def give_back(tx: Connection, own: Replica, slot: int) -> bool:
    """Give back what was asked for in a slot if its sale is not in the books; say whether there was anything."""
    row = _row(tx, own, slot)
    if row is None or not row.points or _is_booked(tx, row.sale_id):
        return False
    put_version(tx, own, POINT_ASK, msgspec.structs.replace(row, points=0, unheard=0))
    return True


def give_all_back(tx: Connection, own: Replica) -> int:
    """At a start: give back what was asked for sales that never were; return how many."""
    return sum(give_back(tx, own, slot) for slot in range(SLOTS))


def unheard_burns(read: Connection, own: Replica, members: Sequence[str], *, held: int) -> int:
    """Return what this life has burned of these members without the cloud's word, behind the seq that the cloud holds."""
    return sum(
        read.execute(
            """
            SELECT coalesce(sum(points), 0) FROM point_burn JOIN sale ON sale.sale_id = point_burn.key
            WHERE point_burn.entity = 'sale' AND point_burn.member_id = ? AND sale.replica = ? AND sale.seq > ?
            """,
            (each, own.local_id, held),
        ).fetchone()[0]
        for each in members
    )


def _is_free(read: Connection, own: Replica, slot: int) -> bool:
    row = _row(read, own, slot)
    if row is None:
        return True
    if row.points:
        return _is_booked(read, row.sale_id)
    return answer_to(read, own, Asked(slot, row.n)) is not None


def _row(read: Connection, own: Replica, slot: int) -> PointAskRow | None:
    row = read.execute(
        """
        SELECT n, sale_id, members, points, unheard FROM point_ask
        WHERE store = ? AND rep = ? AND slot = ? AND gone = 0
        """,
        (own.store, own.rep, slot),
    ).fetchone()
    if row is None:
        return None
    n, sale_id, members, points, unheard = row
    return PointAskRow(
        store=own.store,
        rep=own.rep,
        slot=slot,
        n=n,
        sale_id=sale_id,
        members=msgspec.json.decode(members, type=list[str]),
        points=points,
        unheard=unheard,
    )


def _is_booked(read: Connection, sale_id: str) -> bool:
    return read.execute("SELECT 1 FROM sale WHERE sale_id = ?", (sale_id,)).fetchone() is not None
